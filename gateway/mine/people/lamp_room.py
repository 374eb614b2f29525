"""What the lamp room looks after: whose card is whose, what cards are up to, and who was below."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.mine.change import Batch
from gateway.mine.devices.clocks import Clocks
from gateway.mine.people.attendance import Attendance
from gateway.mine.people.issue import IssueBook, Parts
from gateway.mine.people.leaps import LeapWatch
from gateway.mine.people.twins import TwinWatch
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from gateway.mine.sameness import same
from gateway.mine.zones.ledger import Ledger


class LampRoom:
    """Its books, and the watches over cards and clocks."""

    def __init__(
        self,
        plan: MinePlan,
        parts: Parts,
        state: Mapping[str, bytes],
    ) -> None:
        """Takes up what was kept before a restart."""
        cards, roster, alarms = parts.cards, parts.roster, parts.alarms
        self.ledger = Ledger(
            plan, roster=roster, cards=cards, occupancy=parts.occupancy, state=state
        )
        self.attendance = Attendance(cards, roster, self.ledger.shifts)
        self.issue = IssueBook(plan.holders, parts, self.ledger, state)
        self._clocks = Clocks(plan.devices, alarms)
        self._leaps = LeapWatch(plan, roster, cards, alarms)
        self._twins = TwinWatch(
            plan.dual_card, roster=roster, cards=cards, alarms=alarms, state=state
        )

    def begin(self, state: Mapping[str, bytes], last_ns: int, record: StepRecord) -> None:
        """Goes on after a restart, once all cards are where they were.

        `last_ns`: when any card was last heard.
        """
        self.attendance.begin(state, last_ns, record)
        self._clocks.drop_unknown(record)
        self.ledger.begin(record)
        self.issue.warn_again(record)

    def rebase(self, plan: MinePlan, record: StepRecord) -> None:
        """Takes over another people.csv, before all parts that ask who has which card."""
        self.ledger.note(record)  # by the zones and shifts of before
        self.issue.rebase(plan.holders, record)

    def reload(self, before: MinePlan, plan: MinePlan, record: StepRecord) -> None:
        """Takes over the rest of another plan, once all cards are in their zones."""
        is_same = same(_counted_by(before), _counted_by(plan))
        self.ledger.use(plan, record, counts_anew=not is_same)
        self.issue.warn_again(record)
        self._clocks.reload(plan.devices, record)
        self._leaps.reload(plan)
        self._twins.reload(plan.dual_card)

    def shift(self, by_ns: int) -> None:
        """Leaves out a time in which the gateway did not listen."""
        for watch in (self._leaps, self._twins):
            watch.shift(by_ns)

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


def _counted_by(plan: MinePlan) -> tuple[object, ...]:
    """What of a plan says how time is counted."""
    zones = tuple(zone.id for zone in plan.map.zones)
    return zones, plan.holders, plan.shifts, plan.timezone, plan.attendance
