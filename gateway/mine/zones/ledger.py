"""All that is counted over shifts: ways in and out, visits, exposure; they follow the events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from gateway.mine.people.cards import Cards
from gateway.mine.people.exposure import ExposureBook
from gateway.mine.people.roster import Roster
from gateway.mine.people.shifts import Shifts
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from gateway.mine.zones.flows import MINE, FlowBook
from gateway.mine.zones.occupancy import Occupancy
from gateway.mine.zones.visits import VisitBook

_S_NS: Final = 1_000_000_000


class Ledger:
    """The books, which take each event once."""

    def __init__(
        self,
        plan: MinePlan,
        *,
        roster: Roster,
        cards: Cards,
        occupancy: Occupancy,
        state: Mapping[str, bytes],
    ) -> None:
        """Takes up what was kept before a restart."""
        kept = plan.attendance.shifts_kept
        early_ns = round(plan.attendance.early_s * _S_NS)
        self.shifts = Shifts(plan.shifts, plan.timezone, early_ns=early_ns)
        self.flows = FlowBook(state)
        self.visits = VisitBook(self.shifts, kept, state)
        self.exposure = ExposureBook(
            self.shifts, kept, roster=roster, cards=cards, occupancy=occupancy, state=state
        )
        self._roster = roster
        self._cards = cards
        self._occupancy = occupancy
        self._next = 0  # events before this are taken

    def begin(self, record: StepRecord) -> None:
        """Goes on after a restart, once all cards are where they were."""
        below = int(np.count_nonzero(self._cards.below_ns))
        self.flows.begin({MINE: below, **self._occupancy.counts()}, record)
        self.visits.begin(self._cards, self._roster, record)
        self.exposure.begin(record)
        self._next = record.next_sequence

    def note(self, record: StepRecord) -> None:
        """Takes what the step has told so far."""
        events = [event for event in record.events if event.sequence >= self._next]
        self._next = record.next_sequence
        self.flows.note(events, record)
        self.visits.note(events, self._roster, record)
        self.exposure.note(events, record)

    def move(self, old: str, new: str, record: StepRecord) -> None:
        """A person's visit and time in zones go on with another card."""
        self.note(record)
        self.visits.move(old, new, record)
        handles = self._roster.handle(old), self._roster.handle(new)
        if not self._cards.below_ns[handles[1]]:  # else each has been counted as it is
            self.exposure.move(*handles)

    def use(self, plan: MinePlan, record: StepRecord, *, counts_anew: bool) -> None:
        """Takes over other shifts; `note` must have been called before.

        `counts_anew`: what is counted, and how, has changed: zones, teams or shifts.
        """
        most, early_ns = plan.attendance.shifts_kept, round(plan.attendance.early_s * _S_NS)
        self.shifts.use(plan.shifts, plan.timezone, early_ns=early_ns)
        if counts_anew:
            self.visits.reload(most, record)
            self.exposure.use(most, record)
            self.reload(record)
        self.note(record)

    def reload(self, record: StepRecord) -> None:
        """It has changed who has which card."""
        self.note(record)
        self.exposure.reload(record.now_ns)
