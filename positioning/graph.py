"""The roadways as a graph: edges between junctions, each a bent line, and the ways along them.

Roadways join where points of their centrelines coincide, and where one ends on the line of another.
A place in the graph is (edge, s): `s` metres along the edge from its first node, measured in space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import rustworkx
from numpy.typing import NDArray

from positioning.mine_map import Roadway

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Points of centrelines nearer than this are one junction.
JOIN_M: Final = 0.5


class Graph(NamedTuple):
    """The arrays of the graph, for kernels. Pieces of one edge stand together, in order.

    Of pieces, (k,): `piece_m` (k, 3) the first point and `along` (k, 3) the unit vector to the
    second, `piece_length_m`, `piece_s_m` where on its edge it begins, `piece_edge`.

    Of edges, (e,): `first_piece` (e + 1,), `length_m`, `width_m`, `roadway` its index,
    `chainage_m` that of s = 0 on the roadway, `ends` (e, 2) nodes.

    Of nodes, (n,): those edges that meet at node i, and by which of their ends (0 or 1), are
    `node_edges[node_start[i]:node_start[i + 1]]` and `node_ends` there; `apart_m` (n, n) the
    shortest way between two nodes, infinite where there is none.
    """

    piece_m: Floats
    along: Floats
    piece_length_m: Floats
    piece_s_m: Floats
    piece_edge: Integers
    first_piece: Integers
    length_m: Floats
    width_m: Floats
    roadway: Integers
    chainage_m: Floats
    ends: Integers
    node_start: Integers
    node_edges: Integers
    node_ends: Integers
    apart_m: Floats


#: The same as a plain tuple, because numba keeps the types of what it is called with on disk, and
#: fails where a class of ours there has changed its name since.
AnyGraph = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    """Part of a roadway between two nodes: `line_m` (n, 3), n >= 2."""

    roadway: int
    chainage_m: float
    ends: tuple[int, int]
    line_m: Floats


def build_graph(roadways: Sequence[Roadway], above_m: float = 0.0) -> Graph:
    """The graph of a map's roadways, `above_m` over their floor; no edge where there are none."""
    lines = [_with_joints(roadway.centreline_m, roadways) for roadway in roadways]
    edges, nodes = _cut_at_nodes(lines)
    pieces = [len(edge.line_m) - 1 for edge in edges]
    starts = _stacked([edge.line_m[:-1] for edge in edges])
    steps = _stacked([np.diff(edge.line_m, axis=0) for edge in edges])
    piece_length_m = np.linalg.norm(steps, axis=1)
    first_piece = np.cumsum([0, *pieces]).astype(np.int64)
    before_m = np.concatenate([[0.0], np.cumsum(piece_length_m)])
    piece_edge = np.repeat(np.arange(len(edges)), pieces)
    ends = np.array([edge.ends for edge in edges], np.int64).reshape(-1, 2)
    length_m = np.diff(before_m[first_piece])
    meeting = sorted((int(ends[e, end]), e, end) for e in range(len(edges)) for end in (0, 1))
    counts = np.bincount([node for node, _, _ in meeting], minlength=nodes)
    return Graph(
        piece_m=starts + np.array([0.0, 0.0, above_m]),
        along=steps / piece_length_m[:, None],
        piece_length_m=piece_length_m,
        piece_s_m=before_m[:-1] - before_m[first_piece[piece_edge]],
        piece_edge=piece_edge.astype(np.int64),
        first_piece=first_piece,
        length_m=length_m,
        width_m=np.array([roadways[edge.roadway].width_m for edge in edges], np.float64),
        roadway=np.array([edge.roadway for edge in edges], np.int64),
        chainage_m=np.array([edge.chainage_m for edge in edges], np.float64),
        ends=ends,
        node_start=np.cumsum([0, *counts]).astype(np.int64),
        node_edges=np.array([edge for _, edge, _ in meeting], np.int64),
        node_ends=np.array([end for _, _, end in meeting], np.int64),
        apart_m=_ways_m(nodes, ends, length_m),
    )


