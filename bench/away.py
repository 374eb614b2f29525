"""A subscriber comes back after two hours: it gets all of them, in order, while others go on.

    ./run bench away [CARDS] [HOURS]

A journal holds two hours of 50 events a second, and the positions of 8,000 cards once a second. A
gateway's services serve it in a process of its own, where 50 events a second go on being stored
and told, and so many positions. Five subscribers follow both all the time. One that was away since
the beginning comes back with its cursor: it takes all events up to now, then replays the positions
without pauses. The rival is the same time of the same others before it came. The last line is
JSON: `lost`, `doubled` and `out_of_order` events, `positions_missing`, `catch_up_s` and
`times_real_time` of events, `replay_s` and `replay_times_real_time`; of the others `missed` events,
`event_p99_ms` (stored to received) and `frame_gap_max_s`, each before and `_meanwhile`.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "proto")]

import grpc
import numpy as np

from gateway.config.bundle import Bundle, load
from gateway.desk import Desk
from gateway.device_health import HealthBook
from gateway.inbox import Inbox
from gateway.journal.journal import Journal
from gateway.journal.tracks.keeper import Keeper, KeeperSettings
from gateway.journal.tracks.places import TRACKS_FOLDER
from gateway.journal.tracks.writer import Writer
from gateway.mine.change import Changes, Event, EventKind, Headcount
from gateway.serve.cursor import Kind, seal
from gateway.serve.encode import encode_event
from gateway.serve.server import Server
from hil_sim.sample_mine import Ports, write_sample_mine
from lamproom.v1 import (
    event_pb2,
    event_pb2_grpc,
    history_pb2,
    history_pb2_grpc,
    position_pb2,
)
from positioning.observation import FixClass, IdTable, Records, new_fixes

S: Final = 1_000_000_000
EVENTS_PER_S: Final = 50
OTHERS: Final = 5
BEFORE_S: Final = 10.0
OPTIONS: Final = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
]


def events_of(first: int, t_ns: int) -> list[tuple[int, int, bytes]]:
    """A second's events, as rows of the journal."""
    made = (
        Event(
            sequence=n,
            kind=EventKind.ZONE_ENTERED if n % 2 else EventKind.ZONE_LEFT,
            event_t_ns=t_ns,
            record_t_ns=t_ns,
            card=f"{1000 + n % 500}",
            zone=f"zone-{n % 7}",
        )
        for n in range(first, first + EVENTS_PER_S)
    )
    return [(one.sequence, t_ns, encode_event(one, 1)) for one in made]


