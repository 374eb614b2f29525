"""Whether rings bound an area, against shapely."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.rings import contains, holes_problem, ring_problem

grid = st.integers(0, 4).map(float)
ring_points = st.lists(st.tuples(grid, grid), min_size=3, max_size=7)


@settings(max_examples=500, deadline=None)
@given(ring_points)
def test_rings_are_judged_as_by_shapely(points: list[tuple[float, float]]) -> None:
    ring = np.array([*points, points[0]])
    repeats = (ring[1:] == ring[:-1]).all(axis=1).any()
    simple = not repeats and shapely.Polygon(ring).is_valid
    assert (ring_problem(ring) == "") == simple


@settings(max_examples=300, deadline=None)
@given(ring_points, st.lists(st.tuples(grid, grid), min_size=3, max_size=4))
def test_holes_are_judged_as_by_shapely(
    points: list[tuple[float, float]], hole_points: list[tuple[float, float]]
) -> None:
    outer, hole = np.array([*points, points[0]]) * 4, np.array([*hole_points, hole_points[0]]) + 2.5
    if ring_problem(outer) or ring_problem(hole):
        return
    # A hole that touches the border is refused too: no need for it, and hard to see on a map.
    inside = shapely.Polygon(outer).contains_properly(shapely.Polygon(hole))
    assert (holes_problem([outer, hole]) == "") == inside


def test_contains_agrees_with_shapely() -> None:
    rng = np.random.default_rng(3)
    turn = np.sort(rng.uniform(0, 2 * np.pi, 12))
    star = np.column_stack([np.cos(turn), np.sin(turn)]) * rng.uniform(3, 10, (12, 1))
    ring = np.vstack([star, star[:1]])
    for place in rng.uniform(-10, 10, (400, 2)):
        assert contains(ring, place) == shapely.Polygon(ring).contains(shapely.Point(place))
