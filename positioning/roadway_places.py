"""The places on the roadways that a card may be at: hypotheses, side by side. Compiled.

They go over junctions all ways, become one where they meet, and are given up where they have become
too unlikely (Reid 1979). `k` is the hypothesis.
"""

from __future__ import annotations

import math
from typing import Final

from positioning.cards import HYPOTHESES, LOG_WEIGHT, ON_ROADWAY, SLOTS, SS, SV, VV, Card, S, V
from positioning.jit import njit, njit_within
from positioning.site import Site

#: Someone who has just come to a junction may also stay before it; at least this likely.
_STAY_LEAST: Final = 0.02
#: Two places on one edge nearer than this, and about as fast, are one.
_SAME_M: Final = 3.0
_SAME_M_S: Final = 1.5
#: A place this many nats less likely than the best is given up.
_GIVE_UP: Final = 12.0
#: This near to a junction all its ways are kept in mind, as at most so many nats less likely: which
#: one is taken can be told only further on, and errors that stay must not settle it before.
JUNCTION_M: Final = 10.0
NEARBY_LEAST: Final = 6.0

#: Roadways this near to where a card is put may be the one that it is in.
_NEAR_M: Final = 6.0


@njit_within
def edge_of(card: Card, site: Site, k: int) -> int:
    """The edge a hypothesis is on."""
    return int(site["piece_edge"][card["pieces"][k]])


@njit_within
def find_piece(site: Site, piece: int, s_m: float) -> int:
    """The piece of the same edge that holds `s_m`, from one near it."""
    edge = site["piece_edge"][piece]
    while piece > site["edge_first_piece"][edge] and s_m < site["piece_s_m"][piece]:
        piece -= 1
    last = site["edge_last_piece"][edge]
    while piece < last and s_m > site["piece_s_m"][piece] + site["piece_length_m"][piece]:
        piece += 1
    return piece


@njit_within
def point_at(site: Site, piece: int, s_m: float) -> tuple[float, float, float]:
    """x, y, z at `s_m` of the edge, in the line of `piece`."""
    way_m = s_m - site["piece_s_m"][piece]
    return (
        site["piece_x_m"][piece] + way_m * site["piece_tx"][piece],
        site["piece_y_m"][piece] + way_m * site["piece_ty"][piece],
        site["piece_z_m"][piece] + way_m * site["piece_tz"][piece],
    )


@njit_within
def keep_on_edges(card: Card, site: Site) -> None:
    """Where places have left their pieces, or edges: puts them where they are now."""
    within = True
    for k in range(card["places"]):
        piece, s_m = card["pieces"][k], card["hypotheses"][k, S]
        begin_m = site["piece_s_m"][piece]
        within &= begin_m <= s_m <= begin_m + site["piece_length_m"][piece]
        within &= s_m <= site["edge_length_m"][site["piece_edge"][piece]]
    if not within:
        cross_junctions(card, site)


@njit
def cross_junctions(card: Card, site: Site) -> None:
    """Hypotheses that have gone beyond an end of their edge go on where it leads."""
    for k in range(card["places"]):
        s_m = card["hypotheses"][k, S]
        edge = edge_of(card, site, k)
        if s_m < 0.0 or s_m > site["edge_length_m"][edge]:
            _cross(card, site, k, edge)
        else:
            card["pieces"][k] = find_piece(site, card["pieces"][k], s_m)


@njit
def _cross(card: Card, site: Site, k: int, edge: int) -> None:
    h = card["hypotheses"]
    end = int(h[k, S] > 0.0)
    length_m = site["edge_length_m"][edge]
    over_m = h[k, S] - length_m if end else -h[k, S]
    first, last = site["edge_first_way"][edge, end], site["edge_last_way"][edge, end]
    ways = last - first - 1
    outward = 1.0 if end else -1.0
    stays = 0.5 * math.erfc(over_m / math.sqrt(2.0 * h[k, SS]))
    log_weight = h[k, LOG_WEIGHT]
    goes = log_weight - math.log(max(ways, 1))
    if ways > 1:
        goes += math.log(1.0 - max(stays, _STAY_LEAST))
    source = k
    for i in range(first, last):
        if site["way_edge"][i] == edge and site["way_end"][i] == end:
            continue
        to = _place_for(card, site, k, i, over_m, goes, alone=ways == 1)
        if to >= 0:
            _go(card, site, source, to, i, over_m, outward, goes)
    if ways != 1:  # a dead end, or the junction's near side
        h[k, S] = length_m if end else 0.0
        h[k, V] = 0.0
        card["pieces"][k] = site["edge_last_piece"][edge] if end else site["edge_first_piece"][edge]
        if ways > 1:
            h[k, LOG_WEIGHT] = log_weight + math.log(max(stays, _STAY_LEAST))


