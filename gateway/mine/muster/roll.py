"""How it stands with everyone of a muster, in arrays: each second all of them are looked at."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from gateway.mine.muster.card import MusterCard, MusterState
from positioning.observation import Records

#: Whoever has walked so far is told anew, with the way that is left: half a minute of walking.
MOVED_M: Final = 25.0

#: A card: its state (0: the muster does not concern it), and where it was told to be.
_ROW: Final = np.dtype(
    [
        ("state", np.int64),
        ("is_person", np.bool_),
        ("is_placed", np.bool_),
        ("x_m", np.float64),
        ("y_m", np.float64),
    ]
)


class Roll:
    """The cards of a muster, by handle."""

    def __init__(self) -> None:
        """There is none yet."""
        self._rows = np.zeros(0, _ROW)

    def clear(self) -> None:
        """Another muster begins."""
        self._rows[:] = 0

    def put(self, card: int, entry: MusterCard) -> None:
        """Takes a card as it is now."""
        more = card + 1 - len(self._rows)
        if more > 0:
            self._rows = np.concatenate([self._rows, np.zeros(max(more, len(self._rows)), _ROW)])
        place = entry.place
        at_m = (place.x_m, place.y_m) if place else (0.0, 0.0)
        self._rows[card] = (entry.state, entry.is_person, place is not None, *at_m)

    def moved(self, last: Records) -> list[int]:
        """Who has gone on a good way since it was told, or was located for the first time.

        `last`, by handle: where everyone is now.
        """
        rows, last = self._rows[: len(last)], last[: len(self._rows)]
        off_m = np.hypot(last["x_m"] - rows["x_m"], last["y_m"] - rows["y_m"])
        on = (off_m > MOVED_M) & (rows["state"] != MusterState.SAFE)
        found = np.where(rows["is_placed"], on, last["fix_class"] > 0)
        return np.flatnonzero(found & (rows["state"] > 0)).tolist()

    def counted(self) -> tuple[Counter[MusterState], Counter[MusterState]]:
        """How many are in which state, and how many of these are people."""
        states, is_person = self._rows["state"], self._rows["is_person"]
        size = max(MusterState) + 1
        counts, people = (np.bincount(one, minlength=size) for one in (states, states[is_person]))
        found = [state for state in MusterState if counts[state]]
        return (
            Counter({state: int(counts[state]) for state in found}),
            Counter({state: int(people[state]) for state in found}),
        )
