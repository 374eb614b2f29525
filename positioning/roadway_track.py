"""How a card is followed on the roadways: started, measured, found anew. Compiled.

`k` is the hypothesis.
"""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.anchor_stats import note_anchor
from positioning.cards import (
    LOG_WEIGHT,
    SS,
    SV,
    VV,
    Card,
    S,
    V,
)
from positioning.jit import njit, njit_within
from positioning.observation import Kind
from positioning.roadway_filter import (
    ROCK,
    abeam,
    absorb_on_roadway,
    expect_on_roadway,
    predict_places,
    residual_scale,
    through_rock,
    weigh,
)
from positioning.roadway_places import (
    NEARBY_LEAST,
    best_place,
    edge_of,
    find_piece,
    follow_on_roadway,
    keep_on_edges,
    point_at,
    put_near_roadways,
    put_on_roadway,
    tidy_places,
)
from positioning.roadway_review import (
    glance,
    glance_round_a_corner,
    may_be_round_a_corner,
    mind_other_ways,
    review,
)
from positioning.roadway_search import COST, search_roadways
from positioning.site import Site
from positioning.slots import kept_share, note_use, slot_of

_S_PER_NS: Final = 1e-9
_DIFFERENCE: Final = int(Kind.DIFFERENCE)
_PLACE: Final = int(Kind.PLACE)
_RANGE: Final = int(Kind.RANGE)
#: Two places nearer than this are one to whoever looks for the card.
_ELSEWHERE_M: Final = 5.0
#: The places that are not there, nor near, are likelier than this: the card's place is ambiguous.
AMBIGUOUS_SHARE: Final = 0.05
#: A range less likely in line of sight than this speaks against the place.
_ACCORD: Final = 0.05
#: Another engine's place is wrong, by metres, this often.
_WRONG_PLACE: Final = 0.05
_WRONG_PLACE_M: Final = 20.0
#: Errors of one anchor stay for a while: its ranges are not so many independent witnesses.
_EVIDENCE: Final = 0.5
#: A place known worse than this is wide: the range's circle bends within it.
_WIDE_M2: Final = 2.25
#: A place is reviewed every second while it is wide or has been rejected as often as this.
_REVIEW_REJECTS: Final = 3


@njit
def start_on_roadway(card: Card, site: Site, t_ns: int) -> bool:
    """Starts the card's filter, if its recent ranges tell where on the roadways it may be."""
    s, trial = site, site["trial"]
    found, _, distinct = search_roadways(card, site, t_ns, s["start_window_ns"])
    waited = t_ns - card["first_ns"] >= s["start_wait_ns"]
    if found == 0 or (distinct < 2 and not waited):
        return False
    card["places"] = 0
    for row in range(found):
        var_m2 = trial[row, 3] + s["roadway_var_m2"]
        put_on_roadway(card, site, int(trial[row, 2]), trial[row, 0], var_m2, -trial[row, COST])
    follow_on_roadway(card, t_ns)
    card["accepted_ns"] = card["ranged_ns"] = t_ns
    tidy_places(card, site)
    note_ambiguity(card, site)
    return True


@njit_within
def take_on_roadway(card: Card, site: Site, m: Any) -> tuple[bool, float]:
    """Brings all places to a measurement's time and that into them: (accepted, NIS) of the best."""
    lag_s = _advance(card, site, m["t_ns"])
    if m["kind"] == _PLACE:
        accepted, nis = _take_place(card, site, m, lag_s)
    else:
        accepted, nis = _take_ranging(card, site, m, lag_s)
    keep_on_edges(card, site)
    if card["places"] > 1:
        tidy_places(card, site)
    else:
        card["hypotheses"][0, LOG_WEIGHT] = 0.0
    _look_after(card, site, accepted)
    return accepted, nis


@njit
def begin_on_roadway(card: Card, site: Site, m: Any) -> bool:
    """A card without a place: does the measurement give it one?"""
    if m["kind"] != _PLACE:
        return start_on_roadway(card, site, m["t_ns"])
    var_m2 = m["var_x_m2"] + m["var_y_m2"]
    put_near_roadways(card, site, m["value_m"], m["y_m"], var_m2)
    follow_on_roadway(card, m["t_ns"])
    card["accepted_ns"] = card["ranged_ns"] = m["t_ns"]
    note_ambiguity(card, site)
    return True


@njit_within
def _advance(card: Card, site: Site, t_ns: int) -> float:
    """Brings the places to a measurement's time; gives how much older (s) that is than they are."""
    dt_ns = t_ns - card["t_ns"]
    if dt_ns <= 0:
        return float(-dt_ns * _S_PER_NS)
    predict_places(card, site, dt_ns * _S_PER_NS)
    card["t_ns"] = t_ns
    return 0.0


