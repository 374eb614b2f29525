"""What the core knows of each card: its last place, when it was heard, and what is kept of it.

Arrays over card handles, so that no step touches an object for each card.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.observation import FIX, IdTable, Records

#: Where the journal's state holds cards.
STATE_PREFIX: Final = "card/"

#: Fields of a fix that are kept over a restart, as (name, type in JSON).
_KEPT: Final = tuple(
    (name, int if FIX[name].kind in "iu" else float) for name in FIX.names or () if name != "card"
)


class Cards:
    """Every card that was ever heard, by handle."""

    def __init__(self, table: IdTable) -> None:
        self._table = table
        size = 64
        self.last = np.zeros(size, FIX)  #: Last fix; its `fix_class` is 0 while there is none.
        self.heard_ns = np.zeros(size, np.int64)  #: When data last came; 0 = never.
        self.silent = np.zeros(size, np.bool_)
        self.at_wellhead = np.zeros(size, np.int32)  #: How many wellhead zones the card is in.
        self._unsaved = np.zeros(size, np.bool_)

    def reserve(self) -> None:
        """Makes room for every card that has a handle."""
        needed, size = len(self._table), len(self.last)
        if needed <= size:
            return
        size = max(needed, 2 * size)
        for name in ("last", "heard_ns", "silent", "at_wellhead", "_unsaved"):
            old = getattr(self, name)
            grown = np.zeros(size, old.dtype)
            grown[: len(old)] = old
            setattr(self, name, grown)

    def heard(self, cards: NDArray[np.uint32], now_ns: int) -> NDArray[np.intp]:
        """Notes that these cards (by handle, repeats allowed) were heard.

        Returns:
            The handles, each once and ascending, of those that had been silent.
        """
        unique = np.unique(cards).astype(np.intp)
        self._unsaved[unique[self.heard_ns[unique] == 0]] = True
        self.heard_ns[unique] = now_ns
        back = unique[self.silent[unique]]
        self.silent[back] = False
        return back

    def place(self, fixes: Records) -> None:
        """Takes over fixes, in order: the last of a card is where it is."""
        self.last[fixes["card"]] = fixes
        self._unsaved[fixes["card"]] = True

    def newly_silent(self, now_ns: int, after_ns: int) -> NDArray[np.intp]:
        """Marks and returns the cards below that have not been heard for `after_ns`."""
        overdue = (self.heard_ns > 0) & (now_ns - self.heard_ns >= after_ns)
        found = np.flatnonzero(overdue & ~self.silent & (self.at_wellhead == 0))
        self.silent[found] = True
        return found

    def underground(self) -> tuple[int, int]:
        """How many cards are below, and how many of these are silent."""
        below = (self.heard_ns > 0) & (self.at_wellhead == 0)
        return int(below.sum()), int((below & self.silent).sum())

    def unsaved(self, part: int, parts: int) -> NDArray[np.intp]:
        """Handles with something to keep, of one part in `parts` of all cards."""
        mine = np.arange(len(self._unsaved)) % parts == part
        return np.flatnonzero(self._unsaved & mine)

    def state_of(
        self, cards: Iterable[int], zones: Mapping[int, tuple[str, ...]]
    ) -> dict[str, bytes]:
        """What the journal keeps of these cards; `zones` are the zones that each is in."""
        state = {}
        for card in cards:
            fix = self.last[card]
            kept = {
                "heard_ns": int(self.heard_ns[card]),
                "silent": bool(self.silent[card]),
                "zones": zones.get(card, ()),
                "fix": {name: as_json(fix[name]) for name, as_json in _KEPT},
            }
            state[STATE_PREFIX + self._table.name(card)] = json.dumps(kept).encode()
            self._unsaved[card] = False
        return state

    def restore(
        self, state: Mapping[str, bytes], now_ns: int
    ) -> tuple[int, dict[int, tuple[str, ...]]]:
        """Takes up the cards of before a restart.

        A card that was not silent counts as heard now: the gateway did not listen while it was
        down, and its own absence is not the card's silence.

        Returns:
            When any card was last heard (0: never), and the zones that each card was in.
        """
        last_ns = 0
        zones: dict[int, tuple[str, ...]] = {}
        for key, value in state.items():
            if not key.startswith(STATE_PREFIX):
                continue
            kept = json.loads(value)
            card = self._table.handle(key.removeprefix(STATE_PREFIX))
            self.reserve()
            last_ns = max(last_ns, kept["heard_ns"])
            self.silent[card] = kept["silent"]
            self.heard_ns[card] = kept["heard_ns"] if kept["silent"] else now_ns
            for name, _ in _KEPT:
                self.last[name][card] = kept["fix"][name]
            self.last["card"][card] = card
            zones[card] = tuple(kept["zones"])
        return last_ns, zones
