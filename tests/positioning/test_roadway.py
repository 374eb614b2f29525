"""Nearest roadway, chainage and floor height, against shapely and by hand."""

import numpy as np
import pytest
import shapely

from positioning.mine_map import Roadway
from positioning.roadway import Roadways


def roadway(name: str, *points: tuple[float, float, float]) -> Roadway:
    return Roadway(name, name, 5.0, np.array(points, np.float64))


INCLINE = roadway("incline", (0, 0, 0), (30, 0, -40), (30, 100, -40))
CROSSING = roadway("crossing", (20, 50, -100), (60, 50, -104))


def test_height_and_chainage_are_interpolated_along_the_nearest_centreline() -> None:
    found = Roadways([INCLINE, CROSSING]).nearest(
        np.array([[15.0, 2.0], [29.0, 80.0], [44.0, 51.0], [-3.0, -4.0], [30.0, 107.0]])
    )
    assert found.roadway.tolist() == [0, 0, 1, 0, 0]
    # The first piece falls 40 m on 30 m: it is 50 m long.
    assert found.chainage_m == pytest.approx([25.0, 130.0, np.hypot(40, 4) * 0.6, 0.0, 150.0])
    assert found.distance_m == pytest.approx([2.0, 1.0, 1.0, 5.0, 7.0])
    assert found.floor_z_m == pytest.approx([-20.0, -40.0, -102.4, 0.0, -40.0])


def test_a_place_that_is_not_finite_has_no_roadway() -> None:
    roadways = Roadways([INCLINE])
    found = roadways.nearest(np.array([[np.nan, 0.0], [0.0, np.inf], [0.0, 0.0]]))
    assert found.roadway.tolist() == [-1, -1, 0]
    for column in (found.chainage_m, found.distance_m, found.floor_z_m):
        assert np.isnan(column).tolist() == [True, True, False]
    assert np.isnan(roadways.floor_z_m(np.array([[np.nan, 0.0]])))[0]


def test_without_roadways_the_floor_is_at_0() -> None:
    none = Roadways([])
    assert none.floor_z_m(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [0.0, 0.0]
    assert none.nearest(np.array([[1.0, 2.0]])).roadway.tolist() == [-1]


def test_gaps_are_measured_in_space_to_the_nearest_of_all_roadways() -> None:
    above_the_crossing_m = np.array([[30.0, 50.0, -41.0], [30.0, 50.0, -100.0], [15.0, 0.0, 5.0]])
    gaps_m = Roadways([INCLINE, CROSSING]).gap_m(above_the_crossing_m)
    # The last is 25 m above the middle of a slope of 3 : 4, thus 15 m from the line.
    assert gaps_m == pytest.approx([1.0, 1.0 * 40 / np.hypot(40, 4), 15.0])
    assert Roadways([]).gap_m(above_the_crossing_m).tolist() == [np.inf] * 3
    assert Roadways([INCLINE]).gap_m(np.empty((0, 3))).shape == (0,)


def test_no_places_no_heights() -> None:
    assert Roadways([INCLINE]).floor_z_m(np.empty((0, 2))).shape == (0,)
    assert Roadways([]).floor_z_m(np.empty((0, 2))).shape == (0,)


def test_places_may_be_a_view_of_a_larger_array() -> None:
    places_m = np.array([[15.0, 9.0, 2.0], [29.0, 9.0, 80.0]])[:, ::2]
    assert Roadways([INCLINE]).floor_z_m(places_m) == pytest.approx([-20.0, -40.0])


def test_agrees_with_shapely() -> None:
    rng = np.random.default_rng(5)
    lines = [np.cumsum(rng.uniform(-40, 40, (rng.integers(2, 9), 3)), axis=0) for _ in range(30)]
    places_m = rng.uniform(-150, 150, (500, 2))
    found = Roadways(
        [roadway(str(number), *map(tuple, line)) for number, line in enumerate(lines)]
    ).nearest(places_m)
    # force_2d: nearness is horizontal.
    flat = np.array([shapely.force_2d(shapely.LineString(line)) for line in lines])
    points = [shapely.Point(place) for place in places_m]
    away_m = np.array([shapely.distance(point, flat) for point in points])
    assert found.distance_m == pytest.approx(away_m.min(axis=1), abs=1e-9)
    assert np.array_equal(found.roadway, away_m.argmin(axis=1))
    for place, number, height_m in zip(points, found.roadway, found.floor_z_m, strict=True):
        share_m = flat[number].project(place)
        flat_m = np.append(0, np.cumsum(np.hypot(*np.diff(lines[number][:, :2], axis=0).T)))
        assert height_m == pytest.approx(np.interp(share_m, flat_m, lines[number][:, 2]))
