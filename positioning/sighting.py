"""A reader's sighting: a likelihood of every place, and the place itself where there is no better.

A card that a reader has seen is within its radius, give or take; a directional reader also tells on
which side. Where ranges say that the card can't be there, that is a conflict, which is told and
never averaged. Compiled. `c` is the card.
"""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.area_track import put_in_area
from positioning.cards import (
    ACCEPTED,
    LOG_WEIGHT,
    MODEL,
    ON_ROADWAY,
    PLACES,
    RANGED,
    SEEN,
    SS,
    UNPLACED,
    Cards,
    S,
    Site,
    T,
)
from positioning.jit import njit
from positioning.roadway_filter import (
    absorb_on_roadway,
    best_place,
    cross_junctions,
    point_at,
    tidy_places,
)
from positioning.roadway_track import begin_on_roadway, note_ambiguity, put_on_roadway

#: A card somewhere in a reader's disc of radius r, evenly: variance r²/4 in each direction. In half
#: of it: its centre is 4r/3π from the reader, the variance towards it (1/4 - (4/3π)²) r².
DISC_VARIANCE: Final = 0.25
_HALF_DISC_OFFSET: Final = 4.0 / (3.0 * math.pi)
_HALF_DISC_VARIANCE: Final = 0.25 - _HALF_DISC_OFFSET**2
#: How sharply a reader's reach ends: its sigma as a share of the radius, and metres more.
_EDGE_SHARE: Final = 0.15
_EDGE_M: Final = 1.0
#: However far off, a sighting is worth no more than this: readers do reach further now and then.
_LOG_LEAST: Final = -8.0
#: Below this, all places are out of the reader's reach.
_LOG_CONFLICT: Final = -4.5
#: A directional reader takes the one side for the other this often; and its middle is this wide.
_WRONG_SIDE: Final = 0.03
_SIDE_M: Final = 1.5
#: A place that only a reader tells of stands beside those of ranges that deny it.
_NEWCOMER: Final = -4.0
_X: Final = 0
_Y: Final = 1
_Z: Final = 2
_RADIUS: Final = 3
_HEAD_X: Final = 4
_HEAD_Y: Final = 5


@njit
def sight(cards: Cards, site: Site, m: Any) -> tuple[bool, float]:
    """Takes a sighting: whether the card has a place now, and how far off (m) in a conflict or 0.

    Nothing changes where a newer sighting, or a place that is much newer, is known.
    """
    c, t_ns, reader = m["card"], m["t_ns"], int(m["source"])
    marks, s = cards.marks, site.settings[0]
    ranged = marks[c, MODEL] != UNPLACED and t_ns - marks[c, RANGED] <= s["presence_after_ns"]
    off_m = 0.0
    if marks[c, MODEL] == ON_ROADWAY:
        off_m = _sight_on_roadway(cards, site, c, reader, m["side"], ranged)
        if off_m > 0.0 and not ranged:
            marks[c, PLACES] = 0
            _put_in_reach(cards, site, c, reader, m["side"], 0.0)
            off_m = 0.0
    elif ranged:
        off_m = _conflict_in_area(cards, site, c, reader)
    elif site.everywhere or not _begin_in_reach(cards, site, c, reader, m["side"], t_ns):
        _put_in_disc(cards, site, c, reader, m["side"])
    if not ranged:
        marks[c, T] = max(marks[c, T], t_ns) if marks[c, SEEN] else t_ns
        marks[c, ACCEPTED] = t_ns
        marks[c, SEEN] = 1
    return marks[c, MODEL] != UNPLACED, off_m


@njit
def _put_in_disc(cards: Cards, site: Site, c: int, reader: int, side: int) -> None:
    r = site.readers
    radius_m, hx, hy = r[reader, _RADIUS], r[reader, _HEAD_X], r[reader, _HEAD_Y]
    var = DISC_VARIANCE * radius_m * radius_m
    x, y, along = r[reader, _X], r[reader, _Y], var
    if side != 0 and (hx != 0.0 or hy != 0.0):
        x += side * _HALF_DISC_OFFSET * radius_m * hx
        y += side * _HALF_DISC_OFFSET * radius_m * hy
        along = _HALF_DISC_VARIANCE * radius_m * radius_m
    less = var - along
    put_in_area(cards, site, c, x, y, var - less * hx * hx, -less * hx * hy, var - less * hy * hy)


@njit
def _conflict_in_area(cards: Cards, site: Site, c: int, reader: int) -> float:
    """How far the card is from a reader that it can't be near; 0 where it can."""
    cov, r = cards.cov, site.readers
    dx, dy = cards.mean[c, 0] - r[reader, _X], cards.mean[c, 1] - r[reader, _Y]
    apart_m = math.hypot(dx, dy)
    sigma_m = math.sqrt(cov[c, 0, 0] + cov[c, 1, 1])
    reach_m = r[reader, _RADIUS] * (1.0 + 3.0 * _EDGE_SHARE) + 3.0 * (_EDGE_M + sigma_m)
    return apart_m if apart_m > reach_m else 0.0


@njit
def _begin_in_reach(cards: Cards, site: Site, c: int, reader: int, side: int, t_ns: int) -> bool:
    """Places the card on the roadways in the reader's reach; False where there are none."""
    before = cards.marks[c, PLACES]
    cards.marks[c, PLACES] = 0
    _put_in_reach(cards, site, c, reader, side, 0.0)
    if cards.marks[c, PLACES] == 0:
        cards.marks[c, PLACES] = before
        return False
    begin_on_roadway(cards, c, t_ns)
    return True