@njit_within
def _take_ranging(card: Card, site: Site, m: Any, lag_s: float) -> tuple[bool, float]:
    """A range or a difference into all places: (accepted, NIS) of the likeliest before it."""
    now_ns, anchor = card["t_ns"], int(m["source"])
    slot = slot_of(card, anchor, now_ns)
    keep = kept_share(card, site, slot, now_ns)
    other = -1
    if m["kind"] == _DIFFERENCE:
        other = int(m["other"])
        slot_of(card, other, now_ns)
    best = best_place(card)
    told = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    for k in range(card["places"]):
        one = _measure_place(card, site, k, (m["value_m"], anchor, other, lag_s, slot, keep))
        if k == best:
            told = one
    clear, hidden, residual_m, total_m2, ux, uy, slope_m2, by_s = told
    accepted = clear > _ACCORD
    if clear + hidden < 0.5:  # neither noise nor an obstacle explains it
        card["rejects"] += 2
    note_use(card, slot, now_ns, slope_m2, by_s, 0.0, accepted)
    if m["kind"] == _RANGE:
        note_anchor(site, m, residual_m, total_m2, ux, uy, accepted)
    return accepted, residual_m * residual_m / total_m2


@njit_within
def _measure_place(
    card: Card, site: Site, k: int, told: Any
) -> tuple[float, float, float, float, float, float, float, float]:
    """A range or difference into one place.

    Gives how likely it is in line of sight, and blocked; residual, variance, direction, square of
    the slope, and the gradient along.
    """
    s, h = site, card["hypotheses"]
    value_m, anchor, other, lag_s, slot, keep = told
    expected_m, by_s, across, ux, uy = expect_on_roadway(card, site, k, anchor, lag_s)
    noise_m2 = s["roadway_var_m2"]
    if other >= 0:
        other_m, other_by_s, other_across, _, _ = expect_on_roadway(card, site, k, other, lag_s)
        expected_m -= other_m
        by_s -= other_by_s
        across -= other_across
        noise_m2 = s["difference_var_m2"]
    elif h[k, SS] > _WIDE_M2 and lag_s == 0.0:
        by_s, expected_m = _turn_to_range(card, site, k, anchor, value_m, by_s, expected_m)
    by_v = -lag_s * by_s
    spread = by_s * by_s * h[k, SS] + 2.0 * by_s * by_v * h[k, SV] + by_v * by_v * h[k, VV]
    aside_m2 = s["edge_aside_m2"][edge_of(card, site, k)]
    scale = residual_scale(spread + noise_m2, by_s, across, h[k, SS], aside_m2, expected_m)
    residual_m = value_m - expected_m
    usual = s["blocked_share"]
    blocked = usual + keep * (card["blocked"][k, slot] - usual)
    likely, clear, hidden = weigh(residual_m, scale, blocked, s["blocked_mean_m"])
    card["blocked"][k, slot] = hidden
    slope_m2 = by_s * by_s * h[k, SS] * h[k, SS] * scale[1]
    if card["places"] > 1:  # a place alone has nothing to be weighed against
        log_likely = math.log(likely)
        if other < 0 and through_rock(site, anchor, edge_of(card, site, k), h[k, S], value_m):
            log_likely -= ROCK
        h[k, LOG_WEIGHT] += _EVIDENCE * log_likely
    absorb_on_roadway(card, site, k, by_s, by_v, residual_m, scale[:2], clear)
    return clear, hidden, residual_m, scale[0], ux, uy, slope_m2, by_s


@njit
def _turn_to_range(
    card: Card,
    site: Site,
    k: int,
    anchor: int,
    range_m: float,
    by_s: float,
    expected_m: float,
) -> tuple[float, float]:
    """Linearises a range where it ends, for a wide place near the anchor: (gradient, expected).

    Beside the anchor a range tells nothing of the direction: it ends on either side. The nearer end
    is taken; the other becomes a hypothesis of its own where it is likely enough.
    """
    h = card["hypotheses"]
    s_m, sigma_m = h[k, S], math.sqrt(h[k, SS])
    beside_m, aside_m2 = abeam(card, site, k, anchor)
    away_m2 = range_m * range_m - aside_m2
    if away_m2 <= 0.0 or abs(s_m - beside_m) > 3.0 * sigma_m:
        return by_s, expected_m
    away_m = math.sqrt(away_m2)
    edge = edge_of(card, site, k)
    low_m, high_m = beside_m - away_m, beside_m + away_m
    end_m, other_m = low_m, high_m
    if abs(high_m - s_m) < abs(low_m - s_m):
        end_m, other_m = high_m, low_m
    length_m = site["edge_length_m"][edge]
    if not 0.0 <= end_m <= length_m:
        end_m, other_m = other_m, end_m
    if not 0.0 <= end_m <= length_m or abs(end_m - s_m) > 4.0 * sigma_m:
        return by_s, expected_m
    if 0.0 <= other_m <= length_m and abs(other_m - end_m) > _ELSEWHERE_M:
        behind = (other_m - s_m) ** 2 - (end_m - s_m) ** 2
        log_weight = h[k, LOG_WEIGHT] - 0.5 * behind / h[k, SS]
        if log_weight > -NEARBY_LEAST:
            piece = find_piece(site, card["pieces"][k], other_m)
            put_on_roadway(card, site, piece, other_m, 1.0 + aside_m2 / away_m2, log_weight)
    by_s = (end_m - beside_m) / range_m
    return by_s, range_m - by_s * (end_m - s_m)


