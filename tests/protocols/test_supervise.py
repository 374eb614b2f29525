"""The supervisor with drivers that fail in every way a driver can."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import protocols.supervise
from equipment.report import LinkState, Quality, Sample
from protocols.driver import DeviceError, Sink
from protocols.supervise import Supervisor
from tests.support.sink import Told
from tests.support.waiting import until

Behaviour = Callable[[Sink], Coroutine[Any, Any, None]]


class Scripted:
    """Runs one behaviour a session; the last one for ever."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.sessions = 0
        self._behaviours = behaviours

    def describe(self) -> str:
        return "scripted device"

    async def session(self, sink: Sink) -> None:
        self.sessions += 1
        await self._behaviours[min(self.sessions, len(self._behaviours)) - 1](sink)


async def refuse(sink: Sink) -> None:
    msg = "it refuses; plug it in"
    raise DeviceError(msg)


async def crash(sink: Sink) -> None:
    msg = "a bug"
    raise ZeroDivisionError(msg)


async def end(sink: Sink) -> None:
    return


async def mute(sink: Sink) -> None:
    sink.heard()
    await asyncio.Event().wait()


async def talk(sink: Sink) -> None:
    while True:
        sink.heard()
        await asyncio.sleep(0.01)


async def hang_on(sink: Sink) -> None:
    """Goes on talking, whatever it is told, for longer than the test looks."""
    for _ in range(40):
        try:
            sink.samples([SAMPLE])
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            continue


SAMPLE = Sample("d", "p", 1.0, Quality.GOOD, "", None, 0)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols.supervise, "PAUSE_FIRST_S", 0.01)
    monkeypatch.setattr(protocols.supervise, "PAUSE_MOST_S", 0.05)
    monkeypatch.setattr(protocols.supervise, "LOOK_LEAST_S", 0.01)
    monkeypatch.setattr(protocols.supervise, "STALL_LEAST_S", 0.1)
    monkeypatch.setattr(protocols.supervise, "CLEAN_UP_S", 0.05)


@asynccontextmanager
async def supervised(driver: Scripted, silence_s: float = 5.0) -> AsyncIterator[Told]:
    told = Told()
    task = asyncio.create_task(Supervisor(driver, told, silence_s=silence_s).run())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_up_after_the_first_sign_of_life() -> None:
    async with supervised(Scripted(talk)) as told:
        await until(lambda: told.count(LinkState.UP) == 1)
        assert [state for state, _ in told.links] == [LinkState.CONNECTING, LinkState.UP]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (refuse, "it refuses; plug it in"),
        (crash, "unexpected ZeroDivisionError: a bug"),
        (end, "the session ended"),
        (mute, "no sign of life"),
    ],
)
async def test_down_with_the_reason_and_up_again(behaviour: Behaviour, reason: str) -> None:
    driver = Scripted(behaviour, behaviour, talk)
    async with supervised(driver, silence_s=0.1) as told:
        await until(lambda: driver.sessions == 3 and told.links[-1][0] is LinkState.UP)
    downs = [why for state, why in told.links if state is LinkState.DOWN]
    assert len(downs) == 2
    assert all(reason in why for why in downs)


async def test_a_session_that_does_not_end_is_left_behind_and_unheard() -> None:
    driver = Scripted(hang_on, mute)
    async with supervised(driver) as told:
        supervisor_silence = driver.sessions
        await until(lambda: len(told.got) > 3)
        assert supervisor_silence <= 1
    seen = len(told.got)
    await asyncio.sleep(0.05)
    assert len(told.got) == seen


async def test_pauses_grow_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols.supervise, "PAUSE_FIRST_S", 0.5)
    monkeypatch.setattr(protocols.supervise, "PAUSE_MOST_S", 5.0)
    supervisor = Supervisor(Scripted(refuse), Told(), silence_s=1)
    pauses = [supervisor._pause_s(failures) for failures in range(1, 100)]
    assert 0.25 <= pauses[0] <= 0.5
    assert all(2.5 <= pause <= 5.0 for pause in pauses[5:])
    assert len(set(pauses)) > 50


async def test_a_gateway_that_stood_still_does_not_blame_its_devices() -> None:
    async def slow(sink: Sink) -> None:
        while True:
            sink.heard()
            await asyncio.sleep(0.06)

    driver = Scripted(slow)
    async with supervised(driver, silence_s=0.3) as told:
        for _ in range(5):
            await until(lambda: told.count(LinkState.UP) == 1)
            await asyncio.sleep(0.1)
            time.sleep(0.5)  # noqa: ASYNC251  the whole process stands still
    assert driver.sessions == 1
    assert told.count(LinkState.DOWN) == 0


def not_a_coroutine(sink: Sink) -> Any:
    msg = "a bug"
    raise ZeroDivisionError(msg)


async def test_a_driver_that_can_not_even_begin_is_down() -> None:
    driver = Scripted(not_a_coroutine, talk)
    async with supervised(driver) as told:
        await until(lambda: told.count(LinkState.UP) == 1)
    assert "unexpected ZeroDivisionError: a bug" in told.links[1][1]


async def wait_for_it(sink: Sink) -> None:
    """Speaks once, and then says only that the way to it is good."""
    sink.heard()
    while True:
        sink.alive("nothing comes; look at it")
        await asyncio.sleep(0.01)


async def test_a_silent_device_is_down_while_its_session_goes_on() -> None:
    driver = Scripted(wait_for_it)
    async with supervised(driver, silence_s=0.1) as told:
        await until(lambda: told.count(LinkState.DOWN))
        await asyncio.sleep(0.3)
    assert driver.sessions == 1
    assert told.links[1:] == [(LinkState.UP, ""), (LinkState.DOWN, "nothing comes; look at it")]


async def test_a_device_that_is_gone_is_down_at_once_and_up_when_it_is_heard() -> None:
    back = asyncio.Event()

    async def leave(sink: Sink) -> None:
        sink.heard()
        sink.gone("it was switched off")
        sink.gone("it was switched off")
        sink.samples([SAMPLE], live=False)
        await back.wait()
        await wait_for_it(sink)

    driver = Scripted(leave)
    async with supervised(driver, silence_s=60.0) as told:
        await until(lambda: told.got)
        assert told.links[-1] == (LinkState.DOWN, "it was switched off")
        back.set()
        await until(lambda: told.links[-1][0] is LinkState.UP)
    assert (driver.sessions, told.count(LinkState.DOWN)) == (1, 1)


async def test_a_session_that_says_nothing_more_ends_though_it_was_alive() -> None:
    async def hang(sink: Sink) -> None:
        sink.alive("nothing comes")
        await asyncio.Event().wait()

    driver = Scripted(hang, talk)
    async with supervised(driver, silence_s=0.1) as told:
        await until(lambda: told.count(LinkState.UP))
    assert any("no sign of life" in why for _, why in told.links)


async def test_a_session_that_fails_as_its_supervisor_is_stopped_leaves_no_complaint() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))

    async def stop_and_fail(sink: Sink) -> None:
        tasks[0].cancel()
        await refuse(sink)

    supervisor = Supervisor(Scripted(stop_and_fail), Told(), silence_s=5.0)
    tasks = [asyncio.create_task(supervisor.run())]
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    tasks.clear()
    await asyncio.sleep(0)  # the loop itself holds what woke this test
    gc.collect()
    assert complaints == []
