"""Where a card is in an open area, from its recent ranges and differences alone: compiled.

Gauss–Newton with a Cauchy loss (Holland & Welsch 1977) from many starting points, because the
mirror behind the anchors fits almost as well. A "place" is a row of scratch: x, y, cost, and the
covariance xx, xy, yy.
"""

from __future__ import annotations

import math
from typing import Final

from positioning.area_filter import SLANT_FLOOR_M
from positioning.cards import RING, Card, Floats
from positioning.intake import coded
from positioning.jit import njit
from positioning.observation import Kind
from positioning.site import Site

_S_PER_NS: Final = 1e-9
#: Directions from which the search sets out, and steps it takes at most.
_DIRECTIONS: Final = 8
_STEPS: Final = 15
_RANGE: Final = int(Kind.RANGE)
_DIFFERENCE: Final = int(Kind.DIFFERENCE)

# Columns of `near`: the anchor's x, y, square of the height difference; what was measured and its
# variance; whose it is; and the second anchor, of a difference.
VALUE: Final = 3
VARIANCE: Final = 4
_OWNER: Final = 5
IS_DIFFERENCE: Final = 6


@njit
def gather(card: Card, site: Site, t_ns: int, window_ns: int) -> tuple[int, int]:
    """The card's measurements of the last `window_ns`: (how many, distinct anchors or pairs).

    They are written to the scratch `near`. Older ones weigh less, by the way that the card may have
    gone since.
    """
    s, near = site, site["near"]
    count = 0
    distinct = 0
    for k in range(min(card["ring_next"], RING)):
        age_ns = t_ns - card["ring_ns"][k, 0]
        kind, anchor, other = coded(card["ring_ns"][k, 1])
        ranging = kind in (_RANGE, _DIFFERENCE)
        if not ranging or age_ns < -s["late_max_ns"] or age_ns > window_ns:
            continue
        _describe(site, near, count, anchor, card["ring_value"][k, 0])
        near[count, IS_DIFFERENCE] = 0.0
        walked_m = s["start_speed_m_s"] * age_ns * _S_PER_NS
        near[count, VARIANCE] = s["range_var_m2"] + walked_m * walked_m
        if kind == _DIFFERENCE:
            _describe_other(site, near, count, other)
            near[count, VARIANCE] += s["difference_var_m2"] - s["range_var_m2"]
            near[count, _OWNER] += 1e6 * (other + 1)
        new = True
        for j in range(count):
            if near[j, _OWNER] == near[count, _OWNER]:
                new = False
        distinct += int(new)
        count += 1
    return count, distinct


@njit
def _describe(site: Site, near: Floats, i: int, anchor: int, value_m: float) -> None:
    dz_m = site["anchor_z_m"][anchor] - site["anchor_card_z_m"][anchor]
    near[i, 0] = site["anchor_x_m"][anchor]
    near[i, 1] = site["anchor_y_m"][anchor]
    near[i, 2] = dz_m * dz_m
    near[i, VALUE] = value_m
    near[i, _OWNER] = anchor


@njit
def _describe_other(site: Site, near: Floats, i: int, other: int) -> None:
    dz_m = site["anchor_z_m"][other] - site["anchor_card_z_m"][other]
    near[i, IS_DIFFERENCE] = 1.0
    near[i, 7] = site["anchor_x_m"][other]
    near[i, 8] = site["anchor_y_m"][other]
    near[i, 9] = dz_m * dz_m


@njit
def _slant(near: Floats, i: int, column: int, x: float, y: float) -> tuple[float, float, float]:
    """Distance from the anchor in a row's `column`, and the direction from it."""
    dx, dy = x - near[i, column], y - near[i, column + 1]
    slant_m = max(math.sqrt(dx * dx + dy * dy + near[i, column + 2]), SLANT_FLOOR_M)
    return slant_m, dx / slant_m, dy / slant_m


