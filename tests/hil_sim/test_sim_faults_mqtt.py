"""Faults of machines that publish, seen by mosquitto and a subscriber of another make."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from hil_sim.faults.kinds import FaultKind
from hil_sim.folder import MineFolder
from tests.hil_sim.fault_rig import FaultRig, rig_of
from tests.hil_sim.test_sim_mqtt import with_mqtt
from tests.protocols.mqtt_peer import Broker, publishing
from tests.protocols.sparkplug_messages import PAYLOAD
from tests.support.ports import free_port
from tests.support.waiting import until

JSON, SPARKPLUG = "shearer_9", "heading_8"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    peer = Broker(tmp_path)
    try:
        yield peer
    finally:
        peer.end()


@pytest.fixture
def folder(sample_folder: Path, broker: Broker) -> MineFolder:
    return with_mqtt(sample_folder, broker.port)


class Plant:
    """Machines at work, and what a subscriber hears of them: topics and payloads, in order."""

    def __init__(self, rig: FaultRig) -> None:
        self.rig = rig
        self.heard: list[tuple[str, bytes]] = []
        self.position = 0.0
        self.world_s = 0.0

    async def work(self) -> None:
        while True:
            self.position += 1.0
            await self.rig.show(JSON, self.world_s, position=self.position)
            await self.rig.show(SPARKPLUG, self.world_s, advance=100.0 + self.position % 7)
            await asyncio.sleep(0.02)

    async def hear(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            self.heard.append((str(message.topic), message.payload))

    def positions(self) -> list[float]:
        """What the shearer has said of where it is, metres."""
        found: list[dict[str, Any]] = [
            json.loads(data) for topic, data in self.heard if topic == "mine/shearer 9"
        ]
        return [round(one["axes"][0] / 1000, 3) for one in found]

    def kinds(self) -> list[str]:
        """What Sparkplug has said, by the kind of message."""
        return [topic.split("/")[2] for topic, _ in self.heard if topic.startswith("spBv1.0")]


@asynccontextmanager
async def plant_of(folder: MineFolder, broker: Broker) -> AsyncIterator[Plant]:
    async with publishing(broker.port) as client, rig_of(folder) as rig:
        plant = Plant(rig)
        await client.subscribe("#")
        tasks = {asyncio.create_task(plant.work()), asyncio.create_task(plant.hear(client))}
        try:
            await until(lambda: len(plant.positions()) > 2 and "DDATA" in plant.kinds(), "at work")
            yield plant
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def test_a_link_is_lost_without_a_word_and_its_will_is_told(
    folder: MineFolder, broker: Broker
) -> None:
    async with plant_of(folder, broker) as plant:
        fault = await plant.rig.begin(SPARKPLUG, FaultKind.LINK_LOST)
        assert fault.devices == (SPARKPLUG, "heading_9")
        await until(lambda: plant.kinds()[-1] == "NDEATH", "the broker tells the will")
        said, count = len(plant.kinds()), len(plant.positions())
        await until(lambda: len(plant.positions()) > count + 5, "the other goes on")
        assert len(plant.kinds()) == said
        await plant.rig.end(fault)
        await until(lambda: plant.kinds()[said : said + 3] == ["NBIRTH", "DBIRTH", "DBIRTH"])
        await until(lambda: plant.kinds()[-1] == "DDATA", "it is at work again")
    assert "simulated-mine/face closed its connection" in broker.err


async def test_who_is_silent_stays_connected(folder: MineFolder, broker: Broker) -> None:
    async with plant_of(folder, broker) as plant:
        silent = await plant.rig.begin(JSON, FaultKind.SILENT)
        count, said = len(plant.positions()), len(plant.kinds())
        await until(lambda: len(plant.kinds()) > said + 10, "the other goes on")
        # One message may have been on its way.
        assert len(plant.positions()) <= count + 1
        await plant.rig.end(silent)
        await until(lambda: len(plant.positions()) > count + 3, "it says on")
    assert broker.err.count(" as simulated-shearer_9 ") == 1


async def test_slow_messages_come_late_and_in_order(folder: MineFolder, broker: Broker) -> None:
    async with plant_of(folder, broker) as plant:
        slow = await plant.rig.begin(JSON, FaultKind.SLOW, delay_s=0.5)
        await until(lambda: plant.position - plant.positions()[-1] > 10, "it is late")
        await plant.rig.end(slow)
        await until(lambda: plant.position - plant.positions()[-1] < 10, "it is in time again")
        assert plant.positions() == sorted(plant.positions())


async def test_values_are_frozen_and_drift(folder: MineFolder, broker: Broker) -> None:
    async with plant_of(folder, broker) as plant:
        frozen = await plant.rig.begin(JSON, FaultKind.FROZEN)
        count = len(plant.positions())
        await until(lambda: len(plant.positions()) > count + 4, "it still says something")
        assert len(set(plant.positions()[count + 1 :])) == 1
        await plant.rig.end(frozen)
        drift = {"point": "advance", "per_s": 5.0}
        fault = await plant.rig.begin(SPARKPLUG, FaultKind.DRIFT, **drift)
        plant.world_s = 1000.0

        def drifted() -> bool:
            bodies = [PAYLOAD.FromString(d) for t, d in plant.heard if t.endswith("heading_8")]
            return any(m.double_value > 5000 for body in bodies for m in body.metrics)

        await until(drifted, "it drifts")
        await plant.rig.end(fault)


async def test_a_link_that_is_lost_while_its_broker_is_away_comes_back_with_it(
    sample_folder: Path, tmp_path: Path
) -> None:
    port = free_port()
    broker = Broker(tmp_path, port=port)
    async with rig_of(with_mqtt(sample_folder, port)) as rig:
        fault = await rig.begin(JSON, FaultKind.LINK_LOST)
        broker.kill()
        broker.end()
        await rig.end(fault)
        again = Broker(tmp_path, port=port)
        await until(lambda: "as simulated-shearer_9" in again.err, "it is back")
        again.end()
