"""A soak: the core and the simulated mine, second by second, with every check after every step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from gateway.mine.change import Batch, Changes, EventKind
from gateway.mine.core import STEP_MOST_NS, Mine
from gateway.soak.faults import RING_S, Air
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.limits_truth import LimitsTruth
from gateway.soak.plan import START_NS, SoakSettings, device_of_anchors, plan_of
from gateway.soak.signs import Signs
from gateway.soak.truth import Truth, delivered
from gateway.soak.world import World
from hil_sim.roadgraph import Ints
from positioning.observation import IdTable, Records

_S_NS: Final = 1_000_000_000

#: The state that is kept is tried out so often, steps: building a core takes as long as hundreds.
REBUILD_EVERY: Final = 900
#: A run ends after so many broken laws: what follows says no more.
VIOLATIONS_MOST: Final = 20
#: Two cards nearer than this to one another may change hands.
SWAP_M: Final = 5.0
#: How probable it is that a gateway dies with a step that it has not kept.
UNSAVED_CHANCE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Violation:
    """A law that was broken, when and of whom."""

    second: int
    complaint: Complaint

    def text(self) -> str:
        """In words."""
        law, card, where, expected, found = self.complaint
        about = " ".join(word for word in (card, where) if word)
        hours, rest = divmod(self.second, 3600)
        at = f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
        return f"at {at}: {law}: {about}: expected {expected}; found {found}"


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    settings: SoakSettings
    violations: list[Violation] = field(default_factory=list)
    false_pairs: int = 0
    steps: int = 0
    seconds: int = 0
    events: int = 0
    raised: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    below_mean: float = 0.0
    judged_share: float = 0.0
    digest: str = ""


class Soak:
    """One run."""

    def __init__(self, settings: SoakSettings, violations_most: int = VIOLATIONS_MOST) -> None:
        self._settings, self._violations_most = settings, violations_most
        self._plan = plan = plan_of(settings)
        self._world = World(settings, plan)
        self._air = Air(settings, device_of_anchors(plan.map), plan.devices)
        self._ledger = Ledger(settings.cards, plan.map, self._world.depths)
        self._truth = Truth(plan, self._world, self._ledger)
        self._signs = Signs(plan, self._world, self._ledger, self._truth)
        self._limits = LimitsTruth(plan, self._world, self._ledger, self._truth)
        self._history: deque[Records] = deque(maxlen=RING_S)
        self._told: set[tuple[str, str, str]] = set()
        self._now_ns = START_NS
        self._listened_s = 0.0
        self._shape = (settings.people, len(plan.map.anchors))
        self._heard_only = np.ones(settings.people, np.bool_)
        if settings.only:
            self._heard_only[:] = np.isin(settings.cards, settings.only)
        self.outcome = Outcome(settings)
        self._below = self._judged = 0
        self._start(START_NS)

    def run(self) -> Outcome:
        """Runs to the end, or until too much is wrong."""
        end = round(self._settings.hours * 3600)
        away_until, rebuild = 0, False
        backlog: list[Records] = []
        for second in range(1, end + 1):
            measured = self._advance(second)
            table = self._air.table
            if away_until < second:
                for kind in ("restart", "stall"):
                    if table[kind].begins(second):
                        away_until, rebuild = int(table[kind].end_s) + 1, kind == "restart"
                        if rebuild and table[kind].rng.random() < UNSAVED_CHANCE:
                            self._step_unsaved(second, measured)
            backlog.append(measured)
            if second < away_until:
                continue
            if rebuild:
                self._restart(second)
                backlog = [*self._history, *backlog]
            rows = np.concatenate(backlog)
            self._history.append(measured)
            away_until, rebuild, backlog = 0, False, []
            self._step(second, rows)
            if len(self.outcome.violations) >= self._violations_most:
                break
        return self._end()

    def _advance(self, second: int) -> Records:
        """The world and the devices, whether or not the gateway is there."""
        measured = self._world.advance(second)
        self._signs.advance()
        self._truth.advance(second)
        if self._air.table["swap"].begins(second):
            self._swap(second)
        measured = self._air.pass_on(second, measured)
        heard: Records = measured[self._heard_only[measured["card"]]]
        return heard

    def _swap(self, second: int) -> None:
        rng, now = self._air.table["swap"].rng, self._world.now
        below = np.flatnonzero(now.below)
        if len(below) < 2:
            return
        one = int(rng.choice(below))
        away_m = np.hypot(*(now.place_m[below] - now.place_m[one])[:, :2].T)
        near = below[(away_m < SWAP_M) & (below != one)]
        if len(near):
            self._world.walkers.swap(one, int(near[0]))
            self._air.unsettle(np.array([one, near[0]]), second)

    def _start(self, now_ns: int) -> None:
        """A core from what is kept."""
        self._table = IdTable()
        self._handles = np.full(self._settings.people, -1, np.int64)
        first = self._ledger.sequence + 1
        self._mine = Mine(self._plan, self._table, first, self._ledger.state)
        nobody = np.zeros(self._settings.people, np.bool_)
        changes = self._mine.begin(now_ns)
        for number in map(self._ledger.number.__getitem__, self._table.names()):
            self._handles[number] = self._table.handle(self._settings.cards[number])
        self._note(changes, list(self._ledger.take(changes, nobody)), now_ns)

    def _restart(self, second: int) -> None:
        now_ns = START_NS + second * _S_NS
        self.outcome.restarts += 1
        self._signs.restarted(self._listened_s)
        self._start(now_ns)
        self._now_ns = now_ns
        self._air.connect_all(now_ns)
        self._air.unsettle(np.arange(self._settings.people), second)

    def _batch(self, rows: Records) -> Batch:
        """The same with the handles of this core."""
        rows = rows.copy()
        cards = rows["card"].astype(np.int64)
        for card in cards[np.sort(np.unique(cards, return_index=True)[1])].tolist():
            if self._handles[card] < 0:
                self._handles[card] = self._table.handle(self._settings.cards[card])
        rows["card"] = self._handles[cards]
        return Batch(rows, links=self._air.take_links())

    def _step_unsaved(self, second: int, rows: Records) -> None:
        """A step of which nothing is kept or told: the gateway dies with it."""
        self._mine.step(self._batch(rows), START_NS + second * _S_NS)

    def _step(self, second: int, rows: Records) -> None:
        now_ns = START_NS + second * _S_NS
        passed_ns = now_ns - self._now_ns
        if passed_ns > STEP_MOST_NS:
            self._air.unsettle(np.arange(self._settings.people), second)
        self._listened_s += min(passed_ns, STEP_MOST_NS) / _S_NS
        self._now_ns = now_ns
        changes = self._mine.step(self._batch(rows), now_ns)
        given = delivered(rows, self._numbers(), self._shape, now_ns, self._listened_s)
        complaints = list(self._ledger.take(changes, given.heard))
        complaints += self._truth.check(changes, given, self._air.unsettled_s)
        complaints += self._signs.check(changes, given, now_ns, self._air.down)
        complaints += self._limits.check(given)
        self.outcome.steps += 1
        self._below += int(self._world.now.below.sum())
        self._judged += int(self._truth.settled.sum())
        if self.outcome.steps % REBUILD_EVERY == 0:
            complaints += self._rebuilt(now_ns)
        self._note(changes, complaints, now_ns)

    def _numbers(self) -> Ints:
        """The numbers of cards by the handles of this core."""
        known = np.flatnonzero(self._handles >= 0)
        numbers = np.zeros(len(known), np.int64)
        numbers[self._handles[known]] = known
        return numbers

    def _rebuilt(self, now_ns: int) -> Iterator[Complaint]:
        """A core of what is kept by now must know the same."""
        table = IdTable()
        again = Mine(self._plan, table, self._ledger.sequence + 1, dict(self._ledger.state))
        changes = again.begin(now_ns)
        return self._ledger.compare(changes, table.names())

    def _note(self, changes: Changes, complaints: list[Complaint], now_ns: int) -> None:
        outcome, second = self.outcome, (now_ns - START_NS) // _S_NS
        outcome.seconds = second
        outcome.events += len(changes.events)
        for event in changes.events:
            if event.kind is EventKind.ALARM_RAISED and event.alarm:
                rule = event.alarm.rule
                outcome.raised[rule] = outcome.raised.get(rule, 0) + 1
        for complaint in complaints:
            if complaint[:3] not in self._told:  # what lasts is told once
                self._told.add(complaint[:3])
                outcome.violations.append(Violation(second, complaint))

    def _end(self) -> Outcome:
        outcome = self.outcome
        changes = self._mine.end(self._now_ns)
        nobody = np.zeros(self._settings.people, np.bool_)
        self._note(changes, list(self._ledger.take(changes, nobody)), self._now_ns)
        outcome.false_pairs = self._truth.false_pairs
        outcome.below_mean = self._below / max(outcome.steps, 1)
        outcome.judged_share = self._judged / max(self._below, 1)
        outcome.digest = self._ledger.digest
        return outcome


def run(settings: SoakSettings, violations_most: int = VIOLATIONS_MOST) -> Outcome:
    """Runs a soak, no further than to the step in which so many laws are broken."""
    return Soak(settings, violations_most).run()
