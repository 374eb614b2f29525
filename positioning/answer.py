"""A card's state as a fix, and its past places as smoothed fixes. Compiled. `c` is the card."""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.cards import (
    ACCEPTED,
    AMBIGUOUS,
    CLONE_CLASS,
    CLONE_CROSS,
    CLONES,
    IN_AREA,
    LAGGED,
    LOG_WEIGHT,
    MODEL,
    PLACES,
    RANGED,
    SEEN,
    SS,
    USED_SLOTS,
    Cards,
    S,
    Site,
    T,
    V,
)
from positioning.jit import njit
from positioning.observation import FixClass
from positioning.roadway_filter import best_place, half_widths_var_m2, point_at
from positioning.slots import counts, dilution, steepest_m

_S_PER_NS: Final = 1e-9
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


@njit
def answer(cards: Cards, site: Site, c: int, t_ns: int, nis: float, fix: Any) -> None:
    """Writes the card's state, moved on to `t_ns`, as a fix."""
    marks = cards.marks
    fix["card"] = c
    fix["t_ns"] = t_ns
    fix["nis"] = nis
    fix["age_s"] = max(t_ns - marks[c, ACCEPTED], 0) * _S_PER_NS
    used, rejected = counts(cards, site, c, t_ns)
    fix["anchors_used"], fix["anchors_rejected"] = used, rejected
    if marks[c, MODEL] == IN_AREA:
        _answer_in_area(cards, site, c, t_ns, fix)
    else:
        _answer_on_roadway(cards, site, c, t_ns, fix)
    fix["fix_class"] = _class_of(cards, site, c, t_ns, fix["var_x_m2"] + fix["var_y_m2"])
    spread = fix["var_x_m2"] - fix["var_y_m2"]
    major = math.sqrt(spread * spread + 4.0 * fix["cov_xy_m2"] * fix["cov_xy_m2"])
    major_m = math.sqrt(0.5 * (fix["var_x_m2"] + fix["var_y_m2"] + major))
    fault = 2.0 * site.settings[0]["gate_long"] + 1.0
    slope_m = steepest_m(cards, site, c, t_ns)
    fix["protection_m"] = _SIGMAS_95 * major_m + fault * slope_m if used else math.nan


@njit
def _class_of(cards: Cards, site: Site, c: int, t_ns: int, var_m2: float) -> int:
    marks, s = cards.marks, site.settings[0]
    age_ns = t_ns - marks[c, ACCEPTED]
    if marks[c, SEEN] and t_ns - marks[c, RANGED] > s["presence_after_ns"]:
        return _ZONE if age_ns <= _LOST_NS else _LOST
    if age_ns > _LOST_NS or (var_m2 > _LOST_M * _LOST_M and not marks[c, AMBIGUOUS]):
        return _LOST
    if age_ns > s["extrapolated_ns"]:
        return _EXTRAPOLATED
    if marks[c, AMBIGUOUS]:
        return _AMBIGUOUS
    return _PRECISE if marks[c, MODEL] == IN_AREA else _ROADWAY


@njit
def _answer_in_area(cards: Cards, site: Site, c: int, t_ns: int, fix: Any) -> None:
    mean, cov, s = cards.mean, cards.cov, site.settings[0]
    dt_s = (t_ns - cards.marks[c, T]) * _S_PER_NS
    moved_s = min(dt_s, s["extrapolated_ns"] * _S_PER_NS)
    walked_m = min(s["start_speed_m_s"] * dt_s, s["hold_max_m"])
    var_x_m2, var_y_m2 = cov[c, 0, 0] + walked_m * walked_m, cov[c, 1, 1] + walked_m * walked_m
    most_m2 = 0.9999 * math.sqrt(var_x_m2 * var_y_m2)  # so that the ellipse has a width
    x, y = mean[c, 0] + moved_s * mean[c, 2], mean[c, 1] + moved_s * mean[c, 3]
    _height(cards, site, c)
    fix["x_m"], fix["y_m"], fix["z_m"] = x, y, cards.z_m[c]
    fix["vx_m_s"], fix["vy_m_s"] = mean[c, 2], mean[c, 3]
    fix["var_x_m2"], fix["var_y_m2"] = var_x_m2, var_y_m2
    fix["cov_xy_m2"] = min(max(cov[c, 0, 1], -most_m2), most_m2)
    fix["roadway"], fix["chainage_m"] = -1, math.nan
    fix["hdop"] = dilution(cards, site, c, t_ns, x, y, 0.0, 0.0)


