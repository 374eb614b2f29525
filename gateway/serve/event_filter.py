"""Which events a stream or list is about; what a filter asks of an event is read from it once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.serve.failure import invalid
from gateway.serve.position_filter import check_mine
from lamproom.v1 import event_pb2

#: Events whose facts are remembered: at some 200 bytes each 13 MB, when filters are in use at all.
FACTS_MAX: Final = 1 << 16


class EventFacts(NamedTuple):
    """What filters ask for."""

    kind: int
    card: str
    zone: str
    device: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """An event must fit all that are not empty."""

    zones: frozenset[str]
    kinds: frozenset[int]
    cards: frozenset[str]
    devices: frozenset[str]

    def fits(self, event: EventFacts) -> bool:
        """Whether it is let through."""
        return (
            (not self.kinds or event.kind in self.kinds)
            and (not self.cards or event.card in self.cards)
            and (not self.zones or event.zone in self.zones)
            and (not self.devices or event.device in self.devices)
        )


def event_filter_of(asked: event_pb2.EventFilter, mine_code: str) -> EventFilter | None:
    """What is asked for; None where it lets all through.

    Zones, cards and devices may be any: those of old events need not be there any more.

    Raises:
        RequestError: it names a mine or kind that there is not.
    """
    check_mine(asked.mine_codes, mine_code)
    for kind in asked.kinds:
        if kind not in event_pb2.EventKind.values():
            msg = f"filter.kinds: {kind} is no kind; see EventKind"
            raise invalid(msg, "filter.kinds")
    if not (asked.zone_ids or asked.kinds or asked.cards or asked.device_ids):
        return None
    return EventFilter(
        frozenset(asked.zone_ids),
        frozenset(int(kind) for kind in asked.kinds),
        frozenset(asked.cards),
        frozenset(asked.device_ids),
    )


def facts_of(event: event_pb2.Event) -> EventFacts:
    """What filters ask for, of an event."""
    return EventFacts(event.kind, event.card, event.zone_id, event.device_id)


class FactsBook:
    """The facts of the events that were asked for last. From any thread."""

    def __init__(self) -> None:
        self._facts: dict[int, EventFacts] = {}

    def of(self, sequence: int, payload: bytes) -> EventFacts:
        """Those of an event, as it is stored."""
        facts = self._facts.get(sequence)
        if facts is None:
            facts = facts_of(event_pb2.WatchEventsResponse.FromString(payload).event)
            if len(self._facts) >= FACTS_MAX:
                # All at once: what is asked for again comes again, and no order has to be kept.
                self._facts.clear()
            self._facts[sequence] = facts
        return facts
