"""People too near to vehicles that drive, and vehicles too near to one another, along roadways.

Looked at once a second. A pair is too near at two looks one after the other, and away again at two:
no single wrong fix makes an alarm or ends one. Who moves with a vehicle for a while rides on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.machines.fences import DANGER_PROXIMITY, is_machine
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from gateway.mine.zones.squares import may_be_near
from positioning.graph import build_graph
from positioning.nearness import NEAR, Nearness
from positioning.observation import rows_of

VEHICLE_PROXIMITY: Final = "vehicle_proximity"

#: Where the journal's state holds who rides on what.
RIDING_KEY: Final = "proximity/riding"

#: A pair is away again beyond this share of the distance that is allowed: places are estimates.
_AWAY: Final = 1.25
#: A vehicle drives when it is faster than the first, and stands when it is slower than the second,
#: m/s: a standing card seems to move by some tenths.
_DRIVES_M_S: Final = 0.6
_STANDS_M_S: Final = 0.3
#: Looks, one after the other, that make a difference.
_LOOKS: Final = 2
#: The longest time between two looks that counts, seconds: beyond it the gateway stood still.
_LOOK_MOST_S: Final = 2.0

#: What is known of a pair: the vehicle's handle and the other card's in one number; at how many
#: looks in a row it was too near, away, and not together; for how long together, seconds; whether
#: its alarm has begun.
_PAIR: Final = np.dtype(
    [
        ("both", np.int64),
        ("near", np.int32),
        ("away", np.int32),
        ("apart", np.int32),
        ("together_s", np.float64),
        ("begun", np.bool_),
    ]
)
_SHIFT: Final = 32
#: A place by its chainage, and by x and y, may differ by this, metres: roadways are wide.
_SLACK_M: Final = 10.0


class Proximity:
    """All pairs of which one is a vehicle and that are, or lately were, near one another."""

    def __init__(
        self,
        plan: MinePlan,
        roster: Roster,
        cards: Cards,
        alarms: AlarmBook,
        *,
        mounted: Collection[int],
        nearness: Nearness | None,
    ) -> None:
        """`mounted` are the cards of machines, which have fences of their own.

        `nearness` is what `nearness_of` makes of the plan.
        """
        self._roster, self._cards, self._alarms = roster, cards, alarms
        self._set(plan, mounted, nearness)
        self._pairs = np.zeros(0, _PAIR)
        self._riding: frozenset[int] = frozenset()
        self._looked_ns = 0

    def begin(self, state: Mapping[str, bytes]) -> None:
        """Takes up the alarms of before a restart, and who rode on what."""
        begun = {self._pair_of(key) for key in self._alarms if _is_of_pair(key)}
        kept = from_json(state.get(RIDING_KEY, b"[]"))
        riding = {self._roster.handle(a) << _SHIFT | self._roster.handle(b) for a, b in kept}
        self._pairs = np.zeros(len(begun | riding), _PAIR)
        self._pairs["both"] = sorted(begun | riding)
        self._pairs["begun"] = np.isin(self._pairs["both"], sorted(begun))
        rides = np.isin(self._pairs["both"], sorted(riding))
        self._pairs["together_s"][rides] = self._rule.ride_after_s
        self._riding = frozenset(riding)

    def _set(self, plan: MinePlan, mounted: Collection[int], nearness: Nearness | None) -> None:
        self._rule = rule = plan.near
        self._mounted = np.array(sorted(mounted), np.int64)
        self._person_m = rule.person_vehicle_m or np.nan
        self._vehicle_m = rule.vehicle_vehicle_m or np.nan
        self._nearness = nearness

    def mount(self, mounted: Collection[int]) -> None:
        """Machines carry other cards."""
        self._mounted = np.array(sorted(mounted), np.int64)

    def reload(
        self,
        plan: MinePlan,
        mounted: Collection[int],
        nearness: Nearness | None,
        record: StepRecord,
    ) -> None:
        """Takes over another map, other distances and machines; pairs go on as they are."""
        has_rule = bool(plan.near.person_vehicle_m or plan.near.vehicle_vehicle_m)
        self._set(plan, mounted, nearness or (self._nearness if has_rule else None))
        self.judge_again(record)

    def judge_again(self, record: StepRecord) -> None:
        """It has changed who has which card, or what a pair is: ends the alarms of what is none."""
        for key in list(self._alarms):
            if _is_of_pair(key) and not self._is_pair(key):
                text = f"{key.card} and {key.machine} are no pair with a distance to keep any more"
                self._alarms.close(key, record.now_ns, record, text)
        begun = self._pairs["begun"]
        for row in np.flatnonzero(begun).tolist():
            begun[row] = self._is_pair(self._key(int(self._pairs["both"][row])))

    def _is_pair(self, key: AlarmKey) -> bool:
        """Whether a key is of two between which a distance is to be kept."""
        vehicle, other = self._roster.handle(key.machine), self._roster.handle(key.card)
        known = len(self._roster.person)
        if max(vehicle, other) >= known or not {vehicle, other}.isdisjoint(self._mounted.tolist()):
            return False
        if not self._roster.vehicle[vehicle]:
            return False
        if key.rule == VEHICLE_PROXIMITY:
            return bool(self._roster.vehicle[other] and self._vehicle_m > 0.0)
        return bool(self._roster.person[other] and self._person_m > 0.0)

    def move(self, old: int, new: int) -> None:
        """Whoever, or whatever, had card `old` has `new` now; alarms are moved by others."""
        pairs, mask = self._pairs, (1 << _SHIFT) - 1
        a, b = pairs["both"] >> _SHIFT, pairs["both"] & mask
        a[a == old], b[b == old] = new, new
        swapped = self._roster.vehicle[b] & (a > b)
        pairs["both"] = np.where(swapped, b << _SHIFT | a, a << _SHIFT | b)
        _, first = np.unique(pairs["both"], return_index=True)  # ascending
        self._pairs = pairs[first]

    def look(self, record: StepRecord) -> None:
        """Raises and clears what has to be by now; to be called once a second."""
        passed_s = min((record.now_ns - self._looked_ns) / 1e9, _LOOK_MOST_S)
        self._looked_ns = record.now_ns
        if self._nearness is None and not len(self._pairs):
            return
        found, both = self._find()
        pairs = self._merged(both)
        row = np.searchsorted(pairs["both"], both)
        seen = self._seen(found, both)
        near, away, together = (np.zeros(len(pairs), np.bool_) for _ in range(3))
        away[:] = True
        near[row], away[row], together[row] = seen
        pairs["near"] = np.where(near, pairs["near"] + 1, 0)
        pairs["away"] = np.where(away, pairs["away"] + 1, 0)
        pairs["apart"] = np.where(together, 0, pairs["apart"] + 1)
        pairs["together_s"] += np.where(together, passed_s, 0.0)
        pairs["together_s"][pairs["apart"] >= _LOOKS] = 0.0
        rides = pairs["together_s"] >= self._rule.ride_after_s
        distance_m = np.full(len(pairs), np.nan)
        distance_m[row] = found["distance_m"]
        for n in np.flatnonzero(pairs["begun"] & (rides | (pairs["away"] >= _LOOKS))).tolist():
            self._end(int(pairs["both"][n]), record, rides=bool(rides[n]))
            pairs["begun"][n] = False
        for n in np.flatnonzero((pairs["near"] >= _LOOKS) & ~rides & ~pairs["begun"]).tolist():
            self._begin(int(pairs["both"][n]), float(distance_m[n]), record)
            pairs["begun"][n] = True
        keep = pairs["begun"] | (pairs["near"] > 0) | (pairs["together_s"] > 0.0)
        self._pairs = rows_of(pairs, keep)
        self._keep_riding(frozenset(pairs["both"][rides].tolist()), record)

    def _find(self) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """The pairs within reach, (n,) NEAR, and both handles of each; each pair once."""
        nothing = np.zeros(0, NEAR), np.zeros(0, np.int64)
        if self._nearness is None:
            return nothing
        roster, last = self._roster, self._cards.last
        known = len(roster.person)
        there = (last["fix_class"][:known] > 0) & (self._cards.at_wellhead[:known] == 0)
        there[self._mounted[self._mounted < known]] = False
        vehicles = np.flatnonzero(there & roster.vehicle)
        if not len(vehicles):
            return nothing
        asked = np.zeros(known, np.bool_)
        if self._person_m > 0.0:
            asked |= roster.person
        if self._vehicle_m > 0.0:
            asked |= roster.vehicle
        limit_m = np.where(roster.vehicle, self._vehicle_m, self._person_m)
        reach_m = np.maximum(_AWAY * limit_m, self._rule.ride_within_m)
        most_m = float(reach_m[asked].max(initial=0.0))
        others = self._around(vehicles, np.flatnonzero(there & asked), most_m)
        here = np.zeros(known, np.bool_)
        here[vehicles] = here[others] = True
        both = np.flatnonzero(here)
        spots = self._nearness.place(rows_of(last, both))
        ours, theirs = (spots[np.searchsorted(both, cards)] for cards in (vehicles, others))
        found = self._nearness.near(ours, theirs, most_m)
        a, b = vehicles[found["a"]], others[found["b"]]
        kept = np.where(roster.vehicle[b], a < b, a != b) & (found["least_m"] <= reach_m[b])
        return rows_of(found, kept), (a[kept] << _SHIFT | b[kept]).astype(np.int64)

    def _around(
        self, vehicles: NDArray[np.intp], others: NDArray[np.intp], reach_m: float
    ) -> NDArray[np.intp]:
        """Those of `others` that may be within `reach_m` of a vehicle, in plan: most are not."""
        last = self._cards.last
        theirs_m, ours_m = (
            np.column_stack([last["x_m"][cards], last["y_m"][cards]])
            for cards in (others, vehicles)
        )
        near = may_be_near(theirs_m, ours_m, reach_m + _SLACK_M)
        return others[near]

    def _seen(
        self, found: NDArray[np.void], both: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each pair is too near, is away, and moves together, (n,) each."""
        a, b = both >> _SHIFT, both & ((1 << _SHIFT) - 1)
        last, vehicle = self._cards.last, self._roster.vehicle
        vx, vy = last["vx_m_s"], last["vy_m_s"]
        speed_m_s = np.hypot(vx[a], vy[a])
        speed_m_s = np.where(vehicle[b], np.maximum(speed_m_s, np.hypot(vx[b], vy[b])), speed_m_s)
        limit_m = np.where(vehicle[b], self._vehicle_m, self._person_m)
        distance_m = found["distance_m"]
        near = (distance_m <= limit_m) & (speed_m_s >= _DRIVES_M_S)
        away = (distance_m > _AWAY * limit_m) | (speed_m_s < _STANDS_M_S)
        differs_m_s = np.hypot(vx[a] - vx[b], vy[a] - vy[b])
        together = distance_m <= self._rule.ride_within_m
        return near, away, together & (differs_m_s <= self._rule.ride_speed_m_s)

    def _merged(self, both: NDArray[np.int64]) -> NDArray[np.void]:
        """The pairs of before and those of now, ascending."""
        all_of_them = np.union1d(self._pairs["both"], both)
        pairs = np.zeros(len(all_of_them), _PAIR)
        pairs["both"] = all_of_them
        pairs[np.searchsorted(pairs["both"], self._pairs["both"])] = self._pairs
        return pairs

    def _key(self, both: int) -> AlarmKey:
        a, b = both >> _SHIFT, both & ((1 << _SHIFT) - 1)
        vehicle, other = self._roster.name(a), self._roster.name(b)
        if not self._roster.vehicle[b]:
            return AlarmKey(DANGER_PROXIMITY, card=other, machine=vehicle)
        first, second = sorted((vehicle, other))
        return AlarmKey(VEHICLE_PROXIMITY, card=first, machine=second)

    def _pair_of(self, key: AlarmKey) -> int:
        vehicle, other = self._roster.handle(key.machine), self._roster.handle(key.card)
        if key.rule == VEHICLE_PROXIMITY and vehicle > other:
            vehicle, other = other, vehicle
        return vehicle << _SHIFT | other

    def _begin(self, both: int, distance_m: float, record: StepRecord) -> None:
        key = self._key(both)
        if key.rule == VEHICLE_PROXIMITY:
            text = f"vehicles {key.card} and {key.machine} are {distance_m:.0f} m from one another"
        else:
            text = f"card {key.card} is {distance_m:.0f} m from vehicle {key.machine}, which drives"
        place = self._cards.last_place(self._roster.handle(key.card))
        self._alarms.begin(key, record.now_ns, record, text, place)

    def _end(self, both: int, record: StepRecord, *, rides: bool) -> None:
        key = self._key(both)
        text = f"{key.card} is away from vehicle {key.machine}, or it stands"
        if rides:
            text = f"{key.card} moves with vehicle {key.machine}"
        self._alarms.end(key, record.now_ns, record, text)

    def _keep_riding(self, riding: frozenset[int], record: StepRecord) -> None:
        if riding == self._riding:
            return
        self._riding = riding
        name = self._roster.name
        kept: list[Any] = [
            (name(both >> _SHIFT), name(both & ((1 << _SHIFT) - 1))) for both in sorted(riding)
        ]
        record.state[RIDING_KEY] = to_json(kept)


def nearness_of(plan: MinePlan) -> Nearness | None:
    """What tells distances along the roadways, where the plan asks for any."""
    if not (plan.near.person_vehicle_m or plan.near.vehicle_vehicle_m):
        return None
    roadways = plan.map.roadways
    return Nearness(roadways, build_graph(roadways), plan.map.areas)


def _is_of_pair(key: AlarmKey) -> bool:
    if key.rule == VEHICLE_PROXIMITY:
        return True
    return key.rule == DANGER_PROXIMITY and bool(key.machine) and not is_machine(key.machine)