@njit
def _height(cards: Cards, site: Site, c: int) -> None:
    """A card is as high as one near the nearest anchor that it has heard lately."""
    nearest_m2 = math.inf
    for k in range(cards.marks[c, USED_SLOTS]):
        anchor = cards.slot_anchor[c, k] - 1
        dx = site.anchors[anchor, 0] - cards.mean[c, 0]
        dy = site.anchors[anchor, 1] - cards.mean[c, 1]
        if dx * dx + dy * dy < nearest_m2:
            nearest_m2 = dx * dx + dy * dy
            cards.z_m[c] = site.anchors[anchor, 3]


@njit
def _answer_on_roadway(cards: Cards, site: Site, c: int, t_ns: int, fix: Any) -> None:
    g, h = site.graph, cards.hypotheses
    k = best_place(cards, c)
    piece = cards.pieces[c, k]
    edge = g.piece_edge[piece]
    dt_s = (t_ns - cards.marks[c, T]) * _S_PER_NS
    moved_m = min(dt_s, site.settings[0]["extrapolated_ns"] * _S_PER_NS) * h[c, k, V]
    s_m = min(max(h[c, k, S] + moved_m, 0.0), g.length_m[edge])
    x, y, z = point_at(g, piece, s_m)
    flat = max(math.hypot(g.along[piece, 0], g.along[piece, 1]), 1e-6)
    tx, ty = g.along[piece, 0], g.along[piece, 1]
    walked_m = min(site.settings[0]["start_speed_m_s"] * dt_s, site.settings[0]["hold_max_m"])
    along = h[c, k, SS] + site.settings[0]["bias_var_m2"] + walked_m * walked_m
    aside = half_widths_var_m2(g, edge) / (flat * flat)
    fix["x_m"], fix["y_m"], fix["z_m"] = x, y, z
    fix["vx_m_s"], fix["vy_m_s"] = h[c, k, V] * tx, h[c, k, V] * ty
    fix["var_x_m2"] = along * tx * tx + aside * ty * ty
    fix["cov_xy_m2"] = (along - aside) * tx * ty
    fix["var_y_m2"] = along * ty * ty + aside * tx * tx
    fix["roadway"] = g.roadway[edge]
    fix["chainage_m"] = g.chainage_m[edge] + s_m
    fix["hdop"] = dilution(cards, site, c, t_ns, x, y, tx / flat, ty / flat)
    if cards.marks[c, PLACES] > 1:
        _add_others(cards, site, c, k, fix)


@njit
def _add_others(cards: Cards, site: Site, c: int, best: int, fix: Any) -> None:
    """The places beside the best belong to the uncertainty of the best."""
    g, h = site.graph, cards.hypotheses
    total, xx, xy, yy = 0.0, 0.0, 0.0, 0.0
    for k in range(cards.marks[c, PLACES]):
        weight = math.exp(h[c, k, LOG_WEIGHT] - h[c, best, LOG_WEIGHT])
        total += weight
        if k == best:
            continue
        piece = cards.pieces[c, k]
        x, y, _ = point_at(g, piece, h[c, k, S])
        dx, dy = x - fix["x_m"], y - fix["y_m"]
        tx, ty = g.along[piece, 0], g.along[piece, 1]
        xx += weight * (dx * dx + h[c, k, SS] * tx * tx)
        xy += weight * (dx * dy + h[c, k, SS] * tx * ty)
        yy += weight * (dy * dy + h[c, k, SS] * ty * ty)
    fix["var_x_m2"] += xx / total
    fix["cov_xy_m2"] += xy / total
    fix["var_y_m2"] += yy / total


@njit
def keep_clone(cards: Cards, site: Site, c: int, fix_class: int) -> None:
    """Keeps the place of now to be smoothed, if the last that was kept is old enough."""
    t_ns = cards.marks[c, T]
    clones, lag_ns = cards.clones, site.settings[0]["lag_ns"]
    free, kept = -1, 0
    for j in range(clones.shape[1]):
        if clones[c, j, CLONE_CLASS] == 0.0:
            free = j
        else:
            kept += 1
    if free < 0 or (kept and (t_ns - cards.marks[c, LAGGED]) * CLONES < lag_ns):
        return
    cards.marks[c, LAGGED] = t_ns
    cards.clone_ns[c, free] = t_ns
    clones[c, free, CLONE_CLASS] = fix_class
    width = cards.mean.shape[1]
    if cards.marks[c, MODEL] == IN_AREA:
        cov = cards.cov
        for i in range(4):
            clones[c, free, i] = cards.mean[c, i]
        clones[c, free, 4], clones[c, free, 5] = cov[c, 0, 0], cov[c, 0, 1]
        clones[c, free, 6] = cov[c, 1, 1]
        for i in range(width):
            clones[c, free, CLONE_CROSS + i] = cov[c, 0, i]
            clones[c, free, CLONE_CROSS + width + i] = cov[c, 1, i]
        for k in range(cards.trail_pieces.shape[1]):
            cards.trail_pieces[c, k, free] = -1
        return
    for i in range(CLONE_CROSS + 2 * width):
        clones[c, free, i] = 0.0
    clones[c, free, CLONE_CLASS] = fix_class
    for k in range(cards.marks[c, PLACES]):
        h = cards.hypotheses
        cards.trail_pieces[c, k, free] = cards.pieces[c, k]
        cards.trails[c, k, free, 0] = h[c, k, S]
        cards.trails[c, k, free, 1] = cards.trails[c, k, free, 2] = h[c, k, 2]
        cards.trails[c, k, free, 3] = h[c, k, 3]
        cards.trails[c, k, free, 4] = h[c, k, V]


