"""A whole gateway keeps positions, and answers where everyone was."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.app import Gateway
from gateway.config.bundle import Bundle
from gateway.journal.tracks.verification import verify
from lamproom.v1 import history_pb2, history_pb2_grpc
from tests.gateway.test_app_engine import X_M, bundle_in, channel_to
from tests.support.waiting import LONG_S


async def cards_now(channel: grpc.aio.Channel) -> dict[str, tuple[float, str]]:
    """Where everyone is by what is kept: x in metres and roadway, by card."""
    request = history_pb2.GetPositionsAtRequest(time=Timestamp())
    request.time.FromNanoseconds(time.time_ns())
    names: dict[int, str] = {}
    roads: list[str] = []
    found = {}
    async for message in history_pb2_grpc.HistoryServiceStub(channel).GetPositionsAt(request):
        names |= {one.tag_handle: one.card for one in message.directory.entries}
        roads = list(message.directory.roadway_ids) or roads
        frame = message.frame
        for handle, x_mm, road in zip(frame.tag_handles, frame.x_mm, frame.roadways, strict=True):
            found[names[handle]] = (x_mm / 1000, roads[road - 1])
    return found


async def found_in(bundle: Bundle) -> dict[str, tuple[float, str]]:
    async with asyncio.timeout(LONG_S), channel_to(Gateway(bundle)) as channel:
        while not (found := await cards_now(channel)):
            await asyncio.sleep(0.02)
        return found


async def test_what_a_gateway_has_found_is_kept_over_a_restart(tmp_path: Path) -> None:
    bundle = bundle_in(tmp_path)
    (card,) = await found_in(bundle)
    nobody = replace(bundle, devices=())
    found = await found_in(nobody)
    assert list(found) == [card] == ["100"]
    x_m, roadway = found["100"]
    assert abs(x_m - X_M) < 1.0
    assert roadway == "main"
    assert not [gap for file in verify(tmp_path / "journal" / "tracks") for gap in file.gaps]
