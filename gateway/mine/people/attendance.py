"""Who is below since when: into the mine and out of it, by the zones at the wellheads."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.mine.change import EventKind
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.people.shifts import Shifts
from gateway.mine.record import StepRecord

_S_NS: Final = 1_000_000_000
#: A card that is heard first may be at the wellhead, which only its first places tell: so long it
#: is not yet taken to have gone down.
SETTLE_NS: Final = 10 * _S_NS


class Attendance:
    """Tells each card's way into the mine and out of it; silence is neither."""

    def __init__(self, cards: Cards, roster: Roster, shifts: Shifts) -> None:
        self._cards = cards
        self._shifts = shifts
        self._roster = roster
        #: Since when each card may be below, until that is sure; 0 = it is not.
        self._since_ns = np.zeros(0, np.int64)

    def look(self, record: StepRecord) -> list[int]:
        """Tells who has come down or gone up; returns their handles."""
        cards, now_ns = self._cards, record.now_ns
        self._since_ns = np.concatenate(
            [self._since_ns, np.zeros(len(cards.heard_ns) - len(self._since_ns), np.int64)]
        )
        below = (cards.heard_ns > 0) & (cards.at_wellhead == 0)
        was = cards.below_ns > 0
        self._since_ns = np.minimum(self._since_ns, now_ns)  # a clock may be set back
        self._since_ns[~below | was] = 0  # of who is below it is known already
        coming = below & ~was
        self._since_ns[coming & (self._since_ns == 0)] = now_ns
        down = np.flatnonzero(coming & (now_ns - self._since_ns >= SETTLE_NS)).tolist()
        up = np.flatnonzero(was & ~below).tolist()
        for card in down:
            since_ns = int(self._since_ns[card])
            cards.below_ns[card] = since_ns
            self._since_ns[card] = 0  # one that is forgotten, and heard again, begins anew
            text = f"card {self._roster.name(card)} is below"
            self._tell(EventKind.MINE_ENTERED, card, (since_ns, since_ns), record, text)
        for card in up:
            spent_min = (now_ns - int(cards.below_ns[card])) // (60 * _S_NS)
            since_ns, cards.below_ns[card] = int(cards.below_ns[card]), 0
            spent = f"{spent_min // 60} h {spent_min % 60:02d} min"
            text = f"card {self._roster.name(card)} is at the wellhead after {spent}"
            self._tell(EventKind.MINE_LEFT, card, (now_ns, since_ns), record, text)
        return [*down, *up]

    def _tell(
        self, kind: EventKind, card: int, times: tuple[int, int], record: StepRecord, text: str
    ) -> None:
        """Tells it; `times` are when it was, and since when the card was below."""
        name, place = self._roster.name(card), self._cards.last_place(card)
        t_ns, since_ns = times
        shift = self._shifts.come_for(since_ns).name
        record.event(kind, t_ns, card=name, place=place, text=text, shift=shift)
