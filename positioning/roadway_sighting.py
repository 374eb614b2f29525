"""A reader's sighting on the roadways: a likelihood of every place there. Compiled.

A card that a reader has seen is within its radius, give or take; a directional reader also tells on
which side, and a strength how near, roughly. So the order in which readers see a card tells which
way it went. Where no place can be right but ranges tell otherwise, that is a conflict, which is
told and never averaged. `k` is the hypothesis.
"""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.cards import LOG_WEIGHT, ON_ROADWAY, SS, Card, S
from positioning.jit import njit
from positioning.roadway_filter import absorb_on_roadway
from positioning.roadway_places import (
    best_place,
    cross_junctions,
    follow_on_roadway,
    point_at,
    put_near_roadways,
    put_on_roadway,
    tidy_places,
)
from positioning.roadway_track import note_ambiguity
from positioning.sighting import DISC_VARIANCE, EDGE_M, EDGE_SHARE, is_ranged, note_sighting
from positioning.site import Site
from positioning.strength import EXPONENT, POWER_DBM, POWER_SIGMA_DB, SHADOWING_DB

#: However far off, a sighting is worth no more than this: readers do reach further now and then.
_LOG_LEAST: Final = -8.0
#: Below this, all places are out of the reader's reach.
_LOG_CONFLICT: Final = -4.5
#: A directional reader takes the one side for the other this often; and its middle is this wide.
_WRONG_SIDE: Final = 0.03
_SIDE_M: Final = 1.5
#: How well a strength tells a distance when neither power nor surroundings are known, and how much
#: it weighs at the most, nats.
_STRENGTH_SIGMA_DB: Final = math.hypot(POWER_SIGMA_DB, SHADOWING_DB)
_STRENGTH_MOST: Final = 2.0
#: A place that only a reader tells of stands beside those of ranges that deny it.
_NEWCOMER: Final = -4.0


@njit
def sight_on_roadway(card: Card, site: Site, m: Any) -> float:
    """Takes a sighting on the roadways: how far off (m) in a conflict with ranges, else 0.

    It weighs all places; where none can be right and no range tells better, the card is put there.
    """
    reader, side = int(m["source"]), m["side"]
    ranged = is_ranged(card, site, m["t_ns"])
    off_m = 1.0
    if card["model"] == ON_ROADWAY:
        off_m = _weigh_places(card, site, reader, m, ranged)
    if ranged:
        return off_m
    if off_m > 0.0:
        card["places"] = 0
        put_in_reach(card, site, reader, side, 0.0)
        if card["places"] == 0:
            var_m2 = DISC_VARIANCE * site["reader_radius_m"][reader] ** 2
            x, y = site["reader_m"][reader, 0], site["reader_m"][reader, 1]
            put_near_roadways(card, site, x, y, var_m2)
        follow_on_roadway(card, m["t_ns"])
        note_ambiguity(card, site)
    note_sighting(card, site, m["t_ns"])
    return 0.0


@njit
def put_in_reach(card: Card, site: Site, reader: int, side: int, log_weight: float) -> None:
    """Adds a hypothesis for every piece of roadway that the reader sees, by its length."""
    radius_m = site["reader_radius_m"][reader]
    for piece in range(site["pieces"]):
        ox, oy = (
            site["piece_x_m"][piece] - site["reader_m"][reader, 0],
            site["piece_y_m"][piece] - site["reader_m"][reader, 1],
        )
        oz = site["piece_z_m"][piece] - site["reader_m"][reader, 2]
        tx, ty, tz = site["piece_tx"][piece], site["piece_ty"][piece], site["piece_tz"][piece]
        half = ox * tx + oy * ty + oz * tz
        inside = radius_m * radius_m - (ox * ox + oy * oy + oz * oz - half * half)
        if inside <= 0.0:
            continue
        low = max(-half - math.sqrt(inside), 0.0)
        high = min(-half + math.sqrt(inside), site["piece_length_m"][piece])
        by_heading = side * (
            site["reader_head_x"][reader] * tx + site["reader_head_y"][reader] * ty
        )
        ahead = side * (site["reader_head_x"][reader] * ox + site["reader_head_y"][reader] * oy)
        if by_heading > 1e-9:  # only where it is on the side that the reader told
            low = max(low, -ahead / by_heading)
        elif by_heading < -1e-9:
            high = min(high, -ahead / by_heading)
        if high - low > 0.5:
            s_m = site["piece_s_m"][piece] + 0.5 * (low + high)
            var_m2 = max((high - low) ** 2 / 12.0, 1.0)
            weight = log_weight + math.log(0.5 * (high - low) / radius_m)
            put_on_roadway(card, site, piece, s_m, var_m2, weight)
    if card["places"] > 0:
        tidy_places(card, site)
        note_ambiguity(card, site)


