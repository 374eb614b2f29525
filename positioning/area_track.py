"""How a card is followed in an open area: started, measured, found anew. Compiled."""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.anchor_stats import note_anchor
from positioning.area_filter import VARIANCE_FLOOR, expect_range
from positioning.area_plain import predict, update
from positioning.cards import (
    CLONE_CROSS,
    IN_AREA,
    RING,
    Card,
    Floats,
)
from positioning.intake import coded
from positioning.jit import njit, njit_within
from positioning.observation import Kind
from positioning.search import cost, gather, search
from positioning.site import Site
from positioning.slots import find_slot, note_height, note_use, take_slot

_S_PER_NS: Final = 1e-9
#: A card leaps to a place only if that fits: one anchor in three may be blocked.
_MISFIT_MAX: Final = 0.7
#: And only if it fits better than where the card is, by odds of about 1 : 3.
_BETTER_COST: Final = 1.0
_RANGE: Final = int(Kind.RANGE)
_DIFFERENCE: Final = int(Kind.DIFFERENCE)
_PLACE: Final = int(Kind.PLACE)


@njit_within
def _bias_slot(card: Card, site: Site, anchor: int, t_ns: int) -> int:
    """The slot of `anchor`, heard at `t_ns`; of one that had none the bias is unknown."""
    slot = find_slot(card, anchor, t_ns)
    if slot < 0:
        slot = take_slot(card, anchor, t_ns)
        _forget_bias(card, site, 4 + slot)
    return slot


@njit
def _forget_bias(card: Card, site: Site, b: int) -> None:
    mean, cov = card["mean"], card["cov"]
    states = len(mean)
    if b >= states:
        return
    mean[b] = 0.0
    for j in range(states):
        cov[b, j] = 0.0
        cov[j, b] = 0.0
    cov[b, b] = site["bias_var_m2"]
    if site["lag_ns"] > 0:
        clones = card["clones"]
        for k in range(len(clones)):
            clones[k, CLONE_CROSS + b] = 0.0
            clones[k, CLONE_CROSS + states + b] = 0.0


@njit
def put_at_rest(card: Card, site: Site, x: float, y: float) -> None:
    """A card's state at rest at (x, y); the covariance of its place is left to the caller."""
    mean, cov, s = card["mean"], card["cov"], site
    states = len(mean)
    for i in range(states):
        mean[i] = 0.0
        for j in range(states):
            cov[i, j] = 0.0
    mean[0], mean[1] = x, y
    cov[2, 2] = cov[3, 3] = s["start_speed_m_s"] * s["start_speed_m_s"]
    for b in range(4, states):
        cov[b, b] = s["bias_var_m2"]
    if s["lag_ns"] > 0:
        clones = card["clones"]
        for k in range(len(clones)):
            for i in range(CLONE_CROSS, CLONE_CROSS + 2 * states):
                clones[k, i] = 0.0


@njit
def put_in_area(
    card: Card, site: Site, x: float, y: float, xx: float, xy: float, yy: float
) -> None:
    """Follows the card in an open area from now on, at rest, with this covariance of its place."""
    put_at_rest(card, site, x, y)
    cov = card["cov"]
    cov[0, 0], cov[1, 1] = max(xx, VARIANCE_FLOOR), max(yy, VARIANCE_FLOOR)
    cov[0, 1], cov[1, 0] = xy, xy
    card["model"] = IN_AREA
    card["z_range_m"] = math.inf  # the next anchor that is heard tells the height


@njit
def _settle(card: Card, site: Site, t_ns: int, best: Floats, other: Floats) -> None:
    """Puts the card's filter at `best`; `other` is the place that stands against it."""
    s = site
    behind = other[2] - best[2]
    odds, dx, dy = 0.0, 0.0, 0.0
    if behind < s["ambiguous_cost"]:  # the other place belongs to the uncertainty of this one
        odds = 1.0 / (1.0 + math.exp(behind))
        dx, dy = other[0] - best[0], other[1] - best[1]
    bias_var = s["bias_var_m2"]
    xx = best[3] + bias_var + odds * dx * dx
    yy = best[5] + bias_var + odds * dy * dy
    put_in_area(card, site, best[0], best[1], xx, best[4] + odds * dx * dy, yy)
    card["coasting"] = 0
    card["ambiguous"] = int(behind < s["ambiguous_cost"])
    card["rejects"] = 0
    card["t_ns"] = card["accepted_ns"] = card["reviewed_ns"] = card["ranged_ns"] = t_ns


