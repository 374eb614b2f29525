"""The configuration of a running gateway is read again: by signal, by call, by file."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from gateway.app import Gateway
from gateway.config.bundle import load
from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal
from lamproom.v1 import (
    alarm_pb2,
    alarm_pb2_grpc,
    configuration_pb2,
    configuration_pb2_grpc,
    equipment_pb2,
    equipment_pb2_grpc,
    event_pb2,
    mine_pb2,
    mine_pb2_grpc,
    position_pb2,
    position_pb2_grpc,
)
from positioning.observation import PLACE, Records, measurements
from tests.gateway.stream_client import StreamClient
from tests.gateway.test_app import stored
from tests.protocols.modbus_peer import answer, asked, stream_server
from tests.support.ports import free_port
from tests.support.processes import Process, gateway, lamproom
from tests.support.processes import running as process
from tests.support.waiting import blocked_until, until

WANG, LI = "14010000000200001", "14010000000200002"
PROFILE = """\
id = "pump"
title = { en = "Pump", zh = "水泵" }
kind = "machine"
protocol = "modbus"
scan = { period_s = 0.05, silence_s = 5.0 }
[[point]]
name = "level"
meaning = { en = "water level", zh = "水位" }
address = 0
type = "uint16"
unit = "m"
"""
CHANGED = event_pb2.EVENT_KIND_CONFIGURATION_CHANGED
REFUSED = event_pb2.EVENT_KIND_CONFIGURATION_REFUSED


class Pumps:
    """A real Modbus server whose connections are counted: each unit is a pump."""

    def __init__(self) -> None:
        self.connections = 0
        self.level = 7
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            request = await reader.readexactly(12)
            _, _, count = asked(request)
            writer.write(answer(request, self.level.to_bytes(2, "big") * count))


def zone(name: str, kind: str, x0: float, x1: float, **more: Any) -> dict[str, Any]:
    ring = [[x0, -10], [x1, -10], [x1, 10], [x0, 10], [x0, -10]]
    properties = {"kind": "zone", "id": name, "name": name, "zone": kind, **more}
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def roadway(name: str, y: float) -> dict[str, Any]:
    properties = {"kind": "roadway", "id": name, "name": name, "width_m": 5.0}
    line = [[0, y, -400], [300, y, -400]]
    geometry = {"type": "LineString", "coordinates": line}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


class Folder:
    """A mine's folder, to be written again."""

    def __init__(self, path: Path, ports: dict[str, int]) -> None:
        self.path = path
        (path / "profiles").mkdir(parents=True)
        (path / "profiles" / "pump.toml").write_text(PROFILE)
        self.mine()
        self.people(WANG, LI)
        self.map(
            roadway("main", 0.0),
            zone("pit_top", "wellhead", -10, 15),
            zone("face", "face", 100, 150),
        )
        self.devices(ports)

    def mine(self, quota: int = 10, more: str = "", code: str = "140100000002") -> None:
        text = f'[mine]\ncode = "{code}"\nname = "试验煤矿"\n[grpc]\nport = 0\n'
        (self.path / "mine.toml").write_text(f"{text}[people]\nquota = {quota}\n{more}")

    def people(self, *cards: str) -> None:
        rows = [f"{card},name {card[-2:]},,team" for card in cards]
        (self.path / "people.csv").write_text("\n".join(["card,name,job,team", *rows, ""]))

    def map(self, *features: dict[str, Any]) -> None:
        data = {"type": "FeatureCollection", "features": features}
        (self.path / "map.geojson").write_text(json.dumps(data))

    def devices(self, ports: dict[str, int]) -> None:
        text = ""
        for n, (name, port) in enumerate(ports.items(), 1):
            text += f'[[device]]\nid = "{name}"\nprofile = "pump"\n'
            text += f'host = "127.0.0.1"\nport = {port}\nunit = {n}\n'
        (self.path / "devices.toml").write_text(text)


