import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import grpc
import pytest

from gateway.journal.journal import Journal
from gateway.serve import events
from gateway.serve.cursor import Kind, seal, unseal
from gateway.serve.encode import encode_event
from lamproom.v1.event_pb2 import (
    Event,
    ListEventsRequest,
    WatchEventsRequest,
    WatchEventsResponse,
)
from tests.gateway.serve_rig import Rig, event, served
from tests.gateway.stream_client import StreamClient
from tests.support.waiting import LONG_S


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


class Watch(StreamClient[WatchEventsResponse]):
    """A client of the events."""

    def __init__(self, rig: Rig, **start: Any) -> None:
        super().__init__(rig.events().WatchEvents(WatchEventsRequest(**start)))

    async def events(self, count: int) -> list[Event]:
        """So many messages, all of which must be events."""
        messages = [await self.read() for _ in range(count)]
        assert {message.WhichOneof("message") for message in messages} <= {"event"}
        return [message.event for message in messages]

    async def sequences(self, count: int) -> list[int]:
        return [one.sequence for one in await self.events(count)]


async def test_from_now_on(rig: Rig) -> None:
    await rig.happen(3)
    watch = Watch(rig)
    sync = (await watch.read()).sync
    assert unseal(Kind.EVENTS, sync.cursor) == (rig.journal.epoch, 3)
    await rig.happen(2)
    assert await watch.sequences(2) == [4, 5]
    beat = (await watch.read()).heartbeat
    assert unseal(Kind.EVENTS, beat.cursor) == (rig.journal.epoch, 5)
    assert await watch.kind() == "heartbeat"


async def test_replay_then_sync_then_live(rig: Rig) -> None:
    await rig.happen(5)
    watch = Watch(rig, sequence=2)
    assert await watch.sequences(4) == [2, 3, 4, 5]
    assert await watch.kind() == "sync"
    await rig.happen(1)
    assert await watch.sequences(1) == [6]


async def test_the_bytes_that_are_sent_are_those_that_are_stored(rig: Rig) -> None:
    live = Watch(rig)
    await live.until("sync")
    await rig.happen(1)
    stored = encode_event(event(1), rig.journal.epoch)
    assert (await live.read()).SerializeToString() == stored
    raw: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = rig.channel().unary_stream(
        "/lamproom.v1.EventService/WatchEvents"
    )
    call = raw(WatchEventsRequest(sequence=1).SerializeToString())
    async with asyncio.timeout(LONG_S):
        assert await call.read() == stored


async def test_after_a_restart_the_cursor_of_an_event_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        await rig.happen(10)
        cursor = (await Watch(rig, sequence=1).events(4))[-1].cursor
    async with served(tmp_path) as rig:
        watch = Watch(rig, cursor=cursor)
        assert await watch.sequences(6) == [5, 6, 7, 8, 9, 10]
        assert await watch.kind() == "sync"
        await rig.happen(1)
        newest = (await watch.events(1))[0]
        assert newest.sequence == 11
        assert await Watch(rig, cursor=newest.cursor).kind() == "sync"


@pytest.mark.parametrize("recent", [0, 3, 1000])
async def test_a_long_replay_while_events_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recent: int
) -> None:
    monkeypatch.setattr(events, "RECENT_EVENTS_MAX", recent)
    monkeypatch.setattr(events, "REPLAY_EVENTS_MAX", 7)
    async with served(tmp_path, heartbeat_s=60) as rig:
        await rig.happen(200)
        watch = Watch(rig, sequence=1)
        feed = asyncio.create_task(_feed(rig, steps=40))
        got: list[int] = []
        synced_after = -1
        while len(got) < 400:
            message = await watch.read()
            if message.WhichOneof("message") == "sync":
                synced_after = len(got)
            else:
                got.append(message.event.sequence)
        await feed
        assert got == list(range(1, 401))
        assert synced_after >= 200


async def _feed(rig: Rig, steps: int) -> None:
    for _ in range(steps):
        await rig.happen(5)


async def test_a_client_that_does_not_read_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RECENT_EVENTS_MAX", 10)
    async with served(tmp_path) as rig:
        slow, quick = Watch(rig), Watch(rig)
        await slow.until("sync")
        await quick.until("sync")
        for step in range(30):
            await rig.happen(100, text="x" * 1000)
            got = [(await quick.until("event")).event.sequence for _ in range(100)]
            assert got == list(range(step * 100 + 1, step * 100 + 101))
        assert len(rig.server.services.events._recent) <= 10
        behind = [(await slow.until("event")).event.sequence for _ in range(3000)]
        assert behind == list(range(1, 3001))


async def test_a_damaged_event_is_a_gap_and_the_stream_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        await rig.happen(6)
    _damage(tmp_path, "UPDATE event SET payload = x'00' WHERE sequence IN (2, 3)")
    async with served(tmp_path) as rig:
        watch = Watch(rig, sequence=1)
        assert await watch.sequences(1) == [1]
        gap = (await watch.read()).gap
        assert (gap.first_sequence, gap.last_sequence) == (2, 3)
        assert gap.reason == "damaged on the disk"
        assert await watch.sequences(3) == [4, 5, 6]
        assert await watch.kind() == "sync"
        assert await Watch(rig, cursor=gap.cursor).sequences(3) == [4, 5, 6]
        listed = await rig.events().ListEvents(ListEventsRequest())
        assert [one.sequence for one in listed.events] == [1, 4, 5, 6]
        assert list(listed.gaps) == [gap]


