"""Where on the roadways a card may be, from its recent measurements alone. Compiled.

Every place at which a range of one of the anchors ends is tried; those that fit best are kept, as
rows of the scratch `trial`: s, cost, piece, variance along, x, y, z.
"""

from __future__ import annotations

import math
from typing import Final

from positioning.cards import HYPOTHESES, Card
from positioning.jit import njit
from positioning.roadway_filter import ROCK, through_rock
from positioning.roadway_places import point_at
from positioning.search import VARIANCE, gather
from positioning.site import Site

#: Places that are tried further are at most this many, and this far apart in space.
_KEPT: Final = 2 * HYPOTHESES
_APART_M: Final = 3.0
#: A range ends on a roadway that it misses by no more than this.
_MISS_M: Final = 3.0
_STEPS: Final = 4
#: Obstacles make ranges too long; too short ones weigh this much more against a place.
_TOO_SHORT: Final = 2.0
_S: Final = 0
COST: Final = 1
_PIECE: Final = 2
_VAR: Final = 3
_X: Final = 4

# Columns of `near`, as `positioning.search` fills them.
_VALUE: Final = 3
_OWNER: Final = 5
_IS_DIFFERENCE: Final = 6


@njit
def _distance(
    site: Site, anchor: int, piece: int, x: float, y: float, z: float
) -> tuple[float, float, float]:
    """Distance of a point of a piece to an anchor, its gradient along, and its variance across."""
    dx, dy = x - site["anchor_x_m"][anchor], y - site["anchor_y_m"][anchor]
    dz = z - site["anchor_z_m"][anchor]
    var = site["edge_aside_m2"][site["piece_edge"][piece]]
    slant_m = math.sqrt(dx * dx + dy * dy + dz * dz + var)
    tx, ty, tz = site["piece_tx"][piece], site["piece_ty"][piece], site["piece_tz"][piece]
    by_s = (dx * tx + dy * ty + dz * tz) / slant_m
    across = (dy * tx - dx * ty) / slant_m
    return slant_m, by_s, across * across * var


@njit
def _misfit(
    site: Site, i: int, piece: int, x: float, y: float, z: float
) -> tuple[float, float, float]:
    """What row `i` of `near` says more than the point, its gradient along, and the variance."""
    near = site["near"]
    owner = near[i, _OWNER]
    anchor = int(owner % 1e6)
    expected_m, by_s, var = _distance(site, anchor, piece, x, y, z)
    if near[i, _IS_DIFFERENCE] != 0.0:
        other = int(owner / 1e6) - 1
        other_m, other_by_s, other_var = _distance(site, other, piece, x, y, z)
        expected_m -= other_m
        by_s -= other_by_s
        var += other_var
    return near[i, _VALUE] - expected_m, by_s, near[i, VARIANCE] + var


@njit
def cost_on_roadway(site: Site, piece: int, s_m: float, count: int, distinct: int) -> float:
    """Cauchy loss of being there, scaled to one measurement per anchor; `near` is filled."""
    near = site["near"]
    x, y, z = point_at(site, piece, s_m)
    total = 0.0
    for i in range(count):
        error, _, var = _misfit(site, i, piece, x, y, z)
        loss = 0.5 * math.log(1.0 + error * error / var)
        total += loss if error > 0.0 else _TOO_SHORT * loss
        if near[i, _IS_DIFFERENCE] == 0.0:
            anchor, edge = int(near[i, _OWNER] % 1e6), site["piece_edge"][piece]
            if through_rock(site, anchor, edge, s_m, near[i, _VALUE]):
                total += ROCK
    return total * distinct / count


@njit
def _consider(site: Site, found: int, piece: int, way_m: float, count: int, distinct: int) -> int:
    """Takes a place into `trial` if it is new and fits well enough: how many there are now."""
    trial = site["trial"]
    way_m = min(max(way_m, 0.0), site["piece_length_m"][piece])
    s_m = site["piece_s_m"][piece] + way_m
    value = cost_on_roadway(site, piece, s_m, count, distinct)
    x, y, z = point_at(site, piece, s_m)
    row, worst = -1, -1
    for k in range(found):
        dx, dy, dz = trial[k, _X] - x, trial[k, _X + 1] - y, trial[k, _X + 2] - z
        if dx * dx + dy * dy + dz * dz < _APART_M * _APART_M:
            row = k
        if worst < 0 or trial[k, COST] > trial[worst, COST]:
            worst = k
    if row >= 0:
        if trial[row, COST] <= value:
            return found
    elif found < _KEPT:
        row = found
        found += 1
    elif trial[worst, COST] > value:
        row = worst
    else:
        return found
    trial[row, _S], trial[row, COST], trial[row, _PIECE] = s_m, value, piece
    trial[row, _X], trial[row, _X + 1], trial[row, _X + 2] = x, y, z
    return found


