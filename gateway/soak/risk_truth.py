"""The risk of each zone, added up once more from what was told, by the formula of docs/risk.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from gateway.mine.alarms.states import OPEN, AlarmMode
from gateway.mine.change import Alarm, Changes, EventKind
from gateway.mine.plan import MinePlan
from gateway.mine.prevention.hazard import Hazard
from gateway.mine.prevention.risk import PARTS
from gateway.soak.ledger import Complaint, Ledger
from gateway.soak.walkers import Flags
from hil_sim.roadgraph import Floats

_TROUBLES: Final = ("device_down", "machine_fault")
_COUNTED: Final = (AlarmMode.IN_SERVICE, AlarmMode.SHELVED)
#: What is told is rounded to a tenth.
ROUNDED: Final = 0.11
#: What is left of the past, and is less, is forgotten.
LEAST: Final = 0.05


class _Thing(NamedTuple):
    """An alarm or a hazard: where it counts, and as what; `machine`: the trouble of one."""

    zones: tuple[str, ...]
    level: int
    machine: str = ""
    is_alarm: bool = True


class RiskTruth:
    """Compares the scores, their parts and their grades, once a second."""

    def __init__(self, plan: MinePlan, ledger: Ledger) -> None:
        self._ledger = ledger
        self._things: dict[str, _Thing] = {}
        self._open: dict[str, Alarm] = {}
        count = len(ledger.zones)
        self._peak, self._peak_ns = np.zeros(count), np.zeros(count, np.int64)
        self._acute = np.zeros(count)
        #: Peaks are kept when something changes, not every second: a restart knows these times.
        self._kept_ns, self._changed = self._peak_ns.copy(), np.zeros(count, np.bool_)
        self._sums: tuple[Floats, ...] = ()  # none: something has changed
        self._grades = np.full(count, 4, np.int64)
        #: By the roster as it is now.
        self.person: Flags = np.zeros(len(ledger.cards), np.bool_)
        self._use(plan)

    def _use(self, plan: MinePlan) -> None:
        self._plan = plan.prevention
        self._devices: dict[str, list[str]] = {}
        for point in self._plan.points:
            if point.zone and point.device:
                self._devices.setdefault(point.device, []).append(point.zone)

    def reload(self, plan: MinePlan) -> None:
        """Another configuration: where devices are elsewhere, all counts anew, from now on."""
        before = [(point.device, point.zone) for point in self._plan.points]
        self._use(plan)
        self._sums = ()
        if before != [(point.device, point.zone) for point in self._plan.points]:
            hazards = {id_: one for id_, one in self._things.items() if not one.is_alarm}
            self._things = hazards
            for alarm in self._open.values():
                self._count(alarm)

    def restarted(self) -> None:
        """All alarms are told anew: one of a card counts where the card is now."""
        self._things = {id_: one for id_, one in self._things.items() if not one.is_alarm}
        self._peak_ns = self._kept_ns.copy()
        self._sums = ()

    def check(self, changes: Changes) -> Iterator[Complaint]:
        """Compares after a step, or a start."""
        for alarm in changes.alarms.values():
            self._alarm(alarm)
            self._sums = ()
        if changes.prevention is None:
            return
        if changes.prevention.hazards:
            self._sums = ()
        for id_, hazard in changes.prevention.hazards.items():
            self._hazard(id_, hazard)
        told = changes.prevention.risk
        if told is None:
            return
        mine = self._parts(changes.now_ns)
        zones = self._ledger.zones
        for part, expected in zip(PARTS, mine, strict=True):
            for index in np.flatnonzero(np.abs(told[part] - expected) > ROUNDED).tolist():
                found = f"{told[part][index]:g}"
                yield Complaint("risk", part, zones[index], f"{expected[index]:.1f}", found)
        score = np.minimum(sum(mine), 100.0)
        for index in np.flatnonzero(np.abs(told["score"] - score) > 2 * ROUNDED).tolist():
            found = f"{told['score'][index]:g}"
            yield Complaint("risk", "score", zones[index], f"{score[index]:.1f}", found)
        grades = self._graded(told["score"])
        for index in np.flatnonzero(told["grade"] != grades).tolist():
            found = str(told["grade"][index])
            yield Complaint("risk's grade", "", zones[index], str(grades[index]), found)
        crossed = {zones[index] for index in np.flatnonzero(grades != self._grades)}
        events = [event.zone for event in changes.events if event.kind is EventKind.RISK_CHANGED]
        if sorted(crossed) != sorted(events):
            yield Complaint("risk told", "", "", str(sorted(crossed)), str(sorted(events)))
        kept = self._changed | (grades != self._grades)
        self._kept_ns[kept] = self._peak_ns[kept]
        self._grades = told["grade"].astype(np.int64)

    def _alarm(self, alarm: Alarm) -> None:
        self._open.pop(alarm.id, None)
        if alarm.state in OPEN:
            self._open[alarm.id] = alarm
        self._count(alarm)

    def _count(self, alarm: Alarm) -> None:
        known = self._things.get(alarm.id)
        if alarm.state not in OPEN or alarm.mode not in _COUNTED:
            self._things.pop(alarm.id, None)
        elif known:
            self._things[alarm.id] = known._replace(level=alarm.level)
        elif alarm.rule in _TROUBLES:
            zones = {alarm.zone, *self._devices.get(alarm.device, ())}
            self._things[alarm.id] = _Thing(tuple(zones - {""}), 0, alarm.device)
        else:
            self._things[alarm.id] = _Thing(tuple(self._zones_of(alarm)), alarm.level)

    def _zones_of(self, alarm: Alarm) -> Iterable[str]:
        ledger = self._ledger
        if alarm.zone:
            return (alarm.zone,)
        if alarm.card:
            inside = ledger.inside[ledger.number[alarm.card]]
            return [zone for zone, is_in in zip(ledger.zones, inside, strict=True) if is_in]
        return self._devices.get(alarm.device, ())

    def _hazard(self, id_: str, hazard: Hazard | None) -> None:
        if hazard is None or not hazard.is_open:
            self._things.pop(id_, None)
        else:
            zones = [hazard.zone] if hazard.zone else self._devices.get(hazard.device, ())
            self._things[id_] = _Thing(tuple(zones), hazard.level, is_alarm=False)

    def _added(self) -> tuple[Floats, ...]:
        """(zones,) each: points, hazards, alarms and machines."""
        weights, zones = self._plan.weights, self._ledger.zones
        column = {zone: index for index, zone in enumerate(zones)}
        # Lists: there are many things, and single numbers of arrays take long.
        points, hazards, alarms, machines = ([0.0] * len(zones) for _ in range(4))
        for point in self._plan.points:
            if point.zone:
                points[column[point.zone]] += weights.point[point.level - 1]
        things = self._things.values()
        for zone, _ in {(zone, one.machine) for one in things if one.machine for zone in one.zones}:
            machines[column[zone]] += weights.machine
        for one in things:
            if not one.machine:
                part, by_level = (
                    (alarms, weights.alarm) if one.is_alarm else (hazards, weights.hazard)
                )
                for zone in set(one.zones):
                    part[column[zone]] += by_level[one.level - 1]
        added = [np.array(part) for part in (points, hazards, alarms, machines)]
        return np.minimum(added[0], weights.points_most), *added[1:]

    def _parts(self, now_ns: int) -> tuple[Floats, ...]:
        """(zones,) each, in the order in which they are told."""
        weights = self._plan.weights
        self._sums = self._sums or self._added()
        points, hazards, alarms, machines = self._sums
        acute = alarms + machines
        left = self._peak * 0.5 ** ((now_ns - self._peak_ns) / 1e9 / weights.half_life_s)
        anew = left < acute + LEAST
        self._changed = (acute != self._acute) | (anew & (self._peak != acute))
        self._peak[anew], self._peak_ns[anew] = acute[anew], now_ns
        self._acute = acute
        past = np.where(anew, 0.0, np.maximum(left - acute, 0.0))
        others = points + hazards + acute + past
        people = (self._ledger.inside & self.person[:, np.newaxis]).sum(axis=0)
        crowd = np.minimum(people * weights.person, weights.people_most)
        return points, hazards, alarms, machines, past, np.where(others > 0.0, crowd, 0.0)

    def _graded(self, score: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        red_first, found = self._plan.weights.thresholds, []
        for value, before in zip(score.tolist(), self._grades.tolist(), strict=True):
            grade = 1 + sum(value < least for least in red_first)
            held = 1 + sum(value + self._plan.weights.deadband < least for least in red_first)
            found.append(grade if grade <= before else max(min(held, grade), before))
        return np.array(found, np.int64)