class Walk:
    """So many cards on their way along a roadway and back."""

    def __init__(self, cards: int) -> None:
        self._random = np.random.default_rng(1)
        self._base_m = self._random.uniform(0, 9_000, cards)

    def fixes(self, t_ns: int) -> Records:
        """(cards,) FIX of a second."""
        fixes = new_fixes(len(self._base_m))
        fixes["card"] = np.arange(len(fixes))
        second = t_ns // S
        way_m = self._base_m + np.abs(second % 1200 - 600)
        fixes["x_m"] = way_m + self._random.normal(0, 0.05, len(fixes))
        fixes["y_m"], fixes["z_m"] = 2.0, -400.0 - way_m / 100
        fixes["t_ns"] = t_ns + self._random.integers(0, S // 2, len(fixes))
        fixes["var_x_m2"], fixes["var_y_m2"] = 0.01, 1.0
        fixes["roadway"], fixes["chainage_m"] = 0, way_m
        fixes["fix_class"], fixes["anchors_used"] = FixClass.ROADWAY, 2
        return fixes


def write_past(folder: Path, names: IdTable, begin_ns: int, seconds: int) -> None:
    """Journal and positions of so long."""
    walk, writer = Walk(len(names)), Writer(folder / TRACKS_FOLDER)
    with closing(Journal.open(folder)) as journal:
        for second in range(seconds):
            t_ns = begin_ns + second * S
            journal.append(events_of(journal.last_sequence + 1, t_ns), {})
            rows = writer.rows_of(walk.fixes(t_ns), names, ("main",), t_ns)
            writer.write(rows, t_ns // 1_000_000)
            if second % 600 == 0:
                print(f"written: {second} of {seconds} s", flush=True)
    writer.end((begin_ns + seconds * S) // 1_000_000)


@asynccontextmanager
async def serving(bundle: Bundle, folder: Path, names: IdTable) -> AsyncIterator[Any]:
    """The services over what is kept, and a call that lets a second happen."""
    desk = Desk(Inbox())
    with closing(Journal.open(folder)) as journal:
        keeper = Keeper(folder, KeeperSettings.of(90, None, 0), names, time.time_ns)
        server = Server(bundle, names, journal, desk.ask, HealthBook(), tracks=keeper)
        walk = Walk(len(names))

        async def happen() -> None:
            t_ns = time.time_ns()
            fixes = walk.fixes(t_ns)
            keeper.offer(fixes, ("main",), t_ns)
            server.publish(changes_of(fixes, t_ns))
            rows = events_of(journal.last_sequence + 1, t_ns)
            await asyncio.to_thread(journal.append, rows, {})
            server.publish_events(rows[0][0], [payload for _, _, payload in rows])

        port = await server.start()
        try:
            yield port, journal, happen
        finally:
            await server.stop(0.0)
            await asyncio.to_thread(keeper.close)


def changes_of(fixes: Records, t_ns: int) -> Changes:
    """A step in which these fixes were made, and nothing else."""
    return Changes(now_ns=t_ns, fixes=fixes, headcount=Headcount(0, 0, {}))


async def serve(mine: Path, folder: Path, cards: int, pipe: Connection) -> None:
    """For ever; tells the port, the journal's number and its newest event."""
    names = IdTable(tuple(str(1000 + n) for n in range(cards)))
    async with serving(load(mine), folder, names) as (port, journal, happen):
        pipe.send((port, journal.epoch, journal.last_sequence))
        due_s = time.monotonic()
        while not pipe.poll():
            await happen()
            due_s += 1.0
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))


def run_server(mine: Path, folder: Path, cards: int, pipe: Connection) -> None:
    """The process of the services."""
    asyncio.run(serve(mine, folder, cards, pipe))


@dataclass
class Other:
    """One who was never away: delays of events, and when frames came."""

    delays_ms: list[float] = field(default_factory=list)
    frames_s: list[float] = field(default_factory=list)
    last: int = 0
    missed: int = 0

    async def follow_events(self, channel: grpc.aio.Channel) -> None:
        """For ever."""
        stub = event_pb2_grpc.EventServiceStub(channel)
        async for answer in stub.WatchEvents(event_pb2.WatchEventsRequest()):
            if answer.WhichOneof("message") == "event":
                event = answer.event
                self.delays_ms.append((time.time_ns() - event.record_time.ToNanoseconds()) / 1e6)
                self.missed += event.sequence - self.last - 1 if self.last else 0
                self.last = event.sequence

    async def follow_positions(self, channel: grpc.aio.Channel) -> None:
        """For ever; frames are not decoded."""
        watch: Any = channel.unary_stream("/lamproom.v1.PositionService/WatchPositions")
        request = position_pb2.WatchPositionsRequest().SerializeToString()
        async for _ in watch(request):
            self.frames_s.append(time.monotonic())


def come_back(port: int, epoch: int, last: int, begin_ns: int, seconds: int) -> dict[str, float]:
    """What one who was away is given, in a process of its own."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
        return {
            **catch_up(channel, seal(Kind.EVENTS, epoch, 0), last, seconds),
            **replay(channel, begin_ns, seconds),
        }


def catch_up(channel: grpc.Channel, cursor: bytes, last: int, seconds: int) -> dict[str, float]:
    """All events until `sync`, of which there were `last` when it came back."""
    begun_s, seen, doubled, disordered, before = time.monotonic(), 0, 0, 0, 0
    stub = event_pb2_grpc.EventServiceStub(channel)
    for answer in stub.WatchEvents(event_pb2.WatchEventsRequest(cursor=cursor)):
        if answer.WhichOneof("message") == "sync":
            break
        sequence = answer.event.sequence
        doubled += sequence == before
        disordered += sequence < before
        seen += 1
        before = sequence
    took_s = time.monotonic() - begun_s
    return {
        "lost": max(0, before - seen) + max(0, last - before),
        "doubled": doubled,
        "out_of_order": disordered,
        "events": seen,
        "catch_up_s": round(took_s, 1),
        "times_real_time": round(seconds / took_s),
    }


def replay(channel: grpc.Channel, begin_ns: int, seconds: int) -> dict[str, float]:
    """All positions of that time."""
    request = history_pb2.ReplayRequest(without_events=True)
    request.start_time.FromNanoseconds(begin_ns)
    request.end_time.FromNanoseconds(begin_ns + seconds * S)
    begun_s, rows, cards, newest_ns = time.monotonic(), 0, set[int](), 0
    for answer in history_pb2_grpc.HistoryServiceStub(channel).Replay(request):
        if answer.WhichOneof("message") == "frame" and not answer.frame.snapshot:
            times = np.array(answer.frame.t_ns)
            rows += len(times)
            cards.update(answer.frame.tag_handles)
            if times[0] < newest_ns - S:
                msg = "a replay went backwards"
                raise SystemExit(msg)
            newest_ns = int(times[-1])
    took_s = time.monotonic() - begun_s
    return {
        "positions": rows,
        "positions_missing": len(cards) * seconds - rows,
        "replay_s": round(took_s, 1),
        "replay_times_real_time": round(seconds / took_s),
    }


def figures_of(others: Iterable[Other], suffix: str) -> dict[str, float]:
    """What the others saw since they were asked last."""
    delays, gaps = [], [0.0]
    for other in others:
        delays += other.delays_ms
        gaps += np.diff(other.frames_s).tolist()
        other.delays_ms, other.frames_s = [], other.frames_s[-1:]
    return {
        f"event_p99_ms{suffix}": round(float(np.percentile(delays, 99)), 1),
        f"frame_gap_max_s{suffix}": round(max(gaps), 2),
    }


async def measure(port: int, *back: Any) -> dict[str, float]:
    """The figures of all."""
    others = [Other() for _ in range(OTHERS)]
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", OPTIONS) for _ in others]
    tasks = [
        asyncio.create_task(follow(channel))
        for other, channel in zip(others, channels, strict=True)
        for follow in (other.follow_events, other.follow_positions)
    ]
    await asyncio.sleep(2.0)
    figures_of(others, "")
    await asyncio.sleep(BEFORE_S)
    figures = figures_of(others, "")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        figures |= await asyncio.to_thread(pool.apply, come_back, (port, *back))
    figures |= figures_of(others, "_meanwhile")
    figures["missed"] = sum(other.missed for other in others)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for channel in channels:
        await channel.close()
    return figures


def main() -> None:
    """Writes the past, lets one come back, prints what all saw."""
    cards = int(sys.argv[1]) if sys.argv[1:] else 8000
    seconds = round(float(sys.argv[2]) * 3600) if sys.argv[2:] else 7200
    with tempfile.TemporaryDirectory() as folder:
        mine, kept = Path(folder) / "mine", Path(folder) / "journal"
        write_sample_mine(mine, people=10, ports=Ports.free())
        begin_ns = (time.time_ns() // S - seconds - 60) * S
        names = IdTable(tuple(str(1000 + n) for n in range(cards)))
        write_past(kept, names, begin_ns, seconds)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        server = context.Process(target=run_server, args=(mine, kept, cards, theirs))
        server.start()
        port, epoch, last = ours.recv()
        try:
            figures = asyncio.run(measure(port, epoch, last, begin_ns, seconds))
        finally:
            ours.send("stop")
            server.join()
    for name, figure in figures.items():
        print(f"{name:28} {figure}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
