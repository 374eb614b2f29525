"""A reader's sighting in an open area: the place of a card where no range tells better. Compiled.

The strengths of several readers tell more than the disc of one. Where ranges say that the card
can't be near the reader, that is a conflict, which is told and never averaged.
"""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.area_track import put_in_area
from positioning.cards import HEARD_STRENGTHS, Card
from positioning.jit import njit
from positioning.sighting import (
    DISC_VARIANCE,
    EDGE_M,
    EDGE_SHARE,
    HALF_DISC_OFFSET,
    HALF_DISC_VARIANCE,
    is_ranged,
    note_sighting,
)
from positioning.site import Site
from positioning.strength import WINDOW_S, strength_place

_S_PER_NS: Final = 1e-9
#: A sighting may be this much later than the place that it helps to find.
_LATE_S: Final = 0.25


@njit
def sight_in_area(card: Card, site: Site, m: Any) -> float:
    """Takes a sighting in an open area: how far off (m) in a conflict with ranges, else 0."""
    _keep_strength(card, m)
    if is_ranged(card, site, m["t_ns"]):
        return _conflict_in_area(card, site, int(m["source"]))
    if not _put_by_strength(card, site, m["t_ns"]):
        _put_in_disc(card, site, int(m["source"]), m["side"])
    note_sighting(card, site, m["t_ns"])
    return 0.0


@njit
def _keep_strength(card: Card, m: Any) -> None:
    if math.isfinite(m["rssi_dbm"]):
        k = card["heard_next"] % HEARD_STRENGTHS
        card["heard_next"] += 1
        card["heard_ns"][k], card["heard_reader"][k] = m["t_ns"], m["source"]
        card["heard_dbm"][k] = m["rssi_dbm"]


@njit
def _put_by_strength(card: Card, site: Site, t_ns: int) -> bool:
    """Places the card by how strongly readers heard it lately; False where only one did."""
    count = 0
    ages_s, readers, strengths_dbm = site["ages_s"], site["hearers"], site["strengths_dbm"]
    for k in range(min(card["heard_next"], HEARD_STRENGTHS)):
        age_s = (t_ns - card["heard_ns"][k]) * _S_PER_NS
        if -_LATE_S <= age_s <= WINDOW_S:
            ages_s[count], readers[count] = max(age_s, 0.0), card["heard_reader"][k]
            strengths_dbm[count] = card["heard_dbm"][k]
            count += 1
    heard = (readers, ages_s, strengths_dbm)
    work, out = (site["strength_rows"], site["strength_cells"]), site["best"]
    if strength_place(site["reader_m"], count, heard, work, out) < 2:
        return False
    put_in_area(card, site, out[0], out[1], out[2], out[3], out[4])
    return True


@njit
def _put_in_disc(card: Card, site: Site, reader: int, side: int) -> None:
    radius_m, hx, hy = (
        site["reader_radius_m"][reader],
        site["reader_head_x"][reader],
        site["reader_head_y"][reader],
    )
    var = DISC_VARIANCE * radius_m * radius_m
    x, y, along = site["reader_m"][reader, 0], site["reader_m"][reader, 1], var
    if side != 0 and (hx != 0.0 or hy != 0.0):
        x += side * HALF_DISC_OFFSET * radius_m * hx
        y += side * HALF_DISC_OFFSET * radius_m * hy
        along = HALF_DISC_VARIANCE * radius_m * radius_m
    less = var - along
    put_in_area(card, site, x, y, var - less * hx * hx, -less * hx * hy, var - less * hy * hy)


@njit
def _conflict_in_area(card: Card, site: Site, reader: int) -> float:
    """How far the card is from a reader that it can't be near; 0 where it can."""
    cov = card["cov"]
    dx, dy = (
        card["mean"][0] - site["reader_m"][reader, 0],
        card["mean"][1] - site["reader_m"][reader, 1],
    )
    apart_m = math.hypot(dx, dy)
    sigma_m = math.sqrt(cov[0, 0] + cov[1, 1])
    reach_m = site["reader_radius_m"][reader] * (1.0 + 3.0 * EDGE_SHARE) + 3.0 * (EDGE_M + sigma_m)
    return apart_m if apart_m > reach_m else 0.0
