"""The ordinary range of an open area with four states, in one straight piece. Compiled.

Nearly all ranges are ordinary: of a card that is followed, by an anchor that it knows, no older
than the state, with nothing to be searched. All that the general way (`positioning.kernel`,
`positioning.area_track`) would do for it is done here, of the same equations, in fewer steps: what
one range waits for of the one before is a chain of two roots and divisions. Whatever is not
ordinary is left untouched for the general way.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from positioning.anchor_stats import note_anchor
from positioning.area_filter import SLANT_FLOOR_M, VARIANCE_FLOOR, limit_speed
from positioning.area_plain import predict_plain
from positioning.cards import (
    GATED,
    HEARD,
    IN_AREA,
    REJECTED,
    RING,
    RING_MASK,
    SLOPE,
    SLOTS,
    USED,
    UX,
    UY,
    Card,
)
from positioning.intake import SOUND, SOURCE_BITS, T_LIMIT_NS
from positioning.jit import njit, njit_within
from positioning.observation import Kind
from positioning.site import Site
from positioning.slots import note_height

#: Beside `SOUND` and the reasons of `positioning.cards`: for the general way.
NOT_ORDINARY: Final = -3

_S_PER_NS: Final = 1e-9
_RANGE: Final = int(Kind.RANGE)
_SLANT_FLOOR_M2: Final = SLANT_FLOOR_M * SLANT_FLOOR_M
_SLOT_MASK: Final = SLOTS - 1


@njit_within
def _is_ordinary(card: Card, site: Site, m: Any) -> bool:
    t_ns = m["t_ns"]
    dt_ns = t_ns - card["t_ns"]
    if card["model"] != IN_AREA or m["kind"] != _RANGE or m["source"] >= site["anchors"]:
        return False
    if dt_ns < 0 or dt_ns > site["jump_ns"] or t_ns < card["newest_ns"] or t_ns > T_LIMIT_NS:
        return False
    if not 0.0 <= m["value_m"] <= site["range_max_m"]:
        return False
    if card["ambiguous"] | card["coasting"] | card["jumping"]:
        return False
    if card["ring_next"] == 0 or (card["has_floor"] and t_ns <= card["floor_ns"]):
        return False
    if t_ns - card["reviewed_ns"] >= site["review_ns"]:
        return False
    return bool(card["rejects"] + 1 < site["rejects_max"])


@njit_within
def _is_in_ring(card: Card, t_ns: int, code: int) -> bool:
    """Whether what came since the newest time began holds the same range already."""
    if t_ns != card["newest_ns"]:
        return False
    next_, first = card["ring_next"], card["newest_first"]
    ring_ns = card["ring_ns"]
    for i in range(max(first, next_ - RING), next_):
        k = i & RING_MASK
        if ring_ns[k, 1] == code and ring_ns[k, 0] == t_ns:
            return True
    return False


@njit_within
def _known_slot(card: Card, anchor: int) -> int:
    """The slot of an anchor, that after the last first; -1 where it has none."""
    k = card["slot_next"] & _SLOT_MASK
    slot_anchor = card["slot_anchor"]
    if slot_anchor[k] == anchor and k < card["slots"]:
        return int(k)
    for j in range(card["slots"]):
        k = j & _SLOT_MASK
        if slot_anchor[k] == anchor:
            return int(k)
    return -1


@njit_within
def _note(card: Card, m: Any, code: int, slot: int) -> None:
    """What the general way notes of a sound range: its place in the ring, and its slot."""
    next_, t_ns = card["ring_next"], m["t_ns"]
    k = next_ & RING_MASK
    card["ring_ns"][k, 0], card["ring_ns"][k, 1] = t_ns, code
    card["ring_value"][k, 0], card["ring_value"][k, 1] = m["value_m"], m["rssi_dbm"]
    if t_ns > card["newest_ns"]:
        card["newest_ns"] = t_ns
        card["newest_first"] = next_
    card["ring_next"] = next_ + 1
    card["slot_next"] = slot + 1 if slot + 1 < card["slots"] else 0
    card["slot_ns"][slot, HEARD] = t_ns


@njit_within
def _note_result(card: Card, site: Site, m: Any, slot: int, told: Any) -> None:
    """What the general way notes of a range's result."""
    accepted, slope_m2, ux, uy, wide = told
    t_ns, anchor = m["t_ns"], m["source"]
    if accepted:
        slot_ns, leans = card["slot_ns"], card["slot_leans"]
        slot_ns[slot, USED] = t_ns
        leans[slot, SLOPE], leans[slot, UX], leans[slot, UY] = slope_m2, ux, uy
        card["rejects"] = max(card["rejects"] - 1, 0)
        card["accepted_ns"] = card["ranged_ns"] = t_ns
    else:
        card["slot_ns"][slot, REJECTED] = t_ns
        card["rejects"] += 1
    if not wide:
        card["reviewed_ns"] = t_ns
    note_height(card, site, anchor, m["value_m"])


