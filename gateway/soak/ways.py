"""Shortest ways over the roadways for many walkers at once."""

from __future__ import annotations

from typing import Final

import numpy as np

from hil_sim.roadgraph import Floats, Ints, RoadGraph, Stretch

#: No way at all: longer than any mine.
_NONE_M: Final = 1e9


class Ways:
    """Which edge comes next on the way to a place, for arrays of walkers."""

    def __init__(self, graph: RoadGraph) -> None:
        self._graph = graph
        count = len(graph.vertex_m)
        apart_m = np.full((count, count), _NONE_M)
        np.fill_diagonal(apart_m, 0.0)
        for (a, b), length_m in zip(graph.ends, graph.length_m, strict=True):
            apart_m[a, b] = apart_m[b, a] = min(apart_m[a, b], length_m)
        for k in range(count):  # Floyd–Warshall
            apart_m = np.minimum(apart_m, apart_m[:, k, None] + apart_m[None, k])
        self._apart_m = apart_m
        most = max(len(edges) for edges in graph.edges_at)
        self._out: Ints = np.full((count, most), -1, np.int64)
        for vertex, edges in enumerate(graph.edges_at):
            self._out[vertex, : len(edges)] = edges

    def exit_m(self, edge: Ints, s_m: Floats, goal_edge: Ints, goal_m: Floats) -> Floats:
        """How far along its edge each walker goes: to the goal if it is there, else to an end."""
        ends, length_m = self._graph.ends, self._graph.length_m
        by_first = s_m + self._left_m(ends[edge, 0], goal_edge, goal_m)
        by_second = length_m[edge] - s_m + self._left_m(ends[edge, 1], goal_edge, goal_m)
        end_m: Floats = np.where(by_first < by_second, 0.0, length_m[edge])
        return np.where(edge == goal_edge, goal_m, end_m)

    def next_edge(
        self, edge: Ints, s_m: Floats, goal_edge: Ints, goal_m: Floats
    ) -> tuple[Ints, Floats]:
        """Where walkers at an end of their edge go on: the edge, and where they come into it."""
        graph = self._graph
        vertex = graph.ends[edge, (s_m > 0).astype(np.int64)]
        out = self._out[vertex]
        ends = graph.ends[out]
        other = np.where(ends[..., 0] == vertex[:, None], ends[..., 1], ends[..., 0])
        entry_m = np.where(ends[..., 0] == vertex[:, None], 0.0, graph.length_m[out])
        cost_m = graph.length_m[out] + self._left_m(other, goal_edge[:, None], goal_m[:, None])
        cost_m = np.where(out == goal_edge[:, None], np.abs(entry_m - goal_m[:, None]), cost_m)
        cost_m[out < 0] = np.inf
        best = np.argmin(cost_m, axis=1)
        rows = np.arange(len(best))
        return out[rows, best], entry_m[rows, best]

    def distance_m(self, edge: Ints, s_m: Floats, other: Ints, other_m: Floats) -> Floats:
        """How far it is along the roadways from each place to another, metres."""
        ends, length_m = self._graph.ends, self._graph.length_m
        by_first = s_m + self._left_m(ends[edge, 0], other, other_m)
        by_second = length_m[edge] - s_m + self._left_m(ends[edge, 1], other, other_m)
        way_m: Floats = np.minimum(by_first, by_second)
        return np.where(edge == other, np.minimum(way_m, np.abs(s_m - other_m)), way_m)

    def _left_m(self, vertex: Ints, goal_edge: Ints, goal_m: Floats) -> Floats:
        ends = self._graph.ends[goal_edge]
        by_first = self._apart_m[vertex, ends[..., 0]] + goal_m
        rest_m = self._graph.length_m[goal_edge] - goal_m
        left_m: Floats = np.minimum(by_first, self._apart_m[vertex, ends[..., 1]] + rest_m)
        return left_m


class Places:
    """Named parts of the roadways, to take a spot in one at random."""

    def __init__(self, places: list[list[Stretch]]) -> None:
        """Takes the stretches of each place, none of them empty."""
        flat = [stretch for place in places for stretch in place]
        self._edge = np.array([stretch.edge for stretch in flat], np.int64)
        self._low_m = np.array([stretch.low_m for stretch in flat])
        self._start_m = np.cumsum([0.0, *(stretch.length_m for stretch in flat)])
        first = np.cumsum([0, *(len(place) for place in places)])
        self._first_m, self._last_m = self._start_m[first[:-1]], self._start_m[first[1:]]

    def spots(self, place: Ints, share: Floats) -> tuple[Ints, Floats]:
        """Edges and metres along them: `share` (0 to 1) of the way through each `place`."""
        at_m = self._first_m[place] + share * (self._last_m - self._first_m)[place]
        row = np.searchsorted(self._start_m, at_m, "right") - 1
        row = np.clip(row, 0, len(self._edge) - 1)
        return self._edge[row], self._low_m[row] + at_m - self._start_m[row]
