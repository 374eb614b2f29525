"""Who is near whom: along roadways, through areas, with both uncertainties."""

import math
from itertools import pairwise

import numpy as np
import pytest
import rustworkx
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.graph import build_graph
from positioning.mine_map import Area, Roadway
from positioning.nearness import Nearness
from positioning.observation import Records, new_fixes


def roadway(name: str, *points: tuple[float, float, float]) -> Roadway:
    return Roadway(name, name, 5.0, np.array(points, np.float64))


#: Two long ones side by side, 20 m of rock between, joined by a crosscut at x = 100.
PAIR = (
    roadway("south", (0, 0, 0), (100, 0, 0), (200, 0, 0)),
    roadway("north", (0, 20, 0), (100, 20, 0), (200, 20, 0)),
    roadway("cut", (100, 0, 0), (100, 20, 0)),
)


def nearness(roadways: tuple[Roadway, ...], *areas: Area) -> Nearness:
    return Nearness(roadways, build_graph(roadways), areas)


def area(name: str, *points: tuple[float, float]) -> Area:
    return Area(name, name, (np.array([*points, points[0]], np.float64),))


def on(*places: tuple[int, float], sigma_m: float = 0.0) -> Records:
    """Fixes that name a roadway and a chainage."""
    fixes = new_fixes(len(places))
    fixes["roadway"], fixes["chainage_m"] = np.array(places).T
    fixes["var_x_m2"] = fixes["var_y_m2"] = sigma_m**2
    return fixes


def at(*places: tuple[float, ...]) -> Records:
    """Fixes that name only x, y and maybe z."""
    fixes = new_fixes(len(places))
    for fix, (x, y, *z) in zip(fixes, places, strict=True):
        fix["x_m"], fix["y_m"], fix["z_m"] = x, y, z[0] if z else np.nan
    return fixes


def distances(near: Nearness, a: Records, b: Records) -> list[list[float]]:
    found = near.near(near.place(a), near.place(b), 1e6)
    table = np.full((len(a), len(b)), np.inf)
    table[found["a"], found["b"]] = found["distance_m"]
    return table.round(6).tolist()


def test_the_way_goes_along_roadways_and_not_through_rock() -> None:
    near = nearness(PAIR)
    assert distances(near, on((0, 40.0)), on((0, 70.0), (1, 40.0), (1, 150.0), (2, 5.0))) == [
        [30.0, 60 + 20 + 60, 60 + 20 + 50, 65.0]
    ]
    spots = near.place(on((0, 40.0), (1, 40.0)))
    assert near.near(spots[:1], spots[1:], 100.0).size == 0


def test_places_by_chainage_are_those_by_coordinates() -> None:
    near = nearness((*PAIR, roadway("above", (0, 0, 30), (200, 0, 30))))
    by_name = near.place(on((0, 40.0), (0, 160.0), (2, 5.0), (3, 10.0)))
    by_place = near.place(at((40, 1.5), (160, -2, 1), (101, 5), (10, 1, 31)))
    assert by_name["edge"].tolist() == by_place["edge"].tolist()
    assert np.allclose(by_name["s_m"], by_place["s_m"])
    beyond = near.place(on((0, -5.0), (0, 999.0)))
    assert np.allclose(distances(near, on((0, 0.0)), on((0, -5.0), (0, 999.0))), [[0.0, 200.0]])
    assert (beyond["s_m"] >= 0.0).all()


def test_a_loop_has_two_ways() -> None:
    ring = roadway("ring", (0, 0, 0), (50, 0, 0), (50, 50, 0), (0, 50, 0), (0, 0, 0))
    assert distances(nearness((ring,)), on((0, 10.0)), on((0, 60.0), (0, 190.0))) == [[50.0, 20.0]]


def test_in_one_area_the_way_is_straight_and_out_of_it_through_a_door() -> None:
    room = area("room", (200, -30), (260, -30), (260, 50), (200, 50))
    near = nearness(PAIR, room)
    inside = at((230, 10), (210, 40))
    assert distances(near, inside[:1], inside) == [[0.0, round(math.hypot(20, 30), 6)]]
    # Both roadways end at the room: from the one into the other through it is the shortest way.
    to_south = math.hypot(30, 10)
    found = distances(near, inside[:1], on((0, 190.0), (1, 150.0)))
    assert np.allclose(found, [[to_south + 10, to_south + 50]])
    assert np.allclose(distances(near, on((0, 190.0)), on((1, 190.0))), [[10 + 20 + 10]])


def test_an_area_that_a_roadway_crosses_and_one_that_none_reaches() -> None:
    crossed = area("crossed", (40, -10), (60, -10), (60, 10), (40, 10))
    apart = area("apart", (0, 60), (10, 60), (10, 70), (0, 70))
    near = nearness(PAIR, crossed, apart)
    found = distances(near, at((50, 8)), on((0, 50.0), (0, 30.0), (0, 90.0)))
    assert np.allclose(found[0][1:], [math.hypot(10, 8) + 10, math.hypot(10, 8) + 30])
    # It is joined to the nearest roadway, straight.
    assert np.allclose(distances(near, at((0, 60)), on((1, 0.0))), [[40.0]])


