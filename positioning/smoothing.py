"""Past places that later measurements still improve: the output with a fixed lag. Compiled.

Several times in the time of the lag a card's place is kept as a clone; each measurement then
improves the clones as well as the state (fixed-point smoothing: Anderson & Moore 1979, section
7.3), until the lag is over. On the roadways each hypothesis has its own past, so a smoothed place
is in the past of what turned out to be right.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from positioning.cards import (
    CLONE_CROSS,
    CLONES,
    HYPOTHESES,
    IN_AREA,
    SS,
    SV,
    Card,
    S,
    V,
    by_model,
)
from positioning.jit import by_fields, njit
from positioning.observation import FixClass
from positioning.roadway_places import best_place, point_at
from positioning.site import Site
from positioning.slots import quality

#: However much a past place is smoothed, it is not known better than this.
_VARIANCE_LEAST_M2: Final = 1e-4
_ROADWAY: Final = int(FixClass.ROADWAY)
_AMBIGUOUS: Final = int(FixClass.AMBIGUOUS)


@njit
def _keep_in_area(card: Card, site: Site, free: int) -> None:
    clones, mean, cov = card["clones"], card["mean"], card["cov"]
    width = len(mean)
    for i in range(4):
        clones[free, i] = mean[i]
    clones[free, 4], clones[free, 5], clones[free, 6] = cov[0, 0], cov[0, 1], cov[1, 1]
    for i in range(width):
        clones[free, CLONE_CROSS + i] = cov[0, i]
        clones[free, CLONE_CROSS + width + i] = cov[1, i]


@njit
def _keep_on_roadway(card: Card, site: Site, free: int) -> None:
    h, trails = card["hypotheses"], card["trails"]
    for k in range(card["places"]):
        card["trail_pieces"][k, free] = card["pieces"][k]
        trails[k, free, 0] = h[k, S]
        trails[k, free, 1] = trails[k, free, 2] = h[k, SS]
        trails[k, free, 3] = h[k, SV]
        trails[k, free, 4] = h[k, V]


@njit
def _keep_on_map(card: Card, site: Site, free: int) -> None:
    for k in range(HYPOTHESES):
        card["trail_pieces"][k, free] = -1
    if card["model"] == IN_AREA:
        _keep_in_area(card, site, free)
    else:
        _keep_on_roadway(card, site, free)


_keep_place = by_fields(by_model(_keep_in_area, _keep_on_roadway, _keep_on_map))


@njit
def _answer_in_area(card: Card, site: Site, fix: Any) -> bool:
    """Writes a clone in an open area as a fix."""
    clones, j = card["clones"], card["ripe"]
    fix["x_m"], fix["y_m"], fix["z_m"] = clones[j, 0], clones[j, 1], card["z_m"]
    fix["vx_m_s"], fix["vy_m_s"] = clones[j, 2], clones[j, 3]
    vx, vy, stamp = clones[j, 2], clones[j, 3], site["stamp_var_s2"]
    fix["var_x_m2"] = max(clones[j, 4], _VARIANCE_LEAST_M2) + stamp * vx * vx
    fix["var_y_m2"] = max(clones[j, 6], _VARIANCE_LEAST_M2) + stamp * vy * vy
    most_m2 = 0.9999 * math.sqrt(fix["var_x_m2"] * fix["var_y_m2"])
    fix["cov_xy_m2"] = min(max(clones[j, 5] + stamp * vx * vy, -most_m2), most_m2)
    fix["roadway"], fix["chainage_m"] = -1, math.nan
    return True


@njit
def _answer_on_roadway(card: Card, site: Site, fix: Any) -> bool:
    """Writes the past of the likeliest place as a fix; False where it has none."""
    k, j = best_place(card), card["ripe"]
    trails, piece = card["trails"], card["trail_pieces"][k, j]
    if piece < 0:
        return False
    edge = site["piece_edge"][piece]
    s_m = min(max(trails[k, j, 0], 0.0), site["edge_length_m"][edge])
    tx, ty = site["piece_tx"][piece], site["piece_ty"][piece]
    along = max(trails[k, j, 1], _VARIANCE_LEAST_M2) + site["bias_var_m2"]
    along += site["stamp_var_s2"] * trails[k, j, 4] ** 2
    aside = site["edge_aside_m2"][edge]
    fix["x_m"], fix["y_m"], fix["z_m"] = point_at(site, piece, s_m)
    fix["vx_m_s"], fix["vy_m_s"] = trails[k, j, 4] * tx, trails[k, j, 4] * ty
    fix["var_x_m2"] = along * tx * tx + aside * ty * ty
    fix["cov_xy_m2"] = (along - aside) * tx * ty
    fix["var_y_m2"] = along * ty * ty + aside * tx * tx
    fix["roadway"], fix["chainage_m"] = (
        site["edge_roadway"][edge],
        site["edge_chainage_m"][edge] + s_m,
    )
    if fix["fix_class"] == _AMBIGUOUS and not card["ambiguous"]:
        fix["fix_class"] = _ROADWAY
    return True


@njit
def _answer_on_map(card: Card, site: Site, fix: Any) -> bool:
    """Writes a clone of either model as a fix; False where its past was given up."""
    if card["clone_class"][card["ripe"]] < 0:
        return _answer_in_area(card, site, fix)
    return card["model"] != IN_AREA and _answer_on_roadway(card, site, fix)


_answer_place = by_fields(by_model(_answer_in_area, _answer_on_roadway, _answer_on_map))


@njit
def smooth(card: Card, site: Site, fix: Any, lagged: Any, filled: int) -> int:
    """Keeps the place of `fix`, and writes the past places that are ripe: how many are written."""
    _keep(card, site, fix["fix_class"])
    j = _ripe(card, site)
    while j >= 0:
        lagged[filled]["card"] = fix["card"]
        filled += int(_answer(card, site, j, lagged[filled]))
        j = _ripe(card, site)
    return filled


@njit
def _keep(card: Card, site: Site, fix_class: int) -> None:
    """Keeps the place of now as a clone, if the last one is old enough."""
    t_ns, classes = card["t_ns"], card["clone_class"]
    free, kept = -1, 0
    for j in range(len(classes)):
        if classes[j] == 0:
            free = j
        else:
            kept += 1
    recent = (t_ns - card["cloned_ns"]) * CLONES < site["lag_ns"]
    if free < 0 or (kept > 0 and recent):
        return
    card["cloned_ns"] = card["clone_ns"][free] = t_ns
    sign = -1 if card["model"] == IN_AREA else 1
    classes[free] = sign * np.int64(fix_class)  # an unsigned byte has no negative
    _keep_place(card, site, free)


@njit
def _ripe(card: Card, site: Site) -> int:
    """The oldest clone that has been smoothed for the whole lag, or -1."""
    oldest, t_ns = -1, card["clone_ns"]
    for j in range(len(t_ns)):
        ripe = card["clone_class"][j] != 0 and card["t_ns"] - t_ns[j] >= site["lag_ns"]
        if ripe and (oldest < 0 or t_ns[j] < t_ns[oldest]):
            oldest = j
    return oldest


@njit
def _answer(card: Card, site: Site, j: int, fix: Any) -> bool:
    """Writes a clone as a fix and forgets it; False where its past was given up."""
    fix["t_ns"] = card["clone_ns"][j]
    fix["nis"] = fix["hdop"] = fix["protection_m"] = math.nan
    fix["age_s"] = 0.0
    fix["anchors_used"], fix["anchors_rejected"] = quality(card, site, card["t_ns"])[:2]
    fix["fix_class"] = abs(card["clone_class"][j])
    card["ripe"] = j
    told = _answer_place(card, site, fix)
    card["clone_class"][j] = 0
    return bool(told)
