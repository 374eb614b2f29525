"""Positions as clients get them: from a real server, and with acknowledgements by the contract."""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import numpy as np
import pytest

import lamproom
from tests.client.both import Either, both, connected, until_item
from tests.client.follow_server import following
from tests.gateway.serve_rig import T0_NS, bundle_of, served
from tests.support.ports import free_port
from tests.support.waiting import until


@both
async def test_a_snapshot_a_sync_and_then_changes(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        rig.move((0, 1.0), (1, 2.0))
        stream = client.client.positions()
        picture = lamproom.LivePicture()
        while not (picture.whole and len(picture) == 2):
            picture.take(await client.next(stream))
        rig.move((1, 3.5), t_ns=T0_NS + 10)
        item = await client.next(stream)
        assert isinstance(item, lamproom.Positions)
        assert (list(item.cards), list(item.x_m), list(item.roadways)) == (
            ["1002"],
            [3.5],
            ["main"],
        )
        assert list(item.times) == [np.datetime64(T0_NS + 10, "ns")]
        picture.take(item)
        assert picture.positions().x_m.tolist() == [1.0, 3.5]


@both
async def test_a_restart_is_a_reset_and_another_snapshot(
    tmp_path: Path, kind: type[Either]
) -> None:
    bundle = bundle_of(port=free_port())
    async with connected(kind, bundle.settings.grpc.port) as client:
        stream = client.client.positions()
        picture = lamproom.LivePicture()
        async with served(tmp_path, bundle, cards=3) as rig:
            rig.move((0, 1.0), (2, 2.0))
            while len(picture) < 2:
                picture.take(await client.next(stream))
        async with served(tmp_path, bundle, cards=2) as rig:
            rig.move((1, 7.0))
            for item in await until_item(client, stream, lamproom.Reset):
                picture.take(item)
            assert len(picture) == 0
            while len(picture) < 1:
                picture.take(await client.next(stream))
            assert picture.positions().x_m.tolist() == [7.0]


@both
async def test_a_stream_goes_on_with_its_cursor(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        rig.move((0, 1.0))
        stream = client.client.positions()
        await until_item(client, stream, lamproom.Synced)
        await client.end(stream)
        rig.move((1, 2.0))
        again = client.client.positions(cursor=stream.cursor)
        item = (await until_item(client, again, lamproom.Positions))[-1]
        assert (list(item.cards), item.snapshot) == (["1002"], False)


@both
async def test_every_fix_is_given_in_its_order(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        every_fix = lamproom.Sampling.Value("SAMPLING_EVERY_FIX")
        stream = client.client.positions(sampling=every_fix)
        await until_item(client, stream, lamproom.Synced)
        for n in range(40):
            rig.move((0, float(n)))
        places: list[float] = []
        while len(places) < 40:
            item = await client.next(stream)
            places += item.x_m.tolist()
        assert places == [float(n) for n in range(40)]


@both
async def test_a_sampling_that_the_gateway_does_not_have_is_refused(
    tmp_path: Path, kind: type[Either]
) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        smoothed = lamproom.Sampling.Value("SAMPLING_SMOOTHED")
        with pytest.raises(lamproom.RefusedError) as refusal:
            await client.next(client.client.positions(sampling=smoothed))
        assert refusal.value.code is grpc.StatusCode.FAILED_PRECONDITION


@both
async def test_a_client_that_stalls_gets_the_present(kind: type[Either]) -> None:
    async with following() as (service, port), connected(kind, port) as client:
        stream = client.client.positions()
        for _ in range(20):
            await until_item(client, stream, lamproom.Positions)
        await until(lambda: service.sent - service.done >= 4)
        woken_ns = time.time_ns()
        late = 0
        while (await client.next(stream)).times[0] < np.datetime64(woken_ns, "ns"):
            late += 1
        assert late <= 4, "no more than a few are under way"
        assert service.under_way_most <= 4
        assert service.starts[0].frames_under_way == 4


@both
async def test_acknowledgements_begin_anew_with_another_call(kind: type[Either]) -> None:
    async with following() as (service, port), connected(kind, port) as client:
        stream = client.client.positions()
        seen = [await client.next(stream) for _ in range(10)]
        assert isinstance(seen[0], lamproom.Synced)
        cursor = stream.cursor
        # The call breaks off, as a dead link would make it.
        stream._call.cancel()
        seen = [await client.next(stream) for _ in range(10)]
        assert isinstance(seen[-1], lamproom.Positions)
        assert len(service.starts) == 2
        assert service.starts[1].start.cursor == cursor
