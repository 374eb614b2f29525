"""Machines: their fences, what is not known of them, where they cut, and values beyond limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from equipment.report import Sample
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.plan import MinePlan
from gateway.soak.faults import SETTLE_S
from gateway.soak.fleet import (
    CUTTER_M,
    DRILL_AT_M,
    DRILL_M,
    GAS,
    LOADER_M,
    ROUND_M,
    SHEARER,
    SHEARER_M,
    SHUTTLE,
    SHUTTLE_M,
    SPEED_M_S,
)
from gateway.soak.holding import Holding
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.truth import ROUNDS, Delivered, Truth, counted_s
from gateway.soak.walkers import Flags
from gateway.soak.world import World
from hil_sim.roadgraph import Floats
from positioning.mine_map import ZoneKind

#: Besides noise: a card's place across the roadway may not be known, and it moves on in a round.
ASIDE_M: Final = 2.5
#: Times by the truth and by the core differ by so much, seconds.
TIME_S: Final = 3.0
UNCERTAIN: Final = "machine_uncertain"


class _Known:
    """What is known of a machine."""

    def __init__(self, name: str, cards: int, stale_s: float) -> None:
        self.name, self.stale_s = name, stale_s
        self.heard_s = -np.inf  # listened seconds of its newest good value of where it is
        self.settled_s = SETTLE_S  # not judged before
        self.runs, self.runs_for = True, 0  # as it said last, and for how many steps
        self.depth_m = np.full(cards, -np.inf)
        self.in_for = np.zeros(cards, np.int64)
        self.out_for = np.zeros(cards, np.int64)
        self.crew: Flags = np.zeros(cards, np.bool_)


class FleetTruth:
    """Compares all alarms of machines in each step."""

    def __init__(
        self, plan: MinePlan, world: World, ledger: Ledger, truth: Truth, holding: Holding
    ) -> None:
        self._plan, self._world, self._fleet = plan, world, world.fleet
        self._ledger, self._truth, self._holding = ledger, truth, holding
        cards = len(ledger.cards)
        self._machines = {
            machine.id: _Known(machine.id, cards, machine.stale_s) for machine in plan.machines
        }
        self._in_for = self._out_for = np.zeros((len(self._machines), cards), np.int64)
        self._mounted = np.array(
            [ledger.number[card] for machine in plan.machines for card in machine.cards], np.int64
        )
        self._licences = [
            (zone.rings_m[0].min(axis=0), zone.rings_m[0].max(axis=0))
            for zone in plan.map.zones
            if zone.kind is ZoneKind.LICENCE
        ]
        self._cut_out_s = self._cut_in_s = np.inf
        self._over: dict[str, bool] = {}
        self._gas: float | None = None  # as it was said last
        self.use(plan)
        self.reload()

    def use(self, plan: MinePlan) -> None:
        """Another configuration: other limits, and other crews."""
        self._plan = plan
        self._limits = {limit.id: limit for limit in plan.limits}
        self._judge_gas()

    def reload(self) -> None:
        """It has changed who has which card."""
        for machine in self._plan.machines:
            known = self._machines[machine.id]
            holders = self._holding.holders
            known.crew = np.array(
                [holder is not None and holder.team in machine.crew for holder in holders]
            )

    def unsettle(self, second: float) -> None:
        """Nothing was heard of machines until now."""
        for known in self._machines.values():
            known.settled_s = max(known.settled_s, second + SETTLE_S)

    def restarted(self, listened_s: float) -> None:
        """What was known counts as heard now."""
        for known in self._machines.values():
            known.heard_s = max(known.heard_s, listened_s)

    def check(self, given: Delivered, samples: tuple[Sample, ...]) -> Iterator[Complaint]:
        """Compares after a step in which `samples` were given."""
        said = {(sample.device, sample.point): sample.value for sample in samples}
        for known in self._machines.values():
            self._hear(known, given, said)
        self._look(given)
        for known in self._machines.values():
            yield from self._fence(known, given)
            yield from self._doubt(known, given)
        yield from self._cutter(given)
        yield from self._values(said)

    def _hear(
        self,
        known: _Known,
        given: Delivered,
        said: dict[tuple[str, str], float | str | bool | None],
    ) -> None:
        runs = known.runs
        if (known.name, "position") in said:
            known.heard_s = given.listened_s
            rail = self._fleet.rails[known.name]
            runs = rail.runs
        elif known.name == "drill":
            known.heard_s = given.listened_s
        elif known.name == "loader":
            card = int(self._mounted[0])
            heard_s = counted_s(given)[given.rows["card"] == card]
            known.heard_s = max(known.heard_s, float(heard_s.max(initial=-np.inf)))
            if not self._truth.settled[card]:
                known.settled_s = given.second + SETTLE_S
        if given.listened_s - known.heard_s > 1.5 and known.name in (SHUTTLE, SHEARER):
            known.settled_s = given.second + SETTLE_S
        known.runs_for = known.runs_for + 1 if runs == known.runs else 0
        known.runs = runs

    def _place(self, name: str) -> tuple[Floats, Floats, tuple[float, float], float]:
        """Where it is, where it looks, how far its axis reaches, and how far its fence from it."""
        if name in (SHUTTLE, SHEARER):
            rail = self._fleet.rails[name]
            here = rail.place(rail.s_m)
            ahead = rail.place(rail.s_m + 1.0) - rail.place(rail.s_m - 1.0)
            reach_m = SHUTTLE_M if name == SHUTTLE else SHEARER_M
            return here, ahead / np.linalg.norm(ahead), reach_m, ROUND_M
        if name == "drill":
            return np.array(DRILL_AT_M), np.array([1.0, 0.0]), (0.0, 0.0), DRILL_M
        place_m = self._world.now.place_m[int(self._mounted[0])][:2]
        return place_m, np.array([1.0, 0.0]), (0.0, 0.0), LOADER_M

    def _look(self, given: Delivered) -> None:
        """How deep everyone is in each fence: of all machines at once."""
        places = [self._place(name) for name in self._machines]
        here_m, along, reach_m = (np.array([one[part] for one in places]) for part in range(3))
        round_m = np.array([one[3] for one in places])
        at_m = self._world.now.place_m
        x_m, y_m = (at_m[:, axis] - here_m[:, axis, None] for axis in range(2))
        along_x, along_y = along[:, 0, None], along[:, 1, None]
        s_m = x_m * along_x + y_m * along_y
        s_m -= np.clip(s_m, -reach_m[:, :1], reach_m[:, 1:])
        depth_m = round_m[:, None] - np.hypot(s_m, y_m * along_x - x_m * along_y)
        doubt_m = np.array([self._doubt_m(name) for name in self._machines])
        deep_m = self._truth.deep_m + doubt_m[:, None]
        round_ = given.ranges > 0
        self._in_for = np.where(depth_m > deep_m, self._in_for + round_, 0)
        self._out_for = np.where(depth_m < -deep_m, self._out_for + round_, 0)
        rows = zip(self._machines.values(), depth_m, self._in_for, self._out_for, strict=True)
        for known, *now in rows:
            known.depth_m, known.in_for, known.out_for = now

    def _doubt_m(self, name: str) -> float:
        """How unsure it is besides where a card is to its fence."""
        doubt_m = ASIDE_M + SPEED_M_S.get(name, 0.0)
        if name == "loader":
            doubt_m += float(self._truth.deep_m[int(self._mounted[0])]) + 2.0
        return doubt_m

    def _fence(self, known: _Known, given: Delivered) -> Iterator[Complaint]:
        if given.second <= known.settled_s:
            return
        if known.name == "loader" and not self._truth.settled[int(self._mounted[0])]:
            return
        truth, ledger = self._truth, self._ledger
        may = truth.settled & truth.person & ~known.crew
        stands = not known.runs and known.runs_for > ROUNDS
        runs = known.runs and known.runs_for > ROUNDS
        for card in np.flatnonzero(may & (known.in_for > ROUNDS)).tolist():
            key = AlarmKey("danger_proximity", ledger.cards[card], machine=known.name)
            if runs and key not in ledger.open:
                text = f"an alarm: {known.depth_m[card]:.1f} m within its fence"
                yield Complaint("fence", ledger.cards[card], known.name, text, "none")
        for key in ledger.of_rule("danger_proximity"):
            if key.machine != known.name:
                continue
            card = ledger.number[key.card]
            out = truth.settled[card] and known.out_for[card] > ROUNDS
            if stands or out or known.crew[card] or not truth.person[card]:
                why = f"runs {known.runs}, {known.depth_m[card]:.1f} m, crew {known.crew[card]}"
                yield Complaint("no fence", key.card, known.name, f"no alarm: {why}", "one")

    def _doubt(self, known: _Known, given: Delivered) -> Iterator[Complaint]:
        silent_s = given.listened_s - known.heard_s
        after_s = self._plan.rules[UNCERTAIN].after_s
        is_open = self._ledger.lasts(AlarmKey(UNCERTAIN, machine=known.name))
        silent_s = min(silent_s, given.listened_s)  # it may never have been heard
        if silent_s > known.stale_s + after_s + TIME_S and not is_open:
            text = f"an alarm: silent for {silent_s:.0f} s"
            yield Complaint(UNCERTAIN, "", known.name, text, "none")
        known_again = given.second > known.settled_s and silent_s < TIME_S
        if known_again and is_open:
            yield Complaint(f"no {UNCERTAIN}", "", known.name, "no alarm: it is heard", "one")

    def _cutter(self, given: Delivered) -> Iterator[Complaint]:
        known = self._machines.get(SHEARER)
        if known is None or not self._licences:
            return
        here_m, along, _, _ = self._place(SHEARER)
        cut_m = here_m + along * CUTTER_M
        depth_m = max(_depth_m(low, high, cut_m) for low, high in self._licences)
        sure_m = 3.0 * 0.35 + 1.5
        unknown = given.second <= known.settled_s
        listened_s = given.listened_s
        out, within = depth_m < -sure_m and not unknown, depth_m > sure_m and not unknown
        self._cut_out_s = min(self._cut_out_s, listened_s) if out else np.inf
        self._cut_in_s = min(self._cut_in_s, listened_s) if within else np.inf
        is_open = self._ledger.lasts(AlarmKey("out_of_boundary", machine=SHEARER))
        after_s = self._plan.rules["out_of_boundary"].after_s + TIME_S
        if listened_s - self._cut_out_s > after_s and not is_open:
            text = f"an alarm: it cuts {-depth_m:.1f} m outside"
            yield Complaint("cutter out", "", SHEARER, text, "none")
        if listened_s - self._cut_in_s > TIME_S and is_open:
            yield Complaint("cutter in", "", SHEARER, f"no alarm: {depth_m:.1f} m inside", "one")

    def _judge_gas(self) -> None:
        limit, was = self._limits["gas"], self._over.get("gas", False)
        if limit.above is not None and self._gas is not None:
            self._over["gas"] = self._gas > limit.above - (limit.deadband if was else 0.0)

    def _values(
        self, said: dict[tuple[str, str], float | str | bool | None]
    ) -> Iterator[Complaint]:
        """Of each limit it is exactly known whether its value was good last."""
        gas, fault = said.get((GAS, "ch4")), said.get((SHEARER, "fault"))
        if isinstance(gas, float):
            self._gas = gas
            self._judge_gas()
        if fault is not None:
            self._over["fault"] = bool(fault)
        for name, over in self._over.items():
            limit = self._limits[name]
            rule = "machine_fault" if limit.fault else "limit_exceeded"
            key = AlarmKey(rule, device=limit.device, zone=limit.zone, limit=name)
            if self._ledger.lasts(key) != over:
                expected = f"beyond its limit: {over}"
                yield Complaint("limit", "", name, expected, "otherwise")


def _depth_m(low: Floats, high: Floats, place_m: Floats) -> float:
    """How deep in a rectangle a place is; outside is negative."""
    inside_m = float(np.minimum(place_m - low, high - place_m).min())
    if inside_m >= 0.0:
        return inside_m
    return -float(np.linalg.norm(place_m - np.clip(place_m, low, high)))
