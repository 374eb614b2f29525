"""All kinds of measurements in one stream: what must not matter, what is refused, what holds."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from positioning.mine_map import Reader
from positioning.observation import MEASUREMENT, Kind, Records, measurements
from positioning.settings import TrackerSettings
from positioning.tracker import Tracker
from tests.positioning.scenes import (
    CARD_Z_M,
    DEFAULTS,
    SQUARE_M,
    Floats,
    S,
    fix_at,
    mixed,
    one_place,
    one_range,
    one_sighting,
    room_tracker,
    same,
    walks,
)

READERS = (Reader("R0", 8.0, 8.0, 2.0, 6.0), Reader("R1", 22.0, 20.0, 2.0, 6.0, heading_deg=0.0))


def tracker(settings: TrackerSettings = DEFAULTS, anchors_m: Floats = SQUARE_M) -> Tracker:
    """A tracker of one open area, with readers."""
    return Tracker(anchors_m, np.full(len(anchors_m), CARD_Z_M), settings, readers=READERS)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 480), max_size=20))
def test_how_a_mixed_stream_is_cut_changes_no_bit(cuts: list[int]) -> None:
    measured = mixed()
    assert set(measured["kind"].tolist()) == set(Kind)
    one, many = tracker(), tracker()
    whole = one.update(measured)
    pieces = np.concatenate([many.update(part) for part in np.split(measured, sorted(cuts))])
    assert same(whole, pieces)
    assert one.rejections == many.rejections
    assert same(one.take_conflicts(), many.take_conflicts())
    assert same(one.anchor_stats(), many.anchor_stats())


@settings(max_examples=20, deadline=None)
@given(shift_ns=st.integers(-(10**18), 10**18))
def test_shifting_a_mixed_stream_in_time_changes_nothing_but_times(shift_ns: int) -> None:
    measured = mixed()
    later = measured.copy()
    later["t_ns"] += shift_ns
    one, two = tracker(), tracker()
    plain, shifted = one.update(measured), two.update(later)
    shifted["t_ns"] -= shift_ns
    assert same(plain, shifted)
    conflicts = two.take_conflicts()
    conflicts["t_ns"] -= shift_ns
    assert same(one.take_conflicts(), conflicts)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(3)), far=st.integers(0, 1000))
def test_who_the_cards_are_and_in_whose_company_changes_no_bit(order: list[int], far: int) -> None:
    measured = mixed()
    renamed = measured.copy()
    renamed["card"] = (np.array(order) + far)[measured["card"]]
    plain, other = tracker().update(measured), tracker().update(renamed)
    assert np.array_equal(other["card"], (np.array(order) + far)[plain["card"]])
    other["card"] = plain["card"]
    assert same(plain, other)
    for card in range(3):
        alone = tracker().update(measured[measured["card"] == card])
        assert same(alone, plain[plain["card"] == card])


@settings(max_examples=20, deadline=None)
@given(begin=st.integers(0, 450), count=st.integers(1, 30))
def test_a_batch_that_comes_twice_changes_nothing(begin: int, count: int) -> None:
    """As long as no card's memory of what it has heard is over: that is 32 measurements."""
    measured = mixed()
    end = begin + count
    once, twice = tracker(), tracker()
    parts = [twice.update(measured[:end]), twice.update(measured[begin:end])]
    parts.append(twice.update(measured[end:]))
    assert same(once.update(measured), np.concatenate(parts))
    assert len(parts[1]) == 0
    again = len(measured[begin:end])
    assert twice.rejections == replace(once.rejections, repeated=once.rejections.repeated + again)


RANGE_ROW = measurements(one_range(0, 1, 3 * S, 12.0))
DIFFERENCE_ROW = RANGE_ROW.copy()
DIFFERENCE_ROW["kind"], DIFFERENCE_ROW["other"] = Kind.DIFFERENCE, 2
SIGHTING_ROW = measurements(one_sighting(0, 1, 3 * S))
PLACE_ROW = measurements(one_place(0, 3 * S, (12.0, 11.0), 1.0))
NO_NUMBERS = (math.nan, math.inf, -math.inf)

