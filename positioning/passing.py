"""How a card passes between roadways and open areas, by the map. Compiled. `c` is the card."""

from __future__ import annotations

import math
from typing import Final

from positioning.area_filter import VARIANCE_FLOOR
from positioning.area_track import put_in_area, start_in_area
from positioning.cards import (
    AMBIGUOUS,
    IN_AREA,
    MODEL,
    ON_ROADWAY,
    PLACES,
    SS,
    SV,
    UNPLACED,
    VV,
    Cards,
    Floats,
    S,
    Site,
    T,
    V,
)
from positioning.jit import njit
from positioning.roadway_filter import best_place, half_widths_var_m2, point_at, tidy_places
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
def start(cards: Cards, site: Site, c: int, t_ns: int) -> bool:
    """Starts the card's filter where its recent ranges fit best."""
    if site.everywhere:
        return start_in_area(cards, site, c, t_ns)
    if len(site.areas_m) and start_in_area(cards, site, c, t_ns):
        fit = site.scratch.best[2]
        if depth_in_areas_m(site.areas_m, cards.mean[c, 0], cards.mean[c, 1]) > 0.0:
            found = search_roadways(cards, site, c, t_ns, site.settings[0]["start_window_ns"])[0]
            better = False
            for row in range(found):
                better = better or site.scratch.trial[row, COST] <= fit
            if not better:
                return True
        cards.marks[c, MODEL] = UNPLACED
    return start_on_roadway(cards, site, c, t_ns)


@njit
def pass_over(cards: Cards, site: Site, c: int) -> None:
    """Follows the card as the map asks at its present place."""
    if site.everywhere or len(site.areas_m) == 0:
        return
    if cards.marks[c, MODEL] == ON_ROADWAY:
        if not cards.marks[c, AMBIGUOUS]:
            _enter_area(cards, site, c)
    elif cards.marks[c, MODEL] == IN_AREA:
        depth_m = depth_in_areas_m(site.areas_m, cards.mean[c, 0], cards.mean[c, 1])
        if depth_m < -_OUTSIDE_M:
            _take_roadway(cards, site, c)


@njit
def _enter_area(cards: Cards, site: Site, c: int) -> None:
    g, h = site.graph, cards.hypotheses
    k = best_place(cards, c)
    piece = cards.pieces[c, k]
    x, y, _ = point_at(g, piece, h[c, k, S])
    if depth_in_areas_m(site.areas_m, x, y) <= 0.0:
        return
    tx, ty = g.along[piece, 0], g.along[piece, 1]
    along, aside = h[c, k, SS], half_widths_var_m2(g, g.piece_edge[piece])
    xx = along * tx * tx + aside * ty * ty
    yy = along * ty * ty + aside * tx * tx
    put_in_area(cards, site, c, x, y, xx, (along - aside) * tx * ty, yy)
    cards.mean[c, 2], cards.mean[c, 3] = h[c, k, V] * tx, h[c, k, V] * ty
    cards.marks[c, PLACES] = 0


@njit
def _take_roadway(cards: Cards, site: Site, c: int) -> None:
    """Puts the card on the roadways near it."""
    g, mean, cov = site.graph, cards.mean, cards.cov
    var_m2 = max(cov[c, 0, 0] + cov[c, 1, 1], VARIANCE_FLOOR)
    reach_m = max(_NEAR_M, 3.0 * math.sqrt(var_m2))
    cards.marks[c, PLACES] = 0
    for piece in range(len(g.piece_length_m)):
        ox, oy = mean[c, 0] - g.piece_m[piece, 0], mean[c, 1] - g.piece_m[piece, 1]
        tx, ty = g.along[piece, 0], g.along[piece, 1]
        way_m = (ox * tx + oy * ty) / (tx * tx + ty * ty)
        way_m = min(max(way_m, 0.0), g.piece_length_m[piece])
        off_m = math.hypot(ox - way_m * tx, oy - way_m * ty)
        if off_m < reach_m:
            log_weight = -0.5 * off_m * off_m / (var_m2 + _NEAR_M)
            s_m = g.piece_s_m[piece] + way_m
            k = put_on_roadway(cards, site, c, piece, s_m, var_m2, log_weight)
            if k >= 0:
                cards.hypotheses[c, k, V] = mean[c, 2] * tx + mean[c, 3] * ty
                cards.hypotheses[c, k, VV] = cov[c, 2, 2] + cov[c, 3, 3]
                cards.hypotheses[c, k, SV] = 0.0
                cards.hypotheses[c, k, SS] = var_m2
    if cards.marks[c, PLACES]:
        begin_on_roadway(cards, c, cards.marks[c, T])
        tidy_places(cards, site, c)
        note_ambiguity(cards, site, c)
