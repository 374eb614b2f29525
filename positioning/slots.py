"""The anchors that a card has heard lately, and how good they make its fix. Compiled."""

from __future__ import annotations

import math
from typing import Final

from positioning.cards import HEARD, REJECTED, SLOPE, SLOTS, USED, UX, UY, Card
from positioning.jit import njit, njit_within
from positioning.site import Site

#: Before all times.
NEVER: Final = -(1 << 62)
_S_PER_NS: Final = 1e-9


@njit_within
def find_slot(card: Card, anchor: int, t_ns: int) -> int:
    """The slot of `anchor`, which is heard at `t_ns`; -1 where it has none.

    Anchors mostly answer in the same order: the one after the last is looked at first.
    """
    slots, slot_anchor = card["slots"], card["slot_anchor"]
    k = card["slot_next"]
    if k >= slots or slot_anchor[k] != anchor:
        k = 0
        while k < slots and slot_anchor[k] != anchor:
            k += 1
        if k == slots:
            return -1
    card["slot_next"] = k + 1 if k + 1 < slots else 0
    card["slot_ns"][k, HEARD] = t_ns
    return int(k)


@njit
def take_slot(card: Card, anchor: int, t_ns: int) -> int:
    """A slot for `anchor`, which is heard first; the anchor heard longest ago makes room."""
    times_ns = card["slot_ns"]
    slot = card["slots"]
    if slot < SLOTS:
        card["slots"] = slot + 1
    else:
        slot = 0
        for k in range(SLOTS):
            if times_ns[k, HEARD] < times_ns[slot, HEARD]:
                slot = k
    card["slot_anchor"][slot] = anchor
    times_ns[slot, HEARD] = t_ns
    times_ns[slot, USED] = times_ns[slot, REJECTED] = NEVER
    return int(slot)


@njit
def slot_of(card: Card, anchor: int, t_ns: int) -> int:
    """The slot of `anchor`, made now if it has none; heard at `t_ns`."""
    slot = find_slot(card, anchor, t_ns)
    return slot if slot >= 0 else take_slot(card, anchor, t_ns)


@njit_within
def note_use(
    card: Card, slot: int, t_ns: int, slope_m2: float, ux: float, uy: float, accepted: bool
) -> None:
    """Whether the anchor's range was in accord with the place, and how much that leans on it.

    `slope_m2`: square of how far the place moves for an innovation of one sigma; (ux, uy): the
    direction from the anchor.
    """
    if accepted:
        card["slot_ns"][slot, USED] = t_ns
        leans = card["slot_leans"]
        leans[slot, SLOPE] = slope_m2
        leans[slot, UX] = ux
        leans[slot, UY] = uy
    else:
        card["slot_ns"][slot, REJECTED] = t_ns


@njit_within
def note_height(card: Card, site: Site, anchor: int, range_m: float) -> None:
    """A card is as high as one near the nearest anchor that it hears."""
    now_ns, known_m, known_ns = card["t_ns"], card["z_range_m"], card["z_ns"]
    outdated = (range_m < known_m) | (now_ns - known_ns > site["extrapolated_ns"])
    nearer = outdated | (anchor == card["z_anchor"])
    # Written in any case: which anchor is the nearest cannot be foretold, and so no branch either.
    card["z_anchor"] = anchor if nearer else card["z_anchor"]
    card["z_range_m"] = range_m if nearer else known_m
    card["z_ns"] = now_ns if nearer else known_ns
    card["z_m"] = site["anchor_card_z_m"][anchor] if nearer else card["z_m"]


@njit_within
def quality(card: Card, site: Site, t_ns: int) -> tuple[int, int, float, float, float, float]:
    """Of the anchors heard lately: (used, rejected, steepest slope, information xx, xy, yy).

    Used are those in accord with the place, rejected those that were not. The slope, metres, is how
    far a range wrong by one sigma moves the place, of the worst; the information is that of ranges
    of unit variance.
    """
    used, rejected = 0, 0
    slope_m2, xx, xy, yy = 0.0, 0.0, 0.0, 0.0
    since_ns = t_ns - site["used_ns"]
    times_ns, leans = card["slot_ns"], card["slot_leans"]
    for k in range(card["slots"]):
        if times_ns[k, USED] >= since_ns:
            used += 1
            slope_m2 = max(slope_m2, leans[k, SLOPE])
            xx += leans[k, UX] * leans[k, UX]
            xy += leans[k, UX] * leans[k, UY]
            yy += leans[k, UY] * leans[k, UY]
        elif times_ns[k, REJECTED] >= since_ns:
            rejected += 1
    return used, rejected, math.sqrt(slope_m2), xx, xy, yy


@njit_within
def kept_share(card: Card, site: Site, slot: int, t_ns: int) -> float:
    """How much of what the anchor's last range told of obstacles still holds at `t_ns`.

    A Markov chain of two states forgets: obstacles stay for a while.
    """
    last_ns = max(card["slot_ns"][slot, USED], card["slot_ns"][slot, REJECTED])
    if last_ns == NEVER:
        return 0.0
    return math.exp(-max(t_ns - last_ns, 0) * _S_PER_NS / site["blocked_tau_s"])
