"""The tracker: what it refuses, what must not matter to it, and how it comes back from trouble."""

from dataclasses import asdict, replace
from operator import itemgetter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from positioning.observation import FIX, MEASUREMENT, RANGE, FixClass, measurements
from positioning.settings import TrackerSettings
from positioning.tracker import Tracker
from tests.positioning.scenes import SQUARE_M, S, distance_m, one_range, room_tracker, same, walks


def test_every_sound_range_has_its_fix_once_the_filter_has_started() -> None:
    ranges = walks(cards=1)
    fixes = room_tracker().update(ranges)
    assert len(fixes) >= len(ranges) - 3
    assert fixes["t_ns"].tolist() == ranges["t_ns"][-len(fixes) :].tolist()
    assert fixes.dtype == FIX


def test_a_card_at_rest_is_found_within_decimetres() -> None:
    rows = [
        one_range(7, a, S + k * 100_000_000 + a, distance_m((12.0, 20.0), SQUARE_M[a]))
        for k in range(50)
        for a in range(4)
    ]
    fixes = room_tracker().update(measurements(*rows))
    last = fixes[-1]
    assert (last["x_m"], last["y_m"]) == pytest.approx((12.0, 20.0), abs=0.1)
    assert last["z_m"] == 1.0
    assert last["anchors_used"] == 4
    assert last["fix_class"] == FixClass.PRECISE


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 480), max_size=20))
def test_how_the_input_is_cut_into_batches_changes_no_bit(cuts: list[int]) -> None:
    ranges = walks()
    parts = np.split(ranges, sorted(cuts))
    one, many = room_tracker(), room_tracker()
    whole = one.update(ranges)
    pieces = np.concatenate([many.update(part) for part in parts])
    assert same(whole, pieces)
    assert one.rejections == many.rejections


@settings(max_examples=30, deadline=None)
@given(shift_us=st.integers(-(10**15), 10**15))
def test_shifting_all_times_changes_nothing_but_times(shift_us: int) -> None:
    ranges = walks()
    later = ranges.copy()
    later["t_ns"] += shift_us * 1000
    plain, shifted = room_tracker().update(ranges), room_tracker().update(later)
    shifted["t_ns"] -= shift_us * 1000
    assert same(plain, shifted)


@settings(max_examples=20, deadline=None)
@given(handles=st.lists(st.integers(0, 2000), min_size=3, max_size=3, unique=True))
def test_the_handles_of_cards_and_other_cards_do_not_matter(handles: list[int]) -> None:
    ranges = walks()
    renamed = ranges.copy()
    renamed["card"] = np.array(handles, np.uint32)[ranges["card"]]
    plain, other = room_tracker().update(ranges), room_tracker().update(renamed)
    assert other["card"].tolist() == [handles[card] for card in plain["card"]]
    other["card"] = plain["card"]
    assert same(plain, other)
    alone = room_tracker().update(ranges[ranges["card"] == 1])
    assert same(alone, plain[plain["card"] == 1])


@settings(max_examples=30, deadline=None)
@given(doubled=st.lists(st.integers(0, 479), max_size=40))
def test_a_repeated_range_changes_nothing(doubled: list[int]) -> None:
    ranges = walks()
    where = np.array(sorted(doubled), int)
    repeated = np.insert(ranges, where + 1, ranges[where])
    once, twice = room_tracker(), room_tracker()
    assert same(once.update(ranges), twice.update(repeated))
    assert twice.rejections == replace(once.rejections, repeated=len(doubled))


BAD: dict[str, list[tuple[str, float]]] = {
    "not_finite": [("value_m", np.nan), ("value_m", np.inf), ("value_m", -np.inf)],
    "out_of_scale": [
        ("value_m", -0.1),
        ("value_m", 1e9),
        ("t_ns", np.iinfo(np.int64).max),
        ("t_ns", np.iinfo(np.int64).min),
    ],
    "unknown_anchor": [("source", 4), ("source", 2**32 - 1)],
    "unknown_card": [("card", 2**32 - 1), ("card", 1 << 17)],
    "too_old": [("t_ns", 0)],
}


@pytest.mark.parametrize(
    ("reason", "field", "value"),
    [(reason, field, value) for reason, cases in BAD.items() for field, value in cases],
)
def test_a_bad_range_is_refused_counted_and_leaves_no_trace(
    reason: str, field: str, value: float
) -> None:
    ranges = walks(cards=1)
    bad = ranges[100:101].copy()
    bad[field] = value
    clean, disturbed = room_tracker(), room_tracker()
    expected = clean.update(ranges)
    assert same(expected, disturbed.update(np.insert(ranges, 100, bad[0])))
    counts = asdict(disturbed.rejections)
    assert counts[reason] == 1
    assert counts | {reason: 0} == asdict(clean.rejections)


