"""Ventilation fans: one runs, the others of its place are spare, and they take turns. Seeded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hil_sim.machines.machine import Hours, Machine, Motor, Values, Wander, eased
from hil_sim.machines.settings import MachineSettings

#: How long a fan runs before the next takes over, and how long the others stand meanwhile.
CHANGEOVER_S: Final = 12 * 3600.0
PAUSE_S: Final = 20.0

#: How long a fan takes to come to speed and to run down.
SPEED_S: Final = 25.0

FLOW_M3_S: Final = 85.0
PRESSURE_PA: Final = -1900.0
DUCT_M2: Final = 7.0
LOAD_A: Final = 110.0


class FanHouse:
    """The fans of one place: which one is on duty."""

    def __init__(self, changeover_s: float) -> None:
        """The first is."""
        self.fans: list[Fan] = []
        self.duty = 0
        self._changeover_s = changeover_s
        self._left_s = changeover_s
        self._pause_s = 0.0

    def advance(self, dt_s: float) -> None:
        """Hands over when it is time: one stops, then the next starts."""
        if len(self.fans) < 2:
            return
        self._left_s -= dt_s
        self._pause_s -= dt_s
        if self._left_s <= 0:
            self._left_s = self._changeover_s
            self._pause_s = PAUSE_S
            self.duty = (self.duty + 1) % len(self.fans)

    def runs(self, fan: Fan) -> bool:
        """Whether it is to run."""
        return self._pause_s <= 0 and self.fans[self.duty] is fan

    @property
    def air_share(self) -> float:
        """The air that comes, as a share of what one fan moves at speed."""
        return min(1.0, sum(fan.speed for fan in self.fans))


class Fan(Machine):
    """One fan with two motors; its damper is open only while it is on duty."""

    def __init__(
        self,
        serial: str,
        seed: Sequence[int],
        settings: MachineSettings | None = None,
        *,
        house: FanHouse | None = None,
    ) -> None:
        """`house`: where there are others already; at speed if it is on duty."""
        rng = np.random.default_rng(seed)
        changeover_s = settings.changeover_s if settings else None
        self.house = house or FanHouse(changeover_s or CHANGEOVER_S)
        self._leads = not self.house.fans
        self.house.fans.append(self)
        #: As a share of its full speed.
        self.speed = 1.0 if self._leads else 0.0
        self._motors = (Motor(rng, LOAD_A * self.speed), Motor(rng, LOAD_A * self.speed))
        self._air = Wander(rng, 1.0, 0.015, 30.0)
        self._vibration = Wander(rng, 2.2, 0.2, 30.0)
        self._hours = Hours(rng, serial, "SIM-FBCDZ")

    @property
    def runs(self) -> bool:
        """Whether its motors are on."""
        return self.house.runs(self)

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        if self._leads:
            self.house.advance(dt_s)
        self._air.advance(dt_s)
        self._vibration.advance(dt_s)
        self.speed = eased(self.speed, 1.0 if self.runs else 0.0, dt_s, SPEED_S)
        if self.speed < 0.01 and not self.runs:
            self.speed = 0.0
        for motor in self._motors:
            motor.advance(LOAD_A * (0.4 + 0.6 * self.speed) if self.runs else 0.0, dt_s, 1.0)
        self._hours.advance(dt_s, runs=self.runs)

    def values(self) -> Values:
        """See `Machine`."""
        flow_m3_s = FLOW_M3_S * self.speed * self._air.value
        values = self._hours.values() | {
            "running_state": "running" if self.runs else "stopped",
            "static_pressure": PRESSURE_PA * self.speed**2 * self._air.value,
            "air_flow": flow_m3_s,
            "air_speed": flow_m3_s / DUCT_M2,
            "blade_angle": 35.0,
            "frequency": 50.0 * self.speed,
            "reversed": False,
            "damper_open": self.runs,
        }
        for number, motor in enumerate(self._motors, start=1):
            values[f"current_{number}"] = motor.current_a
            values[f"winding_temperature_{number}"] = motor.winding_degc
            values[f"vibration_{number}"] = self._vibration.value * self.speed
        for number in range(1, 5):
            values[f"bearing_temperature_{number}"] = self._motors[0].bearing_degc + number
        return values
