"""Readers' sightings on the roadways: places, sides, their order, and conflicts with ranges."""

import numpy as np
import pytest

from positioning.mine_map import Anchor, MineMap, Reader, Roadway
from positioning.observation import FixClass, Records, measurements
from tests.positioning.scenes import (
    INTO_SIDE,
    S,
    Walk,
    apart_m,
    heard_on,
    mine_locator,
    one_range,
    one_sighting,
)

#: A straight roadway with one anchor in its middle, where a directional reader looks east.
STRAIGHT = MineMap(
    (Roadway("r", "r", 5.0, np.array([[0.0, 0.0, 0.0], [200.0, 0.0, 0.0]])),),
    (Anchor("A", 100.0, 2.0, 2.0), Anchor("B", 0.0, 2.0, 2.0)),
    (Reader("D", 100.0, 0.0, 2.0, 60.0, heading_deg=0.0),),
    (),
)


def standing(x_m: float, y_m: float, z_m: float, seconds: float = 10.0) -> Walk:
    return Walk(np.array([0.0, seconds]), np.array([[x_m, y_m, z_m]] * 2))


def seen(reader: int, t_s: float, side: int = 0, rssi_dbm: float = np.nan) -> Records:
    """(1,) MEASUREMENT."""
    return measurements(one_sighting(0, reader, S + round(t_s * S), side, rssi_dbm))


def test_a_sighting_tells_the_place_from_its_mirror() -> None:
    """One anchor at chainage 50 alone; the reader at 20 has seen the card."""
    locator = mine_locator()
    before = locator.locate(measurements(heard_on(standing(20.0, 0.0, -0.4), anchors=(1,))))
    assert before["fix_class"][-1] == FixClass.AMBIGUOUS
    ranges = heard_on(standing(20.0, 0.0, -0.4, 15.0), anchors=(1,))
    locator.locate(seen(0, 9.9))
    after = locator.locate(measurements(ranges[ranges["t_ns"] > 11 * S]))
    assert set(after["fix_class"].tolist()) == {FixClass.ROADWAY}
    assert apart_m(after, np.array([20.0, 0.0])).max() < 1.0
    assert len(locator.take_conflicts()) == 0


