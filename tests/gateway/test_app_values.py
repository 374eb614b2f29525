"""Values of a machine: clients are told at once, and the core sees each, also at a stop."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest

import gateway.app
from equipment.device import Device
from equipment.profile import Profile
from equipment.report import LinkChange, Quality, Sample
from gateway.app import Gateway
from gateway.config.bundle import DeviceSetup
from gateway.mine.change import Batch, Changes
from gateway.mine.core import Mine
from gateway.serve.server import Server
from protocols.driver import DriverOptions, Sink
from tests.gateway.serve_rig import PROFILE, NoOptions, bundle_of
from tests.support.waiting import until


class Counting:
    """A machine that gives a number every few milliseconds, each one more than the last."""

    Options: ClassVar[type[DriverOptions]] = NoOptions

    def __init__(self, device: str, profile: Profile, options: Any, /) -> None:
        self.device = device

    def describe(self) -> str:
        return "counting"

    async def session(self, sink: Sink) -> None:
        for n in count():
            value = Sample(self.device, "speed", float(n), Quality.GOOD, "", None, time.time_ns())
            sink.samples([value])
            await asyncio.sleep(0.003)


async def test_the_core_sees_every_value_that_clients_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float | str | bool | None] = []
    seen: list[float | str | bool | None] = []
    steps: list[int] = []

    class WatchedMine(Mine):
        def step(self, batch: Batch, now_ns: int) -> Changes:
            seen.extend(one.value for one in batch.samples)
            steps.append(now_ns)
            return super().step(batch, now_ns)

    class WatchedServer(Server):
        def publish_devices(self, samples: Sequence[Sample], links: Sequence[LinkChange]) -> None:
            told.extend(one.value for one in samples)
            super().publish_devices(samples, links)

    monkeypatch.setattr(gateway.app, "Mine", WatchedMine)
    monkeypatch.setattr(gateway.app, "Server", WatchedServer)
    setup = DeviceSetup(Device(id="shearer-1", profile="shearer"), PROFILE, Counting, NoOptions())
    running = Gateway(replace(bundle_of(), folder=tmp_path, devices=(setup,), people=()))
    stop = asyncio.Event()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(running.run(stop, ready.set_result))
    await ready
    await until(lambda: len(told) > 300)
    # In between two steps, when values wait for the next.
    await until(lambda: len(told) > len(seen))
    stop.set()
    await task
    assert seen == told == [float(n) for n in range(len(told))]
    # Many values wait for one step.
    assert len(steps) < len(told) / 2
