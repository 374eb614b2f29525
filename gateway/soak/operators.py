"""Operators at work: each act is asked for until it is answered, and done once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.mine.alarms.families import ENDED_BY_OPERATORS
from gateway.mine.change import Act, ActKind, Changes, EventKind
from gateway.mine.muster.card import MusterCall
from gateway.soak.alarm_life import AlarmLife
from gateway.soak.hazard_room import HazardRoom
from gateway.soak.holding import Holding
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.plan import Kind, SoakSettings
from gateway.soak.walkers import Doing, Walkers

_S_NS: Final = 1_000_000_000
#: More people, more acts.
ACTS_OF: Final = 100
#: How long an alarm is shelved, seconds, and what of its longest time a muster lasts at least.
SHELVED_S: Final = (20.0, 300.0)
MUSTER_SHARE: Final = 0.15
#: How many of the cards that are replaced have an open alarm, if there are any.
ALARMED_SHARE: Final = 0.6
#: Families that are taken out of service now and then.
OUT: Final = ("low_battery", "overtime")
_DONE: Final = {
    ActKind.ACKNOWLEDGE: EventKind.ALARM_ACKNOWLEDGED,
    ActKind.RESET: EventKind.ALARM_CLEARED,
    ActKind.CARD_ISSUE: EventKind.CARD_ISSUED,
    ActKind.CARD_RETURN: EventKind.CARD_RETURNED,
    ActKind.CARD_REPLACE: EventKind.CARD_REPLACED,
    ActKind.MUSTER_OPEN: EventKind.MUSTER_OPENED,
    ActKind.MUSTER_CLOSE: EventKind.MUSTER_CLOSED,
}


class Operators:
    """What is asked for, and what was answered."""

    def __init__(
        self,
        settings: SoakSettings,
        ledger: Ledger,
        life: AlarmLife,
        holding: Holding,
        walkers: Walkers,
    ) -> None:
        self._rng = np.random.default_rng((settings.seed, 7))
        self._ledger, self._life, self._holding = ledger, life, holding
        self._walkers, self._kinds = walkers, settings.kinds
        self._cards = settings.cards
        self.hazards = HazardRoom(settings.seed, ledger)
        self._pending: dict[str, Act] = {}
        self._answered: dict[str, tuple[Act, str]] = {}
        self._count = 0
        self._next_s = 0.0
        self._gap_s = settings.act_gap_s * min(ACTS_OF / settings.people, 1.0)
        self._most_s = settings.muster_most_s
        #: The muster that is open, until when.
        self.muster = ""
        self._muster_until_s = 0.0
        self._without: list[str] = []  # people who have no card
        self.done: dict[str, int] = {}
        self._persons: dict[str, str] = {}  # card to person, before the step at hand

    def due(self, second: int, now_ns: int) -> tuple[Act, ...]:
        """What is asked for in this second: all that was not answered yet, and what is new."""
        while second >= self._next_s:
            self._next_s = max(self._next_s, second) + float(self._rng.exponential(self._gap_s))
            act = self._think(second, now_ns)
            if act and act.request_id not in self._pending:
                self._pending[act.request_id] = act
        acts = tuple(self._pending.values())
        self._persons = dict(self._holding.persons)
        self._ledger.handed = dict(self._handed(acts))
        return acts

    def _handed(self, acts: tuple[Act, ...]) -> Iterator[tuple[str, str]]:
        for act in acts:
            if act.kind in (ActKind.CARD_REPLACE, ActKind.CARD_RETURN):
                old, _, new = act.subject.partition("/")
                yield old, new
                if new:
                    yield new, ""

    def _think(self, second: int, now_ns: int) -> Act | None:
        self._count += 1
        name, chance = f"act-{self._count}", float(self._rng.random())
        if self.muster and second >= self._muster_until_s:
            return Act(name, "dispatcher", ActKind.MUSTER_CLOSE, self.muster, "it is over")
        if chance < 0.45:
            return self._on_alarm(name, now_ns)
        if chance < 0.75:
            return self.hazards.think(name, now_ns)
        if chance < 0.93:
            return self._in_lamp_room(name)
        if chance < 0.97:
            return self._muster(name, second)
        if self._answered:  # the same again
            known = list(self._answered)[-50:]
            return self._answered[known[int(self._rng.integers(len(known)))]][0]
        return None

    def _on_alarm(self, name: str, now_ns: int) -> Act | None:
        rng, alive = self._rng, self._life.alive
        if not alive:
            return None
        chance = float(rng.random())
        alarm = list(alive)[int(rng.integers(len(alive)))]
        if chance < 0.55:
            return Act(name, "dispatcher", ActKind.ACKNOWLEDGE, alarm)
        if chance < 0.7:
            until_ns = now_ns + round(float(rng.uniform(*SHELVED_S)) * _S_NS)
            return Act(name, "dispatcher", ActKind.SHELVE, alarm, "known", until_ns)
        if chance < 0.8:
            latched = [one.id for one in alive.values() if one.latched]
            return Act(name, "dispatcher", ActKind.RESET, latched[0] if latched else alarm)
        if chance < 0.85:
            return Act(name, "dispatcher", ActKind.UNSHELVE, alarm)
        if chance < 0.95:
            rule = str(rng.choice(OUT))
            hidden = any(key.rule == rule and not key.card for key in self._life.hidden)
            kind = ActKind.IN_SERVICE if hidden else ActKind.OUT_OF_SERVICE
            return Act(name, "engineer", kind, rule, "maintenance")
        return Act(name, "dispatcher", ActKind.ACKNOWLEDGE, "signal_lost-0")

    def _in_lamp_room(self, name: str) -> Act | None:
        rng, holding = self._rng, self._holding
        spare = [
            card
            for card in self._free()
            if self._kinds[self._number(card)] == Kind.SPARE or card in holding.spare
        ]
        if self._without and rng.random() < 0.6:
            person = self._without[0]
            card = person if person not in holding.persons else (spare or [person])[0]
            return Act(name, "lamp room", ActKind.CARD_ISSUE, f"{card}/{person}")
        held = [card for card, one in holding.persons.items() if holding.listed[one].is_person]
        if not held:
            return None
        card = held[int(rng.integers(len(held)))]
        # What goes on with another card is more where something is wrong already.
        is_alarmed = self._ledger.any_alarmed()
        alarmed = [one for one in held if is_alarmed[self._number(one)]]
        if alarmed and rng.random() < ALARMED_SHARE:
            card = alarmed[int(rng.integers(len(alarmed)))]
        number, walkers = self._number(card), self._walkers
        if rng.random() < 0.5 and spare:
            if self._is_single(number):
                return Act(name, "lamp room", ActKind.CARD_REPLACE, f"{card}/{spare[0]}")
            return None
        numbers = [self._number(one) for one in held]
        away = walkers.doing[np.array(numbers, np.int64)] == Doing.AWAY
        above = [held[row] for row in np.flatnonzero(away).tolist()]
        if above and rng.random() < 0.8:
            card = above[int(rng.integers(len(above)))]
        return Act(name, "lamp room", ActKind.CARD_RETURN, card)

    def _free(self) -> list[str]:
        """Cards that nobody has, and that nobody carries."""
        busy = self._walkers.below
        return [
            card
            for number, card in enumerate(self._cards)
            if card not in self._holding.persons
            and not busy[number]
            and self._is_single(number)
            and np.isinf(self._walkers.until_s[number])
        ]

    def _is_single(self, number: int) -> bool:
        with_ = self._walkers.carried_with
        return with_[number] < 0 and not (with_ == number).any()

    def _number(self, card: str) -> int:
        return self._ledger.number[card]

    def _muster(self, name: str, second: int) -> Act:
        rng = self._rng
        zones = () if rng.random() < 0.5 else ("face_3101", "heading_3105")
        call = MusterCall(zones, drill=bool(rng.random() < 0.5))
        self._muster_until_s = second + self._most_s * float(rng.uniform(MUSTER_SHARE, 1.0))
        return Act(name, "dispatcher", ActKind.MUSTER_OPEN, call.text, "smoke")

    def check(self, changes: Changes, acts: tuple[Act, ...]) -> Iterator[Complaint]:
        """Takes the answers of a step."""
        if len(changes.answers) != len(acts):
            found = f"{len(changes.answers)}"
            yield Complaint("answered", "", "", f"{len(acts)} answers", found)
        for answer, act in zip(changes.answers, acts, strict=False):
            self._pending.pop(act.request_id, None)
            before = self._answered.get(act.request_id)
            if answer.again != (before is not None) or (before and before[1] != answer.refusal):
                expected = f"again: {before is not None}, {before}"
                found = f"again: {answer.again}, {answer.refusal!r}"
                yield Complaint("done once", "", act.request_id, expected, found)
            if before:
                continue
            self._answered[act.request_id] = act, answer.refusal
            yield from self._judge(act, answer.refusal, changes)
            if not answer.refusal:
                self.done[act.kind] = self.done.get(act.kind, 0) + 1
        if changes.muster:
            muster = changes.muster.muster  # a limit may have opened it
            self.muster = muster.id if muster.is_open else ""
        yield from self.hazards.check(changes)

    def _judge(self, act: Act, refusal: str, changes: Changes) -> Iterator[Complaint]:
        kind = _DONE.get(act.kind)
        if kind and not refusal and not any(event.kind is kind for event in changes.events):
            yield Complaint("act told", "", act.kind, kind.name, "no such event")
        if refusal and act.kind is ActKind.ACKNOWLEDGE:
            life = self._life.alive.get(act.subject)
            if life and not life.acked:
                yield Complaint("may be acknowledged", "", act.subject, "done", refusal)
        if act.kind is ActKind.RESET and refusal:
            life = self._life.alive.get(act.subject)
            ends = life and ((life.latched and life.acked) or life.key.rule in ENDED_BY_OPERATORS)
            if life and life.is_open and ends:
                yield Complaint("may be reset", "", act.subject, "done", refusal)
        if act.kind is ActKind.OUT_OF_SERVICE and refusal:
            yield Complaint("may be taken out", "", act.subject, "done", refusal)
        if refusal:
            return
        card, _, other = act.subject.partition("/")
        if act.kind is ActKind.CARD_RETURN:
            self._without.append(self._persons[card])
        elif act.kind is ActKind.CARD_ISSUE and other in self._without:
            self._without.remove(other)
