"""The filter of the roadways: places along centrelines, several where several fit. Compiled.

A hypothesis is a place s and a speed v along an edge of the graph (Liao, Fox, Hightower, Kautz &
Schulz 2003; several of them at once: Reid 1979). The speed is an Ornstein–Uhlenbeck process: cards
walk, stand and turn, and the uncertainty of a silent one grows like a walk, not without bounds. The
centreline is inside the filter, not a correction afterwards (Simon 2010). Where a card is between
the walls is unknown: that is part of a range's noise, as far as the range depends on it.

A range is in line of sight, or it is not and too long by an exponential error; how likely that is
for an anchor is remembered from its last range (a Markov chain). Both ways out are weighed, as in
probabilistic data association (Bar-Shalom, Li & Kirubarajan 2001, section 3.4).

`c` is the card, `k` the hypothesis.
"""

from __future__ import annotations

import math
from typing import Final

from positioning.cards import (
    HYPOTHESES,
    LOG_WEIGHT,
    PLACES,
    SS,
    SV,
    VV,
    Cards,
    S,
    Site,
    V,
)
from positioning.graph import Graph
from positioning.jit import njit

#: No variance along a roadway falls below (5 cm)²: people are not points.
_PLACE_VAR_MIN_M2: Final = 0.0025
_SPEED_VAR_MIN_M2_S2: Final = 1e-4
#: However long a card was silent, its uncertainty grows no further than a large mine's size.
_PLACE_VAR_MAX_M2: Final = 2.5e7
#: What neither noise nor obstacles explain, per metre: a wrong place, or a broken range.
_BROKEN: Final = 1e-5
#: Beyond this many sigmas per mean excess the exponential's tail is as good as a normal one.
_TAIL_SIGMAS: Final = 8.0
#: Someone who has just come to a junction may also stay before it; at least this likely.
_STAY_LEAST: Final = 0.02
#: Two places on one edge nearer than this, and about as fast, are one.
_SAME_M: Final = 3.0
_SAME_M_S: Final = 1.5
#: A place this many nats less likely than the best is given up.
_GIVE_UP: Final = 12.0
_SQRT_2: Final = math.sqrt(2.0)
_SQRT_2PI: Final = math.sqrt(2.0 * math.pi)
#: An even spread over a width w has the variance w²/12; people keep this far from the walls.
_WALL_GAP_M: Final = 0.4


@njit
def half_widths_var_m2(g: Graph, edge: int) -> float:
    """Variance of where a card is between the walls."""
    free_m = max(g.width_m[edge] - 2.0 * _WALL_GAP_M, 0.5)
    return free_m * free_m / 12.0


@njit
def edge_of(cards: Cards, site: Site, c: int, k: int) -> int:
    """The edge a hypothesis is on."""
    return int(site.graph.piece_edge[cards.pieces[c, k]])


@njit
def find_piece(g: Graph, piece: int, s_m: float) -> int:
    """The piece of the same edge that holds `s_m`, from one near it."""
    edge = g.piece_edge[piece]
    while piece > g.first_piece[edge] and s_m < g.piece_s_m[piece]:
        piece -= 1
    last = g.first_piece[edge + 1] - 1
    while piece < last and s_m > g.piece_s_m[piece] + g.piece_length_m[piece]:
        piece += 1
    return piece


@njit
def point_at(g: Graph, piece: int, s_m: float) -> tuple[float, float, float]:
    """x, y, z at `s_m` of the edge, in the line of `piece`."""
    way_m = s_m - g.piece_s_m[piece]
    return (
        g.piece_m[piece, 0] + way_m * g.along[piece, 0],
        g.piece_m[piece, 1] + way_m * g.along[piece, 1],
        g.piece_m[piece, 2] + way_m * g.along[piece, 2],
    )


