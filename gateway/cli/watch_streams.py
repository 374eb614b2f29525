"""Follows a gateway's positions and events, coming back after every break-off."""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import grpc
import typer

from gateway.cli.watch_lines import Lines, Names
from lamproom.v1 import event_pb2, event_pb2_grpc, position_pb2, position_pb2_grpc

#: Waits between attempts: doubled from the first to the most, each with up to as much at random.
RETRY_FIRST_S: Final = 0.1
RETRY_MOST_S: Final = 2.0

_OPTIONS: Final = (
    # A gateway that has vanished is found after 10 + 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Keeps the receive window small, so that what is read is never long out of date.
    ("grpc.http2.bdp_probe", 0),
    # Each attempt connects anew instead of waiting for an older one's back-off.
    ("grpc.use_local_subchannel_pool", 1),
)

#: Of no use to try again with the same request.
_FINAL: Final = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
)


class WatchError(Exception):
    """Watching can't go on; the text is for the user."""


class Follower:
    """Follows both streams of one gateway and prints what they say."""

    def __init__(
        self, address: str, lines: Lines, cursor_file: Path | None, from_sequence: int | None
    ) -> None:
        """Raises WatchError for a cursor file that can't be read."""
        self._address = address
        self._lines = lines
        self._cursor_file = cursor_file
        self._from_sequence = from_sequence
        self._event_cursor = _read_cursor(cursor_file)
        self._position_cursor = b""
        self._names = Names()
        #: Whether the gateway has ever answered.
        self.connected = False

    async def run(self) -> None:
        """Runs until cancelled.

        Raises:
            WatchError: the gateway refuses the request, or the cursor file can't be written.
        """
        streams = tuple(
            asyncio.create_task(again_and_again(stream, self._address, follow, self._hear))
            for stream, follow in (
                ("positions", self._follow_positions),
                ("events", self._follow_events),
            )
        )
        try:
            await asyncio.gather(*streams)
        finally:
            for stream in streams:
                stream.cancel()

    def _hear(self) -> None:
        self.connected = True

    async def _follow_positions(self, heard: Callable[[], None]) -> None:
        sampling = (
            position_pb2.SAMPLING_EVERY_FIX
            if self._lines.every_fix
            else position_pb2.SAMPLING_LATEST
        )
        request = position_pb2.WatchPositionsRequest(
            cursor=self._position_cursor, sampling=sampling
        )
        async with channel_to(self._address) as channel:
            stub = position_pb2_grpc.PositionServiceStub(channel)
            async for answer in stub.WatchPositions(request):
                heard()
                self._take_position(answer)

    def _take_position(self, answer: position_pb2.WatchPositionsResponse) -> None:
        match answer.WhichOneof("message"):
            case "directory":
                self._names.take(answer.directory)
            case "frame":
                self._lines.frame(self._names, answer.frame)
                self._position_cursor = answer.frame.cursor or self._position_cursor
            case "sync":
                self._position_cursor = answer.sync.cursor
                self._lines.note("sync", stream="positions")
            case "heartbeat":
                self._position_cursor = answer.heartbeat.cursor
            case "reset":
                self._lines.note("reset", stream="positions", reason=answer.reset.reason)

    async def _follow_events(self, heard: Callable[[], None]) -> None:
        request = event_pb2.WatchEventsRequest()
        if self._event_cursor:
            request.cursor = self._event_cursor
        elif self._from_sequence is not None:
            request.sequence = self._from_sequence
        async with channel_to(self._address) as channel:
            stub = event_pb2_grpc.EventServiceStub(channel)
            async for answer in stub.WatchEvents(request):
                heard()
                self._take_event(answer)

    def _take_event(self, answer: event_pb2.WatchEventsResponse) -> None:
        """Prints first, then goes on: after a break-off a line may come twice, never not at all."""
        match answer.WhichOneof("message"):
            case "event":
                self._lines.event(answer.event)
                self._keep(answer.event.cursor)
            case "sync":
                self._lines.note("sync", stream="events", cursor=answer.sync.cursor)
                self._keep(answer.sync.cursor)
            case "heartbeat":
                self._keep(answer.heartbeat.cursor)
            case "gap":
                gap = answer.gap
                self._lines.note(
                    "gap",
                    first_sequence=gap.first_sequence,
                    last_sequence=gap.last_sequence,
                    reason=gap.reason,
                )
                self._keep(gap.cursor)
            case "unstored":
                for event in answer.unstored.events:
                    self._lines.event(event, "unstored")
            case "reset":
                self._lines.note("reset", stream="events", reason=answer.reset.reason)

    def _keep(self, cursor: bytes) -> None:
        if cursor == self._event_cursor:
            return
        self._event_cursor = cursor
        if self._cursor_file:
            _write_cursor(self._cursor_file, cursor)


@asynccontextmanager
async def channel_to(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that is never long out of date, and soon knows that a gateway has vanished."""
    async with grpc.aio.insecure_channel(address, _OPTIONS) as channel:
        yield channel


async def again_and_again(
    stream: str,
    address: str,
    follow: Callable[[Callable[[], None]], Awaitable[None]],
    hear: Callable[[], None],
) -> None:
    """Follows a stream, and comes back after every break-off, which it tells once.

    `follow` is given what it calls for each message; so is `hear`.

    Raises:
        WatchError: the gateway refuses the request.
    """
    wait_s = RETRY_FIRST_S
    said = ""

    def heard() -> None:
        nonlocal wait_s, said
        wait_s, said = RETRY_FIRST_S, ""
        hear()

    while True:
        try:
            await follow(heard)
            reason = "the stream has ended"
        except grpc.aio.AioRpcError as error:
            # The library's words, after what they all begin with.
            reason = f"{error.details()}".rpartition("Failed to connect to remote host: ")[2]
            if error.code() in _FINAL:
                msg = f"{stream}: {address} refuses: {reason}"
                raise WatchError(msg) from error
        if reason != said:
            typer.echo(f"{stream}: {address}: {reason}; trying again", err=True)
            said = reason
        await asyncio.sleep(wait_s * random.uniform(1, 2))  # noqa: S311  # spreads clients
        wait_s = min(wait_s * 2, RETRY_MOST_S)


def _read_cursor(file: Path | None) -> bytes:
    """The cursor in a file; empty where there is none yet."""
    if file is None:
        return b""
    try:
        return base64.b64decode(file.read_text(encoding="ascii").strip(), validate=True)
    except FileNotFoundError:
        return b""
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        msg = f"{file}: it holds no cursor ({error}); remove it, or name another"
        raise WatchError(msg) from error


def _write_cursor(file: Path, cursor: bytes) -> None:
    """Replaces the file as a whole, so that it is never half a cursor."""
    fresh = file.with_name(f"{file.name}.new")
    try:
        fresh.write_text(base64.b64encode(cursor).decode("ascii") + "\n", encoding="ascii")
        fresh.replace(file)
    except OSError as error:
        msg = f"{file}: the cursor can't be kept ({error.strerror}); name another --cursor-file"
        raise WatchError(msg) from error
