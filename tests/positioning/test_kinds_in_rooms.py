"""What each kind of measurement does for a card in an open area, and when it comes late."""

import math

import numpy as np
import pytest

from positioning.observation import DIFFERENCE, PLACE, FixClass, Records, measurements
from positioning.settings import TrackerSettings
from tests.positioning.scenes import (
    SQUARE_M,
    S,
    apart_m,
    distance_m,
    fix_at,
    one_place,
    one_range,
    room_tracker,
    walks,
)


def differences(place: tuple[float, float], seconds: int = 10, seed: int = 0) -> Records:
    """(n,) DIFFERENCE of a card at rest, of each anchor against anchor 0, five times a second."""
    rng = np.random.default_rng(seed)
    rows = [
        (
            0,
            a,
            0,
            S + k * S // 5,
            distance_m(place, SQUARE_M[a]) - distance_m(place, SQUARE_M[0]) + rng.normal(0.0, 0.1),
        )
        for k in range(5 * seconds)
        for a in (1, 2, 3)
    ]
    return np.array(rows, DIFFERENCE)


@pytest.mark.parametrize("place", [(12.0, 20.0), (4.0, 5.0), (26.0, 15.0)])
def test_differences_alone_locate_a_card(place: tuple[float, float]) -> None:
    fixes = room_tracker().update(measurements(differences(place)))
    assert fixes["t_ns"][0] <= 3 * S
    assert apart_m(fixes[-1:], np.array(place))[0] < 0.3
    assert fixes["fix_class"][-1] == FixClass.PRECISE
    assert fixes["anchors_used"][-1] >= 3


def test_a_wrong_difference_is_gated() -> None:
    measured = measurements(differences((12.0, 20.0)))
    measured["value_m"][100] += 15.0
    tracked = room_tracker()
    fixes = tracked.update(measured)
    assert tracked.rejections.gated == 1
    assert apart_m(fixes[-45:], np.array([12.0, 20.0])).max() < 0.4


