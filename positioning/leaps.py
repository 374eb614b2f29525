"""Cards that leap: heard here and there, faster than anyone gets from one to the other. Compiled.

A range says that the card is not farther from its anchor than that, for radio is never too short
but for noise; a sighting, that it is within the reader's radius. So from one measurement to the
next the card has gone at least the distance of their sources, less both.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from positioning.jit import njit_cached, njit_within
from positioning.observation import Kind, Records
from positioning.polygons import Floats

_PLACE: Final = (np.float64, 4)
#: Of a card: where the source of its last measurement is (x, y, z) and how far from it the card may
#: be, metres, and when that was, 0 = never; the same of the two ends of its last leap; how often it
#: has leapt between these two, and when it did so last, by the clock of who asks.
HEARD: Final = np.dtype(
    [
        ("last", *_PLACE),
        ("last_ns", np.int64),
        ("from", *_PLACE),
        ("from_ns", np.int64),
        ("to", *_PLACE),
        ("to_ns", np.int64),
        ("leaps", np.int64),
        ("leapt_ns", np.int64),
    ]
)
#: Anchors stand some metres from where the survey says, and ranges are short by noise.
MARGIN_M: Final = 10.0
#: What is longer is no range.
_RANGE_MOST_M: Final = 1e6

_RANGE: Final = int(Kind.RANGE)
_SIGHTING: Final = int(Kind.SIGHTING)
_S_PER_NS: Final = 1e-9


@njit_within
def _is_leap(a: Floats, a_ns: int, b: Floats, b_ns: int, limits: tuple[float, float]) -> bool:
    """Whether nobody gets from one place to the other in the time between.

    `limits`: how fast the card can be, m/s, and by how much two clocks may differ, s.
    """
    away_m = math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)
    took_s = abs(a_ns - b_ns) * _S_PER_NS + limits[1]
    return bool(away_m - a[3] - b[3] - MARGIN_M > limits[0] * took_s)


@njit_within
def _is_known(card: Any, place: Floats, t_ns: int, limits: tuple[float, float]) -> bool:
    """Whether a leap to `place` is between the two ends of the leap before, either way."""
    if card["from_ns"] == 0:
        return False
    last, last_ns = card["last"], card["last_ns"]
    a, a_ns, b, b_ns = card["from"], card["from_ns"], card["to"], card["to_ns"]
    again = not _is_leap(a, a_ns, last, last_ns, limits) and not _is_leap(
        b, b_ns, place, t_ns, limits
    )
    return again or (
        not _is_leap(b, b_ns, last, last_ns, limits) and not _is_leap(a, a_ns, place, t_ns, limits)
    )


@njit_within
def _count(card: Any, known: bool, moment: tuple[int, int]) -> None:
    now_ns, within_ns = moment
    if not known or now_ns - card["leapt_ns"] > within_ns:
        card["leaps"] = 1
    elif card["leapt_ns"] < now_ns:
        card["leaps"] += 1
    card["leapt_ns"] = now_ns


@njit_cached
def note_leaps(
    told: Records,
    sources: tuple[Floats, Floats],
    heard: Records,
    speeds_m_s: Floats,
    slack_s: float,
    moment: tuple[int, int],
) -> int:
    """Counts how often cards leap between two places, by (n,) MEASUREMENT in order of arrival.

    `sources`: anchors and readers, (k, 4) each: x, y, z and the radius; an anchor with NaN, and
    what is of no source of these, says nothing. `heard`, (cards,) HEARD, is brought up to date.
    `speeds_m_s`: how fast each card can be; two sources' clocks may differ by `slack_s`. `moment`:
    now, and how soon one leap must follow another, ns. However often a card leaps in one call, it
    has leapt once. Wrong measurements leap to somewhere else each time.

    Returns the number of leaps.
    """
    place, leaps = np.empty(4), 0
    for row in range(len(told)):
        one = told[row]
        is_range = one["kind"] == _RANGE
        if not is_range and one["kind"] != _SIGHTING:
            continue
        known = sources[0] if is_range else sources[1]
        if one["source"] >= len(known):
            continue
        place[:] = known[one["source"]]
        if is_range:
            place[3] = one["value_m"]
        if not (math.isfinite(place[0]) and 0.0 <= place[3] < _RANGE_MOST_M):
            continue
        card, t_ns = heard[one["card"]], one["t_ns"]
        limits = (speeds_m_s[one["card"]], slack_s)
        if card["last_ns"] > 0 and _is_leap(card["last"], card["last_ns"], place, t_ns, limits):
            leaps += 1
            _count(card, _is_known(card, place, t_ns, limits), moment)
            card["from"][:] = card["last"]
            card["from_ns"] = card["last_ns"]
            card["to"][:] = place
            card["to_ns"] = t_ns
        card["last"][:] = place
        card["last_ns"] = t_ns
    return leaps
