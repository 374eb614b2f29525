from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely

from hil_sim.roadgraph import RoadGraph, Spot, Stretch, contains
from positioning.mine_map import Roadway, Zone, ZoneKind


def roadway(name: str, *points: tuple[float, float, float]) -> Roadway:
    return Roadway(name, name, 4.0, np.array(points, np.float64))


def zone(*ring: tuple[float, float], holes: tuple[list[tuple[float, float]], ...] = ()) -> Zone:
    rings = (ring, *holes)
    return Zone("z", "z", ZoneKind.WELLHEAD, tuple(np.array(r, np.float64) for r in rings))


# A square of 100 m with a dead end from the middle of its upper side.
SQUARE = (
    roadway("low", (0, 0, 0), (100, 0, 0)),
    roadway("sides", (100, 0, 0), (100, 100, 0), (0, 100, 0), (0, 0, 0)),
    roadway("stub", (50, 100, 0), (50, 160, 0)),
)


def length_of(graph: RoadGraph, start: Spot, way: list[Spot]) -> float:
    total, here = 0.0, start
    for spot in way:
        entry_m = here.s_m if spot.edge == here.edge else graph.entry_m(spot.edge, here)
        total += abs(spot.s_m - entry_m)
        here = spot
    return total


def test_a_roadway_that_ends_on_another_joins_it() -> None:
    graph = RoadGraph(SQUARE)
    assert len(graph.length_m) == 6
    assert sorted(len(edges) for edges in graph.edges_at) == [1, 2, 2, 2, 2, 3]


def test_the_way_is_the_shortest() -> None:
    graph = RoadGraph(SQUARE)
    bottom = next(e for e in range(6) if np.allclose(graph.start_m[e], (0, 0, 0)))
    stub = next(e for e in range(6) if graph.roadway[e] == 2)
    for s_m, expected_m in ((10.0, 10 + 100 + 50 + 60), (90.0, 10 + 100 + 50 + 60)):
        start, goal = Spot(bottom, s_m), Spot(stub, 60.0)
        way = graph.way(start, goal)
        assert way[-1] == goal
        assert length_of(graph, start, way) == pytest.approx(expected_m)


def test_every_way_is_connected_and_no_longer_than_its_reverse() -> None:
    graph = RoadGraph(SQUARE)
    spots = [Spot(edge, float(graph.length_m[edge]) * 0.3) for edge in range(6)]
    for a, b in itertools.permutations(spots, 2):
        there, back = length_of(graph, a, graph.way(a, b)), length_of(graph, b, graph.way(b, a))
        assert there == pytest.approx(back)
        assert there >= np.linalg.norm(place(graph, a) - place(graph, b)) - 1e-9


def place(graph: RoadGraph, spot: Spot) -> np.ndarray:
    one = np.array([spot.edge]), np.array([spot.s_m])
    return np.asarray(graph.place_m(*one, np.zeros(1), 0.0)[0])


def test_on_the_same_edge_one_walks_straight() -> None:
    assert RoadGraph(SQUARE).way(Spot(0, 5.0), Spot(0, 50.0)) == [Spot(0, 50.0)]


def test_roadways_without_connection_have_no_way() -> None:
    graph = RoadGraph((roadway("a", (0, 0, 0), (9, 0, 0)), roadway("b", (50, 0, 0), (60, 0, 0))))
    with pytest.raises(ValueError, match="no connection"):
        graph.way(Spot(0, 1.0), Spot(1, 1.0))


def test_no_roadway_is_told() -> None:
    with pytest.raises(ValueError, match="no roadway"):
        RoadGraph(())


def test_walkers_come_to_the_centre_at_the_ends_and_stay_at_their_side_between() -> None:
    graph = RoadGraph((roadway("a", (0, 0, 0), (30, 0, 3)),))
    s_m = np.array([0.0, 15.0, graph.length_m[0]])
    places = graph.place_m(np.zeros(3, np.int64), s_m, np.full(3, 1.5), 1.2)
    assert places[:, 1].tolist() == [0.0, 1.5, 0.0]
    assert places[0, 2] == pytest.approx(1.2)
    assert places[2, 2] == pytest.approx(4.2)


def test_a_shaft_has_no_sides() -> None:
    graph = RoadGraph((roadway("shaft", (0, 0, 0), (0, 0, -100)),))
    places = graph.place_m(np.zeros(1, np.int64), np.array([50.0]), np.array([1.0]), 0.0)
    assert places.tolist() == [[0.0, 0.0, -50.0]]


def test_stretches_are_the_parts_inside_a_zone_and_the_rest_is_free() -> None:
    graph = RoadGraph((roadway("a", (0, 0, 0), (100, 0, 0)),))
    (stretch,) = graph.stretches_in(zone((40, -5), (60, -5), (60, 5), (40, 5), (40, -5)))
    assert stretch.low_m == pytest.approx(40, abs=0.6)
    assert stretch.high_m == pytest.approx(60, abs=0.6)
    free = list(graph.free_stretches([stretch]))
    assert [part.edge for part in free] == [0, 0]
    assert free[0].high_m < stretch.low_m < stretch.high_m < free[1].low_m
    assert free[0].length_m + free[1].length_m == pytest.approx(79, abs=2)
    assert list(graph.free_stretches([Stretch(0, 0.0, 100.0)])) == []


def test_the_gate_is_a_dead_end_at_the_wellhead() -> None:
    graph = RoadGraph(SQUARE)
    gate = graph.gate((zone((45, 150), (55, 150), (55, 170), (45, 170), (45, 150)),))
    assert place(graph, gate).tolist() == [50.0, 160.0, 0.0]
    with pytest.raises(ValueError, match="wellhead"):
        graph.gate((zone((-5, -5), (5, -5), (5, 5), (-5, 5), (-5, -5)),))


def test_contains_agrees_with_another_library() -> None:
    rng = np.random.default_rng(3)
    hole = [(4.0, 4.0), (6.0, 4.0), (5.0, 7.0), (4.0, 4.0)]
    ring = [(0.0, 0.0), (9.0, 1.0), (12.0, 8.0), (6.0, 6.5), (1.0, 11.0), (0.0, 0.0)]
    points = rng.uniform(-1, 13, (5000, 2))
    oracle = shapely.contains_xy(shapely.Polygon(ring, [hole]), points)
    assert contains(zone(*ring, holes=(hole,)), points).tolist() == oracle.tolist()
