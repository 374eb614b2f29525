"""Who is near whom: distances along the roadways, not through rock, and straight in open areas.

A way from one place to another goes along centrelines; into and out of an open area it goes through
its doors. Within one area, ways are straight. So a distance is never more than the way that someone
can walk along the centrelines, which is the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from positioning.graph import Graph
from positioning.jit import njit_cached, njit_within
from positioning.mine_map import Area, Roadway
from positioning.observation import Records
from positioning.polygons import Floats, Integers
from positioning.spots import SPOT, Places

#: Two that are near one another. `a`, `b`: their rows. `distance_m`: the most likely distance;
#: `least_m`: it is not less with 95 %.
NEAR: Final = np.dtype(
    [("a", np.int64), ("b", np.int64), ("distance_m", np.float64), ("least_m", np.float64)]
)

#: One-sided 95 % of a normal distribution.
_SIGMAS_95: Final = 1.6448536269514722
#: Room for pairs at first; doubled when it is used up.
_FIRST_PAIRS: Final = 1024


class Nearness:
    """Tells who is near whom.

    Ways go by stations: the nodes of the graph, then the doors of the areas.
    """

    def __init__(self, roadways: Sequence[Roadway], graph: Graph, areas: Sequence[Area]) -> None:
        """`graph` is that of `roadways`; areas are known by their index.

        Raises:
            ValueError: an area has no extent, or a coordinate is not finite; the text names it.
        """
        self._places = Places(roadways, graph, areas)
        doors = self._places.doors
        edges, nodes = np.arange(len(graph.length_m) + 1), len(graph.node_start) - 1
        by_edge = np.argsort(doors["edge"], kind="stable")
        self._doors = (
            np.searchsorted(doors["area"], np.arange(len(areas) + 1)).astype(np.int64),
            np.searchsorted(doors["edge"][by_edge], edges).astype(np.int64),
            by_edge.astype(np.int64),
            np.column_stack([doors["s_m"], doors["x_m"], doors["y_m"]]),
        )
        self._roads = (graph.length_m, graph.ends, _apart_m(graph, doors))
        self._way_m = np.empty(nodes + len(doors))
        self._pairs = np.zeros(_FIRST_PAIRS, NEAR)

    def place(self, fixes: Records) -> Records:
        """The places, (n,) SPOT, of (n,) FIX: see `Places.place`."""
        return self._places.place(fixes)

    def near(self, a: Records, b: Records, within_m: float) -> Records:
        """Those of `b`, (m,) SPOT, that may be within `within_m` of each of `a`: (k,) NEAR.

        Taken in are all whose distance is less with a probability of 5 % or more. In order of `a`,
        then of `b`. A place is near itself.
        """
        a, b = (np.require(spots, SPOT, ["C", "A", "W"]) for spots in (a, b))
        edges = len(self._roads[0])
        edge = np.where(b["edge"] >= 0, b["edge"], edges)
        order = np.argsort(edge, kind="stable")
        order = order[(b["edge"][order] >= 0) | (b["area"][order] >= 0)]
        first = np.searchsorted(edge[order], np.arange(edges + 2)).astype(np.int64)
        # What is in an area may be near by another way than along its edge.
        reach_m = np.zeros(edges + 1)
        np.maximum.at(reach_m, edge, np.where(b["area"] < 0, _SIGMAS_95 * b["sigma_m"], np.inf))
        parts, done = [], 0
        while done < len(a):
            if len(b) > len(self._pairs):
                self._pairs = np.zeros(2 * len(b), NEAR)
            work = (self._way_m, self._pairs, done, float(within_m))
            done, written = _near(self._roads, self._doors, (a, b), (order, first, reach_m), work)
            parts.append(self._pairs[:written].copy())
        found = np.concatenate([np.zeros(0, NEAR), *parts])
        return found[np.lexsort((found["b"], found["a"]))]


def _apart_m(graph: Graph, doors: Records) -> Floats:
    """The shortest ways between all stations, (nodes + doors)²; infinite where there is none."""
    edge, s_m, nodes = doors["edge"], doors["s_m"], len(graph.node_start) - 1
    to_node_m = np.full((len(doors), nodes), np.inf)
    for end, off_m in ((0, s_m), (1, graph.length_m[edge] - s_m)):
        to_node_m = np.minimum(to_node_m, off_m[:, None] + graph.apart_m[graph.ends[edge, end]])
    between_m = np.full((len(doors), len(doors)), np.inf)
    for end, off_m in ((0, s_m), (1, graph.length_m[edge] - s_m)):
        between_m = np.minimum(between_m, to_node_m[:, graph.ends[edge, end]] + off_m)
    along_m = np.abs(s_m[:, None] - s_m)
    straight_m = np.hypot(
        doors["x_m"][:, None] - doors["x_m"], doors["y_m"][:, None] - doors["y_m"]
    )
    between_m = np.where(edge[:, None] == edge, np.minimum(between_m, along_m), between_m)
    same = doors["area"][:, None] == doors["area"]
    between_m = np.where(same, np.minimum(between_m, straight_m), between_m)
    apart_m = np.block([[graph.apart_m, to_node_m.T], [to_node_m, between_m]])
    for door in range(nodes, len(apart_m)):  # ways through the doors (Floyd 1962)
        np.minimum(apart_m, apart_m[:, door, None] + apart_m[door], out=apart_m)
    return np.ascontiguousarray(apart_m)


@njit_within
def _leave(roads: _Roads, doors: _Doors, spot: np.void, way_m: Floats) -> None:
    """How far each station is from a place: into `way_m`, (stations,)."""
    length_m, ends, apart_m = roads
    by_area, by_edge, on_edge, door_m = doors
    edge, area, doors_from = spot["edge"], spot["area"], len(way_m) - len(door_m)
    way_m[:] = math.inf
    if edge >= 0:
        for end in range(2):
            off_m = spot["s_m"] if end == 0 else length_m[edge] - spot["s_m"]
            _start_at(apart_m, ends[edge, end], off_m, way_m)
        for k in range(by_edge[edge], by_edge[edge + 1]):
            off_m = abs(spot["s_m"] - door_m[on_edge[k], 0])
            _start_at(apart_m, doors_from + on_edge[k], off_m, way_m)
    if area >= 0:
        for door in range(by_area[area], by_area[area + 1]):
            off_m = math.hypot(spot["x_m"] - door_m[door, 1], spot["y_m"] - door_m[door, 2])
            _start_at(apart_m, doors_from + door, off_m, way_m)


@njit_within
def _start_at(apart_m: Floats, station: int, off_m: float, way_m: Floats) -> None:
    for k in range(len(way_m)):
        way_m[k] = min(way_m[k], off_m + apart_m[station, k])


@njit_within
def _arrive_m(roads: _Roads, doors: _Doors, way_m: Floats, a: np.void, b: np.void) -> float:
    """How far two places are from one another; `way_m` is from `a` to the stations."""
    length_m, ends, _ = roads
    by_area, by_edge, on_edge, door_m = doors
    edge, area, doors_from = b["edge"], b["area"], len(way_m) - len(door_m)
    shortest_m = math.inf
    if edge >= 0:
        s_m = b["s_m"]
        shortest_m = min(way_m[ends[edge, 0]] + s_m, way_m[ends[edge, 1]] + length_m[edge] - s_m)
        if a["edge"] == edge:
            shortest_m = min(shortest_m, abs(a["s_m"] - s_m))
        for k in range(by_edge[edge], by_edge[edge + 1]):
            off_m = abs(s_m - door_m[on_edge[k], 0])
            shortest_m = min(shortest_m, way_m[doors_from + on_edge[k]] + off_m)
    if area >= 0:
        if a["area"] == area:
            shortest_m = min(shortest_m, math.hypot(a["x_m"] - b["x_m"], a["y_m"] - b["y_m"]))
        for door in range(by_area[area], by_area[area + 1]):
            off_m = math.hypot(b["x_m"] - door_m[door, 1], b["y_m"] - door_m[door, 2])
            shortest_m = min(shortest_m, way_m[doors_from + door] + off_m)
    return shortest_m


@njit_within
def _nearest_end_m(roads: _Roads, doors: _Doors, way_m: Floats, edge: int) -> float:
    """Nothing on an edge is nearer than this, but to a place on the edge itself."""
    _, by_edge, on_edge, door_m = doors
    nearest_m = min(way_m[roads[1][edge, 0]], way_m[roads[1][edge, 1]])
    for k in range(by_edge[edge], by_edge[edge + 1]):
        nearest_m = min(nearest_m, way_m[len(way_m) - len(door_m) + on_edge[k]])
    return float(nearest_m)


#: Lengths (e,) and end nodes (e, 2) of the edges, ways between stations (n, n).
_Roads = tuple[Floats, Integers, Floats]
#: Where the doors of each area begin (areas + 1,); where those of each edge begin in what follows
#: (e + 1,), the doors by edge; s, x, y of each door.
_Doors = tuple[Integers, Integers, Integers, Floats]
#: Rows of `b` by edge, those in an area only last; where those of each edge begin (e + 2,); how
#: far the uncertainty of those on each edge reaches.
_Sorted = tuple[Integers, Integers, Floats]


@njit_cached
def _near(
    roads: _Roads,
    doors: _Doors,
    spots: tuple[Records, Records],
    many: _Sorted,
    work: tuple[Floats, Records, int, float],
) -> tuple[int, int]:
    """Pairs of rows of `a` from a row on: (rows done, pairs written).

    `work`: room for (stations,), room for pairs, the row to begin with, and how near is near.
    """
    a, b = spots
    order, first, reach_m = many
    way_m, pairs, start, within_m = work
    written = 0
    for i in range(start, len(a)):
        if written + len(b) > len(pairs):
            return i, written
        one = a[i]
        if one["edge"] < 0 and one["area"] < 0:
            continue
        own_m = within_m + _SIGMAS_95 * one["sigma_m"]
        _leave(roads, doors, one, way_m)
        for edge in range(len(first) - 1):
            if first[edge] == first[edge + 1]:
                continue
            # The uncertainties add up to less than their sum.
            most_m = own_m + reach_m[edge] if one["edge"] != edge else math.inf
            if most_m < math.inf and _nearest_end_m(roads, doors, way_m, edge) > most_m:
                continue
            for k in range(first[edge], first[edge + 1]):
                other = b[order[k]]
                distance_m = _arrive_m(roads, doors, way_m, one, other)
                sigma_m = math.hypot(one["sigma_m"], other["sigma_m"])
                least_m = max(distance_m - _SIGMAS_95 * sigma_m, 0.0)
                if least_m <= within_m and distance_m < math.inf:
                    pairs[written]["a"] = i
                    pairs[written]["b"] = order[k]
                    pairs[written]["distance_m"] = distance_m
                    pairs[written]["least_m"] = least_m
                    written += 1
    return len(a), written
