"""A card put back where it was last known, as before a restart. Compiled."""

from __future__ import annotations

from typing import Any, Final

from positioning.area_track import put_in_area
from positioning.cards import Card, Site, V
from positioning.jit import njit
from positioning.observation import FixClass
from positioning.passing import pass_over
from positioning.roadway_track import begin_on_roadway, put_on_roadway

_AMBIGUOUS: Final = int(FixClass.AMBIGUOUS)
_ZONE: Final = int(FixClass.ZONE)


@njit
def restore_card(card: Card, site: Site, fix: Any) -> None:
    """Puts a card where a fix says; nothing older is taken from then on."""
    t_ns = fix["t_ns"]
    card["slots"] = card["places"] = card["ring_next"] = 0
    if fix["roadway"] < 0 or not _put_at_chainage(card, site, fix):
        xx, xy, yy = fix["var_x_m2"], fix["cov_xy_m2"], fix["var_y_m2"]
        put_in_area(card, site, fix["x_m"], fix["y_m"], xx, xy, yy)
        card["mean"][2], card["mean"][3] = fix["vx_m_s"], fix["vy_m_s"]
    card["z_m"] = fix["z_m"]
    card["t_ns"] = card["floor_ns"] = card["first_ns"] = t_ns
    card["accepted_ns"] = card["reviewed_ns"] = card["ranged_ns"] = t_ns
    card["has_floor"] = 1
    card["rejects"] = card["coasting"] = card["jumping"] = 0
    card["ambiguous"] = int(fix["fix_class"] == _AMBIGUOUS)
    card["seen"] = int(fix["fix_class"] == _ZONE)
    if card["seen"]:
        card["ranged_ns"] = t_ns - site.settings["presence_after_ns"] - 1
    pass_over(card, site)


@njit
def _put_at_chainage(card: Card, site: Site, fix: Any) -> bool:
    """Puts a card at its roadway and chainage; False where the map has them no more."""
    for piece in range(len(site.pieces)):
        p = site.pieces[piece]
        edge = site.edges[p["edge"]]
        s_m = fix["chainage_m"] - edge["chainage_m"]
        if edge["roadway"] == fix["roadway"] and p["s_m"] <= s_m <= p["s_m"] + p["length_m"]:
            tx, ty = p["tx"], p["ty"]
            var_m2 = tx * tx * fix["var_x_m2"] + 2.0 * tx * ty * fix["cov_xy_m2"]
            var_m2 += ty * ty * fix["var_y_m2"]
            k = put_on_roadway(card, site, piece, s_m, var_m2, 0.0)
            card["hypotheses"][k, V] = tx * fix["vx_m_s"] + ty * fix["vy_m_s"]
            begin_on_roadway(card, fix["t_ns"])
            return True
    return False
