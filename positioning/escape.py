"""The shortest ways to safety, from anywhere in the roadways, around dangerous zones.

All ways are one tree (Dijkstra) that grows from all safe places at once, so that thousands of
people cost hardly more than one. It has two floors. On the upper one nothing is dangerous: what
runs through a dangerous zone is not there. The lower one is what does, and leads to the upper one
wherever it leaves the danger; nothing leads down again. So who is in a dangerous zone leaves it
first, and nobody is sent into one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import rustworkx
from numpy.typing import NDArray

from positioning.escape_lines import (
    APART_LEAST_M,
    DANGER_MARGIN_M,
    Line,
    Point,
    Stretch,
    beside,
    line_of,
    lines_of,
    links_of,
    nearest_border,
    overlap,
    shape_of,
    stretches,
)
from positioning.graph import build_graph
from positioning.mine_map import MineMap, Zone
from positioning.observation import Records, new_fixes
from positioning.spots import Places

#: A metre within a danger weighs as much as so many outside: one leaves it by the shortest way, but
#: not by one that is a hand's breadth shorter and then leads kilometres around.
DANGER_WEIGHT: Final = 1000.0
#: Borders and places that differ by less are at one place.
_ROUNDING_M: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Way:
    """A way to safety: so long, to the zone, through points and along roadways, both in order."""

    length_m: float
    zone: str
    points_m: tuple[Point, ...]
    roadways: tuple[str, ...]


class _Step(NamedTuple):
    """A step between two nodes of a floor: `weight` is what counts, `bends` are on the way."""

    a: int
    b: int
    weight: float
    length_m: float
    bends: tuple[Point, ...]
    roadway: int


class _Tail(NamedTuple):
    """The rest of a way from a node on, without the node's own point."""

    length_m: float
    points_m: tuple[Point, ...]
    roadways: tuple[int, ...]
    zone: str


class _Cut(NamedTuple):
    """A line cut at its stations: where they are, their nodes, and which parts are dangerous."""

    s_m: list[float]
    nodes: list[int]
    closed: list[bool]


class WayMap:
    """What does not change of a map: its lines, the doors of its areas, and where fixes are."""

    def __init__(self, mine_map: MineMap, above_m: float = 0.0) -> None:
        """People are `above_m` over the floor.

        Raises:
            ValueError: an open area has no extent; the text names it.
        """
        self.map = mine_map
        self.graph = build_graph(mine_map.roadways, above_m)
        self.places = Places(mine_map.roadways, self.graph, mine_map.areas)
        self.lines = lines_of(self.graph)
        self.links = links_of(self.lines, self.places.doors)
        self.places.place(new_fixes(1))  # compiled now, rather than when it is urgent

    def escape(self, danger: Sequence[Zone], safe: Sequence[Zone]) -> Escape:
        """The ways to the zones that are `safe` around those that are not."""
        return Escape(self, danger, safe)


