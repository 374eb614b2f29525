"""Polygons: distance and containment against shapely, on borders too."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from positioning.polygons import build_polygons, distances_m, edges_of, pairs_of
from tests.positioning.shapes import star

Floats = NDArray[np.float64]


def pairs(rings: list[list[Floats]], points_m: Floats) -> set[tuple[int, int]]:
    found = pairs_of(tuple(build_polygons([edges_of(some) for some in rings])), points_m)
    assert np.array_equal(found, found[np.lexsort((found[:, 1], found[:, 0]))])
    return set(map(tuple, found.tolist()))


def by_shapely(rings: list[list[Floats]], points_m: Floats) -> set[tuple[int, int]]:
    tree = shapely.STRtree([shapely.Polygon(some[0], some[1:]) for some in rings])
    found = tree.query(shapely.points(points_m), predicate="intersects")
    return set(map(tuple, found.T.tolist()))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), points=st.integers(6, 30))
def test_signed_distance_agrees_with_shapely(seed: int, points: int) -> None:
    outer, hole = star(seed, points), star(seed + 1, 5) * 0.1
    oracle = shapely.Polygon(outer, [hole])
    if not oracle.is_valid:
        return
    places = np.random.default_rng(seed).uniform(-25.0, 25.0, (200, 2))
    geometry = shapely.points(places)
    inside = shapely.contains_properly(oracle, geometry)
    expected = shapely.distance(shapely.boundary(oracle), geometry) * np.where(inside, 1.0, -1.0)
    assert np.allclose(distances_m(edges_of((outer, hole)), places), expected, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shift=st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
    turn=st.floats(-7, 7),
)
def test_distance_knows_no_origin_and_no_direction(
    seed: int, shift: tuple[float, float], turn: float
) -> None:
    outer, places = star(seed), np.random.default_rng(seed).uniform(-25.0, 25.0, (50, 2))
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    here = distances_m(edges_of((outer,)), places)
    there = distances_m(edges_of((outer @ matrix + shift,)), places @ matrix + shift)
    assert np.allclose(here, there, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_very_same_pairs_as_shapely_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rings = []
    for k in range(30):
        centre = rng.uniform(-120.0, 120.0, 2)
        outer = star(seed + k, int(rng.integers(10, 31))) + centre
        hole = star(seed + k, 6) * 0.1 + centre
        valid = shapely.Polygon(outer, [hole]).is_valid
        rings.append([outer, hole] if valid else [star(k, 16) + centre])
    rings = [some for some in rings if shapely.Polygon(some[0], some[1:]).is_valid]
    corners = np.vstack([part for some in rings for part in some])
    # Places, corners, and what lies on or a rounding beside a border.
    share = rng.uniform(0.0, 1.0, (len(corners), 1))
    between = corners * share + np.roll(corners, -1, axis=0) * (1.0 - share)
    beside = np.nextafter(corners, corners + rng.choice([-1.0, 1.0], corners.shape))
    places = np.vstack([rng.uniform(-150.0, 150.0, (1000, 2)), corners, between, beside])
    assert pairs(rings, places) == by_shapely(rings, places)


grid = st.integers(0, 6).map(float)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(grid, grid), min_size=3, max_size=8), st.sampled_from([1.0, 0.1, 7.0]))
def test_borders_belong_to_a_polygon_as_in_shapely(
    corners: list[tuple[float, float]], scale: float
) -> None:
    ring = np.array(corners) * scale
    if not shapely.Polygon(ring).is_valid:
        return
    steps = np.arange(-1.0, 8.0, 0.5) * scale
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    assert pairs([[ring]], places) == by_shapely([[ring]], places)
    assert pairs([[ring[::-1]]], places) == by_shapely([[ring]], places)


def test_a_large_zone_of_many_cells_and_places_in_any_order() -> None:
    rings = [[star(3, 60) * 12.0, star(4, 12) * 2.0], [star(5, 20)]]
    places = np.random.default_rng(1).uniform(-250.0, 250.0, (3000, 2))
    assert pairs(rings, places) == by_shapely(rings, places)
    assert pairs(rings, np.asfortranarray(places[::-1])) == by_shapely(rings, places[::-1])


def test_more_pairs_than_there_is_room_for_at_first() -> None:
    rings = [[star(k)] for k in range(300)]
    places = np.zeros((100, 2))
    assert len(pairs(rings, places)) == 30_000


def test_what_is_not_finite_or_far_away_is_in_no_polygon() -> None:
    wrong = [np.nan, np.inf, -np.inf, 1e300, -1e300]
    places = np.array([(x, y) for x in [0.0, *wrong] for y in [0.0, *wrong]])
    assert pairs([[star(1)]], places) == {(0, 0)}
    assert pairs([], places) == set()
    assert pairs([[star(1)]], np.empty((0, 2))) == set()


@pytest.mark.parametrize(
    "ring", [[(0, 0), (0, 0), (0, 0)], [(0, 0), (1, 1)], [(0, 0), (1, np.inf), (1, 0)], []]
)
def test_what_has_no_extent_has_no_segments(ring: list[tuple[float, float]]) -> None:
    assert edges_of((np.array(ring, np.float64).reshape(-1, 2),)).shape == (0, 4)
    assert edges_of(()).shape == (0, 4)