@njit
def start_in_area(card: Card, site: Site, t_ns: int) -> bool:
    """Starts the card's filter if its recent ranges tell where it is."""
    s, best, other = site, site["best"], site["other"]
    count, distinct = gather(card, site, t_ns, s["start_window_ns"])
    waited = t_ns - card["first_ns"] >= s["start_wait_ns"]
    if distinct < 2 or (distinct < 3 and not waited):
        return False
    behind = search(site, count, distinct)
    if behind < s["ambiguous_cost"] and not waited:
        return False
    _settle(card, site, t_ns, best, other)
    for k in range(min(card["ring_next"], RING)):
        age_ns = t_ns - card["ring_ns"][k, 0]
        recent = -s["late_max_ns"] <= age_ns <= s["start_window_ns"]
        kind, source, _ = coded(card["ring_ns"][k, 1])
        if recent and kind == _RANGE:
            slot = _bias_slot(card, site, source, t_ns)
            dx = card["mean"][0] - site["anchor_x_m"][source]
            dy = card["mean"][1] - site["anchor_y_m"][source]
            apart_m = max(math.hypot(dx, dy), 1e-3)
            note_use(card, slot, card["ring_ns"][k, 0], 0.0, dx / apart_m, dy / apart_m, True)
            note_height(card, site, source, card["ring_value"][k, 0])
    return True


@njit
def _reacquire(card: Card, site: Site) -> None:
    """After many rejects: goes elsewhere, if the recent ranges fit clearly better there."""
    mean, cov, s = card["mean"], card["cov"], site
    best, other, t_ns = site["best"], site["other"], card["t_ns"]
    count, distinct = gather(card, site, t_ns, s["reacquire_window_ns"])
    if distinct < 3:
        count, distinct = gather(card, site, t_ns, s["start_window_ns"])
    card["rejects"] = 0
    if distinct >= 3:
        behind = search(site, count, distinct)
        from_best_m = math.hypot(best[0] - mean[0], best[1] - mean[1])
        from_other_m = math.hypot(other[0] - mean[0], other[1] - mean[1])
        if behind < s["ambiguous_cost"] and from_other_m < from_best_m:
            best, other = other, best
        here = cost(site, mean[0], mean[1], count, distinct)
        if best[2] < _MISFIT_MAX * distinct and best[2] + _BETTER_COST < here:
            _settle(card, site, t_ns, best, other)
            return
    cov[0, 0] += 1.0
    cov[1, 1] += 1.0


@njit
def _review(card: Card, site: Site) -> None:
    """Where a place stays uncertain: do the ranges of the last seconds tell of another?"""
    mean, cov, s = card["mean"], card["cov"], site
    best, other, t_ns = site["best"], site["other"], card["t_ns"]
    card["reviewed_ns"] = t_ns
    count, distinct = gather(card, site, t_ns, s["start_window_ns"])
    if distinct < 3:
        return
    behind = search(site, count, distinct)
    reach_m = 1.0 + 3.0 * math.sqrt(cov[0, 0] + cov[1, 1])
    if math.hypot(best[0] - mean[0], best[1] - mean[1]) < reach_m:
        if behind > s["ambiguous_cost"]:
            card["ambiguous"] = 0
        return
    here = cost(site, mean[0], mean[1], count, distinct)
    if best[2] < _MISFIT_MAX * distinct and best[2] + s["ambiguous_cost"] < here:
        _settle(card, site, t_ns, best, other)


@njit_within
def take_in_area(card: Card, site: Site, m: Any) -> tuple[bool, float]:
    """Brings the filter to a measurement's time and that into the filter: (accepted, NIS)."""
    lag_s = _advance(card, site, m["t_ns"])
    if m["kind"] == _PLACE:
        accepted, nis = _take_place(card, site, m, lag_s)
    else:
        accepted, nis = _take_ranging(card, site, m, lag_s)
    _look_after(card, site, accepted)
    return accepted, nis


@njit
def begin_in_area(card: Card, site: Site, m: Any) -> bool:
    """A card without a place: does the measurement give it one?"""
    if m["kind"] != _PLACE:
        return start_in_area(card, site, m["t_ns"])
    xx, xy, yy = m["var_x_m2"], m["cov_xy_m2"], m["var_y_m2"]
    put_in_area(card, site, m["value_m"], m["y_m"], xx, xy, yy)
    card["t_ns"] = card["accepted_ns"] = card["ranged_ns"] = card["reviewed_ns"] = m["t_ns"]
    return True


@njit_within
def _advance(card: Card, site: Site, t_ns: int) -> float:
    """Brings the filter to a measurement's time; gives how much older (s) that is than it."""
    dt_ns = t_ns - card["t_ns"]
    if dt_ns <= 0:
        return float(-dt_ns * _S_PER_NS)
    predict(card, site, dt_ns * _S_PER_NS)
    card["t_ns"] = t_ns
    return 0.0


@njit_within
def _take_ranging(card: Card, site: Site, m: Any, lag_s: float) -> tuple[bool, float]:
    """A range or a difference into the filter: (accepted, NIS)."""
    if m["kind"] == _DIFFERENCE:
        return _take_difference(card, site, m, lag_s)
    now_ns, anchor = card["t_ns"], int(m["source"])
    slot = _bias_slot(card, site, anchor, now_ns)
    expected_m, ux, uy, bend_m2 = expect_range(card, site, anchor, lag_s)
    residual_m = m["value_m"] - expected_m
    noise_m2 = site["range_var_m2"] + bend_m2
    var_m2 = noise_m2 + card["cov"][0, 0] + card["cov"][1, 1]
    plus, bias_m = -1, 0.0
    if len(card["mean"]) > 4:
        plus, bias_m = slot, card["mean"][4 + slot]
    long, short = site["gate_long"], site["gate_short"]
    told = (ux, uy, plus, -1, lag_s, residual_m - bias_m, noise_m2, long, short)
    accepted, nis, slope_m2 = update(card, site, told)
    note_use(card, slot, now_ns, slope_m2, ux, uy, accepted)
    # The residual is that of the place: the bias belongs to the anchor.
    note_anchor(site, m, residual_m, var_m2, ux, uy, accepted)
    note_height(card, site, anchor, m["value_m"])
    return accepted, nis


