"""Which ranges can be used at all: sound in form, of a known anchor, new, and in time. Compiled."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from positioning.cards import (
    NOT_FINITE,
    OUT_OF_SCALE,
    REPEATED,
    REPLAYED,
    RING,
    TOO_OLD,
    UNKNOWN_ANCHOR,
    UNKNOWN_CARD,
    Site,
)
from positioning.jit import njit
from positioning.observation import Records

#: Beside the reasons of `positioning.cards`: nothing speaks against the range.
SOUND: Final = -1

#: Within these times the difference of two never overflows.
T_LIMIT_NS: Final = 1 << 62


@njit
def refusal(r: np.void, cards: Records, site: Site) -> int:
    """Why a range cannot be used at all, or `SOUND`."""
    c, anchor, t_ns, range_m, s = r["card"], r["anchor"], r["t_ns"], r["range_m"], site.settings
    if not math.isfinite(range_m):
        return NOT_FINITE
    if range_m < 0.0 or range_m > s["range_max_m"] or t_ns > T_LIMIT_NS or t_ns < -T_LIMIT_NS:
        return OUT_OF_SCALE
    if anchor >= len(site.anchors):
        return UNKNOWN_ANCHOR
    if c >= s["cards_max"]:
        return UNKNOWN_CARD
    card = cards[c]
    ring_anchor, ring_t_ns = card["ring_anchor"], card["ring_t_ns"]
    for k in range(RING):
        if ring_t_ns[k] == t_ns and ring_anchor[k] == anchor:
            return REPEATED
    if t_ns <= card["floor_t_ns"]:
        return REPLAYED
    if card["running"] and card["t_ns"] - t_ns > s["late_max_ns"]:
        return TOO_OLD
    return SOUND