@njit
def _place_for(
    card: Card,
    site: Site,
    k: int,
    way: int,
    over_m: float,
    log_weight: float,
    alone: bool,
) -> int:
    """Where the hypothesis that goes this way is put; -1 where it is there already, or too weak."""
    if alone:
        return k
    h = card["hypotheses"]
    edge = site["way_edge"][way]
    s_m = over_m if site["way_end"][way] == 0 else site["edge_length_m"][edge] - over_m
    for j in range(card["places"]):
        near_m = max(_SAME_M, math.sqrt(h[j, SS]))
        if j != k and edge_of(card, site, j) == edge and abs(h[j, S] - s_m) < near_m:
            h[j, LOG_WEIGHT] = _log_sum(h[j, LOG_WEIGHT], log_weight)
            return -1
    return room_for(card, log_weight, k)


@njit
def room_for(card: Card, log_weight: float, but: int) -> int:
    """A row for another hypothesis: a free one, or that of the least likely (not `but`); or -1."""
    h, places = card["hypotheses"], card["places"]
    if places < HYPOTHESES:
        card["places"] = places + 1
        return int(places)
    weakest = -1
    for j in range(places):
        if j != but and (weakest < 0 or h[j, LOG_WEIGHT] < h[weakest, LOG_WEIGHT]):
            weakest = j
    return weakest if h[weakest, LOG_WEIGHT] < log_weight else -1


@njit
def _log_sum(a: float, b: float) -> float:
    high = max(a, b)
    return high + math.log(math.exp(a - high) + math.exp(b - high))


@njit
def _go(
    card: Card,
    site: Site,
    source: int,
    to: int,
    way: int,
    over_m: float,
    outward: float,
    log_weight: float,
) -> None:
    """Puts a copy of hypothesis `source` on the edge behind a junction, as row `to`."""
    h = card["hypotheses"]
    edge, from_start = site["way_edge"][way], site["way_end"][way] == 0
    over_m = min(over_m, site["edge_length_m"][edge])
    copy_place(card, site, source, to)
    sign = (1.0 if from_start else -1.0) * outward
    h[to, S] = over_m if from_start else site["edge_length_m"][edge] - over_m
    h[to, V] *= sign
    h[to, LOG_WEIGHT] = log_weight
    if site["lag_ns"] > 0:
        trails = card["trails"]
        for j in range(trails.shape[1]):
            trails[to, j, 2] *= sign
            trails[to, j, 3] *= sign
    start = site["edge_first_piece"][edge] if from_start else site["edge_last_piece"][edge]
    card["pieces"][to] = find_piece(site, start, h[to, S])


@njit
def copy_place(card: Card, site: Site, source: int, to: int) -> None:
    """Row `to` of the hypotheses becomes as row `source`."""
    if source == to:
        return
    h = card["hypotheses"]
    for i in range(h.shape[1]):
        h[to, i] = h[source, i]
    card["pieces"][to] = card["pieces"][source]
    for j in range(SLOTS):
        card["blocked"][to, j] = card["blocked"][source, j]
    if site["lag_ns"] > 0:
        _copy_trail(card, source, to)


@njit
def _copy_trail(card: Card, source: int, to: int) -> None:
    trails, pieces = card["trails"], card["trail_pieces"]
    for j in range(trails.shape[1]):
        pieces[to, j] = pieces[source, j]
        for i in range(trails.shape[2]):
            trails[to, j, i] = trails[source, j, i]


@njit_within
def best_place(card: Card) -> int:
    """The most likely hypothesis, the first of equals."""
    best = 0
    for k in range(1, card["places"]):
        if card["hypotheses"][k, LOG_WEIGHT] > card["hypotheses"][best, LOG_WEIGHT]:
            best = k
    return best


@njit
def tidy_places(card: Card, site: Site) -> None:
    """Merges hypotheses that have become one, gives up those that have become too unlikely."""
    h = card["hypotheses"]
    best = best_place(card)
    top = h[best, LOG_WEIGHT]
    k = 0
    while k < card["places"]:
        h[k, LOG_WEIGHT] -= top
        k += 1
    if card["places"] == 1:
        return
    k = 0
    while k < card["places"]:
        into = _double_of(card, site, k)
        if into >= 0:
            _merge(card, site, k, into)
        h[k, LOG_WEIGHT] = max(h[k, LOG_WEIGHT], _least_log_weight(card, site, k, best))
        if into >= 0 or h[k, LOG_WEIGHT] < -_GIVE_UP:
            last = card["places"] - 1
            copy_place(card, site, last, k)
            card["places"] = last
        else:
            k += 1


