"""How a card passes between roadways and open areas, by the map. Compiled."""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.area_sighting import sight_in_area
from positioning.area_track import begin_in_area, put_in_area, start_in_area, take_in_area
from positioning.cards import IN_AREA, ON_ROADWAY, SS, UNPLACED, VV, Card, Floats, S, V
from positioning.jit import njit
from positioning.observation import Kind
from positioning.roadway_places import best_place, follow_on_roadway, point_at, put_near_roadways
from positioning.roadway_search import COST, search_roadways
from positioning.roadway_sighting import put_in_reach, sight_on_roadway
from positioning.roadway_track import begin_on_roadway, note_ambiguity, take_on_roadway
from positioning.search import IS_DIFFERENCE, VALUE, gather, search
from positioning.sighting import is_ranged
from positioning.site import Site

#: A card has left an area when it is this far outside.
_OUTSIDE_M: Final = 1.0
_PLACE: Final = int(Kind.PLACE)


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
def begin_on_map(card: Card, site: Site, m: Any) -> bool:
    """A card without a place: starts its filter where the measurements fit best."""
    was = card["model"]
    if begin_in_area(card, site, m):
        fit = site["best"][2]
        inside = depth_in_areas_m(site["border_m"], card["mean"][0], card["mean"][1]) > 0.0
        if inside and (m["kind"] == _PLACE or not _fits_roadway(card, site, m["t_ns"], fit)):
            return True
        card["model"] = was
    elif m["kind"] != _PLACE and _may_be_in_area(card, site, m["t_ns"]):
        return False  # which takes more ranges to tell than a place on a roadway
    return begin_on_roadway(card, site, m)


@njit
def _may_be_in_area(card: Card, site: Site, t_ns: int) -> bool:
    """Whether all recent ranges reach into an area, and there is time to wait for more."""
    if t_ns - card["first_ns"] >= site["start_wait_ns"]:
        return False
    near = site["near"]
    for i in range(gather(card, site, t_ns, site["start_window_ns"])[0]):
        outside_m = -depth_in_areas_m(site["border_m"], near[i, 0], near[i, 1])
        if near[i, IS_DIFFERENCE] == 0.0 and outside_m > near[i, VALUE]:
            return False
    return True


@njit
def _fits_roadway(card: Card, site: Site, t_ns: int, cost: float) -> bool:
    """Whether a place on the roadways fits the recent ranges at no greater cost."""
    found = search_roadways(card, site, t_ns, site["start_window_ns"])[0]
    least = math.inf
    for row in range(found):
        least = min(least, site["trial"][row, COST])
    return least <= cost


@njit
def take_on_map(card: Card, site: Site, m: Any) -> tuple[bool, float]:
    """A measurement into the card's filter, whichever it is in: (accepted, NIS)."""
    if card["model"] == IN_AREA:
        accepted, nis = take_in_area(card, site, m)
        depth_m = depth_in_areas_m(site["border_m"], card["mean"][0], card["mean"][1])
        if depth_m < -_OUTSIDE_M:
            _take_roadway(card, site)
    else:
        accepted, nis = take_on_roadway(card, site, m)
        if card["rejects"] >= site["rejects_max"] and card["reviewed_ns"] == card["t_ns"]:
            _look_in_areas(card, site)
        elif not card["ambiguous"]:
            _enter_area(card, site)
    return accepted, nis


@njit
def _look_in_areas(card: Card, site: Site) -> None:
    """Where ranges deny every place on the roadways: goes into an area, if they agree there."""
    t_ns = card["t_ns"]
    count, distinct = gather(card, site, t_ns, site["start_window_ns"])
    if distinct < 3 or search(site, count, distinct) < site["ambiguous_cost"]:
        return
    inside = depth_in_areas_m(site["border_m"], site["best"][0], site["best"][1]) > 0.0
    most = site["best"][2] + site["ambiguous_cost"]
    if inside and not _fits_roadway(card, site, t_ns, most):
        start_in_area(card, site, t_ns)
        card["places"] = 0


@njit
def sight_on_map(card: Card, site: Site, m: Any) -> float:
    """Takes a sighting: how far off (m) in a conflict with ranges, else 0."""
    if card["model"] == ON_ROADWAY:
        return sight_on_roadway(card, site, m)
    if card["model"] == UNPLACED or not is_ranged(card, site, m["t_ns"]):
        card["places"] = 0
        put_in_reach(card, site, int(m["source"]), m["side"], 0.0)
        if card["places"] > 0:
            card["model"] = UNPLACED
            return sight_on_roadway(card, site, m)
    return sight_in_area(card, site, m)


@njit
def _enter_area(card: Card, site: Site) -> None:
    h = card["hypotheses"]
    k = best_place(card)
    piece = card["pieces"][k]
    x, y, _ = point_at(site, piece, h[k, S])
    if depth_in_areas_m(site["border_m"], x, y) <= 0.0:
        return
    tx, ty = site["piece_tx"][piece], site["piece_ty"][piece]
    along, aside = h[k, SS], site["edge_aside_m2"][site["piece_edge"][piece]]
    xx = along * tx * tx + aside * ty * ty
    yy = along * ty * ty + aside * tx * tx
    put_in_area(card, site, x, y, xx, (along - aside) * tx * ty, yy)
    card["mean"][2], card["mean"][3] = h[k, V] * tx, h[k, V] * ty
    card["places"] = 0


@njit
def _take_roadway(card: Card, site: Site) -> None:
    """Puts the card on the roadways near it, as fast as it was."""
    mean, cov, h = card["mean"], card["cov"], card["hypotheses"]
    put_near_roadways(card, site, mean[0], mean[1], cov[0, 0] + cov[1, 1])
    follow_on_roadway(card, card["t_ns"])
    for k in range(card["places"]):
        piece = card["pieces"][k]
        h[k, V] = mean[2] * site["piece_tx"][piece] + mean[3] * site["piece_ty"][piece]
        h[k, VV] = cov[2, 2] + cov[3, 3]
    note_ambiguity(card, site)