@njit
def _put_in_reach(
    cards: Cards, site: Site, c: int, reader: int, side: int, log_weight: float
) -> None:
    """Adds a hypothesis for every piece of roadway that the reader sees, by its length."""
    g, r = site.graph, site.readers
    radius_m = r[reader, _RADIUS]
    for piece in range(len(g.piece_length_m)):
        ox, oy = g.piece_m[piece, 0] - r[reader, _X], g.piece_m[piece, 1] - r[reader, _Y]
        oz = g.piece_m[piece, 2] - r[reader, _Z]
        tx, ty, tz = g.along[piece, 0], g.along[piece, 1], g.along[piece, 2]
        half = ox * tx + oy * ty + oz * tz
        inside = radius_m * radius_m - (ox * ox + oy * oy + oz * oz - half * half)
        if inside <= 0.0:
            continue
        low = max(-half - math.sqrt(inside), 0.0)
        high = min(-half + math.sqrt(inside), g.piece_length_m[piece])
        by_heading = side * (r[reader, _HEAD_X] * tx + r[reader, _HEAD_Y] * ty)
        ahead = side * (r[reader, _HEAD_X] * ox + r[reader, _HEAD_Y] * oy)
        if by_heading > 1e-9:  # only where it is on the side that the reader told
            low = max(low, -ahead / by_heading)
        elif by_heading < -1e-9:
            high = min(high, -ahead / by_heading)
        if high - low > 0.5:
            s_m = g.piece_s_m[piece] + 0.5 * (low + high)
            var_m2 = max((high - low) ** 2 / 12.0, 1.0)
            weight = log_weight + math.log(0.5 * (high - low) / radius_m)
            put_on_roadway(cards, site, c, piece, s_m, var_m2, weight)
    if cards.marks[c, PLACES] > 0:
        tidy_places(cards, site, c)
        note_ambiguity(cards, site, c)


@njit
def _sight_on_roadway(
    cards: Cards, site: Site, c: int, reader: int, side: int, ranged: bool
) -> float:
    """Weighs all places by a sighting. How far the nearest is where none can be right, else 0."""
    r, h = site.readers, cards.hypotheses
    likeliest, nearest_m = -math.inf, math.inf
    spare = site.scratch.spare
    for k in range(cards.marks[c, PLACES]):
        spare[k, 0], apart_m = _likelihood(cards, site, c, k, reader, side)
        likeliest = max(likeliest, spare[k, 0])
        nearest_m = min(nearest_m, apart_m)
    if likeliest < _LOG_CONFLICT:
        if ranged:
            top = h[c, best_place(cards, c), LOG_WEIGHT]
            _put_in_reach(cards, site, c, reader, side, top + _NEWCOMER)
        return max(nearest_m, 1e-3)
    radius_m = r[reader, _RADIUS]
    for k in range(cards.marks[c, PLACES]):
        h[c, k, LOG_WEIGHT] += spare[k, 0]
        if h[c, k, SS] > DISC_VARIANCE * radius_m * radius_m:
            _pull(cards, site, c, k, reader, side)
    cross_junctions(cards, site, c)
    tidy_places(cards, site, c)
    note_ambiguity(cards, site, c)
    return 0.0


@njit
def _likelihood(
    cards: Cards, site: Site, c: int, k: int, reader: int, side: int
) -> tuple[float, float]:
    """Log-likelihood of a sighting if the card is at place `k`, and how far that is."""
    g, r, h = site.graph, site.readers, cards.hypotheses
    piece = cards.pieces[c, k]
    x, y, z = point_at(g, piece, h[c, k, S])
    dx, dy, dz = x - r[reader, _X], y - r[reader, _Y], z - r[reader, _Z]
    apart_m = math.sqrt(dx * dx + dy * dy + dz * dz)
    edge_m = _EDGE_M + _EDGE_SHARE * r[reader, _RADIUS]
    beyond_m = max(apart_m - r[reader, _RADIUS], 0.0)
    log = max(-0.5 * beyond_m * beyond_m / (edge_m * edge_m + h[c, k, SS]), _LOG_LEAST)
    hx, hy = r[reader, _HEAD_X], r[reader, _HEAD_Y]
    if side != 0 and (hx != 0.0 or hy != 0.0):
        along = g.along[piece, 0] * hx + g.along[piece, 1] * hy
        sigma_m = math.sqrt(_SIDE_M * _SIDE_M + along * along * h[c, k, SS])
        right = 0.5 * math.erfc(-side * (dx * hx + dy * hy) / (sigma_m * math.sqrt(2.0)))
        log += math.log(_WRONG_SIDE + (1.0 - 2.0 * _WRONG_SIDE) * right)
    return log, apart_m


@njit
def _pull(cards: Cards, site: Site, c: int, k: int, reader: int, side: int) -> None:
    """A place known worse than the reader's reach is drawn to the reader."""
    g, r, h = site.graph, site.readers, cards.hypotheses
    piece = cards.pieces[c, k]
    x, y, z = point_at(g, piece, h[c, k, S])
    dx, dy, dz = r[reader, _X] - x, r[reader, _Y] - y, r[reader, _Z] - z
    way_m = dx * g.along[piece, 0] + dy * g.along[piece, 1] + dz * g.along[piece, 2]
    radius_m = r[reader, _RADIUS]
    var_m2 = radius_m * radius_m / 3.0
    facing = g.along[piece, 0] * r[reader, _HEAD_X] + g.along[piece, 1] * r[reader, _HEAD_Y]
    if side != 0 and abs(facing) > 0.5:
        way_m += 0.5 * radius_m * side * math.copysign(1.0, facing)
        var_m2 = radius_m * radius_m / 12.0
    absorb_on_roadway(cards, site, c, k, 1.0, 0.0, way_m, h[c, k, SS] + var_m2, 1.0)


