"""A card's state as a fix. Compiled."""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.cards import IN_AREA, LOG_WEIGHT, SS, Card, S, V, by_model
from positioning.jit import by_fields, njit, njit_within
from positioning.observation import FixClass
from positioning.roadway_places import best_place, point_at
from positioning.site import Site
from positioning.slots import quality

_S_PER_NS: Final = 1e-9
#: With less information than this the place is not bounded at all.
_SEEN_LEAST: Final = 1e-6
#: No ellipse is narrower than by this squared correlation.
_NARROWEST: Final = 0.9999**2
#: 95 % of a plane's normal distribution lies within so many sigmas.
_SIGMAS_95: Final = 2.4477
#: A place that may be this far off (one sigma), or that nothing has confirmed for so long, is lost.
_LOST_M: Final = 30.0
_LOST_NS: Final = 10_000_000_000

_PRECISE: Final = int(FixClass.PRECISE)
_ROADWAY: Final = int(FixClass.ROADWAY)
_ZONE: Final = int(FixClass.ZONE)
_EXTRAPOLATED: Final = int(FixClass.EXTRAPOLATED)
_AMBIGUOUS: Final = int(FixClass.AMBIGUOUS)
_LOST: Final = int(FixClass.LOST)


@njit_within
def _class_of(card: Card, site: Site, t_ns: int, var_m2: float) -> int:
    s = site
    age_ns = t_ns - card["accepted_ns"]
    zone = card["seen"] and t_ns - card["ranged_ns"] > s["presence_after_ns"]
    if zone:
        return _ZONE if age_ns <= _LOST_NS else _LOST
    if age_ns > _LOST_NS or (var_m2 > _LOST_M * _LOST_M and not card["ambiguous"]):
        return _LOST
    if age_ns > s["extrapolated_ns"]:
        return _EXTRAPOLATED
    if card["ambiguous"]:
        return _AMBIGUOUS
    return _PRECISE if card["model"] == IN_AREA else _ROADWAY


@njit_within
def answer_in_area(card: Card, site: Site, fix: Any) -> None:
    """Writes where a card in an open area is, at the time that is in the fix."""
    mean, cov, s, t_ns = card["mean"], card["cov"], site, fix["t_ns"]
    dt_s = (t_ns - card["t_ns"]) * _S_PER_NS
    moved_s = min(dt_s, s["extrapolated_ns"] * _S_PER_NS)
    walked_m = min(s["start_speed_m_s"] * dt_s, s["hold_max_m"])
    var_x_m2, var_y_m2 = cov[0, 0] + walked_m * walked_m, cov[1, 1] + walked_m * walked_m
    cov_xy_m2, product = cov[0, 1], _NARROWEST * var_x_m2 * var_y_m2
    if cov_xy_m2 * cov_xy_m2 > product:  # so that the ellipse has a width
        cov_xy_m2 = math.copysign(math.sqrt(product), cov_xy_m2)
    x, y = mean[0] + moved_s * mean[2], mean[1] + moved_s * mean[3]
    fix["x_m"], fix["y_m"], fix["z_m"] = x, y, card["z_m"]
    fix["vx_m_s"], fix["vy_m_s"] = mean[2], mean[3]
    fix["var_x_m2"], fix["var_y_m2"] = var_x_m2, var_y_m2
    fix["cov_xy_m2"] = cov_xy_m2
    fix["roadway"], fix["chainage_m"] = -1, math.nan