@njit
def ripe_clone(cards: Cards, site: Site, c: int) -> int:
    """The oldest past place that has been smoothed for the whole lag, or -1."""
    oldest = -1
    for j in range(cards.clones.shape[1]):
        if cards.clones[c, j, CLONE_CLASS] == 0.0:
            continue
        if cards.marks[c, T] - cards.clone_ns[c, j] < site.settings[0]["lag_ns"]:
            continue
        if oldest < 0 or cards.clone_ns[c, j] < cards.clone_ns[c, oldest]:
            oldest = j
    return oldest


@njit
def answer_clone(cards: Cards, site: Site, c: int, j: int, fix: Any) -> bool:
    """Writes a past place as a fix and forgets it; False where nothing came of it."""
    clones, marks = cards.clones, cards.marks
    fix_class = int(clones[c, j, CLONE_CLASS])
    clones[c, j, CLONE_CLASS] = 0.0
    fix["card"], fix["t_ns"] = c, cards.clone_ns[c, j]
    fix["roadway"], fix["chainage_m"] = -1, math.nan
    fix["nis"] = fix["hdop"] = fix["protection_m"] = math.nan
    fix["age_s"] = 0.0
    fix["anchors_used"], fix["anchors_rejected"] = counts(cards, site, c, marks[c, T])
    fix["fix_class"] = fix_class
    if marks[c, MODEL] == IN_AREA or clones[c, j, 4] != 0.0:
        if clones[c, j, 4] == 0.0:
            return False
        fix["x_m"], fix["y_m"], fix["z_m"] = clones[c, j, 0], clones[c, j, 1], cards.z_m[c]
        fix["vx_m_s"], fix["vy_m_s"] = clones[c, j, 2], clones[c, j, 3]
        fix["var_x_m2"], fix["var_y_m2"] = max(clones[c, j, 4], 1e-6), max(clones[c, j, 6], 1e-6)
        most_m2 = 0.9999 * math.sqrt(fix["var_x_m2"] * fix["var_y_m2"])
        fix["cov_xy_m2"] = min(max(clones[c, j, 5], -most_m2), most_m2)
        return True
    k = best_place(cards, c)
    piece = cards.trail_pieces[c, k, j]
    if piece < 0:
        return False
    _write_trail(cards, site, c, k, j, fix)
    if fix_class == _AMBIGUOUS and not marks[c, AMBIGUOUS]:
        fix["fix_class"] = _ROADWAY
    return True


@njit
def _write_trail(cards: Cards, site: Site, c: int, k: int, j: int, fix: Any) -> None:
    g = site.graph
    piece = cards.trail_pieces[c, k, j]
    edge = g.piece_edge[piece]
    s_m = min(max(cards.trails[c, k, j, 0], 0.0), g.length_m[edge])
    tx, ty = g.along[piece, 0], g.along[piece, 1]
    along = max(cards.trails[c, k, j, 1], 1e-4) + site.settings[0]["bias_var_m2"]
    aside = half_widths_var_m2(g, edge)
    speed_m_s = cards.trails[c, k, j, 4]
    fix["x_m"], fix["y_m"], fix["z_m"] = point_at(g, piece, s_m)
    fix["vx_m_s"], fix["vy_m_s"] = speed_m_s * tx, speed_m_s * ty
    fix["var_x_m2"] = along * tx * tx + aside * ty * ty
    fix["cov_xy_m2"] = (along - aside) * tx * ty
    fix["var_y_m2"] = along * ty * ty + aside * tx * tx
    fix["roadway"], fix["chainage_m"] = g.roadway[edge], g.chainage_m[edge] + s_m
