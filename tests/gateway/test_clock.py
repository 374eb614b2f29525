"""The gateway's clock, against a computer's clock that is set while it runs."""

import time

from gateway.clock import SteadyClock

S = 1_000_000_000
NOW = 1_800_000_000 * S


class Computer:
    """A wall clock that can be set, and a monotonic one that can't."""

    def __init__(self) -> None:
        self.wall_ns = NOW
        self.steady_ns = 77 * S

    def passes(self, seconds: float) -> None:
        self.wall_ns += round(seconds * S)
        self.steady_ns += round(seconds * S)

    def clock(self) -> SteadyClock:
        return SteadyClock(lambda: self.wall_ns, lambda: self.steady_ns)


def test_time_goes_on_from_the_start_whatever_the_computer_is_set_to() -> None:
    computer = Computer()
    clock = computer.clock()
    for set_by_s in (0, 3600, -7200, 10**9):
        before_ns = clock.now_ns()
        computer.wall_ns += set_by_s * S
        computer.passes(1.5)
        assert clock.now_ns() == before_ns + 3 * S // 2


def test_what_the_clock_was_set_by_is_told_once() -> None:
    computer = Computer()
    clock = computer.clock()
    computer.passes(10)
    assert clock.set_by_ns() == 0
    computer.wall_ns -= 3600 * S
    assert clock.set_by_ns() == -3600 * S
    assert clock.set_by_ns() == 0
    computer.wall_ns += 3600 * S
    assert clock.set_by_ns() == 3600 * S
    assert clock.set_by_ns() == 0


def test_small_corrections_are_no_news_until_they_add_up() -> None:
    computer = Computer()
    clock = computer.clock()
    told = []
    for _ in range(25):
        computer.wall_ns += S // 10
        told.append(clock.set_by_ns())
    assert [by_ns for by_ns in told if by_ns] == [S, S]


def test_the_computers_own_clock_is_the_default() -> None:
    assert abs(SteadyClock().now_ns() - time.time_ns()) < S