class Escape:
    """All shortest ways to safety."""

    def __init__(self, ways: WayMap, danger: Sequence[Zone], safe: Sequence[Zone]) -> None:
        self._ways = ways
        self._danger = [shape_of(zone, DANGER_MARGIN_M) for zone in danger]
        self._points: list[Point] = []
        self._sources: dict[int, tuple[float, str, tuple[Point, ...]]] = {}
        self._cuts: list[_Cut] = []
        self._door_nodes: list[int] = []
        #: By area, the safe zones in it.
        self._halls = [[zone for zone in safe if overlap(zone, area)] for area in ways.map.areas]
        steps = self._cut_all(safe)
        self._size = len(self._points)
        self._grow(steps)
        self._tails: dict[int, _Tail] = {}

    def ways(self, fixes: Records, in_danger: NDArray[np.bool_]) -> list[Way | None]:
        """The way of each of (n,) FIX; None where there is none.

        `in_danger`, (n,): who is known to be in a dangerous zone, and may move within it.
        """
        spots = self._ways.places.place(fixes)
        rows = zip(
            spots["edge"].tolist(),
            spots["s_m"].tolist(),
            spots["area"].tolist(),
            fixes["x_m"].tolist(),
            fixes["y_m"].tolist(),
            fixes["z_m"].tolist(),
            in_danger.tolist(),
            strict=True,
        )
        found: list[Way | None] = []
        for edge, s_m, area, x_m, y_m, z_m, inside in rows:
            if edge >= 0:
                found.append(self._from_line(edge, s_m, inside=inside))
            elif area >= 0:
                found.append(self._from_area(area, (x_m, y_m, z_m), inside=inside))
            else:
                found.append(None)
        return found

    # The net

    def _cut_all(self, safe: Sequence[Zone]) -> list[_Step]:
        """Cuts all lines at the borders of zones; returns the parts, of both floors."""
        ways = self._ways
        nodes = ways.graph.ends
        self._points = [(math.nan,) * 3] * (len(ways.graph.node_start) - 1)
        turns: dict[int, list[tuple[float, float, Point, str]]] = {}
        within: list[list[tuple[Stretch, str]]] = [[] for _ in ways.lines]
        for zone in safe:
            shape = shape_of(zone)
            found = [(index, stretches(line, shape)) for index, line in enumerate(ways.lines)]
            for index, parts in found:
                within[index] += [(part, zone.id) for part in parts]
            if not any(parts for _, parts in found):
                for turn in beside(ways.lines, zone):
                    turns.setdefault(turn.line, []).append((*turn[1:], zone.id))
        steps: list[_Step] = []
        doors = ways.places.doors
        self._door_nodes = [-1] * len(doors)
        for edge, line in enumerate(ways.lines):
            mine = np.flatnonzero(doors["edge"] == edge).tolist()
            more = [float(doors["s_m"][door]) for door in mine]
            more += [at_m for at_m, *_ in turns.get(edge, [])]
            ends = (int(nodes[edge, 0]), int(nodes[edge, 1]))
            cut = self._cut(line, ends, within[edge], more, steps)
            for door in mine:
                self._door_nodes[door] = _nearest_node(cut, float(doors["s_m"][door]))
            for at_m, off_m, corner, zone_id in turns.get(edge, []):
                self._is_safe(_nearest_node(cut, at_m), off_m, zone_id, (corner,))
            self._cuts.append(cut)
        for a, b, line in ways.links:
            ends = (self._door_nodes[a], self._door_nodes[b])
            self._cut(line, ends, self._safe_on(line, safe), [], steps)
        return steps

    @staticmethod
    def _safe_on(line: Line, safe: Sequence[Zone]) -> list[tuple[Stretch, str]]:
        shapes = map(shape_of, safe)
        return [(part, shape.zone) for shape in shapes for part in stretches(line, shape)]

    def _cut(
        self,
        line: Line,
        ends: tuple[int, int],
        safe: list[tuple[Stretch, str]],
        more: list[float],
        steps: list[_Step],
    ) -> _Cut:
        """Cuts one line; its parts are added to `steps`."""
        length_m = line.s[-1]
        closed = [part for shape in self._danger for part in stretches(line, shape)]
        borders = sorted([*(s for part in closed for s in part), *(s for p, _ in safe for s in p)])
        s_list = [0.0]
        for s_m in sorted([*borders, *more]):
            if s_list[-1] + APART_LEAST_M < s_m < length_m - APART_LEAST_M:
                s_list.append(s_m)
        s_list.append(length_m)
        first = len(self._points)
        self._points += [line.at(s_m) for s_m in s_list[1:-1]]
        nodes = [ends[0], *range(first, len(self._points)), ends[1]]
        self._points[ends[0]], self._points[ends[1]] = line.at(0.0), line.at(length_m)
        for (low, high), zone_id in safe:
            for s_m, node in zip(s_list, nodes, strict=True):
                if low - APART_LEAST_M <= s_m <= high + APART_LEAST_M:
                    self._is_safe(node, 0.0, zone_id, ())
        cut = _Cut(s_list, nodes, [])
        for k, (low, high) in enumerate(pairwise(s_list)):
            middle_m = 0.5 * (low + high)
            is_closed = any(a < middle_m < b for a, b in closed)
            cut.closed.append(is_closed)
            weight = (high - low) * (DANGER_WEIGHT if is_closed else 1.0)
            part = (weight, high - low, line.between(low, high), line.roadway)
            steps.append(_Step(nodes[k], nodes[k + 1], *part))
        return cut

    def _is_safe(self, node: int, off_m: float, zone: str, then: tuple[Point, ...]) -> None:
        before = self._sources.get(node)
        if before is None or off_m < before[0]:
            self._sources[node] = (off_m, zone, then)

    def _grow(self, steps: list[_Step]) -> None:
        """The tree: of each node of both floors how far safety is, and the step that leads there.

        Nodes of the lower floor are numbered on behind those of the upper one.
        """
        size = self._size
        walks: list[tuple[int, int, float, _Step | None]] = []
        for step in steps:
            floor = size if step.weight > step.length_m else 0
            back = step._replace(a=step.b, b=step.a, bends=step.bends[::-1])
            walks += [(one.a + floor, one.b + floor, one.weight, one) for one in (step, back)]
        walks += [(node + size, node, 0.0, None) for node in range(size)]
        root = 2 * size
        for node, (off_m, _, _) in sorted(self._sources.items()):
            walks += [(node, root, off_m, None), (node + size, root, off_m, None)]
        tree: rustworkx.PyDiGraph[int, float] = rustworkx.PyDiGraph()
        tree.add_nodes_from(range(root + 1))
        tree.add_edges_from([(b, a, weight) for a, b, weight, _ in walks])
        self._far = [math.inf] * (root + 1)
        for node, far in rustworkx.dijkstra_shortest_path_lengths(tree, root, float).items():
            self._far[node] = far
        self._far[root] = 0.0
        #: By node: the next one and the step to it.
        self._next: list[tuple[int, _Step | None]] = [(-1, None)] * (root + 1)
        best = [math.inf] * (root + 1)
        for a, b, weight, walked in walks:
            over = weight + self._far[b]
            if over < best[a]:
                best[a], self._next[a] = over, (b, walked)

    def _tail(self, node: int) -> _Tail:
        """The rest of the way from a node of either floor that has one."""
        size, pending = self._size, []
        while node not in self._tails:
            if self._next[node][0] == 2 * size:
                off_m, zone, then = self._sources[node % size]
                self._tails[node] = _Tail(off_m, then, (), zone)
                break
            pending.append(node)
            node = self._next[node][0]
        tail = self._tails[node]
        for before in reversed(pending):
            after, stepped = self._next[before]
            if stepped:
                point = self._points[after % size]
                tail = _Tail(
                    tail.length_m + stepped.length_m,
                    (*stepped.bends, point, *tail.points_m),
                    _along(stepped.roadway, tail.roadways),
                    tail.zone,
                )
            self._tails[before] = tail
        return tail

    # Ways from where people are

    def _from_line(self, edge: int, s_m: float, *, inside: bool) -> Way | None:
        line, cut = self._ways.lines[edge], self._cuts[edge]
        k = min(max(bisect_right(cut.s_m, s_m) - 1, 0), len(cut.closed) - 1)
        ends = ((cut.nodes[k], s_m - cut.s_m[k]), (cut.nodes[k + 1], cut.s_m[k + 1] - s_m))
        floors = [1] if cut.closed[k] else [0, 1] if inside else [0]
        for floor in floors:
            weight = DANGER_WEIGHT if floor else 1.0
            costs = [
                (weight * off_m + self._far[node + floor * self._size], end)
                for end, (node, off_m) in enumerate(ends)
            ]
            cost, end = min(costs)
            if math.isfinite(cost):
                node, off_m = ends[end]
                to_m = cut.s_m[k + end]
                bends = line.between(min(s_m, to_m), max(s_m, to_m))
                bends = bends[::-1] if end == 0 else bends
                start = line.at(s_m)
                return self._way(start, bends, node + floor * self._size, off_m, line.roadway)
        return None

    def _from_area(self, area: int, place: Point, *, inside: bool) -> Way | None:
        doors = self._ways.places.doors
        best: tuple[float, int, float] | None = None
        for door in np.flatnonzero(doors["area"] == area).tolist():
            node = self._door_nodes[door]
            point = self._points[node]
            off_m = math.dist(place[:2], point[:2])
            is_open = not inside and self._is_open(place, point)
            floor, weight = (0, 1.0) if is_open else (1, DANGER_WEIGHT)
            if not is_open and not inside:
                continue
            cost = weight * off_m + self._far[node + floor * self._size]
            if math.isfinite(cost) and (best is None or cost < best[0]):
                best = cost, node + floor * self._size, off_m
        straight = self._straight(area, place, inside=inside)
        if straight and (best is None or straight[0] < best[0]):
            return straight[1]
        if best is None:
            return None
        z_m = self._points[best[1] % self._size][2] if math.isnan(place[2]) else place[2]
        return self._way((place[0], place[1], z_m), (), best[1], best[2], -1)

    def _straight(self, area: int, place: Point, *, inside: bool) -> tuple[float, Way] | None:
        """What it costs to go straight to a safe place in the same area, and that way."""
        best: tuple[float, Way] | None = None
        for zone in self._halls[area]:
            off_m, point = nearest_border(zone, place)
            if inside or self._is_open(place, point):
                cost = off_m * (DANGER_WEIGHT if inside else 1.0)
                if best is None or cost < best[0]:
                    start = (place[0], place[1], point[2])
                    best = cost, Way(off_m, zone.id, (start, point), ())
        return best

    def _is_open(self, a: Point, b: Point) -> bool:
        """Whether nothing dangerous lies straight between two places of an open area."""
        z_m = b[2] if math.isnan(a[2]) else a[2]
        if math.dist(a[:2], b[:2]) < APART_LEAST_M:
            return True
        line = line_of(np.array([(a[0], a[1], z_m), b]), -1)
        return not any(stretches(line, shape) for shape in self._danger)

    def _way(
        self, start: Point, bends: tuple[Point, ...], node: int, off_m: float, roadway: int
    ) -> Way:
        tail = self._tail(node)
        first = self._points[node % self._size]
        points = [start, *bends]
        if math.dist(points[-1], first) > _ROUNDING_M:
            points.append(first)
        names = self._ways.map.roadways
        along = _along(roadway, tail.roadways) if off_m > _ROUNDING_M else tail.roadways
        return Way(
            length_m=off_m + tail.length_m,
            zone=tail.zone,
            points_m=(*points, *tail.points_m),
            roadways=tuple(names[index].id for index in along),
        )


def _along(roadway: int, then: tuple[int, ...]) -> tuple[int, ...]:
    """The roadways of a way that begins on one, -1 for none."""
    return then if roadway < 0 or then[:1] == (roadway,) else (roadway, *then)


def _nearest_node(cut: _Cut, s_m: float) -> int:
    k = min(range(len(cut.s_m)), key=lambda k: abs(cut.s_m[k] - s_m))
    return cut.nodes[k]
