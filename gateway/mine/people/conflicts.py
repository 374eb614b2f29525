"""Readers that see a card where its ranges say that it can't be: told, never averaged."""

from __future__ import annotations

import math
from typing import Final

from gateway.mine.change import EventKind
from gateway.mine.people.cards import Cards
from gateway.mine.record import StepRecord
from positioning.observation import IdTable, Records

#: How often one card's conflict with one reader is told while it goes on.
TELL_EVERY_NS: Final = 60_000_000_000

#: Pairs of card and reader that are remembered. A mine whose maps or clocks are wrong has many;
#: beyond it, the one that was told longest ago may be told again early.
PAIRS_MOST: Final = 4096


class ConflictBook:
    """When each conflict was told, and how often it has come since."""

    def __init__(self, readers: IdTable, table: IdTable) -> None:
        """`readers` are those of the map, by index; `table` names the cards."""
        self._readers = readers
        self._table = table
        #: By card and reader, in the order of telling: when it was told, how often since.
        self._told: dict[tuple[int, int], tuple[int, int]] = {}

    def reload(self, readers: IdTable) -> None:
        """Takes over the readers of another map."""
        kept = {}
        for (card, reader), told in self._told.items():
            index = readers.find(self._readers.name(reader))
            if index is not None:
                kept[card, index] = told
        self._readers, self._told = readers, kept

    def shift(self, by_ns: int) -> None:
        """Follows a leap of time."""
        self._told = {pair: (t_ns + by_ns, more) for pair, (t_ns, more) in self._told.items()}

    def note(self, conflicts: Records, cards: Cards, record: StepRecord) -> None:
        """Takes (k,) CONFLICT, and tells those that are due."""
        for conflict in conflicts:
            pair = (int(conflict["card"]), int(conflict["reader"]))
            told_ns, more = self._told.get(pair, (record.now_ns - TELL_EVERY_NS, 0))
            if record.now_ns - told_ns < TELL_EVERY_NS:
                self._told[pair] = (told_ns, more + 1)
                continue
            self._told.pop(pair, None)
            if len(self._told) >= PAIRS_MOST:
                del self._told[next(iter(self._told))]
            self._told[pair] = (record.now_ns, 0)
            card, reader = self._table.name(pair[0]), self._readers.name(pair[1])
            apart_m = float(conflict["apart_m"])
            away = f"{apart_m:.0f} m from there" if math.isfinite(apart_m) else "elsewhere"
            record.event(
                EventKind.POSITION_CONFLICT,
                int(conflict["t_ns"]),
                card=card,
                device=reader,
                place=cards.last_place(pair[0]),
                text=f"reader {reader} saw card {card}, which its ranges place {away}",
                count=more + 1,
            )