@pytest.mark.parametrize("side", [1, -1])
def test_a_directional_reader_tells_the_side(side: int) -> None:
    locator = mine_locator(mine_map=STRAIGHT)
    ranges = [one_range(0, 0, S + k * S // 2, 30.0) for k in range(40)]
    before = locator.locate(measurements(*ranges[:20]))
    assert before["fix_class"][-1] == FixClass.AMBIGUOUS
    locator.locate(seen(0, 9.7, side))
    after = locator.locate(measurements(*ranges[20:]))
    assert set(after["fix_class"].tolist()) == {FixClass.ROADWAY}
    assert apart_m(after, np.array([100.0 + 30.0 * side, 0.0])).max() < 1.0
    assert len(locator.take_conflicts()) == 0


@pytest.mark.parametrize("side", [1, -1])
def test_without_ranges_the_side_halves_the_reach(side: int) -> None:
    """The reader sees 60 m either way: the card is in the one half."""
    locator = mine_locator(mine_map=STRAIGHT)
    (fix,) = locator.locate(seen(0, 0.0, side))
    assert fix["fix_class"] == FixClass.ZONE
    assert fix["x_m"] == pytest.approx(100.0 + 30.0 * side, abs=1.0)
    assert np.sqrt(fix["var_x_m2"]) == pytest.approx(60.0 / np.sqrt(12.0), rel=0.05)


def test_a_reader_that_contradicts_the_ranges_is_told_and_never_averaged() -> None:
    walk = standing(50.0, 0.0, -1.0, 20.0)
    ranges = heard_on(walk)
    first, rest = ranges[ranges["t_ns"] <= 11 * S], ranges[ranges["t_ns"] > 11 * S]
    alone, told = mine_locator(), mine_locator()
    for locator in (alone, told):
        locator.locate(measurements(first))
    assert len(told.locate(seen(2, 10.01))) == 0
    (conflict,) = told.take_conflicts()
    assert (conflict["card"], conflict["reader"]) == (0, 2)
    assert conflict["t_ns"] == S + round(10.01 * S)
    assert conflict["apart_m"] == pytest.approx(np.hypot(100.0, 40.0), abs=2.0)
    assert len(told.take_conflicts()) == 0
    expected, found = (locator.locate(measurements(rest)) for locator in (alone, told))
    assert found["x_m"] == pytest.approx(expected["x_m"], abs=0.01)
    assert set(found["fix_class"].tolist()) == {FixClass.ROADWAY}
    assert told.rejections == alone.rejections


def test_a_reader_in_accord_is_no_conflict() -> None:
    locator = mine_locator()
    locator.locate(measurements(heard_on(standing(22.0, 0.0, -0.4))))
    assert len(locator.locate(seen(0, 9.9))) == 0
    assert len(locator.take_conflicts()) == 0


def test_sightings_alone_give_a_zone_and_follow_the_order_of_readers() -> None:
    """Reader 0 is in the first part, 1 behind the bend, 2 in the side roadway."""
    locator = mine_locator()
    places_m = {0: (20.0, 0.0), 1: (100.0, 20.0), 2: (150.0, 40.0)}
    for reader, t_s in ((0, 0.0), (0, 1.0), (1, 85.0), (1, 86.0), (2, 145.0), (2, 146.0)):
        (fix,) = locator.locate(seen(reader, t_s))
        assert fix["fix_class"] == FixClass.ZONE
        away_m = apart_m(np.array([fix]), np.array(places_m[reader]))[0]
        assert away_m < 8.0
        assert 0.5 < np.sqrt(fix["var_x_m2"] + fix["var_y_m2"]) < 16.0
        assert fix["age_s"] == 0.0
    assert fix["roadway"] == 1
    assert len(locator.take_conflicts()) == 0


def test_between_sightings_nothing_is_pretended() -> None:
    """An old sighting is taken as old, and what is long ago as lost."""
    locator = mine_locator()
    (first,) = locator.locate(seen(0, 0.0))
    assert len(locator.locate(seen(0, -0.2))) == 0  # it takes no card back
    (second,) = locator.locate(seen(0, 4.0))
    assert second["t_ns"] > first["t_ns"]
    assert second["fix_class"] == FixClass.ZONE


def test_ranges_take_over_from_sightings_and_hand_back() -> None:
    locator = mine_locator()
    (fix,) = locator.locate(seen(0, 0.0))
    assert fix["fix_class"] == FixClass.ZONE
    ranges = heard_on(standing(24.0, 0.0, -0.5))
    ranges["t_ns"] += S
    found = locator.locate(measurements(ranges))
    assert found["fix_class"][-1] == FixClass.ROADWAY
    assert abs(found["x_m"][-1] - 24.0) < 0.5
    assert len(locator.locate(seen(0, 12.0))) == 0  # a range has told better just now
    (fix,) = locator.locate(seen(0, 20.0))
    assert fix["fix_class"] == FixClass.ZONE


def test_a_reader_behind_the_junction_settles_the_way() -> None:
    """Anchors stay silent from the junction on; the reader in the side roadway sees the card."""
    ranges = heard_on(INTO_SIDE)
    t_ns = INTO_SIDE.t_s * S + S
    known = ranges[ranges["t_ns"] < t_ns[2]]
    locator = mine_locator()
    locator.locate(measurements(known))
    reached_s = float(np.interp(150.0, INTO_SIDE.place_m[2:, 0], INTO_SIDE.t_s[2:]))
    (fix,) = locator.locate(seen(2, reached_s))
    assert fix["roadway"] == 1
    assert abs(fix["x_m"] - 150.0) < 8.0
