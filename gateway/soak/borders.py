"""People who walk to and fro at the borders of zones, as near to them as a place is uncertain."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from gateway.soak.plan import SoakSettings
from gateway.soak.walkers import Walkers
from hil_sim.roadgraph import Ints, RoadGraph, Spot
from positioning.mine_map import MineMap, Zone

#: How far from a border people go: most of them stay within what noise makes of a place, and some
#: come or go for sure.
REACH_M: Final = 1.5
FAR_M: Final = 12.0
FAR_SHARE: Final = 0.15
#: Seconds between two ways.
PAUSE_S: Final = (0.0, 40.0)


class BorderWalkers(Walkers):
    """Each has a border of a zone, a place on a roadway, and walks about it all day."""

    def __init__(self, settings: SoakSettings, mine: MineMap, graph: RoadGraph) -> None:
        super().__init__(settings, mine, graph)
        spots = _borders(mine, graph)
        count = settings.people
        mine_of = np.arange(count) % len(spots)
        self._border_edge = np.array([spot.edge for spot in spots], np.int64)[mine_of]
        self._border_m = np.array([spot.s_m for spot in spots])[mine_of]
        self.below[:] = ~self._spare
        self.edge, self.s_m = self._border_edge.copy(), self._border_m.copy()
        self._goal_edge, self._goal_m = self.edge.copy(), self.s_m.copy()
        self._target_m = self.s_m.copy()
        self.until_s = np.where(self._spare, np.inf, 0.0)

    def _decide(self, who: Ints, t_s: float) -> None:
        self.until_s[who] = np.inf
        self.still_since_s[who] = np.inf
        rng, count = self._rng, len(who)
        far = rng.random(count) < FAR_SHARE
        reach_m = np.where(far, FAR_M, REACH_M)
        edge = self._border_edge[who]
        goal_m = self._border_m[who] + rng.uniform(-1.0, 1.0, count) * reach_m
        self._goal_edge[who] = edge
        self._goal_m[who] = np.clip(goal_m, 0.0, self._graph.length_m[edge])
        self._speed_m_s[who] = self._speeds(who)
        self._goal_offset_m[who] = rng.uniform(-1.0, 1.0, count) * 3.0
        self._aim(who)

    def _arrive(self, who: Ints, t_s: float) -> None:
        self.still_since_s[who] = t_s
        self.until_s[who] = t_s + self._rng.uniform(*PAUSE_S, len(who))


def _borders(mine: MineMap, graph: RoadGraph) -> list[Spot]:
    """Where roadways cross the borders of zones, and of what is near them, but for their ends."""
    found = []
    for zone in (*mine.zones, *(_around(zone) for zone in mine.zones if zone.near_m)):
        for stretch in graph.stretches_in(zone):
            length_m = float(graph.length_m[stretch.edge])
            ends = (stretch.low_m, stretch.high_m)
            found += [Spot(stretch.edge, s_m) for s_m in ends if 1.0 < s_m < length_m - 1.0]
    return found


def _around(zone: Zone) -> Zone:
    """A rectangle about a zone, as far around it as its surroundings reach."""
    ring_m, near_m = zone.rings_m[0], zone.near_m or 0.0
    (x0, y0), (x1, y1) = ring_m.min(axis=0) - near_m, ring_m.max(axis=0) + near_m
    corners_m = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
    return replace(zone, rings_m=(corners_m,))
