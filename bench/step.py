"""What the mine core costs: a second of a mine of 8,000 and of 20,000 people.

    ./run bench step [SECONDS]

120 km of roadways, 500 zones of all kinds, an anchor every 60 m, 60 machines with fences that tell
ten values a second, one of them their place, and people (a fiftieth of them vehicles) who are
ranged by their four nearest anchors once a second. A third of them is on the way, the others go to
and fro within some metres, at work; what it costs when everyone is on the way, as in no mine at any
time, stands beside it. A second of data is five steps, as in the gateway: positions, zones,
attendance, quotas, alarms, silence, and what is to be kept. Each second is measured in processor
time, after a warm-up in which all cards are found. There is no rival of this kind; the tracker
alone on the same ranges stands beside it, and so does what machines cost: poses, fences, cutters
and nearness. The last line is JSON: `ms_per_s_8000` and `ms_per_s_20000`, medians,
`max_ms_per_s_8000`, `machines_ms_per_s_8000`, `on_the_way_ms_per_s_8000`, and `rss_mb`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

import numpy as np
from numpy.typing import NDArray

from equipment.report import Quality, Sample
from gateway.config.alarms import AlarmSettings
from gateway.mine import core
from gateway.mine.change import Batch
from gateway.mine.core import Mine
from gateway.mine.machines.plan import AlongRoadway, FloodRule, Machine, NearRule
from gateway.mine.machines.watch import MachineWatch
from gateway.mine.plan import AlarmRule, Holder, MinePlan, ValueLimit
from gateway.mine.record import StepRecord
from positioning.fences import capsule
from positioning.locator import Locator
from positioning.mine_map import Anchor, MineMap, Roadway, Zone, ZoneKind
from positioning.observation import RANGE, IdTable, Records, measurements

Floats = NDArray[np.float64]

SIDE_M: Final = 2_000.0
ROADWAYS: Final = 60
ZONES: Final = 500
MACHINES: Final = 60
POINTS: Final = 10
ANCHOR_EVERY_M: Final = 60.0
#: How far someone at work goes, and how many are on the way.
WORKPLACE_M: Final = 10.0
ON_THE_WAY: Final = 1 / 3
#: How fast, of the speed on the way.
WORK_SPEED: Final = 0.2
STEPS: Final = 5
WARM_UP_S: Final = 15
T0_NS: Final = 1_800_000_000_000_000_000
_S_NS: Final = 1_000_000_000
_NOISE_M: Final = 0.15
_KINDS: Final = tuple(kind for kind in ZoneKind if kind is not ZoneKind.LICENCE)


def big_map() -> MineMap:
    """Roadways from west to east and from south to north, crossing in their middles."""
    half = ROADWAYS // 2
    at_m = np.linspace(0.0, SIDE_M, half)
    lines = [((0.0, y), (SIDE_M, y)) for y in at_m] + [((x, 0.0), (x, SIDE_M)) for x in at_m]
    roadways = tuple(
        Roadway(f"r{i}", f"r{i}", 5.0, np.array([(*a, -400.0), (*b, -400.0)]), speed_max_m_s=8.0)
        for i, (a, b) in enumerate(lines)
    )
    anchors = tuple(
        Anchor(f"A{i}-{n}", ax + (bx - ax) * share, ay + (by - ay) * share, -398.0)
        for i, ((ax, ay), (bx, by)) in enumerate(lines)
        for n, share in enumerate(np.arange(0.5, SIDE_M / ANCHOR_EVERY_M) * ANCHOR_EVERY_M / SIDE_M)
    )
    return MineMap(roadways, anchors, (), tuple(_zones(np.random.default_rng(1))))


def _zones(rng: np.random.Generator) -> list[Zone]:
    zones = []
    for n in range(ZONES):
        x_m, y_m = rng.uniform(0.0, SIDE_M, 2)
        angle = np.sort(rng.uniform(0.0, 2 * np.pi, 12))
        ring = np.column_stack([x_m + 60 * np.cos(angle), y_m + 60 * np.sin(angle)])
        kind = _KINDS[n % len(_KINDS)]
        near_m = 15.0 if kind is ZoneKind.DANGER else None
        quota = 60 if kind is ZoneKind.FACE else None
        closed = (np.vstack([ring, ring[:1]]),)
        zones.append(Zone(f"z{n}", f"z{n}", kind, closed, None, quota, 240.0, "", near_m))
    return zones


def plan_of(mine_map: MineMap, cards: int) -> MinePlan:
    """Everything that a mine can look at."""
    settings = AlarmSettings()
    return MinePlan(
        map=mine_map,
        devices=tuple(f"m{n}" for n in range(MACHINES)),
        card_height_m=1.0,
        clock_tolerance_s=5.0,
        rules={name: AlarmRule.of(family) for name, family in settings},
        holders={
            str(100_000_000 + n): Holder(f"p{n}", is_person=n % 50 > 0, is_vehicle=n % 50 == 0)
            for n in range(cards)
        },
        people_quota=cards // 2,
        limits=tuple(
            ValueLimit(f"l{n}", "gas", f"m{n}", "p0", above=0.99, deadband=0.1)
            for n in range(MACHINES)
        ),
        machines=tuple(_machine(n) for n in range(MACHINES)),
        near=NearRule(person_vehicle_m=15.0, vehicle_vehicle_m=30.0),
        flood=FloodRule(count=10, window_s=60.0),
    )


def _machine(n: int) -> Machine:
    """One in each roadway, which runs while a value says so."""
    active = ValueLimit(f"a{n}", "runs", f"m{n}", "p2", above=-1.0)
    pose = AlongRoadway(f"m{n}", "p1", f"r{n}")
    ring_m = capsule(5.0, 10.0, 5.0)
    return Machine(f"m{n}", f"m{n}", pose, ring_m, active=active, cutter_m=(5.0, 0.0, 1.0))


@dataclass
class Crowd:
    """Cards that walk to and fro along their roadways, and their ranges.

    The share `on_the_way` goes from end to end, the others some metres.
    """

    mine_map: MineMap
    cards: int
    on_the_way: float

    def __post_init__(self) -> None:
        rng = self._rng = np.random.default_rng(2)
        lines = np.array([road.centreline_m[:, :2] for road in self.mine_map.roadways])
        self._of = rng.integers(0, len(lines), self.cards)
        self._start_m, self._unit = lines[:, 0], (lines[:, 1] - lines[:, 0]) / SIDE_M
        self._s_m = rng.uniform(0, 2 * SIDE_M, self.cards)
        self._speed_m_s = rng.uniform(0.0, 1.5, self.cards)
        self._works = rng.random(self.cards) >= self.on_the_way
        self._speed_m_s[self._works] *= WORK_SPEED
        self._per_line = len(self.mine_map.anchors) // len(lines)

    def second(self, n: int, first: int, table: IdTable) -> list[Records]:
        """The ranges of second `n`, (k,) RANGE for each of its steps."""
        way_m = self._speed_m_s * n
        to_and_fro_m = WORKPLACE_M - np.abs(WORKPLACE_M - way_m % (2 * WORKPLACE_M))
        way_m = self._s_m + np.where(self._works, to_and_fro_m, way_m)
        s_m = SIDE_M - np.abs(SIDE_M - way_m % (2 * SIDE_M))
        nearest = np.clip((s_m / ANCHOR_EVERY_M - 1.5).astype(int), 0, self._per_line - 4)[
            :, None
        ] + np.arange(4)
        apart_m = (nearest + 0.5) * ANCHOR_EVERY_M - s_m[:, None]
        ranges = np.zeros((self.cards, 4), RANGE)
        ranges["card"] = np.arange(self.cards)[:, None] + first
        ranges["anchor"] = nearest + self._of[:, None] * self._per_line
        ranges["range_m"] = np.abs(
            np.hypot(apart_m, 1.0) + self._rng.normal(0.0, _NOISE_M, apart_m.shape)
        )
        step = np.arange(self.cards) * STEPS // self.cards
        at_ns = T0_NS + n * _S_NS + step * (_S_NS // STEPS)
        ranges["t_ns"] = at_ns[:, None] + np.arange(4) * 3_000_000
        ranges["rssi_dbm"] = ranges["first_path_dbm"] = np.nan
        return [measurements(ranges[step == k].ravel()) for k in range(STEPS)]


def _samples(n: int) -> tuple[Sample, ...]:
    """Point 1 is the place, which moves by 0.2 m a second."""
    t_ns = T0_NS + n * _S_NS
    return tuple(
        Sample(f"m{m}", f"p{p}", _value(n, m, p), Quality.GOOD, "", t_ns, t_ns)
        for m in range(MACHINES)
        for p in range(POINTS)
    )


def _value(n: int, m: int, p: int) -> float:
    return 30.0 * m + 0.2 * n if p == 1 else (n * 7 + m * p) % 100 / 100


class Timed(MachineWatch):
    """The same, with the processor time that it takes."""

    spent_ns = 0

    def look(self, samples: Sequence[Sample], fixes: Records, record: StepRecord) -> None:
        """Measures."""
        begun_ns = time.thread_time_ns()
        super().look(samples, fixes, record)
        Timed.spent_ns += time.thread_time_ns() - begun_ns


def measure(
    mine_map: MineMap, cards: int, seconds: int, on_the_way: float = ON_THE_WAY
) -> tuple[list[float], tuple[float, float], int]:
    """Processor time of each second, ms; the tracker's alone and the machines', medians; events."""
    table = IdTable(tuple(str(100_000_000 + n) for n in range(cards)))
    plan = plan_of(mine_map, cards)
    setattr(core, "MachineWatch", Timed)  # noqa: B010  # measured where it is, in the step
    mine = Mine(plan, table, 1, {})
    mine.begin(T0_NS)
    locator = Locator(mine_map, plan.card_height_m, plan.tracker)
    crowd = Crowd(mine_map, cards, on_the_way)
    took_ms, alone_ms, machines_ms, events = [], [], [], 0
    for n in range(WARM_UP_S + seconds):
        parts, samples = crowd.second(n, 0, table), _samples(n)
        spent_ns, alone_ns, Timed.spent_ns = 0, 0, 0
        for k, measured in enumerate(parts):
            batch = Batch(measured, samples if k == 0 else ())
            now_ns = T0_NS + n * _S_NS + (k + 1) * (_S_NS // STEPS)
            begun_ns = time.thread_time_ns()
            changes = mine.step(batch, now_ns)
            spent_ns += time.thread_time_ns() - begun_ns
            events += len(changes.events)
            begun_ns = time.thread_time_ns()
            locator.locate(measured)
            alone_ns += time.thread_time_ns() - begun_ns
        if n >= WARM_UP_S:
            took_ms.append(spent_ns / 1e6)
            alone_ms.append(alone_ns / 1e6)
            machines_ms.append(Timed.spent_ns / 1e6)
    return took_ms, (float(np.median(alone_ms)), float(np.median(machines_ms))), events


def main(seconds: int) -> None:
    """Measures and prints."""
    mine_map = big_map()
    result: dict[str, float] = {}
    took_ms, _, _ = measure(mine_map, 8_000, seconds, 1.0)
    result["on_the_way_ms_per_s_8000"] = float(np.median(took_ms))
    print(f" 8,000 people, all on the way: {np.median(took_ms):.1f} ms a second")
    for cards in (8_000, 20_000):
        took_ms, (alone_ms, machines_ms), events = measure(mine_map, cards, seconds)
        result[f"ms_per_s_{cards}"] = float(np.median(took_ms))
        result[f"max_ms_per_s_{cards}"] = max(took_ms)
        result[f"tracker_ms_per_s_{cards}"] = alone_ms
        result[f"machines_ms_per_s_{cards}"] = machines_ms
        print(
            f"{cards:6,} people: {np.median(took_ms):6.1f} ms a second (most {max(took_ms):.1f}), "
            f"of which the tracker {alone_ms:.1f} and machines {machines_ms:.1f}; {events} events"
        )
    result["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 30)
