"""The graph of the roadways: where they join, how long the ways are, where points are on it."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.graph import JOIN_M, Graph, build_graph, nearest_on_graph
from positioning.mine_map import Roadway
from tests.positioning.scenes import MINE


def roadway(name: str, *points: tuple[float, ...]) -> Roadway:
    return Roadway(name, name, 5.0, np.array(points, np.float64))


def check(graph: Graph) -> None:
    """What holds of every graph."""
    edges = len(graph.length_m)
    assert graph.first_piece[0] == 0
    assert graph.first_piece[-1] == len(graph.piece_length_m)
    assert np.linalg.norm(graph.along, axis=1) == pytest.approx(1.0)
    for e in range(edges):
        pieces = slice(graph.first_piece[e], graph.first_piece[e + 1])
        assert (graph.piece_edge[pieces] == e).all()
        starts = np.append(0.0, np.cumsum(graph.piece_length_m[pieces]))
        assert graph.piece_s_m[pieces] == pytest.approx(starts[:-1])
        assert graph.length_m[e] == pytest.approx(starts[-1])
        ends_m = graph.piece_m + graph.piece_length_m[:, None] * graph.along
        assert ends_m[pieces][:-1] == pytest.approx(graph.piece_m[pieces][1:], abs=1e-9)
        for end in (0, 1):
            node = graph.ends[e, end]
            ways = slice(graph.node_start[node], graph.node_start[node + 1])
            met = list(zip(graph.node_edges[ways], graph.node_ends[ways], strict=True))
            assert met.count((e, end)) == 1
    assert graph.node_start[-1] == len(graph.node_edges) == 2 * edges
    assert np.allclose(graph.apart_m, graph.apart_m.T, rtol=1e-12)
    assert (graph.apart_m.diagonal() == 0.0).all()
    for e, (a, b) in enumerate(graph.ends):
        assert graph.apart_m[a, b] <= graph.length_m[e] + 1e-9


def test_a_roadway_alone_is_one_edge_with_its_bends() -> None:
    graph = build_graph([roadway("a", (0, 0, 0), (30, 0, -40), (30, 100, -40))])
    check(graph)
    assert graph.length_m.tolist() == [150.0]
    assert graph.piece_length_m.tolist() == [50.0, 100.0]
    assert len(graph.apart_m) == 2
    assert graph.apart_m[0, 1] == 150.0


def test_without_roadways_there_is_no_edge() -> None:
    graph = build_graph([])
    assert len(graph.length_m) == 0
    edge, s_m, off_m = nearest_on_graph(graph, np.zeros((2, 3)))
    assert (edge.tolist(), s_m.tolist(), off_m.tolist()) == ([-1, -1], [0.0, 0.0], [0.0, 0.0])


def test_a_roadway_that_ends_on_another_cuts_it() -> None:
    graph = build_graph(MINE.roadways)
    check(graph)
    main_m = math.hypot(100.0, 2.0)
    rest_m = math.hypot(130.0, 2.0) * 40.0 / 130.0
    assert graph.roadway.tolist() == [0, 0, 1]
    assert graph.length_m[0] == pytest.approx(main_m + rest_m, abs=1e-6)
    assert graph.chainage_m == pytest.approx([0.0, main_m + rest_m, 0.0], abs=1e-6)
    assert graph.ends[0, 1] == graph.ends[1, 0] == graph.ends[2, 0]
    assert np.diff(graph.node_start).tolist() == [1, 3, 1, 1]
    far = graph.apart_m[graph.ends[1, 1], graph.ends[2, 1]]
    assert far == pytest.approx(graph.length_m[1] + graph.length_m[2])


@pytest.mark.parametrize(("gap_m", "joined"), [(0.9 * JOIN_M, True), (1.1 * JOIN_M, False)])
def test_how_near_ends_must_be_to_join(gap_m: float, joined: bool) -> None:  # noqa: FBT001 - a table
    roadways = [roadway("a", (0, 0, 0), (50, 0, 0)), roadway("b", (50, gap_m, 0), (50, 80, 0))]
    graph = build_graph(roadways)
    check(graph)
    assert np.isfinite(graph.apart_m).all() == joined
    assert len(graph.apart_m) == (3 if joined else 4)


def test_roadways_that_cross_at_a_point_of_both_join_there() -> None:
    """And those that pass over one another do not."""
    across = roadway("b", (50, -40, 0), (50, 0, 0), (50, 40, 0))
    graph = build_graph([roadway("a", (0, 0, 0), (50, 0, 0), (90, 0, 0)), across])
    check(graph)
    assert sorted(graph.length_m.tolist()) == [40.0, 40.0, 40.0, 50.0]
    above = roadway("b", (50, -40, 9), (50, 0, 9), (50, 40, 9))
    graph = build_graph([roadway("a", (0, 0, 0), (50, 0, 0), (90, 0, 0)), above])
    assert sorted(graph.length_m.tolist()) == [80.0, 90.0]
    assert np.isinf(graph.apart_m).any()


def test_a_ring_has_two_ways_round() -> None:
    ring = [
        roadway("a", (0, 0, 0), (100, 0, 0)),
        roadway("b", (100, 0, 0), (100, 60, 0), (0, 60, 0)),
        roadway("c", (0, 60, 0), (0, 0, 0)),
    ]
    graph = build_graph(ring)
    check(graph)
    assert np.diff(graph.node_start).tolist() == [2, 2, 2]
    assert graph.apart_m[graph.ends[1, 0], graph.ends[1, 1]] == 160.0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_points_are_where_shapely_says(seed: int) -> None:
    """On flat networks of roadways that end on one another."""
    rng = np.random.default_rng(seed)
    trunk = np.column_stack([np.arange(0.0, 301.0, 60.0), rng.uniform(-25, 25, 6), np.zeros(6)])
    lines = [trunk]
    for _ in range(int(rng.integers(0, 5))):
        k, share = int(rng.integers(5)), rng.uniform(0.1, 0.9)
        foot = trunk[k] + share * (trunk[k + 1] - trunk[k])
        lines.append(
            np.array([foot, foot + np.array([rng.uniform(-40, 40), rng.choice([-70, 70]), 0])])
        )
    graph = build_graph([Roadway(str(i), str(i), 5.0, line) for i, line in enumerate(lines)])
    check(graph)
    flat = [shapely.LineString(line[:, :2]) for line in lines]
    lengths_m = np.bincount(graph.roadway, graph.length_m)
    assert lengths_m == pytest.approx([line.length for line in flat])
    points_m = np.column_stack(
        [rng.uniform(-30, 330, 20), rng.uniform(-100, 100, 20), np.zeros(20)]
    )
    edge, s_m, off_m = nearest_on_graph(graph, points_m)
    for i, point_m in enumerate(points_m):
        point = shapely.Point(point_m[:2])
        assert off_m[i] == pytest.approx(min(line.distance(point) for line in flat), abs=1e-6)
        line = flat[graph.roadway[edge[i]]]
        at = line.interpolate(graph.chainage_m[edge[i]] + s_m[i])
        assert at.distance(point) == pytest.approx(off_m[i], abs=1e-6)
