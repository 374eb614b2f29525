"""A deadline ends what is waited for, and nothing else."""

import asyncio

from protocols.modbus.deadline import Deadline
from protocols.modbus.gate import Answer
from tests.support.waiting import until

LONG_S = 60.0


def new_answer() -> Answer:
    return asyncio.get_running_loop().create_future()


async def test_what_does_not_come_in_time_is_none() -> None:
    deadline, answer = Deadline(), new_answer()
    deadline.set(answer, 0.01)
    assert await answer is None


async def test_a_nearer_deadline_comes_first() -> None:
    deadline, first, second = Deadline(), new_answer(), new_answer()
    deadline.set(first, LONG_S)
    first.set_result(b"")
    deadline.set(second, 0.01)
    assert await second is None
    assert await first == b""


async def test_a_later_deadline_is_not_shortened_by_the_timer_of_an_earlier() -> None:
    deadline, first, second = Deadline(), new_answer(), new_answer()
    deadline.set(first, 0.01)
    first.set_result(b"")
    deadline.clear()
    deadline.set(second, LONG_S)
    earlier = deadline._timer
    await until(lambda: deadline._timer is not earlier, "the timer that looks again")
    assert not second.done()
    deadline.close()
    assert deadline._timer is None


async def test_what_is_no_longer_waited_for_is_left_alone() -> None:
    deadline, answer = Deadline(), new_answer()
    deadline.set(answer, 0.01)
    deadline.clear()
    await until(lambda: deadline._timer is None, "the timer")
    assert not answer.done()