BAD: list[tuple[str, Records, str, float]] = [
    *(("not_finite", row, "value_m", v) for row in (RANGE_ROW, DIFFERENCE_ROW) for v in NO_NUMBERS),
    *(
        ("not_finite", PLACE_ROW, name, v)
        for name in ("value_m", "y_m", "var_x_m2", "cov_xy_m2", "var_y_m2")
        for v in NO_NUMBERS
    ),
    ("out_of_scale", PLACE_ROW, "value_m", 1e12),
    ("out_of_scale", PLACE_ROW, "y_m", -1e12),
    ("out_of_scale", PLACE_ROW, "var_x_m2", 0.0),
    ("out_of_scale", PLACE_ROW, "var_y_m2", -1.0),
    ("out_of_scale", PLACE_ROW, "var_x_m2", 1e300),
    ("out_of_scale", PLACE_ROW, "cov_xy_m2", 1.0),
    ("out_of_scale", RANGE_ROW, "kind", 4),
    ("out_of_scale", RANGE_ROW, "kind", 255),
    ("out_of_scale", DIFFERENCE_ROW, "value_m", -3000.0),
    ("out_of_scale", SIGHTING_ROW, "t_ns", np.iinfo(np.int64).min),
    ("unknown_anchor", DIFFERENCE_ROW, "source", 4),
    ("unknown_anchor", DIFFERENCE_ROW, "other", 4),
    ("unknown_anchor", DIFFERENCE_ROW, "other", 1),
    ("unknown_anchor", SIGHTING_ROW, "source", 2),
    ("unknown_card", PLACE_ROW, "card", 2**32 - 1),
    ("unknown_card", SIGHTING_ROW, "card", 1 << 17),
    ("too_old", DIFFERENCE_ROW, "t_ns", S),
    ("too_old", SIGHTING_ROW, "t_ns", S),
    ("too_old", PLACE_ROW, "t_ns", S),
]


@pytest.mark.parametrize(("reason", "row", "field", "value"), BAD)
def test_what_is_bad_is_refused_counted_and_leaves_no_trace(
    reason: str, row: Records, field: str, value: float
) -> None:
    measured = walks(cards=1, rounds=20)
    at = int(np.searchsorted(measured["t_ns"], 3 * S))
    bad = row.copy()
    bad[field] = value
    clean, disturbed = tracker(), tracker()
    expected = clean.update(measured)
    assert same(expected, disturbed.update(np.insert(measured, at, bad[0])))
    counts = asdict(disturbed.rejections)
    assert counts[reason] == 1
    assert counts | {reason: 0} == asdict(clean.rejections)
    assert len(disturbed.take_conflicts()) == 0


