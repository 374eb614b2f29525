"""How the world's time goes along with real time."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from hil_sim.incidents import Flags
from hil_sim.pace import Pace, on_clocks
from hil_sim.people import Whereabouts
from hil_sim.world import Heard
from positioning.observation import RANGE, SIGHTING


def taken(pace: Pace, now_s: float) -> list[float]:
    """When the steps that are due now were over."""
    return [pace.take(now_s) for _ in range(pace.due(now_s))]


def test_at_real_speed_each_tenth_of_a_second_has_its_step() -> None:
    pace = Pace(100.0)
    assert taken(pace, 100.09) == []
    assert taken(pace, 100.35) == pytest.approx([100.1, 100.2, 100.3])
    assert pace.world_s == 0.3
    assert pace.next_s() == pytest.approx(100.4)


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_steps_follow_one_another_without_a_gap(speed: float) -> None:
    pace = Pace(0.0, speed=speed)
    ends: list[float] = []
    for now_s in (0.3, 0.31, 1.0, 1.9):
        ends += taken(pace, now_s)
        assert ends == [] or ends[-1] <= now_s
    assert len(ends) == int(1.9 * speed * 10 + 1e-6)
    assert [after - before for before, after in pairwise(ends)] == pytest.approx(
        [0.1 / speed] * (len(ends) - 1)
    )


def test_a_paused_world_stands_and_goes_on_from_where_it_was() -> None:
    pace = Pace(0.0, paused=True)
    assert (pace.due(50.0), pace.stands, pace.next_s()) == (0, True, math.inf)
    pace.resume(50.0)
    assert taken(pace, 50.2) == pytest.approx([50.1, 50.2])
    pace.pause(50.25)
    assert (pace.due(99.0), pace.stands) == (0, True)
    pace.resume(99.0)
    assert taken(pace, 99.1) == pytest.approx([99.1])


def test_what_was_before_the_beginning_is_not_made_up_for() -> None:
    pace = Pace(0.0)
    pace.begin(5.0)
    assert taken(pace, 5.15) == pytest.approx([5.1])


def test_resuming_what_goes_on_changes_nothing() -> None:
    pace = Pace(0.0)
    pace.resume(0.05)
    assert pace.next_s() == pytest.approx(0.1)


@pytest.mark.parametrize(("seconds", "steps"), [(0.1, 1), (0.15, 2), (3.0, 30), (0.01, 1)])
def test_a_step_is_taken_in_whole_steps_and_then_it_stands(seconds: float, steps: int) -> None:
    pace = Pace(0.0, paused=True)
    assert pace.step(10.0, seconds) == steps
    assert not pace.stands
    assert len(taken(pace, 99.0)) == steps
    assert pace.stands


def test_another_speed_counts_from_when_it_is_set() -> None:
    pace = Pace(0.0)
    taken(pace, 1.0)
    pace.set_speed(1.0, 10.0)
    assert taken(pace, 1.035) == pytest.approx([1.01, 1.02, 1.03])
    assert pace.world_s == 1.3


def test_what_is_far_behind_goes_on_from_where_it_is() -> None:
    pace = Pace(0.0)
    assert pace.due(10.0) == 100
    assert pace.take(30.0) == 30.0
    assert (pace.due(30.0), pace.world_s) == (0, 0.1)
    assert pace.next_s() == pytest.approx(30.1)


def heard(t_ns: int, before_ns: Sequence[int]) -> Heard:
    ranges = np.zeros(len(before_ns), RANGE)
    ranges["t_ns"] = [t_ns - one for one in before_ns]
    nobody = np.zeros((0, 3))
    none = np.zeros(0, np.int64)
    people = Whereabouts(nobody, none, nobody[:, 0], none.astype(bool))
    flags: Flags = np.zeros(0, np.uint16)
    return Heard(t_ns, ranges, np.zeros(0, SIGHTING), people, flags)


@pytest.mark.parametrize(
    ("speed", "before_ns"),
    [
        (1.0, [99_999_999, 50_000_000, 0]),
        (2.0, [50_000_000, 25_000_000, 0]),
        (0.5, [199_999_998, 100_000_000, 0]),
    ],
)
def test_records_lie_as_close_together_as_the_world_goes_fast(
    speed: float, before_ns: list[int]
) -> None:
    step = heard(5_000_000_000, [99_999_999, 50_000_000, 0])
    moved = on_clocks(step, 1_700_000_000_000_000_123, speed)
    assert moved.t_ns == 1_700_000_000_000_000_123
    assert [moved.t_ns - int(t_ns) for t_ns in moved.ranges["t_ns"]] == before_ns
    assert step.ranges["t_ns"][-1] == 5_000_000_000