class Run:
    """A gateway on such a folder, and a client of it."""

    def __init__(self, folder: Folder, channel: grpc.aio.Channel, gateway: Gateway) -> None:
        self.folder, self.gateway = folder, gateway
        self.again = asyncio.Event()
        self.configuration = configuration_pb2_grpc.ConfigurationServiceStub(channel)
        self.alarms = alarm_pb2_grpc.AlarmServiceStub(channel)
        self.mine = mine_pb2_grpc.MineServiceStub(channel)
        self.equipment = equipment_pb2_grpc.EquipmentServiceStub(channel)
        self.positions = position_pb2_grpc.PositionServiceStub(channel)

    async def reload(self, request_id: str = "request-1") -> configuration_pb2.ReloadResponse:
        act = alarm_pb2.ActHeader(request_id=request_id, operator="Zhao", note="new shift")
        return await self.configuration.Reload(configuration_pb2.ReloadRequest(act=act))

    async def place(self, card: str, x_m: float, y_m: float = 0.0) -> None:
        """Another engine has located the card for a while; returns when that is known."""
        handle = self.gateway._cards.handle(card)
        request = position_pb2.ListPositionsRequest(cards=[card])
        async with asyncio.timeout(20):
            for _ in range(1000):
                row = (handle, time.time_ns(), x_m, y_m, 0.04, 0.0, 0.04)
                self.gateway._inbox.put_measured(one(row))
                await asyncio.sleep(0.05)
                found = (await self.positions.ListPositions(request)).positions
                if found and abs(found[0].x_m - x_m) < 2 and abs(found[0].y_m - y_m) < 5:
                    return

    async def open_alarms(self) -> dict[tuple[str, str], event_pb2.Alarm]:
        found = (await self.alarms.ListAlarms(alarm_pb2.ListAlarmsRequest())).alarms
        return {(one.rule, one.card or one.zone_id or one.device_id): one for one in found}

    async def zones_of(self, card: str) -> list[str]:
        request = position_pb2.ListPositionsRequest(cards=[card])
        return list((await self.positions.ListPositions(request)).positions[0].zone_ids)


def one(row: tuple[Any, ...]) -> Records:
    return measurements(np.array([row], PLACE))


@asynccontextmanager
async def running(folder: Folder) -> AsyncIterator[Run]:
    gateway = Gateway(load(folder.path))
    stop = asyncio.Event()
    again = asyncio.Event()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(gateway.run(stop, ready.set_result, again))
    ends: set[asyncio.Future[Any]] = {task, ready}
    await asyncio.wait(ends, timeout=100, return_when=asyncio.FIRST_COMPLETED)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ready.result()}") as channel:
        run = Run(folder, channel, gateway)
        run.again = again
        try:
            yield run
        finally:
            stop.set()
            async with asyncio.timeout(20):
                await task


@pytest.fixture
async def pumps() -> AsyncIterator[Pumps]:
    pumps = Pumps()
    async with stream_server(pumps.serve) as pumps.port:
        yield pumps


@pytest.fixture
async def other_pumps() -> AsyncIterator[Pumps]:
    pumps = Pumps()
    async with stream_server(pumps.serve) as pumps.port:
        yield pumps