@njit
def _refine(site: Site, row: int, count: int, distinct: int) -> None:
    """Gauss–Newton along the piece, with Cauchy weights; and how sure the place is along."""
    trial = site["trial"]
    piece = int(trial[row, _PIECE])
    low_m = site["piece_s_m"][piece]
    high_m = low_m + site["piece_length_m"][piece]
    information = 1e-4
    for _ in range(_STEPS):
        x, y, z = point_at(site, piece, trial[row, _S])
        information, pull = 1e-4, 0.0
        for i in range(count):
            error, by_s, var = _misfit(site, i, piece, x, y, z)
            weight = 1.0 / (var + error * error)
            information += weight * by_s * by_s
            pull += weight * by_s * error
        step_m = min(max(pull / information, -5.0), 5.0)
        trial[row, _S] = min(max(trial[row, _S] + step_m, low_m), high_m)
    trial[row, COST] = cost_on_roadway(site, piece, trial[row, _S], count, distinct)
    trial[row, _VAR] = count / (information * distinct)
    trial[row, _X], trial[row, _X + 1], trial[row, _X + 2] = point_at(site, piece, trial[row, _S])


@njit
def _ends_on(site: Site, anchor: int, range_m: float, piece: int) -> tuple[float, float]:
    """How far along a piece a range ends, twice; NaN where it does not."""
    ox = site["piece_x_m"][piece] - site["anchor_x_m"][anchor]
    oy = site["piece_y_m"][piece] - site["anchor_y_m"][anchor]
    oz = site["piece_z_m"][piece] - site["anchor_z_m"][anchor]
    half = (
        ox * site["piece_tx"][piece] + oy * site["piece_ty"][piece] + oz * site["piece_tz"][piece]
    )
    aside_m2 = ox * ox + oy * oy + oz * oz - half * half
    reach_m = range_m + _MISS_M
    if aside_m2 > reach_m * reach_m:
        return math.nan, math.nan
    root = math.sqrt(max(range_m * range_m - aside_m2, 0.0))
    first, second = -half - root, -half + root
    length_m = site["piece_length_m"][piece]
    if not -_MISS_M <= first <= length_m + _MISS_M:
        first = math.nan
    if not -_MISS_M <= second <= length_m + _MISS_M:
        second = math.nan
    return first, second


@njit
def search_roadways(card: Card, site: Site, t_ns: int, window_ns: int) -> tuple[int, int, int]:
    """The places that fit the measurements of the last `window_ns`, in `trial`.

    Gives (how many places, how many measurements, of how many anchors or pairs of them).
    """
    near = site["near"]
    count, distinct = gather(card, site, t_ns, window_ns)
    found = 0
    for i in range(count):
        newest = True
        for j in range(count):
            same = near[j, _OWNER] == near[i, _OWNER]
            if same and (near[j, VARIANCE], j) < (near[i, VARIANCE], i):
                newest = False
        if not newest:
            continue
        difference = near[i, _IS_DIFFERENCE] != 0.0
        anchor = int(near[i, _OWNER] % 1e6)
        for piece in range(site["pieces"]):
            if difference:  # every 20 m: where on a piece a hyperbola passes is not worth a formula
                for step in range(int(site["piece_length_m"][piece] / 20.0) + 1):
                    found = _consider(site, found, piece, 20.0 * step, count, distinct)
                continue
            first, second = _ends_on(site, anchor, near[i, _VALUE], piece)
            if not math.isnan(first):
                found = _consider(site, found, piece, first, count, distinct)
            if not math.isnan(second):
                found = _consider(site, found, piece, second, count, distinct)
    for row in range(found):
        _refine(site, row, count, distinct)
    return found, count, distinct
