"""Events as clients get them, from a real server and journal, over restarts and other journals."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

import lamproom
from lamproom.v1 import event_pb2
from tests.client.both import Either, both, connected, events_until, until_item
from tests.gateway.journal_rig import edit
from tests.gateway.serve_rig import bundle_of, served
from tests.support.ports import free_port
from tests.support.waiting import until


@both
async def test_events_begin_now_or_at_a_sequence(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        await rig.happen(3)
        now = client.client.events()
        assert isinstance(await client.next(now), lamproom.Synced)
        old = client.client.events(sequence=2)
        assert await events_until(client, old, 3) == [2, 3]
        assert isinstance(await client.next(old), lamproom.Synced)
        await rig.happen(2)
        for stream in (now, old):
            assert await events_until(client, stream, 5) == [4, 5]


@both
async def test_an_event_is_the_contracts_message(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        await rig.happen(1, "someone went in")
        event = await client.next(client.client.events(sequence=1))
        assert isinstance(event, event_pb2.Event)
        assert (event.sequence, event.text) == (1, "someone went in")
        assert event.kind == lamproom.EventKind.Value("EVENT_KIND_ALARM_RAISED")


@both
async def test_none_is_missed_and_none_comes_twice_over_restarts(
    tmp_path: Path, kind: type[Either]
) -> None:
    bundle = bundle_of(port=free_port())
    async with connected(kind, bundle.settings.grpc.port) as client:
        stream = client.client.events(sequence=1)
        seen: list[int] = []
        for n in range(1, 4):
            async with served(tmp_path, bundle) as rig:
                await rig.happen(50)
                seen += await events_until(client, stream, 50 * n)
        assert seen == list(range(1, 151))


@both
async def test_another_journal_is_a_reset_and_then_told_from_its_start(
    tmp_path: Path, kind: type[Either]
) -> None:
    bundle = bundle_of(port=free_port())
    async with connected(kind, bundle.settings.grpc.port) as client:
        stream = client.client.events(sequence=1)
        async with served(tmp_path / "one", bundle) as rig:
            await rig.happen(5)
            assert await events_until(client, stream, 5) == [1, 2, 3, 4, 5]
        async with served(tmp_path / "other", bundle) as rig:
            await rig.happen(3)
            before = await until_item(client, stream, lamproom.Reset)
            assert all(isinstance(item, lamproom.Synced) for item in before[:-1])
            assert "another journal" in before[-1].reason
            assert await events_until(client, stream, 3) == [1, 2, 3]


@both
async def test_what_the_journal_can_not_read_is_a_gap(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig:
        await rig.happen(6)
    edit(tmp_path, "DELETE FROM event WHERE sequence IN (3, 4)")
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        items = await until_item(client, client.client.events(sequence=1), lamproom.Synced)
        told = [
            item.sequence if isinstance(item, lamproom.Event) else item.last_sequence
            for item in items[:-1]
        ]
        assert told == [1, 2, 4, 5, 6]
        (gap,) = (item for item in items if isinstance(item, lamproom.Gap))
        assert (gap.first_sequence, gap.last_sequence) == (3, 4)
        # Its cursor leads behind it.
        behind = client.client.events(cursor=gap.cursor)
        assert await events_until(client, behind, 6) == [5, 6]
        stored = await client.all("stored_events")
        assert [type(item) for item in stored] == [type(item) for item in items[:-1]]


@both
async def test_a_slow_client_gets_all_of_it(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        stream = client.client.events()
        await until_item(client, stream, lamproom.Synced)
        # More than the server keeps in memory, and than fits into the connection.
        for _ in range(12):
            await rig.happen(500, "x" * 500)
        assert await events_until(client, stream, 6000) == list(range(1, 6001))


@both
async def test_a_file_keeps_the_place_over_runs_of_the_client(
    tmp_path: Path, kind: type[Either]
) -> None:
    file = tmp_path / "cursor"
    async with served(tmp_path / "journal") as rig:
        await rig.happen(6)
        for first, error in ((1, None), (3, ValueError("broken off")), (4, None)):
            async with connected(kind, rig.port) as client:
                stream = client.client.events(cursor=lamproom.CursorFile(file), sequence=1)
                one, two = await client.next(stream), await client.next(stream)
                assert (one.sequence, two.sequence) == (first, first + 1)
                # Only what a block has come to the end of is dealt with.
                await client.leave(stream, error)
        async with connected(kind, rig.port) as client:
            stream = client.client.events(cursor=lamproom.CursorFile(file))
            assert (await client.next(stream)).sequence == 6


@both
async def test_a_place_goes_on_with_heartbeats(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        await rig.happen(2)
        store = lamproom.CursorFile(tmp_path / "cursor")
        where = lamproom.EventFilter(cards=["1001"])
        stream = client.client.events(cursor=store, sequence=1, where=where)
        await events_until(client, stream, 2)
        await client.next(stream)
        waiting = asyncio.ensure_future(client.next(stream))
        await until(lambda: len(store.load()) > 0)
        await client.end(stream)
        assert await waiting is None


@both
async def test_a_closed_stream_ends_who_waits_for_it(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        stream = client.client.events()
        await client.next(stream)
        waiting = asyncio.ensure_future(client.next(stream))
        await asyncio.sleep(0)
        await client.end(stream)
        assert await waiting is None
        assert await client.next(stream) is None


@both
async def test_a_closed_client_ends_all_its_streams(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig:
        async with connected(kind, rig.port) as client:
            streams = [client.client.events(), client.client.positions()]
            for stream in streams:
                await until_item(client, stream, lamproom.Synced)
            waiting = [asyncio.ensure_future(client.next(stream)) for stream in streams]
            await asyncio.sleep(0)
        assert await asyncio.gather(*waiting) == [None, None]


@both
async def test_a_request_that_is_refused_ends_the_stream(
    tmp_path: Path, kind: type[Either]
) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        stream = client.client.events(cursor=b"made up")
        with pytest.raises(lamproom.RefusedError, match="cursor has 7 bytes") as refusal:
            await client.next(stream)
        assert refusal.value.code is grpc.StatusCode.INVALID_ARGUMENT


@both
async def test_a_client_may_be_there_before_the_gateway(
    tmp_path: Path, kind: type[Either], caplog: pytest.LogCaptureFixture
) -> None:
    bundle = bundle_of(port=free_port())
    async with connected(kind, bundle.settings.grpc.port) as client:
        stream = client.client.events(sequence=1)
        waiting = asyncio.ensure_future(client.next(stream))
        await until(lambda: "trying again" in caplog.text)
        with pytest.raises(lamproom.UnavailableError):
            await client.ask("alarms")
        async with served(tmp_path, bundle) as rig:
            await rig.happen(1)
            assert (await waiting).sequence == 1


async def test_to_be_cancelled_while_waiting_costs_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as rig, lamproom.AsyncClient(f"127.0.0.1:{rig.port}") as client:
        stream = client.events(sequence=1)
        await anext(stream)
        call = stream._call
        got: list[Any] = []

        async def follow() -> None:
            while True:
                got.append(await anext(stream))

        for n in range(1, 6):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(follow(), 0.02)
            await rig.happen(n)
        while not any(getattr(item, "sequence", 0) == 15 for item in got):
            got.append(await anext(stream))
        sequences = [item.sequence for item in got if isinstance(item, lamproom.Event)]
        assert sequences == list(range(1, 16))
        assert stream._call is call, "not even another call"


async def test_a_cancelled_task_ends(tmp_path: Path) -> None:
    async with served(tmp_path) as rig, lamproom.AsyncClient(f"127.0.0.1:{rig.port}") as client:
        seen: list[Any] = []

        async def follow() -> None:
            async with client.events() as events:
                async for item in events:
                    seen.append(item)  # noqa: PERF401  it is looked at while the loop runs

        task = asyncio.create_task(follow())
        await until(lambda: seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The server's tasks are on the same loop; these are the calls of clients.
        await until(lambda: not any("_AioCall" in repr(one) for one in asyncio.all_tasks()))
