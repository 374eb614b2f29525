"""Consumers: the gateway remembers how far a client is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

import lamproom
from lamproom.going import LAST_PATIENCE_S
from tests.client.both import Either, both, connected, events_until
from tests.gateway.serve_rig import bundle_of, served
from tests.support.ports import free_port


@both
async def test_a_consumer_goes_on_where_it_was_over_runs_and_restarts(
    tmp_path: Path, kind: type[Either]
) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        assert await client.ask("consumers") == []
        await rig.happen(6)
        stream = client.client.events(consumer="screen")
        assert await events_until(client, stream, 3) == [1, 2, 3]
        await client.leave(stream, None)
        (known,) = await client.ask("consumers")
        assert (known.consumer, known.sequence, known.behind) == ("screen", 3, 3)
        # What an exception leaves undone comes again.
        stream = client.client.events(consumer="screen")
        assert await events_until(client, stream, 5) == [4, 5]
        await client.leave(stream, ValueError("broken off"))
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        stream = client.client.events(consumer="screen")
        assert await events_until(client, stream, 6) == [5, 6]
        await client.leave(stream, None)
        newest = await client.ask("acknowledge", "other", stream.cursor)
        assert (newest.consumer, newest.sequence) == ("other", 6)
        await client.ask("delete_consumer", "screen")
        assert [known.consumer for known in await client.ask("consumers")] == ["other"]
        with pytest.raises(lamproom.RefusedError) as refusal:
            await client.ask("delete_consumer", "screen")
        assert refusal.value.code is grpc.StatusCode.NOT_FOUND
        assert refusal.value.reason
        assert refusal.value.remedy in str(refusal.value)


@both
async def test_who_ends_while_the_gateway_restarts_is_acknowledged_once_it_is_back(
    tmp_path: Path, kind: type[Either]
) -> None:
    bundle = bundle_of(port=free_port())
    async with connected(kind, bundle.settings.grpc.port) as client:
        stream = client.client.events(consumer="screen")
        async with served(tmp_path, bundle) as rig:
            await rig.happen(6)
            assert await events_until(client, stream, 5) == [1, 2, 3, 4, 5]
        leaving = asyncio.create_task(client.leave(stream, None))
        with pytest.raises(lamproom.UnavailableError):
            await client.ask("consumers")
        assert not leaving.done()
        async with served(tmp_path, bundle):
            await leaving
            (known,) = await client.ask("consumers")
            assert (known.consumer, known.sequence) == ("screen", 5)


@both
async def test_an_exception_does_not_wait_for_a_gateway_that_is_gone(
    tmp_path: Path, kind: type[Either]
) -> None:
    async with served(tmp_path) as rig:
        await rig.happen(6)
        client = kind(f"127.0.0.1:{rig.port}")
        stream = client.client.events(consumer="screen")
        assert await events_until(client, stream, 5) == [1, 2, 3, 4, 5]
    async with asyncio.timeout(LAST_PATIENCE_S / 2):
        await client.leave(stream, KeyboardInterrupt())
        await client.close()
