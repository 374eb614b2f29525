"""The anchors that a card has heard lately, and what they say of the quality of its fix. Compiled."""

from __future__ import annotations

import math
from typing import Final

from positioning.cards import SLOTS, Card
from positioning.jit import njit, njit_within
from positioning.site import Site

#: Before all times.
NEVER: Final = -(1 << 62)
_S_PER_NS: Final = 1e-9


@njit_within
def find_slot(card: Card, anchor: int, t_ns: int) -> int:
    """The slot of `anchor`, which is heard at `t_ns`; -1 where it has none."""
    slot_anchor = card["slot_anchor"]
    for k in range(card["slots"]):
        if slot_anchor[k] == anchor:
            card["slot_heard_ns"][k] = t_ns
            return k
    return -1


@njit
def take_slot(card: Card, anchor: int, t_ns: int) -> int:
    """A slot for `anchor`, which is heard first; the anchor heard longest ago makes room."""
    heard_ns = card["slot_heard_ns"]
    slot = card["slots"]
    if slot < SLOTS:
        card["slots"] = slot + 1
    else:
        slot = 0
        for k in range(SLOTS):
            if heard_ns[k] < heard_ns[slot]:
                slot = k
    card["slot_anchor"][slot] = anchor
    heard_ns[slot] = t_ns
    card["slot_used_ns"][slot] = card["slot_rejected_ns"][slot] = NEVER
    card["slot_slope_m"][slot] = 0.0
    return int(slot)


@njit
def slot_of(card: Card, anchor: int, t_ns: int) -> int:
    """The slot of `anchor`, made now if it has none; heard at `t_ns`."""
    slot = find_slot(card, anchor, t_ns)
    return slot if slot >= 0 else take_slot(card, anchor, t_ns)


@njit_within
def note_use(card: Card, slot: int, t_ns: int, slope_m: float, accepted: bool) -> None:
    """Whether the anchor's range was in accord with the place, and how much that leans on it."""
    if accepted:
        card["slot_used_ns"][slot] = t_ns
        card["slot_slope_m"][slot] = slope_m
    else:
        card["slot_rejected_ns"][slot] = t_ns


@njit
def counts(card: Card, site: Site, t_ns: int) -> tuple[int, int]:
    """How many anchors were in accord with the place lately, and how many were not."""
    used, rejected = 0, 0
    since_ns = t_ns - site["used_ns"]
    for k in range(card["slots"]):
        if card["slot_used_ns"][k] >= since_ns:
            used += 1
        elif card["slot_rejected_ns"][k] >= since_ns:
            rejected += 1
    return used, rejected


@njit
def steepest_m(card: Card, site: Site, t_ns: int) -> float:
    """How far a range wrong by one sigma moves the place, of the worst anchor used lately."""
    slope_m = 0.0
    for k in range(card["slots"]):
        if card["slot_used_ns"][k] >= t_ns - site["used_ns"]:
            slope_m = max(slope_m, card["slot_slope_m"][k])
    return slope_m


@njit
def dilution(
    card: Card, site: Site, t_ns: int, x: float, y: float, along_x: float, along_y: float
) -> float:
    """Horizontal dilution of precision at (x, y) of the anchors used lately; NaN if unbounded.

    Only along the unit vector (`along_x`, `along_y`) where it is given (not 0, 0).
    """
    xx, xy, yy = 0.0, 0.0, 0.0
    for k in range(card["slots"]):
        if card["slot_used_ns"][k] < t_ns - site["used_ns"]:
            continue
        anchor = card["slot_anchor"][k]
        dx, dy = x - site["anchor_x_m"][anchor], y - site["anchor_y_m"][anchor]
        dz = site["anchor_z_m"][anchor] - site["anchor_card_z_m"][anchor]
        slant_m2 = dx * dx + dy * dy + dz * dz
        if slant_m2 <= 0.0:
            continue
        xx += dx * dx / slant_m2
        xy += dx * dy / slant_m2
        yy += dy * dy / slant_m2
    if along_x != 0.0 or along_y != 0.0:
        seen = along_x * along_x * xx + 2.0 * along_x * along_y * xy + along_y * along_y * yy
        return 1.0 / math.sqrt(seen) if seen > 1e-6 else math.nan
    det = xx * yy - xy * xy
    return math.sqrt((xx + yy) / det) if det > 1e-6 else math.nan


@njit_within
def kept_share(card: Card, site: Site, slot: int, t_ns: int) -> float:
    """How much of what the anchor's last range told of obstacles still holds at `t_ns`.

    A Markov chain of two states forgets: obstacles stay for a while.
    """
    last_ns = max(card["slot_used_ns"][slot], card["slot_rejected_ns"][slot])
    if last_ns == NEVER:
        return 0.0
    return math.exp(-max(t_ns - last_ns, 0) * _S_PER_NS / site["blocked_tau_s"])
