"""How a card is followed on the roadways: started, measured, found anew. Compiled.

`c` is the card, `k` the hypothesis.
"""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.cards import (
    ACCEPTED,
    AMBIGUOUS,
    BLOCKED,
    COASTING,
    FIRST,
    LOG_WEIGHT,
    MODEL,
    ON_ROADWAY,
    PLACES,
    RANGED,
    REJECTS,
    REVIEWED,
    SS,
    SV,
    USED,
    VV,
    Cards,
    S,
    Site,
    T,
    V,
)
from positioning.jit import njit
from positioning.observation import Kind
from positioning.roadway_filter import (
    absorb_on_roadway,
    best_place,
    cross_junctions,
    expect_on_roadway,
    half_widths_var_m2,
    noise_on_roadway,
    point_at,
    predict_places,
    room_for,
    tidy_places,
    weigh,
)
from positioning.roadway_search import COST, cost_on_roadway, search_roadways
from positioning.slots import blocked_now, note_use, slot_of

_S_PER_NS: Final = 1e-9
_DIFFERENCE: Final = int(Kind.DIFFERENCE)
#: A place found anew stands beside the others; it is not better for being new.
_NEWCOMER: Final = 1.0
#: Two places nearer than this are one to whoever looks for the card.
_ELSEWHERE_M: Final = 5.0
#: The places that are not there, nor near, are likelier than this: the card's place is ambiguous.
AMBIGUOUS_SHARE: Final = 0.05
#: A range less likely in line of sight than this speaks against the place.
_ACCORD: Final = 0.05
#: Another engine's place is wrong, by metres, this often.
_WRONG_PLACE: Final = 0.05
_WRONG_PLACE_M: Final = 20.0
#: A place is reviewed every second while it is wide or has been rejected as often as this.
_REVIEW_REJECTS: Final = 3


@njit
def put_on_roadway(
    cards: Cards, site: Site, c: int, piece: int, s_m: float, var_m2: float, log_weight: float
) -> int:
    """Adds a hypothesis at rest; gives its row, or -1 where there is no room for one so unlikely."""
    h = cards.hypotheses
    k = room_for(cards, c, log_weight, -1)
    if k < 0:
        return -1
    cards.pieces[c, k] = piece
    h[c, k, S], h[c, k, V] = s_m, 0.0
    h[c, k, SS], h[c, k, SV], h[c, k, VV] = var_m2, 0.0, site.settings[0]["walk_var_m2_s2"]
    h[c, k, LOG_WEIGHT] = log_weight
    for j in range(cards.trails.shape[2]):
        cards.trail_pieces[c, k, j] = -1
        cards.trails[c, k, j, 2] = cards.trails[c, k, j, 3] = 0.0
    return k


@njit
def begin_on_roadway(cards: Cards, c: int, t_ns: int) -> None:
    """Follows the card on the roadways from now on."""
    marks = cards.marks
    marks[c, MODEL] = ON_ROADWAY
    marks[c, T] = marks[c, REVIEWED] = t_ns
    marks[c, COASTING] = marks[c, REJECTS] = 0


@njit
def start_on_roadway(cards: Cards, site: Site, c: int, t_ns: int) -> bool:
    """Starts the card's filter, if its recent ranges tell where on the roadways it may be."""
    s, trial, marks = site.settings[0], site.scratch.trial, cards.marks
    found, _, distinct = search_roadways(cards, site, c, t_ns, s["start_window_ns"])
    waited = t_ns - marks[c, FIRST] >= s["start_wait_ns"]
    if found == 0 or (distinct < 2 and not waited):
        return False
    marks[c, PLACES] = 0
    for row in range(found):
        var_m2 = trial[row, 3] + s["roadway_var_m2"]
        put_on_roadway(cards, site, c, int(trial[row, 2]), trial[row, 0], var_m2, -trial[row, COST])
    begin_on_roadway(cards, c, t_ns)
    marks[c, ACCEPTED] = marks[c, RANGED] = t_ns
    tidy_places(cards, site, c)
    note_ambiguity(cards, site, c)
    return True


@njit
def advance_on_roadway(cards: Cards, site: Site, c: int, t_ns: int) -> float:
    """Brings the places to a measurement's time; gives how much older (s) that is than they are."""
    dt_ns = t_ns - cards.marks[c, T]
    if dt_ns <= 0:
        return -dt_ns * _S_PER_NS
    predict_places(cards, site, c, dt_ns * _S_PER_NS)
    cards.marks[c, T] = t_ns
    return 0.0