def _damage(folder: Path, statement: str) -> None:
    with closing(connect(folder / "journal.sqlite3")) as connection, connection:
        connection.execute(statement)


async def test_a_cursor_of_another_journal_gives_a_reset_and_all_events(
    rig: Rig, tmp_path: Path
) -> None:
    await rig.happen(2)
    with closing(Journal.open(tmp_path / "other")) as other:
        cursor = seal(Kind.EVENTS, other.epoch, 1)
    watch = Watch(rig, cursor=cursor)
    assert "another journal" in (await watch.read()).reset.reason
    assert await watch.sequences(2) == [1, 2]
    assert await watch.kind() == "sync"


@pytest.mark.parametrize(
    ("forge", "code", "text"),
    [
        (lambda _: {"cursor": b""}, grpc.StatusCode.INVALID_ARGUMENT, "has 0 bytes"),
        (lambda _: {"cursor": b"\0" * 22}, grpc.StatusCode.INVALID_ARGUMENT, "checksum"),
        (
            lambda epoch: {"cursor": _flip_last_bit(seal(Kind.EVENTS, epoch, 3))},
            grpc.StatusCode.INVALID_ARGUMENT,
            "checksum",
        ),
        (
            lambda epoch: {"cursor": seal(Kind.POSITIONS, epoch, 3)},
            grpc.StatusCode.INVALID_ARGUMENT,
            "another method",
        ),
        (
            lambda epoch: {"cursor": seal(Kind.EVENTS, epoch, 4)},
            grpc.StatusCode.OUT_OF_RANGE,
            "cursor asks for event 5: the newest is 3",
        ),
        (lambda _: {"sequence": 0}, grpc.StatusCode.INVALID_ARGUMENT, "the oldest event is 1"),
        (lambda _: {"sequence": 5}, grpc.StatusCode.OUT_OF_RANGE, "the newest is 3"),
        (lambda _: {"sequence": 2**64 - 1}, grpc.StatusCode.OUT_OF_RANGE, "the newest is 3"),
        (
            lambda epoch: {"cursor": seal(Kind.EVENTS, epoch, 2**64 - 1)},
            grpc.StatusCode.OUT_OF_RANGE,
            "the newest is 3",
        ),
    ],
)
async def test_an_impossible_start_is_refused(
    rig: Rig, forge: Callable[[int], dict[str, Any]], code: grpc.StatusCode, text: str
) -> None:
    await rig.happen(3)
    refusal = await Watch(rig, **forge(rig.journal.epoch)).refusal()
    assert refusal.code() is code
    assert text in str(refusal.details())


def _flip_last_bit(cursor: bytes) -> bytes:
    return cursor[:-1] + bytes([cursor[-1] ^ 1])


async def test_the_next_event_may_be_asked_for(rig: Rig) -> None:
    await rig.happen(3)
    watch = Watch(rig, sequence=4)
    assert await watch.kind() == "sync"
    await rig.happen(1)
    assert await watch.sequences(1) == [4]


async def test_events_must_be_published_in_order(rig: Rig) -> None:
    await rig.happen(1)
    with pytest.raises(ValueError, match="event 1 does not follow: 2 is the next"):
        rig.server.publish_events(1, [b"x"])


async def test_a_journal_that_cannot_be_read_ends_the_stream_with_words(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RECENT_EVENTS_MAX", 0)
    await rig.happen(1)
    rig.journal.close()
    refusal = await Watch(rig, sequence=1).refusal()
    assert refusal.code() is grpc.StatusCode.UNAVAILABLE
    assert "the journal is closed" in str(refusal.details())


async def test_stopping_ends_streams_at_once(rig: Rig) -> None:
    watch = Watch(rig)
    await watch.until("sync")
    async with asyncio.timeout(2):
        await rig.server.stop(grace_s=10)
    assert (await watch.refusal()).code() is grpc.StatusCode.UNAVAILABLE


async def listed(rig: Rig, **request: Any) -> tuple[list[int], str]:
    answer = await rig.events().ListEvents(ListEventsRequest(**request))
    return [one.sequence for one in answer.events], answer.next_page_token


async def test_lists_in_pages(rig: Rig) -> None:
    await rig.happen(5)
    first, token = await listed(rig, page_size=2)
    assert first == [1, 2]
    second, token = await listed(rig, page_size=2, page_token=token)
    assert second == [3, 4]
    assert await listed(rig, page_size=2, page_token=token) == ([5], "")
    assert await listed(rig) == ([1, 2, 3, 4, 5], "")
    assert await listed(rig, page_size=5) == ([1, 2, 3, 4, 5], "")
    await rig.happen(1)
    assert await listed(rig, page_size=2, page_token=token) == ([5, 6], "")


async def test_an_empty_journal_lists_nothing(rig: Rig) -> None:
    assert await listed(rig) == ([], "")


async def test_a_page_stays_below_a_clients_limit(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LIST_BYTES_MAX", 5000)
    await rig.happen(10, text="x" * 1000)
    got: list[int] = []
    token = ""
    for _ in range(3):
        page, token = await listed(rig, page_token=token)
        got += page
    assert (got, token) == (list(range(1, 11)), "")


@pytest.mark.parametrize("request_", [{"page_size": -1}, {"page_token": "x"}])
async def test_a_wrong_page_is_refused(rig: Rig, request_: dict[str, Any]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await listed(rig, **request_)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
