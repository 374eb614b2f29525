"""How a card is followed in an open area: started, measured, found anew. Compiled.

`c` is the card.
"""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.area_filter import VARIANCE_FLOOR, expect_range, predict, update
from positioning.cards import (
    ACCEPTED,
    AMBIGUOUS,
    COASTING,
    FIRST,
    IN_AREA,
    MODEL,
    RANGED,
    REJECTS,
    REVIEWED,
    RING,
    RING_NEXT,
    USED,
    Cards,
    Floats,
    Site,
    T,
)
from positioning.jit import njit
from positioning.observation import Kind
from positioning.search import cost, gather, search
from positioning.slots import note_use, slot_of

_S_PER_NS: Final = 1e-9
#: A card leaps to a place only if that fits: one anchor in three may be blocked.
_MISFIT_MAX: Final = 0.7
#: And only if it fits better than where the card is, by odds of about 1 : 3.
_BETTER_COST: Final = 1.0
_RANGE: Final = int(Kind.RANGE)
_DIFFERENCE: Final = int(Kind.DIFFERENCE)


@njit
def put_at_rest(cards: Cards, site: Site, c: int, x: float, y: float) -> None:
    """A card's state at rest at (x, y); the covariance of its place is left to the caller."""
    mean, cov, s = cards.mean, cards.cov, site.settings[0]
    states = mean.shape[1]
    for i in range(states):
        mean[c, i] = 0.0
        for j in range(states):
            cov[c, i, j] = 0.0
    mean[c, 0], mean[c, 1] = x, y
    cov[c, 2, 2] = cov[c, 3, 3] = s["start_speed_m_s"] * s["start_speed_m_s"]
    for b in range(4, states):
        cov[c, b, b] = s["bias_var_m2"]
    for k in range(cards.clones.shape[1]):
        for i in range(8, 8 + 2 * states):
            cards.clones[c, k, i] = 0.0


@njit
def put_in_area(
    cards: Cards, site: Site, c: int, x: float, y: float, xx: float, xy: float, yy: float
) -> None:
    """Follows the card in an open area from now on, at rest, with this covariance of its place."""
    put_at_rest(cards, site, c, x, y)
    cov = cards.cov
    cov[c, 0, 0], cov[c, 1, 1] = max(xx, VARIANCE_FLOOR), max(yy, VARIANCE_FLOOR)
    cov[c, 0, 1], cov[c, 1, 0] = xy, xy
    cards.marks[c, MODEL] = IN_AREA


@njit
def _settle(cards: Cards, site: Site, c: int, t_ns: int, best: Floats, other: Floats) -> None:
    """Puts the card's filter at `best`; `other` is the place that stands against it."""
    s, marks = site.settings[0], cards.marks
    behind = other[2] - best[2]
    odds, dx, dy = 0.0, 0.0, 0.0
    if behind < s["ambiguous_cost"]:  # the other place belongs to the uncertainty of this one
        odds = 1.0 / (1.0 + math.exp(behind))
        dx, dy = other[0] - best[0], other[1] - best[1]
    bias_var = s["bias_var_m2"]
    xx = best[3] + bias_var + odds * dx * dx
    yy = best[5] + bias_var + odds * dy * dy
    put_in_area(cards, site, c, best[0], best[1], xx, best[4] + odds * dx * dy, yy)
    marks[c, COASTING] = 0
    marks[c, AMBIGUOUS] = int(behind < s["ambiguous_cost"])
    marks[c, REJECTS] = 0
    marks[c, T] = marks[c, ACCEPTED] = marks[c, REVIEWED] = marks[c, RANGED] = t_ns


@njit
def start_in_area(cards: Cards, site: Site, c: int, t_ns: int) -> bool:
    """Starts the card's filter if its recent ranges tell where it is."""
    s, best, other = site.settings[0], site.scratch.best, site.scratch.other
    count, distinct = gather(cards, site, c, t_ns, s["start_window_ns"])
    waited = t_ns - cards.marks[c, FIRST] >= s["start_wait_ns"]
    if distinct < 2 or (distinct < 3 and not waited):
        return False
    behind = search(site, count, distinct)
    if behind < s["ambiguous_cost"] and not waited:
        return False
    _settle(cards, site, c, t_ns, best, other)
    for k in range(min(cards.marks[c, RING_NEXT], RING)):
        kept = cards.ring[c, k]
        age_ns = t_ns - kept["t_ns"]
        recent = -s["late_max_ns"] <= age_ns <= s["start_window_ns"]
        if recent and kept["kind"] == _RANGE:
            slot = slot_of(cards, site, c, int(kept["source"]) - 1, t_ns)
            cards.slot_ns[c, slot, USED] = kept["t_ns"]
    return True