@njit
def _take_difference(card: Card, site: Site, m: Any, lag_s: float) -> tuple[bool, float]:
    """A difference of two distances into the filter: (accepted, NIS)."""
    now_ns, anchor, other = card["t_ns"], int(m["source"]), int(m["other"])
    slot = _bias_slot(card, site, anchor, now_ns)
    minus = _bias_slot(card, site, other, now_ns)
    expected_m, ux, uy, bend_m2 = expect_range(card, site, anchor, lag_s)
    other_m, ox, oy, other_bend_m2 = expect_range(card, site, other, lag_s)
    ux, uy = ux - ox, uy - oy
    innovation_m = m["value_m"] - expected_m + other_m
    noise_m2 = site["difference_var_m2"] + bend_m2 + other_bend_m2
    plus, gate = slot, site["gate_difference"]
    if len(card["mean"]) > 4:
        innovation_m -= card["mean"][4 + slot] - card["mean"][4 + minus]
    else:
        plus, minus = -1, -1
    told = (ux, uy, plus, minus, lag_s, innovation_m, noise_m2, gate, gate)
    accepted, nis, slope_m2 = _update(card, site, told)
    note_use(card, slot, now_ns, slope_m2, ux, uy, accepted)
    note_height(card, site, anchor, abs(m["value_m"]))
    return accepted, nis


@njit
def _update(card: Card, site: Site, told: Any) -> tuple[bool, float, float]:
    """As `update`, not taken in."""
    return update(card, site, told)


@njit
def _take_place(card: Card, site: Site, m: Any, lag_s: float) -> tuple[bool, float]:
    """Another engine's place into the filter, as two scalars without correlation: (accepted, NIS).

    Both are gated by the distance of the whole place.
    """
    xx, xy = m["var_x_m2"], m["cov_xy_m2"]
    mean, cov = card["mean"], card["cov"]
    x, y = mean[0] - lag_s * mean[2], mean[1] - lag_s * mean[3]
    dx, dy = m["value_m"] - x, m["y_m"] - y
    txx, txy, tyy = cov[0, 0] + xx, cov[0, 1] + xy, cov[1, 1] + m["var_y_m2"]
    nis = (tyy * dx * dx - 2.0 * txy * dx * dy + txx * dy * dy) / (txx * tyy - txy * txy)
    gate = site["gate_place"]
    if nis > 2.0 * (2.0 * gate + 1.0) ** 2:
        return False, nis
    _update(card, site, (1.0, 0.0, -1, -1, lag_s, dx, xx, math.inf, math.inf))
    slope = xy / xx
    y = mean[1] - slope * mean[0] - lag_s * (mean[3] - slope * mean[2])
    rest = m["var_y_m2"] - slope * xy
    innovation = m["y_m"] - slope * m["value_m"] - y
    _update(card, site, (-slope, 1.0, -1, -1, lag_s, innovation, rest, math.inf, math.inf))
    return True, nis


@njit_within
def _look_after(card: Card, site: Site, accepted: bool) -> None:
    """After a measurement: counts rejects, and finds the place anew where it must be."""
    s, cov = site, card["cov"]
    now_ns = card["t_ns"]
    if accepted:
        card["rejects"] = max(card["rejects"] - 1, 0)
        card["accepted_ns"] = card["ranged_ns"] = now_ns
    else:
        card["rejects"] += 1
    if card["rejects"] >= s["rejects_max"]:
        _reacquire(card, site)
    elif not (card["ambiguous"] or cov[0, 0] + cov[1, 1] > s["review_var_m2"]):
        card["reviewed_ns"] = now_ns
    elif now_ns - card["reviewed_ns"] >= s["review_ns"]:
        _review(card, site)


@njit
def hold_in_area(card: Card, site: Site, t_ns: int) -> None:
    """After a long silence: the card is where it was, or as far from there as one walks."""
    cov, s = card["cov"], site
    silence_s = (t_ns - card["t_ns"]) * _S_PER_NS
    xx, xy, yy = cov[0, 0], cov[0, 1], cov[1, 1]
    walked_m = min(s["start_speed_m_s"] * silence_s, s["hold_max_m"])
    x, y = card["mean"][0], card["mean"][1]
    put_in_area(card, site, x, y, xx + walked_m * walked_m, xy, yy + walked_m * walked_m)
    card["t_ns"] = t_ns
    card["coasting"] = 1