@njit
def predict_places(cards: Cards, site: Site, c: int, dt_s: float) -> None:
    """Moves all hypotheses on by `dt_s`; those that come to a junction go all ways."""
    tau_s, var = site.settings[0]["walk_tau_s"], site.settings[0]["walk_var_m2_s2"]
    keep = math.exp(-dt_s / tau_s)
    reach_s = tau_s * (1.0 - keep)
    grown = var * tau_s * tau_s * (2.0 * dt_s / tau_s - 3.0 + 4.0 * keep - keep * keep)
    h = cards.hypotheses
    for k in range(cards.marks[c, PLACES]):
        h[c, k, S] += reach_s * h[c, k, V]
        h[c, k, V] *= keep
        ss = h[c, k, SS] + 2.0 * reach_s * h[c, k, SV] + reach_s * reach_s * h[c, k, VV]
        h[c, k, SS] = min(ss + max(grown, 0.0), _PLACE_VAR_MAX_M2)
        sv = keep * (h[c, k, SV] + reach_s * h[c, k, VV])
        h[c, k, SV] = sv + var * tau_s * (1.0 - keep) * (1.0 - keep)
        h[c, k, VV] = keep * keep * h[c, k, VV] + var * (1.0 - keep * keep)
        for j in range(cards.trails.shape[2]):
            cards.trails[c, k, j, 2] += reach_s * cards.trails[c, k, j, 3]
            cards.trails[c, k, j, 3] *= keep
    cross_junctions(cards, site, c)


@njit
def cross_junctions(cards: Cards, site: Site, c: int) -> None:
    """Hypotheses that have gone beyond an end of their edge go on where it leads."""
    for k in range(cards.marks[c, PLACES]):
        s_m = cards.hypotheses[c, k, S]
        edge = edge_of(cards, site, c, k)
        if s_m < 0.0 or s_m > site.graph.length_m[edge]:
            _cross(cards, site, c, k, edge)
        else:
            cards.pieces[c, k] = find_piece(site.graph, cards.pieces[c, k], s_m)


@njit
def _cross(cards: Cards, site: Site, c: int, k: int, edge: int) -> None:
    g, h = site.graph, cards.hypotheses
    end = int(h[c, k, S] > 0.0)
    length_m = g.length_m[edge]
    over_m = h[c, k, S] - length_m if end else -h[c, k, S]
    node = g.ends[edge, end]
    first, last = g.node_start[node], g.node_start[node + 1]
    ways = last - first - 1
    outward = 1.0 if end else -1.0
    stays = 0.5 * math.erfc(over_m / math.sqrt(2.0 * h[c, k, SS]))
    log_weight = h[c, k, LOG_WEIGHT]
    goes = log_weight - math.log(max(ways, 1))
    if ways > 1:
        goes += math.log(1.0 - max(stays, _STAY_LEAST))
    source = k
    for i in range(first, last):
        if g.node_edges[i] == edge and g.node_ends[i] == end:
            continue
        to = _place_for(cards, site, c, k, i, over_m, goes, alone=ways == 1)
        if to >= 0:
            _go(cards, site, c, source, to, i, over_m, outward, goes)
    if ways != 1:  # a dead end, or the junction's near side
        h[c, k, S] = length_m if end else 0.0
        h[c, k, V] = 0.0
        cards.pieces[c, k] = g.first_piece[edge + 1] - 1 if end else g.first_piece[edge]
        if ways > 1:
            h[c, k, LOG_WEIGHT] = log_weight + math.log(max(stays, _STAY_LEAST))


@njit
def _place_for(
    cards: Cards,
    site: Site,
    c: int,
    k: int,
    way: int,
    over_m: float,
    log_weight: float,
    alone: bool,
) -> int:
    """Where the hypothesis that goes this way is put; -1 where it is there already, or too weak."""
    if alone:
        return k
    g, h = site.graph, cards.hypotheses
    edge = g.node_edges[way]
    s_m = over_m if g.node_ends[way] == 0 else g.length_m[edge] - over_m
    for j in range(cards.marks[c, PLACES]):
        near_m = max(_SAME_M, math.sqrt(h[c, j, SS]))
        if j != k and edge_of(cards, site, c, j) == edge and abs(h[c, j, S] - s_m) < near_m:
            h[c, j, LOG_WEIGHT] = _log_sum(h[c, j, LOG_WEIGHT], log_weight)
            return -1
    return room_for(cards, c, log_weight, k)


