"""Where else on the roadways a card may be: on other ways, round corners, found anew. Compiled."""

from __future__ import annotations

from typing import Final

from positioning.cards import HEARD, LOG_WEIGHT, Card, S
from positioning.jit import njit
from positioning.roadway_places import (
    JUNCTION_M,
    NEARBY_LEAST,
    best_place,
    edge_of,
    find_piece,
    point_at,
    put_on_roadway,
    tidy_places,
)
from positioning.roadway_search import COST, cost_on_roadway, search_roadways
from positioning.search import gather
from positioning.site import Site

#: A place found anew stands beside the others; it is not better for being new.
_NEWCOMER: Final = 1.0
#: How well a place on another way is known.
_SPREAD_M2: Final = 9.0
#: Nearer to a junction than this, round the corner is near too.
_CORNER_M: Final = 15.0
#: An anchor is taken to be blocked when that is likelier than this.
_BLOCKED: Final = 0.7
#: A place found at a glance must be told by more than one range before the card is there.
_GLANCED: Final = 2.0
#: Round a corner a place that fits better by little is looked at too, for all but the newest ranges
#: may have been measured on the way; it is so unlikely at first, nats, that the card is not yet
#: ambiguous.
_LITTLE: Final = -0.8
_ROUND_A_CORNER: Final = 3.0


@njit
def may_be_round_a_corner(card: Card, site: Site, best: int) -> bool:
    """Near a junction, where an anchor that is heard is taken to be blocked."""
    s_m, edge = card["hypotheses"][best, S], edge_of(card, site, best)
    end = int(s_m > 0.5 * site["edge_length_m"][edge])
    from_end_m = site["edge_length_m"][edge] - s_m if end else s_m
    if from_end_m > _CORNER_M:
        return False
    if site["edge_last_way"][edge, end] - site["edge_first_way"][edge, end] < 2:
        return False
    since_ns = card["t_ns"] - site["used_ns"]
    for k in range(card["slots"]):
        heard = card["slot_ns"][k, HEARD] >= since_ns
        if heard and card["blocked"][best, k] > _BLOCKED:
            return True
    return False


@njit
def mind_other_ways(card: Card, site: Site, best: int) -> None:
    """Near a junction: puts places on its other ways, as far from it, where there are none."""
    h = card["hypotheses"]
    s_m, edge = h[best, S], edge_of(card, site, best)
    for end in (0, 1):
        from_end_m = s_m if end == 0 else site["edge_length_m"][edge] - s_m
        first, last = site["edge_first_way"][edge, end], site["edge_last_way"][edge, end]
        if from_end_m > JUNCTION_M or last - first < 3:
            continue
        for i in range(first, last):
            to, to_end = site["way_edge"][i], site["way_end"][i]
            if to != edge or to_end != end:
                _mind_way(card, site, best, to, to_end, from_end_m)


@njit
def _mind_way(card: Card, site: Site, best: int, to: int, to_end: int, from_end_m: float) -> None:
    h = card["hypotheses"]
    length_m = site["edge_length_m"][to]
    from_end_m = min(from_end_m, length_m)
    for k in range(card["places"]):
        if edge_of(card, site, k) == to:
            there_m = h[k, S] if to_end == 0 else length_m - h[k, S]
            if there_m < 2.0 * JUNCTION_M:
                return
    piece = site["edge_first_piece"][to] if to_end == 0 else site["edge_last_piece"][to]
    at_m = from_end_m if to_end == 0 else length_m - from_end_m
    log_weight = h[best, LOG_WEIGHT] - NEARBY_LEAST
    put_on_roadway(card, site, find_piece(site, piece, at_m), at_m, _SPREAD_M2, log_weight)


@njit
def review(card: Card, site: Site) -> None:
    """Do the ranges of the last seconds tell of other places? They are put beside those known."""
    _look(card, site, site["start_window_ns"], 2, -site["ambiguous_cost"], 0.0)


@njit
def glance(card: Card, site: Site) -> None:
    """The same of places that fit the last round better than the best one.

    Three anchors must tell of them. They have to prove themselves before the card is there: it is
    not known that the best one is wrong.
    """
    window_ns = site["reacquire_window_ns"]
    if gather(card, site, card["t_ns"], window_ns)[1] >= 3:  # else with a later range
        card["glanced_ns"] = card["t_ns"]
        _look(card, site, window_ns, 3, 0.0, _GLANCED)


@njit
def glance_round_a_corner(card: Card, site: Site) -> None:
    """The same of two anchors, over longer: a card that stands ranges more rarely."""
    window_ns = site["start_window_ns"] + site["used_ns"]
    if gather(card, site, card["t_ns"], window_ns)[1] >= 2:
        card["glanced_ns"] = card["t_ns"]
        _look(card, site, window_ns, 2, _LITTLE, _ROUND_A_CORNER)


@njit
def _look(
    card: Card, site: Site, window_ns: int, least: int, least_better: float, behind: float
) -> None:
    """Takes up the places that are better than the best one by `least_better`, nats.

    They are less likely than that by `behind` at least.
    """
    s, trial, h = site, site["trial"], card["hypotheses"]
    found, count, distinct = search_roadways(card, site, card["t_ns"], window_ns)
    if distinct < least:
        return
    best = best_place(card)
    here = cost_on_roadway(site, card["pieces"][best], h[best, S], count, distinct)
    top = h[best, LOG_WEIGHT]
    for row in range(found):
        better = here - trial[row, COST] - _NEWCOMER
        if better < least_better:
            continue
        log_weight = top + min(better, 0.0) - behind
        known = _known_as(card, site, row, best)
        if known >= 0:
            if better > 0.0:  # however unlikely it has become, it is no worse than a new one
                h[known, LOG_WEIGHT] = max(h[known, LOG_WEIGHT], log_weight)
            continue
        var_m2 = trial[row, 3] + s["roadway_var_m2"]
        piece = int(trial[row, 2])
        put_on_roadway(card, site, piece, trial[row, 0], var_m2, log_weight)
    tidy_places(card, site)


@njit
def _known_as(card: Card, site: Site, row: int, best: int) -> int:
    """Which of the places that are known one found anew is, the best before others; -1: none."""
    trial, h = site["trial"], card["hypotheses"]
    known = -1
    for k in range(card["places"]):
        x, y, z = point_at(site, card["pieces"][k], h[k, S])
        dx, dy, dz = x - trial[row, 4], y - trial[row, 5], z - trial[row, 6]
        if dx * dx + dy * dy + dz * dz < 9.0 and (known < 0 or k == best):
            known = k
    return known
