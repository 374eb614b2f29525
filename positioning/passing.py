"""How a card passes between roadways and open areas, by the map. Compiled."""

from __future__ import annotations

import math
from typing import Final

from positioning.area_filter import VARIANCE_FLOOR
from positioning.area_track import put_in_area, start_in_area
from positioning.cards import (
    IN_AREA,
    ON_ROADWAY,
    SS,
    SV,
    UNPLACED,
    VV,
    Card,
    Floats,
    S,
    Site,
    V,
)
from positioning.jit import njit
from positioning.roadway_filter import best_place, point_at, tidy_places
from positioning.roadway_search import COST, search_roadways
from positioning.roadway_track import (
    begin_on_roadway,
    note_ambiguity,
    put_on_roadway,
    start_on_roadway,
)

#: A card has left an area when it is this far outside.
_OUTSIDE_M: Final = 1.0
#: Roadways this near to where a card leaves an area may be the one that it takes.
_NEAR_M: Final = 6.0


@njit
def depth_in_areas_m(areas_m: Floats, x: float, y: float) -> float:
    """How far inside of an area a point is; negative: how far outside of all."""
    inside = False
    nearest_m2 = math.inf
    for e in range(len(areas_m)):
        ax, ay = areas_m[e, 0] - x, areas_m[e, 1] - y
        bx, by = areas_m[e, 2] - x, areas_m[e, 3] - y
        ex, ey = bx - ax, by - ay
        if (ay > 0.0) != (by > 0.0) and (ax * ey - ay * ex > 0.0) == (ey > 0.0):
            inside = not inside
        along = -(ax * ex + ay * ey) / max(ex * ex + ey * ey, 1e-12)
        along = min(max(along, 0.0), 1.0)
        cx, cy = ax + along * ex, ay + along * ey
        nearest_m2 = min(nearest_m2, cx * cx + cy * cy)
    return math.sqrt(nearest_m2) if inside else -math.sqrt(nearest_m2)


@njit
def start(card: Card, site: Site, t_ns: int) -> bool:
    """Starts the card's filter where its recent ranges fit best."""
    if len(site.pieces) == 0:
        return start_in_area(card, site, t_ns)
    if len(site.borders_m) and start_in_area(card, site, t_ns):
        fit = site.scratch["best"][2]
        if depth_in_areas_m(site.borders_m, card["mean"][0], card["mean"][1]) > 0.0:
            found = search_roadways(card, site, t_ns, site.settings["start_window_ns"])[0]
            better = False
            for row in range(found):
                better = better or site.scratch["trial"][row, COST] <= fit
            if not better:
                return True
        card["model"] = UNPLACED
    return start_on_roadway(card, site, t_ns)


@njit
def pass_over(card: Card, site: Site) -> None:
    """Follows the card as the map asks at its present place."""
    if len(site.pieces) == 0 or len(site.borders_m) == 0:
        return
    if card["model"] == ON_ROADWAY:
        if not card["ambiguous"]:
            _enter_area(card, site)
    elif card["model"] == IN_AREA:
        depth_m = depth_in_areas_m(site.borders_m, card["mean"][0], card["mean"][1])
        if depth_m < -_OUTSIDE_M:
            _take_roadway(card, site)


@njit
def _enter_area(card: Card, site: Site) -> None:
    h = card["hypotheses"]
    k = best_place(card)
    piece = card["pieces"][k]
    x, y, _ = point_at(site, piece, h[k, S])
    if depth_in_areas_m(site.borders_m, x, y) <= 0.0:
        return
    tx, ty = site.pieces[piece]["tx"], site.pieces[piece]["ty"]
    along, aside = h[k, SS], site.edges[site.pieces[piece]["edge"]]["aside_m2"]
    xx = along * tx * tx + aside * ty * ty
    yy = along * ty * ty + aside * tx * tx
    put_in_area(card, site, x, y, xx, (along - aside) * tx * ty, yy)
    card["mean"][2], card["mean"][3] = h[k, V] * tx, h[k, V] * ty
    card["places"] = 0


@njit
def _take_roadway(card: Card, site: Site) -> None:
    """Puts the card on the roadways near it."""
    mean, cov = card["mean"], card["cov"]
    var_m2 = max(cov[0, 0] + cov[1, 1], VARIANCE_FLOOR)
    reach_m = max(_NEAR_M, 3.0 * math.sqrt(var_m2))
    card["places"] = 0
    for piece in range(len(site.pieces)):
        ox, oy = mean[0] - site.pieces[piece]["x_m"], mean[1] - site.pieces[piece]["y_m"]
        tx, ty = site.pieces[piece]["tx"], site.pieces[piece]["ty"]
        way_m = (ox * tx + oy * ty) / (tx * tx + ty * ty)
        way_m = min(max(way_m, 0.0), site.pieces[piece]["length_m"])
        off_m = math.hypot(ox - way_m * tx, oy - way_m * ty)
        if off_m < reach_m:
            log_weight = -0.5 * off_m * off_m / (var_m2 + _NEAR_M)
            s_m = site.pieces[piece]["s_m"] + way_m
            k = put_on_roadway(card, site, piece, s_m, var_m2, log_weight)
            if k >= 0:
                card["hypotheses"][k, V] = mean[2] * tx + mean[3] * ty
                card["hypotheses"][k, VV] = cov[2, 2] + cov[3, 3]
                card["hypotheses"][k, SV] = 0.0
                card["hypotheses"][k, SS] = var_m2
    if card["places"]:
        begin_on_roadway(card, card["t_ns"])
        tidy_places(card, site)
        note_ambiguity(card, site)
