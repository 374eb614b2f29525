import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.device_clock import DeviceClock

S = 1_000_000_000
NOW = 1_800_000_000 * S


def test_a_sane_clock_is_left_alone() -> None:
    clock = DeviceClock(5 * S)
    assert clock.shift_ns(NOW - 4 * S, NOW) == (0, False)
    assert clock.shift_ns(NOW + 5 * S, NOW) == (0, False)


def test_a_wrong_clock_is_shifted_once_and_steadily() -> None:
    clock = DeviceClock(5 * S)
    assert clock.shift_ns(NOW + 3600 * S, NOW) == (-3600 * S, True)
    # Jitter of the network does not move the shift.
    assert clock.shift_ns(NOW + 3601 * S, NOW + S // 2) == (-3600 * S, False)


def test_a_clock_that_is_set_right_is_believed_again() -> None:
    clock = DeviceClock(5 * S)
    clock.shift_ns(NOW - 3600 * S, NOW)
    assert clock.shift_ns(NOW + S, NOW + S) == (0, True)
    assert clock.shift_ns(NOW + 2 * S, NOW + 2 * S) == (0, False)


@given(st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=20))
def test_shifted_time_is_always_within_the_tolerance(offsets_ns: list[int]) -> None:
    clock = DeviceClock(5 * S)
    for offset_ns in offsets_ns:
        shift_ns, _ = clock.shift_ns(NOW + offset_ns, NOW)
        assert abs(offset_ns + shift_ns) <= 5 * S


@pytest.mark.parametrize("offset_s", [6, -6, 86_400])
def test_beyond_the_tolerance_is_not_believed(offset_s: int) -> None:
    assert DeviceClock(5 * S).shift_ns(NOW + offset_s * S, NOW)[1]
