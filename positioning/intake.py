"""Which measurements can be used at all: sound in form, of a known source, new, in time. Compiled.

`m` is one record of `MEASUREMENT`, `c` its card.
"""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.cards import (
    FLOOR,
    HAS_FLOOR,
    MODEL,
    NEWEST,
    NOT_FINITE,
    OUT_OF_SCALE,
    REPEATED,
    REPLAYED,
    RING,
    RING_NEXT,
    TOO_OLD,
    UNKNOWN_ANCHOR,
    UNKNOWN_CARD,
    UNPLACED,
    Cards,
    Site,
    T,
)
from positioning.jit import njit
from positioning.observation import Kind

#: Beside the reasons of `positioning.cards`: nothing speaks against the measurement.
SOUND: Final = -1

#: Within these times the difference of two never overflows.
T_LIMIT_NS: Final = 1 << 62
#: No mine's frame reaches further, and no place is known worse than by this variance.
_PLACE_MAX_M: Final = 1e7
_VARIANCE_MAX_M2: Final = 1e10

_RANGE: Final = int(Kind.RANGE)
_DIFFERENCE: Final = int(Kind.DIFFERENCE)
_SIGHTING: Final = int(Kind.SIGHTING)
_PLACE: Final = int(Kind.PLACE)


@njit
def _place_problem(m: Any) -> int:
    """What is wrong with another engine's place, or `SOUND`."""
    x, y, xx, xy, yy = m["value_m"], m["y_m"], m["var_x_m2"], m["cov_xy_m2"], m["var_y_m2"]
    if not math.isfinite(x + y + xx + xy + yy):
        return NOT_FINITE
    if abs(x) > _PLACE_MAX_M or abs(y) > _PLACE_MAX_M or max(xx, yy) > _VARIANCE_MAX_M2:
        return OUT_OF_SCALE
    if xx <= 0.0 or yy <= 0.0 or xy * xy >= xx * yy:
        return OUT_OF_SCALE
    return SOUND


@njit
def _form_problem(m: Any, site: Site) -> int:
    """What is wrong with a measurement whatever its card is, or `SOUND`."""
    kind, value_m = m["kind"], m["value_m"]
    if kind == _PLACE:
        return _place_problem(m)
    if kind == _SIGHTING:
        return SOUND if m["source"] < len(site.readers) else UNKNOWN_ANCHOR
    if not math.isfinite(value_m):
        return NOT_FINITE
    if abs(value_m) > site.settings[0]["range_max_m"]:
        return OUT_OF_SCALE
    if m["source"] >= len(site.anchors):
        return UNKNOWN_ANCHOR
    if kind == _DIFFERENCE:
        if m["other"] >= len(site.anchors) or m["other"] == m["source"]:
            return UNKNOWN_ANCHOR
        return SOUND
    if kind != _RANGE or value_m < 0.0:
        return OUT_OF_SCALE
    return SOUND


@njit
def refusal(m: Any, cards: Cards, site: Site) -> int:
    """Why a measurement cannot be used at all, or `SOUND`."""
    c, t_ns = m["card"], m["t_ns"]
    problem = _form_problem(m, site)
    if problem != SOUND:
        return problem
    if t_ns > T_LIMIT_NS or t_ns < -T_LIMIT_NS:
        return OUT_OF_SCALE
    if c >= site.settings[0]["cards_max"]:
        return UNKNOWN_CARD
    marks = cards.marks
    if marks[c, HAS_FLOOR] and t_ns <= marks[c, FLOOR]:
        return REPLAYED
    if t_ns > marks[c, NEWEST] and marks[c, RING_NEXT] > 0:
        return SOUND  # newer than all before it: so it is not one of them
    if _is_repeated(m, cards):
        return REPEATED
    if marks[c, MODEL] != UNPLACED and marks[c, T] - t_ns > site.settings[0]["late_max_ns"]:
        return TOO_OLD
    return SOUND


@njit
def _is_repeated(m: Any, cards: Cards) -> bool:
    c, t_ns, source, kind = m["card"], m["t_ns"], m["source"], m["kind"]
    other = m["other"] if kind == _DIFFERENCE else 0
    for k in range(min(cards.marks[c, RING_NEXT], RING)):
        old = cards.ring[c, k]
        same = old["t_ns"] == t_ns and old["source"] == source + 1 and old["kind"] == kind
        if same and (kind != _DIFFERENCE or old["other"] == other + 1):
            return True
    return False


@njit
def remember(m: Any, cards: Cards) -> None:
    """Puts a measurement into its card's ring."""
    c = m["card"]
    k = cards.marks[c, RING_NEXT] % RING
    kept = cards.ring[c, k]
    kept["t_ns"] = m["t_ns"]
    kept["value_m"] = m["value_m"]
    kept["rssi_dbm"] = m["rssi_dbm"]
    kept["source"] = m["source"] + 1
    kept["other"] = m["other"] + 1
    kept["kind"] = m["kind"]
    kept["side"] = m["side"]
    if cards.marks[c, RING_NEXT] == 0 or m["t_ns"] > cards.marks[c, NEWEST]:
        cards.marks[c, NEWEST] = m["t_ns"]
    cards.marks[c, RING_NEXT] += 1
