"""Subscribers of `bench/streams.py`, many in one process, who read bytes and parse each only once.

    python bench/streams_client.py PORT READING STALLED METHODS [FOLDER OF CERTIFICATES]

Each has a connection of its own and reads all METHODS (`positions`, `events`, `rows`). It prints
`READY` once all have had something, then, for each line on its standard input, a line of JSON with
what came since the last one: messages and bytes, how old the newest measurement of each frame was
when each subscriber had it, and the event that raised an alarm. Stalled ones read the first message
and no more.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, Final, cast

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "proto")]

import grpc
import numpy as np

from lamproom.v1.event_pb2 import EVENT_KIND_ALARM_RAISED, WatchEventsRequest, WatchEventsResponse
from lamproom.v1.position_pb2 import WatchPositionsRequest, WatchPositionsResponse

METHODS: Final[dict[str, tuple[str, bytes]]] = {
    "positions": (
        "/lamproom.v1.PositionService/WatchPositions",
        WatchPositionsRequest().SerializeToString(),
    ),
    "events": (
        "/lamproom.v1.EventService/WatchEvents",
        WatchEventsRequest().SerializeToString(),
    ),
    "rows": ("/bench.Rows/Watch", b""),
}
OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
#: Names under which they call with certificates: one alone may not call so often.
CALLERS: Final = 5
#: Messages whose time is remembered: the same bytes come to all within some seconds.
KNOWN_MOST: Final = 1000


class Noted:
    """What came since it was asked for last."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, bytes], int] = {}
        self.clear()

    def clear(self) -> None:
        """Begins anew."""
        self.messages = self.bytes = 0
        self.ages_ms: dict[str, list[float]] = {"positions": [], "events": [], "rows": []}

    def take(self, method: str, message: bytes) -> None:
        """Takes one message."""
        now_ns = time.time_ns()
        self.messages += 1
        self.bytes += len(message)
        # A frame's cursor, with its number, and an event's are in their first bytes.
        key = method, message[:64] if method == "positions" else message
        t_ns = self._times.get(key)
        if t_ns is None:
            if len(self._times) > KNOWN_MOST:
                self._times.clear()
            t_ns = self._times[key] = _time_of(method, message)
        if t_ns:
            self.ages_ms[method].append((now_ns - t_ns) / 1e6)

    def report(self) -> dict[str, Any]:
        """The figures."""
        found: dict[str, Any] = {"messages": self.messages, "bytes": self.bytes}
        for method, ages_ms in self.ages_ms.items():
            if ages_ms:
                found[method] = [len(ages_ms), *np.percentile(ages_ms, (50, 99, 100)).tolist()]
        return found


def _time_of(method: str, message: bytes) -> int:
    """The newest measurement that a frame, or an alarm that was raised, is of; 0: neither."""
    if method == "positions":
        frame = WatchPositionsResponse.FromString(message).frame
        return 0 if frame.snapshot else max(frame.t_ns, default=0)
    if method == "events":
        event = WatchEventsResponse.FromString(message).event
        is_alarm = event.kind == EVENT_KIND_ALARM_RAISED and event.alarm.rule == "restricted_entry"
        return event.event_time.ToNanoseconds() if is_alarm else 0
    return 0


async def subscribe(
    channel: grpc.aio.Channel, method: str, noted: Noted, *, stalls: bool, began: asyncio.Event
) -> None:
    """Reads one stream for ever."""
    path, request = METHODS[method]
    ask: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
    call = ask(request, wait_for_ready=True)
    noted.take(method, cast(bytes, await call.read()))
    began.set()
    if stalls:
        await asyncio.Event().wait()
    while True:
        message = await call.read()
        if message is grpc.aio.EOF:
            return
        noted.take(method, cast(bytes, message))


async def _all(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


def credentials(folder: Path, n: int) -> grpc.ChannelCredentials:
    """Those of a client that the server knows."""
    name = f"client-{n % CALLERS}"
    parts = [(folder / file).read_bytes() for file in ("ca.pem", f"{name}.key", f"{name}.pem")]
    return grpc.ssl_channel_credentials(*parts)


async def main(port: int, reading: int, stalled: int, methods: list[str], folder: str) -> None:
    """Subscribes and answers."""
    noted = Noted()
    target = f"localhost:{port}" if folder else f"127.0.0.1:{port}"
    tasks, began = [], []
    for n in range(reading + stalled):
        channel = (
            grpc.aio.secure_channel(target, credentials(Path(folder), n), OPTIONS)
            if folder
            else grpc.aio.insecure_channel(target, OPTIONS)
        )
        for method in methods:
            began.append(asyncio.Event())
            call = subscribe(channel, method, noted, stalls=n >= reading, began=began[-1])
            tasks.append(asyncio.create_task(call))
    # One that fails is not waited for in vain.
    waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(_all(began)), *tasks]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        one.result()
    print("READY", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        failed = sum(task.done() for task in tasks)
        print(json.dumps(noted.report() | {"ended": failed}), flush=True)
        noted.clear()


if __name__ == "__main__":
    port, reading, stalled, methods, *more = sys.argv[1:]
    asyncio.run(main(int(port), int(reading), int(stalled), methods.split(","), "".join(more)))
