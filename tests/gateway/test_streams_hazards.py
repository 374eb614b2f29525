"""`WatchHazards` and `lamproom hazards watch`: all that are open, then what changes, and resume."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from gateway.mine.prevention.hazard import HazardInput, HazardState, HazardStep
from gateway.serve import hazard_stream
from gateway.serve.cursor import Kind, seal
from lamproom.v1 import hazard_pb2
from lamproom.v1.hazard_pb2 import WatchHazardsRequest, WatchHazardsResponse
from tests.gateway.serve_rig import Rig, S, served
from tests.gateway.stream_client import StreamClient
from tests.gateway.test_services_hazards import bundle, hazard, hazards_of, told
from tests.support.places import ENVIRONMENT
from tests.support.processes import lamproom

OPEN = HazardState.ASSIGNED
DONE = HazardState.CLEARED
Watch = StreamClient[WatchHazardsResponse]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path, bundle()) as running:
        yield running


def watching(rig: Rig, cursor: bytes = b"") -> Watch:
    return StreamClient(hazards_of(rig).WatchHazards(WatchHazardsRequest(cursor=cursor)))


def ids(message: WatchHazardsResponse) -> list[str]:
    return [one.hazard_id for one in message.hazards.hazards]


async def test_those_that_are_open_come_first_and_then_what_changes(rig: Rig) -> None:
    rig.server.publish(told(hazard(1, HazardState.FOUND), hazard(2, DONE), hazard(3, OPEN)))
    watch = watching(rig)
    first = await watch.read()
    assert ids(first) == ["hazard-1", "hazard-3"]
    assert first.hazards.hazards[1].state == hazard_pb2.HAZARD_STATE_ASSIGNED
    assert await watch.kind() == "sync"
    assert await watch.kind() == "heartbeat"
    rig.server.publish(told(replace(hazard(1), overdue=True)))
    (late,) = (await watch.until("hazards")).hazards.hazards
    assert (late.hazard_id, late.overdue) == ("hazard-1", True)
    rig.server.publish(told(hazard(3, DONE)))
    (cleared,) = (await watch.until("hazards")).hazards.hazards
    assert (cleared.hazard_id, cleared.state) == ("hazard-3", hazard_pb2.HAZARD_STATE_CLEARED)
    await rig.server.stop(0.5)
    assert (await watch.refusal()).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_client_that_comes_back_is_told_what_has_changed_meanwhile(rig: Rig) -> None:
    rig.server.publish(told(hazard(1), hazard(2), hazard(3)))
    watch = watching(rig)
    cursor = (await watch.until("sync")).sync.cursor
    watch.call.cancel()
    rig.server.publish(told(hazard(2, OPEN)))
    rig.server.publish(told(hazard(2, DONE), hazard(4)))
    again = watching(rig, cursor)
    message = await again.read()
    assert ids(message) == ["hazard-2", "hazard-4"]
    assert message.hazards.hazards[0].state == hazard_pb2.HAZARD_STATE_CLEARED
    assert (await again.read()).sync.cursor == message.hazards.cursor


async def test_a_mine_without_hazards_has_a_cursor_from_which_all_are_told(rig: Rig) -> None:
    sync = await watching(rig).read()
    assert sync.WhichOneof("message") == "sync"
    rig.server.publish(told(hazard(1, DONE)))
    assert ids(await watching(rig, sync.sync.cursor).read()) == ["hazard-1"]
    assert await watching(rig).kind() == "sync"


async def test_any_cursor_on_the_way_goes_on_where_it_was(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hazard_stream, "MESSAGE_HAZARDS_MOST", 2)
    rig.server.publish(told(*(hazard(number) for number in range(1, 6))))
    rig.server.publish(told(hazard(1, OPEN), gone="hazard-2"))
    watch = watching(rig)
    messages = [await watch.read() for _ in range(2)]
    assert [ids(message) for message in messages] == [
        ["hazard-3", "hazard-4"],
        ["hazard-5", "hazard-1"],
    ]
    again = watching(rig, messages[0].hazards.cursor)
    assert ids(await again.read()) == ["hazard-5", "hazard-1"]
    assert await again.kind() == "sync"


async def test_a_cursor_from_before_a_restart_begins_anew(rig: Rig) -> None:
    rig.server.publish(told(hazard(1), hazard(2, DONE)))
    watch = watching(rig, seal(Kind.HAZARDS, 1, 7))
    assert "started anew" in (await watch.read()).reset.reason
    assert ids(await watch.read()) == ["hazard-1"]
    assert await watch.kind() == "sync"


async def test_a_cursor_that_is_not_of_this_stream_is_refused(rig: Rig) -> None:
    sync = (await watching(rig).until("sync")).sync.cursor
    for wrong in (b"x", seal(Kind.EVENTS, 1, 1), sync[:-1] + bytes([sync[-1] ^ 1])):
        refusal = await watching(rig, wrong).refusal()
        assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_slow_client_is_told_the_newest_state_only(rig: Rig) -> None:
    watch = watching(rig)
    assert await watch.kind() == "sync"
    for state in (HazardState.FOUND, OPEN, HazardState.MENDED):
        rig.server.publish(told(hazard(1, state)))
    seen = (await watch.until("hazards")).hazards.hazards
    assert [one.state for one in seen] == [hazard_pb2.HAZARD_STATE_MENDED]


async def lines_of(rig: Rig, *options: str, zone: str) -> list[str]:
    """What the command prints until there are two lines."""
    command = list(map(str, lamproom("hazards", "watch", f"127.0.0.1:{rig.port}", *options)))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**ENVIRONMENT, "TZ": zone}
    )
    assert process.stdout
    try:
        async with asyncio.timeout(60):
            first = (await process.stdout.readline()).decode()
            rig.server.publish(told(hazard(1, DONE)))
            return [first, (await process.stdout.readline()).decode()]
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_the_command_prints_each_by_the_time_of_the_mine(rig: Rig) -> None:
    found = HazardStep(1_700_000_000 * S, "Wang", HazardInput.REPORT, OPEN, "seen\n[red]")
    rig.server.publish(told(replace(hazard(1), steps=(found,), assignee="Li")))
    first, second = await lines_of(rig, zone="America/New_York")
    assert first.startswith(
        "2023-11-15 06:13:20+08:00  hazard-1  level 2  assigned  report by Wang: seen\\n[red]  due "
    )
    assert first.endswith("  to Li  Z1  loose roof\n")
    assert "  hazard-1  level 2  cleared  " in second


async def test_the_command_prints_json(rig: Rig) -> None:
    rig.server.publish(told(hazard(1, OPEN)))
    rows = [json.loads(line) for line in await lines_of(rig, "--json", zone="UTC")]
    assert [row["state"] for row in rows] == ["HAZARD_STATE_ASSIGNED", "HAZARD_STATE_CLEARED"]
    assert {row["hazard_id"] for row in rows} == {"hazard-1"}
