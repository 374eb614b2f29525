"""Water and emulsion: drainage pumps that go by the level of their sump, pump stations. Seeded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hil_sim.machines.machine import AIR_DEGC, Hours, Machine, Motor, Values, Wander, eased
from hil_sim.machines.settings import MachineSettings
from hil_sim.machines.supports import RoofSupports

#: A sump: its area, what flows to it, and the levels at which a pump starts and stops. Each
#: further pump of a sump starts so much higher. At the last the level is told as high.
SUMP_M2: Final = 120.0
INFLOW_M3_H: Final = 90.0
START_M: Final = 3.2
STOP_M: Final = 1.2
EACH_M: Final = 0.4
HIGH_M: Final = 4.8

#: What a pump moves, and how long its outlet valve takes to open and close.
FLOW_M3_H: Final = 280.0
VALVE_S: Final = 20.0

#: An emulsion station: pumps, what one gives, what a support takes that moves, and leaks.
PUMPS: Final = 4
PUMP_L_MIN: Final = 400.0
SUPPORT_L_MIN: Final = 120.0
LEAK_L_MIN: Final = 60.0
OUTLET_MPA: Final = 31.5


class Sump:
    """Water that gathers, and that the pumps at it take away."""

    def __init__(self, rng: np.random.Generator, inflow_m3_h: float) -> None:
        """Half full."""
        self.level_m = float(rng.uniform(STOP_M, START_M))
        self.inflow_m3_h = inflow_m3_h
        #: How many pumps stand at it, so that they do not all start at once.
        self.pumps = 0

    def change(self, m3: float) -> None:
        """So much more water."""
        self.level_m = max(0.0, self.level_m + m3 / SUMP_M2)


class DrainagePump(Machine):
    """Starts against a closed valve and stops behind one; the first at a sump brings its water."""

    def __init__(
        self,
        serial: str,
        seed: Sequence[int],
        settings: MachineSettings | None = None,
        *,
        sump: Sump | None = None,
    ) -> None:
        """Standing; `sump`: one at which there are others already."""
        self._rng = np.random.default_rng(seed)
        inflow_m3_h = settings.inflow_m3_h if settings else None
        if sump is None:
            sump = Sump(self._rng, INFLOW_M3_H if inflow_m3_h is None else inflow_m3_h)
        self.sump = sump
        self._number = sump.pumps
        sump.pumps += 1
        self.runs, self._wanted = False, False
        #: How far the outlet valve is open, 0 to 1.
        self.valve = 0.0
        self.flow_m3_h = 0.0
        self._volume_m3 = float(self._rng.uniform(1e4, 1e6))
        self._motor = Motor(self._rng)
        self._hours = Hours(self._rng, serial, "SIM-MD")

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        if self._number == 0:
            self.sump.change(self.sump.inflow_m3_h / 3600 * dt_s)
        level_m = self.sump.level_m
        start_m = START_M + EACH_M * self._number
        self._wanted = wanted = level_m > (STOP_M if self._wanted else start_m)
        if wanted:
            self.runs = True
        elif self.valve == 0.0:
            self.runs = False
        self.valve += (1 if wanted else -1) * dt_s / VALVE_S
        self.valve = min(max(self.valve, 0.0), 1.0)
        self.flow_m3_h = FLOW_M3_H * self.valve if self.runs else 0.0
        self.sump.change(-self.flow_m3_h / 3600 * dt_s)
        self._volume_m3 += self.flow_m3_h / 3600 * dt_s
        self._motor.advance(40.0 + 90.0 * self.valve if self.runs else 0.0, dt_s)
        self._hours.advance(dt_s, runs=self.runs)

    def values(self) -> Values:
        """See `Machine`."""
        moving = 0.0 < self.valve < 1.0
        values = self._hours.values() | {
            "running_state": "running" if self.runs else "stopped",
            "sump_level": min(self.sump.level_m, 30.0),
            "flow": self.flow_m3_h,
            "outlet_pressure": 3.6 - 0.6 * self.valve if self.runs else 0.0,
            "suction_vacuum": 0.045 if self.runs else 0.0,
            "motor_current": self._motor.current_a,
            "motor_power": 1.7 * 0.85 * self._motor.current_a,
            "outlet_valve": "moving" if moving else "open" if self.valve else "closed",
            "volume": self._volume_m3,
            "sump_level_high": self.sump.level_m > HIGH_M,
        }
        for number in range(1, 4):
            values[f"winding_temperature_{number}"] = self._motor.winding_degc + number
        for number in range(1, 5):
            values[f"bearing_temperature_{number}"] = self._motor.bearing_degc + number
        return values


class PumpStation(Machine):
    """Runs as many pumps as the supports of its place need; one is always spare."""

    def __init__(
        self, serial: str, seed: Sequence[int], supports: Sequence[RoofSupports] = ()
    ) -> None:
        """With one pump running."""
        self._rng = np.random.default_rng(seed)
        self._supports = supports
        #: Where no supports are known, what they take wanders.
        self._taken = Wander(self._rng, 300.0, 90.0, 40.0)
        self._flow_l_min = LEAK_L_MIN
        self.running = 1
        #: The pump that starts first; it changes, so that all wear alike.
        self._first = int(self._rng.integers(PUMPS))
        self._pressure_mpa = OUTLET_MPA
        self._level_pct = 70.0
        self._motors = [Motor(self._rng) for _ in range(PUMPS)]
        self._hours = Hours(self._rng, serial, "SIM-BRW")

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        self._taken.advance(dt_s)
        taken_l_min = self._taken.value
        if self._supports:
            taken_l_min = SUPPORT_L_MIN * min(10, sum(one.moving for one in self._supports))
        goal_l_min = min(LEAK_L_MIN + taken_l_min, PUMP_L_MIN * (PUMPS - 1))
        self._flow_l_min = eased(self._flow_l_min, goal_l_min, dt_s, 5.0)
        needed = int(self._flow_l_min / PUMP_L_MIN) + 1
        if needed > self.running:
            self.running = min(needed, PUMPS - 1)
        elif self._flow_l_min < PUMP_L_MIN * (self.running - 1.3):
            self.running -= 1
            self._first = (self._first + 1) % PUMPS
        sag_mpa = 2.0 * self._flow_l_min / (PUMP_L_MIN * self.running)
        self._pressure_mpa = eased(self._pressure_mpa, OUTLET_MPA - sag_mpa, dt_s, 2.0)
        self._level_pct = eased(self._level_pct, 72.0 - self._flow_l_min / 100, dt_s, 120.0)
        for number, motor in enumerate(self._motors):
            share = self._flow_l_min / (PUMP_L_MIN * self.running)
            motor.advance(70.0 + 60.0 * min(share, 1.0) if self._runs(number) else 0.0, dt_s)
        self._hours.advance(dt_s, runs=True)

    def _runs(self, number: int) -> bool:
        return (number - self._first) % PUMPS < self.running

    def values(self) -> Values:
        """See `Machine`."""
        values = self._hours.values() | {
            "outlet_pressure": self._pressure_mpa,
            "outlet_flow": self._flow_l_min,
            "concentration": 4.2,
            "tank_level": self._level_pct,
            "tank_temperature": AIR_DEGC + 10.0,
        }
        for number, motor in enumerate(self._motors, start=1):
            runs = self._runs(number - 1)
            values[f"pump_state_{number}"] = "running" if runs else "stopped"
            values[f"pump_current_{number}"] = motor.current_a
            values[f"pump_oil_temperature_{number}"] = motor.bearing_degc
            values[f"pump_oil_pressure_{number}"] = 0.4 if runs else 0.0
            values[f"pump_frequency_{number}"] = 48.0 if runs else 0.0
        return values