def nearest_on_graph(graph: Graph, points_m: Floats) -> tuple[Integers, Floats, Floats]:
    """Where on the graph points, (n, 3) metres, are nearest to: edge, s and distance, (n,) each.

    Edge -1 where the graph is empty. For use at load: needs memory for n × pieces.
    """
    if len(graph.piece_length_m) == 0 or len(points_m) == 0:
        nothing = np.zeros(len(points_m))
        return np.full(len(points_m), -1, np.int64), nothing, nothing
    off_m = points_m[:, None, :] - graph.piece_m
    way_m = np.clip((off_m * graph.along).sum(axis=2), 0.0, graph.piece_length_m)
    apart_m = np.linalg.norm(off_m - way_m[..., None] * graph.along, axis=2)
    piece = apart_m.argmin(axis=1)
    row = np.arange(len(points_m))
    s_m = graph.piece_s_m[piece] + way_m[row, piece]
    return graph.piece_edge[piece], s_m, apart_m[row, piece]


def _stacked(parts: list[Floats]) -> Floats:
    return np.ascontiguousarray(np.vstack(parts)) if parts else np.empty((0, 3))


def _with_joints(line_m: Floats, roadways: Sequence[Roadway]) -> Floats:
    """A centreline with a point more where another roadway ends on it."""
    points = [line_m[0]]
    ends = np.array([r.centreline_m[i] for r in roadways for i in (0, -1)]).reshape(-1, 3)
    for a, b in pairwise(line_m):
        length_m = float(np.linalg.norm(b - a))
        along = (b - a) / length_m
        s_m = (ends - a) @ along
        off_m = np.linalg.norm(ends - a - s_m[:, None] * along, axis=1)
        joints = np.sort(s_m[(off_m < JOIN_M) & (s_m > JOIN_M) & (s_m < length_m - JOIN_M)])
        for joint_m in joints:
            point = a + along * joint_m
            if np.linalg.norm(point - points[-1]) > JOIN_M:
                points.append(point)
        points.append(b)
    return np.array(points)


def _cut_at_nodes(lines: list[Floats]) -> tuple[list[_Edge], int]:
    """Edges between nodes, and how many nodes there are."""
    points = _stacked(lines)
    place = _places(points)
    first = np.cumsum([0, *(len(line) for line in lines)])
    met = np.zeros(len(points), np.int64)
    for i, line in enumerate(lines):
        own = np.unique(place[first[i] : first[i + 1]])
        met[own] += 1
        for end in (first[i], first[i] + len(line) - 1):
            met[place[end]] += 2  # an end is a node, whoever meets it
    edges: list[_Edge] = []
    numbers: dict[int, int] = {}
    for i, line in enumerate(lines):
        where = place[first[i] : first[i + 1]]
        cuts = np.flatnonzero(met[where] > 1)
        chainages = np.concatenate(
            [[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
        )
        for low, high in pairwise(cuts.tolist()):
            part = line[low : high + 1]
            ends = tuple(numbers.setdefault(int(where[k]), len(numbers)) for k in (low, high))
            edges.append(_Edge(i, float(chainages[low]), (ends[0], ends[1]), part))
    return edges, len(numbers)


def _places(points: Floats) -> Integers:
    """For each point, (n, 3), the index of the first point that is the same place."""
    place = np.arange(len(points))
    for i in range(len(points)):
        near = np.flatnonzero(np.linalg.norm(points[: i + 1] - points[i], axis=1) < JOIN_M)
        place[i] = place[near[0]]
    return place


def _ways_m(nodes: int, ends: Integers, length_m: Floats) -> Floats:
    graph: rustworkx.PyGraph[int, float] = rustworkx.PyGraph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(
        [(int(a), int(b), float(w)) for (a, b), w in zip(ends, length_m, strict=True)]
    )
    apart_m = np.full((nodes, nodes), np.inf)
    lengths = rustworkx.all_pairs_dijkstra_path_lengths(graph, float)
    for a, others in lengths.items():
        for b, length in others.items():
            apart_m[a, b] = length
        apart_m[a, a] = 0.0
    return apart_m