def test_places_alone_follow_the_engine_that_found_them() -> None:
    rng = np.random.default_rng(2)
    rows = [
        (0, S + k * S // 2, x + rng.normal(0.0, 0.3), y + rng.normal(0.0, 0.3), 0.09, 0.0, 0.09)
        for k in range(80)
        for x, y in [(2.0 + 0.5 * k, 10.0 - 0.2 * k)]
    ]
    fixes = room_tracker().update(measurements(np.array(rows, PLACE)))
    assert len(fixes) == 80
    k = np.arange(80)
    errors_m = apart_m(fixes, np.column_stack([2.0 + 0.5 * k, 10.0 - 0.2 * k]))
    assert errors_m[10:].max() < 1.0
    assert np.sqrt((errors_m[10:] ** 2).mean()) < 0.4  # the engine's own: 0.42
    assert (fixes["vx_m_s"][-1], fixes["vy_m_s"][-1]) == pytest.approx((1.0, -0.4), abs=0.5)
    assert fixes["fix_class"][-1] == FixClass.PRECISE


def test_a_place_far_off_is_gated() -> None:
    ranges = walks(cards=1, rounds=20)
    at = len(ranges) // 2
    wrong = measurements(one_place(0, int(ranges["t_ns"][at]), (120.0, -40.0), 0.5))
    clean, disturbed = room_tracker(), room_tracker()
    expected = clean.update(ranges)
    found = disturbed.update(np.insert(ranges, at, wrong[0]))
    assert disturbed.rejections.gated == clean.rejections.gated + 1
    assert apart_m(found[-1:], np.array([expected["x_m"][-1], expected["y_m"][-1]]))[0] < 1e-6


def test_a_place_counts_as_its_covariance_says() -> None:
    """Exact across, vague along: the card moves in the one direction only."""
    tracked = room_tracker()
    tracked.restore(fix_at(10.0, 10.0, S, 1.0))
    place = np.array([(0, S + 1, 11.0, 11.0, 100.0, 0.0, 1e-4)], PLACE)
    (fix,) = tracked.update(measurements(place))
    assert fix["x_m"] == pytest.approx(10.0, abs=0.02)
    assert fix["y_m"] == pytest.approx(11.0, abs=0.01)
    assert fix["var_y_m2"] < 1e-3
    assert fix["var_x_m2"] > 0.9


def test_a_card_has_its_own_speed_limit() -> None:
    """A card that goes 12 m/s is followed only if it may."""
    rows = [
        one_range(card, a, S + k * S // 10, distance_m((k * 1.2, 15.0), SQUARE_M[a]))
        for k in range(50)
        for card in (0, 1)
        for a in range(4)
    ]
    tracked = room_tracker()
    tracked.set_speed_max(1, 15.0)
    tracked.set_speed_max(2**20, 15.0)  # no such card: nothing happens
    fixes = tracked.update(measurements(*rows))
    speed_m_s = np.hypot(fixes["vx_m_s"], fixes["vy_m_s"])
    assert speed_m_s[fixes["card"] == 0].max() <= 8.0 + 1e-9
    assert speed_m_s[fixes["card"] == 1][-1] == pytest.approx(12.0, abs=0.5)
    tracked.set_speed_max(1, 0.0)  # the usual one again
    last = measurements(one_range(1, 0, 6 * S, distance_m((60.0, 15.0), SQUARE_M[0])))
    assert math.hypot(*tracked.update(last)[["vx_m_s", "vy_m_s"]][0]) <= 8.0 + 1e-9


def late_stream(late_ns: int) -> tuple[Records, Records]:
    """Ranges of a card in order; and with one of them `late_ns` behind the newest."""
    ranges = walks(cards=1, rounds=30, step_ns=40_000_000, seed=9)
    moved = int(np.searchsorted(ranges["t_ns"], ranges["t_ns"][60] + late_ns, side="right"))
    order = [*range(60), *range(61, moved), 60, *range(moved, len(ranges))]
    return ranges, ranges[order]


def test_up_to_a_quarter_of_a_second_late_a_range_enters_at_its_own_time() -> None:
    in_order, late = late_stream(230_000_000)
    tracked = room_tracker()
    fixes = tracked.update(late)
    expected = room_tracker().update(in_order)
    assert tracked.rejections.too_old == 0
    assert (np.diff(fixes["t_ns"]) >= 0).all()
    last = np.array([expected["x_m"][-1], expected["y_m"][-1]])
    assert apart_m(fixes[-1:], last)[0] < 0.02


def test_what_is_later_still_is_refused() -> None:
    in_order, late = late_stream(300_000_000)
    tracked = room_tracker()
    assert len(tracked.update(late)) == len(room_tracker().update(in_order)) - 1
    assert tracked.rejections.too_old == 1


def test_a_late_range_of_a_fast_card_counts_for_where_it_was() -> None:
    """Entered at the newest time it would pull back by metres."""
    settings = TrackerSettings(bias_sigma_m=0.0)
    tracked = room_tracker(settings)
    tracked.restore(fix_at(5.0, 15.0, S, 0.01))
    place = [(5.0 + 6.0 * k / 10, 15.0) for k in range(40)]
    rows = [
        one_range(0, a, S + 1 + k * S // 10, distance_m(place[k], SQUARE_M[a]))
        for k in range(40)
        for a in range(4)
    ]
    before = tracked.update(measurements(*rows))[-1:]
    true_x = 5.0 + 6.0 * 3.9
    assert abs(before["x_m"][0] - true_x) < 0.5
    then = S + 1 + 39 * S // 10 - 210_000_000
    there = (true_x - 0.21 * 6.0, 15.0)
    late = [one_range(0, a, then, distance_m(there, SQUARE_M[a])) for a in (0, 2)]
    after = tracked.update(measurements(*late))[-1:]
    assert tracked.rejections.too_old == tracked.rejections.repeated == 0
    assert after["t_ns"][0] == before["t_ns"][0]
    assert abs(after["x_m"][0] - true_x) < abs(before["x_m"][0] - true_x) + 0.05
