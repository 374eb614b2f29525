"""Which sections of roadways lie in which polygons, by chainage; and where on a roadway a fix is.

A fix in a roadway that does not know its place across is, for what it knows, on the centreline: a
polygon that holds the centreline holds the roadway from wall to wall. So only the uncertainty along
the roadway counts, and polygons may be drawn as narrow or as wide as one likes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from positioning.inside import SIGMA_FLOOR_M
from positioning.jit import njit
from positioning.mine_map import Roadway
from positioning.polygons import Floats, Integers, distances_m

#: A section that ends so near an end of the roadway goes on beyond it.
_END_M: Final = 0.5
#: Sections with less than this between them are one.
_GAP_M: Final = 1e-6
#: A fix that is surer across than half of what the walls alone tell (evenly between them: their
#: distance / √12) knows its place across.
_KNOWS_ACROSS: Final = 0.5 / math.sqrt(12.0)


class Sections(NamedTuple):
    """Centrelines in plan as straight pieces, and the sections of them in polygons.

    Those of roadway r: pieces `first_piece[r]` to `first_piece[r + 1]`, of which `piece_m` (k, 2)
    the first point, `piece_s_m` (k,) its chainage, and `along` (k, 2) the way in plan by chainage;
    `width_m` (r,); and sections `first_section[r]` to `first_section[r + 1]`, by polygon, from
    `low_m` to `high_m` of `polygon`; infinite where it goes on beyond the roadway's end.
    """

    first_piece: Integers
    piece_m: Floats
    piece_s_m: Floats
    along: Floats
    width_m: Floats
    first_section: Integers
    polygon: Integers
    low_m: Floats
    high_m: Floats


#: The same as a plain tuple, for numba's entry points.
AnySections = tuple[Any, ...]


def build_sections(roadways: Sequence[Roadway], edges: Sequence[Floats]) -> Sections:
    """The sections of roadways in polygons, each given by its segments (e, 4)."""
    lines = [roadway.centreline_m for roadway in roadways]
    steps = [np.diff(line, axis=0) for line in lines]
    lengths = [np.linalg.norm(step, axis=1) for step in steps]
    along = [step[:, :2] / way[:, None] for step, way in zip(steps, lengths, strict=True)]
    found = [
        (r, zone, low, high)
        for r, line in enumerate(lines)
        for zone, part in enumerate(edges)
        if _meet(line, part)
        for low, high in _open_ended(sections_of(line, part), float(lengths[r].sum()))
    ]
    rows = np.array(found, np.float64).reshape(-1, 4)
    return Sections(
        first_piece=np.cumsum([0, *(len(step) for step in steps)]).astype(np.int64),
        piece_m=np.ascontiguousarray(np.vstack([np.empty((0, 2)), *(ln[:-1, :2] for ln in lines)])),
        piece_s_m=np.concatenate([np.empty(0), *(np.cumsum(part) - part for part in lengths)]),
        along=np.vstack([np.empty((0, 2)), *along]),
        width_m=np.array([roadway.width_m for roadway in roadways], np.float64),
        first_section=np.searchsorted(rows[:, 0], np.arange(len(lines) + 1)).astype(np.int64),
        polygon=rows[:, 1].astype(np.int64),
        low_m=np.ascontiguousarray(rows[:, 2]),
        high_m=np.ascontiguousarray(rows[:, 3]),
    )


def _meet(line_m: Floats, edges_m: Floats) -> bool:
    """Whether the boxes of a centreline and a polygon meet."""
    points = edges_m[:, :2]
    low, high = line_m[:, :2].min(axis=0), line_m[:, :2].max(axis=0)
    return bool(((points.max(axis=0) >= low) & (points.min(axis=0) <= high)).all())


def sections_of(line_m: Floats, edges_m: Floats) -> list[tuple[float, float]]:
    """Where a centreline, (n, 3), is within a polygon (e, 4) in plan: chainages, ascending."""
    found: list[tuple[float, float]] = []
    start_m = 0.0
    for a, b in pairwise(line_m):
        length_m = float(np.linalg.norm(b - a))
        cuts = np.unique([0.0, *_cuts(a[:2], b[:2], edges_m), 1.0])
        middles = a[:2] + (0.5 * (cuts[:-1] + cuts[1:]))[:, None] * (b - a)[:2]
        inside = distances_m(edges_m, middles) > 0.0
        for low, high in np.column_stack([cuts[:-1], cuts[1:]])[inside].tolist():
            low_m, high_m = start_m + low * length_m, start_m + high * length_m
            if found and low_m - found[-1][1] < _GAP_M:
                low_m = found.pop()[0]
            found.append((low_m, high_m))
        start_m += length_m
    return found


def _cuts(a: Floats, b: Floats, edges_m: Floats) -> Floats:
    """Where on the way from a to b, 0 to 1, it meets segments (e, 4)."""
    way, edge = b - a, edges_m[:, 2:] - edges_m[:, :2]
    start = edges_m[:, :2] - a
    across = way[0] * edge[:, 1] - way[1] * edge[:, 0]
    meets = across != 0.0
    start, edge, across = start[meets], edge[meets], across[meets]
    share = (start[:, 0] * edge[:, 1] - start[:, 1] * edge[:, 0]) / across
    on_edge = (start[:, 0] * way[1] - start[:, 1] * way[0]) / across
    cuts: Floats = share[(share > 0.0) & (share < 1.0) & (on_edge >= 0.0) & (on_edge <= 1.0)]
    return cuts


def _open_ended(
    sections: Sequence[tuple[float, float]], length_m: float
) -> list[tuple[float, float]]:
    """Sections that reach an end of the roadway go on beyond it."""
    return [
        (-math.inf if low < _END_M else low, math.inf if high > length_m - _END_M else high)
        for low, high in sections
    ]


@njit
def sigma_along_m(s: Sections, fix: np.void) -> float:
    """How uncertain a fix is along its roadway, by chainage; 0 where it lies in the plane.

    It lies in the plane where it names no roadway or no chainage, is not near the place that these
    say, or knows its place across.
    """
    roadway, chainage_m = fix["roadway"], fix["chainage_m"]
    if not (0 <= roadway < len(s.width_m) and math.isfinite(chainage_m)):
        return 0.0
    first, last = s.first_piece[roadway], s.first_piece[roadway + 1]
    piece = first + np.searchsorted(s.piece_s_m[first + 1 : last], chainage_m, side="right")
    ux, uy, way_m = s.along[piece, 0], s.along[piece, 1], chainage_m - s.piece_s_m[piece]
    width_m = s.width_m[roadway]
    off_x, off_y = s.piece_m[piece, 0] + ux * way_m, s.piece_m[piece, 1] + uy * way_m
    if math.hypot(fix["x_m"] - off_x, fix["y_m"] - off_y) > width_m:
        return 0.0
    plan2 = ux * ux + uy * uy
    var_x, var_xy, var_y = fix["var_x_m2"], fix["cov_xy_m2"], fix["var_y_m2"]
    across = (uy * uy * var_x - 2.0 * ux * uy * var_xy + ux * ux * var_y) / plan2
    if across < (_KNOWS_ACROSS * width_m) ** 2:
        return 0.0
    along = (ux * ux * var_x + 2.0 * ux * uy * var_xy + uy * uy * var_y) / (plan2 * plan2)
    return math.sqrt(max(along, SIGMA_FLOOR_M * SIGMA_FLOOR_M))


#: What lies farther off than this is less than 1e-9 of a normal distribution.
_FAR_SIGMAS: Final = 6.0


@njit
def share_within(low_m: float, high_m: float, chainage_m: float, sigma_m: float) -> float:
    """How likely a place on a roadway is in a section of it, to 1e-9."""
    far_m = _FAR_SIGMAS * sigma_m
    if chainage_m < low_m - far_m or chainage_m > high_m + far_m:  # nearly all sections
        return 0.0
    if low_m + far_m < chainage_m < high_m - far_m:
        return 1.0
    scale = 1.0 / (sigma_m * math.sqrt(2.0))
    low, high = (low_m - chainage_m) * scale, (high_m - chainage_m) * scale
    return 0.5 * (math.erfc(low) - math.erfc(high))


#: The variance across that is left of a place on a centreline, m²: with none at all the covariance
#: would be singular.
_ACROSS_M2: Final = 0.0025


@njit
def narrow(s: Sections, fix: np.void) -> None:
    """Takes a fix that does not know its place across as on its centreline: changes `fix`.

    Its covariance is then that along the roadway alone. Else it is as wide as the roadway, and no
    area that is as narrow would hold it with certainty.
    """
    sigma_m = sigma_along_m(s, fix) if fix["roadway"] >= 0 else 0.0
    if sigma_m <= 0.0:
        return
    first, last = s.first_piece[fix["roadway"]], s.first_piece[fix["roadway"] + 1]
    starts_m = s.piece_s_m[first + 1 : last]
    piece = first + np.searchsorted(starts_m, fix["chainage_m"], side="right")
    ux, uy = s.along[piece, 0], s.along[piece, 1]
    # `along` is a unit vector in space, and the covariance is in plan.
    along_m2, across_m2 = sigma_m * sigma_m, _ACROSS_M2 / (ux * ux + uy * uy)
    fix["var_x_m2"] = ux * ux * along_m2 + uy * uy * across_m2
    fix["cov_xy_m2"] = ux * uy * (along_m2 - across_m2)
    fix["var_y_m2"] = uy * uy * along_m2 + ux * ux * across_m2
