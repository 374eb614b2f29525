"""What a screen shows: the newest fix of each card, the alarms of now. Pure, fed by streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamproom.columns import COLUMNS, Positions, joined, of_columns
from lamproom.items import (
    Alarm,
    Event,
    EventItem,
    Gap,
    PositionItem,
    Reset,
    Synced,
    Unstored,
)
from lamproom.v1.event_pb2 import ALARM_STATE_NORMAL


class LivePicture:
    """The newest fix of each card, from the items of a stream of positions.

    `whole` is False before all that was known at the start has come.
    """

    def __init__(self) -> None:
        self.whole = False
        self._rows: dict[str, int] = {}
        self._columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, card: str) -> bool:
        return card in self._rows

    def take(self, item: PositionItem) -> None:
        """Learns what an item says."""
        if isinstance(item, Positions):
            self._put(item)
            self._drop(item.left)
        elif isinstance(item, Reset):
            self.whole = False
            self._rows, self._columns = {}, {}
        else:
            self.whole = True

    def positions(self) -> Positions:
        """(n,) rows of now, a copy; cards in the order in which they were first seen."""
        n = len(self._rows)
        if not self._columns:
            return joined(())
        return of_columns(lambda name: self._columns[name][:n].copy())

    def _put(self, fixes: Positions) -> None:
        if not len(fixes):
            return
        rows = self._rows
        at = np.array([rows.setdefault(card, len(rows)) for card in fixes.cards], np.intp)
        for name in COLUMNS:
            new: NDArray[Any] = getattr(fixes, name)
            column = self._columns.get(name)
            if column is None or len(column) < len(rows):
                # Twice what is needed, so that it grows seldom.
                column = np.resize(new if column is None else column, 2 * len(rows))
                self._columns[name] = column
            column[at] = new  # of rows of one card, the last counts

    def _drop(self, cards: Iterable[str]) -> None:
        """The last row takes the place of one that goes."""
        for card in cards:
            row = self._rows.pop(card, None)
            last = len(self._rows)
            if row is None or row == last:
                continue
            for column in self._columns.values():
                column[row] = column[last]
            self._rows[str(self._columns["cards"][row])] = row


class AlarmBoard:
    """The alarms of now, from a list of them and the items of a stream of events from then on.

    `outdated`: a list is needed, to be given to `fill`.
    """

    def __init__(self) -> None:
        self.outdated = False
        self._whole = False
        self._alarms: dict[str, Alarm] = {}

    def fill(self, alarms: Iterable[Alarm]) -> None:
        """Begins anew with what is open now."""
        self._alarms = {alarm.alarm_id: alarm for alarm in alarms}
        self.outdated = False

    def take(self, item: EventItem) -> bool:
        """Learns what an item says; whether the alarms may differ now.

        An event has its alarm whole, as it was then. Those from before the list are told again by
        later ones, so that nothing wrong stays.
        """
        if isinstance(item, Event):
            return self._put([item])
        if isinstance(item, Unstored):
            return self._put(item.events)
        # Events of before the sync are of the past, and nobody knows what was in a gap.
        self._whole = (self._whole and not isinstance(item, Reset)) or isinstance(item, Synced)
        self.outdated = self._whole and isinstance(item, Synced | Gap)
        return self.outdated

    def alarms(self) -> list[Alarm]:
        """The most severe first, and the oldest of those."""
        return sorted(
            self._alarms.values(), key=lambda one: (one.level, one.start_time.ToNanoseconds())
        )

    def _put(self, events: Iterable[Event]) -> bool:
        told = [event.alarm for event in events if event.HasField("alarm")]
        for alarm in told if self._whole else ():
            if alarm.state == ALARM_STATE_NORMAL:
                self._alarms.pop(alarm.alarm_id, None)
            else:
                self._alarms[alarm.alarm_id] = alarm
        return self._whole and bool(told)
