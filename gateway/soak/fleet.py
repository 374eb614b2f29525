"""The machines of a soak: where they are in truth, and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from equipment.report import Quality, Sample
from gateway.mine.machines.plan import AlongRoadway, Fixed, Machine, OnCards
from gateway.mine.plan import ValueLimit
from hil_sim.roadgraph import Floats
from positioning.fences import capsule, disc
from positioning.mine_map import MineMap

_S_NS: Final = 1_000_000_000

#: Devices of machines and sensors.
SHUTTLE, SHEARER, GAS = "shuttle", "shearer", "gas_1"
DEVICES: Final = (SHUTTLE, SHEARER, GAS)

#: What gas may be, percent; and what a shearer says that has a fault.
LIMITS: Final = (
    ValueLimit("gas", "gas", GAS, "ch4", above=1.0, deadband=0.1, zone="face_3101"),
    ValueLimit("fault", "fault", SHEARER, "fault", equals=True, fault=True, zone="face_3103"),
)

#: Half the width of fences, metres: more than that of a roadway, and of noise.
ROUND_M: Final = 10.0
#: How far fences reach behind and ahead of that.
SHUTTLE_M: Final = (4.0, 8.0)
SHEARER_M: Final = (7.0, 7.0)
LOADER_M: Final = 16.0
DRILL_M: Final = 8.0
DRILL_AT_M: Final = (400.0, 160.0)
#: Where the shearer cuts, metres ahead of it.
CUTTER_M: Final = 3.0

#: How fast they go, and how long they go and stand.
SPEED_M_S: Final = {SHUTTLE: 1.5, SHEARER: 0.5}
GOES_S: Final = (60.0, 300.0)
STANDS_S: Final = (20.0, 90.0)
#: What their values of where they are may be off by, metres.
NOISE_M: Final = 0.3
#: Gas comes and goes in so many seconds; its noise makes it flicker about the limit.
GAS_PERIOD_S: Final = 900.0
GAS_NOISE: Final = 0.03
#: How often the shearer has a fault, and how long.
FAULT_GAP_S: Final = 900.0
FAULT_S: Final = (2.0, 60.0)


def machines_of(vehicles: tuple[str, ...]) -> tuple[Machine, ...]:
    """All machines with a fence; one rides on the first card of `vehicles`, if there is one."""
    runs = ValueLimit("runs", "runs", SHUTTLE, "running", equals=True)
    cuts = ValueLimit("cuts", "cuts", SHEARER, "speed", above=0.05)
    machines = (
        Machine(
            SHUTTLE,
            "shuttle car",
            AlongRoadway(SHUTTLE, "position", "haulage", sigma_m=NOISE_M),
            capsule(*SHUTTLE_M, ROUND_M),
            active=runs,
            crew=frozenset({"team 1"}),
        ),
        Machine(
            SHEARER,
            "shearer",
            AlongRoadway(SHEARER, "position", "face_3103", sigma_m=NOISE_M),
            capsule(*SHEARER_M, ROUND_M),
            active=cuts,
            cutter_m=(CUTTER_M, 0.0, 1.0),
        ),
        Machine("drill", "drill rig", Fixed(*DRILL_AT_M), disc(DRILL_M)),
    )
    loader = tuple(Machine("loader", "loader", OnCards(one), disc(LOADER_M)) for one in vehicles)
    return (*machines, *loader)


@dataclass(slots=True)
class _Rail:
    """A machine that goes to and fro along a roadway."""

    device: str
    line_m: Floats  # (points, 3)
    at_m: Floats  # of each point along it
    s_m: float
    ahead: bool = True
    runs: bool = False
    until_s: float = 0.0

    def place(self, s_m: float) -> Floats:
        s_m = min(max(s_m, 0.0), float(self.at_m[-1]))
        return np.array([np.interp(s_m, self.at_m, self.line_m[:, axis]) for axis in range(2)])


class Fleet:
    """Machines on rails, and a gas sensor. `values`: what each device's points are now."""

    def __init__(self, seed: int, mine: MineMap) -> None:
        self._rng = np.random.default_rng((seed, 5))
        roadways = {roadway.id: roadway.centreline_m for roadway in mine.roadways}
        self.rails: dict[str, _Rail] = {}
        for device, roadway in ((SHUTTLE, "haulage"), (SHEARER, "face_3103")):
            line_m = roadways[roadway]
            steps_m = np.linalg.norm(np.diff(line_m, axis=0), axis=1)
            at_m = np.concatenate([[0.0], np.cumsum(steps_m)])
            self.rails[device] = _Rail(device, line_m, at_m, float(at_m[-1]) * 0.6)
        self._fault_s = self._rng.exponential(FAULT_GAP_S)
        self._mended_s = 0.0
        self.values: dict[tuple[str, str], float | bool] = {}

    def advance(self, second: int) -> None:
        """Goes on to `second` from the one before."""
        rng = self._rng
        for device, rail in self.rails.items():
            if second >= rail.until_s:
                rail.runs = not rail.runs
                rail.until_s = second + rng.uniform(*(GOES_S if rail.runs else STANDS_S))
            if rail.runs:
                rail.s_m += SPEED_M_S[device] * (1.0 if rail.ahead else -1.0)
                if not 0.0 < rail.s_m < rail.at_m[-1]:
                    rail.s_m = float(np.clip(rail.s_m, 0.0, rail.at_m[-1]))
                    rail.ahead = not rail.ahead
            self.values[device, "position"] = rail.s_m + float(rng.normal(0.0, NOISE_M))
        self.values[SHUTTLE, "running"] = self.rails[SHUTTLE].runs
        self.values[SHEARER, "speed"] = SPEED_M_S[SHEARER] if self.rails[SHEARER].runs else 0.0
        if second >= self._fault_s:
            self._mended_s = second + rng.uniform(*FAULT_S)
            self._fault_s = self._mended_s + rng.exponential(FAULT_GAP_S)
        self.values[SHEARER, "fault"] = second < self._mended_s
        gas = 0.8 + 0.35 * np.sin(2.0 * np.pi * second / GAS_PERIOD_S)
        self.values[GAS, "ch4"] = round(float(gas + rng.normal(0.0, GAS_NOISE)), 3)

    def samples(self, t_ns: int) -> tuple[Sample, ...]:
        """What all devices say now."""
        return tuple(
            Sample(device, point, value, Quality.GOOD, "", None, t_ns)
            for (device, point), value in self.values.items()
        )
