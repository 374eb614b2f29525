"""Who may be near whom, found by squares: nearly all are far from one another."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.polygons import Floats

#: The plane is covered by so many squares each way, again and again; a power of two.
_SQUARES: Final = 128
#: A square and the eight around it.
_AROUND: Final = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)


def may_be_near(places_m: Floats, others_m: Floats, reach_m: float) -> NDArray[np.bool_]:
    """Which of `places_m` (n, 2 or more) may be within `reach_m` of any of `others_m`, in plan.

    All that are, and few that are not; an unknown place (NaN) counts as the origin.
    """
    marked = np.zeros((_SQUARES, _SQUARES), np.bool_)
    squares = _squares(others_m, reach_m)
    around = (squares[:, None] + _AROUND) & (_SQUARES - 1)
    marked[around[..., 0], around[..., 1]] = True
    at = _squares(places_m, reach_m) & (_SQUARES - 1)
    near: NDArray[np.bool_] = marked[at[:, 0], at[:, 1]]
    return near


def _squares(places_m: Floats, side_m: float) -> NDArray[np.int64]:
    return np.floor(np.nan_to_num(places_m[:, :2]) / side_m).astype(np.int64)