@njit
def _misfit(near: Floats, i: int, x: float, y: float) -> tuple[float, float, float]:
    """What row `i` says more than (x, y), and the gradient of what was expected."""
    slant_m, ux, uy = _slant(near, i, 0, x, y)
    if near[i, IS_DIFFERENCE] != 0.0:
        other_m, ox, oy = _slant(near, i, 7, x, y)
        slant_m, ux, uy = slant_m - other_m, ux - ox, uy - oy
    return near[i, VALUE] - slant_m, ux, uy


@njit
def cost(site: Site, x: float, y: float, count: int, distinct: int) -> float:
    """Cauchy loss of being at (x, y), scaled to one measurement per anchor.

    Because the errors of one anchor's ranges within a second are nearly the same error.
    """
    near = site["near"]
    total = 0.0
    for i in range(count):
        error = _misfit(near, i, x, y)[0]
        total += 0.5 * math.log(1.0 + error * error / near[i, VARIANCE])
    return total * distinct / count


@njit
def _descend(site: Site, place: int, count: int, distinct: int, step_max_m: float) -> None:
    """Damped Gauss–Newton with Cauchy weights, from x, y of row `place` to the whole place."""
    near, trial = site["near"], site["trial"]
    xx, xy, yy = 1.0, 0.0, 1.0
    for _ in range(_STEPS):
        xx, xy, yy, gx, gy = 1e-4, 0.0, 1e-4, 0.0, 0.0
        for i in range(count):
            error, ux, uy = _misfit(near, i, trial[place, 0], trial[place, 1])
            weight = 1.0 / (near[i, VARIANCE] + error * error)
            xx += weight * ux * ux
            xy += weight * ux * uy
            yy += weight * uy * uy
            gx += weight * ux * error
            gy += weight * uy * error
        damp = 1e-3 * (xx + yy)
        det = (xx + damp) * (yy + damp) - xy * xy
        sx = ((yy + damp) * gx - xy * gy) / det
        sy = ((xx + damp) * gy - xy * gx) / det
        step_m = math.hypot(sx, sy)
        shrink = min(1.0, step_max_m / (step_m + 1e-9))
        trial[place, 0] += shrink * sx
        trial[place, 1] += shrink * sy
        if step_m < 1e-3:
            break
    det = (xx * yy - xy * xy) * distinct / count
    trial[place, 2] = cost(site, trial[place, 0], trial[place, 1], count, distinct)
    trial[place, 3], trial[place, 4], trial[place, 5] = yy / det, -xy / det, xx / det


@njit
def search(site: Site, count: int, distinct: int) -> float:
    """The place that fits best, and the best that is elsewhere: the difference of their costs.

    They are written to the scratch `best` and `other`; `near` is what `gather` wrote.
    """
    near, trial = site["near"], site["trial"]
    best, other = site["best"], site["other"]
    cx, cy, reach_m = 0.0, 0.0, 0.0
    for i in range(count):
        cx += near[i, 0] / count
        cy += near[i, 1] / count
        apart_m = near[i, VALUE]
        if near[i, IS_DIFFERENCE] != 0.0:
            apart_m = 0.5 * math.hypot(near[i, 0] - near[i, 7], near[i, 1] - near[i, 8])
        reach_m += apart_m / count
    found = 0
    for k in range(_DIRECTIONS):
        angle = 2.0 * math.pi * k / _DIRECTIONS + 0.2
        trial[k, 0] = cx + reach_m * math.cos(angle)
        trial[k, 1] = cy + reach_m * math.sin(angle)
        _descend(site, k, count, distinct, 0.5 * reach_m + 1.0)
        if trial[k, 2] < trial[found, 2]:
            found = k
    for i in range(6):
        best[i] = trial[found, i]
        other[i] = best[i]
    other[2] = math.inf
    for k in range(_DIRECTIONS):
        apart_m = math.hypot(trial[k, 0] - best[0], trial[k, 1] - best[1])
        if apart_m > 1.0 and trial[k, 2] < other[2]:
            for i in range(6):
                other[i] = trial[k, i]
    if distinct < 3:  # two circles always have their mirror, even where the search missed it
        other[2] = min(other[2], best[2])
    return float(other[2] - best[2])