@njit
def _reacquire(cards: Cards, site: Site, c: int) -> None:
    """After many rejects: goes elsewhere, if the recent ranges fit clearly better there."""
    mean, cov, s = cards.mean, cards.cov, site.settings[0]
    best, other, t_ns = site.scratch.best, site.scratch.other, cards.marks[c, T]
    count, distinct = gather(cards, site, c, t_ns, s["reacquire_window_ns"])
    if distinct < 3:
        count, distinct = gather(cards, site, c, t_ns, s["start_window_ns"])
    cards.marks[c, REJECTS] = 0
    if distinct >= 3:
        behind = search(site, count, distinct)
        from_best_m = math.hypot(best[0] - mean[c, 0], best[1] - mean[c, 1])
        from_other_m = math.hypot(other[0] - mean[c, 0], other[1] - mean[c, 1])
        if behind < s["ambiguous_cost"] and from_other_m < from_best_m:
            best, other = other, best
        here = cost(site, mean[c, 0], mean[c, 1], count, distinct)
        if best[2] < _MISFIT_MAX * distinct and best[2] + _BETTER_COST < here:
            _settle(cards, site, c, t_ns, best, other)
            return
    cov[c, 0, 0] += 1.0
    cov[c, 1, 1] += 1.0


@njit
def _review(cards: Cards, site: Site, c: int) -> None:
    """Where a place stays uncertain: do the ranges of the last seconds tell of another?"""
    mean, cov, s, marks = cards.mean, cards.cov, site.settings[0], cards.marks
    best, other, t_ns = site.scratch.best, site.scratch.other, marks[c, T]
    marks[c, REVIEWED] = t_ns
    count, distinct = gather(cards, site, c, t_ns, s["start_window_ns"])
    if distinct < 3:
        return
    behind = search(site, count, distinct)
    reach_m = 1.0 + 3.0 * math.sqrt(cov[c, 0, 0] + cov[c, 1, 1])
    if math.hypot(best[0] - mean[c, 0], best[1] - mean[c, 1]) < reach_m:
        if behind > s["ambiguous_cost"]:
            marks[c, AMBIGUOUS] = 0
        return
    here = cost(site, mean[c, 0], mean[c, 1], count, distinct)
    if best[2] < _MISFIT_MAX * distinct and best[2] + s["ambiguous_cost"] < here:
        _settle(cards, site, c, t_ns, best, other)


@njit
def advance_in_area(cards: Cards, site: Site, c: int, t_ns: int) -> float:
    """Brings the filter to a measurement's time; gives how much older (s) that is than the state."""
    dt_ns = t_ns - cards.marks[c, T]
    if dt_ns <= 0:
        return -dt_ns * _S_PER_NS
    predict(cards, site, c, dt_ns * _S_PER_NS)
    cards.marks[c, T] = t_ns
    return 0.0


