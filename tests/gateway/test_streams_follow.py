"""`FollowPositions`: credit by acknowledgement."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from gateway.serve import position_view
from gateway.serve.credit import BEATS_OWED_MOST, UNDER_WAY_DEFAULT
from lamproom.v1.position_pb2 import (
    FollowPositionsRequest,
    FollowPositionsResponse,
    PositionFrame,
    WatchPositionsRequest,
    WatchPositionsResponse,
)
from tests.gateway.serve_rig import Rig, served
from tests.gateway.stream_client import StreamClient

START = FollowPositionsRequest(start=WatchPositionsRequest())


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


class Follow(StreamClient[FollowPositionsResponse]):
    """A client that acknowledges when it is told to."""

    def __init__(self, rig: Rig, first: FollowPositionsRequest = START) -> None:
        self.follow = rig.positions().FollowPositions()
        super().__init__(self.follow)  # type: ignore[arg-type]  # a call that also writes
        self._first: FollowPositionsRequest | None = first

    async def say(self, request: FollowPositionsRequest) -> None:
        await self.follow.write(request)

    async def done(self, frames: int) -> None:
        await self.say(FollowPositionsRequest(frames_done=frames))

    async def read(self) -> FollowPositionsResponse:
        if self._first:
            first, self._first = self._first, None
            await self.say(first)
        return await super().read()

    async def frame(self) -> PositionFrame:
        return (await self.until("frame")).frame


async def spent(rig: Rig, follow: Follow, count: int = UNDER_WAY_DEFAULT) -> None:
    """Moves someone until the client's credit is spent."""
    await follow.until("sync")
    for n in range(count):
        rig.move((0, float(n)))
        await follow.frame()


def test_answers_are_those_of_watch_field_by_field() -> None:
    watch, follow = (
        [(f.name, f.number, f.type, f.message_type) for f in one.DESCRIPTOR.fields]
        for one in (WatchPositionsResponse, FollowPositionsResponse)
    )
    assert watch == follow


async def test_no_more_frames_come_than_may_be_under_way_and_then_the_newest(rig: Rig) -> None:
    follow = Follow(rig)
    await spent(rig, follow)
    for n in range(50):
        rig.move((0, 100.0 + n), (1, -n))
        await asyncio.sleep(0.002)
    # Nothing comes but a sign of life, however much has happened.
    assert await follow.kind() == "heartbeat"
    await follow.done(UNDER_WAY_DEFAULT)
    frame = await follow.frame()
    assert list(frame.x_mm) == [149_000, -49_000]
    assert frame.coalesced_count == 98


async def test_a_client_says_how_many_may_be_under_way(rig: Rig) -> None:
    first = FollowPositionsRequest(start=WatchPositionsRequest(), frames_under_way=2)
    follow = Follow(rig, first)
    await spent(rig, follow, 2)
    rig.move((0, 7.0))
    assert await follow.kind() == "heartbeat"
    await follow.done(1)
    assert list((await follow.frame()).x_mm) == [7_000]


async def test_heartbeats_do_not_pile_up_for_who_owes_an_acknowledgement(rig: Rig) -> None:
    follow = Follow(rig)
    await spent(rig, follow)
    beats = [await follow.kind() for _ in range(BEATS_OWED_MOST)]
    assert set(beats) == {"heartbeat"}
    rig.move((0, 7.0))
    # Others are told of three heartbeats' time going by, and this one of none.
    others = StreamClient(rig.positions().WatchPositions(WatchPositionsRequest()))
    for _ in range(BEATS_OWED_MOST):
        await others.until("heartbeat")
    await follow.done(UNDER_WAY_DEFAULT)
    assert await follow.kind() == "frame"


async def test_frames_of_the_snapshot_need_credit_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position_view, "FRAME_ROWS_MAX", 10)
    async with served(tmp_path, cards=60) as rig:
        others = StreamClient(rig.positions().WatchPositions(WatchPositionsRequest()))
        await others.until("sync")
        rig.move(*((card, 1.0) for card in range(60)))
        await others.until("frame")
        follow = Follow(rig)
        kinds = [await follow.kind() for _ in range(2 + UNDER_WAY_DEFAULT)]
        assert kinds == ["directory", *["frame"] * UNDER_WAY_DEFAULT, "heartbeat"]
        await follow.done(UNDER_WAY_DEFAULT)
        assert [await follow.kind() for _ in range(3)] == ["frame", "frame", "sync"]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (FollowPositionsRequest(frames_done=UNDER_WAY_DEFAULT + 1), "only 4 were sent"),
        (START, "start is in a later message"),
    ],
)
async def test_a_wrong_acknowledgement_ends_the_stream(
    rig: Rig, request_: FollowPositionsRequest, text: str
) -> None:
    follow = Follow(rig)
    await spent(rig, follow)
    await follow.say(request_)
    refusal = await follow.refusal()
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert text in str(refusal.details())


async def test_the_first_message_must_say_what_it_is_about(rig: Rig) -> None:
    refusal = await Follow(rig, FollowPositionsRequest(frames_done=0)).refusal()
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "has no start" in str(refusal.details())


async def test_it_ends_when_the_client_ends_its_side(rig: Rig) -> None:
    follow = Follow(rig)
    await follow.until("sync")
    await follow.follow.done_writing()
    while await follow.call.read() is not grpc.aio.EOF:
        pass
    assert await follow.call.code() is grpc.StatusCode.OK


async def test_streams_that_end_leave_no_task_behind(rig: Rig) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(20):
        follow = Follow(rig)
        await spent(rig, follow, 2)
        follow.call.cancel()
    async with asyncio.timeout(30):
        while len(asyncio.all_tasks()) > before + 5:
            await asyncio.sleep(0.01)
