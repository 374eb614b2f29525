"""The supervisor with drivers that fail in every way a driver can."""

import asyncio
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