@njit
def room_for(cards: Cards, c: int, log_weight: float, but: int) -> int:
    """A row for another hypothesis: a free one, or that of the least likely (not `but`); or -1."""
    h, places = cards.hypotheses, cards.marks[c, PLACES]
    if places < HYPOTHESES:
        cards.marks[c, PLACES] = places + 1
        return int(places)
    weakest = -1
    for j in range(places):
        if j != but and (weakest < 0 or h[c, j, LOG_WEIGHT] < h[c, weakest, LOG_WEIGHT]):
            weakest = j
    return weakest if h[c, weakest, LOG_WEIGHT] < log_weight else -1


@njit
def _log_sum(a: float, b: float) -> float:
    high = max(a, b)
    return high + math.log(math.exp(a - high) + math.exp(b - high))


@njit
def _go(
    cards: Cards,
    site: Site,
    c: int,
    source: int,
    to: int,
    way: int,
    over_m: float,
    outward: float,
    log_weight: float,
) -> None:
    """Puts a copy of hypothesis `source` on the edge behind a junction, as row `to`."""
    g, h = site.graph, cards.hypotheses
    edge, from_start = g.node_edges[way], g.node_ends[way] == 0
    over_m = min(over_m, g.length_m[edge])
    copy_place(cards, c, source, to)
    sign = (1.0 if from_start else -1.0) * outward
    h[c, to, S] = over_m if from_start else g.length_m[edge] - over_m
    h[c, to, V] *= sign
    h[c, to, LOG_WEIGHT] = log_weight
    for j in range(cards.trails.shape[2]):
        cards.trails[c, to, j, 2] *= sign
        cards.trails[c, to, j, 3] *= sign
    start = g.first_piece[edge] if from_start else g.first_piece[edge + 1] - 1
    cards.pieces[c, to] = find_piece(g, start, h[c, to, S])


@njit
def copy_place(cards: Cards, c: int, source: int, to: int) -> None:
    """Row `to` of the hypotheses becomes as row `source`."""
    if source == to:
        return
    for i in range(cards.hypotheses.shape[2]):
        cards.hypotheses[c, to, i] = cards.hypotheses[c, source, i]
    cards.pieces[c, to] = cards.pieces[c, source]
    for j in range(cards.trails.shape[2]):
        cards.trail_pieces[c, to, j] = cards.trail_pieces[c, source, j]
        for i in range(cards.trails.shape[3]):
            cards.trails[c, to, j, i] = cards.trails[c, source, j, i]


@njit
def expect_on_roadway(
    cards: Cards, site: Site, c: int, k: int, anchor: int, lag_s: float
) -> tuple[float, float, float, float, float]:
    """The expected distance to an anchor: (distance, by s, by the way across, direction x, y).

    The mean over the width is a little longer than from the centreline: the second order.
    """
    g, h = site.graph, cards.hypotheses
    piece = cards.pieces[c, k]
    x, y, z = point_at(g, piece, h[c, k, S] - lag_s * h[c, k, V])
    dx, dy = x - site.anchors[anchor, 0], y - site.anchors[anchor, 1]
    dz = z - site.anchors[anchor, 2]
    tx, ty, tz = g.along[piece, 0], g.along[piece, 1], g.along[piece, 2]
    flat = max(math.sqrt(tx * tx + ty * ty), 1e-6)
    across = (dy * tx - dx * ty) / flat
    var = half_widths_var_m2(g, g.piece_edge[piece])
    slant_m = math.sqrt(dx * dx + dy * dy + dz * dz + var)
    by_s = (dx * tx + dy * ty + dz * tz) / slant_m
    bend_m = 0.5 * h[c, k, SS] * (1.0 - by_s * by_s) / slant_m
    bend_m = min(bend_m, 0.5 * math.sqrt(h[c, k, SS]))
    return slant_m + bend_m, by_s, across / slant_m, dx / slant_m, dy / slant_m


