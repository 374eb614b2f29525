"""A soak: the core and the simulated mine, second by second, with every check after every step."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from equipment.report import Sample
from gateway.mine.change import Act, ActKind, Batch, Changes, EventKind
from gateway.mine.core import STEP_MOST_NS, Mine
from gateway.mine.devices.anchors import STATE_PREFIX
from gateway.mine.prepared import Reload, prepare
from gateway.soak.checks import Checks
from gateway.soak.depths import Depths
from gateway.soak.echo import heard_by_anchors, left_out
from gateway.soak.faults import RING_S, Air
from gateway.soak.kept import Kept
from gateway.soak.ledger import Complaint
from gateway.soak.other_plans import other_plans
from gateway.soak.plan import START_NS, SoakSettings, device_of_anchors, plan_of
from gateway.soak.shadow import Shadows
from gateway.soak.truth import delivered
from gateway.soak.world import World
from hil_sim.roadgraph import Ints
from hil_sim.sample_mine import RFID_IDS
from positioning.observation import IdTable, Records, rows_of

_S_NS: Final = 1_000_000_000

#: A run ends after so many broken laws: what follows says no more.
VIOLATIONS_MOST: Final = 20
#: Two cards nearer than this to one another may change hands.
SWAP_M: Final = 5.0
#: How probable it is that a gateway dies with a step that it has not kept.
UNSAVED_CHANCE: Final = 0.5
#: How probable it is that after a standstill the gateway takes a step before it has new data.
LAGS_CHANCE: Final = 0.5
#: For how long someone carries another's card, seconds.
BOTH_S: Final = (300.0, 1500.0)


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
    #: All events, by kind, and what operators did.
    told: dict[str, int] = field(default_factory=dict)
    acts: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    reloads: int = 0
    below_mean: float = 0.0
    judged_share: float = 0.0
    digest: str = ""


class Soak:
    """One run."""

    def __init__(self, settings: SoakSettings, violations_most: int = VIOLATIONS_MOST) -> None:
        self._settings, self._violations_most = settings, violations_most
        self._plan = plan = plan_of(settings)
        self._world = World(settings, plan)
        self._air = Air(settings, device_of_anchors(plan.map), plan.devices, len(RFID_IDS))
        self._checks = Checks(settings, plan, self._world, self._air)
        self._ledger = self._checks.ledger
        self._kept = Kept()
        self._shadows = Shadows(settings.shadow_every)
        #: The configurations that come next, in turn, and how their maps lie.
        self._next_plans = deque((*other_plans(settings, plan), plan))
        self._depths = {id(plan.map): self._world.depths}
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
        table = self._air.table
        for second in range(1, end + 1):
            measured = self._advance(second)
            if away_until < second:
                away_until, rebuild = self._away(second, measured)
            backlog.append(measured)
            if second < away_until:
                continue
            if rebuild:
                self._restart(second)
                backlog = [*self._history, *backlog]
            self._history.append(measured)
            stalled = bool(away_until) and not rebuild
            away_until, rebuild = 0, False
            if stalled and table["stall"].rng.random() < LAGS_CHANCE:
                self._step(second, measured[:0])  # all of it comes a second later
                continue
            rows, backlog = np.concatenate(backlog) if len(backlog) > 1 else measured, []
            self._step(second, rows)
            if table["reload"].begins(second):
                self._reload(second)
            if len(self.outcome.violations) >= self._violations_most:
                break
        if rebuild:  # the run ends while no gateway is there
            self._restart(end)
        return self._end()

    def _away(self, second: int, measured: Records) -> tuple[int, bool]:
        """Until when the gateway is away from now on, if it is, and whether it has died."""
        restart, stall = (self._air.table[kind] for kind in ("restart", "stall"))
        until, dies = 0, restart.begins(second)
        if dies:
            until = int(restart.end_s) + 1
            if restart.rng.random() < UNSAVED_CHANCE:
                self._step_unsaved(second, measured)
        if stall.begins(second):
            until = max(until, int(stall.end_s) + 1)
        return until, dies

    def _advance(self, second: int) -> Records:
        """The world and the devices, whether or not the gateway is there."""
        measured = self._world.advance(second)
        self._checks.advance(second)
        if self._air.table["swap"].begins(second):
            self._swap(second)
        if self._air.table["both"].begins(second):
            self._give(second)
        measured = self._air.pass_on(second, measured)
        return rows_of(measured, self._heard_only[measured["card"]])

    def _near_one(self, rng: np.random.Generator) -> tuple[int, int] | None:
        """Two people's cards, near one another, that nobody carries with another."""
        now, walkers = self._world.now, self._world.walkers
        with_ = walkers.carried_with
        single = now.below & (with_ < 0) & ~walkers.driven
        single[with_[with_ >= 0]] = False
        below = np.flatnonzero(single)
        if len(below) < 2:
            return None
        one = int(rng.choice(below))
        away_m = np.hypot(*(now.place_m[below] - now.place_m[one])[:, :2].T)
        near = below[(away_m < SWAP_M) & (below != one)]
        return (one, int(near[0])) if len(near) else None

    def _swap(self, second: int) -> None:
        pair = self._near_one(self._air.table["swap"].rng)
        if pair:
            self._world.walkers.swap(*pair)
            self._air.unsettle(np.array(pair), second)

    def _give(self, second: int) -> None:
        """Someone takes another's card along."""
        rng = self._air.table["both"].rng
        pair = self._near_one(rng)
        if pair:
            self._world.walkers.give(*pair, second + float(rng.uniform(*BOTH_S)))
            self._air.unsettle(np.array(pair), second)

    def _start(self, now_ns: int) -> None:
        """A core from what is kept."""
        self._table = IdTable()
        self._handles = np.full(self._settings.people, -1, np.int64)
        self._known: Ints = np.zeros(0, np.int64)  # the number of each handle's card
        first = self._ledger.sequence + 1
        self._mine = Mine(self._plan, self._table, first, self._ledger.state)
        changes = self._mine.begin(now_ns)
        self._kept.take(changes)
        complaints = [*self._checks.began(changes), *_started(changes)]
        self._note(changes, complaints, now_ns)
        self._shadows.begin(self._mine)

    def _restart(self, second: int) -> None:
        now_ns = START_NS + second * _S_NS
        self.outcome.restarts += 1
        self._checks.restarted(second, now_ns, self._listened_s)
        self._start(now_ns)
        self._now_ns = now_ns
        self._air.connect_all(now_ns)

    def _reload(self, second: int) -> None:
        """The configuration is read again, and has changed."""
        now_ns = START_NS + second * _S_NS
        before, plan = self._plan, self._next_plans[0]
        self._next_plans.rotate(-1)
        if id(plan.map) not in self._depths:
            self._depths[id(plan.map)] = Depths(plan.map, self._world.graph)
        depths, self._plan = self._depths[id(plan.map)], plan
        refused = self._refuse(now_ns)
        act = Act(f"reload-{second}", "engineer", ActKind.CONFIGURATION_RELOAD, "mine")
        reload = Reload("changed", prepare(before, plan), act)
        changes = self._mine.reload(reload, now_ns)
        complaints = [*refused, *self._checks.reloaded(changes, plan, depths)]
        complaints += _answered(changes, EventKind.CONFIGURATION_CHANGED, "")
        self._kept.take(changes)
        self.outcome.reloads += 1
        self._shadows.begin(self._mine)
        self._shadows.restart(self._mine, self._plan, self._table, self._ledger.state)
        self._note(changes, complaints, now_ns)

    def _refuse(self, now_ns: int) -> list[Complaint]:
        """Before, something is read that is wrong: nothing changes."""
        act = Act(f"refused-{now_ns}", "engineer", ActKind.CONFIGURATION_RELOAD, "mine")
        changes = self._mine.reload(Reload("it is wrong", act=act), now_ns)
        complaints = list(self._checks.refused(changes))
        self._kept.take(changes)
        complaints += _answered(changes, EventKind.CONFIGURATION_REFUSED, "it is wrong")
        self._note(changes, complaints, now_ns)
        return complaints

    def _batch(self, rows: Records, acts: tuple[Act, ...], samples: tuple[Sample, ...]) -> Batch:
        """The same with the handles of this core."""
        rows = rows.copy()
        cards = rows["card"].astype(np.int64)
        new = cards[self._handles[cards] < 0]
        for card in dict.fromkeys(new.tolist()):
            self._handles[card] = self._table.handle(self._settings.cards[card])
        rows["card"] = self._handles[cards]
        air = self._air
        links, notices, clocks = air.take_links(), air.take_notices(), air.take_clocks()
        return Batch(rows, samples, links, notices, acts, clocks)

    def _step_unsaved(self, second: int, rows: Records) -> None:
        """A step of which nothing is kept or told: the gateway dies with it."""
        now_ns = START_NS + second * _S_NS
        acts, samples = self._checks.operators.due(second, now_ns), self._samples(now_ns)
        self._mine.step(self._batch(rows, acts, samples), now_ns)

    def _samples(self, now_ns: int) -> tuple[Sample, ...]:
        return self._air.heard_of(self._world.fleet.samples(now_ns))

    def _step(self, second: int, rows: Records) -> None:
        now_ns = START_NS + second * _S_NS
        passed_ns = now_ns - self._now_ns
        if passed_ns > STEP_MOST_NS:
            self._checks.unsettle(second)
        self._listened_s += min(passed_ns, STEP_MOST_NS) / _S_NS
        self._now_ns = now_ns
        acts, samples = self._checks.operators.due(second, now_ns), self._samples(now_ns)
        batch = self._batch(rows, acts, samples)
        self._shadows.ready(self._table)
        rejected = left_out(self._mine)
        changes = self._mine.step(batch, now_ns)
        late = left_out(self._mine) - rejected
        # What was measured of a card before it was handed in says nothing of now.
        rows = rows_of(rows, rows["t_ns"] > self._checks.gone_ns[rows["card"]])
        given = delivered(rows, self._numbers(), self._shape, now_ns, self._listened_s)
        complaints = list(
            self._checks.stepped(changes, given, acts, samples, (batch.notices, late))
        )
        self.outcome.steps += 1
        self._below += int(self._world.now.below.sum())
        self._judged += int(self._checks.truth.settled.sum())
        self._kept.take(changes)
        if self.outcome.steps % self._settings.rebuild_every == 0:
            complaints += self._rebuilt(now_ns)
        complaints += self._shadows.follow(batch, changes)
        self._shadows.make(self._mine, self._plan, self._table, self._ledger.state)
        self._note(changes, complaints, now_ns)

    def _numbers(self) -> Ints:
        """The numbers of cards by the handles of this core."""
        known = len(self._known)
        if len(self._table) > known:
            names = self._table.names()[known:]
            new = np.array([self._ledger.number[name] for name in names], np.int64)
            self._handles[new] = np.arange(known, known + len(new))
            self._known = np.concatenate([self._known, new])
        return self._known

    def _rebuilt(self, now_ns: int) -> Iterator[Complaint]:
        """A core of what is kept by now must know the same."""
        table = IdTable()
        again = Mine(self._plan, table, self._ledger.sequence + 1, dict(self._ledger.state))
        changes = again.begin(now_ns)
        yield from self._ledger.compare(changes, table.names())
        yield from self._kept.compare(changes)

    def _anchors_kept(self) -> Iterator[Complaint]:
        """At the end all is kept that was learnt of anchors; what has faded is not kept at once."""
        heard = heard_by_anchors(self._mine)
        for anchor, count in zip(self._plan.map.anchors, heard, strict=True):
            kept = self._ledger.state.get(STATE_PREFIX + anchor.id)
            known = json.loads(kept)["stats"]["heard"] if kept else 0
            if known < count:
                expected = f"heard {count} times"
                yield Complaint("kept anchor", "", anchor.id, expected, str(known))

    def _note(self, changes: Changes, complaints: list[Complaint], now_ns: int) -> None:
        outcome, second = self.outcome, (now_ns - START_NS) // _S_NS
        outcome.seconds = second
        outcome.events += len(changes.events)
        for event in changes.events:
            name = event.kind.name.lower()
            outcome.told[name] = outcome.told.get(name, 0) + 1
            if event.kind is EventKind.ALARM_RAISED and event.alarm:
                rule = event.alarm.rule
                outcome.raised[rule] = outcome.raised.get(rule, 0) + 1
        for complaint in complaints:
            if complaint[:3] not in self._told:  # what lasts is told once
                self._told.add(complaint[:3])
                outcome.violations.append(Violation(second, complaint))

    def _end(self) -> Outcome:
        outcome, checks = self.outcome, self._checks
        changes = self._mine.end(self._now_ns)
        complaints = [*checks.ended(changes, self._listened_s), *self._shadows.end(changes)]
        self._kept.take(changes)
        complaints += self._rebuilt(self._now_ns)
        complaints += self._anchors_kept()
        self._note(changes, complaints, self._now_ns)
        outcome.false_pairs = checks.truth.false_pairs
        outcome.below_mean = self._below / max(outcome.steps, 1)
        outcome.judged_share = self._judged / max(self._below, 1)
        outcome.digest = self._ledger.digest
        outcome.acts = dict(checks.operators.done)
        return outcome


def _started(changes: Changes) -> Iterator[Complaint]:
    """A start is told, and of how many cards something is known."""
    known = [event.count for event in changes.events if event.kind is EventKind.GATEWAY_STARTED]
    if len(known) != 1 or known[0] < changes.headcount.underground:
        expected = f"once, with {changes.headcount.underground} cards or more"
        yield Complaint("start told", "", "", expected, str(known))


def _answered(changes: Changes, kind: EventKind, refusal: str) -> Iterator[Complaint]:
    """A reload is told by one event, before all others, and is answered."""
    found = [answer.refusal for answer in changes.answers]
    kinds = [event.kind for event in changes.events]
    if found != [refusal] or kinds[0] is not kind or kinds.count(kind) != 1:
        yield Complaint("reload answered", "", kind.name, refusal or "done", f"{found} {kinds[:3]}")


def run(settings: SoakSettings, violations_most: int = VIOLATIONS_MOST) -> Outcome:
    """Runs a soak, no further than to the step in which so many laws are broken."""
    return Soak(settings, violations_most).run()
