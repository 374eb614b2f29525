"""Zones: who comes in and goes out, by which probability, when, and in which order."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from positioning.membership import Crossing
from positioning.mine_map import Zone
from positioning.observation import FixClass, Records
from positioning.zones import ZoneMembership
from tests.positioning.shapes import star
from tests.positioning.walks import S, fixes_at, square, told, zone


def at_once(*zones: Zone) -> ZoneMembership:
    """Without a dwell time."""
    return ZoneMembership(zones, dwell_s=0.0)


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
    tree = shapely.STRtree([shapely.Polygon(shape).buffer(-0.2) for shape in shapes])
    certain = set(map(tuple, tree.query(shapely.points(near), predicate="within").T.tolist()))
    tree = shapely.STRtree([shapely.Polygon(shape) for shape in shapes])
    possible = set(map(tuple, tree.query(shapely.points(near), predicate="within").T.tolist()))
    assert certain <= found <= possible
    assert all(crossing.entered and crossing.row == crossing.card for crossing in crossings)
    assert membership.counts().sum() == len(found)


@pytest.mark.parametrize("sigma_m", [0.1, 0.5, 2.0])
def test_at_a_straight_border_probability_is_that_of_a_half_plane(sigma_m: float) -> None:
    """In at P > 0.9, which is 1.2816 σ inside; out at P < 0.1, as far outside."""
    edge = 1.2816 * sigma_m
    places = [-edge * 0.99, edge * 0.99, edge * 1.01, edge * 0.99, -edge * 0.99, -edge * 1.01]
    fixes = fixes_at(*((3, x, 50.0) for x in places), sigma_m=sigma_m)
    crossings = at_once(square("a", 0.0, 0.0, 100.0)).update(fixes)
    assert crossings == [Crossing(2, 3, 0, entered=True), Crossing(5, 3, 0, entered=False)]


def test_only_the_uncertainty_across_the_border_counts() -> None:
    fixes = fixes_at((0, 1.0, 50.0))
    fixes["var_x_m2"], fixes["var_y_m2"] = 0.3**2, 15.0**2
    assert len(ZoneMembership((square("a", 0.0, 0.0, 100.0),)).update(fixes)) == 1
    fixes["var_x_m2"], fixes["var_y_m2"] = 15.0**2, 0.3**2
    assert ZoneMembership((square("a", 0.0, 0.0, 100.0),)).update(fixes) == []


@pytest.mark.parametrize(("half_m", "comes_in"), [(1.60, 0), (1.68, 1)])
def test_a_narrow_zone_is_entered_by_what_of_the_uncertainty_it_holds(
    half_m: float, comes_in: int
) -> None:
    """A strip of ± 1.645 σ holds 0.9 of a place in its middle: both of its borders count."""
    strip = zone("s", [(-half_m, -50), (half_m, -50), (half_m, 50), (-half_m, 50)])
    assert len(at_once(strip).update(fixes_at((0, 0, 0), sigma_m=1.0))) == comes_in


def test_someone_walking_along_a_border_makes_no_storm() -> None:
    wobble = 0.35 * np.sin(np.arange(1900))
    fixes = fixes_at(*((0, x, 1.0 + 0.05 * k) for k, x in enumerate(wobble)), sigma_m=0.3)
    assert ZoneMembership((square("a", 0.0, 0.0, 100.0),)).update(fixes) == []


IN, BETWEEN, OUT = 5.0, 0.1, -5.0


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # (t in s, x), and at which time the card comes in (+) or goes out (-)
        ([(0.0, OUT), (1.0, IN), (1.4, IN), (1.5, IN)], [1.5]),
        ([(0.0, OUT), (1.0, IN), (1.3, BETWEEN), (1.6, IN)], [1.6]),
        ([(0.0, OUT), (1.0, IN), (1.3, OUT), (1.6, IN), (2.1, IN)], [2.1]),
        ([(0.0, OUT), (1.0, IN), (1.2, BETWEEN), (1.9, BETWEEN), (2.0, OUT), (2.1, IN)], []),
        ([(0.0, IN), (1.0, OUT), (1.4, OUT), (1.5, OUT)], [0.0, -1.5]),
        ([(0.0, IN), (1.0, OUT), (1.3, IN), (1.6, OUT), (2.0, OUT), (2.2, OUT)], [0.0, -2.2]),
        ([(0.0, BETWEEN), (1.0, IN), (1.2, IN)], []),
        ([(0.0, OUT), (5.0, IN)], [5.0]),  # nothing was known for five seconds
        ([(0.0, OUT), (4.9, IN)], []),
        ([(0.0, OUT), (4.9, OUT), (9.8, IN), (10.0, IN)], []),
        ([(0.0, IN), (6.0, OUT)], [0.0, -6.0]),
    ],
)
def test_dwell(steps: list[tuple[float, float]], expected: list[float]) -> None:
    fixes = fixes_at(*((7, x, 50.0) for _, x in steps))
    fixes["t_ns"] = [round(t_s * S) for t_s, _ in steps]
    crossings = ZoneMembership((square("a", 0.0, 0.0, 100.0),)).update(fixes)
    assert [steps[c.row][0] * (1 if c.entered else -1) for c in crossings] == expected


def test_a_late_fix_and_one_that_comes_twice_change_nothing() -> None:
    membership = at_once(square("a", 0.0, 0.0, 100.0))
    walk = fixes_at(*((0, x, 50.0) for x in (-3.0, 5.0, 6.0, -3.0, -4.0)))
    assert told(membership.update(walk)) == [(1, 0, True), (3, 0, False)]
    assert membership.update(walk) == []
    late = walk[2:3].copy()
    late["t_ns"] -= 3 * S
    assert membership.update(late) == []


def test_a_clock_that_was_wrong_does_not_end_it() -> None:
    membership = ZoneMembership((square("a", 0.0, 0.0, 100.0),))
    fixes = fixes_at((0, -9, 50), (0, -9, 50), (0, 5, 50), (0, 5, 50))
    fixes["t_ns"][1] += 3600 * S
    assert told(membership.update(fixes)) == [(3, 0, True)]


def test_a_hole_is_outside_and_a_card_leaves_before_it_enters() -> None:
    ring = zone(
        "ring", [(0, 0), (100, 0), (100, 100), (0, 100)], [(40, 40), (60, 40), (60, 60), (40, 60)]
    )
    membership = at_once(square("core", 40.0, 40.0, 20.0), ring)
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


def test_a_small_hole_does_not_hide_a_zone() -> None:
    """A pillar of 2 m in a chamber of 100 m, and a place in the middle of it, 5 m uncertain."""
    pillar = [(49.0, 49.0), (51.0, 49.0), (51.0, 51.0), (49.0, 51.0)]
    around = zone("a", [(0, 0), (100, 0), (100, 100), (0, 100)], pillar)
    assert at_once(around).update(fixes_at((0, 50, 50), sigma_m=5.0))
    assert not at_once(around).update(fixes_at((0, 50, 50), sigma_m=0.3))


def test_zones_that_overlap_are_entered_by_index_in_whatever_order_they_lie() -> None:
    zones = [square(str(k), -5.0 * k, -5.0 * k, 20.0 + 10.0 * k) for k in (3, 0, 2, 1)]
    crossings = at_once(*zones).update(fixes_at((0, 300, 0), (0, 10, 10), (0, 24, 24)))
    assert told(crossings) == [*((1, k, True) for k in range(4)), (2, 1, False)]


def test_a_height_band_leaves_out_the_level_above() -> None:
    room = zone("z", [(0, 0), (100, 0), (100, 100), (0, 100)], band_m=(-405.0, -395.0))
    membership = at_once(room)
    fixes = fixes_at(*((0, 50.0, 50.0) for _ in range(6)))
    fixes["z_m"] = [-390.0, -394.5, -396.0, -394.5, -393.5, math.nan]
    # In within the band, out a metre beside it; a height that is not known is in every band.
    assert told(membership.update(fixes)) == [(2, 0, True), (4, 0, False), (5, 0, True)]
    assert ZoneMembership((square("all", 0, 0, 100),)).update(fixes[:1])


def test_a_lost_or_broken_fix_changes_nothing() -> None:
    membership = at_once(square("a", 0.0, 0.0, 10.0))
    membership.update(fixes_at((0, 5.0, 5.0)))
    away = fixes_at(*[(0, 500.0, 5.0)] * 6)
    away["t_ns"] += S
    away["fix_class"][0] = FixClass.LOST
    away["x_m"][1], away["y_m"][2] = np.nan, np.inf
    away["var_x_m2"][3], away["cov_xy_m2"][4], away["var_y_m2"][5] = np.nan, np.inf, np.nan
    assert membership.update(away) == []
    assert membership.zones_of(0) == (0,)


def test_far_fixes_leave_and_unknown_cards_are_nowhere() -> None:
    membership = at_once(square("a", 0.0, 0.0, 10.0))
    membership.update(fixes_at((200, 5.0, 5.0)))
    assert membership.update(fixes_at((200, 1e9, -1e9))) == [Crossing(0, 200, 0, entered=False)]
    assert membership.zones_of(200) == membership.zones_of(10**6) == ()


def test_restore_puts_a_card_into_exactly_these_zones() -> None:
    zones = tuple(square(name, 0.0, 0.0, 10.0) for name in "abcdef")
    membership = ZoneMembership(zones)
    membership.update(fixes_at((1, 5.0, 5.0), (1000, 5.0, 5.0)))
    membership.restore(1, [1])
    membership.restore(5000, [5, 0, 1, 4, 2])
    assert membership.zones_of(1) == (1,)
    assert membership.zones_of(5000) == (0, 1, 2, 4, 5)
    assert membership.counts().tolist() == [2, 3, 2, 1, 2, 2]
    with pytest.raises(IndexError, match="no zone 6"):
        membership.restore(1, [6])
    # Where a card was is known: what its first fix says of it counts at once.
    assert membership.update(fixes_at((5000, 50.0, 5.0))) == [
        Crossing(0, 5000, k, entered=False) for k in (0, 1, 2, 4, 5)
    ]


def test_batches_do_not_matter_and_the_buffer_of_crossings_is_no_limit() -> None:
    zones = tuple(square(str(k), 0.0, 0.0, 10.0) for k in range(40))
    places = [(card, x, 5.0) for x in (5.0, 50.0) * 3 for card in range(100)]
    fixes = fixes_at(*places, every_s=0.01)
    one, many = ZoneMembership(zones, dwell_s=0.0), ZoneMembership(zones, dwell_s=0.0)
    whole = one.update(fixes)
    parts = [crossing for k in range(len(fixes)) for crossing in many.update(fixes[k : k + 1])]
    assert len(whole) == 600 * 40
    assert [crossing[1:] for crossing in whole] == [crossing[1:] for crossing in parts]
    assert not one.counts().any()


def walks(seed: int, cards: int, steps: int) -> Records:
    """Cards that walk about among `ZONES`, in the order of their steps."""
    rng = np.random.default_rng(seed)
    steps_m = rng.normal(0.0, 2.0, (steps, cards, 2))
    steps_m[0] = rng.uniform(-40.0, 40.0, (cards, 2))
    places = np.cumsum(steps_m, axis=0).reshape(-1, 2)
    numbers = np.tile(np.arange(cards), steps)
    fixes = fixes_at(*zip(numbers.tolist(), *places.T.tolist(), strict=True))
    fixes["t_ns"] = np.repeat(np.arange(steps), cards) * (S // 5)
    deviation = rng.uniform(0.1, 3.0, (2, len(fixes)))
    fixes["var_x_m2"], fixes["var_y_m2"] = deviation**2
    fixes["cov_xy_m2"] = rng.uniform(-0.9, 0.9, len(fixes)) * deviation[0] * deviation[1]
    return fixes


ZONES = tuple(
    zone(str(k), [tuple(p) for p in star(k, 14) + np.array([12.0 * k - 30.0, 0.0])])
    for k in range(6)
)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(5)))
def test_other_cards_and_their_order_change_nothing(seed: int, order: list[int]) -> None:
    fixes = walks(seed, 5, 40)
    swapped = fixes.copy()
    swapped["card"] = np.array(order)[fixes["card"]]
    rows = np.argsort(swapped["t_ns"] * 8 + swapped["card"], kind="stable")
    found = ZoneMembership(ZONES).update(fixes)
    other = ZoneMembership(ZONES).update(swapped[rows])
    assert {(row, order[card], *rest) for row, card, *rest in found} == {
        (rows[row], card, *rest) for row, card, *rest in other
    }


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_batch_that_comes_twice_changes_nothing(seed: int) -> None:
    fixes = walks(seed, 5, 40)
    once, twice = ZoneMembership(ZONES), ZoneMembership(ZONES)
    for start in range(0, len(fixes), 50):
        part = fixes[start : start + 50]
        assert twice.update(part) == once.update(part)
        assert twice.update(part) == []


def test_no_zones_and_very_large_maps_are_fine() -> None:
    assert ZoneMembership(()).update(fixes_at((0, 5.0, 5.0))) == []
    far = ZoneMembership((square("a", -1e7, -1e7, 10.0), square("b", 1e7, 1e7, 10.0)))
    assert len(far.update(fixes_at((0, 1e7 + 5.0, 1e7 + 5.0)))) == 1
    assert len(far._polygons.cell_start) < 140_000


def test_a_zone_without_area_is_named_and_a_dwell_is_short() -> None:
    with pytest.raises(ValueError, match="zone 'bad'"):
        ZoneMembership((zone("bad", [(0.0, 0.0), (0.0, 0.0)]),))
    with pytest.raises(ValueError, match="zone 'bad'"):
        ZoneMembership((zone("bad", [(0.0, 0.0), (1.0, 0.0), (np.nan, 1.0)]),))
    for wrong in (-0.1, 5.0, math.nan):
        with pytest.raises(ValueError, match="dwell_s"):
            ZoneMembership((), dwell_s=wrong)
