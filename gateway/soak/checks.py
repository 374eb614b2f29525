"""All that is checked of a run, in order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from equipment.report import Notice, Sample
from gateway.mine.change import Act, ActKind, Changes
from gateway.mine.plan import MinePlan
from gateway.soak.alarm_life import AlarmLife
from gateway.soak.books import Books
from gateway.soak.depths import Depths
from gateway.soak.faults import Air
from gateway.soak.fleet_truth import FleetTruth
from gateway.soak.holding import Holding
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.limits_truth import LimitsTruth
from gateway.soak.muster_laws import MusterLaws
from gateway.soak.muster_truth import MusterTruth
from gateway.soak.names import Names
from gateway.soak.notice_laws import NoticeLaws
from gateway.soak.operators import Operators
from gateway.soak.plan import START_NS, SoakSettings, shift_starts
from gateway.soak.risk_truth import RiskTruth
from gateway.soak.routes_truth import RoutesTruth
from gateway.soak.signs import Signs
from gateway.soak.traffic_truth import TrafficTruth
from gateway.soak.truth import Delivered, Truth
from gateway.soak.twins_truth import TwinsTruth
from gateway.soak.world import World
from gateway.soak.writes import Writes

_OF_CARDS = (ActKind.CARD_ISSUE, ActKind.CARD_RETURN, ActKind.CARD_REPLACE)


class Checks:
    """The ledger of what was told, and the truths that it is compared with."""

    def __init__(self, settings: SoakSettings, plan: MinePlan, world: World, air: Air) -> None:
        self._world, self._air, self._plan = world, air, plan
        self._nobody = np.zeros(settings.people, np.bool_)
        #: When each card was handed in last.
        self.gone_ns = np.zeros(settings.people, np.int64)
        self.ledger = ledger = Ledger(settings.cards, plan.map, world.depths)
        self.holding = holding = Holding(settings.cards, plan.holders or {})
        self.life = AlarmLife(plan)
        self.truth = truth = Truth(plan, world, ledger, holding)
        self._signs = Signs(plan, world, ledger, truth, holding)
        self._limits = LimitsTruth(plan, world, ledger, truth)
        self._books = Books(ledger, holding, shift_starts(settings))
        self.muster = MusterTruth(plan.map, ledger)
        self.muster.gone_ns = self.gone_ns
        self._muster_laws = MusterLaws(ledger)
        self._notices, self._writes = NoticeLaws(), Writes()
        self._risk, self._names = RiskTruth(plan, ledger), Names(plan)
        self._routes = RoutesTruth(world, ledger, truth, holding)
        self._fleet = FleetTruth(plan, world, ledger, truth, holding)
        self._traffic = TrafficTruth(plan, world, ledger, truth, self._limits)
        self._twins = TwinsTruth(plan, world, ledger, truth)
        self.operators = Operators(settings, ledger, self.life, holding, world.walkers)
        self._use_holders()

    def _use_holders(self) -> None:
        self.ledger.leader = self.holding.mask("leader")
        self._muster_laws.person = self._risk.person = self.holding.person
        self._traffic.vehicle = self.holding.mask("is_vehicle")
        self.truth.reload(self._plan)
        self._signs.reload()
        self._routes.reload()
        self._fleet.reload()

    def advance(self, second: int) -> None:
        """Once a second of the world, also while the gateway is away."""
        self._signs.advance()
        self.truth.advance(second)
        self._traffic.advance()

    def began(self, changes: Changes) -> Iterator[Complaint]:
        """Takes what a core told when it began."""
        yield from self.ledger.take(changes, self._nobody)
        yield from self.ledger.attending(changes)
        yield from self.life.check(changes, ticks=False)
        yield from self._books.check(changes, handed=False)
        self._books.restarted()
        yield from self.muster.check(changes)
        yield from self._muster_laws.check(changes)
        yield from self._risk.check(changes)

    def ended(self, changes: Changes, listened_s: float) -> Iterator[Complaint]:
        """Takes what a core told when it ended."""
        yield from self.began(changes)
        yield from self._notices.end(changes, listened_s)

    def restarted(self, second: int, now_ns: int, listened_s: float) -> None:
        """A core has begun anew."""
        self._signs.restarted(listened_s)
        self._limits.restarted()
        self._notices.restarted()
        self._risk.restarted()
        self._writes.restarted()
        self.life.restarted(now_ns)
        self._routes.restarted(second)
        self._fleet.restarted(listened_s)
        self.unsettle(second)

    def unsettle(self, second: int) -> None:
        """The gateway was away until now."""
        self._air.unsettle(np.arange(len(self._nobody)), second)
        self._fleet.unsettle(second)
        self._twins.unsettle()

    def stepped(
        self,
        changes: Changes,
        given: Delivered,
        acts: tuple[Act, ...],
        samples: tuple[Sample, ...],
        lost: tuple[tuple[Notice, ...], int],
    ) -> Iterator[Complaint]:
        """Compares all after a step; `lost`: notices, and how many ranges came too late."""
        ledger, air = self.ledger, self._air
        yield from self._writes.check(changes, ledger.state)
        yield from ledger.take(changes, given.heard)
        self._signs.hear(given)
        handed = self._hand_over(changes, given.second)
        given = self._still_carried(given)
        yield from ledger.attending(changes)
        yield from self.life.check(changes)
        yield from self._books.check(changes, handed=handed)
        # After a standstill much comes that was measured while the card was doubled.
        oldest_ns = given.rows["t_ns"].min(initial=changes.now_ns)
        self.truth.doubled = air.doubled_until_s >= (oldest_ns - START_NS) // 1_000_000_000
        yield from self.truth.check(changes, given, air.unsettled_s)
        yield from self._signs.check(changes, given, changes.now_ns, air.down)
        yield from self._limits.check(given)
        yield from self.muster.check(changes)
        yield from self._muster_laws.check(changes)
        yield from self._risk.check(changes)
        yield from self._names.check(changes)
        yield from self._notices.check(changes, *lost, given.listened_s)
        yield from self._routes.check(given)
        yield from self._fleet.check(given, samples)
        yield from self._traffic.check(given)
        yield from self._twins.check(given, air.doubles, air.skewed)
        yield from self.operators.check(changes, acts)

    def refused(self, changes: Changes) -> Iterator[Complaint]:
        """Compares what was told of a configuration that was refused: nothing changes."""
        yield from self.ledger.take(changes, self._nobody)
        yield from self.ledger.attending(changes)
        yield from self.life.check(changes, ticks=False)
        if len(changes.events) != 1 or len(changes.fixes) or changes.alarms:
            yield Complaint("refused", "", "", "nothing changes", str(changes.events))

    def reloaded(self, changes: Changes, plan: MinePlan, depths: Depths) -> Iterator[Complaint]:
        """Takes over another configuration, and compares what the core has told of it."""
        self.holding.reload(plan.holders or {})
        self.ledger.leader = self.holding.mask("leader")
        yield from self.ledger.take(changes, self._nobody, borders_moved=True)
        yield from self.ledger.attending(changes)
        self.life.reload(plan)
        yield from self.life.check(changes, ticks=False)
        yield from self._books.check(changes, handed=True)
        self._plan = plan
        self._world.redraw(depths)
        self._signs.use(plan)
        self._fleet.use(plan)
        self._use_holders()
        self._limits.reload(plan)
        self._traffic.plan = plan
        yield from self.muster.check(changes)
        yield from self._muster_laws.check(changes)
        self._risk.reload(plan)
        yield from self._risk.check(changes)
        self._names.use(plan, changes.now_ns)
        self._writes.use(plan)

    def _still_carried(self, given: Delivered) -> Delivered:
        """Without the cards that were handed in at the end of this step."""
        gone = self.gone_ns == START_NS + given.second * 1_000_000_000
        if not gone.any():
            return given
        rows = given.rows[~gone[given.rows["card"]]]
        ranges = np.where(gone, 0, given.ranges)
        return given._replace(rows=rows, heard=given.heard & ~gone, ranges=ranges)

    def _hand_over(self, changes: Changes, second: int) -> bool:
        """Takes over what the lamp room has done; whether it did anything."""
        done = [
            answer.act
            for answer in changes.answers
            if answer.act.kind in _OF_CARDS and not (answer.refusal or answer.again)
        ]
        number = self.ledger.number
        for act in done:
            self.holding.do(act)
            old, _, new = act.subject.partition("/")
            if act.kind is ActKind.CARD_ISSUE:
                continue
            pair = number[old], number[new] if new else -1
            for part in (self.truth, self._limits, self._signs, self._twins):
                part.hand_over(*pair)
            self.gone_ns[pair[0]] = changes.now_ns
            if new:
                self._world.walkers.swap(*pair)
            self._air.unsettle(np.array([card for card in pair if card >= 0]), second)
        if done:
            self._use_holders()
        return bool(done)
