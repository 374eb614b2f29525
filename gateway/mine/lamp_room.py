"""What the lamp room looks after: whose card is whose, what cards are up to, and who was below."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.mine.alarms import AlarmBook
from gateway.mine.attendance import Attendance
from gateway.mine.cards import Cards
from gateway.mine.change import Batch
from gateway.mine.clocks import Clocks
from gateway.mine.issue import IssueBook, Parts
from gateway.mine.leaps import LeapWatch
from gateway.mine.ledger import Ledger
from gateway.mine.muster import MusterBook
from gateway.mine.occupancy import Occupancy
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from gateway.mine.roster import Roster
from gateway.mine.route_watch import RouteWatch
from gateway.mine.twins import TwinWatch


class LampRoom:
    """Its books, and the watches over cards and clocks."""

    def __init__(
        self,
        plan: MinePlan,
        *,
        roster: Roster,
        cards: Cards,
        occupancy: Occupancy,
        alarms: AlarmBook,
        muster: MusterBook,
        routes: RouteWatch,
        state: Mapping[str, bytes],
    ) -> None:
        """Takes up what was kept before a restart."""
        self.ledger = Ledger(plan, roster=roster, cards=cards, occupancy=occupancy, state=state)
        self.attendance = Attendance(cards, roster, self.ledger.shifts)
        parts = Parts(cards, roster, occupancy, alarms, muster, routes, self.ledger)
        self.issue = IssueBook(plan.holders, parts, state)
        self._clocks = Clocks(plan.devices, alarms)
        self._leaps = LeapWatch(plan, roster, cards, alarms)
        self._twins = TwinWatch(
            plan.dual_card, roster=roster, cards=cards, alarms=alarms, state=state
        )

    def begin(self, record: StepRecord) -> None:
        """Goes on after a restart, once all cards are where they were."""
        self._clocks.drop_unknown(record)
        self.ledger.begin(record)

    def watch(self, batch: Batch, misplaced: NDArray[np.bool_], record: StepRecord) -> None:
        """Looks at clocks and cards; (anchors,) `misplaced` are those that say nothing of use."""
        self._clocks.note(batch.clocks, record)
        self._leaps.note(batch.measurements, misplaced, record)
        self._twins.look(record)

    def end(self, record: StepRecord) -> None:
        """Keeps what was not yet kept."""
        self.ledger.exposure.save_all(record)

    def count(self, record: StepRecord) -> set[int]:
        """Counts what the step has told, after the acts; the cards that acts have moved."""
        self.ledger.note(record)
        self.issue.note(record.events, record)
        return self.issue.take_changed()
