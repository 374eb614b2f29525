"""Vehicles: who is near them, how fast they are, and who is alone in a section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.plan import MinePlan
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.limits_truth import LimitsTruth
from gateway.soak.truth import Delivered, Truth
from gateway.soak.walkers import Flags
from gateway.soak.world import World
from hil_sim.roadgraph import Floats, Ints
from positioning.mine_map import ZoneKind

#: Looks, one a second, before a pair is sure; the core needs two, of places a second old.
LOOKS: Final = 5
#: Faster than this a vehicle drives for sure; what moves by less with it may ride on it.
DRIVES_M_S: Final = 1.2
TOGETHER_M_S: Final = 2.5
#: A pair is away for sure so much beyond the distance at which the core says so.
AWAY: Final = 1.25
#: A speed is estimated: so much of the limit is too fast for sure, or slow enough, for so long.
FAST: Final = 1.3
SLOW: Final = 0.7
SPEED_S: Final = 12
AGAIN: Final = 8
#: Families of which an alarm may be of two cards.
_OF_PAIRS: Final = ("danger_proximity", "vehicle_proximity")


class TrafficTruth:
    """Compares `danger_proximity` of vehicles, `vehicle_proximity`, `overspeed`, and sections."""

    def __init__(
        self, plan: MinePlan, world: World, ledger: Ledger, truth: Truth, limits: LimitsTruth
    ) -> None:
        self.plan, self._world, self._limits = plan, world, limits
        self._ledger, self._truth = ledger, truth
        cards = len(ledger.cards)
        mounted = [card for machine in plan.machines for card in machine.cards]
        self._mounted = np.isin(ledger.cards, mounted)
        self._before_m = world.now.place_m.copy()
        self._wellhead = ledger.wellheads[0]
        self._ways = world.walkers.ways
        most_m_s = {road.id: road.speed_max_m_s or np.inf for road in plan.map.roadways}
        roads = [road.id for road in plan.map.roadways]
        self._limit_m_s = np.array([most_m_s[roads[n]] for n in world.roadway_of])
        self._fast_for = np.zeros(cards, np.int64)
        self._slow_for = np.zeros(cards, np.int64)
        self._untold = np.zeros(cards, np.int64)
        self._near_for: dict[tuple[int, int], int] = {}
        self._far_for: dict[tuple[int, int], int] = {}
        self._sections = [
            (index, zone.id)
            for index, zone in enumerate(plan.map.zones)
            if zone.kind is ZoneKind.SECTION
        ]
        self.vehicle: Flags = np.zeros(cards, np.bool_)

    def advance(self) -> None:
        """Once a second of the world, also while the gateway is away."""
        now = self._world.now
        self._speed_m_s = np.linalg.norm(now.place_m - self._before_m, axis=1)
        self._move_m = (now.place_m - self._before_m)[:, :2]
        self._before_m = now.place_m.copy()
        limit_m_s = self._limit_m_s[now.edge]
        fast = now.below & (self._speed_m_s > FAST * limit_m_s)
        slow = now.below & (self._speed_m_s < SLOW * limit_m_s)
        self._fast_for = np.where(fast, self._fast_for + 1, 0)
        self._slow_for = np.where(slow, self._slow_for + 1, 0)

    def check(self, given: Delivered) -> Iterator[Complaint]:
        """Compares after a step."""
        yield from self._speeds()
        yield from self._crowds()
        yield from self._near(given)

    def _speeds(self) -> Iterator[Complaint]:
        ledger, settled = self._ledger, self._truth.settled
        fast = settled & self.vehicle & (self._fast_for > SPEED_S)
        # One fix may say that it is slow: it takes some seconds to be too fast again.
        self._untold = np.where(fast & ~self._is_fast(), self._untold + 1, 0)
        for card in np.flatnonzero(self._untold > AGAIN).tolist():
            if not ledger.is_open("overspeed", ledger.cards[card]):
                text = f"an alarm: it drives {self._speed_m_s[card]:.1f} m/s"
                yield Complaint("overspeed", ledger.cards[card], "", text, "none")
        for name in ledger.alarmed("overspeed"):
            card = ledger.number[name]
            slow = settled[card] and self._slow_for[card] > SPEED_S
            if (slow or not self.vehicle[card]) and ledger.is_open("overspeed", name):
                text = f"no alarm: {self._speed_m_s[card]:.1f} m/s"
                yield Complaint("no overspeed", name, "", text, "one")

    def _is_fast(self) -> Flags:
        ledger = self._ledger
        names = ledger.alarmed("overspeed")
        mask = np.zeros(len(ledger.cards), np.bool_)
        mask[[ledger.number[name] for name in names if ledger.is_open("overspeed", name)]] = True
        return mask

    def _crowds(self) -> Iterator[Complaint]:
        truth, known = self._truth, self._ledger.heard & self.vehicle
        for column, zone in self._sections:
            least = int((truth.sure_in[:, column] & known).sum())
            gone = truth.sure_out[:, column] | self._limits.gone
            most = int((known & ~gone).sum())
            is_open = self._ledger.is_open("section_occupied", zone=zone)
            if least > 1 and not is_open:
                yield Complaint("section", "", zone, f"an alarm: {least} in it", "none")
            if most <= 1 and is_open:
                yield Complaint("no section", "", zone, f"no alarm: {most} in it", "one")

    def _near(self, given: Delivered) -> Iterator[Complaint]:
        now, truth = self._world.now, self._truth
        # At the wellhead nobody is too near to anything.
        there = now.below & ~self._mounted & truth.settled & truth.sure_out[:, self._wellhead]
        vehicles = np.flatnonzero(self.vehicle & there)
        others = there & (truth.person | self.vehicle)
        pairs = self._pairs(vehicles, np.flatnonzero(others))
        yield from self._judge(pairs)
        yield from self._judge_open(given)

    def _pairs(self, vehicles: Ints, others: Ints) -> tuple[Ints, Ints]:
        """Those in reach of one another, in plan."""
        if not len(vehicles) or not len(others):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        place_m, near = self._world.now.place_m, self.plan.near
        most_m = max(near.person_vehicle_m or 0.0, near.vehicle_vehicle_m or 0.0)
        away_m = place_m[vehicles][:, None, :2] - place_m[others][None, :, :2]
        row, column = np.nonzero(np.hypot(away_m[..., 0], away_m[..., 1]) < most_m)
        a, b = vehicles[row], others[column]
        once = np.where(self.vehicle[b], a < b, a != b)
        return a[once], b[once]

    def _distance_m(self, a: Ints, b: Ints) -> Floats:
        now = self._world.now
        return self._ways.distance_m(now.edge[a], now.s_m[a], now.edge[b], now.s_m[b])

    def _limit_of(self, b: Ints) -> Floats:
        near = self.plan.near
        limit_m: Floats = np.where(
            self.vehicle[b], near.vehicle_vehicle_m or -np.inf, near.person_vehicle_m or -np.inf
        )
        return limit_m

    def _doubt_m(self, a: Ints, b: Ints) -> Floats:
        deep_m = self._truth.deep_m
        doubt_m: Floats = deep_m[a] + deep_m[b] + self._speed_m_s[a] + self._speed_m_s[b]
        return doubt_m

    def _judge(self, pairs: tuple[Ints, Ints]) -> Iterator[Complaint]:
        a, b = pairs
        near = self._distance_m(a, b) < self._limit_of(b) - self._doubt_m(a, b)
        speed_m_s = np.maximum(self._speed_m_s[a], self.vehicle[b] * self._speed_m_s[b])
        apart_m_s = np.linalg.norm(self._move_m[a] - self._move_m[b], axis=1)
        near &= (speed_m_s > DRIVES_M_S) & (apart_m_s > TOGETHER_M_S)
        found = zip(a[near].tolist(), b[near].tolist(), strict=True)
        self._near_for = {pair: self._near_for.get(pair, 0) + 1 for pair in found}
        for pair, looks in self._near_for.items():
            if looks > LOOKS and self._key(*pair) not in self._ledger.open:
                key = self._key(*pair)
                yield Complaint(f"near {key.rule}", key.card, key.machine, "an alarm", "none")

    def _judge_open(self, given: Delivered) -> Iterator[Complaint]:
        ledger, truth = self._ledger, self._truth
        far_for: dict[tuple[int, int], int] = {}
        keys = [one for rule in _OF_PAIRS for one in ledger.of_rule(rule) if _is_of_pair(one)]
        a = np.array([ledger.number[key.machine] for key in keys], np.int64)
        b = np.array([ledger.number[key.card] for key in keys], np.int64)
        away_m = self._distance_m(a, b) - self._doubt_m(a, b)
        far = truth.settled[a] & truth.settled[b] & (away_m > AWAY * self._limit_of(b))
        of_people = np.array([key.rule == "danger_proximity" for key in keys], np.bool_)
        of_what = self.vehicle[a] & (self.vehicle[b] | of_people)
        for row in np.flatnonzero(far).tolist():
            key, pair = keys[row], (int(a[row]), int(b[row]))
            far_for[pair] = self._far_for.get(pair, 0) + 1
            if far_for[pair] > LOOKS:
                text = f"no alarm: {away_m[row]:.0f} m away"
                yield Complaint(f"away {key.rule}", key.card, key.machine, text, "one")
        for row in np.flatnonzero(~of_what).tolist():
            key = keys[row]
            yield Complaint(f"of what {key.rule}", key.card, key.machine, "a vehicle", "none")
        self._far_for = far_for

    def _key(self, a: int, b: int) -> AlarmKey:
        vehicle, other = self._ledger.cards[a], self._ledger.cards[b]
        if not self.vehicle[b]:
            return AlarmKey("danger_proximity", other, machine=vehicle)
        first, second = sorted((vehicle, other))
        return AlarmKey("vehicle_proximity", first, machine=second)


def _is_of_pair(key: AlarmKey) -> bool:
    return key.machine[:1].isdigit()
