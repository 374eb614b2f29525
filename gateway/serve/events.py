"""Events to many clients: from the journal up to now, then each as soon as it is stored.

Recent events are kept as the bytes that were stored, and everyone is sent these. Who reads more
slowly reads on from the journal, page by page, and loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from gateway.clock import Clock
from gateway.journal.journal import READERS, Gap, Journal, Record
from gateway.journal.sqlite import JournalError
from gateway.serve.consumers import next_event_of
from gateway.serve.cursor import CursorError, Kind, seal, seal_page, unseal
from gateway.serve.encode import heartbeat_message, sync_message
from gateway.serve.event_filter import EventFilter, FactsBook, event_filter_of
from gateway.serve.failure import RequestError, invalid
from gateway.serve.paging import page_size, page_start, scope
from gateway.serve.position_filter import CardFacts
from gateway.serve.reasons import Reason
from gateway.serve.unstored import Unstored, UnstoredReader
from gateway.serve.wake import Signal
from lamproom.v1 import event_pb2, stream_pb2
from lamproom.v1.event_pb2 import WatchEventsResponse

#: Events kept in memory: a burst of ten seconds at 400 a second.
RECENT_EVENTS_MAX: Final = 4096
#: Events read from the journal at once, for one client: some 100 kB.
REPLAY_EVENTS_MAX: Final = 500
#: Of a `ListEvents` answer: half of what a client accepts by default.
LIST_BYTES_MAX: Final = 2 << 20
#: Events that are looked through for one filtered page: some 100 ms of a thread.
LIST_SCAN_MAX: Final = 10_000


class EventHub:
    """Serves the streams and lists of events. On the event loop; reads the journal in threads."""

    def __init__(
        self,
        journal: Journal,
        heartbeat_s: float,
        now_ns: Clock,
        mine: CardFacts | None = None,
    ) -> None:
        """`mine` knows which mine is served."""
        self._journal = journal
        self._mine = mine
        self._facts = FactsBook()
        self._heartbeat_s = heartbeat_s
        self._now_ns = now_ns
        self._signal = Signal()
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="journal-read")
        self._last = journal.last_sequence
        self._recent: dict[int, bytes] = {}
        self._unstored = Unstored()

    def publish(self, first_sequence: int, payloads: Sequence[bytes]) -> None:
        """Sends stored events; what is left out before the first is a gap in the journal.

        Raises:
            ValueError: the first was published before.
        """
        if first_sequence <= self._last:
            msg = f"event {first_sequence} does not follow: {self._last + 1} is the next"
            raise ValueError(msg)
        self._last = first_sequence - 1
        for payload in payloads:
            self._last += 1
            self._recent[self._last] = payload
            while len(self._recent) > RECENT_EVENTS_MAX:
                del self._recent[next(iter(self._recent))]
        self._unstored.stored(self._last)
        self._signal.fire()

    def publish_unstored(self, first_sequence: int, payloads: Sequence[bytes], reason: str) -> None:
        """Tells events that wait for the disk: they come again when they are stored."""
        self._unstored.add(first_sequence, payloads, reason)
        self._signal.fire()

    def close(self) -> None:
        """Ends all streams."""
        self._signal.close()
        # What waits to be read is not cancelled: its clients are to be told why it ends.
        self._threads.shutdown(wait=False)

    async def watch(self, request: event_pb2.WatchEventsRequest) -> AsyncGenerator[bytes]:
        """The messages of one `WatchEvents`, for ever.

        Raises:
            RequestError: a wrong start, the journal can't be read, or the gateway is stopping.
        """
        following, reset = self._start(request)
        wanted = self._filter_of(request.filter)
        if reset:
            yield _wrap(reset=stream_pb2.Reset(reason=reset))
        goal = self._last
        synced, unstored = False, UnstoredReader(self._unstored, wanted)
        clock_s = asyncio.get_running_loop().time
        beat_s = clock_s() + self._heartbeat_s
        while True:
            self._signal.check()
            if not synced and following > goal:
                synced = True
                yield _wrap(sync=sync_message(self._now_ns(), self._cursor(following - 1)))
            elif (payload := self._recent.get(following)) is not None:
                following += 1
                if wanted and not wanted.fits(self._facts.of(following - 1, payload)):
                    continue
                yield payload
            elif following <= self._last:
                # Not beyond the goal, so that `sync` comes where it belongs.
                last = self._last if synced else goal
                count = min(REPLAY_EVENTS_MAX, last + 1 - following)
                items, end = await self._read(following, count, wanted)
                for item in items:
                    yield item.payload if isinstance(item, Record) else _wrap(gap=self._gap(item))
                following = end + 1
                # Whoever is sent little is told how far that goes, so as not to begin there again.
                if not items and clock_s() < beat_s:
                    continue
                if not items:
                    yield self._heartbeat(end)
            elif waiting := unstored.next():
                yield _wrap(unstored=waiting)
            elif await self._signal.wait(max(0.0, beat_s - clock_s())):
                continue
            else:
                yield self._heartbeat(following - 1)
            beat_s = clock_s() + self._heartbeat_s

    async def list_events(
        self, request: event_pb2.ListEventsRequest
    ) -> event_pb2.ListEventsResponse:
        """One page of stored events.

        Raises:
            RequestError: a wrong page size or token, or the journal can't be read.
        """
        size = page_size(request.page_size)
        wanted = self._filter_of(request.filter)
        asked = request.filter.SerializeToString(deterministic=True).hex()
        epoch = scope(self._journal.epoch, asked) if asked else self._journal.epoch
        token = page_start(Kind.EVENT_PAGE, request.page_token, epoch)
        following = token or self._journal.first_sequence
        response = event_pb2.ListEventsResponse()
        most = following + (LIST_SCAN_MAX if wanted else size) - 1
        following = await self._fill(response, following, min(self._last, most), size, wanted)
        if following <= self._last:
            response.next_page_token = seal_page(Kind.EVENT_PAGE, epoch, following)
        return response

    async def _fill(
        self,
        response: event_pb2.ListEventsResponse,
        following: int,
        last: int,
        size: int,
        wanted: EventFilter | None,
    ) -> int:
        """Adds events up to `last`, as far as there is room; returns with which to go on."""
        room_bytes = LIST_BYTES_MAX
        while following <= last and len(response.events) < size:
            page = min(REPLAY_EVENTS_MAX if wanted else size, last + 1 - following)
            items, end = await self._read(following, page, wanted)
            for item in items:
                if isinstance(item, Gap):
                    response.gaps.append(self._gap(item))
                    continue
                room_bytes -= len(item.payload)
                if response.events and (room_bytes < 0 or len(response.events) == size):
                    return item.sequence
                response.events.append(WatchEventsResponse.FromString(item.payload).event)
            following = end + 1
        return following

    def _filter_of(self, asked: event_pb2.EventFilter) -> EventFilter | None:
        """Raises RequestError for a filter that there is not."""
        return event_filter_of(asked, self._mine.mine_code if self._mine else "")

    def _start(self, request: event_pb2.WatchEventsRequest) -> tuple[int, str]:
        """The first event to send, and why a cursor is not honoured."""
        start = request.WhichOneof("start")
        if start is None:
            return self._last + 1, ""
        if start == "sequence":
            following = request.sequence
            if following == 0:
                raise invalid("sequence is 0: the oldest event is 1", "sequence")
        elif start == "consumer":
            following = next_event_of(self._journal, request.consumer)
        else:
            try:
                epoch, after = unseal(Kind.EVENTS, request.cursor)
            except CursorError as error:
                raise invalid(str(error), "cursor", Reason.CURSOR_INVALID) from error
            if epoch != self._journal.epoch:
                reset = "the cursor belongs to another journal; this one is sent from its start"
                return self._journal.first_sequence, reset
            following = after + 1
        if following > self._last + 1:
            msg = f"{start} asks for event {following}: the newest is {self._last}"
            newest = {"newest": str(self._last)}
            raise RequestError(Reason.BEYOND_NEWEST, msg, field=start, metadata=newest)
        return following, ""

    async def _read(
        self, first: int, limit: int, wanted: EventFilter | None
    ) -> tuple[Sequence[Record | Gap], int]:
        """What is wanted of so many events, and the last of them that was looked at."""
        self._signal.check()
        loop = asyncio.get_running_loop()
        try:
            # One page at a time of each client: whoever else wants one has it after this one.
            return await loop.run_in_executor(self._threads, self._page, first, limit, wanted)
        except JournalError as error:
            raise RequestError(Reason.JOURNAL_UNAVAILABLE, str(error)) from error

    def _page(
        self, first: int, limit: int, wanted: EventFilter | None
    ) -> tuple[Sequence[Record | Gap], int]:
        items = self._journal.read(first, limit)
        end = _end(items[-1]) if items else first + limit - 1
        if wanted is None:
            return items, end
        of = self._facts.of
        fitting = [
            one
            for one in items
            if isinstance(one, Gap) or wanted.fits(of(one.sequence, one.payload))
        ]
        return fitting, end

    def _heartbeat(self, sequence: int) -> bytes:
        return _wrap(heartbeat=heartbeat_message(self._now_ns(), self._cursor(sequence)))

    def _gap(self, gap: Gap) -> event_pb2.EventGap:
        return event_pb2.EventGap(
            first_sequence=gap.first_sequence,
            last_sequence=gap.last_sequence,
            reason=gap.reason,
            cursor=self._cursor(gap.last_sequence),
        )

    def _cursor(self, sequence: int) -> bytes:
        return seal(Kind.EVENTS, self._journal.epoch, sequence)


def _end(item: Record | Gap) -> int:
    return item.sequence if isinstance(item, Record) else item.last_sequence


def _wrap(**message: Any) -> bytes:
    return WatchEventsResponse(**message).SerializeToString()
