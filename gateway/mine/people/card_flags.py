"""What cards say of themselves: a call for help, and a battery that runs low."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.families import DISTRESS
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.people.cards import Cards
from gateway.mine.record import StepRecord
from positioning.observation import CardFlag, IdTable, Records

LOW_BATTERY: Final = "low_battery"


#: What comes so late that the call is over, and tells of a press this much before the first one
#: known, is that call: readers that were cut off give out their records in any order.
ONE_CALL_NS: Final = 180_000_000_000


class _Words(NamedTuple):
    rule: str
    begins: str
    ends: str


_WORDS: Final = {
    CardFlag.DISTRESS: _Words(DISTRESS, "calls for help", "has taken back its call for help"),
    CardFlag.LOW_BATTERY: _Words(LOW_BATTERY, "has a low battery", "has a full battery again"),
}


class CardFlags:
    """Turns flags into alarms. A button that was pressed only for a moment has been pressed."""

    def __init__(self, cards: Cards, alarms: AlarmBook, table: IdTable) -> None:
        self._cards = cards
        self._alarms = alarms
        self._table = table

    def note(self, measured: Records, record: StepRecord) -> list[int]:
        """Takes (n,) MEASUREMENT of cards that `Cards` has room for.

        Returns the cards that may have said something new: it must be kept with what it led to.

        What is older than what the card was heard to say before clears no alarm. It raises one,
        unless it is of a time of which that was known already: what comes late is no second call.
        """
        if not len(measured):
            return []
        raised = measured["flags"] & ~self._cards.flags[measured["card"]]
        ended = self._cards.flags[measured["card"]] & ~measured["flags"]
        telling: list[int] = np.unique(measured["card"][(raised | ended) > 0]).tolist()
        for card in telling:
            mine = measured[measured["card"] == card]
            for one in mine[np.argsort(mine["t_ns"], kind="stable")]:
                self._take(card, int(one["flags"]), int(one["t_ns"]), record)
        return telling

    def _take(self, card: int, flags: int, t_ns: int, record: StepRecord) -> None:
        before = int(self._cards.flags[card])
        late = t_ns < max(self._cards.flags_ns[card], self._cards.before_ns[card])
        if late:
            flags = before | flags & ~self._known(card, t_ns)
        if flags == before:
            return
        name, place = self._table.name(card), self._cards.last_place(card)
        for flag, words in _WORDS.items():
            key = AlarmKey(words.rule, card=name)
            said_ns = self._cards.said_ns[card, flag.bit_length() - 1]
            if flags & flag and not before & flag:
                said_ns[:] = t_ns
                text = f"card {name} {words.begins}"
                self._alarms.begin(key, t_ns, record, text, place)
            elif before & flag and not flags & flag:
                said_ns[1] = t_ns
                self._alarms.end(key, t_ns, record, f"card {name} {words.ends}")
        newest_ns = int(self._cards.flags_ns[card]) if late else t_ns
        self._cards.note_flags(card, flags, newest_ns)

    def _known(self, card: int, t_ns: int) -> int:
        """The flags of which is known that the card said them at a time, and took them back."""
        # By one reader's clock it may still have said what by another's it has taken back.
        around = (-ONE_CALL_NS, self._cards.tolerance_ns)
        first_ns, last_ns = (self._cards.said_ns[card] + around).T
        known = (first_ns <= t_ns) & (t_ns <= last_ns)
        return int((known << np.arange(len(known))).sum())
