"""How many have come in and gone out, of the mine and of each zone: in = out + below, always."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.mine.change import Event, EventKind, Flow
from gateway.mine.record import StepRecord

#: Where the journal's state holds the counts.
STATE_KEY: Final = "flows"
#: The mine itself, beside the ids of zones.
MINE: Final = ""

_INTO: Final = (EventKind.ZONE_ENTERED, EventKind.MINE_ENTERED)
_OUT: Final = (EventKind.ZONE_LEFT, EventKind.MINE_LEFT)


class FlowBook:
    """Counts the crossings that each step tells, and keeps the counts with them."""

    def __init__(self, state: Mapping[str, bytes]) -> None:
        """Takes up the counts of before a restart."""
        kept = json.loads(state.get(STATE_KEY, b"[{}, {}]"))
        self._entered, self._left = Counter[str](kept[0]), Counter[str](kept[1])
        self._flows: dict[str, Flow] = {}

    def begin(self, inside: Mapping[str, int], record: StepRecord) -> None:
        """After a restart: `inside` is how many are in each zone, and in the mine.

        What an older gateway did not count, or damage has taken, is made up for, so that the law
        holds from here on.
        """
        self.note(record.events, record)
        for zone, count in inside.items():
            missing = count - (self._entered[zone] - self._left[zone])
            self._entered[zone] += max(missing, 0)
            self._left[zone] += max(-missing, 0)
        self._keep(record)

    def note(self, events: Sequence[Event], record: StepRecord) -> None:
        """Takes what was told since this was called last."""
        into = [event.zone for event in events if event.kind in _INTO]
        out = [event.zone for event in events if event.kind in _OUT]
        if into or out:
            self._entered.update(into)
            self._left.update(out)
            self._keep(record)

    def all(self) -> dict[str, Flow]:
        """By id of the zone; the mine itself is `MINE`."""
        return self._flows

    def _keep(self, record: StepRecord) -> None:
        # A new one: the one before is told already.
        self._flows = {zone: Flow(n, self._left[zone]) for zone, n in self._entered.items()}
        record.state[STATE_KEY] = json.dumps([self._entered, self._left]).encode()
