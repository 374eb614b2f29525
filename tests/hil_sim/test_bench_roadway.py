"""The roadway benchmark scores what it says, and its rival is the filter that it claims to be."""

import numpy as np
import pytest

from bench.plain_ekf import plain_ekf
from bench.roadway import errors, joined, result, ways_m
from hil_sim.roadway_trial import Trial, roadway_trial
from positioning.graph import build_graph
from positioning.observation import RANGE, FixClass, Records, new_fixes


@pytest.fixture(scope="module")
def trial() -> Trial:
    return roadway_trial(3, cards=6, duration_s=120.0)


def perfect(trial: Trial) -> Records:
    truth = trial.truth_of(trial.ranges)
    answers = new_fixes(len(trial.ranges))
    answers["x_m"], answers["y_m"] = truth.place_m[:, :2].T
    answers["roadway"], answers["chainage_m"] = truth.roadway, truth.chainage_m
    answers["var_x_m2"] = answers["var_y_m2"] = 1.0
    answers["fix_class"] = FixClass.ROADWAY
    return answers


def test_the_truth_has_no_error(trial: Trial) -> None:
    scored = errors(trial, trial.truth_of(trial.ranges), perfect(trial))
    figures = joined([scored, scored]).figures()
    assert 0 < len(scored.along_m) < len(trial.ranges)
    assert figures["along_p95_m"] < 1e-6
    assert figures["wrong_edge"] == figures["over_50_m"] == figures["unanswered"] == 0
    assert figures["coverage_95"] == 1


def test_a_place_without_a_roadway_is_taken_to_the_nearest_centreline(trial: Trial) -> None:
    answers = perfect(trial)
    answers["roadway"], answers["chainage_m"] = -1, np.nan
    figures = errors(trial, trial.truth_of(trial.ranges), answers).figures()
    assert figures["along_p95_m"] < 1.0
    assert figures["wrong_edge"] < 0.02


def test_only_errors_that_say_nothing_count_as_unmarked(trial: Trial) -> None:
    answers = perfect(trial)
    answers["x_m"] += 60.0
    truth = trial.truth_of(trial.ranges)
    bad = errors(trial, truth, answers).figures()
    assert bad["unmarked_over_50_m"] == bad["over_50_m"] > 0
    answers["fix_class"] = FixClass.EXTRAPOLATED
    assert errors(trial, truth, answers).figures()["unmarked_over_50_m"] > 0
    for kind in (FixClass.AMBIGUOUS, FixClass.ZONE, FixClass.LOST):
        answers["fix_class"] = kind
        assert errors(trial, truth, answers).figures()["unmarked_over_50_m"] == 0
    answers["fix_class"] = 0
    nothing = errors(trial, truth, answers)
    assert (len(nothing.along_m), nothing.unanswered > 0) == (0, True)


def test_ways_go_along_the_roadways_by_the_shorter_side_of_the_loop(trial: Trial) -> None:
    graph = build_graph(trial.mine.roadways)
    names = [roadway.id for roadway in trial.mine.roadways]
    haulage, back, gate = (names.index(n) for n in ("haulage", "return_airway", "gate"))
    lengths = dict(zip(graph.roadway.tolist(), graph.length_m.tolist(), strict=True))
    from_roadway = np.array([haulage, haulage, gate, haulage])
    to_roadway = np.array([haulage, back, gate, gate])
    from_m = np.array([10.0, 10.0, 7.0, lengths[haulage] - 4])
    to_m = np.array([50.0, 20.0, 3.0, 6.0])
    ways = ways_m(graph, (from_roadway, from_m), (to_roadway, to_m))
    assert ways == pytest.approx([40, 30, 4, 10])


def test_the_keys_are_those_that_are_asked_for() -> None:
    figures = errors_figures()
    of_run = {"locator": figures, "with readers": figures, "plain EKF": figures | {"x": 1.0}}
    of_run["plain EKF"] = figures | {"along_p95_m": 4 * figures["along_p95_m"]}
    told = result({0: of_run, 20: of_run})
    for key in ("along_p50_m", "along_p95_m", "wrong_edge", "vs_plain_ekf"):
        assert list(told[key]) == ["0", "20"]
    assert told["vs_plain_ekf"]["20"] == pytest.approx(0.75)
    assert told["unmarked_over_50_m_with_readers"]["20"] == 0


def errors_figures() -> dict[str, float]:
    trial = roadway_trial(3, cards=2, duration_s=60.0)
    answers = perfect(trial)
    answers["chainage_m"] += 1.0
    answers["x_m"] += 1.0
    return errors(trial, trial.truth_of(trial.ranges), answers).figures()


def four_anchors(noise_m: float) -> tuple[np.ndarray, Records, np.ndarray]:
    """Ranges, anchors and the true places of a card that walks in a circle among four anchors."""
    anchors_m = np.array([[0, 0, 3], [40, 0, 3], [40, 40, 3], [0, 40, 3]], np.float64)
    t_s = np.arange(0, 100, 0.25)
    truth_m = np.column_stack(
        [20 + 8 * np.cos(t_s / 8), 20 + 8 * np.sin(t_s / 8), np.full(len(t_s), 1.0)]
    )
    ranges = np.zeros(len(t_s), RANGE)
    ranges["anchor"] = np.arange(len(t_s)) % 4
    ranges["t_ns"] = t_s * 1e9
    away_m = np.linalg.norm(truth_m - anchors_m[ranges["anchor"]], axis=1)
    noise = np.random.default_rng(1).normal(0, noise_m, len(t_s))
    ranges["range_m"] = away_m + noise
    return anchors_m, ranges, truth_m


def test_the_rival_is_good_where_a_plain_filter_can_be() -> None:
    anchors_m, ranges, truth_m = four_anchors(0.1)
    places_m = plain_ekf(anchors_m, ranges, truth_m[:, 2])
    error_m = np.linalg.norm(places_m - truth_m[:, :2], axis=1)
    assert np.isnan(places_m[0]).all(), "one anchor is no place"
    assert np.sqrt(np.mean(error_m[40:] ** 2)) < 0.25


def test_the_rival_starts_where_two_circles_meet() -> None:
    anchors_m, ranges, truth_m = four_anchors(0.0)
    places_m = plain_ekf(anchors_m, ranges[:2], truth_m[:2, 2])
    assert np.linalg.norm(places_m[1] - truth_m[1, :2]) < 0.5


def test_the_rival_believes_every_range() -> None:
    anchors_m, ranges, truth_m = four_anchors(0.0)
    before = plain_ekf(anchors_m, ranges, truth_m[:, 2])
    ranges["range_m"][200] += 5.0
    after = plain_ekf(anchors_m, ranges, truth_m[:, 2])
    assert (before[:200] == after[:200])[1:].all()
    assert np.linalg.norm(after[200] - before[200]) > 0.5


def test_a_card_of_one_anchor_has_no_place() -> None:
    anchors_m, ranges, truth_m = four_anchors(0.0)
    ranges["anchor"] = 0
    assert np.isnan(plain_ekf(anchors_m, ranges, truth_m[:, 2])).all()
