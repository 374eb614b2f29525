"""Places whose place across their roadway is not known, taken as on its centreline.

A fix in a roadway is as wide as the roadway, as nothing measures sideways. What moves along the
roadway would hold no such fix with certainty, were it as narrow as the roadway itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from positioning import sections
from positioning.jit import njit_cached, sources_stamp
from positioning.mine_map import Roadway
from positioning.observation import FIX, Records
from positioning.sections import AnySections, Sections, build_sections, sigma_along_m

#: The variance across that is left, m²: none at all would make the covariance singular.
_ACROSS_M2: Final = 0.0025


def _entry(stamp: str) -> Callable[[AnySections, Records], None]:
    """The kernel; `stamp` is part of its cache's key, for what it calls is in another file."""

    @njit_cached
    def narrow_stamped(along: AnySections, fixes: Records) -> None:
        _ = stamp
        s = Sections(*along)
        for i in range(len(fixes)):
            fix = fixes[i]
            sigma_m = sigma_along_m(s, fix) if fix["roadway"] >= 0 else 0.0
            if sigma_m <= 0.0:
                continue
            roadway, chainage_m = fix["roadway"], fix["chainage_m"]
            first, last = s.first_piece[roadway], s.first_piece[roadway + 1]
            starts_m = s.piece_s_m[first + 1 : last]
            piece = first + np.searchsorted(starts_m, chainage_m, side="right")
            ux, uy = s.along[piece, 0], s.along[piece, 1]
            plan2 = ux * ux + uy * uy
            # In plan: `along` is a unit vector in space.
            along_m2, across_m2 = sigma_m * sigma_m, _ACROSS_M2 / plan2
            fix["var_x_m2"] = ux * ux * along_m2 + uy * uy * across_m2
            fix["cov_xy_m2"] = ux * uy * (along_m2 - across_m2)
            fix["var_y_m2"] = uy * uy * along_m2 + ux * ux * across_m2

    return narrow_stamped


_narrow = _entry(sources_stamp(sections.__file__))


class Centrelines:
    """The centrelines of a map's roadways."""

    def __init__(self, roadways: Sequence[Roadway]) -> None:
        """`roadways` are those that fixes name by their index."""
        self._along: AnySections = tuple(build_sections(roadways, []))

    def narrowed(self, fixes: Records) -> Records:
        """A copy of (n,) FIX; those that do not know their place across are on their centreline.

        Their covariance is that along the roadway alone. All others are as they were.
        """
        copied = np.array(fixes, FIX, order="C")
        _narrow(self._along, copied)
        return copied
