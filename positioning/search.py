"""Where a card is, from its recent ranges alone: compiled.

Gauss–Newton with a Cauchy loss (Holland & Welsch 1977) from many starting points, because the
mirror behind the anchors fits almost as well. A "place" is (6,): x, y, cost, and the covariance xx,
xy, yy.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from positioning.cards import Card, Floats, Site
from positioning.jit import njit
from positioning.range_update import SLANT_FLOOR_M, describe

_S_PER_NS: Final = 1e-9
#: Directions from which the search sets out, and steps it takes at most.
_DIRECTIONS: Final = 8
_STEPS: Final = 15


@njit
def gather(card: Card, site: Site, t_ns: int, window_ns: int, near: Floats) -> tuple[int, int]:
    """The card's ranges of the last `window_ns`: (how many, distinct anchors among them).

    Rows of `near` (ring, 6): anchor x, y, square of the height difference, range, variance, anchor.
    """
    s = site.settings
    ring_anchor, ring_t_ns = card["ring_anchor"], card["ring_t_ns"]
    count = 0
    distinct = 0
    for k in range(len(near)):
        anchor = ring_anchor[k]
        age_ns = t_ns - ring_t_ns[k]
        if anchor < 0 or age_ns < -s["late_max_ns"] or age_ns > window_ns:
            continue
        new = True
        for j in range(count):
            if near[j, 5] == anchor:
                new = False
        distinct += int(new)
        walked_m = s["start_speed_m_s"] * age_ns * _S_PER_NS
        describe(site, near[count], anchor, card["ring_range_m"][k])
        near[count, 4] = s["range_var_m2"] + walked_m * walked_m
        count += 1
    return count, distinct


@njit
def cost(x: float, y: float, near: Floats, count: int, distinct: int) -> float:
    """Cauchy loss of being at (x, y), scaled to one range per anchor.

    Because the errors of one anchor's ranges within a second are nearly the same error.
    """
    total = 0.0
    for i in range(count):
        dx, dy = x - near[i, 0], y - near[i, 1]
        error = near[i, 3] - math.sqrt(dx * dx + dy * dy + near[i, 2])
        total += 0.5 * math.log(1.0 + error * error / near[i, 4])
    return total * distinct / count


@njit
def _descend(place: Floats, near: Floats, count: int, distinct: int, step_max_m: float) -> None:
    """Damped Gauss–Newton with Cauchy weights from a place's x, y to the whole place."""
    xx, xy, yy = 1.0, 0.0, 1.0
    for _ in range(_STEPS):
        xx, xy, yy, gx, gy = 1e-4, 0.0, 1e-4, 0.0, 0.0
        for i in range(count):
            dx, dy = place[0] - near[i, 0], place[1] - near[i, 1]
            slant_m = max(math.sqrt(dx * dx + dy * dy + near[i, 2]), SLANT_FLOOR_M)
            ux, uy = dx / slant_m, dy / slant_m
            error = near[i, 3] - slant_m
            weight = 1.0 / (near[i, 4] + error * error)
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
        place[0] += shrink * sx
        place[1] += shrink * sy
        if step_m < 1e-3:
            break
    det = (xx * yy - xy * xy) * distinct / count
    place[2] = cost(place[0], place[1], near, count, distinct)
    place[3], place[4], place[5] = yy / det, -xy / det, xx / det


@njit
def search(near: Floats, count: int, distinct: int, best: Floats, other: Floats) -> float:
    """The place that fits best, and the best that is elsewhere: the difference of their costs."""
    cx, cy, reach_m = 0.0, 0.0, 0.0
    for i in range(count):
        cx += near[i, 0] / count
        cy += near[i, 1] / count
        reach_m += near[i, 3] / count
    trial = np.empty((_DIRECTIONS, 6))
    found = 0
    for k in range(_DIRECTIONS):
        angle = 2.0 * math.pi * k / _DIRECTIONS + 0.2
        trial[k, 0] = cx + reach_m * math.cos(angle)
        trial[k, 1] = cy + reach_m * math.sin(angle)
        _descend(trial[k], near, count, distinct, 0.5 * reach_m + 1.0)
        if trial[k, 2] < trial[found, 2]:
            found = k
    best[:] = trial[found]
    other[:] = best
    other[2] = math.inf
    for k in range(_DIRECTIONS):
        apart_m = math.hypot(trial[k, 0] - best[0], trial[k, 1] - best[1])
        if apart_m > 1.0 and trial[k, 2] < other[2]:
            other[:] = trial[k]
    if distinct < 3:  # two circles always have their mirror, even where the search missed it
        other[2] = min(other[2], best[2])
    return float(other[2] - best[2])
