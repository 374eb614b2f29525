"""Machines that drive a heading: the roadheader and the bolter miner. Seeded.

Both cut, support the roof and move up. The map does not grow with a heading: one that has come to
the end of its roadway trams back to where it began, and drives it anew.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import numpy as np

from hil_sim.machines.cutter import COAL_T_M3, Cutter
from hil_sim.machines.machine import AIR_DEGC, WARMING_S, Hours, Motor, Values, eased
from hil_sim.machines.settings import MachineSettings

#: Length of a heading where nothing says it, at which part of it the machine begins, and how far
#: from its end it turns back.
HEADING_M: Final = 130.0
BEGIN: Final = (0.81, 0.83)
END_M: Final = 2.0

#: One web of the face, the size of the heading, and how fast the machine trams back.
WEB_M: Final = 0.8
FACE_M2: Final = 18.0
TRAM_M_S: Final = 0.1

#: A roadheader's sweep, and how long it moves up and waits for support.
SWING_DEG: Final = 28.0
LIFT_DEG: Final = (-18.0, 32.0)
SWING_DEG_S: Final = 4.0
ROW_DEG: Final = 10.0
MOVE_S: Final = 40.0
SUPPORT_S: Final = (120.0, 360.0)

#: A bolter miner's drum: heights, and how fast it sumps in, shears down and goes up.
DRUM_M: Final = (0.2, 3.4)
SUMP_M_S: Final = 0.02
SHEAR_M_S: Final = 0.06
RAISE_M_S: Final = 0.15

#: Its bolting rigs: holes a web, how deep, how fast, and how long the other steps take.
RIGS: Final = 6
BOLTS_A_WEB: Final = 2
BOLT_MM: Final = 2400.0
DRILL_MM_S: Final = 30.0
RIG_S: Final = {"positioning": 15.0, "inserting": 25.0, "tensioning": 20.0}
#: Bolts are counted by the shift.
SHIFT_S: Final = 8 * 3600.0


class Heading(Enum):
    """What a machine in a heading does."""

    CUTTING = auto()
    SUPPORTING = auto()
    MOVING = auto()
    TRAMMING = auto()


class HeadingMachine(Cutter):
    """Cuts a web, supports the roof, moves up by the web."""

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """At the start of a web, cutting."""
        rng = np.random.default_rng(seed)
        super().__init__(rng)
        settings = settings or MachineSettings()
        self.release_m3_t = settings.release_m3_t
        self.heading_m = settings.length_m or HEADING_M
        self.advance_m = self._begin_m = float(rng.uniform(*BEGIN)) * self.heading_m
        self.doing = Heading.CUTTING
        self._left_s = 0.0
        self._interlocked = False
        self._oil_degc = 48.0
        self._hours = Hours(rng, serial, "SIM-EBZ")

    @property
    def cuts(self) -> bool:
        """Whether its cutting motors are on."""
        return self.doing is Heading.CUTTING and not self._interlocked

    @property
    def pumps(self) -> bool:
        """Whether its hydraulics are on."""
        return self.doing is not Heading.SUPPORTING and not self._interlocked

    @property
    def is_stopped(self) -> bool:
        """See `Cutter`."""
        return not self.cuts

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        self._interlocked = not self.may_cut(dt_s) and self.doing is Heading.CUTTING
        self._left_s -= dt_s
        self.coal_t_s = 0.0
        if self.cuts:
            self.coal_t_s = self._cut(dt_s)
        elif self.doing is Heading.SUPPORTING:
            if self._support(dt_s):
                self.doing, self._left_s = Heading.MOVING, MOVE_S
        elif self.doing is Heading.MOVING:
            self._move(dt_s)
        elif self.doing is Heading.TRAMMING:
            self.advance_m = max(self.advance_m - TRAM_M_S * dt_s, self._begin_m)
            if self.advance_m == self._begin_m:
                self._begin_web()
        warm_degc = 58.0 if self.pumps else AIR_DEGC
        self._oil_degc = eased(self._oil_degc, warm_degc, dt_s, WARMING_S)
        self._hours.advance(dt_s, runs=self.pumps)
        self._drive(dt_s)

    def _move(self, dt_s: float) -> None:
        self.advance_m += WEB_M * min(dt_s, max(self._left_s + dt_s, 0.0)) / MOVE_S
        if self._left_s > 0:
            return
        if self.advance_m + WEB_M > self.heading_m - END_M:
            self.doing = Heading.TRAMMING
        else:
            self._begin_web()

    def _begin_web(self) -> None:
        self.doing = Heading.CUTTING

    @abstractmethod
    def _cut(self, dt_s: float) -> float:
        """Cuts on; returns tonnes a second. Ends by `doing = SUPPORTING`."""

    @abstractmethod
    def _support(self, dt_s: float) -> bool:
        """Supports the roof on; whether that is done."""

    @abstractmethod
    def _drive(self, dt_s: float) -> None:
        """What its motors draw."""

    def values(self) -> Values:
        """See `Machine`."""
        return self._hours.values() | {
            "advance": self.advance_m,
            "pitch": -1.0 + 0.5 * math.sin(self.advance_m / 10),
            "roll": 0.4 * math.sin(self.advance_m / 6),
            "hydraulic_pressure": 18.0 if self.cuts else 12.0 if self.pumps else 0.0,
            "oil_temperature": self._oil_degc,
            "oil_level": 82.0,
            "running_state": "running" if self.pumps else "stopped",
            "cutting_on": self.cuts,
            "conveyor_on": self.cuts,
        }


class Roadheader(HeadingMachine):
    """Sweeps the face row by row, waits while the roof is supported, moves up by a web."""

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """See `HeadingMachine`."""
        super().__init__(serial, seed, settings)
        self._swing_deg, self._lift_deg, self._side = 0.0, LIFT_DEG[0], 1
        self._current_a = 120.0

    def _begin_web(self) -> None:
        super()._begin_web()
        self._swing_deg, self._lift_deg, self._side = 0.0, LIFT_DEG[0], 1

    def _cut(self, dt_s: float) -> float:
        self._swing_deg += self._side * SWING_DEG_S * dt_s
        if abs(self._swing_deg) >= SWING_DEG:
            self._swing_deg = SWING_DEG * self._side
            self._side = -self._side
            self._lift_deg += ROW_DEG
            if self._lift_deg > LIFT_DEG[1]:
                self._lift_deg = LIFT_DEG[1]
                self.doing = Heading.SUPPORTING
                self._left_s = float(self._rng.uniform(*SUPPORT_S))
        rows = (LIFT_DEG[1] - LIFT_DEG[0]) / ROW_DEG + 0.5
        return WEB_M * FACE_M2 * COAL_T_M3 / (rows * 2 * SWING_DEG / SWING_DEG_S)

    def _support(self, dt_s: float) -> bool:
        del dt_s
        return self._left_s <= 0

    def _drive(self, dt_s: float) -> None:
        goal_a = 0.0
        if self.cuts:
            goal_a = 150.0 + 40.0 * math.sin(self._swing_deg / 6)
            goal_a += float(self._rng.normal(0, 12))
        self._current_a = max(0.0, eased(self._current_a, goal_a, dt_s, 1.5))
        if self._current_a < 0.05:
            self._current_a = 0.0

    def values(self) -> Values:
        """See `Machine`."""
        return super().values() | {
            "boom_swing_angle": self._swing_deg,
            "boom_lift_angle": self._lift_deg,
            "cutting_current": self._current_a,
            "cutting_power": self._current_a * 1.05,
        }


class _Rig:
    """One bolting rig: places, drills, inserts and tensions its bolts of a web."""

    def __init__(self) -> None:
        self.state = "idle"
        self.depth_mm = 0.0
        self.bolts = 0
        self._due = 0
        self._left_s = 0.0

    def begin(self, delay_s: float) -> None:
        """Sets out for its bolts of this web, `delay_s` later than it could."""
        self._due = BOLTS_A_WEB
        self._enter("positioning")
        self._left_s += delay_s

    def _enter(self, state: str) -> None:
        self.state = state
        self._left_s = RIG_S.get(state, 0.0)

    def advance(self, dt_s: float) -> None:
        """Works on."""
        self._left_s -= dt_s
        if self.state == "drilling":
            self.depth_mm = min(self.depth_mm + DRILL_MM_S * dt_s, BOLT_MM)
            if self.depth_mm == BOLT_MM:
                self._enter("inserting")
        elif self.state != "idle" and self._left_s <= 0:
            if self.state == "positioning":
                self.depth_mm = 0.0
                self._enter("drilling")
            elif self.state == "inserting":
                self._enter("tensioning")
            else:
                self.bolts += 1
                self._due -= 1
                self.depth_mm = 0.0
                self._enter("positioning" if self._due else "idle")


class BolterMiner(HeadingMachine):
    """Sumps in at the roof, shears down, goes up again; then its rigs bolt the roof."""

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """See `HeadingMachine`."""
        super().__init__(serial, seed, settings)
        self._drum_m, self._sump_m, self._shears = DRUM_M[1], 0.0, False
        self._drums = (Motor(self._rng, 160.0), Motor(self._rng, 160.0))
        self._loading = Motor(self._rng, 60.0)
        self._rigs = [_Rig() for _ in range(RIGS)]
        self._shift_s = 0.0

    @property
    def rigs_at_work(self) -> int:
        """How many of its rigs bolt."""
        return sum(rig.state != "idle" for rig in self._rigs)

    @property
    def pumps(self) -> bool:
        """See `HeadingMachine`: rigs need hydraulics too."""
        return not self._interlocked

    def _begin_web(self) -> None:
        super()._begin_web()
        self._drum_m, self._sump_m, self._shears = DRUM_M[1], 0.0, False

    def _cut(self, dt_s: float) -> float:
        if not self._shears:
            self._sump_m = min(self._sump_m + SUMP_M_S * dt_s, WEB_M)
            self._shears = self._sump_m == WEB_M
        else:
            self._drum_m = max(self._drum_m - SHEAR_M_S * dt_s, DRUM_M[0])
            if self._drum_m == DRUM_M[0]:
                self.doing = Heading.SUPPORTING
                for number, rig in enumerate(self._rigs):
                    rig.begin(10.0 * (number % 3))
        time_s = WEB_M / SUMP_M_S + (DRUM_M[1] - DRUM_M[0]) / SHEAR_M_S
        return WEB_M * FACE_M2 * COAL_T_M3 / time_s

    def _support(self, dt_s: float) -> bool:
        self._drum_m = min(self._drum_m + RAISE_M_S * dt_s, DRUM_M[1])
        self._sump_m = max(self._sump_m - 2 * SUMP_M_S * dt_s, 0.0)
        for rig in self._rigs:
            rig.advance(dt_s)
        return self.rigs_at_work == 0

    def _drive(self, dt_s: float) -> None:
        self._shift_s += dt_s
        if self._shift_s >= SHIFT_S:
            self._shift_s -= SHIFT_S
            for rig in self._rigs:
                rig.bolts = 0
        for motor in self._drums:
            motor.advance((210.0 if self._shears else 150.0) if self.cuts else 0.0, dt_s, 8.0)
        self._loading.advance(75.0 if self.cuts else 0.0, dt_s)

    def values(self) -> Values:
        """See `Machine`."""
        left, right = self._drums
        values = super().values() | {
            "drum_height": self._drum_m,
            "sump_stroke": self._sump_m,
            "heading_angle": 0.5 * math.sin(self.advance_m / 4),
            "cutting_current_left": left.current_a,
            "cutting_current_right": right.current_a,
            "conveyor_current": self._loading.current_a,
            "dust_scrubber_flow": 6.5 if self.cuts else 0.0,
            "remote_control": True,
            "temporary_support_set": self.doing is Heading.SUPPORTING,
        }
        for number, rig in enumerate(self._rigs, start=1):
            drills = rig.state == "drilling"
            values[f"rig_state_{number}"] = rig.state
            values[f"rig_depth_{number}"] = rig.depth_mm
            values[f"rig_pressure_{number}"] = 14.0 if drills else 0.0
            values[f"bolts_{number}"] = float(rig.bolts)
        return values
