"""Who has a stream open, and the end of those who do not read."""

import asyncio
import sys
from pathlib import Path

import grpc
import pytest

from gateway.serve import subscribers
from gateway.serve.connections import address_of, shut
from lamproom.v1.event_pb2 import WatchEventsRequest
from lamproom.v1.position_pb2 import WatchPositionsRequest
from tests.gateway.serve_rig import T0_NS, bundle_of, served
from tests.gateway.stream_client import StreamClient
from tests.support.processes import running
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.1:41234", ("10.0.0.1", 41234)),
        ("ipv6:%5B::1%5D:41234", ("::1", 41234)),
        ("unix:/a/socket", None),
        ("ipv4:10.0.0.1:", None),
        ("", None),
    ],
)
def test_a_peer_is_an_address(peer: str, address: tuple[str, int] | None) -> None:
    assert address_of(peer) == address


def test_a_connection_that_there_is_not_is_not_shut() -> None:
    assert not shut("ipv4:192.0.2.1:9")
    assert not shut("unix:/a/socket")


async def test_each_open_stream_is_a_row_with_what_went_out(tmp_path: Path) -> None:
    async with served(tmp_path, now_ns=lambda: T0_NS) as rig:
        positions = StreamClient(rig.positions().WatchPositions(WatchPositionsRequest()))
        sent = [await positions.read() for _ in range(2)]
        events = StreamClient(rig.events().WatchEvents(WatchEventsRequest()))
        await events.until("sync")
        listed = rig.server.subscribers
        await until(lambda: listed.rows()[0].messages >= 2)
        first, second = listed.rows()
        assert first.subscriber_id < second.subscriber_id
        assert first.method == "/lamproom.v1.PositionService/WatchPositions"
        assert second.method == "/lamproom.v1.EventService/WatchEvents"
        assert first.peer.startswith("ipv4:127.0.0.1:")
        assert first.peer != second.peer
        assert first.bytes >= sum(message.ByteSize() for message in sent)
        assert (first.begin_t_ns, first.message_t_ns) == (T0_NS, T0_NS)
        assert (first.identity, first.role, first.blocked_s) == ("", "admin", 0.0)
        positions.call.cancel()
        await until(lambda: len(listed) == 1)
        assert [row.subscriber_id for row in listed.rows()] == [second.subscriber_id]


async def test_who_does_not_read_is_ended_and_told_and_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "BLOCKED_MOST_S", 0.5)
    monkeypatch.setattr(subscribers, "LOOK_S", 0.1)
    cards = 4000
    async with served(tmp_path, bundle_of(frame_interval_ms=10), cards=cards) as rig:
        request = WatchPositionsRequest()
        idle, quick = (StreamClient(rig.positions().WatchPositions(request)) for _ in range(2))
        await idle.until("sync")
        await quick.until("sync")
        tasks = len(asyncio.all_tasks())
        listed = rig.server.subscribers
        step = 0
        async with asyncio.timeout(60):
            while len(listed) > 1:
                step += 1
                rig.move(*((card, float(step)) for card in range(cards)))
                await quick.until("frame")
        await until(lambda: len(asyncio.all_tasks()) < tasks)
        refusal = await idle.refusal(of_grpc=True)
        assert refusal.code() is grpc.StatusCode.UNAVAILABLE
        rig.move((0, -1.0))
        while (await quick.until("frame")).frame.x_mm[0] != -1000:
            pass


#: Reads some messages, then is stopped by the system, as a machine that hangs.
STOPPED = """
import os, signal, sys, grpc
call = grpc.insecure_channel("127.0.0.1:" + sys.argv[1]).unary_stream(
    "/lamproom.v1.PositionService/WatchPositions")(b"")
print("READING", next(call) and next(call) and "", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


async def test_a_client_that_was_stopped_is_ended_and_all_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "BLOCKED_MOST_S", 0.5)
    monkeypatch.setattr(subscribers, "LOOK_S", 0.1)
    cards = 4000
    async with served(tmp_path, bundle_of(frame_interval_ms=10), cards=cards) as rig:
        quick = StreamClient(rig.positions().WatchPositions(WatchPositionsRequest()))
        await quick.until("sync")
        listed = rig.server.subscribers
        tasks, files = len(asyncio.all_tasks()), _open_files()
        program = [sys.executable, "-c", STOPPED, str(rig.port)]
        with running(program, tmp_path, "stopped") as process:
            try:
                await until(lambda: "READING" in process.out)
                step = 0
                async with asyncio.timeout(60):
                    while len(listed) > 1:
                        step += 1
                        rig.move(*((card, float(step)) for card in range(cards)))
                        await quick.until("frame")
            finally:
                process.popen.kill()
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: _open_files() <= files)


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))
