"""The roadways as a graph that people walk on: edges, places on them, shortest ways."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.mine_map import Roadway, Zone, ZoneKind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Points of centrelines nearer than this are one junction.
JOIN_M: Final = 0.5

#: How far from an edge's end a walker comes back to the centreline, so that ways go on smoothly.
FADE_M: Final = 5.0

#: How finely an edge is looked at to find which part of it lies in a zone.
STRETCH_STEP_M: Final = 0.5


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the centrelines: `s_m` metres along edge `edge`."""

    edge: int
    s_m: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an edge, from `low_m` to `high_m` along it."""

    edge: int
    low_m: float
    high_m: float

    @property
    def length_m(self) -> float:
        """Its length."""
        return self.high_m - self.low_m


class RoadGraph:
    """Straight edges between vertices, from the centrelines of a map's roadways.

    Roadways join where their points coincide, and where one ends on the line of another.
    `start_m`, `along`, `aside`: (edges, 3) float64; `along` and `aside` are unit vectors, `aside`
    to the left and horizontal. `length_m`, `width_m`: (edges,) float64. `ends`: (edges, 2) vertex
    numbers.
    """

    def __init__(self, roadways: tuple[Roadway, ...]) -> None:
        """Builds the graph.

        Raises:
            ValueError: there is no roadway.
        """
        if not roadways:
            msg = "the map has no roadway: people need one to walk on"
            raise ValueError(msg)
        vertices: list[Floats] = []
        ends: list[tuple[int, int]] = []
        widths: list[float] = []
        self.roadway: list[int] = []
        for number, roadway in enumerate(roadways):
            line = [_vertex(vertices, p) for p in _with_joints(roadway, roadways)]
            for a, b in pairwise(line):
                if a != b:
                    ends.append((a, b))
                    widths.append(roadway.width_m)
                    self.roadway.append(number)
        self.vertex_m: Floats = np.array(vertices)
        self.ends: Ints = np.array(ends, np.int64)
        self.width_m: Floats = np.array(widths)
        self.start_m: Floats = self.vertex_m[self.ends[:, 0]]
        step = self.vertex_m[self.ends[:, 1]] - self.start_m
        self.length_m: Floats = np.linalg.norm(step, axis=1)
        self.along: Floats = step / self.length_m[:, None]
        flat = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)  # a shaft has no left
        self.aside: Floats = np.column_stack(
            (-step[:, 1] / flat, step[:, 0] / flat, np.zeros(len(step)))
        )
        self.edges_at: list[list[int]] = [[] for _ in vertices]
        for edge, (a, b) in enumerate(ends):
            self.edges_at[a].append(edge)
            self.edges_at[b].append(edge)

    def place_m(self, edge: Ints, s_m: Floats, offset_m: Floats, height_m: float) -> Floats:
        """Where walkers are: (n, 3) metres, `offset_m` to the left, `height_m` above the floor."""
        to_end = np.minimum(s_m, self.length_m[edge] - s_m)
        share = np.clip(to_end / FADE_M, 0.0, 1.0)
        share = share * share * (3.0 - 2.0 * share)
        place = self.start_m[edge] + self.along[edge] * s_m[:, None]
        place += self.aside[edge] * (offset_m * share)[:, None]
        place[:, 2] += height_m
        return place

    def way(self, start: Spot, goal: Spot) -> list[Spot]:
        """The shortest way: the last spot on each edge that is walked, `goal` the last of all.

        Raises:
            ValueError: there is no way.
        """
        if start.edge == goal.edge:
            return [goal]
        first, second = self.ends[start.edge]
        heap = [(start.s_m, int(first), -1), (self._rest_m(start), int(second), -1)]
        came: dict[int, int] = {}
        cost_to_goal = {int(self.ends[goal.edge, 0]): goal.s_m}
        cost_to_goal[int(self.ends[goal.edge, 1])] = self._rest_m(goal)
        best, best_vertex = float("inf"), -1
        while heap and heap[0][0] < best:
            cost, vertex, edge = heapq.heappop(heap)
            if vertex in came:
                continue
            came[vertex] = edge
            total = cost + cost_to_goal.get(vertex, float("inf"))
            if total < best:
                best, best_vertex = total, vertex
            for out in self.edges_at[vertex]:
                heapq.heappush(heap, (cost + self.length_m[out], self._other(out, vertex), out))
        if best_vertex < 0:
            msg = "a part of the roadways has no connection to the others"
            raise ValueError(msg)
        return [*self._back(came, best_vertex, start.edge), goal]

    def _back(self, came: dict[int, int], vertex: int, start_edge: int) -> list[Spot]:
        """The spots at which edges end, on the way that led to `vertex`."""
        spots: list[Spot] = []
        while True:
            edge = came[vertex]
            walked = start_edge if edge < 0 else edge
            at_end = self.ends[walked, 1] == vertex
            spots.append(Spot(walked, float(self.length_m[walked]) if at_end else 0.0))
            if edge < 0:
                return spots[::-1]
            vertex = self._other(edge, vertex)

    def entry_m(self, edge: int, previous: Spot) -> float:
        """Where on `edge` one comes in, from `previous`, which is an end of a neighbouring edge."""
        vertex = self.ends[previous.edge, 1 if previous.s_m > 0 else 0]
        return 0.0 if self.ends[edge, 0] == vertex else float(self.length_m[edge])

    def _rest_m(self, spot: Spot) -> float:
        return float(self.length_m[spot.edge]) - spot.s_m

    def _other(self, edge: int, vertex: int) -> int:
        first, second = self.ends[edge]
        return int(second if first == vertex else first)

    def stretches_in(self, zone: Zone) -> list[Stretch]:
        """The parts of the centrelines that lie in `zone`."""
        found: list[Stretch] = []
        for edge in range(len(self.length_m)):
            count = max(2, int(self.length_m[edge] / STRETCH_STEP_M) + 1)
            s_m = np.linspace(0.0, self.length_m[edge], count)
            line = self.start_m[edge] + self.along[edge] * s_m[:, None]
            inside = np.concatenate(([False], contains(zone, line[:, :2]), [False]))
            changes = np.flatnonzero(inside[1:] != inside[:-1])
            found += [
                Stretch(edge, float(s_m[low]), float(s_m[high - 1]))
                for low, high in zip(changes[::2], changes[1::2], strict=True)
                if high - low > 1
            ]
        return found

    def free_stretches(self, avoid: list[Stretch]) -> Iterator[Stretch]:
        """Every edge but for the parts in `avoid`."""
        for edge in range(len(self.length_m)):
            low = 0.0
            for stretch in sorted((a for a in avoid if a.edge == edge), key=lambda a: a.low_m):
                if stretch.low_m - low > JOIN_M:
                    yield Stretch(edge, low, stretch.low_m - JOIN_M)
                low = max(low, stretch.high_m + JOIN_M)
            if self.length_m[edge] - low > JOIN_M:
                yield Stretch(edge, low, float(self.length_m[edge]))

    def gate(self, zones: tuple[Zone, ...]) -> Spot:
        """Where people come into the mine: the end of a roadway in a zone of kind wellhead.

        Raises:
            ValueError: there is none.
        """
        for zone in zones:
            if zone.kind is not ZoneKind.WELLHEAD:
                continue
            inside = contains(zone, self.vertex_m[:, :2])
            for vertex in np.flatnonzero(inside):
                if len(self.edges_at[vertex]) == 1:
                    edge = self.edges_at[vertex][0]
                    at_end = self.ends[edge, 1] == vertex
                    return Spot(edge, float(self.length_m[edge]) if at_end else 0.0)
        msg = (
            "people can't come and go: the map needs a zone of kind 'wellhead' in which a roadway "
            "ends"
        )
        raise ValueError(msg)


def contains(zone: Zone, points_m: Floats) -> NDArray[np.bool_]:
    """Which of (n, 2) points lie in the zone, by the crossing number over all its rings."""
    inside = np.zeros(len(points_m), np.bool_)
    x, y = points_m[:, 0], points_m[:, 1]
    for ring in zone.rings_m:
        for (x0, y0), (x1, y1) in pairwise(ring):
            if y0 == y1:
                continue
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def _vertex(vertices: list[Floats], point: Floats) -> int:
    for number, known in enumerate(vertices):
        if np.linalg.norm(known - point) < JOIN_M:
            return number
    vertices.append(point)
    return len(vertices) - 1


def _with_joints(roadway: Roadway, roadways: tuple[Roadway, ...]) -> list[Floats]:
    """The points of a centreline, with those put in where another roadway ends on it."""
    line = roadway.centreline_m
    tips = [o.centreline_m[i] for o in roadways if o is not roadway for i in (0, -1)]
    points: list[Floats] = []
    for a, b in pairwise(line):
        step = b - a
        length_m = float(np.linalg.norm(step))
        points.append(a)
        joints = []
        for tip in tips:
            s_m = float((tip - a) @ step) / length_m
            if JOIN_M < s_m < length_m - JOIN_M:
                gap_m = float(np.linalg.norm(a + step * (s_m / length_m) - tip))
                if gap_m < JOIN_M:
                    joints.append((s_m, tip))
        points += [tip for _, tip in sorted(joints, key=lambda joint: joint[0])]
    points.append(line[-1])
    return points
