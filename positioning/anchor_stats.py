"""What each anchor's ranges say of the anchor itself: sums that the filter keeps while it runs.

A residual is what a range says more than the card's expected place, before the range was used. Were
the anchor not where the map says but by d elsewhere, a card in direction u (unit, horizontal, from
the anchor) would show the residual b - u·d, b being the anchor's own bias: so the sums below are
the normal equations of a weighted least-squares estimate of (dx, dy, b).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from positioning.jit import njit_within

#: Sums of one anchor. `heard`: ranges sound in form of located cards; `rejected`: those of them
#: that were gated away; `used_t_ns`, `heard_t_ns`: times of the newest accepted and of the newest
#: heard. `weight`, `r`, `rr`: sums of w, w·r, w·r² (w is 1 over the residual's variance, less for
#: outliers); `x`, `y`, `xx`, `xy`, `yy`, `rx`, `ry`: of w·ux, w·uy, w·ux², w·ux·uy, w·uy², w·r·ux
#: and w·r·uy. `reach_m`: the distance below which nine in ten of its ranges are.
ANCHOR_STATS: Final = np.dtype(
    [
        ("heard", np.int64),
        ("rejected", np.int64),
        ("heard_t_ns", np.int64),
        ("used_t_ns", np.int64),
        ("weight", np.float64),
        ("r", np.float64),
        ("rr", np.float64),
        ("x", np.float64),
        ("y", np.float64),
        ("xx", np.float64),
        ("xy", np.float64),
        ("yy", np.float64),
        ("rx", np.float64),
        ("ry", np.float64),
        ("reach_m", np.float64),
    ]
)

#: Names of ANCHOR_STATS in the order of `stat_sums`.
SUMS: Final = ("weight", "r", "rr", "x", "y", "xx", "xy", "yy", "rx", "ry")

#: An outlier weighs less beyond so many sigmas.
_GATE: Final = 3.0
#: How an anchor's usual reach follows its ranges, metres a range.
_REACH_STEP_M: Final = 0.5
_REACH_SHARE: Final = 0.9


@njit_within
def note_anchor(
    site: Any, m: Any, residual_m: float, var_m2: float, ux: float, uy: float, accepted: bool
) -> None:
    """Adds a range to its anchor's sums, which are fields `stat_…` of the site's record.

    One range in four is summed: neighbours tell the same.
    """
    a = m["source"]
    site["stat_heard"][a] += 1
    site["stat_heard_t_ns"][a] = m["t_ns"]
    if accepted:
        site["stat_used_t_ns"][a] = m["t_ns"]
    else:
        site["stat_rejected"][a] += 1
    if site["stat_heard"][a] & 3:
        return
    score = residual_m * residual_m / var_m2
    w = 1.0 / var_m2
    if score > _GATE * _GATE:
        w *= _GATE / math.sqrt(score)
    further = m["value_m"] > site["stat_reach_m"][a]
    site["stat_reach_m"][a] += _REACH_STEP_M * (_REACH_SHARE - (0.0 if further else 1.0))
    sums = site["stat_sums"]
    sums[a, 0] += w
    sums[a, 1] += w * residual_m
    sums[a, 2] += w * residual_m * residual_m
    sums[a, 3] += w * ux
    sums[a, 4] += w * uy
    sums[a, 5] += w * ux * ux
    sums[a, 6] += w * ux * uy
    sums[a, 7] += w * uy * uy
    sums[a, 8] += w * residual_m * ux
    sums[a, 9] += w * residual_m * uy
