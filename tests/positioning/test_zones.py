"""Zones: distance and membership against shapely, hysteresis, and counting."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from positioning.mine_map import Zone, ZoneKind
from positioning.observation import FIX, FixClass, Records
from positioning.zones import Crossing, ZoneMembership


def zone(name: str, *rings_m: list[tuple[float, float]]) -> Zone:
    closed = tuple(np.array([*ring, ring[0]], np.float64) for ring in rings_m)
    return Zone(name, name, ZoneKind.KEY, closed)


def square(name: str, x: float, y: float, side: float) -> Zone:
    return zone(name, [(x, y), (x + side, y), (x + side, y + side), (x, y + side)])


def fixes_at(*places: tuple[int, float, float], sigma_m: float = 0.3) -> Records:
    fixes = np.zeros(len(places), FIX)
    for fix, (card, x, y) in zip(fixes, places, strict=True):
        fix["card"], fix["x_m"], fix["y_m"] = card, x, y
    fixes["var_x_m2"] = fixes["var_y_m2"] = sigma_m**2
    fixes["fix_class"] = FixClass.PRECISE
    return fixes


def star(seed: int, points: int = 16) -> NDArray[np.float64]:
    """A simple polygon around the origin, concave, its radii between 8 and 20 m."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0.0, 2.0 * math.pi, points))
    radius = rng.uniform(8.0, 20.0, points)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), points=st.integers(6, 30))
def test_signed_distance_agrees_with_shapely(seed: int, points: int) -> None:
    outer, hole = star(seed, points), star(seed + 1, 5) * 0.1
    made = zone("z", [tuple(p) for p in outer], [tuple(p) for p in hole])
    oracle = shapely.Polygon(outer, [hole])
    if not oracle.is_valid:
        return
    places = np.random.default_rng(seed).uniform(-25.0, 25.0, (200, 2))
    geometry = shapely.points(places)
    inside = shapely.contains_properly(oracle, geometry)
    expected = shapely.distance(shapely.boundary(oracle), geometry) * np.where(inside, 1.0, -1.0)
    found = ZoneMembership((made,)).distance_m(0, places)
    assert np.allclose(found, expected, atol=1e-9)


def test_membership_of_many_cards_in_many_zones_agrees_with_shapely() -> None:
    rng = np.random.default_rng(4)
    centres = rng.uniform(-1000.0, 1000.0, (60, 2))
    shapes = [star(k, 12) + centre for k, centre in enumerate(centres)]
    zones = tuple(zone(str(k), [tuple(p) for p in shape]) for k, shape in enumerate(shapes))
    near = centres[rng.integers(0, 60, 4000)] + rng.uniform(-25.0, 25.0, (4000, 2))
    fixes = fixes_at(*((card, x, y) for card, (x, y) in enumerate(near)), sigma_m=0.01)
    membership = ZoneMembership(zones)
    crossings = membership.update(fixes)
    found = {(crossing.card, crossing.zone) for crossing in crossings}
    tree = shapely.STRtree([shapely.Polygon(shape).buffer(-0.07) for shape in shapes])
    certain = set(map(tuple, tree.query(shapely.points(near), predicate="within").T.tolist()))
    tree = shapely.STRtree([shapely.Polygon(shape) for shape in shapes])
    possible = set(map(tuple, tree.query(shapely.points(near), predicate="within").T.tolist()))
    assert certain <= found <= possible
    assert all(crossing.entered and crossing.row == crossing.card for crossing in crossings)
    assert membership.counts().sum() == len(found)


@pytest.mark.parametrize("sigma_m", [0.1, 0.5, 2.0])
def test_probability_is_that_of_a_half_plane(sigma_m: float) -> None:
    """In at P > 0.9, which is 1.2816 σ inside; out at P < 0.1, as far outside."""
    edge = 1.2816 * sigma_m
    places = [-edge * 0.99, edge * 0.99, edge * 1.01, edge * 0.99, -edge * 0.99, -edge * 1.01]
    fixes = fixes_at(*((3, x, 50.0) for x in places), sigma_m=sigma_m)
    crossings = ZoneMembership((square("a", 0.0, 0.0, 100.0),)).update(fixes)
    assert crossings == [Crossing(2, 3, 0, entered=True), Crossing(5, 3, 0, entered=False)]


def test_only_the_uncertainty_across_the_border_counts() -> None:
    fixes = fixes_at((0, 1.0, 50.0))
    fixes["var_x_m2"], fixes["var_y_m2"] = 0.3**2, 30.0**2
    assert len(ZoneMembership((square("a", 0.0, 0.0, 100.0),)).update(fixes)) == 1
    fixes["var_x_m2"], fixes["var_y_m2"] = 30.0**2, 0.3**2
    assert ZoneMembership((square("a", 0.0, 0.0, 100.0),)).update(fixes) == []


