"""Compiling before the first range of the day, so that it need not wait."""

from __future__ import annotations

import numpy as np

from positioning.fences import POSE, Fence, FenceMembership, disc
from positioning.graph import build_graph
from positioning.leaps import HEARD, note_leaps
from positioning.locator import Locator
from positioning.mine_map import MineMap
from positioning.nearness import Nearness
from positioning.observation import MEASUREMENT, new_fixes
from positioning.rounds import ends_of_rounds
from positioning.settings import TrackerSettings
from positioning.zones import ZoneMembership


def warm_up(
    mine_map: MineMap, settings: TrackerSettings, *, fences: bool = False, nearness: bool = False
) -> None:
    """Compiles all that this map needs: seconds the first time, quick once it is on disk.

    So too what fences that move and nearness need, where there are such.
    """
    fixes = new_fixes(1)
    fixes["var_x_m2"] = fixes["var_y_m2"] = 1.0
    locator = Locator(mine_map, 1.0, settings)
    locator.locate(np.zeros(1, MEASUREMENT))
    locator.restore(fixes)
    sources = np.zeros((1, 4))
    told, heard = np.zeros(1, MEASUREMENT), np.zeros(1, HEARD)
    note_leaps(told, (sources, sources), heard, np.ones(1), 1.0, (1, 1))
    ends_of_rounds(np.concatenate([fixes, fixes]))
    ZoneMembership(mine_map.zones, mine_map.roadways).update(fixes)
    if fences:
        whole = FenceMembership([Fence("all", (disc(1.0),))], mine_map.roadways)
        whole.update(fixes, np.zeros(1, POSE))
    if nearness:
        near = Nearness(mine_map.roadways, build_graph(mine_map.roadways), mine_map.areas)
        spots = near.place(fixes)
        near.near(spots, spots, 1.0)
