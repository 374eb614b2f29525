"""Positions to many clients: frames made once, shared by all who keep up, merged for the others.

Fixes gather for a frame interval and become a frame. A ring holds the recent frames; whoever reads
more slowly than frames are made gets the newest fix of each card and is told how many were merged
away. So a client costs one message of memory, however slow it is. Who follows with credit gets none
before it has dealt with those that are under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog

from gateway.clock import Clock
from gateway.serve.credit import Credit
from gateway.serve.cursor import CursorError, Kind, seal, unseal
from gateway.serve.encode import (
    heartbeat_message,
    representable,
    sync_message,
)
from gateway.serve.failure import RequestError, invalid
from gateway.serve.picture import LatestFixes
from gateway.serve.position_directory import Directory
from gateway.serve.position_filter import CardFacts, CardFilter, Membership
from gateway.serve.position_view import (
    Reader,
    View,
    columns_of,
    merged_since,
    newest_of_frame,
    next_of_frame,
    snapshot_of,
    wants_every_fix,
)
from gateway.serve.reasons import Reason
from gateway.serve.wake import FEW_AT_ONCE, Pace, Signal
from lamproom.v1 import position_pb2, stream_pb2
from lamproom.v1.position_pb2 import WatchPositionsResponse
from positioning.observation import FIX, IdTable, Records, rows_of

#: A minute of frames at 10 Hz: long enough for a client to reconnect and miss nothing.
RING_FRAMES_MAX: Final = 600
#: With 112 bytes a fix and 80 encoded about 77 MB: 50 s of 8,000 fixes/s.
RING_ROWS_MAX: Final = 400_000
#: What is held together in one of them; those of a step that took long are cut here.
FRAME_FIXES_MAX: Final = 1 << 16
#: Filters in use at once: each costs some 20 us a frame and 9 bytes a card.
FILTERS_MAX: Final = 200
#: Encodings of the newest frame that streams share: one for each view of those who keep up, and
#: some for those who come back from the same stall.
SHARED_MAX: Final = 32
#: What a snapshot goes on from, where a frame goes on from another.
_NOTHING: Final = -1

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Frame:
    """(n,) FIX that were made in one interval; `total` counts all fixes up to its end."""

    sequence: int
    fixes: Records
    total: int
    #: All columns of every fix, for those who are sent each of them.
    encoded: list[bytes] | None = None


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
        facts: CardFacts | None = None,
    ) -> None:
        """`facts` is what filters ask of cards; None: there are no filters."""
        self._cards = cards
        self._directory = Directory(cards, roadways)
        self._kind = kind
        self._epoch = epoch
        self._heartbeat_s = heartbeat_s
        self._now_ns = now_ns
        self._pace = Pace(frame_interval_s, self._make_frames)
        self._signal = Signal(FEW_AT_ONCE)
        self._latest = LatestFixes()
        self._gathered: list[Records] = []
        self._ring: deque[Frame] = deque()
        self._ring_rows = 0
        self._last = 0
        self._total = 0
        self._facts = facts
        self._memberships: dict[CardFilter, Membership] = {}
        #: Cards of which something has changed that filters ask for; None: of all.
        self._changed: set[int] | None = set()
        #: Since the newest frame was made, by view, from where and to where.
        self._shared: dict[tuple[View, int, int, int], list[bytes]] = {}
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

    def regard(self, cards: Iterable[int] | None) -> None:
        """Zones of these cards (by handle) have changed; None: whatever filters ask for has."""
        if not self._memberships:
            return
        if cards is None:
            self._changed = None
        elif self._changed is not None:
            self._changed.update(cards)
        if self._changed is None or self._changed:
            self._pace.request()

    def close(self) -> None:
        """Ends all streams."""
        self._pace.cancel()
        self._signal.close()

    def _make_frames(self) -> None:
        fixes = np.concatenate(self._gathered) if self._gathered else np.empty(0, FIX)
        self._gathered.clear()
        self._look_again()
        for start in range(0, max(len(fixes), 1), FRAME_FIXES_MAX):
            self._add(fixes[start : start + FRAME_FIXES_MAX])
        self._signal.fire()

    def _look_again(self) -> None:
        """Has filters look at what has changed, as of the next frame."""
        changed, self._changed = self._changed, set()
        for wanted, member in list(self._memberships.items()):
            if not member.users and member.left_at < self._last - RING_FRAMES_MAX:
                del self._memberships[wanted]
            elif changed is None:
                member.regard_all(self._last + 1)
            else:
                member.regard(changed, self._last + 1)

    def _add(self, fixes: Records) -> None:
        self._last += 1
        self._total += len(fixes)
        self._latest.update(fixes, self._last)
        self._shared.clear()
        for member in self._memberships.values():
            member.take(fixes, self._last)
        self._ring.append(Frame(self._last, fixes, self._total))
        self._ring_rows += len(fixes)
        while len(self._ring) > RING_FRAMES_MAX or self._ring_rows > RING_ROWS_MAX:
            self._ring_rows -= len(self._ring.popleft().fixes)

    async def follow(
        self,
        requests: AsyncIterator[position_pb2.FollowPositionsRequest],
        first: position_pb2.FollowPositionsRequest,
    ) -> AsyncGenerator[bytes]:
        """The messages of one `FollowPositions` that began with `first`.

        It ends when the client ends its side, as it can acknowledge nothing then.

        Raises:
            RequestError: as `watch`, or a wrong acknowledgement.
        """
        credit = Credit(first.frames_under_way)
        listening = asyncio.create_task(credit.listen(requests))
        try:
            async with aclosing(self.watch(first.start, credit)) as messages:
                async for message in messages:
                    yield message
        finally:
            listening.cancel()
            # Not awaited itself: that it was cancelled must not look as if we were.
            await asyncio.wait({listening})

    async def watch(
        self, request: position_pb2.WatchPositionsRequest, credit: Credit | None = None
    ) -> AsyncGenerator[bytes]:
        """The messages of one `WatchPositions`, for ever; frames only as far as there is `credit`.

        Raises:
            RequestError: a wrong cursor, sampling, filter or mask, or the gateway is stopping.
        """
        every_fix = wants_every_fix(request.sampling)
        wanted = self._facts.filter_of(request.filter) if self._facts else None
        view = View(wanted, columns_of(request.read_mask), every_fix)
        member = self._join(wanted) if wanted else None
        try:
            async with aclosing(self._messages(request.cursor, view, member, credit)) as messages:
                async for message in messages:
                    yield message
        finally:
            if member:
                member.users -= 1
                member.left_at = self._last

    async def _messages(
        self, cursor: bytes, view: View, member: Membership | None, credit: Credit | None
    ) -> AsyncGenerator[bytes]:
        at, reset = self._start(cursor, member)
        if reset:
            yield _wrap(reset=stream_pb2.Reset(reason=reset))
        reader, goal, synced = self._reader(view, member, at), self._last, False
        for directory in self._directory.news(reader):
            yield directory
        bell = credit.bell if credit else None
        clock_s = asyncio.get_running_loop().time
        beat_s = clock_s() + self._heartbeat_s
        while True:
            self._signal.check()
            if credit and credit.is_over():
                return
            may_send = credit is None or credit.is_left
            if reader.waiting and may_send:
                if credit:
                    credit.spend()
                yield reader.waiting.popleft()
            elif not synced and not reader.waiting and reader.at >= goal:
                synced = True
                yield _wrap(sync=sync_message(self._now_ns(), self._cursor(reader.at)))
            elif may_send and reader.at < self._last:
                for directory in self._directory.news(reader):
                    yield directory
                self._advance(reader)
                continue
            elif await self._signal.wait(max(0.0, beat_s - clock_s()), bell):
                continue
            elif credit is None or credit.beats():
                beat = heartbeat_message(self._now_ns(), self._cursor(reader.at))
                yield _wrap(heartbeat=beat)
            beat_s = clock_s() + self._heartbeat_s

    def _join(self, wanted: CardFilter) -> Membership:
        """The cards that fit a filter, one more stream's. Raises RequestError for one too many."""
        member = self._memberships.get(wanted)
        if member is None:
            assert self._facts
            if len(self._memberships) >= FILTERS_MAX:
                self._drop_unused()
            member = Membership(wanted, self._cards, self._facts, self._last, RING_FRAMES_MAX)
            self._memberships[wanted] = member
        member.users += 1
        return member

    def _drop_unused(self) -> None:
        unused = [one for one, member in self._memberships.items() if not member.users]
        if not unused:
            msg = f"{FILTERS_MAX} different filters are in use"
            raise RequestError(Reason.TOO_MANY_FILTERS, msg, field="filter")
        for one in unused:
            del self._memberships[one]

    def _start(self, cursor: bytes, member: Membership | None) -> tuple[int | None, str]:
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
        if member and at < member.since:
            return None, "which cards the filter let through at this cursor is no longer held"
        return at, ""

    def _reader(self, view: View, member: Membership | None, at: int | None) -> Reader:
        if at is None:
            total = member.total if member else self._total
            reader = Reader(view, member, self._last, total, self._last)
            # What is sent is that of now, however late it is read.
            key = view, _NOTHING, self._last, self._last

            def make() -> list[bytes]:
                return snapshot_of(member, self._latest, view.columns)

            reader.waiting.extend(self._share(key, make))
            return reader
        total = member.total_before(self._last - at) if member else self._total_at(at)
        return Reader(view, member, at, total, at)

    def _advance(self, reader: Reader) -> None:
        """Has what `reader` is sent next wait for it."""
        oldest = self._last - len(self._ring) + 1
        if reader.view.every_fix and reader.at + 1 >= oldest:
            reader.waiting.extend(self._frame(reader, self._ring[reader.at + 1 - oldest]))
        else:
            reader.waiting.extend(self._merged(reader))

    def _frame(self, reader: Reader, frame: Frame) -> list[bytes]:
        """Every fix of the frame after `reader.at`; `reader` is then as far as that goes."""
        view, member, number = reader.view, reader.membership, frame.sequence
        before, cursor = self._cursor(reader.at), self._cursor(number)

        def make() -> list[bytes]:
            told = next_of_frame(reader, frame.fixes, self._latest)
            return told.encoded(view.columns, before, cursor)

        if member is None and view.columns is None:
            if frame.encoded is None:
                frame.encoded = make()
            messages = frame.encoded
        else:
            messages = self._share((view, reader.at, reader.told, number), make)
        reader.at, reader.told = number, self._last
        reader.total = member.total_before(self._last - number) if member else frame.total
        return messages

    def _merged(self, reader: Reader) -> list[bytes]:
        """The newest fix of each card since `reader.at`, and how many others there were."""
        view, member = reader.view, reader.membership
        before, cursor = self._cursor(reader.at), self._cursor(self._last)

        def make() -> list[bytes]:
            if member is None and reader.at + 1 == self._last:
                told = newest_of_frame(self._ring[-1].fixes)
            else:
                told = merged_since(reader, self._latest, self._total)
            return told.encoded(view.columns, before, cursor)

        messages = self._share((view, reader.at, reader.told, self._last), make)
        reader.at = reader.told = self._last
        reader.total = member.total if member else self._total
        return messages

    def _share(
        self, key: tuple[View, int, int, int], make: Callable[[], list[bytes]]
    ) -> list[bytes]:
        """What streams with the same view get that go from the same frame to the same frame."""
        messages = self._shared.get(key)
        if messages is None:
            messages = make()
            if len(self._shared) < SHARED_MAX:
                self._shared[key] = messages
        return messages

    def _total_at(self, at: int) -> int:
        """How many fixes were made up to the end of frame `at`, which the ring goes on from."""
        if at == self._last:
            return self._total
        frame = self._ring[at - self._last]
        return frame.total - len(frame.fixes)

    def _cursor(self, at: int) -> bytes:
        return seal(self._kind, self._epoch, at)


def _wrap(**message: Any) -> bytes:
    return WatchPositionsResponse(**message).SerializeToString()
