"""The risk of each zone as a rolling score, graded like alarms: red, orange, yellow, blue.

Once a second, in arrays over the zones of the map. What stands where is counted in whole numbers
when it changes, so that the score is the same in whatever order things came. docs/risk.md has the
formula.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.mine.alarms.families import DEVICE_DOWN
from gateway.mine.alarms.states import OPEN, AlarmMode
from gateway.mine.change import Alarm, EventKind
from gateway.mine.devices.readings import MACHINE_FAULT
from gateway.mine.prevention.hazard import Hazard
from gateway.mine.prevention.plan import PreventionPlan, RiskPoint
from gateway.mine.record import StepRecord
from positioning.mine_map import Zone

#: Where the journal's state holds what is rolling, and the grades.
RISK_PREFIX: Final = "risk/"
#: What is left of the past is forgotten when it is too little to be shown.
PAST_LEAST: Final = 0.05
#: The score goes no higher.
SCORE_MOST: Final = 100.0

GRADES: Final = ("red", "orange", "yellow", "blue")
_BLUE: Final = 4
_S_NS: Final = 1_000_000_000

#: The parts of a score, in the order in which they are told.
PARTS: Final = ("points", "hazards", "alarms", "machines", "past", "people")

#: A zone's score at `t_ns`, 0 to 100, its grade, 1 (red) to 4 (blue), and the parts it is made of.
RISK: Final = np.dtype(
    [
        ("t_ns", np.int64),
        ("score", np.float64),
        ("grade", np.uint8),
        *((part, np.float64) for part in PARTS),
    ]
)

#: Operators may have put an alarm aside; what it says is as dangerous as before.
_COUNTED: Final = frozenset({AlarmMode.IN_SERVICE, AlarmMode.SHELVED})


class _Counted(NamedTuple):
    """How something counts: in which zones, in which (zones, 4) table at which level.

    Without a table it is the trouble of a machine.
    """

    where: tuple[int, ...]
    table: NDArray[np.int64] | None = None
    level: int = 0
    machine: str = ""


class RiskBook:
    """The scores of all zones; none where there are no risk points."""

    def __init__(
        self,
        plan: PreventionPlan,
        zones: Sequence[Zone],
        zones_of_card: Callable[[str], Iterable[str]],
        state: Mapping[str, bytes],
    ) -> None:
        """Goes on with the scores of before a restart. `zones_of_card` says where a card is now."""
        self._zones_of_card = zones_of_card
        self._set(plan, zones)
        size = len(zones)
        self._hazards = np.zeros((size, 4), np.int64)  #: How many of each level are open.
        self._alarms = np.zeros((size, 4), np.int64)
        self._machines = np.zeros(size, np.int64)  #: How many are down or have a fault.
        self._counted: dict[str, _Counted] = {}  #: By the id of an alarm or a hazard.
        self._troubles: Counter[tuple[int, str]] = Counter()  #: Alarms of a machine, by zone.
        #: The highest of what was rolling, and when it was so high.
        self._peak = np.zeros(size)
        self._peak_ns = np.zeros(size, np.int64)
        self._acute = np.zeros(size)
        self._grades = np.full(size, _BLUE, np.uint8)
        self._gone: list[str] = []
        self._second = -1
        self._told: NDArray[np.void] | None = None
        for key, value in state.items():
            if key.startswith(RISK_PREFIX):
                self._recall(key.removeprefix(RISK_PREFIX), json.loads(value))

    def _set(self, plan: PreventionPlan, zones: Sequence[Zone]) -> None:
        self._weights = weights = plan.weights
        self._zones = zones
        self._index = {zone.id: index for index, zone in enumerate(zones)}
        self._is_scored = bool(plan.points)
        self._places = _places(plan, zones)
        self._zones_of_device = _zones_of_devices(plan.points)
        points = np.zeros((len(zones), 4), np.int64)
        for point in plan.points:
            if point.zone in self._index:
                points[self._index[point.zone], point.level - 1] += 1
        self._points = np.minimum(points @ np.array(weights.point), weights.points_most)

    def reload(self, plan: PreventionPlan, zones: Sequence[Zone]) -> bool:
        """Takes over other weights, levels and names; the next score is by them.

        False: other things are in other zones by this plan. It needs another book, which counts
        all anew.
        """
        if _places(plan, zones) != self._places:
            return False
        self._set(plan, zones)
        return True

    def look(
        self,
        hazards: Iterable[Hazard | None],
        alarms: Iterable[Alarm],
        people: NDArray[np.int64],
        record: StepRecord,
    ) -> None:
        """Counts what has changed and, once a second, scores and tells zones of another grade.

        `people`, (zones,), says how many are in each.
        """
        for zone in self._gone:
            record.state[RISK_PREFIX + zone] = None
        self._gone.clear()
        if not self._is_scored:
            return
        self.count(hazards, alarms)
        second = record.now_ns // _S_NS
        if second != self._second:
            self._second = second
            self._score(people, record)

    def count(self, hazards: Iterable[Hazard | None], alarms: Iterable[Alarm]) -> None:
        """Counts what has changed."""
        for hazard in hazards:
            if hazard:
                self._count(hazard, counts=hazard.is_open)
        for alarm in alarms:
            self._count(alarm, counts=alarm.state in OPEN and alarm.mode in _COUNTED)

    def take(self) -> NDArray[np.void] | None:
        """(zones,) RISK, in the map's order, where it was computed since this was asked last."""
        told, self._told = self._told, None
        return told

    def kept(self) -> dict[str, bytes]:
        """What another book goes on from: what rolls, and the grades."""
        found = {zone.id: self._kept(index) for index, zone in enumerate(self._zones)}
        return {RISK_PREFIX + zone: value for zone, value in found.items() if value}

    def _score(self, people: NDArray[np.int64], record: StepRecord) -> None:
        weights, now_ns = self._weights, record.now_ns
        hazards = self._hazards @ np.array(weights.hazard)
        alarms = self._alarms @ np.array(weights.alarm)
        machines = self._machines * weights.machine
        acute = alarms + machines
        age_s = np.maximum(now_ns - self._peak_ns, 0) / _S_NS
        faded = self._peak * np.exp2(-age_s / weights.half_life_s)
        faded[faded < acute + PAST_LEAST] = 0.0
        stands = faded == 0.0
        changed = (acute != self._acute) | (stands & (self._peak != acute))
        self._peak[stands], self._peak_ns[stands] = acute[stands], now_ns
        self._acute = acute
        past = np.maximum(faded - acute, 0.0)
        others = self._points + hazards + acute + past
        most = np.minimum(people * weights.person, weights.people_most)
        there = np.where(others > 0, most, 0.0)
        risk = np.zeros(len(self._zones), RISK)
        parts = (self._points, hazards, alarms, machines, past, there)
        for name, part in zip(PARTS, parts, strict=True):
            risk[name] = np.round(part, 1)
        # Rounded, so that a score and its grade are those that are shown.
        risk["score"] = np.round(np.minimum(others + there, SCORE_MOST), 1)
        risk["t_ns"] = now_ns
        before, self._grades = self._grades, self._graded(risk["score"])
        risk["grade"] = self._grades
        self._told = risk
        for index in np.flatnonzero(before != self._grades).tolist():
            self._tell(risk[index], index, int(before[index]), record)
        for index in np.flatnonzero(changed | (before != self._grades)).tolist():
            self._keep(index, record)

    def _graded(self, score: NDArray[np.float64]) -> NDArray[np.uint8]:
        """(zones,) grades: one that is left for a milder one is left by the deadband."""
        thresholds = np.array(self._weights.thresholds[::-1])
        up = _BLUE - np.searchsorted(thresholds, score, side="right")
        down = _BLUE - np.searchsorted(thresholds, score + self._weights.deadband, side="right")
        graded = np.minimum(up, np.maximum(down, self._grades))
        return graded.astype(np.uint8)

    def _count(self, what: Alarm | Hazard, *, counts: bool) -> None:
        """Counts an alarm or hazard once, where it was when it came, until it is over."""
        if counts == (what.id in self._counted):
            return
        if counts:
            found = self._of_alarm(what) if isinstance(what, Alarm) else self._of_hazard(what)
            self._counted[what.id] = found
            self._add(found, 1)
        else:
            self._add(self._counted.pop(what.id), -1)

    def _add(self, counted: _Counted, by: int) -> None:
        for index in counted.where:
            if counted.table is not None:
                counted.table[index, counted.level - 1] += by
                continue
            key = (index, counted.machine)
            before = self._troubles[key]
            self._troubles[key] = before + by
            # A machine with two troubles is one machine.
            self._machines[index] += int(before + by > 0) - int(before > 0)
            if not self._troubles[key]:
                del self._troubles[key]

    def _of_hazard(self, hazard: Hazard) -> _Counted:
        zones = [hazard.zone] if hazard.zone else self._zones_of_device.get(hazard.device, ())
        return _Counted(self._indices(zones), self._hazards, hazard.level)

    def _of_alarm(self, alarm: Alarm) -> _Counted:
        of_device = self._zones_of_device.get(alarm.device, ())
        if alarm.rule in (DEVICE_DOWN, MACHINE_FAULT):
            where = self._indices([alarm.zone, *of_device])
            return _Counted(where, machine=alarm.device)
        if alarm.zone:
            return _Counted(self._indices([alarm.zone]), self._alarms, alarm.level)
        zones = self._zones_of_card(alarm.card) if alarm.card else of_device
        return _Counted(self._indices(zones), self._alarms, alarm.level)

    def _indices(self, zones: Iterable[str]) -> tuple[int, ...]:
        return tuple(self._index[zone] for zone in dict.fromkeys(zones) if zone in self._index)

    def _tell(self, risk: np.void, index: int, before: int, record: StepRecord) -> None:
        zone = self._zones[index]
        parts = ", ".join(f"{part} {risk[part]:g}" for part in PARTS if risk[part])
        text = (
            f"the risk of zone {zone.id} ({zone.name}) is {GRADES[risk['grade'] - 1]} now,"
            f" {GRADES[before - 1]} before: {risk['score']:g} of {SCORE_MOST:g}"
            f" ({parts or 'nothing counts'})"
        )
        record.event(EventKind.RISK_CHANGED, record.now_ns, zone=zone.id, text=text)

    def _keep(self, index: int, record: StepRecord) -> None:
        record.state[RISK_PREFIX + self._zones[index].id] = self._kept(index)

    def _kept(self, index: int) -> bytes | None:
        peak, grade = float(self._peak[index]), int(self._grades[index])
        kept = {
            "peak": peak,
            "peak_t_ns": int(self._peak_ns[index]),
            "acute": float(self._acute[index]),
            "grade": grade,
        }
        nothing = not peak and grade == _BLUE
        return None if nothing else json.dumps(kept).encode()

    def _recall(self, zone: str, kept: Mapping[str, float]) -> None:
        index = self._index.get(zone)
        if index is None or not self._is_scored:
            self._gone.append(zone)
            return
        self._peak[index], self._peak_ns[index] = kept["peak"], kept["peak_t_ns"]
        self._acute[index], self._grades[index] = kept["acute"], kept["grade"]


def _places(plan: PreventionPlan, zones: Sequence[Zone]) -> tuple[object, ...]:
    """What of a plan says in which zones things are."""
    places = tuple((point.device, point.zone) for point in plan.points)
    return tuple(zone.id for zone in zones), places


def _zones_of_devices(points: Iterable[RiskPoint]) -> dict[str, tuple[str, ...]]:
    """Where machines are, as far as risk points say."""
    found: dict[str, tuple[str, ...]] = {}
    for point in points:
        if point.device and point.zone:
            found[point.device] = (*found.get(point.device, ()), point.zone)
    return found
