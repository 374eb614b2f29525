"""The events of a time, read on page by page. Blocks: to be called in a thread."""

from __future__ import annotations

from typing import Final

from gateway.journal.journal import Gap, Journal, Record
from gateway.serve.history_requests import Span
from lamproom.v1 import event_pb2, history_pb2

#: Read from the journal at once: some 100 kB.
PAGE_EVENTS_MAX: Final = 500

Told = tuple[int, history_pb2.ReplayResponse]


class EventsOfTime:
    """Events in the order of their sequence, whose `record_time` lies in a time.

    Record times grow with the sequence, but for a clock that was set back while the gateway was
    down: so what lies beyond the time is passed over, until a whole page of it has come.
    """

    def __init__(self, journal: Journal, span: Span) -> None:
        self._journal = journal
        self._span = span
        self._following: int | None = None
        self._page: list[Told] = []

    def until(self, t_ms: int) -> list[Told]:
        """Record time in ms and message of the next ones of before `t_ms`: [] when there is none.

        Not all at once: ask again. Raises JournalError.
        """
        if self._following is None:
            self._following = self._first()
        while not self._page and self._following <= self._journal.last_sequence:
            items = self._journal.read(self._following, PAGE_EVENTS_MAX)
            self._following += PAGE_EVENTS_MAX
            told = [self._told(item) for item in items]
            self._page = [one for one in told if self._is_within(one[0])]
            if told and not self._page and told[-1][0] >= self._span.end_ms:
                self._following = self._journal.last_sequence + 1
        count = next((n for n, one in enumerate(self._page) if one[0] >= t_ms), len(self._page))
        found, self._page = self._page[:count], self._page[count:]
        return found

    def _is_within(self, record_ms: int) -> bool:
        return self._span.start_ms <= record_ms < self._span.end_ms

    def _first(self) -> int:
        """The first event that was recorded at the start or later."""
        low, high = self._journal.first_sequence, self._journal.last_sequence + 1
        while low < high:
            middle = (low + high) // 2
            items = self._journal.read(middle, 1)
            if items and self._told(items[0])[0] < self._span.start_ms:
                low = middle + 1
            else:
                high = middle
        return low

    def _told(self, item: Record | Gap) -> Told:
        response = history_pb2.ReplayResponse()
        if isinstance(item, Record):
            event = event_pb2.WatchEventsResponse.FromString(item.payload).event
            response.event.CopyFrom(event)
            return event.record_time.ToMilliseconds(), response
        # When it was is lost with it: it is told where it stands.
        last = self._page[-1][0] if self._page else self._span.start_ms
        numbers = f"events {item.first_sequence} to {item.last_sequence}"
        response.gap.reason = f"{numbers} can't be had: {item.reason}"
        response.gap.start_time.FromMilliseconds(last)
        response.gap.end_time.FromMilliseconds(last)
        return last, response