ANY_RANGES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 5),
        st.integers(-3 * S, 30 * S),
        st.one_of(st.floats(0.0, 60.0), st.floats()),
    ),
    max_size=300,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.one_of(ANY_RANGES, ANY_RANGES.map(lambda rows: sorted(rows, key=itemgetter(2)))))
def test_whatever_comes_in_fixes_are_finite_and_their_ellipses_have_a_width(
    rows: list[tuple[int, int, int, float]],
) -> None:
    ranges = measurements(np.array([(*row, np.nan, np.nan) for row in rows], RANGE))
    tracked = room_tracker()
    fixes = tracked.update(ranges)
    for name in ("x_m", "y_m", "z_m", "vx_m_s", "vy_m_s", "var_x_m2", "var_y_m2", "cov_xy_m2"):
        assert np.isfinite(fixes[name]).all()
    assert (fixes["var_x_m2"] > 0.0).all()
    assert (fixes["var_x_m2"] * fixes["var_y_m2"] > fixes["cov_xy_m2"] ** 2).all()
    for card in range(4):
        assert (np.diff(fixes["t_ns"][fixes["card"] == card]) >= 0).all()
    cov = tracked._cards["cov"][:4]
    assert np.array_equal(cov, cov.transpose(0, 2, 1))


def test_ranges_a_little_out_of_order_are_taken_in() -> None:
    ranges = walks(cards=1, rounds=60)
    rng = np.random.default_rng(3)
    mixed = ranges[np.argsort(ranges["t_ns"] + rng.integers(0, 200_000_000, len(ranges)))]
    tracked = room_tracker()
    fixes = tracked.update(mixed)
    assert tracked.rejections.too_old == 0
    last, straight = fixes[-1], room_tracker().update(ranges)[-1]
    assert np.hypot(last["x_m"] - straight["x_m"], last["y_m"] - straight["y_m"]) < 0.3


def test_one_wrong_time_stamp_does_not_silence_a_card() -> None:
    ranges = walks(cards=1)
    wrong = ranges[80:81].copy()
    wrong["t_ns"] += 3600 * S
    fixes = room_tracker().update(np.insert(ranges, 80, wrong[0]))
    assert wrong["t_ns"][0] not in fixes["t_ns"]
    assert same(fixes[-40:], room_tracker().update(ranges)[-40:])


def test_after_a_long_silence_a_card_is_found_where_it_is_now() -> None:
    before, after = walks(cards=1, seed=1), walks(cards=1, seed=2)
    after["t_ns"] += 600 * S
    fixes = room_tracker().update(np.concatenate([before, after]))
    back = fixes[fixes["t_ns"] > 500 * S]
    alone = room_tracker().update(after)[-1]
    assert back["fix_class"][0] == FixClass.LOST
    assert len(back) == len(after) - 1  # the first one might have a wrong time
    assert np.hypot(back[-1]["x_m"] - alone["x_m"], back[-1]["y_m"] - alone["y_m"]) < 0.5
    assert back["t_ns"][back["fix_class"] == FixClass.PRECISE][0] < after["t_ns"][0] + S


def test_a_card_without_one_believable_range_is_extrapolated_then_found_again() -> None:
    ranges = walks(cards=1, rounds=100)
    wrong = slice(200, 260)  # 3 s
    ranges["value_m"][wrong] += np.random.default_rng(1).uniform(20.0, 400.0, 60)
    tracked = room_tracker()
    fixes = tracked.update(ranges)
    assert tracked.rejections.gated >= 60
    assert np.hypot(np.diff(fixes["x_m"]), np.diff(fixes["y_m"])).max() < 2.0
    assert fixes["fix_class"][fixes["t_ns"] == ranges["t_ns"][259]] == [FixClass.EXTRAPOLATED]
    assert fixes["fix_class"][-1] == FixClass.PRECISE


def test_two_blocked_anchors_of_four_do_not_carry_a_card_away() -> None:
    ranges = walks(cards=1, rounds=100)
    clean = room_tracker().update(ranges)
    ranges["value_m"][200:300] += np.where(ranges["source"][200:300] < 2, 15.0, 0.0)
    fixes = room_tracker().update(ranges)
    assert np.hypot(fixes["x_m"] - clean["x_m"], fixes["y_m"] - clean["y_m"]).max() < 2.5


