"""When what of a device is asked for: spread, without drift, and who gave last."""

from __future__ import annotations

import pytest

from protocols.schedule import Duty, duties_of, next_duty


def test_devices_that_begin_together_spread_over_the_period_and_keep_it() -> None:
    duty = Duty(1.0, 10.0, None, first_s=0.6)
    due_s = []
    for late_s in (0.01, 0.0, 0.3, 2.2, 0.0):
        duty.next(duty.due_s + late_s)
        due_s.append(duty.due_s)
    # What was missed is left out.
    assert due_s == pytest.approx([10.6, 11.6, 12.6, 14.6, 15.6])


def test_the_second_time_is_half_a_period_to_a_whole_one_later_by_device() -> None:
    seconds = set()
    for n in range(20):
        (duty,) = duties_of(f"pump-{n}", 100.0, [(2.0, "points")])
        assert duty.due_s == 100.0
        duty.next(100.0)
        seconds.add(duty.due_s)
    assert len(seconds) == 20
    assert 101.0 <= min(seconds) < 101.2
    assert 101.8 < max(seconds) <= 102.0


def test_the_first_of_those_that_are_due_is_asked_for() -> None:
    duties = duties_of("pump", 0.0, [(0.5, "fast"), (10.0, "slow")])
    asked = []
    for _ in range(6):
        duty = next_duty(duties)
        asked.append(duty.part)
        duty.next(duty.due_s)
    assert asked == ["fast", "slow", "fast", "fast", "fast", "fast"]


def test_a_device_fails_as_a_whole_when_nothing_else_of_it_gives_anything() -> None:
    duties = duties_of("pump", 0.0, [(0.5, "fast"), (10.0, "slow")])
    fast, slow = duties
    assert fast.gave_last(duties)
    slow.gave_s = 5.0
    assert not fast.gave_last(duties)
    assert slow.gave_last(duties)
    fast.gave_s = 6.0
    assert fast.gave_last(duties)
