"""A mine's folder that tests write again while a gateway runs on it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from gateway.app import Gateway
from gateway.config.bundle import load
from lamproom.v1 import (
    alarm_pb2,
    alarm_pb2_grpc,
    configuration_pb2,
    configuration_pb2_grpc,
    equipment_pb2_grpc,
    event_pb2,
    mine_pb2_grpc,
    position_pb2,
    position_pb2_grpc,
)
from positioning.observation import PLACE, Records, measurements
from tests.protocols.modbus_peer import answer, asked

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
        self.folder, self.gateway, self.channel = folder, gateway, channel
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
