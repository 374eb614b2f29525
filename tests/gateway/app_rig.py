"""A whole gateway in the process of the test, with drivers that do what the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import grpc

from equipment.profile import Profile
from gateway.app import Gateway
from gateway.config.bundle import Bundle
from gateway.journal.journal import Gap, Journal
from lamproom.v1 import (
    event_pb2,
)
from protocols.driver import DriverOptions, Sink
from tests.gateway.serve_rig import NoOptions, bundle_of
from tests.support.waiting import LONG_S


class FakeDriver:
    """Does what the test has put under its device's id."""

    Options: ClassVar[type[DriverOptions]] = NoOptions
    scripts: ClassVar[dict[str, Callable[[Sink], Any]]] = {}

    def __init__(self, device: str, profile: Profile, options: Any, /) -> None:
        self.device = device

    def describe(self) -> str:
        return f"fake {self.device}"

    def session(self, sink: Sink) -> Any:
        return self.scripts[self.device](sink)


async def quiet(sink: Sink) -> None:
    while True:
        sink.heard()
        await asyncio.sleep(0.05)


def bundle_in(folder: Path) -> Bundle:
    bundle = bundle_of()
    alarm = bundle.settings.alarm.model_copy(
        update={
            "device_down": bundle.settings.alarm.device_down.model_copy(update={"after_s": 0.0})
        }
    )
    return replace(
        bundle,
        folder=folder,
        settings=bundle.settings.model_copy(update={"alarm": alarm}),
        devices=tuple(replace(setup, driver=FakeDriver) for setup in bundle.devices),
    )


class Running:
    def __init__(self, folder: Path) -> None:
        self.gateway = Gateway(bundle_in(folder))
        self.stop = asyncio.Event()
        self.ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self.gateway.run(self.stop, self.ready.set_result))

    async def channel(self) -> grpc.aio.Channel:
        async with asyncio.timeout(60):
            return grpc.aio.insecure_channel(f"127.0.0.1:{await self.ready}")

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(LONG_S):
            await self.task


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    run = Running(folder)
    try:
        await (await run.channel()).close()
        yield run
    finally:
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)


def stored(folder: Path) -> list[event_pb2.Event]:
    journal = Journal.open(folder / "journal")
    try:
        found = journal.read(1, 1000)
        assert not any(isinstance(one, Gap) for one in found)
        return [
            event_pb2.WatchEventsResponse.FromString(one.payload).event
            for one in found
            if not isinstance(one, Gap)
        ]
    finally:
        journal.close()
