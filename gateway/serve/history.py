"""Where everyone was: tracks of a card, everyone at an instant, and a time replayed.

Files are read in threads, a stretch of time at once, so that a request holds no more than that,
however long a time it asks for.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from gateway.journal.journal import Journal, JournalError
from gateway.journal.tracks.reader import Found, Handles, TracksReader, clipped, merged
from gateway.journal.tracks.track_file import Gap
from gateway.serve.failure import RequestError, invalid
from gateway.serve.history_events import EventsOfTime, Told
from gateway.serve.history_frames import Teller, gap_message, timestamp
from gateway.serve.history_requests import Span, instant_ms, least_interval_ms, span_of, speed_of
from gateway.serve.reasons import Reason
from gateway.serve.wake import Signal
from lamproom.v1 import history_pb2
from positioning.observation import Records

#: That read at the same time; each remembers the chunks of a day's files, 10 MB.
READERS: Final = 2
#: Requests that run at the same time. Of 8,000 cards a replay holds 25 MB.
REQUESTS_MAX: Final = 4
#: Of one card read at once: its rows of so long are some 200 kB.
TRACK_STRETCH_MS: Final = 3_600_000
#: Of all cards read at once: a block is 40 s long, and shorter stretches would read it twice.
REPLAY_STRETCH_MS: Final = 60_000
#: Rows of a replay go out in frames of so long.
FRAME_MS: Final = 1_000
#: How often a replay says how far it is, where nothing else is to be told.
CLOCK_S: Final = 1.0

#: Before and after all that is kept.
_NEVER_MS: Final = -(1 << 62)
_FOREVER_MS: Final = 1 << 62

T = TypeVar("T")


class HistoryHub:
    """Serves kept positions. On the event loop; reads files in threads."""

    def __init__(self, folder: Path, journal: Journal, missing: Callable[[], list[Gap]]) -> None:
        """`missing`: what is not kept, and not written down in the files either."""
        self._handles = Handles()
        self._journal = journal
        self._missing = missing
        self._signal = Signal()
        self._is_closed = False
        self._running = 0
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="tracks-read")
        self._readers: queue.SimpleQueue[TracksReader] = queue.SimpleQueue()
        for _ in range(READERS):
            self._readers.put(TracksReader(folder, self._handles))

    def close(self) -> None:
        """Ends all streams. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._signal.close()
        self._threads.submit(self._close_readers)
        self._threads.shutdown(wait=False)

    def _close_readers(self) -> None:
        for _ in range(READERS):
            self._readers.get().close()

    async def query_track(self, request: history_pb2.QueryTrackRequest) -> AsyncGenerator[bytes]:
        """The messages of one `QueryTrack`. Raises RequestError."""
        span = span_of(request)
        if not request.card:
            raise invalid(
                "card is missing",
                "card",
                Reason.FIELD_MISSING,
                remedy="give the card whose track is asked for",
            )
        least_ms = least_interval_ms(request.least_interval_s)
        with self._admitted():
            teller, last_ms, at_ms = Teller(self._handles), _NEVER_MS, span.start_ms
            untold: list[Gap] = []
            while at_ms < span.end_ms:
                at_ms, found = await self._stretch(
                    Span(at_ms, span.end_ms), TRACK_STRETCH_MS, request.card
                )
                rows = _spaced(found.rows, least_ms, last_ms)
                untold = merged([*untold, *found.gaps])
                if not len(rows):
                    continue
                last_ms = int(rows["t_ms"][-1])
                for message in (*map(gap_message, untold), *teller.frames(rows)):
                    yield message
                untold = []
            if last_ms == _NEVER_MS:
                await self._check_heard([request.card])
            for gap in untold:
                yield gap_message(gap)

    async def get_positions_at(
        self, request: history_pb2.GetPositionsAtRequest
    ) -> AsyncGenerator[bytes]:
        """The messages of one `GetPositionsAt`. Raises RequestError."""
        at_ms = instant_ms(request)
        with self._admitted():
            found = await self._read(lambda reader: reader.at(at_ms))
            rows = self._only(found.rows, request.cards)
            if len(rows) < len(set(request.cards)):
                await self._check_heard(request.cards)
            teller = Teller(self._handles)
            for message in teller.frames(_by_time(rows), at_ms=at_ms):
                yield message
            for gap in merged([*found.gaps, *clipped(self._missing(), at_ms, at_ms + 1)]):
                yield gap_message(gap)

    async def replay(self, request: history_pb2.ReplayRequest) -> AsyncGenerator[bytes]:
        """The messages of one `Replay`. Raises RequestError."""
        span, speed = span_of(request), speed_of(request.speed)
        with self._admitted():
            if request.cards:
                await self._check_heard(request.cards)
            teller, at_ms = Teller(self._handles), span.start_ms
            before = await self._read(lambda reader: reader.at(span.start_ms - 1))
            known = _by_time(self._only(before.rows, request.cards))
            for message in teller.frames(known, snapshot=True):
                yield message
            yield _clock("sync", span.start_ms)
            events = None if request.without_events else EventsOfTime(self._journal, span)
            pace = _Pace(self._signal, span.start_ms, speed)
            while at_ms < span.end_ms:
                rest = Span(at_ms, span.end_ms)
                at_ms, found = await self._stretch(rest, REPLAY_STRETCH_MS, "")
                for gap in found.gaps:
                    yield gap_message(gap)
                rows = self._only(found.rows, request.cards)
                async with aclosing(self._played(teller, rows, events, pace, at_ms)) as messages:
                    async for message in messages:
                        yield message
            yield _clock("end", span.end_ms)

    async def _played(
        self,
        teller: Teller,
        rows: Records,
        events: EventsOfTime | None,
        pace: _Pace,
        end_ms: int,
    ) -> AsyncGenerator[bytes]:
        """Frames of a stretch that ends at `end_ms`, and its events between them, in time."""
        ends = np.unique(rows["t_ms"] // FRAME_MS) * FRAME_MS + FRAME_MS
        cuts = np.searchsorted(rows["t_ms"], ends)
        for frame, due_ms in zip(np.split(rows, cuts), [*ends.tolist(), end_ms], strict=True):
            while told := await self._events(events, min(due_ms, end_ms)):
                for record_ms, response in told:
                    async for message in pace.until(record_ms):
                        yield message
                    yield response.SerializeToString()
            async for message in pace.until(min(due_ms, end_ms)):
                yield message
            for message in teller.frames(frame):
                yield message

    async def _events(self, events: EventsOfTime | None, until_ms: int) -> list[Told]:
        if events is None:
            return []
        return await self._in_thread(lambda: events.until(until_ms))

    async def _stretch(self, span: Span, most_ms: int, card: str) -> tuple[int, Found]:
        """What is next of a time, and up to when it is: a stretch of rows, or all without any."""

        def read(reader: TracksReader) -> tuple[int, Found]:
            next_ms = reader.next_ms(span.start_ms)
            end_ms = (span.start_ms // most_ms + 1) * most_ms
            if next_ms is None or next_ms >= end_ms:
                end_ms = span.end_ms if next_ms is None else next_ms
            end_ms = min(end_ms, span.end_ms)
            return end_ms, reader.between(span.start_ms, end_ms, card)

        end_ms, found = await self._read(read)
        missing = clipped(self._missing(), span.start_ms, end_ms)
        return end_ms, Found(found.rows, merged([*found.gaps, *missing]))

    async def _check_heard(self, cards: Iterable[str]) -> None:
        """Raises RequestError (NOT_FOUND) for one of which nothing is kept."""
        newest = await self._read(lambda reader: reader.at(_FOREVER_MS))
        for card in cards:
            if not len(self._only(newest.rows, [card])):
                msg = f"nothing was ever heard of card {card}"
                raise RequestError(Reason.CARD_NOT_FOUND, msg, resource=("card", card))

    def _only(self, rows: Records, cards: Sequence[str]) -> Records:
        """Those of these cards; all where none is named."""
        if not cards:
            return rows
        table = self._handles.cards
        handles = [table.handle(card) for card in cards if card in table]
        return rows[np.isin(rows["card"], handles)]

    async def _read(self, read: Callable[[TracksReader], T]) -> T:
        def call() -> T:
            reader = self._readers.get()
            try:
                return read(reader)
            finally:
                self._readers.put(reader)

        return await self._in_thread(call)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        self._signal.check()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except OSError as error:
            msg = f"kept positions can't be read ({error.strerror})"
            raise RequestError(Reason.JOURNAL_UNAVAILABLE, msg) from error
        except JournalError as error:
            raise RequestError(Reason.JOURNAL_UNAVAILABLE, str(error)) from error

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """Counts a request. Raises RequestError (RESOURCE_EXHAUSTED) where there are too many."""
        if self._running >= REQUESTS_MAX:
            msg = f"{REQUESTS_MAX} requests for history run already"
            raise RequestError(Reason.TOO_MANY_QUERIES, msg)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


class _Pace:
    """When what was recorded at a time is due again."""

    def __init__(self, signal: Signal, start_ms: int, speed: float) -> None:
        self._signal = signal
        self._start_ms = start_ms
        self._speed = speed
        self._now_s = asyncio.get_running_loop().time
        self._begun_s = self._told_s = self._now_s()

    async def until(self, t_ms: int) -> AsyncGenerator[bytes]:
        """Waits until `t_ms` is due; once a second says how far it is.

        Raises:
            RequestError: the gateway is stopping.
        """
        while True:
            self._signal.check()
            now_s = self._now_s()
            left_s = 0.0
            if self._speed:
                left_s = self._begun_s + (t_ms - self._start_ms) / 1000 / self._speed - now_s
            if now_s - self._told_s >= CLOCK_S:
                self._told_s = now_s
                yield _clock("clock", t_ms - round(max(left_s, 0.0) * self._speed * 1000))
            if left_s <= 0:
                return
            await self._signal.wait(min(left_s, CLOCK_S))


def _by_time(rows: Records) -> Records:
    return rows[np.argsort(rows["t_ms"], kind="stable")]


def _spaced(rows: Records, least_ms: int, last_ms: int) -> Records:
    """Those of one card's rows, in order, that are so far apart, also from the one of before."""
    if not least_ms:
        return rows
    times, picked = rows["t_ms"], []
    at = int(np.searchsorted(times, last_ms + least_ms))
    while at < len(rows):
        picked.append(at)
        at = int(np.searchsorted(times, times[at] + least_ms))
    return rows[picked]


def _clock(name: str, t_ms: int) -> bytes:
    clock = history_pb2.ReplayClock(time=timestamp(t_ms))
    message: dict[str, Any] = {name: clock}
    return history_pb2.ReplayResponse(**message).SerializeToString()