@njit
def _take_place(card: Card, site: Site, m: Any, lag_s: float) -> tuple[bool, float]:
    """Another engine's place into all places on the roadways: (accepted, NIS) of the likeliest."""
    h = card["hypotheses"]
    best = best_place(card)
    accepted, nis = False, 0.0
    for k in range(card["places"]):
        piece = card["pieces"][k]
        x, y, _ = point_at(site, piece, h[k, S] - lag_s * h[k, V])
        dx, dy = m["value_m"] - x, m["y_m"] - y
        flat = max(math.hypot(site["piece_tx"][piece], site["piece_ty"][piece]), 1e-6)
        tx, ty = site["piece_tx"][piece] / flat, site["piece_ty"][piece] / flat
        xx, xy, yy = m["var_x_m2"], m["cov_xy_m2"], m["var_y_m2"]
        noise_m2 = tx * tx * xx + 2.0 * tx * ty * xy + ty * ty * yy
        aside_m2 = ty * ty * xx - 2.0 * tx * ty * xy + tx * tx * yy
        aside_m2 += site["edge_aside_m2"][site["piece_edge"][piece]]
        aside = (dy * tx - dx * ty) ** 2 / aside_m2
        by_v = -lag_s * flat
        total_m2 = flat * flat * h[k, SS] + 2.0 * flat * by_v * h[k, SV]
        total_m2 += by_v * by_v * h[k, VV] + noise_m2
        innovation_m, total = dx * tx + dy * ty, (total_m2, 1.0 / total_m2)
        score = aside + innovation_m * innovation_m / total_m2
        right = (1.0 - _WRONG_PLACE) * math.exp(-0.5 * min(score, 700.0))
        right /= 2.0 * math.pi * math.sqrt(total_m2 * aside_m2)
        likely = right + _WRONG_PLACE / (_WRONG_PLACE_M * _WRONG_PLACE_M)
        h[k, LOG_WEIGHT] += _EVIDENCE * math.log(likely)
        absorb_on_roadway(card, site, k, flat, by_v, innovation_m, total, right / likely)
        if k == best:
            accepted, nis = right / likely > _ACCORD, score
    return accepted, nis


@njit_within
def _glance_about(card: Card, site: Site) -> None:
    """Looks for better places where the best one may be wrong though nothing says so yet."""
    if card["rejects"] >= _REVIEW_REJECTS:
        # Who has begun to run is not where older ranges tell: the last round counts alone.
        glance(card, site)
    elif may_be_round_a_corner(card, site, best_place(card)):
        glance_round_a_corner(card, site)


@njit_within
def _look_after(card: Card, site: Site, accepted: bool) -> None:
    """After a measurement: counts rejects, and looks for other places where it must."""
    s = site
    now_ns = card["t_ns"]
    if accepted:
        card["rejects"] = max(card["rejects"] - 1, 0)
        card["accepted_ns"] = card["ranged_ns"] = now_ns
    else:
        card["rejects"] += 1
    best = best_place(card)
    wide = card["hypotheses"][best, SS] > 9.0 * s["review_var_m2"]
    doubtful = card["rejects"] >= _REVIEW_REJECTS or wide or card["ambiguous"]
    if not doubtful:
        card["reviewed_ns"] = now_ns
    elif now_ns - card["reviewed_ns"] >= s["review_ns"]:
        card["reviewed_ns"] = now_ns
        review(card, site)
    if now_ns - card["glanced_ns"] >= s["review_ns"]:
        _glance_about(card, site)
    if now_ns - card["branched_ns"] >= s["review_ns"]:
        card["branched_ns"] = now_ns
        mind_other_ways(card, site, best_place(card))
    if card["places"] > 1:
        note_ambiguity(card, site)
    else:
        card["ambiguous"] = 0


@njit
def note_ambiguity(card: Card, site: Site) -> None:
    """Marks the card as ambiguous where a place elsewhere is not much less likely."""
    h = card["hypotheses"]
    card["ambiguous"] = 0
    if card["places"] > 1:
        best = best_place(card)
        x, y, z = point_at(site, card["pieces"][best], h[best, S])
        total, elsewhere = 0.0, 0.0
        far_m = max(_ELSEWHERE_M, 3.0 * math.sqrt(h[best, SS]))
        for k in range(card["places"]):
            weight = math.exp(h[k, LOG_WEIGHT] - h[best, LOG_WEIGHT])
            px, py, pz = point_at(site, card["pieces"][k], h[k, S])
            total += weight
            if (px - x) ** 2 + (py - y) ** 2 + (pz - z) ** 2 > far_m * far_m:
                elsewhere += weight
        card["ambiguous"] = int(elsewhere > AMBIGUOUS_SHARE * total)
