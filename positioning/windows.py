"""Which part of a run is scored, where that is told by places: from here to there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from positioning.accuracy import Window
from positioning.recording import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A part of the plane, its borders included; metres."""

    x_min: float = -math.inf
    x_max: float = math.inf
    y_min: float = -math.inf
    y_max: float = math.inf

    def holds(self, place_m: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,): which of the places (n, 2 or more) are inside."""
        x, y = place_m[:, 0], place_m[:, 1]
        inside: NDArray[np.bool_] = (x >= self.x_min) & (x <= self.x_max)
        inside &= (y >= self.y_min) & (y <= self.y_max)
        return inside


def window_between(truth: Truth, card: int, from_first: Box, to_last: Box) -> Window | None:
    """The times from the card's first true place in `from_first` to its last one in `to_last`.

    None where the card has no such places, or the last is before the first.
    """
    mine = truth.card == card
    t_ns, place_m = truth.t_ns[mine], truth.place_m[mine]
    starts, ends = t_ns[from_first.holds(place_m)], t_ns[to_last.holds(place_m)]
    if not len(starts) or not len(ends) or starts[0] > ends[-1]:
        return None
    start_ns, end_ns = int(starts[0]), int(ends[-1])

    def inside(times: NDArray[np.int64]) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (times >= start_ns) & (times <= end_ns)
        return found

    return inside