async def test_rules_people_and_devices_change_and_nobody_moves(
    tmp_path: Path, pumps: Pumps, other_pumps: Pumps
) -> None:
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    async with running(folder) as run:
        stranger = "14010000000200099"
        await run.place(WANG, 125.0)
        await run.place(stranger, 130.0)
        await until(lambda: pumps.connections == 1)
        before = await run.open_alarms()
        assert set(before) == {("unknown_card", stranger)}
        watch = StreamClient(
            run.configuration.WatchConfiguration(configuration_pb2.WatchConfigurationRequest())
        )
        assert (await watch.until("configuration")).configuration.number == 1
        machines = StreamClient(run.equipment.WatchEquipment(equipment_pb2.WatchEquipmentRequest()))
        await machines.until("sync")
        headcount = await run.mine.GetHeadcount(mine_pb2.GetHeadcountRequest())

        folder.people(WANG, LI, stranger)
        folder.mine(quota=0)
        folder.devices({"pump_1": pumps.port, "pump_2": other_pumps.port})
        face = zone("face", "restricted", 100, 150)
        folder.map(roadway("main", 0.0), zone("pit_top", "wellhead", -10, 15), face)
        answer = await run.reload()
        assert answer.accepted
        assert [f"{one.file}: {', '.join(one.changes)}" for one in answer.changes] == [
            "devices.toml: device pump_2 added",
            "map.geojson: zone face changed (zone)",
            "mine.toml: people.quota 10 → 0",
            "people.csv: 1 added",
        ]
        assert answer.configuration.number == 2
        assert answer.configuration.digest == load(folder.path).digest
        told = (await watch.until("configuration")).configuration
        assert told == answer.configuration
        after = await run.open_alarms()
        assert {("restricted_entry", WANG), ("restricted_entry", stranger)} <= set(after)
        assert ("unknown_card", stranger) not in {
            key for key, one in after.items() if not one.HasField("end_time")
        }
        again = await run.mine.GetHeadcount(mine_pb2.GetHeadcountRequest())
        assert again.underground == headcount.underground == 2
        assert await run.zones_of(WANG) == ["face"]
        people = (await run.mine.ListPeople(mine_pb2.ListPeopleRequest())).people
        assert [one.on_roster for one in people] == [True] * 3
        zones = (await run.mine.GetMap(mine_pb2.GetMapRequest())).zones
        assert zones[1].kind == mine_pb2.ZONE_KIND_RESTRICTED
        while (await machines.until("equipment")).equipment.device_id != "pump_2":
            pass
        await until(lambda: other_pumps.connections == 1)
        assert pumps.connections == 1, "an unchanged device keeps its session"

        folder.devices({"pump_1": pumps.port})
        assert (await run.reload("request-2")).accepted
        assert (await machines.until("removed_device_id")).removed_device_id == "pump_2"
        folder.devices({"pump_1": other_pumps.port})
        assert (await run.reload("request-3")).accepted
        await until(lambda: other_pumps.connections == 2)
        assert pumps.connections == 1
    events = stored(folder.path)
    assert next(one.text.partition(": ")[2] for one in events if one.kind == CHANGED) == (
        "devices.toml: device pump_2 added; map.geojson: zone face changed (zone); "
        "mine.toml: people.quota 10 → 0; people.csv: 1 added"
    )
    assert sum(one.kind == event_pb2.EVENT_KIND_ZONE_LEFT for one in events) == 0
    with closing(Journal.open(folder.path / "journal")) as journal:
        entries = [one for one in journal.read_audit(1, 10) if isinstance(one, AuditEntry)]
    assert [(one.act, one.operator, one.request_id, one.outcome) for one in entries] == [
        ("configuration.reload", "Zhao", f"request-{n}", "done") for n in (1, 2, 3)
    ]


async def test_what_is_wrong_is_refused_whole(tmp_path: Path, pumps: Pumps) -> None:
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    async with running(folder) as run:
        await run.place(WANG, 125.0)
        folder.mine(quota=0, more='typo = 1\n[alarm.distress]\nlevel = "x"\n')
        folder.people(WANG, "no card")
        answer = await run.reload()
        assert not answer.accepted
        assert not answer.changes
        found = [(one.file, one.line, one.key) for one in answer.mistakes]
        assert ("people.csv", 3, "card") in found
        assert {file for file, _, _ in found} == {"mine.toml", "people.csv"}
        assert all(one.problem for one in answer.mistakes)
        assert answer.configuration.number == 1
        assert await run.open_alarms() == {}
        repeated = await run.reload()
        assert repeated.result.repeated_request
        assert list(repeated.mistakes) == list(answer.mistakes)

        folder.people(WANG, LI)
        folder.mine(code="140100000003", more='[journal]\nfolder = "other"\n')
        fixed = await run.reload("request-2")
        assert [one.problem.partition(" can't")[0] for one in fixed.mistakes] == [
            "journal.folder",
            "mine.code",
        ]
        assert all("start it anew" in one.problem for one in fixed.mistakes)

        folder.mine()
        same = await run.reload("request-3")
        assert same.accepted
        assert not same.changes
        assert pumps.connections == 1
    events = stored(folder.path)
    refused = [one.text for one in events if one.kind == REFUSED]
    assert len(refused) == 2
    assert "people.csv:3: card: " in refused[0]
    assert CHANGED not in {one.kind for one in events}


