"""A served mine for tests: real configuration types, a real journal, a real server on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import grpc
import numpy as np
import pytest

from equipment.device import Device
from equipment.modbus_profile import ModbusProfile
from equipment.profile import Profile
from equipment.report import LinkChange, Quality, Sample, Value
from gateway.clock import Clock
from gateway.config.bundle import Bundle, DeviceSetup, MineSettings, Person
from gateway.config.people import CardKind
from gateway.desk import Desk
from gateway.device_health import HealthBook
from gateway.inbox import Inbox
from gateway.journal.journal import Journal
from gateway.journal.tracks.keeper import Keeper
from gateway.mine.change import Alarm, Changes, Event, EventKind, Headcount, Place
from gateway.serve.admin import NO_SOURCES, AdminSources
from gateway.serve.encode import encode_event
from gateway.serve.server import Server
from lamproom.v1 import (
    alarm_pb2_grpc,
    equipment_pb2_grpc,
    event_pb2_grpc,
    history_pb2_grpc,
    mine_pb2_grpc,
    muster_pb2_grpc,
    position_pb2_grpc,
)
from positioning.mine_map import Anchor, Area, MineMap, Reader, Roadway, Zone, ZoneKind
from positioning.observation import FIX, FixClass, IdTable, Records, new_fixes
from protocols.driver import DriverOptions, Sink
from tests.gateway.status_details import details_of

S = 1_000_000_000
T0_NS = 1_800_000_000 * S
HEARTBEAT_S = 0.2

PROFILE = ModbusProfile.model_validate(
    {
        "id": "shearer",
        "title": {"en": "Shearer", "zh": "采煤机"},
        "kind": "machine",
        "protocol": "modbus",
        "point": [
            {"name": "speed", "meaning": {"en": "Speed", "zh": "速度"}, "unit": "m/min",
             "address": 0, "type": "float32"},
            {"name": "state", "meaning": {"en": "State", "zh": "状态"}, "address": 2,
             "type": "uint16"},
            {"name": "running", "meaning": {"en": "Running", "zh": "运行"}, "address": 3,
             "type": "bool"},
        ],
    }
)  # fmt: skip


class NoOptions(DriverOptions):
    address_keys: ClassVar = ()


class NeverRead:
    """A driver that no test makes."""

    Options: ClassVar[type[DriverOptions]] = NoOptions

    def __init__(self, device: str, profile: Profile, options: Any, /) -> None:
        raise NotImplementedError

    def describe(self) -> str:
        raise NotImplementedError

    async def session(self, sink: Sink) -> None:
        raise NotImplementedError


RING_M = np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 0.0)])
MAP = MineMap(
    roadways=(Roadway("main", "Main", 5.0, np.array([(0.0, 0.0, -8.0), (100.0, 0.0, -9.0)])),),
    anchors=(Anchor("A1", 1.0, 2.0, 3.0),),
    readers=(Reader("R1", 4.0, 5.0, 6.0, 8.0), Reader("R2", 9.0, 5.0, 6.0, 8.0, 180.0)),
    zones=tuple(
        Zone(f"Z{n}", kind.name, kind, (RING_M,), (-9.0, -4.0) if n else None)
        for n, kind in enumerate(ZoneKind)
    ),
    areas=(Area("hall", "Hall", (RING_M, RING_M / 4)),),
)


def bundle_of(
    *,
    people: tuple[Person, ...] = (
        Person("1001", "王伟", "fitter", "A"),
        Person("1002", "Anna", "driver", "B", CardKind.VEHICLE),
    ),
    devices: tuple[str, ...] = ("shearer-1", "shearer-2"),
    address: str = "127.0.0.1",
    port: int = 0,
    frame_interval_ms: int = 20,
    lag_s: float = 0.0,
    folder: Path | None = None,
    **grpc: Any,
) -> Bundle:
    settings = MineSettings.model_validate(
        {
            "mine": {"code": "620000000001", "name": "一号煤矿"},
            "grpc": {"address": address, "port": port, **grpc},
            "positioning": {"lag_s": lag_s},
            "positions": {"frame_interval_ms": frame_interval_ms},
        }
    )
    setups = (
        DeviceSetup(
            Device(id=one, profile="shearer", name=f"No. {n}"), PROFILE, NeverRead, NoOptions()
        )
        for n, one in enumerate(devices, 1)
    )
    return Bundle(folder or Path(), settings, MAP, people, tuple(setups))


def fixes_of(rows: Iterable[tuple[int, float]], t_ns: int = T0_NS) -> Records:
    """FIX of (card handle, x in metres), one nanosecond apart, in the roadway."""
    rows = list(rows)
    fixes = new_fixes(len(rows))
    fixes["card"], fixes["x_m"] = [card for card, _ in rows], [x_m for _, x_m in rows]
    fixes["t_ns"] = t_ns + np.arange(len(rows))
    fixes["y_m"], fixes["z_m"] = -fixes["x_m"], 1.5
    fixes["vx_m_s"], fixes["vy_m_s"] = 0.5, -0.25
    fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"] = 0.04, 0.01, 0.09
    fixes["roadway"], fixes["chainage_m"] = 0, fixes["x_m"]
    fixes["fix_class"], fixes["anchors_used"], fixes["nis"] = FixClass.PRECISE, 4, 1.0
    return fixes


def changes_with(*alarms: Alarm) -> Changes:
    """A step that has changed these alarms."""
    by_id = {alarm.id: alarm for alarm in alarms}
    return replace(changes(), alarms=by_id)


def changes(
    fixes: Records | None = None,
    *,
    zones: dict[int, tuple[str, ...]] | None = None,
    headcount: Headcount | None = None,
    lagged: Records | None = None,
    anchors: Records | None = None,
) -> Changes:
    return Changes(
        T0_NS,
        headcount or Headcount(0, 0, {}),
        fixes=np.empty(0, FIX) if fixes is None else fixes,
        lagged=np.empty(0, FIX) if lagged is None else lagged,
        anchors=anchors,
        zones=zones or {},
    )


def sample(point: str, value: Value | None, device: str = "shearer-1") -> Sample:
    quality = Quality.BAD if value is None else Quality.GOOD
    return Sample(
        device, point, value, quality, "" if value is not None else "no answer", None, T0_NS
    )


def event(sequence: int, text: str = "someone went in") -> Event:
    return Event(
        sequence,
        EventKind.ALARM_RAISED,
        T0_NS + sequence,
        T0_NS + sequence + 1,
        card="1001",
        zone="Z1",
        alarm=Alarm(f"a-{sequence}", "restricted_entry", 1, T0_NS),
        place=Place(1.0, 2.0, 3.0, T0_NS),
        text=text,
    )


async def code_of(call: Any, *, of_grpc: bool = False) -> tuple[grpc.StatusCode, str]:
    """How a call ends; `of_grpc`: what its own library refuses has words alone."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call
    if not of_grpc:
        details_of(failure.value)  # no error of ours is without
    return failure.value.code(), str(failure.value.details())


