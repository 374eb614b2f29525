"""The advance support of a gate: its groups move up one after the other. Seeded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hil_sim.machines.machine import Hours, Machine, Values, eased

GROUPS: Final = 8
STROKE_MM: Final = 800.0

#: How long a group is lowered, moved and set, and how long all wait for the next web.
STEP_S: Final = {"lowering": 15.0, "advancing": 40.0, "setting": 20.0}
WAIT_S: Final = (1500.0, 3000.0)

#: Pressures, MPa: as set, and what the roof raises it to in `ROOF_S`; and the roof's sag meanwhile.
SET_MPA: Final = 25.0
ROOF_MPA: Final = 36.0
ROOF_S: Final = 3600.0
SAG_MM: Final = 60.0


class AdvanceSupport(Machine):
    """One group at a time is not set."""

    def __init__(self, serial: str, seed: Sequence[int]) -> None:
        """All set, waiting."""
        self._rng = np.random.default_rng(seed)
        self._pressure_mpa = [float(p) for p in self._rng.uniform(SET_MPA, ROOF_MPA, GROUPS)]
        self._sag_mm = [float(mm) for mm in self._rng.uniform(0.0, SAG_MM / 2, GROUPS)]
        self._stroke_mm = [0.0] * GROUPS
        self.group, self.state = 0, "set"
        self._left_s = float(self._rng.uniform(0.0, WAIT_S[0]))
        self._hours = Hours(self._rng, serial, "SIM-ZQ")

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        self._left_s -= dt_s
        if self._left_s <= 0:
            self._next()
        for number in range(GROUPS):
            lowered = number == self.group and self.state in ("lowering", "advancing")
            sets = number == self.group and self.state == "setting"
            goal_mpa = 1.5 if lowered else SET_MPA if sets else ROOF_MPA
            time_s = 4.0 if lowered or sets else ROOF_S
            self._pressure_mpa[number] = eased(self._pressure_mpa[number], goal_mpa, dt_s, time_s)
            sag_mm = 0.0 if lowered or sets else SAG_MM
            self._sag_mm[number] = eased(self._sag_mm[number], sag_mm, dt_s, time_s)
        if self.state == "advancing":
            done = 1 - max(self._left_s, 0.0) / STEP_S["advancing"]
            self._stroke_mm[self.group] = STROKE_MM * done

    def _next(self) -> None:
        steps = [*STEP_S]
        if self.state in steps[:-1]:
            self.state = steps[steps.index(self.state) + 1]
            self._left_s = STEP_S[self.state]
            return
        begins_web = self.state == "set"
        self.group = 0 if begins_web else self.group + 1
        if self.group < GROUPS:
            self._stroke_mm[self.group] = 0.0
            self.state, self._left_s = steps[0], STEP_S[steps[0]]
        else:
            self.group, self.state = 0, "set"
            self._left_s = float(self._rng.uniform(*WAIT_S))

    def values(self) -> Values:
        """See `Machine`."""
        values = self._hours.values() | {
            "supply_pressure": 31.5 if self.state == "set" else 30.5,
            "mode": "remote",
            "moving": self.state != "set",
        }
        for number in range(GROUPS):
            values |= {
                f"leg_pressure_left_{number + 1}": self._pressure_mpa[number],
                f"leg_pressure_right_{number + 1}": 0.95 * self._pressure_mpa[number],
                f"stroke_{number + 1}": self._stroke_mm[number],
                f"roof_sag_{number + 1}": self._sag_mm[number],
                f"state_{number + 1}": self.state if number == self.group else "set",
            }
        return values