@njit
def answer_on_roadway(card: Card, site: Site, fix: Any) -> None:
    """Writes where a card on the roadways is, at the time that is in the fix."""
    h, t_ns = card["hypotheses"], fix["t_ns"]
    k = best_place(card)
    piece = card["pieces"][k]
    edge = site["piece_edge"][piece]
    dt_s = (t_ns - card["t_ns"]) * _S_PER_NS
    moved_m = min(dt_s, site["extrapolated_ns"] * _S_PER_NS) * h[k, V]
    s_m = min(max(h[k, S] + moved_m, 0.0), site["edge_length_m"][edge])
    x, y, z = point_at(site, piece, s_m)
    flat = max(math.hypot(site["piece_tx"][piece], site["piece_ty"][piece]), 1e-6)
    tx, ty = site["piece_tx"][piece], site["piece_ty"][piece]
    walked_m = min(site["start_speed_m_s"] * dt_s, site["hold_max_m"])
    along = h[k, SS] + site["bias_var_m2"] + walked_m * walked_m
    aside = site["edge_aside_m2"][edge] / (flat * flat)
    fix["x_m"], fix["y_m"], fix["z_m"] = x, y, z
    fix["vx_m_s"], fix["vy_m_s"] = h[k, V] * tx, h[k, V] * ty
    fix["var_x_m2"] = along * tx * tx + aside * ty * ty
    fix["cov_xy_m2"] = (along - aside) * tx * ty
    fix["var_y_m2"] = along * ty * ty + aside * tx * tx
    fix["roadway"] = site["edge_roadway"][edge]
    fix["chainage_m"] = site["edge_chainage_m"][edge] + s_m
    if card["places"] > 1:
        _add_others(card, site, k, fix)


@njit
def _add_others(card: Card, site: Site, best: int, fix: Any) -> None:
    """The places beside the best belong to the uncertainty of the best."""
    h = card["hypotheses"]
    total, xx, xy, yy = 0.0, 0.0, 0.0, 0.0
    for k in range(card["places"]):
        weight = math.exp(h[k, LOG_WEIGHT] - h[best, LOG_WEIGHT])
        total += weight
        if k == best:
            continue
        piece = card["pieces"][k]
        x, y, _ = point_at(site, piece, h[k, S])
        dx, dy = x - fix["x_m"], y - fix["y_m"]
        tx, ty = site["piece_tx"][piece], site["piece_ty"][piece]
        xx += weight * (dx * dx + h[k, SS] * tx * tx)
        xy += weight * (dx * dy + h[k, SS] * tx * ty)
        yy += weight * (dy * dy + h[k, SS] * ty * ty)
    fix["var_x_m2"] += xx / total
    fix["cov_xy_m2"] += xy / total
    fix["var_y_m2"] += yy / total


@njit
def _answer_on_map(card: Card, site: Site, fix: Any) -> None:
    if card["model"] == IN_AREA:
        answer_in_area(card, site, fix)
    else:
        answer_on_roadway(card, site, fix)


answer_place = by_fields(by_model(answer_in_area, answer_on_roadway, _answer_on_map))


@njit
def answer(card: Card, site: Site, fix: Any) -> None:
    """Writes the card's state, moved on to the time that is in the fix; its NIS is there too."""
    t_ns = fix["t_ns"]
    fix["age_s"] = max(t_ns - card["accepted_ns"], 0) * _S_PER_NS
    used, rejected, slope_m, xx, xy, yy = quality(card, site, t_ns)
    fix["anchors_used"], fix["anchors_rejected"] = used, rejected
    answer_place(card, site, fix)
    var_x_m2, var_y_m2, cov_xy_m2 = fix["var_x_m2"], fix["var_y_m2"], fix["cov_xy_m2"]
    fix["fix_class"] = _class_of(card, site, t_ns, var_x_m2 + var_y_m2)
    spread = var_x_m2 - var_y_m2
    root = math.sqrt(spread * spread + 4.0 * cov_xy_m2 * cov_xy_m2)
    major_m = math.sqrt(0.5 * (var_x_m2 + var_y_m2 + root))
    fault = 2.0 * site["gate_long"] + 1.0
    fix["protection_m"] = _SIGMAS_95 * major_m + fault * slope_m if used else math.nan
    if fix["roadway"] >= 0:  # only along the roadway, which the ellipse is wide across
        along = xx + yy
        fix["hdop"] = 1.0 / math.sqrt(along) if along > _SEEN_LEAST else math.nan
    else:
        det = xx * yy - xy * xy
        fix["hdop"] = math.sqrt((xx + yy) / det) if det > _SEEN_LEAST else math.nan