@dataclass
class Rig:
    """A running server, its journal, and how to feed it as the gateway does."""

    server: Server
    journal: Journal
    cards: IdTable
    port: int
    inbox: Inbox
    desk: Desk
    health: HealthBook
    channels: list[grpc.aio.Channel] = field(default_factory=list)

    def channel(self) -> grpc.aio.Channel:
        # Each with a connection of its own, as clients in other processes have.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
        self.channels.append(grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options))
        return self.channels[-1]

    def positions(self) -> position_pb2_grpc.PositionServiceAsyncStub:
        return position_pb2_grpc.PositionServiceStub(self.channel())

    def events(self) -> event_pb2_grpc.EventServiceAsyncStub:
        return event_pb2_grpc.EventServiceStub(self.channel())

    def equipment(self) -> equipment_pb2_grpc.EquipmentServiceAsyncStub:
        return equipment_pb2_grpc.EquipmentServiceStub(self.channel())

    def alarms(self) -> alarm_pb2_grpc.AlarmServiceAsyncStub:
        return alarm_pb2_grpc.AlarmServiceStub(self.channel())

    def muster(self) -> muster_pb2_grpc.MusterServiceAsyncStub:
        return muster_pb2_grpc.MusterServiceStub(self.channel())

    def mine(self) -> mine_pb2_grpc.MineServiceAsyncStub:
        return mine_pb2_grpc.MineServiceStub(self.channel())

    def history(self) -> history_pb2_grpc.HistoryServiceAsyncStub:
        return history_pb2_grpc.HistoryServiceStub(self.channel())

    def tell(self, *news: Sample | LinkChange) -> None:
        """Values and changes of links, as devices give them."""
        samples = [one for one in news if isinstance(one, Sample)]
        self.server.publish_devices(samples, [one for one in news if isinstance(one, LinkChange)])

    def move(self, *rows: tuple[int, float], t_ns: int = T0_NS) -> None:
        self.server.publish(changes(fixes_of(rows, t_ns)))

    async def happen(self, count: int, text: str = "someone went in") -> None:
        """Stores and sends so many events."""
        first = self.journal.last_sequence + 1
        events = [event(n, text) for n in range(first, first + count)]
        payloads = [encode_event(one, self.journal.epoch) for one in events]
        stored = [(e.sequence, e.record_t_ns, p) for e, p in zip(events, payloads, strict=True)]
        await asyncio.to_thread(self.journal.append, stored, {})
        self.server.publish_events(first, payloads)


@asynccontextmanager
async def served(
    folder: Path,
    bundle: Bundle | None = None,
    *,
    cards: int = 2,
    heartbeat_s: float = HEARTBEAT_S,
    now_ns: Clock = time.time_ns,
    admin: AdminSources = NO_SOURCES,
    tracks: Keeper | None = None,
) -> AsyncIterator[Rig]:
    """A server with `cards` cards (1001, 1002 …) and the journal in `folder`."""
    table = IdTable(tuple(f"{1001 + n}" for n in range(cards)))
    with closing(Journal.open(folder)) as journal:
        inbox = Inbox()
        desk = Desk(inbox)
        told = bundle or bundle_of()
        health = HealthBook()
        server = Server(
            told,
            table,
            journal,
            desk.ask,
            health,
            admin=admin,
            heartbeat_s=heartbeat_s,
            now_ns=now_ns,
            tracks=tracks,
        )
        rig = Rig(server, journal, table, await server.start(), inbox, desk, health)
        try:
            yield rig
        finally:
            for channel in rig.channels:
                await channel.close()
            await server.stop(0.5)
