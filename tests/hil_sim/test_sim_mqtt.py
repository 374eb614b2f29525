"""Machines that publish: by themselves, and through a broker to the gateway's driver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from equipment.catalogue import parse_profile
from equipment.mqtt_profile import MqttProfile
from equipment.report import LinkState, Quality, Value
from hil_sim.folder import MineFolder, SimulationError, read_folder
from hil_sim.machines import Machine, make_machine
from hil_sim.serve.mqtt import documents
from hil_sim.serve.servers import Servers
from hil_sim.serve.sparkplug import EdgeNode
from hil_sim.stations import Stations
from protocols.mqtt.driver import MqttDriver
from protocols.mqtt.options import MqttOptions
from protocols.supervise import Supervisor
from tests.protocols.mqtt_peer import Broker
from tests.protocols.sparkplug_messages import PAYLOAD
from tests.support.ports import free_port
from tests.support.sink import Told
from tests.support.waiting import LONG_S, until

HEAD = """
id = "{}"
title = {{ en = "x", zh = "x" }}
kind = "machine"
protocol = "mqtt"
scan = {{ period_s = 0.1, silence_s = 2.0 }}
"""
POINT = '[[point]]\nmeaning = { en = "x", zh = "x" }\n'
JSON = 'time = { pointer = "/at", unit = "rfc3339" }\n' + "".join(
    POINT + lines
    for lines in (
        'name = "position"\npointer = "/axes/0"\nscale = 0.001\nunit = "m"\n',
        'name = "haulage_speed"\npointer = "/axes/1"\nunit = "m/min"\n',
        'name = "running_state"\npointer = "/state"\nstates = { 0 = "stopped", 1 = "running" }\n',
        'name = "serial_number"\ntopic = "info"\npointer = "/serial"\ntype = "text"\n',
    )
)
SPARKPLUG = 'format = "sparkplug"\n' + "".join(
    POINT + lines
    for lines in (
        'name = "advance"\nmetric = "Drive/Advance"\nunit = "m"\noffset = 1.0\n',
        'name = "running_state"\nmetric = "State"\nstates = { 0 = "stopped", 1 = "running" }\n',
        'name = "serial_number"\nmetric = "Serial"\ntype = "text"\n',
        'name = "cutting_on"\nmetric = "Cutting"\ntype = "bool"\n',
    )
)
DEVICES = """
[[device]]
id = "shearer_9"
profile = "shearer_mqtt"
host = "127.0.0.1"
port = {port}
topic = "mine/shearer 9"

[[device]]
id = "heading_8"
profile = "roadheader_spb"
host = "127.0.0.1"
port = {port}
topic = "mine/face/heading_8"

[[device]]
id = "heading_9"
profile = "roadheader_spb"
host = "127.0.0.1"
port = {port}
topic = "mine/face/heading_9"
"""


def profile(name: str, lines: str) -> MqttProfile:
    parsed = parse_profile(HEAD.format(name) + lines, f"{name}.toml")
    assert isinstance(parsed, MqttProfile)
    return parsed


SHEARER, ROADHEADER = profile("shearer_mqtt", JSON), profile("roadheader_spb", SPARKPLUG)


def test_a_document_has_each_value_where_its_pointer_leads() -> None:
    values: dict[str, Value] = {
        "position": 45.5,
        "haulage_speed": -7.0,
        "running_state": "running",
        "serial_number": "SIM-9",
    }
    stamp = "2026-03-01T12:00:00.250000+00:00"
    found = documents(SHEARER, "mine/s", values, 1_772_366_400_250_000_000)
    assert [(topic, json.loads(data)) for topic, data in found] == [
        (
            "mine/s",
            {"axes": [45_500.0, -7.0], "state": 1, "at": stamp},
        ),
        ("mine/s/info", {"serial": "SIM-9", "at": stamp}),
    ]


def test_births_and_data_are_what_protocol_buffers_read() -> None:
    node = EdgeNode("mine/face", {"mine/face/h8": ("h8", ROADHEADER)})
    values: dict[str, Value] = {"advance": 106.5, "running_state": "running"}
    values |= {"serial_number": "掘-8", "cutting_on": True}
    node.show({"h8": values})
    will = PAYLOAD.FromString(node.next_death()[1])
    (node_topic, node_birth), (topic, birth) = node.births(1_772_366_400_250)
    assert (node_topic, topic) == ("spBv1.0/mine/NBIRTH/face", "spBv1.0/mine/DBIRTH/face/h8")
    node_birth, birth = PAYLOAD.FromString(node_birth), PAYLOAD.FromString(birth)
    assert (node_birth.seq, birth.seq, birth.timestamp) == (0, 1, 1_772_366_400_250)
    assert node_birth.metrics[0] == will.metrics[0]
    assert (will.metrics[0].name, will.HasField("seq")) == ("bdSeq", False)
    found = {m.name: (m.datatype, getattr(m, m.WhichOneof("value"))) for m in birth.metrics}
    assert found == {
        "Drive/Advance": (10, 105.5),
        "State": (3, 1),
        "Serial": (12, "掘-8"),
        "Cutting": (11, True),
    }
    assert node.data(1) == []
    node.show({"h8": values | {"cutting_on": False}})
    ((topic, data),) = node.data(1_772_366_400_500)
    message = PAYLOAD.FromString(data)
    (metric,) = message.metrics
    assert (topic, message.seq) == ("spBv1.0/mine/DDATA/face/h8", 2)
    assert (metric.alias, metric.boolean_value, metric.HasField("name")) == (4, False, False)
    assert PAYLOAD.FromString(node.next_death()[1]).metrics[0].long_value == 1


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    peer = Broker(tmp_path)
    try:
        yield peer
    finally:
        peer.end()


def with_mqtt(folder: Path, port: int, text: str = DEVICES) -> MineFolder:
    (folder / "profiles").mkdir()
    for name, lines in (("shearer_mqtt", JSON), ("roadheader_spb", SPARKPLUG)):
        (folder / "profiles" / f"{name}.toml").write_text(HEAD.format(name) + lines)
    with (folder / "devices.toml").open("a") as file:
        file.write(text.format(port=port))
    return read_folder(folder)


class Plant:
    """Machines at work, and the servers that show them."""

    def __init__(self, folder: MineFolder) -> None:
        readers = Stations(folder, [], 1, 1_000_000).by_device
        self.servers = Servers(folder, {name: s.registers for name, s in readers.items()})
        self.machines: dict[str, Machine] = {
            d.id: make_machine(d.profile, f"SIM-{n}", (1, n)) for n, d in enumerate(folder.machines)
        }

    def values(self) -> dict[str, dict[str, Value]]:
        return {name: machine.values() for name, machine in self.machines.items()}

    async def work(self) -> None:
        while True:
            for machine in self.machines.values():
                machine.advance(0.1)
            await self.servers.show(self.values())
            await asyncio.sleep(0.02)


@asynccontextmanager
async def at_work(folder: MineFolder) -> AsyncIterator[Plant]:
    plant = Plant(folder)
    await plant.servers.start(plant.values())
    task = asyncio.create_task(plant.work())
    try:
        yield plant
    finally:
        task.cancel()
        await asyncio.wait({task})
        await plant.servers.close()


@asynccontextmanager
async def reading(folder: MineFolder) -> AsyncIterator[dict[str, Told]]:
    """The gateway's drivers of all machines over MQTT."""
    told = {device.id: Told() for device in folder.mqtt}
    tasks = set()
    for device in folder.mqtt:
        words = {"host": device.host, "port": device.port, "topic": device.topic}
        driver = MqttDriver(device.id, device.profile, MqttOptions.model_validate(words))
        run = Supervisor(driver, told[device.id], silence_s=5.0).run()
        tasks.add(asyncio.create_task(run))
    try:
        yield told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=LONG_S)


