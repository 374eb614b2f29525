"""How deep inside or outside of each zone a place on the roadways truly is.

Found by looking at the roadways every half metre, with the simulator's own geometry: nothing here
is shared with what the core decides by.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from hil_sim.roadgraph import Floats, Ints, RoadGraph, contains
from positioning.mine_map import MineMap, Zone

#: How finely the roadways are looked at.
STEP_M: Final = 0.5
#: Where all of the mine, or none of it, is in a zone.
_ALL_M: Final = 1e6


class Depths:
    """Depths by place: of the map's zones, then of the surroundings of those with `near_m`.

    `names`: the id of each column, of surroundings that of their zone; `near`: which columns are
    surroundings.
    """

    def __init__(self, mine: MineMap, graph: RoadGraph) -> None:
        counts = np.maximum(np.ceil(graph.length_m / STEP_M).astype(np.int64), 1) + 1
        self._first: Ints = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._step_m: Floats = graph.length_m / (counts - 1)
        edge = np.repeat(np.arange(len(counts)), counts)
        s_m = (np.arange(len(edge)) - self._first[edge]) * self._step_m[edge]
        self._points_m = (graph.start_m[edge] + graph.along[edge] * s_m[:, None])[:, :2]
        near = [zone for zone in mine.zones if zone.near_m]
        self.names = tuple(zone.id for zone in (*mine.zones, *near))
        self.near = np.arange(len(self.names)) >= len(mine.zones)
        inside = [contains(zone, self._points_m) for zone in mine.zones]
        inside += [self._within(zone) for zone in near]
        self._depth_m = np.column_stack([self._depths(one) for one in inside])

    def at(self, edge: Ints, s_m: Floats) -> Floats:
        """Depths in metres at places on the centrelines, (n, columns): outside is negative."""
        row = self._first[edge] + np.round(s_m / self._step_m[edge]).astype(np.int64)
        depth_m: Floats = self._depth_m[row]
        return depth_m

    def _within(self, zone: Zone) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which points are in a zone or nearer to it than its `near_m`."""
        away_m = np.full(len(self._points_m), np.inf)
        for ring in zone.rings_m:
            for a, b in pairwise(ring):
                way = b - a
                share = np.clip((self._points_m - a) @ way / (way @ way), 0.0, 1.0)
                off_m = self._points_m - a - share[:, None] * way
                away_m = np.minimum(away_m, np.hypot(off_m[:, 0], off_m[:, 1]))
        return contains(zone, self._points_m) | (away_m <= (zone.near_m or 0.0))

    def _depths(self, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
        """How far each point is from the nearest that lies on the other side."""
        depth_m = np.where(inside, _ALL_M, -_ALL_M)
        if inside.all() or not inside.any():
            return depth_m
        apart = self._points_m[inside][:, None] - self._points_m[~inside][None]
        apart_m = np.hypot(apart[..., 0], apart[..., 1])
        depth_m[inside] = apart_m.min(axis=1)
        depth_m[~inside] = -apart_m.min(axis=0)
        return depth_m
