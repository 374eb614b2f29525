"""All about machines and vehicles that move among people, in one step's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from equipment.report import Sample
from gateway.mine.alarms.book import AlarmBook
from gateway.mine.machines.cutters import Cutters
from gateway.mine.machines.fences import MachineFences, membership_of
from gateway.mine.machines.poses import SAVE_PARTS, Poses
from gateway.mine.machines.proximity import Proximity, nearness_of
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from gateway.mine.sameness import same
from positioning.fences import FenceMembership
from positioning.nearness import Nearness
from positioning.observation import IdTable, Records

_S_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MachineParts:
    """What takes time to make, and what the plan that runs has no part for; else None."""

    fences: FenceMembership | None = None
    nearness: Nearness | None = None

    @classmethod
    def of(cls, before: MinePlan, plan: MinePlan) -> MachineParts:
        """What `plan` needs anew; `before` is what runs."""
        old, new = before.map, plan.map
        rock = same(old.roadways, new.roadways)
        distances_m = (before.near.person_vehicle_m, before.near.vehicle_vehicle_m)
        is_near = rock and same(old.areas, new.areas) and any(distances_m)
        is_fenced = rock and same(_fences(before), _fences(plan))
        return cls(
            None if is_fenced else membership_of(plan), None if is_near else nearness_of(plan)
        )


class MachineWatch:
    """Machines' places, fences and cutters, and nearness to vehicles."""

    def __init__(
        self, plan: MinePlan, table: IdTable, roster: Roster, cards: Cards, alarms: AlarmBook
    ) -> None:
        self._table, self._roster, self._cards, self._alarms = table, roster, cards, alarms
        self._poses = Poses(plan, cards, table)
        self._membership = membership_of(plan)
        self._fences = self._fences_of(plan)
        self._cutters = Cutters(plan.map, plan.machines, self._poses, alarms)
        mounted, nearness = self._mounted(plan), nearness_of(plan)
        self._proximity = Proximity(plan, roster, cards, alarms, mounted=mounted, nearness=nearness)
        self._second = -1

    def _fences_of(self, plan: MinePlan) -> MachineFences:
        return MachineFences(
            plan,
            self._poses,
            self._cards,
            self._roster,
            self._alarms,
            membership=self._membership,
        )

    def _mounted(self, plan: MinePlan) -> set[int]:
        return {self._table.handle(card) for machine in plan.machines for card in machine.cards}

    def begin(self, state: Mapping[str, bytes], record: StepRecord) -> None:
        """Takes up what was known before a restart."""
        self._poses.restore(state, record)
        self._fences.begin(record)
        self._cutters.begin()
        self._proximity.begin(state)

    def reload(
        self,
        plan: MinePlan,
        parts: MachineParts,
        newest: Mapping[tuple[str, str], Sample],
        record: StepRecord,
    ) -> None:
        """Takes over other machines and rules, after the map, the roster and devices' values.

        Machines that stay go on as they are; `newest` is the last value of each point.
        """
        poses, fences = self._poses, self._fences
        self._poses = Poses(plan, self._cards, self._table)
        self._poses.go_on(poses, newest, record)
        self._membership = parts.fences or self._membership
        self._fences = self._fences_of(plan)
        self._fences.go_on(fences, record)
        self._cutters.reload(plan.map, plan.machines, self._poses, record)
        self._proximity.reload(plan, self._mounted(plan), parts.nearness, record)

    def judge_again(self, record: StepRecord) -> None:
        """It has changed who has which card."""
        self._fences.judge_again(record)
        self._proximity.judge_again(record)

    def take_out(self, card: int) -> None:
        """Nobody carries a card any more; its alarms are ended, or moved, by others."""
        self._fences.take_out(card)

    def move(self, old: int, new: int) -> None:
        """Who had card `old` has `new` now, and is where they were; so are their alarms."""
        self._fences.move(old, new)
        self._proximity.move(old, new)

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


def _fences(plan: MinePlan) -> tuple[object, ...]:
    """What of the machines says who is in their fences."""
    fenced = [machine for machine in plan.machines if machine.ring_m is not None]
    return tuple((one.id, one.ring_m, one.margin_m, one.height_m) for one in fenced)