async def test_machines_reach_the_gateway_and_come_back_with_their_broker(
    sample_folder: Path, tmp_path: Path, broker: Broker
) -> None:
    folder = with_mqtt(sample_folder, broker.port)
    async with reading(folder) as told, at_work(folder) as plant:
        shearer, heading, other = (told[name] for name in ("shearer_9", "heading_8", "heading_9"))
        await until(lambda: len(shearer.latest()) == 4 and shearer.good("position"), "shearer")
        await until(lambda: heading.good("advance") and other.good("advance"), "roadheaders")
        await until(lambda: len({s.value for s in shearer.of("position")}) > 3, "it moves")
        values = plant.values()["heading_8"]
        assert heading.latest()["serial_number"].value == values["serial_number"]
        assert abs(float(heading.latest()["advance"].value or 0) - float(values["advance"])) < 1
        assert all(s.source_t_ns for s in shearer.got)
        broker.kill()
        await until(lambda: all(one.count(LinkState.DOWN) for one in told.values()), "down")
        again = Broker(tmp_path, port=broker.port)
        try:
            seen = {name: len(one.got) for name, one in told.items()}
            async with asyncio.timeout(15):
                await until(lambda: shearer.good("position", seen["shearer_9"]), "the shearer")
                for name, one in (("heading_8", heading), ("heading_9", other)):
                    await until(lambda: one.good("advance", seen[name]), "a roadheader is back")
            before = heading.count(LinkState.DOWN)
            await plant.servers.close()
            await until(lambda: heading.count(LinkState.DOWN) > before, "the node has died")
            assert "the edge node is offline (NDEATH)" in heading.links[-1][1]
            assert {s.quality for s in heading.latest().values()} == {Quality.BAD}
        finally:
            again.end()
    assert not any(one.notices for one in told.values())


async def test_without_a_broker_the_simulator_says_so(sample_folder: Path) -> None:
    port = free_port()
    plant = Plant(with_mqtt(sample_folder, port))
    with pytest.raises(SimulationError, match=f"'shearer_9': 127.0.0.1:{port} has no broker"):
        await plant.servers.start(plant.values())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('topic = "mine/shearer 9"', "", "needs host, topic"),
        ('topic = "mine/shearer 9"', 'topic = "a"\ntls = true', "asks for tls or a user"),
        ('topic = "mine/face/heading_8"', 'topic = "a"', "must be group/node/device"),
    ],
)
def test_what_can_not_be_simulated_is_told(
    sample_folder: Path, old: str, new: str, words: str
) -> None:
    with pytest.raises(SimulationError, match=words):
        with_mqtt(sample_folder, 1883, DEVICES.replace(old, new))


def test_a_reader_over_mqtt_is_not_simulated(sample_folder: Path) -> None:
    text = HEAD.format("shearer_mqtt").replace('"machine"', '"rfid_reader"')
    fields = '{ name = "t_us", pointer = "/t", type = "time", unit = "s" }, '
    fields += '{ name = "card", pointer = "/c", type = "text" }'
    with_mqtt(sample_folder, 1883)
    file = sample_folder / "profiles/shearer_mqtt.toml"
    file.write_text(f"{text}\n[records]\nfield = [{fields}]\n")
    with pytest.raises(SimulationError, match="only machines are simulated over it"):
        read_folder(sample_folder)
