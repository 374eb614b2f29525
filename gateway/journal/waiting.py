"""What waits to be stored: bounded, and merged into one transaction when the disk is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.journal.audit import AuditEntry
from gateway.journal.records import EventRow

#: Events that may wait, in number and in bytes: hours of a usual day, minutes of the worst.
EVENTS_MOST: Final = 20_000
BYTES_MOST: Final = 16 << 20

#: Called once it is stored.
Stored = Callable[[], None]


@dataclass(slots=True)
class Portion:
    """What is stored in one transaction: of one step, or of all that have waited."""

    events: Sequence[EventRow] = ()
    state: Mapping[str, bytes | None] = field(default_factory=dict)
    audit: Sequence[AuditEntry] = ()
    stored: Sequence[Stored] = ()

    def beyond(self, sequence: int, audit: int) -> Portion:
        """What of it is not stored yet, where events and entries up to these are."""
        return Portion(
            [event for event in self.events if event[0] > sequence],
            self.state,
            [entry for entry in self.audit if entry.sequence > audit],
        )


class Waiting:
    """Portions, merged in their order; one of them at a time is on its way to the disk.

    Of events the oldest are dropped where there are too many, but none that is on its way. Entries
    of the audit log and state are not: state is what there is of it, and acts are refused before.
    """

    def __init__(
        self,
        keys: Iterable[str] = (),
        *,
        events_most: int = EVENTS_MOST,
        bytes_most: int = BYTES_MOST,
    ) -> None:
        """`keys` are those of the state that is stored."""
        self._events_most, self._bytes_most = events_most, bytes_most
        self._events: deque[EventRow] = deque()
        self._bytes = 0
        self._state: dict[str, bytes | None] = {}
        self._audit: list[AuditEntry] = []
        self._stored: list[Stored] = []
        self._flying: Portion | None = None
        self._keys = set(keys)
        #: Events that were dropped, ever.
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self._events or self._state or self._audit or self._stored)

    @property
    def events(self) -> list[EventRow]:
        """All events that are not known to be stored, oldest first."""
        flying = self._flying.events if self._flying else ()
        return [*flying, *self._events]

    @property
    def audit(self) -> int:
        """How many entries of the audit log wait."""
        return len(self._audit) + (len(self._flying.audit) if self._flying else 0)

    def put(self, portion: Portion) -> None:
        """Takes what comes after all that is there."""
        self._events.extend(portion.events)
        self._bytes += _size(portion.events)
        flying = self._flying.state if self._flying else {}
        for key, value in portion.state.items():
            if value is None and key not in self._keys and key not in flying:
                self._state.pop(key, None)  # it never was on the disk
            else:
                self._state[key] = value
        self._audit.extend(portion.audit)
        self._stored.extend(portion.stored)
        self._bound()

    def take(self) -> Portion:
        """All that waits; `landed` or `put_back` is to follow."""
        portion = Portion(list(self._events), self._state, self._audit, self._stored)
        self._events.clear()
        self._state, self._audit, self._stored, self._bytes = {}, [], [], 0
        self._flying = portion
        return portion

    def landed(self) -> None:
        """What was taken is stored."""
        if self._flying:
            for key, value in self._flying.state.items():
                if value is None:
                    self._keys.discard(key)
                else:
                    self._keys.add(key)
        self._flying = None

    def put_back(self, *, surely: bool) -> None:
        """What was taken is not stored: `surely`, or it is not known."""
        portion, self._flying = self._flying or Portion(), None
        if not surely:
            self._keys.update(portion.state)
        self._events.extendleft(reversed(portion.events))
        self._bytes += _size(portion.events)
        self._state = {**portion.state, **self._state}
        self._audit = [*portion.audit, *self._audit]
        self._stored = [*portion.stored, *self._stored]
        self._bound()

    def _bound(self) -> None:
        while len(self._events) > self._events_most or self._bytes > self._bytes_most:
            (_, _, payload) = self._events.popleft()
            self._bytes -= len(payload)
            self.dropped += 1


def _size(events: Iterable[EventRow]) -> int:
    return sum(len(payload) for _, _, payload in events)
