"""Events that wait for the disk, as clients are told of them. On the event loop only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.serve.event_filter import EventFilter, facts_of
from lamproom.v1.event_pb2 import Event, UnstoredEvents, WatchEventsResponse

#: Of one message: half of what a client accepts by default.
MESSAGE_BYTES_MAX: Final = 2 << 20


class Unstored:
    """Keeps them until they are stored, or dropped."""

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}
        self._reason = ""

    def add(self, first_sequence: int, payloads: Sequence[bytes], reason: str) -> None:
        """Takes more of them, as the bytes that are to be stored; `reason` holds for all."""
        self._reason = reason
        for sequence, payload in enumerate(payloads, first_sequence):
            event = WatchEventsResponse.FromString(payload).event
            event.ClearField("cursor")
            self._events[sequence] = event

    def stored(self, last_sequence: int) -> None:
        """Forgets what is stored or dropped: all up to an event."""
        while self._events and (oldest := next(iter(self._events))) <= last_sequence:
            del self._events[oldest]

    def beyond(self, sequence: int) -> Iterator[Event]:
        """Those after an event, in order."""
        if not self._events or next(reversed(self._events)) <= sequence:
            return
        yield from (event for number, event in self._events.items() if number > sequence)

    @property
    def reason(self) -> str:
        """Why they are not stored."""
        return self._reason


class UnstoredReader:
    """What one client has been told of them."""

    def __init__(self, unstored: Unstored, wanted: EventFilter | None) -> None:
        self._unstored = unstored
        self._wanted = wanted
        self._told = 0

    def next(self) -> UnstoredEvents | None:
        """The next message with such as are wanted; None: there are none now."""
        message = UnstoredEvents(reason=self._unstored.reason)
        room_bytes = MESSAGE_BYTES_MAX
        for event in self._unstored.beyond(self._told):
            if self._wanted is None or self._wanted.fits(facts_of(event)):
                room_bytes -= event.ByteSize()
                if room_bytes < 0 and message.events:
                    break
                message.events.append(event)
            self._told = event.sequence
        return message if message.events else None
