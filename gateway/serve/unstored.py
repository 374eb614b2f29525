"""Events that wait for the disk, as clients are told of them. On the event loop only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

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

    def after(self, sequence: int) -> tuple[UnstoredEvents, int] | None:
        """The next message for who was told all up to `sequence`, and up to where it reaches."""
        message, room_bytes, last = UnstoredEvents(reason=self._reason), MESSAGE_BYTES_MAX, 0
        for event in self._beyond(sequence):
            room_bytes -= event.ByteSize()
            if room_bytes < 0 and last:
                break
            message.events.append(event)
            last = event.sequence
        return (message, last) if last else None

    def _beyond(self, sequence: int) -> Iterator[Event]:
        if not self._events or next(reversed(self._events)) <= sequence:
            return
        yield from (event for number, event in self._events.items() if number > sequence)
