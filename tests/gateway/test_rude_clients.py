"""A thousand rude clients do no harm."""

import asyncio
import gc
import resource
import sys
from pathlib import Path

import pytest

from gateway.serve import events, positions
from lamproom.v1.event_pb2 import WatchEventsRequest
from lamproom.v1.position_pb2 import WatchPositionsRequest
from tests.gateway import rude_client
from tests.gateway.serve_rig import served
from tests.gateway.stream_client import StreamClient
from tests.support.processes import running
from tests.support.waiting import until

CARDS = 3000
#: What was stored before: a replay of all of it takes some pages.
STORED = 5000


async def test_others_get_everything_meanwhile_and_all_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What it holds of the past is no client's, and fills up in a minute.
    monkeypatch.setattr(positions, "RING_FRAMES_MAX", 10)
    program = Path(rude_client.__file__)
    async with served(tmp_path, cards=CARDS) as rig:
        await rig.happen(STORED)
        assert STORED > events.RECENT_EVENTS_MAX
        good = StreamClient(rig.events().WatchEvents(WatchEventsRequest(sequence=1)))
        picture = StreamClient(rig.positions().WatchPositions(WatchPositionsRequest()))
        await good.until("sync")
        await picture.until("sync")
        listed = rig.server.subscribers
        tasks, files, before_mb = len(asyncio.all_tasks()), _open_files(), _memory_mb()
        newest, step = STORED, 0

        async def one_step() -> None:
            """Something happens and everyone moves: the good client has it before the next."""
            nonlocal newest, step
            step += 1
            newest += 1
            await rig.happen(1)
            rig.move(*((card, float(step)) for card in range(CARDS)))
            assert (await good.until("event")).event.sequence == newest
            while (await picture.until("frame")).frame.x_mm[0] != step * 1000:
                pass

        with running([sys.executable, program, str(rig.port)], tmp_path, "rude") as process:
            while "DONE" not in process.out:
                assert process.popen.poll() is None, process.err
                await one_step()
            for _ in range(20):
                await one_step()
        await until(lambda: len(listed) == 2)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        # A thread that reads the journal may have opened its log meanwhile.
        await until(lambda: _open_files() <= files + 2, f"{files} open files, as before")
        gc.collect()
        # 200 streams that were not read may have had 1 MB each; what is freed stays in the heap.
        assert _memory_mb() - before_mb < 100
        await one_step()
        assert step > 20


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def _memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
