"""Error figures on made-up fixes, and the targets on real recordings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from positioning.accuracy import Errors, Window, accuracy, distribution, errors_of_run, joined
from positioning.locate import locate_recording
from positioning.observation import FIX, RANGE, SIGHTING, FixClass, Records
from positioning.recording import Run, Truth
from positioning.settings import TrackerSettings
from positioning.windows import Box, window_between

DATA = Path(__file__).parents[3] / "shared" / "data"
S = 1_000_000_000


def run_of(range_times_s: list[float], truth_s: list[float] | None) -> Run:
    """One card that walks 1 m/s along x."""
    ranges = np.zeros(len(range_times_s), RANGE)
    ranges["t_ns"] = np.array(range_times_s) * S
    truth = None
    if truth_s is not None:
        t_s = np.array(truth_s)
        place_m = np.column_stack([t_s, 0.0 * t_s, 0.0 * t_s])
        truth = Truth(np.zeros(len(t_s), np.int64), (t_s * S).astype(np.int64), place_m)
    return Run("r", ("7",), ("A",), np.zeros((1, 3)), ranges, truth)


def fixes_at(times_s: list[float], error_m: list[float]) -> Records:
    fixes = np.zeros(len(times_s), FIX)
    fixes["t_ns"] = np.array(times_s) * S
    fixes["x_m"] = np.array(times_s) + np.array(error_m)
    fixes["var_x_m2"] = fixes["var_y_m2"] = 1.0
    fixes["fix_class"] = FixClass.PRECISE
    return fixes


def test_errors_are_against_the_truth_between_its_points() -> None:
    run = run_of([0.0, 4.0, 5.5, 6.0], [0.0, 5.0, 6.0])
    errors = errors_of_run(run, fixes_at([4.0, 5.5, 6.0], [0.3, -0.4, 3.0]))
    assert errors is not None
    assert errors.error_m.tolist() == pytest.approx([0.3, 0.4, 3.0])
    assert errors.covered.tolist() == [True, True, False]
    figures = accuracy(errors)
    assert figures.rmse_m == pytest.approx(np.sqrt((0.09 + 0.16 + 9.0) / 3))
    assert figures.p50_m == pytest.approx(0.4)
    assert figures.max_m == pytest.approx(3.0)
    assert figures.coverage_95 == pytest.approx(2 / 3)
    assert (figures.scored, figures.availability) == (3, 1.0)


def test_settling_and_times_outside_the_truth_are_not_scored() -> None:
    run = run_of([0.0, 1.0, 3.0, 4.0, 9.0], [0.0, 5.0])
    errors = errors_of_run(run, fixes_at([1.0, 3.0, 4.0, 9.0], [9.0, 0.0, 0.0, 9.0]))
    assert errors is not None
    assert (len(errors.error_m), errors.ranges, errors.answered) == (2, 2, 2)


def test_a_window_replaces_the_settling_time() -> None:
    run = run_of([0.0, 1.0, 2.0, 3.0], [0.0, 5.0])
    fixes = fixes_at([1.0, 2.0, 3.0], [0.1, 0.2, 0.3])
    errors = errors_of_run(run, fixes, lambda t_ns: t_ns < 3 * S)
    assert errors is not None
    assert errors.error_m.tolist() == pytest.approx([0.1, 0.2])
    assert (errors.ranges, errors.answered) == (3, 2)


def test_a_range_is_answered_by_a_fix_better_than_lost_at_its_time_or_just_after() -> None:
    run = run_of([0.0, 4.0, 5.0, 6.0, 7.0], [0.0, 8.0])
    fixes = fixes_at([4.0, 5.2, 6.3, 7.0], [0.0] * 4)
    fixes["fix_class"][3] = FixClass.LOST
    errors = errors_of_run(run, fixes)
    assert errors is not None
    assert (errors.ranges, errors.answered) == (4, 2)


def test_without_truth_there_are_no_figures_and_without_fixes_none_is_available() -> None:
    assert errors_of_run(run_of([0.0], None), fixes_at([], [])) is None
    errors = errors_of_run(run_of([0.0, 4.0], [0.0, 5.0]), fixes_at([], []))
    assert errors is not None
    figures = accuracy(errors)
    assert (figures.scored, figures.availability) == (0, 0.0)
    assert np.isnan(figures.rmse_m)
    assert np.isnan(accuracy(joined([])).availability)


def test_each_card_may_have_its_own_window() -> None:
    run = run_of([0.0, 1.0, 2.0], [0.0, 5.0])
    two = Run("r", ("7", "8"), run.anchors, run.anchors_m, run.ranges, run.truth)
    windows: list[Window] = [lambda t_ns: t_ns > S, lambda t_ns: t_ns > 0]
    errors = errors_of_run(two, fixes_at([1.0, 2.0], [0.1, 0.2]), windows)
    assert errors is not None
    assert errors.error_m.tolist() == pytest.approx([0.2])
    assert errors.ranges == 1


def test_in_a_run_without_ranges_other_measurements_are_answered() -> None:
    run = run_of([], [0.0, 9.0])
    sightings = np.zeros(3, SIGHTING)
    sightings["t_ns"] = np.array([0.0, 4.0, 5.0]) * S
    errors = errors_of_run(replace(run, sightings=sightings), fixes_at([1.0, 4.1], [9.0, 0.2]))
    assert errors is not None
    assert errors.error_m.tolist() == pytest.approx([0.2])
    assert (errors.ranges, errors.answered) == (2, 1)


def test_figures_by_class_and_errors_that_nobody_was_warned_of() -> None:
    fixes = fixes_at([4.0, 5.0, 6.0, 7.0, 8.0], [0.1, -60.0, 60.0, 0.3, 70.0])
    fixes["fix_class"] = [1, FixClass.AMBIGUOUS, FixClass.ROADWAY, 1, FixClass.EXTRAPOLATED]
    errors = errors_of_run(run_of([0.0], [0.0, 9.0]), fixes)
    assert errors is not None
    figures = accuracy(errors)
    assert figures.far == 1
    assert list(figures.classes) == ["precise", "roadway", "extrapolated", "ambiguous"]
    assert figures.classes["precise"].share == pytest.approx(0.4)
    assert figures.classes["precise"].p95_m == pytest.approx(0.29)
    assert (figures.classes["roadway"].fixes, figures.classes["roadway"].p95_m) == (1, 60.0)
    assert figures.mean_m == pytest.approx((0.1 + 60.0 + 60.0 + 0.3 + 70.0) / 5)
    assert figures.roadway is None


@pytest.mark.parametrize(("claimed_m", "consistent"), [(1.0, 0), (0.5, 1), (2.0, -1)])
def test_nees_tells_who_is_too_sure_and_who_too_modest(claimed_m: float, consistent: int) -> None:
    """Errors of one metre in each direction, against what the fixes claim."""
    rng, n = np.random.default_rng(5), 2000
    times = np.linspace(3.0, 8.0, n).tolist()
    fixes = fixes_at(times, rng.normal(size=n).tolist())
    fixes["y_m"] = rng.normal(size=n)
    fixes["var_x_m2"] = fixes["var_y_m2"] = claimed_m**2
    errors = errors_of_run(run_of([0.0], [0.0, 9.0]), fixes)
    assert errors is not None
    figures = accuracy(errors)
    assert figures.mean_nees == pytest.approx(2.0 / claimed_m**2, rel=0.1)
    inside = (figures.mean_nees > figures.nees_high) - (figures.mean_nees < figures.nees_low)
    assert int(inside) == consistent
    assert figures.nees_high - figures.nees_low < 0.3


def test_the_distribution_is_that_of_its_definition_and_keeps_its_ends() -> None:
    error_m, share = distribution(np.array([3.0, 1.0, 2.0, 2.0]))
    assert error_m.tolist() == [1.0, 2.0, 2.0, 3.0]
    assert share.tolist() == [0.25, 0.5, 0.75, 1.0]
    many = np.random.default_rng(6).exponential(size=5000)
    error_m, share = distribution(many, points=100)
    assert len(error_m) == 100
    assert (error_m[0], error_m[-1], share[-1]) == (many.min(), many.max(), 1.0)
    for m, part in zip(error_m, share, strict=True):
        assert np.mean(many <= m) == pytest.approx(part)
    assert [len(part) for part in distribution(np.empty(0))] == [0, 0]


def hanyang_window(run: Run) -> Window:
    """The walk that the published scores use."""
    assert run.truth is not None
    if "_A" in run.name:
        first, last = Box(x_min=49.3, y_min=-5.0), Box(x_max=12.0, y_min=3.4)
    else:
        first, last = Box(x_max=8.6, y_max=-7.0), Box(x_min=8.6, y_max=-7.0)
    window = window_between(run.truth, 0, first, last)
    assert window is not None
    return window


def scored_hanyang(*, lagged: bool = False) -> dict[str, Errors]:
    settings = TrackerSettings(lag_s=1.0) if lagged else TrackerSettings()
    scored = {}
    for part in locate_recording(DATA / "hanyang_outdoor", 1.0, settings):
        fixes = part.lagged if lagged else part.fixes
        errors = errors_of_run(part.run, fixes, hanyang_window(part.run))
        assert errors is not None
        scored[part.run.name] = errors
    return scored


@pytest.mark.skipif(
    not (DATA / "hanyang_outdoor").is_dir(), reason="the Hanyang recording is not beside the repo"
)
def test_targets_on_the_hanyang_recording() -> None:
    scored = scored_hanyang()
    figures = accuracy(joined(list(scored.values())))
    assert len(scored) == 8
    assert figures.rmse_m <= 0.72
    assert figures.p95_m <= 1.6
    assert figures.max_m <= 5.0
    assert figures.availability >= 0.999
    assert 0.85 <= figures.coverage_95 <= 1.0
    for errors in scored.values():
        assert accuracy(errors).rmse_m <= 1.0
        assert accuracy(errors).coverage_95 >= 0.8


@pytest.mark.skipif(
    not (DATA / "hanyang_outdoor").is_dir(), reason="the Hanyang recording is not beside the repo"
)
def test_targets_on_the_hanyang_recording_a_second_later() -> None:
    figures = accuracy(joined(list(scored_hanyang(lagged=True).values())))
    assert figures.rmse_m <= 0.62
    assert figures.p95_m <= 1.35


@pytest.mark.skipif(
    not (DATA / "labyrinth_nlos").is_dir(), reason="the labyrinth recording is not beside the repo"
)
def test_targets_on_the_labyrinth_recording() -> None:
    (part,) = locate_recording(DATA / "labyrinth_nlos")
    errors = errors_of_run(part.run, part.fixes)
    assert errors is not None
    figures = accuracy(errors)
    assert figures.rmse_m <= 0.19
    assert figures.availability >= 0.999
    assert 0.85 <= figures.coverage_95 <= 1.0


@pytest.mark.skipif(
    not (DATA / "labyrinth_nlos").is_dir(), reason="the labyrinth recording is not beside the repo"
)
def test_targets_on_the_labyrinth_recording_a_second_later() -> None:
    (part,) = locate_recording(DATA / "labyrinth_nlos", settings=TrackerSettings(lag_s=1.0))
    errors = errors_of_run(part.run, part.lagged)
    assert errors is not None
    figures = accuracy(errors)
    assert figures.rmse_m <= 0.14
    assert 0.85 <= figures.coverage_95 <= 1.0


@pytest.mark.skipif(
    not (DATA / "tetam_ble_rssi").is_dir(), reason="the TETAM recording is not beside the repo"
)
def test_targets_on_a_recording_of_strengths() -> None:
    """The whole way, through the tracker; the kernel alone is in test_strength_rooms.py."""
    scored = []
    for part in locate_recording(DATA / "tetam_ble_rssi"):
        errors = errors_of_run(part.run, part.fixes)
        assert errors is not None
        assert (part.fixes["fix_class"] == FixClass.ZONE).all()
        scored.append(errors)
    figures = accuracy(joined(scored))
    assert figures.p95_m <= 5.5
    assert figures.availability >= 0.999
    assert 0.85 <= figures.coverage_95 <= 1.0
