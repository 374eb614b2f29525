"""Errors along and across roadways, on made-up walks."""

import numpy as np
import pytest

from positioning.accuracy import accuracy, errors_of_run
from positioning.along import roadway_errors
from positioning.observation import RANGE, Records, new_fixes
from positioning.recording import Run, Truth

S = 1_000_000_000


def walk(*, along_y: bool = False) -> Truth:
    """Stands for a second, walks 1 m/s for eight in roadway 4 from chainage 100 down, then leaves.

    In the roadway it goes along x, or along y.
    """
    s_m = np.array([0.0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    place_m = np.zeros((len(s_m), 3))
    place_m[:, int(along_y)] = s_m
    roadway = np.full(len(s_m), 4)
    roadway[-1] = -1
    chainage_m = 100.0 - s_m
    chainage_m[-1] = np.nan
    cards = np.zeros(len(s_m), np.int64)
    return Truth(cards, np.arange(len(s_m)) * S, place_m, roadway, chainage_m)


def fixes_at(t_s: list[float], roadway: list[int], chainage_m: list[float]) -> Records:
    fixes = new_fixes(len(t_s))
    fixes["t_ns"] = np.array(t_s) * S
    fixes["roadway"], fixes["chainage_m"] = roadway, chainage_m
    return fixes


ALL = np.ones(11, np.bool_)


def test_in_the_same_roadway_along_is_the_difference_of_chainages() -> None:
    fixes = fixes_at([0.0, 1.0, 2.5, 6.25], [4] * 4, [100.0, 99.0, 98.0, 95.0])
    found = roadway_errors(walk(), ALL, fixes, np.zeros(4), np.array([0.5, -0.5, 0.0, 2.0]))
    assert found.along_m == pytest.approx([0.0, 1.0, 0.5, 0.25])
    assert found.across_m == pytest.approx([0.5, 0.5, 0.0, 2.0])
    assert not found.wrong.any()


@pytest.mark.parametrize("along_y", [False, True])
def test_without_a_roadway_the_error_is_split_by_the_direction_of_the_walk(along_y: bool) -> None:  # noqa: FBT001 - a parameter
    fixes = fixes_at([0.2, 4.0], [-1, -1], [np.nan, np.nan])
    found = roadway_errors(
        walk(along_y=along_y), ALL, fixes, np.array([3.0, -3.0]), np.array([4.0, 4.0])
    )
    assert found.along_m == pytest.approx([4.0, 4.0] if along_y else [3.0, 3.0])
    assert found.across_m == pytest.approx([3.0, 3.0] if along_y else [4.0, 4.0])


def test_another_roadway_is_wrong_unless_they_meet_there() -> None:
    fixes = fixes_at([4.0, 4.0], [2, 2], [7.0, 7.0])
    found = roadway_errors(walk(), ALL, fixes, np.array([1.0, 3.0]), np.array([1.0, 4.0]))
    assert found.along_m == pytest.approx([2**0.5, 5.0])
    assert found.wrong.tolist() == [False, True]


def test_outside_of_roadways_nothing_is_known() -> None:
    found = roadway_errors(walk(), ALL, fixes_at([10.0], [4], [3.0]), np.ones(1), np.ones(1))
    assert np.isnan(found.along_m).all()
    assert np.isnan(found.across_m).all()
    assert not found.wrong.any()


def test_who_never_moves_has_no_across() -> None:
    still = Truth(
        card=np.zeros(2, np.int64),
        t_ns=np.array([0, S]),
        place_m=np.zeros((2, 3)),
        roadway=np.array([4, 4]),
        chainage_m=np.array([100.0, 100.0]),
    )
    found = roadway_errors(still, ALL[:2], fixes_at([0.5], [4], [98.0]), np.ones(1), np.zeros(1))
    assert found.along_m == pytest.approx([2.0])
    assert np.isnan(found.across_m).all()


def test_the_figures_of_a_run_in_roadways() -> None:
    ranges = np.zeros(2, RANGE)
    ranges["t_ns"] = [0, 9 * S]
    run = Run("r", ("7",), ("A",), np.zeros((1, 3)), ranges, walk())
    fixes = fixes_at([4.0, 5.0, 6.0, 7.0, 10.0], [4, 4, 4, 1, 4], [97.0, 96.5, 96.0, 5.0, 3.0])
    fixes["x_m"] = [3.0, 3.5, 4.0, 26.0, 9.0]
    fixes["var_x_m2"] = fixes["var_y_m2"] = 1.0
    errors = errors_of_run(run, fixes)
    assert errors is not None
    roadway = accuracy(errors).roadway
    assert roadway is not None
    assert roadway.scored == 4
    assert roadway.wrong_roadway == pytest.approx(0.25)
    assert roadway.along_p50_m == pytest.approx(0.75)
    assert roadway.across_p95_m == pytest.approx(0.0)
