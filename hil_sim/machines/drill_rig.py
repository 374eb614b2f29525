"""A drill rig that drills holes rod by rod and withdraws them again. Seeded."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import numpy as np

from hil_sim.machines.machine import AIR_DEGC, WARMING_S, Hours, Machine, Values, Wander, eased
from hil_sim.machines.settings import MachineSettings

ROD_M: Final = 1.5
HOLE_M: Final = 60.0

#: How fast it drills and withdraws, metres a minute; how long a rod takes; and the way to the next
#: hole.
DRILL_M_MIN: Final = (0.6, 1.4)
WITHDRAW_M_MIN: Final = 6.0
ROD_S: Final = 25.0
NEXT_HOLE_S: Final = (300.0, 900.0)


class Drilling(StrEnum):
    """What the rig does; the words are those of the profile."""

    IDLE = "idle"
    DRILLING = "drilling"
    ADDING_ROD = "adding_rod"
    WITHDRAWING = "withdrawing"
    REMOVING_ROD = "removing_rod"


class DrillRig(Machine):
    """Drills to the depth of its holes, one after the other."""

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """In the middle of a hole."""
        self._rng = np.random.default_rng(seed)
        hole_m = settings.hole_m if settings else None
        #: In a hole there are whole rods.
        self.rods_most = max(1, round((hole_m or HOLE_M) / ROD_M))
        self.rods = int(self._rng.integers(1, self.rods_most + 1))
        self.depth_m = (self.rods - 1) * ROD_M
        self.hole = int(self._rng.integers(1, 40))
        self.doing = Drilling.DRILLING
        self._left_s = 0.0
        self._drills_m_min = float(self._rng.uniform(*DRILL_M_MIN))
        self._hardness = Wander(self._rng, 1.0, 0.12, 20.0)
        self._methane = Wander(self._rng, 0.25, 0.04)
        self._oil_degc = 48.0
        self._hours = Hours(self._rng, serial, "SIM-ZYWL")

    @property
    def _turns(self) -> bool:
        return self.doing in (Drilling.DRILLING, Drilling.WITHDRAWING)

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        self._left_s -= dt_s
        self._hardness.advance(dt_s)
        self._methane.advance(dt_s)
        if self.doing is Drilling.DRILLING:
            self._drill(dt_s)
        elif self.doing is Drilling.WITHDRAWING:
            self._withdraw(dt_s)
        elif self._left_s <= 0:
            self._next()
        warm_degc = 55.0 if self.doing is not Drilling.IDLE else AIR_DEGC
        self._oil_degc = eased(self._oil_degc, warm_degc, dt_s, WARMING_S)
        self._hours.advance(dt_s, runs=self.doing is not Drilling.IDLE)

    def _drill(self, dt_s: float) -> None:
        step_m = self._drills_m_min / self._hardness.value / 60 * dt_s
        self.depth_m = min(self.depth_m + step_m, self.rods * ROD_M)
        if self.depth_m == self.rods * ROD_M:
            if self.rods < self.rods_most:
                self.doing, self._left_s = Drilling.ADDING_ROD, ROD_S
            else:
                self.doing = Drilling.WITHDRAWING

    def _withdraw(self, dt_s: float) -> None:
        """Out by a rod, which is then taken off; the depth is that of the rods' tip."""
        goal_m = (self.rods - 1) * ROD_M
        self.depth_m = max(self.depth_m - WITHDRAW_M_MIN / 60 * dt_s, goal_m)
        if self.depth_m == goal_m:
            self.doing, self._left_s = Drilling.REMOVING_ROD, ROD_S

    def _next(self) -> None:
        if self.doing is Drilling.ADDING_ROD:
            self.rods += 1
            self.doing = Drilling.DRILLING
        elif self.doing is Drilling.REMOVING_ROD:
            self.rods -= 1
            self.doing = Drilling.WITHDRAWING if self.rods else Drilling.IDLE
            self._left_s = 0.0 if self.rods else float(self._rng.uniform(*NEXT_HOLE_S))
        else:
            self.hole += 1
            self.rods, self.depth_m = 1, 0.0
            self._drills_m_min = float(self._rng.uniform(*DRILL_M_MIN))
            self.doing = Drilling.DRILLING

    def values(self) -> Values:
        """See `Machine`."""
        drills, withdraws = self.doing is Drilling.DRILLING, self.doing is Drilling.WITHDRAWING
        hard = self._hardness.value
        feed_m_min = self._drills_m_min / hard if drills else WITHDRAW_M_MIN if withdraws else 0.0
        return self._hours.values() | {
            "running_state": str(self.doing),
            "hole_number": float(self.hole),
            "hole_depth": self.depth_m,
            "rods": float(self.rods),
            "azimuth": (37.0 * self.hole) % 360.0,
            "inclination": 8.0 + (self.hole % 5),
            "rotation_speed": 120.0 / hard if drills else 60.0 if withdraws else 0.0,
            "torque": (1800.0 + 12.0 * self.depth_m) * hard if self._turns else 0.0,
            "feed_force": 60.0 * hard if drills else -45.0 if withdraws else 0.0,
            "feed_speed": feed_m_min,
            "flushing_pressure": 3.2 if drills else 0.0,
            "flushing_flow": 220.0 if drills else 0.0,
            "hydraulic_pressure": 18.0 * hard if self._turns else 4.0,
            "oil_temperature": self._oil_degc,
            "methane": self._methane.value + (0.1 if drills else 0.0),
            "rod_stuck": False,
            "blow_out": False,
        }