def test_someone_walking_along_a_border_makes_no_storm() -> None:
    wobble = 0.35 * np.sin(np.arange(1900))
    fixes = fixes_at(*((0, x, 1.0 + 0.05 * k) for k, x in enumerate(wobble)), sigma_m=0.3)
    assert ZoneMembership((square("a", 0.0, 0.0, 100.0),)).update(fixes) == []


def test_a_hole_is_outside_and_a_card_leaves_before_it_enters() -> None:
    ring = zone(
        "ring", [(0, 0), (100, 0), (100, 100), (0, 100)], [(40, 40), (60, 40), (60, 60), (40, 60)]
    )
    membership = ZoneMembership((square("core", 40.0, 40.0, 20.0), ring))
    crossings = membership.update(fixes_at((9, 50.0, 50.0), (9, 20.0, 50.0), (9, 50.0, 50.0)))
    assert crossings == [
        Crossing(0, 9, 0, entered=True),
        Crossing(1, 9, 0, entered=False),
        Crossing(1, 9, 1, entered=True),
        Crossing(2, 9, 1, entered=False),
        Crossing(2, 9, 0, entered=True),
    ]
    assert membership.zones_of(9) == (0,)
    assert membership.counts().tolist() == [1, 0]


def test_a_lost_or_broken_fix_changes_nothing() -> None:
    membership = ZoneMembership((square("a", 0.0, 0.0, 10.0),))
    membership.update(fixes_at((0, 5.0, 5.0)))
    away = fixes_at((0, 500.0, 5.0), (0, np.nan, 5.0), (0, 500.0, np.inf))
    away["fix_class"][0] = FixClass.LOST
    assert membership.update(away) == []
    assert membership.zones_of(0) == (0,)


def test_far_fixes_leave_and_unknown_cards_are_nowhere() -> None:
    membership = ZoneMembership((square("a", 0.0, 0.0, 10.0),))
    membership.update(fixes_at((200, 5.0, 5.0)))
    assert membership.update(fixes_at((200, 1e9, -1e9))) == [Crossing(0, 200, 0, entered=False)]
    assert membership.zones_of(200) == membership.zones_of(10**6) == ()


def test_restore_puts_a_card_into_exactly_these_zones() -> None:
    membership = ZoneMembership((square("a", 0.0, 0.0, 10.0), square("b", 0.0, 0.0, 10.0)))
    membership.update(fixes_at((1, 5.0, 5.0), (1000, 5.0, 5.0)))
    membership.restore(1, [1])
    membership.restore(5000, [0, 1])
    assert membership.zones_of(1) == (1,)
    assert membership.counts().tolist() == [2, 3]
    with pytest.raises(IndexError, match="no zone 2"):
        membership.restore(1, [2])


def test_batches_do_not_matter_and_the_buffer_of_crossings_is_no_limit() -> None:
    zones = tuple(square(str(k), 0.0, 0.0, 10.0) for k in range(40))
    places = [(card, x, 5.0) for x in (5.0, 50.0) * 3 for card in range(100)]
    fixes = fixes_at(*places)
    one, many = ZoneMembership(zones), ZoneMembership(zones)
    whole = one.update(fixes)
    parts = [crossing for k in range(len(fixes)) for crossing in many.update(fixes[k : k + 1])]
    assert len(whole) == 600 * 40
    assert [crossing[1:] for crossing in whole] == [crossing[1:] for crossing in parts]
    assert not one.counts().any()


def test_no_zones_and_very_large_maps_are_fine() -> None:
    assert ZoneMembership(()).update(fixes_at((0, 5.0, 5.0))) == []
    far = ZoneMembership((square("a", -1e7, -1e7, 10.0), square("b", 1e7, 1e7, 10.0)))
    assert len(far.update(fixes_at((0, 1e7 + 5.0, 1e7 + 5.0)))) == 1
    assert len(far._shapes.cell_start) < 70_000


def test_a_zone_without_area_is_named() -> None:
    with pytest.raises(ValueError, match="zone 'bad'"):
        ZoneMembership((zone("bad", [(0.0, 0.0), (0.0, 0.0)]),))
    with pytest.raises(ValueError, match="zone 'bad'"):
        ZoneMembership((zone("bad", [(0.0, 0.0), (1.0, 0.0), (np.nan, 1.0)]),))
