"""What one step has to tell and to keep, gathered while it runs."""

from __future__ import annotations

from gateway.mine.change import Alarm, Answer, Event, EventKind, Place


class StepRecord:
    """The events of a step, numbered on from `first_sequence`, and the state to keep with them."""

    def __init__(self, first_sequence: int, now_ns: int) -> None:
        self._next = first_sequence
        self.now_ns = now_ns
        self.events: list[Event] = []
        self.state: dict[str, bytes | None] = {}
        self.alarms: dict[str, Alarm] = {}
        self.answers: list[Answer] = []

    @property
    def next_sequence(self) -> int:
        """The number that the next event gets."""
        return self._next

    def event(
        self,
        kind: EventKind,
        event_t_ns: int,
        *,
        card: str = "",
        zone: str = "",
        device: str = "",
        anchor: str = "",
        alarm: Alarm | None = None,
        place: Place | None = None,
        text: str = "",
        count: int = 0,
        drill: bool = False,
        shift: str = "",
        hazard: str = "",
        group: str = "",
    ) -> None:
        """Adds an event."""
        self.events.append(
            Event(
                sequence=self._next,
                kind=kind,
                event_t_ns=event_t_ns,
                record_t_ns=self.now_ns,
                card=card,
                zone=zone,
                device=device,
                anchor=anchor,
                alarm=alarm,
                place=place,
                text=text,
                count=count,
                drill=drill,
                shift=shift,
                hazard=hazard,
                group=group,
            )
        )
        self._next += 1