@njit
def noise_on_roadway(
    cards: Cards, site: Site, c: int, k: int, by_s: float, across: float, slant_m: float
) -> float:
    """Variance of a range that the place along the roadway does not explain: all but the noise."""
    var = half_widths_var_m2(site.graph, edge_of(cards, site, c, k))
    curve = (1.0 - across * across) * var / slant_m
    sagitta = (1.0 - by_s * by_s) * cards.hypotheses[c, k, SS] / slant_m
    sagitta = min(sagitta, math.sqrt(cards.hypotheses[c, k, SS]))
    return across * across * var + 0.5 * curve * curve + 0.5 * sagitta * sagitta


@njit
def weigh(
    innovation_m: float, total_m2: float, blocked: float, excess_m: float
) -> tuple[float, float, float]:
    """A range's log-likelihood, how likely it is in line of sight, and how likely it is blocked.

    In line of sight the innovation is normal; blocked it is that and an exponential excess, never
    shorter (the sum: an exponentially modified normal distribution).
    """
    sigma_m = math.sqrt(total_m2)
    score = innovation_m / sigma_m
    clear = (1.0 - blocked) * math.exp(-0.5 * score * score) / (sigma_m * _SQRT_2PI)
    ratio = sigma_m / excess_m
    if ratio < _TAIL_SIGMAS:
        tail = math.erfc((ratio - score) / _SQRT_2)
        longer = 0.5 / excess_m * math.exp(0.5 * ratio * ratio - innovation_m / excess_m) * tail
    else:
        wide = math.sqrt(total_m2 + excess_m * excess_m)
        far = (innovation_m - excess_m) / wide
        longer = math.exp(-0.5 * far * far) / (wide * _SQRT_2PI)
    longer *= blocked
    likely = clear + longer + _BROKEN
    return math.log(likely), clear / likely, longer / likely


@njit
def absorb_on_roadway(
    cards: Cards,
    site: Site,
    c: int,
    k: int,
    by_s: float,
    by_v: float,
    innovation_m: float,
    total_m2: float,
    share: float,
) -> None:
    """The scalar update of a hypothesis, which holds with probability `share`.

    The gradient is `by_s` in s and `by_v` in v; `total_m2` is the innovation's variance.
    """
    h, trails = cards.hypotheses, cards.trails
    gain_s = (h[c, k, SS] * by_s + h[c, k, SV] * by_v) / total_m2
    gain_v = (h[c, k, SV] * by_s + h[c, k, VV] * by_v) / total_m2
    h[c, k, S] += share * gain_s * innovation_m
    h[c, k, V] += share * gain_v * innovation_m
    # What is known more if the update holds, and the spread between holding and not.
    more = share * (total_m2 - (1.0 - share) * innovation_m * innovation_m)
    h[c, k, SS] = max(h[c, k, SS] - more * gain_s * gain_s, _PLACE_VAR_MIN_M2)
    h[c, k, SV] -= more * gain_s * gain_v
    h[c, k, VV] = max(h[c, k, VV] - more * gain_v * gain_v, _SPEED_VAR_MIN_M2_S2)
    most = 0.999 * math.sqrt(h[c, k, SS] * h[c, k, VV])
    h[c, k, SV] = min(max(h[c, k, SV], -most), most)
    for j in range(trails.shape[2]):
        gain = (trails[c, k, j, 2] * by_s + trails[c, k, j, 3] * by_v) / total_m2
        trails[c, k, j, 0] += share * gain * innovation_m
        trails[c, k, j, 1] -= more * gain * gain
        trails[c, k, j, 2] -= more * gain * gain_s
        trails[c, k, j, 3] -= more * gain * gain_v
    _limit_speed(cards, site, c, k)


