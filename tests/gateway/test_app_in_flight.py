"""Ranges that are on their way while the map's anchors change places in it."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import gateway.app
import gateway.reload
from equipment import catalogue
from equipment.device import Device
from equipment.profile import Profile
from equipment.report import RecordBatch
from gateway.app import Gateway
from gateway.config.bundle import Bundle, DeviceSetup
from gateway.mine.change import Batch, Changes
from gateway.mine.core import Mine
from positioning.mine_map import MineMap
from positioning.observation import Records
from protocols.driver import DriverOptions, Sink
from tests.gateway.serve_rig import NoOptions, bundle_of
from tests.gateway.small_mine import ANCHORS, MAP
from tests.support.waiting import until

X_M = 40.0


class Ranging:
    """A UWB reader that gives the ranges of a card which stands, in a stream without a pause."""

    Options: ClassVar[type[DriverOptions]] = NoOptions
    sessions: ClassVar[list[str]] = []

    def __init__(self, device: str, profile: Profile, options: Any, /) -> None:
        self.device = device

    def describe(self) -> str:
        return "ranging"

    async def session(self, sink: Sink) -> None:
        self.sessions.append(self.device)
        place = np.array([X_M, 0.0, -7.0])
        ranges_m = [np.linalg.norm(place - (x, y, -5.0)) for x, y in ANCHORS]
        while True:
            now_ns = time.time_ns()
            columns = {
                "t_us": np.arange(len(ANCHORS)) + now_ns // 1000,
                "card": np.array(["100"] * len(ANCHORS), dtype=object),
                "anchor": np.array([f"A{n}" for n in range(len(ANCHORS))], dtype=object),
                "range_m": np.array(ranges_m),
            }
            sink.records(RecordBatch(self.device, columns, now_ns, now_ns))
            await asyncio.sleep(0.002)


def bundle_with(folder: Path, mine_map: MineMap, text: str) -> Bundle:
    setup = DeviceSetup(
        Device(id="uwb-1", profile="uwb_reader"), catalogue.load("uwb_reader"), Ranging, NoOptions()
    )
    bundle = replace(bundle_of(), folder=folder, map=mine_map, devices=(setup,), people=())
    return replace(bundle, texts={"map": text})


async def test_no_range_is_taken_for_one_to_another_anchor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = replace(MAP, anchors=(*MAP.anchors[2:], *MAP.anchors[:2]))
    found: list[Records] = []

    class Watched(Mine):
        def step(self, batch: Batch, now_ns: int) -> Changes:
            changes = super().step(batch, now_ns)
            found.append(changes.fixes)
            return changes

    monkeypatch.setattr(gateway.app, "Mine", Watched)
    monkeypatch.setattr(Ranging, "sessions", [])
    running = Gateway(bundle_with(tmp_path, MAP, "0"))
    stop, again = asyncio.Event(), asyncio.Event()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(running.run(stop, ready.set_result, again))
    await ready
    for n in range(1, 7):
        seen = sum(map(len, found))
        await until(lambda: sum(map(len, found)) > seen + 50)
        other = bundle_with(tmp_path, turned if n % 2 else MAP, str(n))
        taken: list[str] = []

        def load(_folder: Path) -> Bundle:
            taken.append("read")
            return other

        monkeypatch.setattr(gateway.reload, "load", load)
        again.set()
        await until(lambda: taken)
    seen = sum(map(len, found))
    await until(lambda: sum(map(len, found)) > seen + 50)
    stop.set()
    await task
    fixes = np.concatenate(found)
    assert np.abs(fixes["x_m"][20:] - X_M).max() < 1.0
    assert fixes["anchors_rejected"].max() == 0
    assert Ranging.sessions == ["uwb-1"], "its session went on"
