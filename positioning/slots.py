"""The anchors that a card has heard lately, and what they say of the quality of its fix. Compiled.

`c` is the card.
"""

from __future__ import annotations

import math
from typing import Final

from positioning.cards import BLOCKED, HEARD, REJECTED, SLOPE, SLOTS, USED, USED_SLOTS, Cards, Site
from positioning.jit import njit

#: Before all times.
NEVER: Final = -(1 << 62)
_S_PER_NS: Final = 1e-9


@njit
def slot_of(cards: Cards, site: Site, c: int, anchor: int, t_ns: int) -> int:
    """The slot of `anchor`, made now if it has none; heard at `t_ns`."""
    slots = cards.marks[c, USED_SLOTS]
    oldest = 0
    for k in range(slots):
        if cards.slot_anchor[c, k] == anchor + 1:
            cards.slot_ns[c, k, HEARD] = t_ns
            return k
        if cards.slot_ns[c, k, HEARD] < cards.slot_ns[c, oldest, HEARD]:
            oldest = k
    if slots < SLOTS:
        oldest = slots
        cards.marks[c, USED_SLOTS] = slots + 1
    _begin(cards, site, c, oldest, anchor)
    cards.slot_ns[c, oldest, HEARD] = t_ns
    return oldest


@njit
def _begin(cards: Cards, site: Site, c: int, slot: int, anchor: int) -> None:
    """A slot's first state: nothing used, bias unknown."""
    cards.slot_anchor[c, slot] = anchor + 1
    cards.slot_ns[c, slot, USED] = NEVER
    cards.slot_ns[c, slot, REJECTED] = NEVER
    cards.slot_value[c, slot, SLOPE] = 0.0
    cards.slot_value[c, slot, BLOCKED] = site.settings[0]["blocked_share"]
    b = 4 + slot
    if b >= cards.mean.shape[1]:
        return
    cards.mean[c, b] = 0.0
    for j in range(cards.mean.shape[1]):
        cards.cov[c, b, j] = 0.0
        cards.cov[c, j, b] = 0.0
    cards.cov[c, b, b] = site.settings[0]["bias_var_m2"]
    states = cards.mean.shape[1]
    for k in range(cards.clones.shape[1]):
        cards.clones[c, k, 8 + b] = 0.0
        cards.clones[c, k, 8 + states + b] = 0.0


@njit
def note_use(
    cards: Cards, c: int, slot: int, t_ns: int, slope_m: float, accepted: bool
) -> None:
    """Whether the anchor's range was in accord with the place, and how much that leans on it."""
    if accepted:
        cards.slot_ns[c, slot, USED] = t_ns
        cards.slot_value[c, slot, SLOPE] = slope_m
    else:
        cards.slot_ns[c, slot, REJECTED] = t_ns


@njit
def counts(cards: Cards, site: Site, c: int, t_ns: int) -> tuple[int, int]:
    """How many anchors were in accord with the place lately, and how many were not."""
    used, rejected = 0, 0
    since_ns = t_ns - site.settings[0]["used_ns"]
    for k in range(cards.marks[c, USED_SLOTS]):
        if cards.slot_ns[c, k, USED] >= since_ns:
            used += 1
        elif cards.slot_ns[c, k, REJECTED] >= since_ns:
            rejected += 1
    return used, rejected


@njit
def steepest_m(cards: Cards, site: Site, c: int, t_ns: int) -> float:
    """How far a range wrong by one sigma moves the place, of the worst anchor used lately."""
    slope_m = 0.0
    for k in range(cards.marks[c, USED_SLOTS]):
        if cards.slot_ns[c, k, USED] >= t_ns - site.settings[0]["used_ns"]:
            slope_m = max(slope_m, cards.slot_value[c, k, SLOPE])
    return slope_m


@njit
def dilution(
    cards: Cards, site: Site, c: int, t_ns: int, x: float, y: float, along_x: float, along_y: float
) -> float:
    """Horizontal dilution of precision at (x, y) of the anchors used lately; NaN if unbounded.

    Only along the unit vector (`along_x`, `along_y`) where it is given (not 0, 0).
    """
    xx, xy, yy = 0.0, 0.0, 0.0
    for k in range(cards.marks[c, USED_SLOTS]):
        if cards.slot_ns[c, k, USED] < t_ns - site.settings[0]["used_ns"]:
            continue
        anchor = cards.slot_anchor[c, k] - 1
        dx, dy = x - site.anchors[anchor, 0], y - site.anchors[anchor, 1]
        dz = site.anchors[anchor, 2] - site.anchors[anchor, 3]
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


@njit
def blocked_now(cards: Cards, site: Site, c: int, slot: int, passed_ns: int) -> float:
    """How likely the anchor has no line of sight, `passed_ns` after its last range.

    A Markov chain of two states forgets: obstacles stay for a while.
    """
    s = site.settings[0]
    keep = math.exp(-max(passed_ns, 0) * _S_PER_NS / s["blocked_tau_s"])
    usual = s["blocked_share"]
    return usual + (cards.slot_value[c, slot, BLOCKED] - usual) * keep
