"""How streams are woken."""

from __future__ import annotations

import asyncio

import pytest

from gateway.serve.failure import RequestError
from gateway.serve.wake import WOKEN_AT_ONCE, Signal
from tests.support.waiting import LONG_S

MANY = 3 * WOKEN_AT_ONCE + 1


async def waiting_for(signal: Signal, order: list[str]) -> list[asyncio.Task[None]]:
    async def wait() -> None:
        assert await signal.wait(LONG_S)
        order.append("woken")

    tasks = [asyncio.create_task(wait()) for _ in range(MANY)]
    await asyncio.sleep(0)
    return tasks


async def test_everyone_is_woken_and_what_comes_meanwhile_goes_between() -> None:
    signal, order = Signal(), list[str]()
    tasks = await waiting_for(signal, order)
    loop = asyncio.get_running_loop()
    signal.fire()
    loop.call_soon(order.append, "an alarm")
    await asyncio.gather(*tasks)
    assert order.count("woken") == MANY
    assert order.index("an alarm") <= WOKEN_AT_ONCE


async def test_who_is_cancelled_while_others_are_woken_holds_nobody_up() -> None:
    signal, order = Signal(), list[str]()
    tasks = await waiting_for(signal, order)
    signal.fire()
    gone = tasks[::2]
    for task in gone:
        task.cancel()
    await asyncio.wait(tasks)
    assert order.count("woken") == MANY - len(gone)


async def test_a_signal_that_is_closed_ends_all_who_wait() -> None:
    signal, order = Signal(), list[str]()
    tasks = await waiting_for(signal, order)
    signal.close()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == MANY * [RequestError]
    with pytest.raises(RequestError):
        await signal.wait(LONG_S)
