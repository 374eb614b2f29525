"""What the core knows of each card: its last place, when it was heard, and what is kept of it.

Arrays over card handles, so that no step touches an object for each card.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.mine.change import Place
from positioning.observation import (
    KNOWN_FLAGS,
    FixClass,
    IdTable,
    Records,
    new_fixes,
    put_rows,
    rows_of,
)

#: How many flags a card has.
FLAG_BITS: Final = KNOWN_FLAGS.bit_length()

#: The zones that a card is in, by id, and since when.
Entries = dict[str, int]

#: Arrays of `Cards` by handle.
_BY_CARD: Final = (
    "last",
    "heard_ns",
    "silent",
    "at_wellhead",
    "in_licence",
    "below_ns",
    "flags",
    "flags_ns",
    "before_ns",
    "said_ns",
    "gone_ns",
    "_moved",
    "_asked",
)


def place_of(fix: np.void) -> Place:
    """The place in a record of FIX."""
    return Place(float(fix["x_m"]), float(fix["y_m"]), float(fix["z_m"]), int(fix["t_ns"]))


class Cards:
    """Every card that was ever heard, by handle."""

    def __init__(
        self,
        table: IdTable,
        *,
        silent_after_ns: int,
        clock_tolerance_ns: int,
    ) -> None:
        """A card below is silent once nothing was heard of it for `silent_after_ns`.

        Readers' clocks may be off by `clock_tolerance_ns`.
        """
        self._table = table
        self._silent_after_ns = silent_after_ns
        self.tolerance_ns = clock_tolerance_ns  #: By how much readers' clocks may be off.
        size = 64
        self.last = new_fixes(size)  #: Last fix; its `fix_class` is 0 while there is none.
        self.heard_ns = np.zeros(size, np.int64)  #: Since when it has not been heard; 0 = never.
        self.silent = np.zeros(size, np.bool_)
        self.at_wellhead = np.zeros(size, np.int32)  #: How many wellhead zones the card is in.
        self.in_licence = np.zeros(size, np.int32)  #: How many licence zones the card is in.
        self.below_ns = np.zeros(size, np.int64)  #: Since when it is below; 0 = it is not.
        self.flags = np.zeros(size, np.uint8)  #: What it last said of itself, bits of CardFlag,
        self.flags_ns = np.zeros(size, np.int64)  #: and when.
        #: Of when the place was that it had before its last fixes: what is older is none of now.
        self.before_ns = np.zeros(size, np.int64)
        #: By bit of CardFlag, between which two times it was said last: (cards, bits, 2).
        self.said_ns = np.zeros((size, FLAG_BITS, 2), np.int64)
        #: When someone last had it no more: what was measured of it before says nothing of now.
        self.gone_ns = np.zeros(size, np.int64)
        self.gone_before: dict[str, int] = {}  #: The same of cards without a handle yet.
        self._moved = np.zeros(size, np.bool_)
        self._asked = np.zeros(size, np.bool_)

    def reload(
        self,
        roadways: NDArray[np.int32],
        *,
        silent_after_ns: int,
        clock_tolerance_ns: int,
        now_ns: int,
    ) -> list[int]:
        """Takes over another map and other times.

        `roadways` gives the new index of each old one, and last that of none, -1: it is -1 where
        a roadway is gone or runs otherwise. Then it is not known where along it a card is.
        Returns the handles of the silent cards that have not been silent for long enough any more.
        """
        self.last["roadway"] = roadways[self.last["roadway"]]
        self.last["chainage_m"][self.last["roadway"] < 0] = np.nan
        self.tolerance_ns = clock_tolerance_ns
        patience = silent_after_ns > self._silent_after_ns
        self._silent_after_ns = silent_after_ns
        back = self.silent & patience & (now_ns - self.heard_ns < silent_after_ns)
        self.silent &= ~back
        return np.flatnonzero(back).tolist()

    def reserve(self) -> None:
        """Makes room for every card that has a handle."""
        self._grow()
        for name in list(self.gone_before):
            card = self._table.find(name)
            if card is not None:
                self.gone_ns[card] = self.gone_before.pop(name)

    def _grow(self) -> None:
        needed, size = len(self._table), len(self.last)
        if needed <= size:
            return
        size = max(needed, 2 * size)
        for name in _BY_CARD:
            old = getattr(self, name)
            shape = (size, *old.shape[1:])
            grown = new_fixes(size) if name == "last" else np.zeros(shape, old.dtype)
            grown[: len(old)] = old
            setattr(self, name, grown)

    def heard(
        self, cards: NDArray[np.uint32], t_ns: NDArray[np.int64], now_ns: int
    ) -> NDArray[np.intp]:
        """Notes when these cards (by handle, repeats allowed) were heard, by the readers' clocks.

        What comes late was heard when it was measured; what is late by no more than clocks may be
        off was heard now. So was a card of which nothing was known before: its newer records may
        still be on their way.

        Returns:
            The handles, each once and ascending, of those that were never heard before.
        """
        self._asked[cards] = True  # faster than to sort them
        unique = np.flatnonzero(self._asked)
        self._asked[unique] = False
        new: NDArray[np.intp] = unique[self.heard_ns[unique] == 0]
        late = t_ns < now_ns - self.tolerance_ns
        np.maximum.at(self.heard_ns, cards, np.where(late, t_ns, now_ns))
        self.heard_ns[new] = now_ns
        return new

    def still_carried(self, measured: Records) -> Records:
        """Those of (n,) MEASUREMENT that are not of before their card was handed in."""
        if not self.gone_ns.any():
            return measured
        late = measured["t_ns"] <= self.gone_ns[measured["card"]]
        return rows_of(measured, ~late) if late.any() else measured

    def shift(self, by_ns: int) -> None:
        """Moves the beginning of every silence: for that time the gateway did not listen."""
        self.heard_ns[self.heard_ns > 0] += by_ns

    def place(self, fixes: Records) -> None:
        """Takes over fixes, in order: the last of a card is where it is."""
        cards = fixes["card"]
        self.before_ns[cards] = self.last["t_ns"][cards]
        put_rows(self.last, cards, fixes)
        self._moved[cards] = True

    def note_flags(self, card: int, flags: int, t_ns: int) -> None:
        """Notes what a card says of itself since `t_ns`."""
        self.flags[card], self.flags_ns[card] = flags, t_ns

    def move(self, old: int, new: int, now_ns: int) -> None:
        """What is known of where `old` is goes on as that of `new`; `old` was never heard then.

        What a card says of itself stays its own. The zones are those of `Occupancy`.
        """
        for name in ("last", "heard_ns", "silent", "below_ns"):
            column = getattr(self, name)
            column[new] = column[old]
        self.last["card"][new] = new
        self.forget(old, now_ns)
        self._moved[new] = True

    def forget(self, card: int, now_ns: int) -> None:
        """As if it had never been heard: nobody carries it any more."""
        self.last[card] = new_fixes(1)[0]
        self.gone_ns[card] = now_ns
        for name in ("heard_ns", "below_ns", "flags", "flags_ns", "before_ns", "said_ns"):
            getattr(self, name)[card] = 0
        self.silent[card] = False
        self._moved[card] = True

    def note_silence(self, now_ns: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Marks who is silent now: the handles of those who were not before, and who are no more.

        Silence at the wellhead is no news.
        """
        overdue = (self.heard_ns > 0) & (now_ns - self.heard_ns >= self._silent_after_ns)
        silent = overdue & (self.at_wellhead == 0)
        lost, back = np.flatnonzero(silent & ~self.silent), np.flatnonzero(self.silent & ~silent)
        self.silent = silent
        return lost, back

    def last_place(self, card: int) -> Place | None:
        """Where the card was last; None while it has only been heard."""
        fix = self.last[card]
        return place_of(fix) if fix["fix_class"] > 0 else None

    def shown(self) -> Records:
        """The last place of every card that has one, (n,) FIX; of class LOST where it is silent."""
        fixes = self.last.copy()
        fixes["fix_class"][self.silent] = FixClass.LOST
        return rows_of(fixes, self.last["fix_class"] > 0)

    def underground(self) -> tuple[int, int]:
        """How many cards are below, and how many of these are silent."""
        below = (self.heard_ns > 0) & (self.at_wellhead == 0)
        return int(below.sum()), int((below & self.silent).sum())

    def take_moved(self, cards: NDArray[np.intp]) -> bool:
        """Whether any of these cards has been placed since this was last asked of it."""
        moved = bool(self._moved[cards].any())
        self._moved[cards] = False
        return moved

    def recall(self, card: int, now_ns: int, *, silent: bool) -> None:
        """Takes up a card that is known to be there, silent or as if heard now."""
        self.reserve()
        self.silent[card] = silent
        self._moved[card] = True
        self.heard_ns[card] = now_ns - self._silent_after_ns if silent else now_ns