@njit
def measure_on_roadway(
    cards: Cards, site: Site, m: Any, lag_s: float
) -> tuple[bool, float, float, float, float, float]:
    """A range or a difference into all places.

    Of the likeliest place before it: (accepted, NIS, residual, its variance, direction x, y).
    """
    s, c = site.settings[0], m["card"]
    now_ns, anchor = cards.marks[c, T], int(m["source"])
    slot = slot_of(cards, site, c, anchor, now_ns)
    blocked = blocked_now(cards, site, c, slot, now_ns - cards.slot_ns[c, slot, USED])
    other, other_slot = -1, -1
    if m["kind"] == _DIFFERENCE:
        other = int(m["other"])
        other_slot = slot_of(cards, site, c, other, now_ns)
    best = best_place(cards, c)
    told = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    for k in range(cards.marks[c, PLACES]):
        one = _measure_place(cards, site, c, k, (m["value_m"], anchor, other, lag_s, blocked))
        if k == best:
            told = one
    clear, hidden, residual_m, total_m2, ux, uy, slope_m = told
    accepted = clear > _ACCORD
    cards.slot_value[c, slot, BLOCKED] = hidden
    note_use(cards, c, slot, now_ns, slope_m, accepted)
    cards.slot_ns[c, slot, USED] = now_ns if accepted else cards.slot_ns[c, slot, USED]
    cross_junctions(cards, site, c)
    tidy_places(cards, site, c)
    return accepted, residual_m * residual_m / total_m2, residual_m, total_m2, ux, uy


@njit
def _measure_place(
    cards: Cards, site: Site, c: int, k: int, told: Any
) -> tuple[float, float, float, float, float, float, float]:
    """A range or difference into one place.

    Gives how likely it is in line of sight, and blocked; residual, variance, direction and slope.
    """
    s, h = site.settings[0], cards.hypotheses
    value_m, anchor, other, lag_s, blocked = told
    expected_m, by_s, across, ux, uy = expect_on_roadway(cards, site, c, k, anchor, lag_s)
    noise_m2 = s["roadway_var_m2"]
    if other >= 0:
        other_m, other_by_s, other_across, _, _ = expect_on_roadway(
            cards, site, c, k, other, lag_s
        )
        expected_m -= other_m
        by_s -= other_by_s
        across -= other_across
        noise_m2 = s["difference_var_m2"]
    noise_m2 += noise_on_roadway(cards, site, c, k, by_s, across, max(abs(expected_m), 1.0))
    by_v = -lag_s * by_s
    spread = by_s * by_s * h[c, k, SS] + 2.0 * by_s * by_v * h[c, k, SV]
    total_m2 = spread + by_v * by_v * h[c, k, VV] + noise_m2
    residual_m = value_m - expected_m
    likely, clear, hidden = weigh(residual_m, total_m2, blocked, s["blocked_mean_m"])
    slope_m = abs(by_s) * h[c, k, SS] / math.sqrt(total_m2)
    h[c, k, LOG_WEIGHT] += likely
    absorb_on_roadway(cards, site, c, k, by_s, by_v, residual_m, total_m2, clear)
    return clear, hidden, residual_m, total_m2, ux, uy, slope_m


@njit
def place_on_roadway(cards: Cards, site: Site, m: Any, lag_s: float) -> tuple[bool, float]:
    """Another engine's place into all places on the roadways: (accepted, NIS) of the likeliest."""
    g, h, c = site.graph, cards.hypotheses, m["card"]
    best = best_place(cards, c)
    accepted, nis = False, 0.0
    for k in range(cards.marks[c, PLACES]):
        piece = cards.pieces[c, k]
        x, y, _ = point_at(g, piece, h[c, k, S] - lag_s * h[c, k, V])
        dx, dy = m["value_m"] - x, m["y_m"] - y
        flat = max(math.hypot(g.along[piece, 0], g.along[piece, 1]), 1e-6)
        tx, ty = g.along[piece, 0] / flat, g.along[piece, 1] / flat
        xx, xy, yy = m["var_x_m2"], m["cov_xy_m2"], m["var_y_m2"]
        noise_m2 = tx * tx * xx + 2.0 * tx * ty * xy + ty * ty * yy
        aside_m2 = ty * ty * xx - 2.0 * tx * ty * xy + tx * tx * yy
        aside_m2 += half_widths_var_m2(g, g.piece_edge[piece])
        aside = (dy * tx - dx * ty) ** 2 / aside_m2
        by_v = -lag_s * flat
        total_m2 = flat * flat * h[c, k, SS] + 2.0 * flat * by_v * h[c, k, SV]
        total_m2 += by_v * by_v * h[c, k, VV] + noise_m2
        innovation_m = dx * tx + dy * ty
        score = aside + innovation_m * innovation_m / total_m2
        right = (1.0 - _WRONG_PLACE) * math.exp(-0.5 * min(score, 700.0))
        right /= 2.0 * math.pi * math.sqrt(total_m2 * aside_m2)
        likely = right + _WRONG_PLACE / (_WRONG_PLACE_M * _WRONG_PLACE_M)
        h[c, k, LOG_WEIGHT] += math.log(likely)
        absorb_on_roadway(cards, site, c, k, flat, by_v, innovation_m, total_m2, right / likely)
        if k == best:
            accepted, nis = right / likely > _ACCORD, score
    cross_junctions(cards, site, c)
    tidy_places(cards, site, c)
    return accepted, nis


