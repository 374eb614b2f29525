"""Who is in the fence of a machine, and which machines are not known well enough."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from shapely import Polygon

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.machines.plan import Machine
from gateway.mine.machines.poses import Poses
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from positioning.fences import Fence, FenceMembership
from positioning.observation import Records
from positioning.polygons import Floats

DANGER_PROXIMITY: Final = "danger_proximity"
MACHINE_UNCERTAIN: Final = "machine_uncertain"


@dataclass(slots=True)
class _Fenced:
    """A machine with a fence: who is in it, in its wider one, and for whom the alarm has begun.

    `mode` is whether its place is too old, and whether it runs, None before it has a place;
    `since_ns` is since when that is so, where it was otherwise before.
    """

    index: int
    machine: Machine
    within: dict[int, int] = field(default_factory=dict)  # since when, by card
    around: dict[int, int] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    mode: tuple[bool, bool] | None = None
    since_ns: int = 0


class MachineFences:
    """Compares people's places with the fences of machines.

    Each machine has two fences: its own, and one that is wider by its margin, which counts while
    the machine's place is too old to be believed. A card comes in and goes out as of a zone; where
    its place across the roadway is not known, it is on the centreline.
    """

    def __init__(
        self,
        plan: MinePlan,
        poses: Poses,
        cards: Cards,
        roster: Roster,
        alarms: AlarmBook,
        *,
        membership: FenceMembership,
    ) -> None:
        """`membership` is what `membership_of` makes of the plan."""
        machines = self._machines = plan.machines
        self._poses, self._cards, self._roster, self._alarms = poses, cards, roster, alarms
        fenced = [(i, machine) for i, machine in enumerate(machines) if machine.ring_m is not None]
        self._fenced = [_Fenced(index, machine) for index, machine in fenced]
        self._membership = membership
        self._rows = np.repeat([one.index for one in self._fenced], 2).astype(np.intp)
        self._of = {one.index: one for one in self._fenced}
        self._uncertain: set[AlarmKey] = set()
        self._looked = np.zeros(0, np.bool_)  # since everyone was, by card
        for one in self._fenced:
            one.mode = self._mode(one)

    def begin(self, record: StepRecord) -> None:
        """After a restart: who was in a fence is in it still; alarms of no machine end.

        Of which machine it was not known where it is, or whether it runs, it is not known still.
        """
        by_id = {one.machine.id: (number, one) for number, one in enumerate(self._fenced)}
        for key in self._alarms:
            if key.rule == DANGER_PROXIMITY and is_machine(key.machine):
                number, one = by_id.get(key.machine, (0, None))
                if one is None:
                    self._alarms.end(key, record.now_ns, record, _gone(key))
                    continue
                card = self._roster.handle(key.card)
                inside = self._membership.fences_of(card)
                self._membership.restore(card, [*inside, 2 * number, 2 * number + 1])
                one.within[card] = one.around[card] = record.now_ns
                one.begun.add(card)
            elif key.rule == MACHINE_UNCERTAIN:
                self._uncertain.add(key)
                self._poses.doubt(key.machine, record.now_ns)
        for one in self._fenced:
            self._note_mode(one, record)

    def go_on(self, before: MachineFences, record: StepRecord) -> None:
        """Takes over who was where with another configuration, and judges all by this one.

        Who was in the fence of a machine that has one still is in it, until it is looked for again.
        """
        by_id = {one.machine.id: number for number, one in enumerate(self._fenced)}
        index = []
        for old in before._fenced:
            number = by_id.get(old.machine.id, -1)
            index += [2 * number, 2 * number + 1] if number >= 0 else [-1, -1]
            if number >= 0:
                new = self._fenced[number]
                new.within, new.around, new.begun = old.within, old.around, old.begun
                new.mode, new.since_ns = old.mode, old.since_ns
        if self._membership is not before._membership:
            self._membership.go_on(before._membership, index)
        self._looked = before._looked
        self._uncertain = before._uncertain
        known = {machine.id for machine in self._machines}
        for key in self._alarms:
            if key.rule == MACHINE_UNCERTAIN and key.machine not in known:
                text = f"machine {key.machine} is no longer configured"
                self._alarms.close(key, record.now_ns, record, text)
                self._uncertain.discard(key)
            elif (
                key.rule == DANGER_PROXIMITY
                and is_machine(key.machine)
                and key.machine not in by_id
            ):
                self._alarms.close(key, record.now_ns, record, _gone(key))
        self.judge_again(record)

    def judge_again(self, record: StepRecord) -> None:
        """It has changed who has which card, or who may be within."""
        for one in self._fenced:
            self._judge(one, record)

    def take_out(self, card: int) -> None:
        """Nobody carries a card any more; its alarms are ended, or moved, by others."""
        if self._membership.fences_of(card):
            self._membership.restore(card, [])
        for one in self._fenced:
            one.within.pop(card, None)
            one.around.pop(card, None)
            one.begun.discard(card)

    def move(self, old: int, new: int) -> None:
        """Who had card `old` has `new` now, and is where they were."""
        inside = self._membership.fences_of(old)
        moved = [
            (among, among[old])
            for one in self._fenced
            for among in (one.within, one.around)
            if old in among
        ]
        begun = [one for one in self._fenced if old in one.begun]
        self.take_out(old)
        self._membership.restore(new, inside)
        for among, since_ns in moved:
            among[new] = since_ns
        for one in begun:
            one.begun.add(new)

    def look(
        self, fixes: Records, changed: set[int], record: StepRecord, *, everyone: bool
    ) -> None:
        """Takes the last places of the cards in `fixes`; at `everyone` also of all others.

        It is to be asked for once a second, because machines move too.

        `changed` are the machines of which it is known otherwise whether they run, or where.
        """
        if self._fenced:
            dirty = self._cross(fixes, everyone=everyone) | (changed & self._of.keys())
            for index in sorted(dirty):
                self._judge(self._of[index], record)
        if everyone or changed:
            self._tell_uncertain(record)

    def _cross(self, fixes: Records, *, everyone: bool) -> set[int]:
        """Notes who comes and goes; returns the machines whose fences someone has crossed."""
        last, person = self._cards.last, self._roster.person
        known = len(person)
        looked = np.zeros(known, np.bool_)
        looked[: len(self._looked)] = self._looked
        new = np.zeros(known, np.bool_)
        new[fixes["card"]] = True
        self._looked = new if everyone else looked | new
        rows = np.flatnonzero((new | ~looked if everyone else new) & person)
        rows = rows[last["fix_class"][rows] > 0]
        dirty = set()
        poses = self._poses.poses[self._rows]
        for crossing in self._membership.update(last, poses, rows):
            one = self._fenced[crossing.zone // 2]
            among = one.around if crossing.zone % 2 else one.within
            if crossing.entered:
                among[crossing.card] = int(last["t_ns"][crossing.row])
            else:
                among.pop(crossing.card, None)
            dirty.add(one.index)
        return dirty

    def _judge(self, one: _Fenced, record: StepRecord) -> None:
        """Raises and clears the alarms of one machine's fence."""
        wanted: dict[int, int] = {}
        self._note_mode(one, record)
        stale, runs = bool(self._poses.stale[one.index]), bool(self._poses.runs[one.index])
        if runs:
            wanted = {**one.around, **one.within} if stale else one.within
            wanted = {card: t for card, t in wanted.items() if not self._may_be_in(one, card)}
        for card in sorted(wanted.keys() - one.begun):
            text = f"card {self._roster.name(card)} is in the fence of {self._words(one, record)}"
            place = self._cards.last_place(card)
            # Who was beside it before it began to run is in danger since it runs.
            t_ns = max(wanted[card], one.since_ns)
            self._alarms.begin(self._key(one, card), t_ns, record, text, place)
        for card in sorted(one.begun - wanted.keys()):
            name = self._roster.name(card)
            text = f"card {name} is away from machine {one.machine.id}"
            if not runs:
                text = f"machine {one.machine.id} stands still; card {name} is beside it"
            elif self._may_be_in(one, card):
                text = f"card {name} may be in the fence of machine {one.machine.id} now"
            self._alarms.end(self._key(one, card), record.now_ns, record, text)
        one.begun = set(wanted)

    def _mode(self, one: _Fenced) -> tuple[bool, bool] | None:
        if not self._poses.is_placed(one.index):
            return None
        return bool(self._poses.stale[one.index]), bool(self._poses.runs[one.index])

    def _note_mode(self, one: _Fenced, record: StepRecord) -> None:
        before, one.mode = one.mode, self._mode(one)
        if before is not None and before != one.mode:
            one.since_ns = record.now_ns

    def _key(self, one: _Fenced, card: int) -> AlarmKey:
        return AlarmKey(DANGER_PROXIMITY, card=self._roster.name(card), machine=one.machine.id)

    def _words(self, one: _Fenced, record: StepRecord) -> str:
        words = f"machine {one.machine.id} ({one.machine.name})"
        if self._poses.stale[one.index]:
            age_s = self._poses.age_s(one.index, record.now_ns)
            words += f", whose place is {age_s:.0f} s old: {one.machine.margin_m:g} m are added"
        if self._poses.unsure[one.index]:
            words += "; whether it runs is not known"
        return words

    def _may_be_in(self, one: _Fenced, card: int) -> bool:
        """Whether a card is no person's, or one of the machine's crew's."""
        crew, holder = one.machine.crew, self._roster.holder(card)
        if not crew or not self._roster.person[card]:
            return not self._roster.person[card]
        name = self._roster.name(card)
        listed = {name, self._roster.person_of(name)}
        return not listed.isdisjoint(crew) or (holder is not None and holder.team in crew)

    def _tell_uncertain(self, record: StepRecord) -> None:
        """Raises and clears what is to be known of machines and is not."""
        found: dict[AlarmKey, str] = {}
        for index in np.flatnonzero(self._poses.stale | self._poses.unsure).tolist():
            machine = self._machines[index]
            found[AlarmKey(MACHINE_UNCERTAIN, machine=machine.id)] = self._doubt(index, record)
        for key in sorted(found.keys() - self._uncertain):
            self._alarms.begin(key, record.now_ns, record, found[key])
        for key in sorted(self._uncertain - found.keys()):
            text = f"machine {key.machine} is known again, or no longer configured"
            self._alarms.end(key, record.now_ns, record, text)
        self._uncertain = set(found)

    def _doubt(self, index: int, record: StepRecord) -> str:
        machine, doubts = self._machines[index], []
        if not self._poses.is_placed(index):
            doubts.append("its place was never known: it has no fence")
        elif self._poses.stale[index]:
            age_s = self._poses.age_s(index, record.now_ns)
            doubts.append(f"its place is {age_s:.0f} s old: its fence stands there")
        if self._poses.unsure[index]:
            doubts.append("whether it runs is not known: it is taken as running")
        return f"machine {machine.id} ({machine.name}): {'; '.join(doubts)}"


def is_machine(name: str) -> bool:
    """Whether an alarm's `machine` is a machine's id: a card's begins with a digit."""
    return name[:1].isalpha()


def membership_of(plan: MinePlan) -> FenceMembership:
    """Who is in the fences of a plan's machines, two for each that has one; nobody yet."""
    fences: list[Fence] = []
    for machine in plan.machines:
        if machine.ring_m is not None:
            rings_m = (machine.ring_m, _wider(machine.ring_m, machine.margin_m))
            fences += [Fence(machine.id, (ring_m,), machine.height_m) for ring_m in rings_m]
    return FenceMembership(fences, plan.map.roadways)


def _gone(key: AlarmKey) -> str:
    return f"machine {key.machine} has no fence any more"


def _wider(ring_m: Floats, margin_m: float) -> Floats:
    if not margin_m:
        return ring_m
    return np.array(Polygon(ring_m).buffer(margin_m).exterior.coords)
