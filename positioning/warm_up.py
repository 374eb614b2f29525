"""Compiling before the first range of the day, so that it need not wait."""

from __future__ import annotations

import numpy as np

from positioning.locator import Locator
from positioning.mine_map import MineMap
from positioning.observation import MEASUREMENT, new_fixes
from positioning.settings import TrackerSettings
from positioning.zones import ZoneMembership


def warm_up(mine_map: MineMap, settings: TrackerSettings) -> None:
    """Compiles all that this map needs: seconds the first time, quick once it is on disk."""
    fixes = new_fixes(1)
    fixes["var_x_m2"] = fixes["var_y_m2"] = 1.0
    locator = Locator(mine_map, 1.0, settings)
    locator.locate(np.zeros(1, MEASUREMENT))
    locator.restore(fixes)
    ZoneMembership(mine_map.zones, mine_map.roadways).update(fixes)