def test_a_strength_that_is_no_number_is_no_strength() -> None:
    sightings = [measurements(one_sighting(0, k % 2, S + k * S // 4)) for k in range(12)]
    plain = np.concatenate(sightings)
    odd = plain.copy()
    odd["rssi_dbm"][::2], odd["rssi_dbm"][1::2] = np.inf, -np.inf
    assert same(tracker().update(plain), tracker().update(odd))


ANY = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(-1, 1),
        st.integers(0, 3),
        st.integers(0, 2),
        st.integers(0, 4),
        st.integers(0, 4),
        st.one_of(st.integers(S, 20 * S), st.integers(S, 3 * S)),
        st.one_of(st.floats(0.0, 60.0), st.floats()),
        st.one_of(st.floats(-50.0, 50.0), st.floats()),
        st.one_of(st.floats(1e-9, 100.0), st.floats()),
        st.one_of(st.floats(-1.0, 1.0), st.floats()),
        st.one_of(st.floats(1e-9, 100.0), st.floats()),
        st.floats(width=32),
        st.floats(width=32),
    ),
    max_size=200,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ANY, seed=st.integers(0, 10**6))
def test_covariances_stay_symmetric_and_positive_for_ever(
    rows: list[tuple[float, ...]], seed: int
) -> None:
    """Whatever comes in, alone and between sound measurements."""
    sound = mixed(seed=seed, rounds=10)
    wild = np.array(rows, MEASUREMENT)
    wild["t_ns"][::2] = np.sort(wild["t_ns"][::2])
    both = np.concatenate([sound, wild])
    tracked = tracker()
    for part in (both[np.random.default_rng(seed).permutation(len(both))], wild, sound, both):
        later = part.copy()
        later["t_ns"] += tracked._cards["t_ns"][:3].max()
        fixes = tracked.update(later)
        record = tracked._cards[:3]
        assert np.isfinite(record["mean"]).all()
        assert np.array_equal(record["cov"], record["cov"].transpose(0, 2, 1))
        for card in record[record["model"] > 0]:
            states = 4 + int(card["slots"])
            cov = card["cov"][:states, :states]
            assert np.linalg.eigvalsh(cov).min() > -1e-9 * cov.max()
            assert cov.diagonal().min() > 0.0
        assert (fixes["var_x_m2"] > 0.0).all()
        assert (fixes["var_x_m2"] * fixes["var_y_m2"] > fixes["cov_xy_m2"] ** 2).all()


def turned(points_m: Floats, angle: float, way_m: Floats) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    moved: Floats = points_m @ np.array([[c, s], [-s, c]]) + way_m
    return moved


TURNS = {
    "angle": st.floats(-math.pi, math.pi),
    "x_m": st.floats(-1e4, 1e4),
    "y_m": st.floats(-1e4, 1e4),
}


@settings(max_examples=20, deadline=None)
@given(**TURNS)
def test_moving_and_turning_the_room_moves_and_turns_the_fixes(
    angle: float, x_m: float, y_m: float
) -> None:
    """From a known place on."""
    measured = mixed(cards=1, seed=4)
    measured = measured[measured["kind"] != Kind.SIGHTING]
    way_m = np.array([x_m, y_m])
    anchors_m = SQUARE_M.copy()
    anchors_m[:, :2] = turned(SQUARE_M[:, :2], angle, way_m)
    moved = measured.copy()
    places = np.flatnonzero(measured["kind"] == Kind.PLACE)
    at_m = np.column_stack([measured["value_m"], measured["y_m"]])[places]
    moved["value_m"][places], moved["y_m"][places] = turned(at_m, angle, way_m).T
    here, there = room_tracker(), room_tracker(anchors_m=anchors_m)
    start = turned(np.array([[15.0, 15.0]]), angle, way_m)[0]
    here.restore(fix_at(15.0, 15.0, S - 1, 25.0))
    there.restore(fix_at(float(start[0]), float(start[1]), S - 1, 25.0))
    for tracked in (here, there):  # a search's path is not quite the same
        tracked._sites["rejects_max"], tracked._sites["review_var_m2"] = 1 << 40, math.inf
    plain, other = here.update(measured), there.update(moved)
    assert here.rejections == there.rejections
    expected_m = turned(np.column_stack([plain["x_m"], plain["y_m"]]), angle, way_m)
    assert np.column_stack([other["x_m"], other["y_m"]]) == pytest.approx(expected_m, abs=1e-6)
    c, s = math.cos(angle), math.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    assert covariances(other) == pytest.approx(turn @ covariances(plain) @ turn.T, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(**TURNS)
@example(angle=1.814453125, x_m=0.0, y_m=0.0)
def test_a_card_is_found_in_a_turned_room_as_well(angle: float, x_m: float, y_m: float) -> None:
    measured = walks(cards=1, rounds=5, seed=3)
    way_m = np.array([x_m, y_m])
    anchors_m = SQUARE_M.copy()
    anchors_m[:, :2] = turned(SQUARE_M[:, :2], angle, way_m)
    plain = room_tracker().update(measured)
    other = room_tracker(anchors_m=anchors_m).update(measured)
    assert abs(len(plain) - len(other)) <= 1  # a search's path is not quite the same
    both = min(len(plain), len(other))
    plain, other = plain[-both:], other[-both:]
    expected_m = turned(np.column_stack([plain["x_m"], plain["y_m"]]), angle, way_m)
    assert np.column_stack([other["x_m"], other["y_m"]]) == pytest.approx(expected_m, abs=0.02)


def covariances(fixes: Records) -> Floats:
    """(n, 2, 2)."""
    columns = [fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"]]
    matrices: Floats = np.column_stack(columns).reshape(-1, 2, 2)
    return matrices