@njit
def _least_log_weight(card: Card, site: Site, k: int, best: int) -> float:
    """What remains of a place however unlikely: near a junction one may always take another way."""
    h, pieces = card["hypotheses"], card["pieces"]
    x, y, z = point_at(site, pieces[k], h[k, S])
    bx, by, bz = point_at(site, pieces[best], h[best, S])
    apart_m2 = (x - bx) ** 2 + (y - by) ** 2 + (z - bz) ** 2
    return -NEARBY_LEAST if apart_m2 < 4.0 * JUNCTION_M * JUNCTION_M else -math.inf


@njit
def _double_of(card: Card, site: Site, k: int) -> int:
    """An earlier hypothesis that is about the same as `k`, or -1."""
    h = card["hypotheses"]
    edge = edge_of(card, site, k)
    for j in range(k):
        if edge_of(card, site, j) != edge:
            continue
        apart_m = abs(h[j, S] - h[k, S])
        if apart_m < _SAME_M and abs(h[j, V] - h[k, V]) < _SAME_M_S:
            return j
    return -1


@njit
def _merge(card: Card, site: Site, k: int, into: int) -> None:
    """Makes one of two hypotheses on one edge, with the moments of both."""
    h = card["hypotheses"]
    if h[k, LOG_WEIGHT] > h[into, LOG_WEIGHT]:  # the likelier one's past is kept
        for i in range(6):
            h[k, i], h[into, i] = h[into, i], h[k, i]
        for j in range(SLOTS):
            card["blocked"][into, j] = card["blocked"][k, j]
        if site["lag_ns"] > 0:
            _copy_trail(card, k, into)
    total = _log_sum(h[k, LOG_WEIGHT], h[into, LOG_WEIGHT])
    share = math.exp(h[k, LOG_WEIGHT] - total)
    ds, dv = h[k, S] - h[into, S], h[k, V] - h[into, V]
    h[into, S] += share * ds
    h[into, V] += share * dv
    spread = share * (1.0 - share)
    h[into, SS] += share * (h[k, SS] - h[into, SS]) + spread * ds * ds
    h[into, SV] += share * (h[k, SV] - h[into, SV]) + spread * ds * dv
    h[into, VV] += share * (h[k, VV] - h[into, VV]) + spread * dv * dv
    h[into, LOG_WEIGHT] = total
    card["pieces"][into] = find_piece(site, card["pieces"][into], h[into, S])


@njit
def put_on_roadway(
    card: Card, site: Site, piece: int, s_m: float, var_m2: float, log_weight: float
) -> int:
    """Adds a hypothesis at rest; gives its row, or -1 where none so unlikely has room."""
    h = card["hypotheses"]
    k = room_for(card, log_weight, -1)
    if k < 0:
        return -1
    card["pieces"][k] = piece
    h[k, S], h[k, V] = s_m, 0.0
    h[k, SS], h[k, SV], h[k, VV] = var_m2, 0.0, site["walk_var_m2_s2"]
    h[k, LOG_WEIGHT] = log_weight
    for j in range(SLOTS):
        card["blocked"][k, j] = site["blocked_share"]
    for j in range(len(card["clone_ns"])):
        card["trail_pieces"][k, j] = -1
    return k


@njit
def follow_on_roadway(card: Card, t_ns: int) -> None:
    """Follows the card on the roadways from now on."""
    card["model"] = ON_ROADWAY
    card["t_ns"] = card["reviewed_ns"] = card["branched_ns"] = card["glanced_ns"] = t_ns
    card["coasting"] = card["rejects"] = 0


@njit
def put_near_roadways(card: Card, site: Site, x: float, y: float, var_m2: float) -> None:
    """Puts the card, at rest, on all roadways near (x, y); on the nearest where none is."""
    nearest_m = math.inf
    for piece in range(site["pieces"]):
        nearest_m = min(nearest_m, _foot(site, piece, x, y)[1])
    reach_m = max(_NEAR_M, 3.0 * math.sqrt(var_m2), nearest_m + 0.5)
    card["places"] = 0
    for piece in range(site["pieces"]):
        way_m, off_m = _foot(site, piece, x, y)
        if off_m <= reach_m:
            log_weight = -0.5 * (off_m * off_m - nearest_m * nearest_m) / (var_m2 + _NEAR_M)
            s_m = site["piece_s_m"][piece] + way_m
            put_on_roadway(card, site, piece, s_m, var_m2, log_weight)
    tidy_places(card, site)


@njit
def _foot(site: Site, piece: int, x: float, y: float) -> tuple[float, float]:
    """How far along a piece the point nearest to (x, y) is, and how far from there, in plan."""
    ox, oy = x - site["piece_x_m"][piece], y - site["piece_y_m"][piece]
    tx, ty = site["piece_tx"][piece], site["piece_ty"][piece]
    way_m = (ox * tx + oy * ty) / max(tx * tx + ty * ty, 1e-12)
    way_m = min(max(way_m, 0.0), site["piece_length_m"][piece])
    return way_m, math.hypot(ox - way_m * tx, oy - way_m * ty)