@njit
def _weigh_places(card: Card, site: Site, reader: int, m: Any, ranged: bool) -> float:
    """Weighs all places by a sighting. How far the nearest is where none can be right, else 0."""
    h, side = card["hypotheses"], m["side"]
    likeliest, nearest_m = -math.inf, math.inf
    spare = site["log"]
    for k in range(card["places"]):
        spare[k], apart_m = _likelihood(card, site, k, reader, m)
        likeliest = max(likeliest, spare[k])
        nearest_m = min(nearest_m, apart_m)
    if likeliest < _LOG_CONFLICT:
        if ranged:
            top = h[best_place(card), LOG_WEIGHT]
            put_in_reach(card, site, reader, side, top + _NEWCOMER)
        return max(nearest_m, 1e-3)
    radius_m = site["reader_radius_m"][reader]
    for k in range(card["places"]):
        h[k, LOG_WEIGHT] += spare[k]
        if h[k, SS] > DISC_VARIANCE * radius_m * radius_m:
            _pull(card, site, k, reader, side)
    cross_junctions(card, site)
    tidy_places(card, site)
    note_ambiguity(card, site)
    return 0.0


@njit
def _likelihood(card: Card, site: Site, k: int, reader: int, m: Any) -> tuple[float, float]:
    """Log-likelihood of a sighting if the card is at place `k`, and how far that is."""
    h, side, rssi_dbm = card["hypotheses"], m["side"], m["rssi_dbm"]
    piece = card["pieces"][k]
    x, y, z = point_at(site, piece, h[k, S])
    dx, dy, dz = (
        x - site["reader_m"][reader, 0],
        y - site["reader_m"][reader, 1],
        z - site["reader_m"][reader, 2],
    )
    apart_m = math.sqrt(dx * dx + dy * dy + dz * dz)
    edge_m = EDGE_M + EDGE_SHARE * site["reader_radius_m"][reader]
    beyond_m = max(apart_m - site["reader_radius_m"][reader], 0.0)
    log = max(-0.5 * beyond_m * beyond_m / (edge_m * edge_m + h[k, SS]), _LOG_LEAST)
    if math.isfinite(rssi_dbm):
        excess_db = rssi_dbm - POWER_DBM + EXPONENT * 10.0 * math.log10(max(apart_m, 1.0))
        log -= min(0.5 * (excess_db / _STRENGTH_SIGMA_DB) ** 2, _STRENGTH_MOST)
    hx, hy = site["reader_head_x"][reader], site["reader_head_y"][reader]
    if side != 0 and (hx != 0.0 or hy != 0.0):
        along = site["piece_tx"][piece] * hx + site["piece_ty"][piece] * hy
        sigma_m = math.sqrt(_SIDE_M * _SIDE_M + along * along * h[k, SS])
        right = 0.5 * math.erfc(-side * (dx * hx + dy * hy) / (sigma_m * math.sqrt(2.0)))
        log += math.log(_WRONG_SIDE + (1.0 - 2.0 * _WRONG_SIDE) * right)
    return log, apart_m


@njit
def _pull(card: Card, site: Site, k: int, reader: int, side: int) -> None:
    """A place known worse than the reader's reach is drawn to the reader."""
    h = card["hypotheses"]
    piece = card["pieces"][k]
    x, y, z = point_at(site, piece, h[k, S])
    dx, dy, dz = (
        site["reader_m"][reader, 0] - x,
        site["reader_m"][reader, 1] - y,
        site["reader_m"][reader, 2] - z,
    )
    way_m = (
        dx * site["piece_tx"][piece] + dy * site["piece_ty"][piece] + dz * site["piece_tz"][piece]
    )
    radius_m = site["reader_radius_m"][reader]
    var_m2 = radius_m * radius_m / 3.0
    facing = (
        site["piece_tx"][piece] * site["reader_head_x"][reader]
        + site["piece_ty"][piece] * site["reader_head_y"][reader]
    )
    if side != 0 and abs(facing) > 0.5:
        way_m += 0.5 * radius_m * side * math.copysign(1.0, facing)
        var_m2 = radius_m * radius_m / 12.0
    absorb_on_roadway(card, site, k, 1.0, 0.0, way_m, h[k, SS] + var_m2, 1.0)
