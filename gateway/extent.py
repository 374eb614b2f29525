"""How far a mine's map reaches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from positioning.mine_map import Anchor, Area, MineMap, Reader, Zone
from protocols.readers import Extent


def extent_of(mine_map: MineMap) -> Extent:
    """The least rectangle with all roadways, areas, zones, anchors and readers of a map in it.

    Raises:
        ValueError: there is nothing on the map.
    """
    points_m = np.concatenate(list(_points_m(mine_map)))
    (x_min_m, y_min_m), (x_max_m, y_max_m) = points_m.min(axis=0), points_m.max(axis=0)
    return Extent(float(x_min_m), float(y_min_m), float(x_max_m), float(y_max_m))


def _points_m(mine_map: MineMap) -> Iterator[NDArray[np.float64]]:
    """Arrays of (n, 2), metres."""
    for roadway in mine_map.roadways:
        yield roadway.centreline_m[:, :2]
    places: list[Area | Zone] = [*mine_map.areas, *mine_map.zones]
    for place in places:
        yield from place.rings_m
    things: list[Anchor | Reader] = [*mine_map.anchors, *mine_map.readers]
    for thing in things:
        yield np.array([(thing.x_m, thing.y_m)])