@njit
def _limit_speed(cards: Cards, site: Site, c: int, k: int) -> None:
    most_m_s = cards.speed_max_m_s[c]
    if most_m_s <= 0.0:
        most_m_s = site.settings[0]["speed_max_m_s"]
    h = cards.hypotheses
    h[c, k, V] = min(max(h[c, k, V], -most_m_s), most_m_s)


@njit
def best_place(cards: Cards, c: int) -> int:
    """The most likely hypothesis, the first of equals."""
    best = 0
    for k in range(1, cards.marks[c, PLACES]):
        if cards.hypotheses[c, k, LOG_WEIGHT] > cards.hypotheses[c, best, LOG_WEIGHT]:
            best = k
    return best


@njit
def tidy_places(cards: Cards, site: Site, c: int) -> None:
    """Merges hypotheses that have become one, gives up those that have become too unlikely."""
    h = cards.hypotheses
    best = best_place(cards, c)
    top = h[c, best, LOG_WEIGHT]
    k = 0
    while k < cards.marks[c, PLACES]:
        h[c, k, LOG_WEIGHT] -= top
        k += 1
    if cards.marks[c, PLACES] == 1:
        return
    k = 0
    while k < cards.marks[c, PLACES]:
        into = _double_of(cards, site, c, k)
        if into >= 0:
            _merge(cards, site, c, k, into)
        if into >= 0 or h[c, k, LOG_WEIGHT] < -_GIVE_UP:
            last = cards.marks[c, PLACES] - 1
            copy_place(cards, c, last, k)
            cards.marks[c, PLACES] = last
        else:
            k += 1


@njit
def _double_of(cards: Cards, site: Site, c: int, k: int) -> int:
    """An earlier hypothesis that is about the same as `k`, or -1."""
    h = cards.hypotheses
    edge = edge_of(cards, site, c, k)
    for j in range(k):
        if edge_of(cards, site, c, j) != edge:
            continue
        apart_m = abs(h[c, j, S] - h[c, k, S])
        if apart_m < _SAME_M and abs(h[c, j, V] - h[c, k, V]) < _SAME_M_S:
            return j
    return -1


@njit
def _merge(cards: Cards, site: Site, c: int, k: int, into: int) -> None:
    """Makes one of two hypotheses on one edge, with the moments of both."""
    h = cards.hypotheses
    if h[c, k, LOG_WEIGHT] > h[c, into, LOG_WEIGHT]:  # the likelier one's past is kept
        for i in range(6):
            h[c, k, i], h[c, into, i] = h[c, into, i], h[c, k, i]
        for j in range(cards.trails.shape[2]):
            cards.trail_pieces[c, into, j] = cards.trail_pieces[c, k, j]
            for i in range(cards.trails.shape[3]):
                cards.trails[c, into, j, i] = cards.trails[c, k, j, i]
    total = _log_sum(h[c, k, LOG_WEIGHT], h[c, into, LOG_WEIGHT])
    share = math.exp(h[c, k, LOG_WEIGHT] - total)
    ds, dv = h[c, k, S] - h[c, into, S], h[c, k, V] - h[c, into, V]
    h[c, into, S] += share * ds
    h[c, into, V] += share * dv
    spread = share * (1.0 - share)
    h[c, into, SS] += share * (h[c, k, SS] - h[c, into, SS]) + spread * ds * ds
    h[c, into, SV] += share * (h[c, k, SV] - h[c, into, SV]) + spread * ds * dv
    h[c, into, VV] += share * (h[c, k, VV] - h[c, into, VV]) + spread * dv * dv
    h[c, into, LOG_WEIGHT] = total
    cards.pieces[c, into] = find_piece(site.graph, cards.pieces[c, into], h[c, into, S])