def test_what_is_nowhere_is_near_nobody() -> None:
    near = nearness(PAIR)
    fixes = on((0, 40.0), (0, 41.0), (0, 42.0))
    fixes["x_m"][1], fixes["var_y_m2"][2] = np.nan, np.inf
    spots = near.place(fixes)
    assert spots["edge"][1:].tolist() == [-1, -1]
    found = near.near(spots, spots, 1e6)
    assert found[["a", "b"]].tolist() == [(0, 0)]
    bare = nearness((), area("a", (0, 0), (9, 0), (9, 9), (0, 9)))
    assert distances(bare, at((1, 1)), at((4, 5), (40, 5))) == [[5.0, math.inf]]


def test_roadways_that_do_not_meet_are_not_near() -> None:
    near = nearness((roadway("a", (0, 0, 0), (90, 0, 0)), roadway("b", (0, 9, 0), (90, 9, 0))))
    assert distances(near, on((0, 5.0)), on((1, 5.0))) == [[math.inf]]


@pytest.mark.parametrize("sigmas_m", [(1.0, 0.0), (0.0, 1.0), (3.0, 4.0)])
def test_the_least_distance_is_one_with_95_percent(sigmas_m: tuple[float, float]) -> None:
    near, rng = nearness(PAIR), np.random.default_rng(1)
    a = near.place(on((0, 40.0), sigma_m=sigmas_m[0]))
    b = near.place(on((1, 60.0), sigma_m=sigmas_m[1]))
    (pair,) = near.near(a, b, 1e6)
    assert pair["distance_m"] == 120.0
    true = 120.0 + rng.normal(0, sigmas_m[0], 20_000) + rng.normal(0, sigmas_m[1], 20_000)
    assert (true >= pair["least_m"]).mean() == pytest.approx(0.95, abs=0.01)
    assert near.near(a, b, pair["least_m"] + 0.01).size == 1
    assert near.near(a, b, pair["least_m"] - 0.01).size == 0


def test_only_the_uncertainty_along_the_roadway_counts() -> None:
    near, fixes = nearness(PAIR), on((0, 40.0), (2, 5.0))
    fixes["var_x_m2"], fixes["var_y_m2"] = 4.0, 100.0
    assert near.place(fixes)["sigma_m"].tolist() == [2.0, 10.0]


def test_more_pairs_than_there_is_room_for_at_first() -> None:
    near = nearness(PAIR)
    spots = near.place(on(*((0, 0.05 * k) for k in range(2000))))
    assert near.near(spots[:3], spots, 1e6).size == 6000


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_distances_agree_with_a_fine_graph(seed: int) -> None:
    """Dijkstra over steps of one metre on a random grid, and both ways the same."""
    rng = np.random.default_rng(seed)
    lines = [((0, 30 * k), (120, 30 * k)) for k in range(4)]
    lines += [((40 * k, 0), (40 * k, 90)) for k in range(4)]
    chosen = [lines[k] for k in sorted(rng.choice(8, 6, replace=False))]
    union = shapely.unary_union([shapely.LineString(line) for line in chosen])
    parts = shapely.get_parts(union).tolist()
    roadways = tuple(
        roadway(str(k), *((x, y, 0.0) for x, y in part.coords)) for k, part in enumerate(parts)
    )
    graph: rustworkx.PyGraph[tuple[int, int], float] = rustworkx.PyGraph()
    node: dict[tuple[int, int], int] = {}
    for part in parts:
        steps = [part.interpolate(s) for s in range(round(part.length) + 1)]
        points = [(round(p.x), round(p.y)) for p in steps]
        for point in points:
            if point not in node:
                node[point] = graph.add_node(point)
        graph.add_edges_from([(node[a], node[b], 1.0) for a, b in pairwise(points)])
    places = [list(node)[k] for k in rng.integers(0, len(node), 12)]
    near = nearness(roadways)
    found = np.array(distances(near, at(*places), at(*places)))
    assert np.allclose(found, found.T)
    for row, place in enumerate(places):
        ways = dict(rustworkx.dijkstra_shortest_path_lengths(graph, node[place], float).items())
        expected = [0.0 if node[p] == node[place] else ways.get(node[p], math.inf) for p in places]
        assert np.allclose(found[row], expected)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_order_does_not_matter_and_pairs_come_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    near = nearness(PAIR, area("room", (200, -30), (260, -30), (260, 50), (200, 50)))
    fixes = at(*rng.uniform((0, -20), (260, 40), (60, 2)).tolist())
    fixes["var_x_m2"] = rng.uniform(0.0, 20.0, 60)
    spots, order = near.place(fixes), rng.permutation(60)
    found = near.near(spots[:5], spots, 40.0)
    other = near.near(spots[:5], spots[order], 40.0)
    assert np.array_equal(found, found[np.lexsort((found["b"], found["a"]))])
    assert {(a, b) for a, b, *_ in found.tolist()} == {(a, order[b]) for a, b, *_ in other.tolist()}


def test_an_area_without_extent_is_named() -> None:
    with pytest.raises(ValueError, match="area 'bad'"):
        nearness(PAIR, area("bad", (0, 0), (1, 1)))
