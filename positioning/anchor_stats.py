"""What each anchor's ranges say of the anchor itself: sums that the filter keeps while it runs.

A residual is what a range says more than the card's expected place, before the range was used. Were
the anchor not where the map says but by d elsewhere, a card in direction u (unit, horizontal, from
the anchor) would show the residual b - u·d, b being the anchor's own bias: so the sums below are
the normal equations of a weighted least-squares estimate of (dx, dy, b).
"""

from __future__ import annotations

from typing import Final

import numpy as np

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
