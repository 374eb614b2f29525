"""The attendance list: who was below from when to when, and for which shift.

It follows `MINE_ENTERED` and `MINE_LEFT` of the same step, and is kept with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
from pydantic_core import from_json, to_json

from gateway.mine.change import Event, EventKind
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.people.shifts import Shifts, ShiftSpan
from gateway.mine.record import StepRecord

#: Where the journal's state holds visits.
STATE_PREFIX: Final = "visit/"


@dataclass(frozen=True, slots=True)
class Visit:
    """One way into the mine, and out of it again: `out_ns` is None while they are below.

    `name`, `team` and `leader` are those of when they came down.
    """

    card: str
    in_ns: int
    shift: ShiftSpan
    out_ns: int | None = None
    name: str = ""
    team: str = ""
    leader: bool = False
    person: str = ""

    @property
    def key(self) -> tuple[int, str]:
        """Of all visits the only one: when it began, and with which card it goes on."""
        return self.in_ns, self.card

    def spent_ns(self, now_ns: int) -> int:
        """How long they were below, or have been until now."""
        return max((now_ns if self.out_ns is None else self.out_ns) - self.in_ns, 0)


class VisitBook:
    """The visits of the last shifts, oldest first; of older ones those that are not over."""

    def __init__(self, shifts: Shifts, most: int, state: Mapping[str, bytes]) -> None:
        """Takes up those of before a restart. Visits of `most` shifts are kept."""
        self._shifts = shifts
        self._most = most
        kept = [_recall(value) for key, value in state.items() if key.startswith(STATE_PREFIX)]
        self._visits = {visit.key: visit for visit in sorted(kept, key=lambda one: one.key)}
        self._open = {one.card: one.key for one in self._visits.values() if one.out_ns is None}
        self._starts: set[int] = {visit.shift.start_ns for visit in kept}
        self._told: dict[tuple[int, str], Visit | None] = dict(self._visits)

    def begin(self, cards: Cards, roster: Roster, record: StepRecord) -> None:
        """Goes on after a restart: who is below has a visit, also where none was kept."""
        for card in np.flatnonzero(cards.below_ns > 0).tolist():
            name = roster.name(card)
            if name not in self._open:
                self._enter(name, int(cards.below_ns[card]), roster, record)
        for name in [one for one in self._open if not cards.below_ns[roster.handle(one)]]:
            self._leave(name, record.now_ns, record)

    def reload(self, most: int, record: StepRecord) -> None:
        """Keeps the visits of so many shifts from now on; each stays of the shift it was for."""
        if most < self._most:
            self._most = most
            self._trim(record)
        self._most = most

    def note(self, events: Sequence[Event], roster: Roster, record: StepRecord) -> None:
        """Takes what was told since this was called last: the ways in and out."""
        for event in events:
            if event.kind is EventKind.MINE_ENTERED:
                self._enter(event.card, event.event_t_ns, roster, record)
            elif event.kind is EventKind.MINE_LEFT:
                self._leave(event.card, event.event_t_ns, record)

    def open_of(self, card: str) -> Visit | None:
        """The visit of who is below with a card, if it is known of anyone."""
        key = self._open.get(card)
        return None if key is None else self._visits[key]

    def move(self, old: str, new: str, record: StepRecord) -> None:
        """A visit goes on with another card; one that was begun with that card goes into it."""
        key = self._open.pop(old, None)
        if key is None:
            return
        also = self._open.pop(new, None)
        if also is not None:
            self._forget(also, record)
        visit = self._visits[key]
        self._forget(key, record)
        self._put(replace(visit, card=new), record)
        if also is not None:  # it may have been the only one of its shift
            self._starts = {one.shift.start_ns for one in self._visits.values()}

    def take(self) -> dict[tuple[int, str], Visit | None]:
        """What has changed since this was asked last, by key; None where it is forgotten."""
        told, self._told = self._told, {}
        return told

    def _enter(self, card: str, t_ns: int, roster: Roster, record: StepRecord) -> None:
        handle = roster.handle(card)
        if not roster.person[handle]:
            return
        shift, holder = self._shifts.come_for(t_ns), roster.holder(handle)
        visit = Visit(card, t_ns, shift)
        if holder:
            visit = replace(
                visit,
                name=holder.name,
                team=holder.team,
                leader=holder.leader,
                person=roster.person_of(card),
            )
        self._put(visit, record)
        if shift.start_ns not in self._starts:
            self._starts.add(shift.start_ns)
            self._trim(record)

    def _leave(self, card: str, t_ns: int, record: StepRecord) -> None:
        key = self._open.pop(card, None)
        if key is None:
            return
        visit = self._visits[key]
        self._put(replace(visit, out_ns=max(t_ns, visit.in_ns)), record)

    def _put(self, visit: Visit, record: StepRecord) -> None:
        if visit.out_ns is None:
            self._open[visit.card] = visit.key
        self._visits[visit.key] = self._told[visit.key] = visit
        kept = asdict(visit)
        record.state[_state_key(visit.key)] = to_json(kept)

    def _forget(self, key: tuple[int, str], record: StepRecord) -> None:
        del self._visits[key]
        self._told[key] = None
        record.state[_state_key(key)] = None

    def _trim(self, record: StepRecord) -> None:
        """Forgets the oldest shifts; who came down in one and is below stays."""
        for start_ns in sorted(self._starts)[: -self._most]:
            of_shift = [one for one in self._visits.values() if one.shift.start_ns == start_ns]
            for visit in of_shift:
                if visit.out_ns is not None:
                    self._forget(visit.key, record)
            if all(visit.out_ns is not None for visit in of_shift):
                self._starts.discard(start_ns)


def _state_key(key: tuple[int, str]) -> str:
    in_ns, card = key
    return f"{STATE_PREFIX}{in_ns}/{card}"


def _recall(value: bytes) -> Visit:
    kept = from_json(value)
    return Visit(**{**kept, "shift": ShiftSpan(**kept["shift"])})
