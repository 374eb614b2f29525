"""Cards that leap: heard here and there faster than anyone gets there. Compiled.

A range says that the card is not farther from its anchor than that, for radio is never too short
but for noise; a sighting, that it is within the reader's radius. So from one measurement to the
next the card has gone at least the distance of their sources, less both.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.jit import njit_cached
from positioning.observation import Kind, Records
from positioning.polygons import Floats

#: Where the source of a card's last measurement is, how far from it the card may be at most, and
#: when that was; 0 = never.
HEARD: Final = np.dtype(
    [
        ("x_m", np.float64),
        ("y_m", np.float64),
        ("z_m", np.float64),
        ("reach_m", np.float64),
        ("t_ns", np.int64),
    ]
)
#: Anchors stand some metres from where the survey says, and ranges are short by noise.
MARGIN_M: Final = 10.0

#: What is longer is no range.
_RANGE_MOST_M: Final = 1e6

_RANGE: Final = int(Kind.RANGE)
_SIGHTING: Final = int(Kind.SIGHTING)
_S_PER_NS: Final = 1e-9


@njit_cached
def leapt(
    told: Records, anchors: Floats, readers: Floats, heard: Records, speeds: Floats, slack_s: float
) -> NDArray[np.bool_]:
    """Which cards leapt, (cards,) bool, by (n,) MEASUREMENT in the order of arrival.

    `anchors` and `readers` (k, 4): x, y, z and the radius; an anchor with NaN, and what is of no
    source of these, says nothing. `heard`, (cards,) HEARD, is brought up to date. `speeds`: how
    fast each card can be, m/s; two sources' clocks may differ by `slack_s`.
    """
    found = np.zeros(len(heard), np.bool_)
    for row in range(len(told)):
        one = told[row]
        sources = anchors if one["kind"] == _RANGE else readers
        if (one["kind"] != _RANGE and one["kind"] != _SIGHTING) or one["source"] >= len(sources):
            continue
        x, y, z, reach_m = sources[one["source"]]
        if one["kind"] == _RANGE:
            reach_m = one["value_m"]
        if not (math.isfinite(x) and abs(reach_m) < _RANGE_MOST_M):
            continue
        card, last = one["card"], heard[one["card"]]
        if last["t_ns"] > 0:
            away_m = math.sqrt(
                (x - last["x_m"]) ** 2 + (y - last["y_m"]) ** 2 + (z - last["z_m"]) ** 2
            )
            took_s = abs(one["t_ns"] - last["t_ns"]) * _S_PER_NS + slack_s
            way_m = away_m - reach_m - last["reach_m"] - MARGIN_M
            found[card] |= way_m > speeds[card] * took_s
        last["x_m"], last["y_m"], last["z_m"], last["reach_m"] = x, y, z, reach_m
        last["t_ns"] = one["t_ns"]
    return found