def test_two_anchors_give_an_ambiguous_place_whose_ellipse_holds_both() -> None:
    anchors_m = SQUARE_M[:2]
    ranges = walks(cards=1, rounds=30, anchors_m=anchors_m)
    fixes = room_tracker(anchors_m=anchors_m).update(ranges)
    assert len(fixes)
    assert set(fixes["fix_class"].tolist()) == {FixClass.AMBIGUOUS}
    assert fixes["t_ns"][0] - ranges["t_ns"][0] >= 1.5 * S
    assert fixes["var_y_m2"][0] > 100.0


def test_cards_in_a_roadway_that_range_once_a_second_start() -> None:
    anchors_m = np.array([[0.0, 0.3, 2.2], [40.0, 4.7, 2.2], [80.0, 0.3, 2.2], [120.0, 4.7, 2.2]])
    rng = np.random.default_rng(5)
    rows = [
        one_range(card, a, k * S + a * 5_000_000, distance_m((x, 2.0), anchors_m[a]) + noise)
        for k in range(20)
        for card, x in enumerate((10.0, 55.0, 110.0))
        for a in range(4)
        for noise in (rng.normal(0.0, 0.1),)
    ]
    fixes = room_tracker(anchors_m=anchors_m).update(measurements(*rows))
    for card, x in enumerate((10.0, 55.0, 110.0)):
        of_card = fixes[fixes["card"] == card]
        assert of_card["t_ns"][0] <= 3 * S
        assert abs(of_card["x_m"][-1] - x) < 0.5


def test_slow_round_robin_ranges_start_a_card() -> None:
    rows = [one_range(0, k % 4, k * S, distance_m((9.0, 14.0), SQUARE_M[k % 4])) for k in range(12)]
    fixes = room_tracker().update(measurements(*rows))
    assert (fixes["x_m"][-1], fixes["y_m"][-1]) == pytest.approx((9.0, 14.0), abs=0.5)


def test_a_restored_card_goes_on_and_refuses_what_is_not_newer() -> None:
    ranges = walks(cards=1)
    fixes = room_tracker().update(ranges)
    restored = room_tracker()
    restored.restore(fixes[-50:-49])
    cut_ns = fixes["t_ns"][-50]
    again = restored.update(ranges)
    assert restored.rejections.replayed == int((ranges["t_ns"] <= cut_ns).sum())
    assert len(again) == 49
    apart_m = np.hypot(again["x_m"] - fixes["x_m"][-49:], again["y_m"] - fixes["y_m"][-49:])
    assert apart_m.max() < 1.0


def test_a_fix_that_makes_no_sense_is_not_restored() -> None:
    fixes = np.zeros(4, FIX)
    fixes["var_x_m2"] = fixes["var_y_m2"] = 1.0
    fixes["x_m"][0] = np.nan
    fixes["cov_xy_m2"][1] = 2.0
    fixes["card"][2] = 2**32 - 1
    fixes["t_ns"][3] = np.iinfo(np.int64).max
    tracked = room_tracker()
    tracked.restore(fixes)
    counts = tracked.rejections
    assert (counts.not_finite, counts.out_of_scale, counts.unknown_card) == (1, 2, 1)
    assert not tracked._cards["model"].any()


def test_anchors_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(n, 3\) and \(n,\)"):
        Tracker(SQUARE_M, np.ones(3))
    with pytest.raises(ValueError, match="must be finite"):
        Tracker(SQUARE_M, np.array([1.0, 1.0, np.nan, 1.0]))


def test_input_may_be_read_only_or_strided_and_stays_as_it_was() -> None:
    ranges = walks()
    frozen = ranges.copy()
    frozen.flags.writeable = False
    strided = np.repeat(ranges, 2)[::2]
    expected = room_tracker().update(ranges)
    assert same(room_tracker().update(frozen), expected)
    assert same(room_tracker().update(strided), expected)
    assert len(room_tracker().update(np.empty(0, MEASUREMENT))) == 0


def test_no_card_is_faster_than_the_limit() -> None:
    anchors_m = SQUARE_M * 20.0
    rows = [
        one_range(
            0, a, k * S // 10, float(np.hypot(*(np.array([k * 3.0, 50.0]) - anchors_m[a, :2])))
        )
        for k in range(100)
        for a in range(4)
    ]
    limited = Tracker(anchors_m, anchors_m[:, 2], TrackerSettings(speed_max_m_s=8.0))
    fixes = limited.update(measurements(*rows))
    assert np.hypot(fixes["vx_m_s"], fixes["vy_m_s"]).max() <= 8.0 + 1e-9
