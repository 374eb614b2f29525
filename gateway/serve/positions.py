"""Positions to many clients: frames made once, shared by all who keep up, merged for the others.

Fixes gather for a frame interval and become a frame. A ring holds the recent frames; whoever reads
more slowly than frames are made gets the newest fix of each card and is told how many were merged
away. So a client costs one message of memory, however slow it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
import structlog

from gateway.clock import Clock
from gateway.serve.cursor import CursorError, Kind, seal, unseal
from gateway.serve.encode import (
    FRAME_ROWS_MAX,
    encode_frame,
    heartbeat_message,
    representable,
    sync_message,
)
from gateway.serve.failure import invalid
from gateway.serve.picture import LatestFixes
from gateway.serve.reasons import Reason
from gateway.serve.wake import Pace, Signal
from lamproom.v1 import position_pb2, stream_pb2
from lamproom.v1.position_pb2 import WatchPositionsResponse
from positioning.observation import IdTable, Records, rows_of

#: A minute of frames at 10 Hz: long enough for a client to reconnect and miss nothing.
RING_FRAMES_MAX: Final = 600
#: With 112 bytes a fix and 80 encoded about 77 MB: 50 s of 8,000 fixes/s.
RING_ROWS_MAX: Final = 400_000
#: Entries of one directory message: some 100 kB.
DIRECTORY_ENTRIES_MAX: Final = 4096

#: A client that asks for one of these is sent every fix of its hub.
_EVERY_FIX: Final = (position_pb2.SAMPLING_EVERY_FIX, position_pb2.SAMPLING_SMOOTHED)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Frame:
    """(n,) FIX that were made in one interval; `total` counts all fixes up to its end."""

    sequence: int
    fixes: Records
    total: int
    encoded: dict[bool, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Reader:
    """Where a client is: it has had all up to frame `at`, `total` fixes, and `named` handles.

    `named` is None before its first directory; `roads` are the roadways that it was told.
    """

    every_fix: bool
    at: int
    total: int
    named: int | None = None
    roads: int = 0


class PositionHub:
    """Makes frames and serves the streams of positions. On the event loop only.

    Fixes name their roadway by its handle in `roadways`, which may grow. `epoch` (64 bits) tells
    this run of the gateway from others: its frames are numbered anew. `kind` tells the cursors of
    the smoothed positions from those of the others.
    """

    def __init__(
        self,
        cards: IdTable,
        roadways: IdTable,
        *,
        epoch: int,
        frame_interval_s: float,
        heartbeat_s: float,
        now_ns: Clock,
        kind: Kind = Kind.POSITIONS,
    ) -> None:
        self._cards = cards
        self._roadways = roadways
        self._kind = kind
        self._epoch = epoch
        self._heartbeat_s = heartbeat_s
        self._now_ns = now_ns
        self._pace = Pace(frame_interval_s, self._make_frames)
        self._signal = Signal()
        self._latest = LatestFixes()
        self._gathered: list[Records] = []
        self._ring: deque[Frame] = deque()
        self._ring_rows = 0
        self._last = 0
        self._total = 0
        #: Fixes that no frame can hold (see `representable`); the first is logged.
        self.refused = 0

    def publish(self, fixes: Records) -> None:
        """Takes (n,) FIX in the order in which they were made."""
        good = representable(fixes)
        if not good.all():
            if not self.refused:
                log.error("fix can't be sent", fix=str(fixes[~good][0]))
            self.refused += int(np.count_nonzero(~good))
            fixes = rows_of(fixes, good)
        if len(fixes):
            self._gathered.append(fixes)
            self._pace.request()

    def close(self) -> None:
        """Ends all streams."""
        self._pace.cancel()
        self._signal.close()

    def _make_frames(self) -> None:
        fixes = np.concatenate(self._gathered)
        self._gathered.clear()
        for start in range(0, len(fixes), FRAME_ROWS_MAX):
            self._add(fixes[start : start + FRAME_ROWS_MAX])
        self._signal.fire()

    def _add(self, fixes: Records) -> None:
        self._last += 1
        self._total += len(fixes)
        self._latest.update(fixes, self._last)
        self._ring.append(Frame(self._last, fixes, self._total))
        self._ring_rows += len(fixes)
        while len(self._ring) > RING_FRAMES_MAX or self._ring_rows > RING_ROWS_MAX:
            self._ring_rows -= len(self._ring.popleft().fixes)

    async def watch(self, request: position_pb2.WatchPositionsRequest) -> AsyncGenerator[bytes]:
        """The messages of one `WatchPositions`, for ever.

        Raises:
            RequestError: a wrong cursor or sampling, or the gateway is stopping.
        """
        every_fix = _wants_every_fix(request.sampling)
        at, reset = self._start(request.cursor)
        if reset:
            yield _wrap(reset=stream_pb2.Reset(reason=reset))
        if at is None:
            reader = Reader(every_fix, self._last, self._total)
            opening = self._snapshot()
        else:
            reader = Reader(every_fix, at, self._total_at(at))
            opening = iter(())
        goal = self._last
        for message in chain(self._new_names(reader), opening):
            yield message
        synced = False
        while True:
            self._signal.check()
            if not synced and reader.at >= goal:
                yield _wrap(sync=sync_message(self._now_ns(), self._cursor(reader.at)))
                synced = True
            elif reader.at < self._last:
                for message in self._next(reader):
                    yield message
            elif not await self._signal.wait(self._heartbeat_s):
                beat = heartbeat_message(self._now_ns(), self._cursor(reader.at))
                yield _wrap(heartbeat=beat)

    def _start(self, cursor: bytes) -> tuple[int | None, str]:
        """The frame to go on after, None for a snapshot; and why the cursor is not honoured."""
        if not cursor:
            return None, ""
        try:
            epoch, at = unseal(self._kind, cursor)
        except CursorError as error:
            raise invalid(str(error), "cursor", Reason.CURSOR_INVALID) from error
        if epoch != self._epoch:
            return None, "the gateway has started anew since this cursor was given out"
        if at > self._last:
            msg = "the cursor lies beyond the newest frame: this gateway never gave it out"
            raise invalid(msg, "cursor", Reason.CURSOR_INVALID)
        if at < self._last - len(self._ring):
            return None, "what came after this cursor is no longer held"
        return at, ""

    def _snapshot(self) -> Iterator[bytes]:
        """The newest fix of every card. What is sent is that of now, however late it is read."""
        fixes = self._latest.since(0)
        return (
            encode_frame(fixes[start : start + FRAME_ROWS_MAX], b"", snapshot=True)
            for start in range(0, len(fixes), FRAME_ROWS_MAX)
        )

    def _new_names(self, reader: Reader) -> Iterator[bytes]:
        """Directories of what `reader` has not been told of; the first has all roadways, if any."""
        first = reader.named or 0
        has_more = len(self._roadways) > reader.roads
        roadway_ids = self._roadways.names() if has_more else ()
        reader.roads = len(self._roadways)
        names = self._cards.names()[first:]
        reader.named = first + len(names)
        starts = range(0, len(names), DIRECTORY_ENTRIES_MAX)
        for start in starts or range(bool(roadway_ids)):
            directory = position_pb2.PositionDirectory(roadway_ids=roadway_ids)
            roadway_ids = ()
            part = names[start : start + DIRECTORY_ENTRIES_MAX]
            for handle, card in enumerate(part, first + start):
                directory.entries.add(tag_handle=handle, card=card)
            yield _wrap(directory=directory)

    def _has_news(self, reader: Reader) -> bool:
        named = reader.named or 0
        return named < len(self._cards) or reader.roads < len(self._roadways)

    def _next(self, reader: Reader) -> list[bytes]:
        """What `reader` is sent next; it is then as far as that goes."""
        names = list(self._new_names(reader)) if self._has_news(reader) else []
        oldest = self._last - len(self._ring) + 1
        keeps_up = reader.at + 1 == self._last
        if reader.at + 1 >= oldest and (keeps_up or reader.every_fix):
            frame = self._ring[reader.at + 1 - oldest]
            reader.at, reader.total = frame.sequence, frame.total
            return [*names, self._encoded(frame, every_fix=reader.every_fix)]
        return [*names, *self._merged(reader)]

    def _encoded(self, frame: Frame, *, every_fix: bool) -> bytes:
        """A frame's bytes, made for the first who asks."""
        message = frame.encoded.get(every_fix)
        if message is None:
            rows = frame.fixes if every_fix else _newest_of_each(frame.fixes)
            merged = len(frame.fixes) - len(rows)
            message = encode_frame(rows, self._cursor(frame.sequence), coalesced_count=merged)
            frame.encoded[every_fix] = message
        return message

    def _merged(self, reader: Reader) -> Iterator[bytes]:
        """The newest fix of each card since `reader.at`, and how many others there were."""
        rows = self._latest.since(reader.at)
        merged = self._total - reader.total - len(rows)
        before = self._cursor(reader.at)
        reader.at, reader.total = self._last, self._total
        last_start = (len(rows) - 1) // FRAME_ROWS_MAX * FRAME_ROWS_MAX
        for start in range(0, last_start, FRAME_ROWS_MAX):
            yield encode_frame(rows[start : start + FRAME_ROWS_MAX], before)
        yield encode_frame(rows[last_start:], self._cursor(reader.at), coalesced_count=merged)

    def _total_at(self, at: int) -> int:
        """How many fixes were made up to the end of frame `at`, which the ring goes on from."""
        if at == self._last:
            return self._total
        frame = self._ring[at - self._last]
        return frame.total - len(frame.fixes)

    def _cursor(self, at: int) -> bytes:
        return seal(self._kind, self._epoch, at)


def _wants_every_fix(sampling: int) -> bool:
    if sampling not in position_pb2.Sampling.values():
        msg = f"sampling is {sampling}: there is no such one"
        raise invalid(msg, "sampling")
    return sampling in _EVERY_FIX


def _newest_of_each(fixes: Records) -> Records:
    """The last fix of each card, in the order in which they were made."""
    _, from_end = np.unique(fixes["card"][::-1], return_index=True)
    return fixes[np.sort(len(fixes) - 1 - from_end)]


def _wrap(**message: Any) -> bytes:
    return WatchPositionsResponse(**message).SerializeToString()
