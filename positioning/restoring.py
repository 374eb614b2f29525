"""A card put back where it was last known, as before a restart. Compiled."""

from __future__ import annotations

from typing import Any, Final

from positioning.area_track import put_in_area
from positioning.cards import IN_AREA, UNPLACED, Card, V, by_model
from positioning.jit import by_fields, njit
from positioning.observation import FixClass
from positioning.passing import depth_in_areas_m
from positioning.roadway_places import follow_on_roadway, put_near_roadways, put_on_roadway
from positioning.roadway_track import note_ambiguity
from positioning.site import Site

_AMBIGUOUS: Final = int(FixClass.AMBIGUOUS)
_ZONE: Final = int(FixClass.ZONE)


@njit
def _put_in_area(card: Card, site: Site, fix: Any) -> None:
    xx, xy, yy = fix["var_x_m2"], fix["cov_xy_m2"], fix["var_y_m2"]
    put_in_area(card, site, fix["x_m"], fix["y_m"], xx, xy, yy)
    card["mean"][2], card["mean"][3] = fix["vx_m_s"], fix["vy_m_s"]


@njit
def _put_on_roadway(card: Card, site: Site, fix: Any) -> None:
    """Puts a card at its chainage, or near its place where the map has that no more."""
    card["places"] = 0
    var_m2 = fix["var_x_m2"] + fix["var_y_m2"]
    for piece in range(site["pieces"]):
        edge, begin_m = site["piece_edge"][piece], site["piece_s_m"][piece]
        s_m = fix["chainage_m"] - site["edge_chainage_m"][edge]
        inside = begin_m <= s_m <= begin_m + site["piece_length_m"][piece]
        first = card["places"] == 0  # a chainage where two pieces meet is in both
        if inside and first and site["edge_roadway"][edge] == fix["roadway"]:
            put_on_roadway(card, site, piece, s_m, var_m2, 0.0)
    if card["places"] == 0:
        put_near_roadways(card, site, fix["x_m"], fix["y_m"], var_m2)
    for k in range(card["places"]):
        piece = card["pieces"][k]
        along = site["piece_tx"][piece] * fix["vx_m_s"]
        card["hypotheses"][k, V] = along + site["piece_ty"][piece] * fix["vy_m_s"]
    follow_on_roadway(card, fix["t_ns"])
    note_ambiguity(card, site)


@njit
def _put_on_map(card: Card, site: Site, fix: Any) -> None:
    if depth_in_areas_m(site["border_m"], fix["x_m"], fix["y_m"]) > 0.0:
        _put_in_area(card, site, fix)
    else:
        _put_on_roadway(card, site, fix)


_put_back = by_fields(by_model(_put_in_area, _put_on_roadway, _put_on_map))


@njit
def restore_card(card: Card, site: Site, fix: Any) -> None:
    """Puts a card where a fix says; nothing older is taken from then on."""
    t_ns = fix["t_ns"]
    card["slots"] = card["places"] = card["ring_next"] = card["model"] = UNPLACED
    _put_back(card, site, fix)
    card["z_m"] = fix["z_m"]
    card["t_ns"] = card["floor_ns"] = card["first_ns"] = t_ns
    card["accepted_ns"] = card["reviewed_ns"] = card["ranged_ns"] = t_ns
    card["has_floor"] = 1
    card["rejects"] = card["coasting"] = card["jumping"] = 0
    if card["model"] == IN_AREA:
        card["ambiguous"] = int(fix["fix_class"] == _AMBIGUOUS)
    card["seen"] = int(fix["fix_class"] == _ZONE)
    if card["seen"]:
        card["ranged_ns"] = t_ns - site["presence_after_ns"] - 1
