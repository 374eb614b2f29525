"""Compiling before the first range of the day, so that it need not wait."""

from __future__ import annotations

import numpy as np

from positioning.mine_map import Zone, ZoneKind
from positioning.observation import FIX, RANGE
from positioning.tracker import Tracker
from positioning.zones import ZoneMembership


def warm_up() -> None:
    """Compiles all kernels: seconds the first time, quick once they are on disk."""
    fixes = np.zeros(1, FIX)
    fixes["var_x_m2"] = fixes["var_y_m2"] = 1.0
    tracker = Tracker(np.zeros((1, 3)), np.zeros(1))
    tracker.update(np.zeros(1, RANGE))
    tracker.restore(fixes)
    square_m = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    zones = ZoneMembership((Zone("warm-up", "warm-up", ZoneKind.KEY, (square_m,)),))
    zones.update(fixes)
