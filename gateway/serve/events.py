"""Events to many clients: from the journal up to now, then each as soon as it is stored.

Recent events are kept as the bytes that were stored, and everyone is sent these. Who reads more
slowly reads on from the journal, page by page, and loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc

from gateway.clock import Clock
from gateway.journal.journal import READERS, Gap, Journal, Record
from gateway.journal.sqlite import JournalError
from gateway.serve.cursor import CursorError, Kind, seal, seal_page, unseal
from gateway.serve.encode import heartbeat_message, sync_message
from gateway.serve.failure import RequestError, invalid
from gateway.serve.paging import page_size, page_start
from gateway.serve.unstored import Unstored
from gateway.serve.wake import Signal
from lamproom.v1 import event_pb2, stream_pb2
from lamproom.v1.event_pb2 import WatchEventsResponse

#: Events kept in memory: a burst of ten seconds at 400 a second.
RECENT_EVENTS_MAX: Final = 4096
#: Events read from the journal at once, for one client: some 100 kB.
REPLAY_EVENTS_MAX: Final = 500
#: Of a `ListEvents` answer: half of what a client accepts by default.
LIST_BYTES_MAX: Final = 2 << 20


class EventHub:
    """Serves the streams and lists of events. On the event loop; reads the journal in threads."""

    def __init__(self, journal: Journal, heartbeat_s: float, now_ns: Clock) -> None:
        self._journal = journal
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
        if reset:
            yield _wrap(reset=stream_pb2.Reset(reason=reset))
        goal = self._last
        synced, told = False, 0
        while True:
            self._signal.check()
            if not synced and following > goal:
                yield _wrap(sync=sync_message(self._now_ns(), self._cursor(following - 1)))
                synced = True
            elif (payload := self._recent.get(following)) is not None:
                following += 1
                yield payload
            elif following <= self._last:
                # Not beyond the goal, so that `sync` comes where it belongs.
                last = self._last if synced else goal
                for item in await self._read(
                    following, min(REPLAY_EVENTS_MAX, last + 1 - following)
                ):
                    following = _end(item) + 1
                    yield item.payload if isinstance(item, Record) else _wrap(gap=self._gap(item))
            elif waiting := self._unstored.after(told):
                message, told = waiting
                yield _wrap(unstored=message)
            elif not await self._signal.wait(self._heartbeat_s):
                beat = heartbeat_message(self._now_ns(), self._cursor(following - 1))
                yield _wrap(heartbeat=beat)

    async def list_events(
        self, request: event_pb2.ListEventsRequest
    ) -> event_pb2.ListEventsResponse:
        """One page of stored events.

        Raises:
            RequestError: a wrong page size or token, or the journal can't be read.
        """
        size = page_size(request.page_size)
        epoch = self._journal.epoch
        token = page_start(Kind.EVENT_PAGE, request.page_token, epoch)
        following = token or self._journal.first_sequence
        response = event_pb2.ListEventsResponse()
        last = min(self._last, following + size - 1)
        room_bytes = LIST_BYTES_MAX
        for item in await self._read(following, last + 1 - following):
            if isinstance(item, Record):
                room_bytes -= len(item.payload)
                if room_bytes < 0 and response.events:
                    break
                response.events.append(WatchEventsResponse.FromString(item.payload).event)
            else:
                response.gaps.append(self._gap(item))
            following = _end(item) + 1
        if following <= self._last:
            response.next_page_token = seal_page(Kind.EVENT_PAGE, epoch, following)
        return response

    def _start(self, request: event_pb2.WatchEventsRequest) -> tuple[int, str]:
        """The first event to send, and why a cursor is not honoured."""
        start = request.WhichOneof("start")
        if start is None:
            return self._last + 1, ""
        if start == "sequence":
            following = request.sequence
            if following == 0:
                raise invalid("sequence is 0: the oldest event is 1")
        else:
            try:
                epoch, after = unseal(Kind.EVENTS, request.cursor)
            except CursorError as error:
                raise invalid(str(error)) from error
            if epoch != self._journal.epoch:
                reset = "the cursor belongs to another journal; this one is sent from its start"
                return self._journal.first_sequence, reset
            following = after + 1
        if following > self._last + 1:
            msg = f"{start} asks for event {following}: the newest is {self._last}"
            raise RequestError(grpc.StatusCode.OUT_OF_RANGE, msg)
        return following, ""

    async def _read(self, first: int, limit: int) -> Sequence[Record | Gap]:
        self._signal.check()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._journal.read, first, limit)
        except JournalError as error:
            raise RequestError(grpc.StatusCode.UNAVAILABLE, str(error)) from error

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