@njit
def measure_in_area(
    cards: Cards, site: Site, m: Any, lag_s: float
) -> tuple[bool, float, float, float, float, float]:
    """A range or a difference into the filter.

    Gives (accepted, NIS, residual without the bias, its variance, direction x, y).
    """
    s, c, now_ns = site.settings[0], m["card"], cards.marks[m["card"], T]
    anchor = int(m["source"])
    slot = slot_of(cards, site, c, anchor, now_ns)
    plus = slot if cards.mean.shape[1] > 4 else -1
    expected_m, ux, uy, bend_m2 = expect_range(cards, site, c, anchor, lag_s)
    residual_m = m["value_m"] - expected_m
    noise_m2 = s["range_var_m2"] + bend_m2
    gates = (s["gate_long"], s["gate_short"])
    minus = -1
    if m["kind"] == _DIFFERENCE:
        other = slot_of(cards, site, c, int(m["other"]), now_ns)
        minus = other if plus >= 0 else -1
        other_m, ox, oy, other_bend_m2 = expect_range(cards, site, c, int(m["other"]), lag_s)
        residual_m += other_m
        ux, uy = ux - ox, uy - oy
        noise_m2 = s["difference_var_m2"] + bend_m2 + other_bend_m2
        gates = (s["gate_difference"], s["gate_difference"])
    innovation_m = residual_m
    var_m2 = noise_m2 + cards.cov[c, 0, 0] + cards.cov[c, 1, 1]
    if plus >= 0:
        innovation_m -= cards.mean[c, 4 + plus]
    if minus >= 0:
        innovation_m += cards.mean[c, 4 + minus]
    accepted, nis, slope_m = update(
        cards, site, c, (ux, uy, plus, minus, lag_s), innovation_m, noise_m2, gates
    )
    note_use(cards, c, slot, now_ns, slope_m, accepted)
    return accepted, nis, residual_m, var_m2, ux, uy


@njit
def place_in_area(cards: Cards, site: Site, m: Any, lag_s: float) -> tuple[bool, float]:
    """Another engine's place into the filter, as two scalars without correlation: (accepted, NIS).

    Both are gated by the distance of the whole place.
    """
    c, xx, xy = m["card"], m["var_x_m2"], m["cov_xy_m2"]
    mean, cov = cards.mean, cards.cov
    x, y = mean[c, 0] - lag_s * mean[c, 2], mean[c, 1] - lag_s * mean[c, 3]
    dx, dy = m["value_m"] - x, m["y_m"] - y
    txx, txy, tyy = cov[c, 0, 0] + xx, cov[c, 0, 1] + xy, cov[c, 1, 1] + m["var_y_m2"]
    nis = (tyy * dx * dx - 2.0 * txy * dx * dy + txx * dy * dy) / (txx * tyy - txy * txy)
    gate = site.settings[0]["gate_place"]
    if nis > 2.0 * (2.0 * gate + 1.0) ** 2:
        return False, nis
    wide = (math.inf, math.inf)
    update(cards, site, c, (1.0, 0.0, -1, -1, lag_s), dx, xx, wide)
    slope = xy / xx
    y = mean[c, 1] - slope * mean[c, 0] - lag_s * (mean[c, 3] - slope * mean[c, 2])
    rest = m["var_y_m2"] - slope * xy
    innovation = m["y_m"] - slope * m["value_m"] - y
    update(cards, site, c, (-slope, 1.0, -1, -1, lag_s), innovation, rest, wide)
    return True, nis


@njit
def look_after_area(cards: Cards, site: Site, c: int, accepted: bool) -> None:
    """After a measurement: counts rejects, and finds the place anew where it must be."""
    s, marks, cov = site.settings[0], cards.marks, cards.cov
    now_ns = marks[c, T]
    if accepted:
        marks[c, REJECTS] = max(marks[c, REJECTS] - 1, 0)
        marks[c, ACCEPTED] = marks[c, RANGED] = now_ns
    else:
        marks[c, REJECTS] += 1
    if marks[c, REJECTS] >= s["rejects_max"]:
        _reacquire(cards, site, c)
    elif not (marks[c, AMBIGUOUS] or cov[c, 0, 0] + cov[c, 1, 1] > s["review_var_m2"]):
        marks[c, REVIEWED] = now_ns
    elif now_ns - marks[c, REVIEWED] >= s["review_ns"]:
        _review(cards, site, c)


@njit
def hold_in_area(cards: Cards, site: Site, c: int, t_ns: int) -> None:
    """After a long silence: the card is where it was, or as far from there as one walks."""
    cov, s = cards.cov, site.settings[0]
    silence_s = (t_ns - cards.marks[c, T]) * _S_PER_NS
    xx, xy, yy = cov[c, 0, 0], cov[c, 0, 1], cov[c, 1, 1]
    walked_m = min(s["start_speed_m_s"] * silence_s, s["hold_max_m"])
    x, y = cards.mean[c, 0], cards.mean[c, 1]
    put_in_area(cards, site, c, x, y, xx + walked_m * walked_m, xy, yy + walked_m * walked_m)
