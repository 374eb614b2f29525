"""Which measurements can be used at all: sound in form, of a known source, new, in time. Compiled.

`m` is one record of `MEASUREMENT`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from positioning.cards import (
    NOT_FINITE,
    OUT_OF_SCALE,
    REPEATED,
    REPLAYED,
    RING,
    RING_MASK,
    TOO_OLD,
    UNKNOWN_ANCHOR,
    UNPLACED,
    Card,
)
from positioning.jit import njit, njit_within
from positioning.observation import Kind
from positioning.site import Site

#: Beside the reasons of `positioning.cards`: nothing speaks against the measurement.
SOUND: Final = -1

#: Within these times the difference of two never overflows.
T_LIMIT_NS: Final = (1 << 62) - 1
#: No mine's frame reaches further, and no place is known worse than by this variance.
_PLACE_MAX_M: Final = 1e7
_VARIANCE_MAX_M2: Final = 1e10
#: More than there are anchors or readers.
SOURCE_BITS: Final = 20
_SOURCES: Final = 1 << SOURCE_BITS

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


@njit_within
def _form_problem(m: Any, site: Site) -> int:  # noqa: PLR0911 one return a reason
    """What is wrong with a measurement whatever its card is, or `SOUND`."""
    kind, value_m = m["kind"], m["value_m"]
    if kind == _PLACE:
        return _place_problem(m)
    if kind == _SIGHTING:
        return SOUND if m["source"] < site["readers"] else UNKNOWN_ANCHOR
    if not math.isfinite(value_m):
        return NOT_FINITE
    if abs(value_m) > site["range_max_m"]:
        return OUT_OF_SCALE
    if m["source"] >= site["anchors"]:
        return UNKNOWN_ANCHOR
    if kind == _DIFFERENCE:
        if m["other"] >= site["anchors"] or m["other"] == m["source"]:
            return UNKNOWN_ANCHOR
        return SOUND
    if kind != _RANGE or value_m < 0.0:
        return OUT_OF_SCALE
    return SOUND


@njit_within
def refusal(m: Any, card: Card, site: Site) -> int:
    """Why a measurement cannot be used at all, or `SOUND`."""
    t_ns = m["t_ns"]
    problem = _form_problem(m, site)
    if problem != SOUND:
        return problem
    if t_ns > T_LIMIT_NS or t_ns < -T_LIMIT_NS:
        return OUT_OF_SCALE
    if card["has_floor"] and t_ns <= card["floor_ns"]:
        return REPLAYED
    if card["ring_next"] > 0 and t_ns > card["newest_ns"]:
        return SOUND  # newer than all before it: so it is not one of them
    if _is_repeated(m, card):
        return REPEATED
    if card["model"] != UNPLACED and card["t_ns"] - t_ns > site["late_max_ns"]:
        return TOO_OLD
    return SOUND


@njit
def _is_repeated(m: Any, card: Card) -> bool:
    ring_ns, code = card["ring_ns"], _code(m)
    first = max(card["ring_next"] - RING, 0)
    if m["t_ns"] == card["newest_ns"]:  # as in a round: only what came since can be the same
        first = max(first, card["newest_first"])
    for i in range(first, card["ring_next"]):
        k = i & RING_MASK
        if ring_ns[k, 0] == m["t_ns"] and ring_ns[k, 1] == code:
            return True
    return False


@njit_within
def _code(m: Any) -> int:
    """What was measured, in one number: kind, source and, of a difference, the other anchor."""
    # Signed, as the ring is: compared with an unsigned number both would become floats.
    kind, other = np.int64(m["kind"]), np.int64(0)
    if kind == _DIFFERENCE:
        other = np.int64(m["other"])
    return int((kind * _SOURCES + np.int64(m["source"])) * _SOURCES + other)


@njit_within
def coded(code: int) -> tuple[int, int, int]:
    """(kind, source, other) of a code in the ring."""
    return code // (_SOURCES * _SOURCES), code // _SOURCES % _SOURCES, code % _SOURCES


@njit_within
def remember(m: Any, card: Card) -> None:
    """Puts a measurement into its card's ring."""
    k = card["ring_next"] & RING_MASK
    card["ring_ns"][k, 0] = m["t_ns"]
    card["ring_ns"][k, 1] = _code(m)
    card["ring_value"][k, 0] = m["value_m"]
    card["ring_value"][k, 1] = m["rssi_dbm"]
    if card["ring_next"] == 0 or m["t_ns"] > card["newest_ns"]:
        card["newest_ns"] = m["t_ns"]
        card["newest_first"] = card["ring_next"]
    card["ring_next"] += 1