@njit
def look_after_roadway(cards: Cards, site: Site, c: int, accepted: bool) -> None:
    """After a measurement: counts rejects, and looks for other places where it must."""
    s, marks = site.settings[0], cards.marks
    now_ns = marks[c, T]
    if accepted:
        marks[c, REJECTS] = max(marks[c, REJECTS] - 1, 0)
        marks[c, ACCEPTED] = marks[c, RANGED] = now_ns
    else:
        marks[c, REJECTS] += 1
    best = best_place(cards, c)
    wide = cards.hypotheses[c, best, SS] > 9.0 * s["review_var_m2"]
    doubtful = marks[c, REJECTS] >= _REVIEW_REJECTS or wide or marks[c, AMBIGUOUS]
    if not doubtful:
        marks[c, REVIEWED] = now_ns
    elif now_ns - marks[c, REVIEWED] >= s["review_ns"]:
        _review(cards, site, c)
    note_ambiguity(cards, site, c)


@njit
def _review(cards: Cards, site: Site, c: int) -> None:
    """Do the ranges of the last seconds tell of other places? They are put beside those known."""
    s, trial, marks = site.settings[0], site.scratch.trial, cards.marks
    now_ns = marks[c, T]
    marks[c, REVIEWED] = now_ns
    found, count, distinct = search_roadways(cards, site, c, now_ns, s["start_window_ns"])
    if distinct < 2:
        return
    best = best_place(cards, c)
    here = cost_on_roadway(
        site, cards.pieces[c, best], cards.hypotheses[c, best, S], count, distinct
    )
    top = cards.hypotheses[c, best, LOG_WEIGHT]
    for row in range(found):
        better = here - trial[row, COST] - _NEWCOMER
        if better < -s["ambiguous_cost"] or _is_known(cards, site, c, row):
            continue
        var_m2 = trial[row, 3] + s["roadway_var_m2"]
        log_weight = top + min(better, 0.0)
        piece = int(trial[row, 2])
        put_on_roadway(cards, site, c, piece, trial[row, 0], var_m2, log_weight)
    tidy_places(cards, site, c)


@njit
def _is_known(cards: Cards, site: Site, c: int, row: int) -> bool:
    """Whether a place found anew is one that is known."""
    trial, h = site.scratch.trial, cards.hypotheses
    for k in range(cards.marks[c, PLACES]):
        x, y, z = point_at(site.graph, cards.pieces[c, k], h[c, k, S])
        dx, dy, dz = x - trial[row, 4], y - trial[row, 5], z - trial[row, 6]
        if dx * dx + dy * dy + dz * dz < 9.0:
            return True
    return False


@njit
def note_ambiguity(cards: Cards, site: Site, c: int) -> None:
    """Marks the card as ambiguous where a place elsewhere is not much less likely."""
    marks, h = cards.marks, cards.hypotheses
    marks[c, AMBIGUOUS] = 0
    if marks[c, PLACES] > 1:
        best = best_place(cards, c)
        x, y, z = point_at(site.graph, cards.pieces[c, best], h[c, best, S])
        total, elsewhere = 0.0, 0.0
        far_m = max(_ELSEWHERE_M, 3.0 * math.sqrt(h[c, best, SS]))
        for k in range(marks[c, PLACES]):
            weight = math.exp(h[c, k, LOG_WEIGHT] - h[c, best, LOG_WEIGHT])
            px, py, pz = point_at(site.graph, cards.pieces[c, k], h[c, k, S])
            total += weight
            if (px - x) ** 2 + (py - y) ** 2 + (pz - z) ** 2 > far_m * far_m:
                elsewhere += weight
        marks[c, AMBIGUOUS] = int(elsewhere > AMBIGUOUS_SHARE * total)
