"""Fences that move: who is in them, whoever moves; against fences drawn anew as zones."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.fences import POSE, Fence, FenceMembership, capsule, disc
from positioning.membership import Crossing
from positioning.mine_map import Roadway, Zone, ZoneKind
from positioning.observation import FixClass, Records, new_fixes
from positioning.zones import ZoneMembership
from tests.positioning.shapes import square_m, star

S = 1_000_000_000


def cards_at(*places: tuple[float, float], sigma_m: float = 0.1, t_s: float = 0.0) -> Records:
    fixes = new_fixes(len(places))
    fixes["card"] = np.arange(len(places))
    fixes["t_ns"] = round(t_s * S)
    fixes["x_m"], fixes["y_m"] = np.array(places, np.float64).reshape(-1, 2).T
    fixes["var_x_m2"] = fixes["var_y_m2"] = sigma_m**2
    fixes["fix_class"] = FixClass.PRECISE
    return fixes


def poses_at(*places: tuple[float, float, float], t_s: float = 0.0) -> Records:
    poses = np.zeros(len(places), POSE)
    poses["x_m"], poses["y_m"], poses["heading_deg"] = np.array(places, np.float64).T
    poses["t_ns"] = round(t_s * S)
    poses["z_m"] = np.nan
    return poses


def test_a_fence_narrower_than_its_roadway_holds_who_is_in_it_somewhere_across() -> None:
    roadway = Roadway("r", "r", 6.0, np.array([(0.0, 0.0, 0.0), (80.0, 60.0, 0.0)]))
    cards = cards_at((40.0, 30.0), (8.0, 6.0), sigma_m=2.0)
    cards["roadway"], cards["chainage_m"] = 0, (50.0, 10.0)
    # One metre (sigma) along the roadway, and as wide as it is across.
    cards["var_x_m2"], cards["var_y_m2"] = 0.64 + 0.36 * 3, 0.36 + 0.64 * 3
    cards["cov_xy_m2"] = 0.48 * (1 - 3)
    poses = poses_at((40.0, 30.0, 36.87))
    fence = Fence("a", (np.array([(-9.0, -1.0), (9.0, -1.0), (9.0, 1.0), (-9.0, 1.0)]),))
    for roadways, inside in (((), []), ((roadway,), [0])):
        crossings = FenceMembership([fence], roadways).update(cards, poses)
        assert [crossing.card for crossing in crossings] == inside
    # Who knows the place across is where that is.
    beside = cards_at((38.8, 31.6), sigma_m=0.2)
    beside["roadway"], beside["chainage_m"] = 0, 50.0
    assert FenceMembership([fence], (roadway,)).update(beside, poses) == []


def test_only_the_rows_that_are_asked_for_are_looked_at() -> None:
    membership = FenceMembership([AHEAD])
    cards = cards_at((10, 0), (11, 0), (12, 0))
    found = membership.update(cards, poses_at((0, 0, 0)), np.array([2, 0]))
    assert found == [Crossing(2, 2, 0, entered=True), Crossing(0, 0, 0, entered=True)]


def test_cards_are_put_back_where_they_were() -> None:
    membership = FenceMembership([AHEAD, AHEAD])
    membership.restore(3, [1])
    assert (membership.fences_of(3), membership.counts().tolist()) == ((1,), [0, 1])
    with pytest.raises(IndexError):
        membership.restore(3, [2])


#: From the machine's origin 20 m ahead, 2 m to each side.
AHEAD = Fence("a", (np.array([(0.0, -2.0), (20.0, -2.0), (20.0, 2.0), (0.0, 2.0)]),))


@pytest.mark.parametrize(("heading", "x", "y"), [(0, 10, 0), (90, 0, 10), (180, -10, 0)])
def test_a_fence_lies_ahead_of_its_machine(heading: float, x: float, y: float) -> None:
    membership = FenceMembership([AHEAD])
    cards = cards_at((100 + x, 50 + y), (100 - x, 50 - y), (100 + y, 50 + x))
    assert membership.update(cards, poses_at((100, 50, heading))) == [
        Crossing(0, 0, 0, entered=True)
    ]
    assert membership.fences_of(0) == (0,)
    assert membership.fences_of(1) == membership.fences_of(99) == ()
    assert membership.counts().tolist() == [1]


def test_a_machine_that_drives_up_to_a_standing_card_takes_it_in_after_a_moment() -> None:
    membership, cards = FenceMembership([AHEAD]), cards_at((30, 0))
    events = [
        (step, crossing.entered)
        for step in range(80)
        for crossing in membership.update(cards, poses_at((step, 0, 0), t_s=0.1 * step))
    ]
    # It is sure to have reached the card at x = 11, and to be past it at 31; half a second is five
    # steps.
    assert events == [(16, True), (36, False)]


def test_both_uncertainties_count() -> None:
    cards, poses = cards_at((18.5, 0), sigma_m=0.1), poses_at((0, 0, 0))
    assert FenceMembership([AHEAD]).update(cards, poses)
    poses["var_x_m2"] = 1.5**2
    assert not FenceMembership([AHEAD]).update(cards, poses)


def test_another_level_is_not_inside() -> None:
    cards, poses = cards_at((10, 0), (10, 0), (10, 0)), poses_at((0, 0, 0))
    poses["z_m"], cards["z_m"] = -400.0, [-396.5, -397.5, np.nan]
    found = FenceMembership([AHEAD]).update(cards, poses)
    assert [crossing.card for crossing in found] == [1, 2]


def test_what_is_not_finite_or_lost_changes_nothing() -> None:
    membership, cards = FenceMembership([AHEAD, AHEAD], dwell_s=0.0), cards_at((10, 0), (11, 0))
    assert len(membership.update(cards, poses_at((0, 0, 0), (500, 0, 0)))) == 2
    for field in ("x_m", "y_m", "heading_deg", "var_x_m2", "cov_xy_m2"):
        poses = poses_at((300, 0, 0), (500, 0, 0), t_s=1.0)
        poses[field][0] = np.nan
        assert membership.update(cards, poses) == []
    gone = cards_at((900, 0), (np.nan, 0), t_s=1.0)
    gone["fix_class"][0] = FixClass.LOST
    assert membership.update(gone, poses_at((0, 0, 0), (500, 0, 0), t_s=1.0)) == []
    assert membership.counts().tolist() == [2, 0]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_fence_is_a_zone_drawn_where_the_machine_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    poses = poses_at(*rng.uniform(-60.0, 60.0, (12, 3)).tolist())
    poses["heading_deg"] *= 6.0
    rings = [star(seed + k, 12) + np.array([6.0, 0.0]) for k in range(12)]
    fixes = cards_at(*rng.uniform(-80.0, 80.0, (200, 2)).tolist())
    root = rng.normal(0.0, 2.0, (200, 2, 2))
    covariance = root @ root.transpose(0, 2, 1)
    fixes["var_x_m2"], fixes["var_y_m2"] = covariance[:, 0, 0] + 0.1, covariance[:, 1, 1] + 0.1
    fixes["cov_xy_m2"] = covariance[:, 0, 1]
    zones = []
    for ring, pose in zip(rings, poses, strict=True):
        turn = math.radians(pose["heading_deg"])
        matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        placed = ring @ matrix + np.array([pose["x_m"], pose["y_m"]])
        zones.append(Zone("z", "z", ZoneKind.DANGER, (np.vstack([placed, placed[:1]]),)))
    fences = [Fence(str(k), (ring,)) for k, ring in enumerate(rings)]
    assert FenceMembership(fences).update(fixes, poses) == ZoneMembership(tuple(zones)).update(
        fixes
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_cards_and_what_comes_twice_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fences = [Fence(str(k), (square_m(-8, -5, 13),)) for k in range(5)]
    one, other = FenceMembership(fences), FenceMembership(fences)
    cards, machines = rng.uniform(-50, 50, (40, 2)), rng.uniform(-50, 50, (5, 3))
    for step in range(12):
        cards += rng.normal(0, 3, cards.shape)
        machines += rng.normal(0, 3, machines.shape)
        fixes = cards_at(*cards.tolist(), t_s=0.3 * step)
        poses = poses_at(*machines.tolist(), t_s=0.3 * step)
        order = rng.permutation(len(fixes))
        found = {crossing[1:] for crossing in one.update(fixes, poses)}
        assert found == {crossing[1:] for crossing in other.update(fixes[order], poses)}
        assert one.update(fixes, poses) == []


@pytest.mark.parametrize("radius_m", [1.0, 30.0])
def test_round_fences_are_never_nearer_than_they_say(radius_m: float) -> None:
    for ring, exact in (
        (disc(radius_m), shapely.Point(0, 0).buffer(radius_m, 256)),
        (capsule(3, 9, radius_m), shapely.LineString([(-3, 0), (9, 0)]).buffer(radius_m, 256)),
    ):
        drawn = shapely.Polygon(ring)
        assert drawn.is_valid
        assert drawn.buffer(1e-9).contains(exact)
        assert drawn.hausdorff_distance(exact) < 0.006 * radius_m


def test_many_fences_around_one_card_and_none_at_all() -> None:
    fences = [Fence(str(k), (disc(50.0),)) for k in range(60)]
    found = FenceMembership(fences).update(cards_at((1, 1)), poses_at(*[(0, 0, 0)] * 60))
    assert [crossing.zone for crossing in found] == list(range(60))
    assert FenceMembership([]).update(cards_at((1, 1)), np.zeros(0, POSE)) == []
    assert FenceMembership(fences[:1]).update(cards_at(), poses_at((0, 0, 0))) == []


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="fence 'bad'"):
        FenceMembership([Fence("bad", (np.zeros((3, 2)),))])
    with pytest.raises(ValueError, match="1 fences need as many poses, not 0"):
        FenceMembership([AHEAD]).update(cards_at((1, 1)), np.zeros(0, POSE))