async def test_another_map_keeps_people_and_tells_clients(tmp_path: Path, pumps: Pumps) -> None:
    """Roadways come and go; a stream that was begun before names them all rightly."""
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    async with running(folder) as run:
        await run.place(WANG, 125.0)
        request = position_pb2.WatchPositionsRequest()
        stream = StreamClient(run.positions.WatchPositions(request))
        first = (await stream.until("directory")).directory
        assert list(first.roadway_ids) == ["main"]
        await stream.until("sync")

        moved = zone("face", "face", 200, 250)
        top = zone("pit_top", "wellhead", -10, 15)
        folder.map(roadway("new", 60.0), roadway("main", 0.0), top, moved)
        assert (await run.reload()).accepted
        assert await run.zones_of(WANG) == [], "a zone that has moved away is left at once"
        directory = (await stream.until("directory")).directory
        assert list(directory.roadway_ids) == ["main", "new"]
        names = dict(enumerate(directory.roadway_ids, 1))
        await run.place(WANG, 126.0)
        await run.place(LI, 50.0, 60.0)
        told: dict[int, str] = {}
        while len(set(told.values())) < 2:
            frame = (await stream.until("frame")).frame
            rows = zip(frame.tag_handles, frame.roadways, strict=True)
            told |= {card: names[road] for card, road in rows if road}
        handles = run.gateway._cards
        assert told == {handles.handle(WANG): "main", handles.handle(LI): "new"}
        position = position_pb2.ListPositionsRequest(cards=[WANG, LI])
        found = (await run.positions.ListPositions(position)).positions
        assert [one.roadway_id for one in found] == ["main", "new"]
    events = stored(folder.path)
    (left,) = [one for one in events if one.kind == event_pb2.EVENT_KIND_ZONE_LEFT]
    assert (left.card, left.zone_id) == (WANG, "face")
    assert "the map has changed" in left.text
    entered = [one.card for one in events if one.kind == event_pb2.EVENT_KIND_MINE_ENTERED]
    assert len(entered) == len(set(entered))


async def test_files_that_change_are_read_where_the_mine_wants_it(
    tmp_path: Path, pumps: Pumps
) -> None:
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    folder.mine(more="[reload]\non_change = true\n")
    request = configuration_pb2.GetConfigurationRequest()
    async with running(folder) as run:

        async def number(least: int) -> int:
            async with asyncio.timeout(20):
                while True:
                    found = (await run.configuration.GetConfiguration(request)).configuration
                    if found.number >= least:
                        return found.number
                    await asyncio.sleep(0.05)

        folder.people(WANG)
        await number(2)
        folder.mine(quota=3)  # without [reload]: from now on files are left alone
        await number(3)
        folder.people(WANG, LI)
        run.again.set()  # as SIGHUP does
        assert await number(4) == 4
    texts = [one.text.partition(": ")[2] for one in stored(folder.path) if one.kind == CHANGED]
    assert texts == [
        "people.csv: 1 removed",
        "mine.toml: people.quota 10 → 3, reload removed",
        "people.csv: 1 added",
    ]


@pytest.fixture
def still_mine(tmp_path: Path) -> Folder:
    """A mine whose device nobody answers for."""
    return Folder(tmp_path / "mine", {"pump_1": free_port()})


def test_a_signal_the_command_and_kill_9(tmp_path: Path, still_mine: Folder) -> None:
    port = free_port()

    def reload(name: str) -> Process:
        command = lamproom("reload", f"127.0.0.1:{port}", "--operator", "Zhao")
        with process(command, tmp_path, name) as asking:
            asking.popen.wait(60)
            return asking

    with gateway(still_mine.path, port, tmp_path) as running_one:
        still_mine.people(WANG)
        running_one.popen.send_signal(signal.SIGHUP)
        blocked_until(lambda: "people.csv: 1 removed" in running_one.err)
        still_mine.mine(quota=-1)
        refused = reload("refused")
        assert refused.popen.returncode == 1
        assert "mine.toml:" in refused.out
        assert "people.quota" in refused.out
        still_mine.mine(quota=5, more="")
        done = reload("done")
        assert done.popen.returncode == 0
        assert "mine.toml: people.quota 10 → 5" in done.out
        running_one.kill()
    with gateway(still_mine.path, port, tmp_path, name="again"):
        same = reload("same")
        assert "is as it was" in same.out
    texts = [one.text for one in stored(still_mine.path) if one.kind in (CHANGED, REFUSED)]
    assert len(texts) == 3
    assert texts[1].startswith("the configuration is refused and that of before goes on: mine.toml")