@njit_within
def absorb_range(
    card: Card, site: Site, anchor: int, range_m: float
) -> tuple[bool, float, float, float, float, float, float]:
    """A range into the state: (accepted, NIS, residual, its variance, slope², ux, uy).

    (ux, uy) is the horizontal part of the unit vector from the anchor; the residual's variance is
    that in the worst direction; the slope is that of `positioning.area_plain.update`.
    """
    mean, cov = card["mean"], card["cov"]
    c00, c01, c11 = cov[0, 0], cov[0, 1], cov[1, 1]
    c02, c03, c12, c13 = cov[0, 2], cov[0, 3], cov[1, 2], cov[1, 3]
    dx, dy = mean[0] - site["anchor_x_m"][anchor], mean[1] - site["anchor_y_m"][anchor]
    dz = site["anchor_z_m"][anchor] - site["anchor_card_z_m"][anchor]
    r2 = max(dx * dx + (dy * dy + dz * dz), _SLANT_FLOOR_M2)
    # With q for u'Pu·r², the innovation's variance u'Pu + R + 2·bend² is one fraction, which needs
    # neither 1 / r² nor r before: all three are found at the same time.
    noise_m2, bend_max_m = site["range_var_m2"], site["bend_max_m"]
    q = dx * (c00 * dx + 2.0 * c01 * dy) + (c11 * dy) * dy
    across = (c00 + c11) * r2 - q
    half, r4 = 0.5 * across, r2 * r2
    weight = r4 * r2 / (r4 * (q + noise_m2 * r2) + half * across)
    slant_m, inverse = math.sqrt(r2), 1.0 / r2
    curve, spread = half * (inverse * inverse), q * inverse
    bend_m = curve * slant_m
    residual_m = (range_m - slant_m) - curve * slant_m
    if bend_m > bend_max_m or bend_m < 0.0:
        bend_m = min(max(bend_m, 0.0), bend_max_m)
        weight = 1.0 / (spread + noise_m2 + 2.0 * bend_m * bend_m)
        residual_m = range_m - slant_m - bend_m
    noise_m2 += 2.0 * bend_m * bend_m
    nearness = slant_m * inverse
    nis = residual_m * residual_m * weight
    gate = site["gate_long"] if residual_m > 0.0 else site["gate_short"]
    accepted = True
    if nis > gate * gate:
        accepted = nis <= (2.0 * gate + 1.0) ** 2
        if accepted:
            weight = gate / (gate * spread + noise_m2 * abs(residual_m) * math.sqrt(weight))
    ux, uy = dx * nearness, dy * nearness
    g0, g1 = c00 * ux + c01 * uy, c01 * ux + c11 * uy
    slope_m2 = (g0 * g0 + g1 * g1) * weight
    var_m2 = noise_m2 + c00 + c11
    if accepted:
        g2, g3 = c02 * ux + c12 * uy, c03 * ux + c13 * uy
        step = residual_m * weight
        mean[0] += g0 * step
        mean[1] += g1 * step
        mean[2] += g2 * step
        mean[3] += g3 * step
        s0, s1, s2, s3 = g0 * weight, g1 * weight, g2 * weight, g3 * weight
        cov[0, 0] = max(c00 - s0 * g0, VARIANCE_FLOOR)
        cov[1, 1] = max(c11 - s1 * g1, VARIANCE_FLOOR)
        cov[2, 2] = max(cov[2, 2] - s2 * g2, VARIANCE_FLOOR)
        cov[3, 3] = max(cov[3, 3] - s3 * g3, VARIANCE_FLOOR)
        cov[0, 1], cov[0, 2], cov[0, 3] = c01 - s0 * g1, c02 - s0 * g2, c03 - s0 * g3
        cov[1, 2], cov[1, 3], cov[2, 3] = c12 - s1 * g2, c13 - s1 * g3, cov[2, 3] - s2 * g3
        limit_speed(card, site)
    return accepted, nis, residual_m, var_m2, slope_m2, ux, uy


@njit_within
def _take(card: Card, site: Site, m: Any, slot: int) -> tuple[bool, float]:
    """The range into the state, and what it tells into the notes: (accepted, NIS)."""
    told = absorb_range(card, site, m["source"], m["value_m"])
    accepted, nis, residual_m, var_m2, slope_m2, ux, uy = told
    cov = card["cov"]
    wide = cov[0, 0] + cov[1, 1] > site["review_var_m2"]
    _note_result(card, site, m, slot, (accepted, slope_m2, ux, uy, wide))
    note_anchor(site, m, residual_m, var_m2, ux, uy, accepted)
    return accepted, nis


@njit_within
def take_quickly(card: Card, site: Site, m: Any) -> tuple[int, float]:
    """An ordinary range into its card's filter: (`SOUND` or `GATED`, NIS); else `NOT_ORDINARY`."""
    if len(card["mean"]) > 4 or site["lag_ns"] != 0 or not _is_ordinary(card, site, m):
        return NOT_ORDINARY, math.nan
    code = int(np.int64(m["source"]) << SOURCE_BITS)
    slot = _known_slot(card, m["source"])
    if slot < 0 or _is_in_ring(card, m["t_ns"], code):
        return NOT_ORDINARY, math.nan
    dt_ns = m["t_ns"] - card["t_ns"]
    if dt_ns > 0:
        predict_plain(card, site, dt_ns * _S_PER_NS)
        card["t_ns"] = m["t_ns"]
    _note(card, m, code, slot)
    accepted, nis = _take(card, site, m, slot)
    return SOUND if accepted else GATED, nis


@njit
def take_no_area(card: Card, site: Site, m: Any) -> tuple[int, float]:
    """Where there are no open areas."""
    return NOT_ORDINARY, math.nan
