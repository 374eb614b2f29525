"""All about machines and vehicles that move among people, in one step's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from equipment.report import Sample
from gateway.mine.alarms import AlarmBook
from gateway.mine.cards import Cards
from gateway.mine.cutters import Cutters
from gateway.mine.machine_fences import MachineFences
from gateway.mine.plan import MinePlan
from gateway.mine.poses import SAVE_PARTS, Poses
from gateway.mine.proximity import Proximity
from gateway.mine.record import StepRecord
from gateway.mine.roster import Roster
from positioning.observation import IdTable, Records

_S_NS: Final = 1_000_000_000


class MachineWatch:
    """Machines' places, fences and cutters, and nearness to vehicles."""

    def __init__(
        self, plan: MinePlan, table: IdTable, roster: Roster, cards: Cards, alarms: AlarmBook
    ) -> None:
        self._poses = Poses(plan, cards, table)
        self._fences = MachineFences(plan, self._poses, cards, roster, alarms)
        self._cutters = Cutters(plan.map, plan.machines, self._poses, alarms)
        mounted = {table.handle(card) for machine in plan.machines for card in machine.cards}
        self._proximity = Proximity(plan, roster, cards, alarms, mounted)
        self._second = -1

    def begin(self, state: Mapping[str, bytes], record: StepRecord) -> None:
        """Takes up what was known before a restart."""
        self._poses.restore(state, record.now_ns)
        self._fences.begin(record)
        self._cutters.begin()
        self._proximity.begin(state)

    def shift(self, by_ns: int) -> None:
        """Leaves out a time in which the gateway did not listen."""
        self._poses.shift(by_ns)

    def look(self, samples: Sequence[Sample], fixes: Records, record: StepRecord) -> None:
        """Takes what is new, after the cards have taken their places."""
        second = record.now_ns // _S_NS
        everyone, self._second = second != self._second, second
        changed = self._poses.look(samples, record)
        self._fences.look(fixes, changed, record, everyone=everyone)
        if everyone:
            self._cutters.look(record)
            self._proximity.look(record)
            self._poses.save(record, second % SAVE_PARTS)
