"""The places of a positioning engine, from its session to a client: found, kept, told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

import grpc
import numpy as np
import pytest

from equipment import catalogue
from equipment.device import Device
from equipment.modbus_profile import ModbusProfile
from equipment.profile import Profile
from equipment.report import RecordBatch
from gateway.app import Gateway
from gateway.config.bundle import Bundle, DeviceSetup, Person
from gateway.mine.reloading import hearing
from gateway.plans.mine import plan_of
from lamproom.v1 import event_pb2, event_pb2_grpc, position_pb2, position_pb2_grpc
from protocols.driver import DriverOptions, Sink
from tests.gateway.serve_rig import NoOptions, bundle_of
from tests.gateway.small_mine import MAP
from tests.support.waiting import LONG_S

X_M, Y_M = 40.0, 1.0
#: The floor of the mine's only roadway.
FLOOR_M: Final = -8.0
PROFILE = ModbusProfile.model_validate(
    catalogue.load("rfid_reader").model_dump()
    | {
        "id": "engine",
        "kind": "positioning_engine",
        "ring": {
            "header_address": 0,
            "first_address": 16,
            "capacity": 100,
            "field": [
                {"name": "sequence", "type": "uint32"},
                {"name": "t_us", "type": "uint64"},
                {"name": "card", "type": "text", "length": 9},
                {"name": "x_m", "type": "float64"},
                {"name": "y_m", "type": "float64"},
                {"name": "crc", "type": "uint16"},
            ],
        },
    }
)


class Finding:
    """An engine that has found a card again and again at one place, and another far away."""

    Options: ClassVar[type[DriverOptions]] = NoOptions

    def __init__(self, device: str, profile: Profile, options: Any, /) -> None:
        self.device = device

    def describe(self) -> str:
        return "finding"

    async def session(self, sink: Sink) -> None:
        while True:
            now_ns = time.time_ns()
            columns = {
                "t_us": np.array([now_ns // 1000] * 2),
                "card": np.array(["100", "200"], dtype=object),
                "x_m": np.array([X_M, 500_000.0]),
                "y_m": np.array([Y_M, 4_000_000.0]),
                "sigma_m": np.array([0.5, 0.5]),
            }
            sink.records(RecordBatch(self.device, columns, now_ns, now_ns))
            await asyncio.sleep(0.05)


def bundle_in(folder: Path) -> Bundle:
    setup = DeviceSetup(Device(id="engine-1", profile="engine"), PROFILE, Finding, NoOptions())
    people = (Person("100", "王伟", "fitter", "A"), Person("200", "李强", "fitter", "A"))
    return replace(bundle_of(people=people), folder=folder, map=MAP, devices=(setup,))


@asynccontextmanager
async def channel_to(gateway: Gateway) -> AsyncIterator[grpc.aio.Channel]:
    stop = asyncio.Event()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(gateway.run(stop, ready.set_result))
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{await ready}") as channel:
            yield channel
        stop.set()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return bundle_in(tmp_path)


async def test_a_client_is_told_where_an_engine_has_found_a_card(bundle: Bundle) -> None:
    async with asyncio.timeout(LONG_S), channel_to(Gateway(bundle)) as channel:
        positions = position_pb2_grpc.PositionServiceStub(channel)
        found: list[position_pb2.Position] = []
        while not found:
            answer = await positions.ListPositions(position_pb2.ListPositionsRequest())
            found = list(answer.positions)
            await asyncio.sleep(0.02)
    (one,) = found
    assert one.card == "100", "a place that can't be is none"
    assert abs(one.x_m - X_M) < 1.0
    assert one.roadway_id == "main"
    assert one.z_m == pytest.approx(FLOOR_M + bundle.settings.positioning.card_height_m)


async def test_places_that_can_not_be_are_events(bundle: Bundle) -> None:
    async with asyncio.timeout(LONG_S), channel_to(Gateway(bundle)) as channel:
        events = event_pb2_grpc.EventServiceStub(channel)
        watch = events.WatchEvents(event_pb2.WatchEventsRequest(sequence=1))
        async for message in watch:
            if message.event.kind == event_pb2.EVENT_KIND_DATA_REFUSED:
                break
    assert message.event.device_id == "engine-1"
    assert "more than 1000 m from all that is on the map" in message.event.text


def test_an_engine_that_is_down_explains_the_silence_of_its_cards(bundle: Bundle) -> None:
    assert "engine-1" in hearing(plan_of(bundle))
