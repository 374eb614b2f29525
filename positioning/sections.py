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
from positioning.jit import njit, njit_within
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

    The ends of its sections cut a roadway into stretches, `first_stretch[r]` to
    `first_stretch[r + 1]`, each from `from_m` to that of the next; the polygons that hold it are
    `held`, ascending, from `first_held[k]` to `first_held[k + 1]`.
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
    first_stretch: Integers
    from_m: Floats
    first_held: Integers
    held: Integers


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
    stretches = [_stretches(rows[rows[:, 0] == r, 1:]) for r in range(len(lines))]
    held = [zones for part in stretches for _, zones in part]
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
        first_stretch=np.cumsum([0, *(len(part) for part in stretches)]).astype(np.int64),
        from_m=np.array([from_m for part in stretches for from_m, _ in part], np.float64),
        first_held=np.cumsum([0, *(len(zones) for zones in held)]).astype(np.int64),
        held=np.array([zone for zones in held for zone in zones], np.int64),
    )


def _stretches(sections: Floats) -> list[tuple[float, list[int]]]:
    """Where each stretch of a roadway begins, and the polygons that hold it.

    `sections` (n, 3): the polygon, low and high of each.
    """
    ends = np.unique(sections[:, 1:])
    ends = ends[np.isfinite(ends)]
    outer = np.array([*ends[:1] - 2.0, *ends, *ends[-1:] + 2.0])
    middles = 0.5 * (outer[:-1] + outer[1:]) if len(ends) else np.zeros(1)
    holds = (sections[:, 1] < middles[:, None]) & (middles[:, None] < sections[:, 2])
    zones = [np.unique(sections[row, 0]).astype(int).tolist() for row in holds]
    return list(zip([-math.inf, *ends.tolist()], zones, strict=True))


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


#: What tells where on its centreline a fix is: `first_piece`, `piece_m`, `piece_s_m`, `along` and
#: `width_m` of the sections. A loop that reads them out of the tuple each time counts references
#: for longer than it works.
Lines = tuple[Integers, Floats, Floats, Floats, Floats]


@njit_within
def last_before(starts_m: Floats, first: int, end: int, chainage_m: float) -> int:
    """Of ascending starts from row `first` to before `end`, the last that is not beyond."""
    low, high = first, end
    while high - low > 1:
        middle = (low + high) // 2
        if starts_m[middle] <= chainage_m:
            low = middle
        else:
            high = middle
    return low


@njit_within
def sigma_along_m(lines: Lines, fix: np.void) -> float:
    """How uncertain a fix is along its roadway, by chainage; 0 where it lies in the plane.

    It lies in the plane where it names no roadway or no chainage, is not near the place that these
    say, or knows its place across.
    """
    first_piece, piece_m, piece_s_m, along_of, width_of = lines
    roadway, chainage_m = fix["roadway"], fix["chainage_m"]
    if not (0 <= roadway < len(width_of) and math.isfinite(chainage_m)):
        return 0.0
    piece = last_before(piece_s_m, first_piece[roadway], first_piece[roadway + 1], chainage_m)
    ux, uy, way_m = along_of[piece, 0], along_of[piece, 1], chainage_m - piece_s_m[piece]
    width_m = width_of[roadway]
    off_x, off_y = piece_m[piece, 0] + ux * way_m, piece_m[piece, 1] + uy * way_m
    if math.hypot(fix["x_m"] - off_x, fix["y_m"] - off_y) > width_m:
        return 0.0
    plan2 = ux * ux + uy * uy
    var_x, var_xy, var_y = fix["var_x_m2"], fix["cov_xy_m2"], fix["var_y_m2"]
    across = (uy * uy * var_x - 2.0 * ux * uy * var_xy + ux * ux * var_y) / plan2
    if across < (_KNOWS_ACROSS * width_m) ** 2:
        return 0.0
    along = (ux * ux * var_x + 2.0 * ux * uy * var_xy + uy * uy * var_y) / (plan2 * plan2)
    return math.sqrt(max(along, SIGMA_FLOOR_M * SIGMA_FLOOR_M))


@njit_within
def lines_of(s: Sections) -> Lines:
    """What of the sections tells where on its centreline a fix is."""
    return s.first_piece, s.piece_m, s.piece_s_m, s.along, s.width_m


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


#: Farther from all ends of sections than this, a fix is in a polygon with P > 0.95, or P < 0.05: on
#: either side lies less than 0.023 of it.
_CLEAR_SIGMAS: Final = 2.0


@njit_within
def clear_stretch(from_m: Floats, first: int, end: int, chainage_m: float, sigma_m: float) -> int:
    """The stretch, of those from `first` to before `end`, that a fix lies in without a question.

    -1 where there is a question.
    """
    stretch, clear_m = last_before(from_m, first, end, chainage_m), _CLEAR_SIGMAS * sigma_m
    if chainage_m - from_m[stretch] < clear_m:
        return -1
    if stretch + 1 < end and from_m[stretch + 1] - chainage_m < clear_m:
        return -1
    return stretch


#: The variance across that is left of a place on a centreline, m²: with none at all the covariance
#: would be singular.
_ACROSS_M2: Final = 0.0025


@njit_within
def narrow(lines: Lines, fix: np.void) -> None:
    """Takes a fix that does not know its place across as on its centreline: changes `fix`.

    Its covariance is then that along the roadway alone. Else it is as wide as the roadway, and no
    area that is as narrow would hold it with certainty.
    """
    first_piece, _, piece_s_m, along, _ = lines
    roadway = fix["roadway"]
    sigma_m = sigma_along_m(lines, fix) if roadway >= 0 else 0.0
    if sigma_m <= 0.0:
        return
    first, end = first_piece[roadway], first_piece[roadway + 1]
    piece = last_before(piece_s_m, first, end, fix["chainage_m"])
    ux, uy = along[piece, 0], along[piece, 1]
    # `along` is a unit vector in space, and the covariance is in plan.
    along_m2, across_m2 = sigma_m * sigma_m, _ACROSS_M2 / (ux * ux + uy * uy)
    fix["var_x_m2"] = ux * ux * along_m2 + uy * uy * across_m2
    fix["cov_xy_m2"] = ux * uy * (along_m2 - across_m2)
    fix["var_y_m2"] = uy * uy * along_m2 + ux * ux * across_m2
