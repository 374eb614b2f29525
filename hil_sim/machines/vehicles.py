"""Monorail haulers and rubber-tyred vehicles: they drive, load and wait. Seeded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from hil_sim.machines.machine import AIR_DEGC, Hours, Machine, Span, Values, Wander, eased
from hil_sim.machines.settings import MachineSettings

#: A monorail: length of its rail where nothing says it, speed, how fast it comes to it, and how
#: long it lifts and is parked.
RAIL_M: Final = 600.0
RAIL_M_MIN: Final = (40.0, 90.0)
ACCELERATION_M_S2: Final = 0.25
LIFT_S: Final = (60.0, 180.0)
PARK_S: Final = (120.0, 900.0)

#: Its battery: what it loses a second of driving and gains while parked, percent.
DRAIN_PCT_S: Final = 0.006
CHARGE_PCT_S: Final = 0.04
CHARGE_FULL_PCT: Final = 98.0

#: A vehicle on tyres: speed, how long it drives, idles and is parked.
ROAD_M_MIN: Final = (130.0, 400.0)
DRIVE_S: Final = (120.0, 600.0)
IDLE_S: Final = (30.0, 180.0)

#: Below this much fuel it is filled up when it is parked.
FUEL_LOW_PCT: Final = 30.0
FUEL_FULL_PCT: Final = 95.0
FUEL_PCT_S: Final = 0.004


class Monorail(Machine):
    """Goes from one end of its rail to the other, and lifts or sets down its load there."""

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """Somewhere on its rail, driving."""
        self._rng = np.random.default_rng(seed)
        settings = settings or MachineSettings()
        self.rail_m = settings.length_m or RAIL_M
        self._speeds: Span = settings.speed_m_min or RAIL_M_MIN
        self.position_m = float(self._rng.uniform(0.1, 0.9)) * self.rail_m
        self.towards = 1 if self._rng.random() < 0.5 else -1
        self.state = "driving"
        self._left_s = 0.0
        self._target_m_s = float(self._rng.uniform(*self._speeds)) / 60
        self.speed_m_s = 0.0
        self._load_t = float(self._rng.uniform(2.0, 12.0))
        self._charge_pct = float(self._rng.uniform(60.0, 95.0))
        self._battery_degc = 30.0
        self._methane = Wander(self._rng, 0.12, 0.03)
        self._hours = Hours(self._rng, serial, "SIM-DC")

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        self._methane.advance(dt_s)
        self._left_s -= dt_s
        drives = self.state == "driving"
        if drives:
            self._drive(dt_s)
        elif self._left_s <= 0 and self.state == "lifting":
            self._load_t = 0.0 if self._load_t else float(self._rng.uniform(2.0, 12.0))
            self.state, self._left_s = "parked", float(self._rng.uniform(*PARK_S))
        elif self._left_s <= 0:
            self.towards = -self.towards
            self.state = "driving"
            self._target_m_s = float(self._rng.uniform(*self._speeds)) / 60
        gain_pct_s = -DRAIN_PCT_S if drives else CHARGE_PCT_S if self.state == "parked" else 0.0
        self._charge_pct = min(self._charge_pct + gain_pct_s * dt_s, CHARGE_FULL_PCT)
        self._battery_degc = eased(self._battery_degc, 42.0 if drives else AIR_DEGC, dt_s, 600.0)
        self._hours.advance(dt_s, runs=drives)

    def _drive(self, dt_s: float) -> None:
        left_m = self.rail_m - self.position_m if self.towards > 0 else self.position_m
        # As fast as it may be to stop at the end.
        most_m_s = math.sqrt(2 * ACCELERATION_M_S2 * left_m) + 0.02
        speed_m_s = self.speed_m_s + ACCELERATION_M_S2 * dt_s
        self.speed_m_s = min(speed_m_s, self._target_m_s, most_m_s)
        step_m = min(self.speed_m_s * dt_s, left_m)
        self.position_m += self.towards * step_m
        if left_m - step_m < 0.01:
            self.speed_m_s = 0.0
            self.state, self._left_s = "lifting", float(self._rng.uniform(*LIFT_S))

    def values(self) -> Values:
        """See `Machine`."""
        stands = self.state != "driving"
        return self._hours.values() | {
            "running_state": self.state,
            "position": self.position_m,
            "speed": self.towards * self.speed_m_s,
            "load": self._load_t,
            "rail_gradient": 5.0 * math.sin(self.position_m / 60),
            "brake_pressure": 0.0 if stands else 14.0,
            "battery_charge": max(self._charge_pct, 0.0),
            "battery_temperature": self._battery_degc,
            "methane": self._methane.value,
            "brakes_closed": stands,
            "end_stop": min(self.position_m, self.rail_m - self.position_m) < 1.0,
        }


class RubberTyred(Machine):
    """Drives, idles and is parked in turn, as where its card is does not tell."""

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """Driving."""
        self._rng = np.random.default_rng(seed)
        self._speeds: Span = (settings.speed_m_min if settings else None) or ROAD_M_MIN
        self.state = "parked"
        self._left_s = 0.0
        self._goal_m_s, self.speed_m_s, self._sign = 0.0, 0.0, 1
        self._fuel_pct = float(self._rng.uniform(40.0, 90.0))
        self._coolant_degc = 70.0
        self._odometer_km = float(self._rng.uniform(1e3, 5e4))
        self._bumps = Wander(self._rng, 1.0, 0.08, 8.0)
        self._methane = Wander(self._rng, 0.12, 0.03)
        self._next()

    def _next(self) -> None:
        """After a drive it idles; after that it drives back or is parked, where it is filled up."""
        if self.state == "driving":
            self.state, self._left_s = "idling", float(self._rng.uniform(*IDLE_S))
            self._goal_m_s = 0.0
        elif self.state == "idling" and self._rng.random() < 0.4:
            self.state, self._left_s = "parked", float(self._rng.uniform(*PARK_S))
        else:
            if self.state == "parked" and self._fuel_pct < FUEL_LOW_PCT:
                self._fuel_pct = FUEL_FULL_PCT
            self.state, self._left_s = "driving", float(self._rng.uniform(*DRIVE_S))
            self._goal_m_s = float(self._rng.uniform(*self._speeds)) / 60
            self._sign = 1 if self._rng.random() < 0.9 else -1
            self._goal_m_s *= 1.0 if self._sign > 0 else 0.3

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        self._bumps.advance(dt_s)
        self._methane.advance(dt_s)
        self._left_s -= dt_s
        if self._left_s <= 0:
            self._next()
        goal_m_s = self._goal_m_s * self._bumps.value
        step_m_s = min(max(goal_m_s - self.speed_m_s, -1.2 * dt_s), 0.6 * dt_s)
        self.speed_m_s = max(0.0, self.speed_m_s + step_m_s)
        self._odometer_km += self.speed_m_s * dt_s / 1000
        runs = self.state != "parked"
        if self.state == "driving":
            self._fuel_pct = max(self._fuel_pct - FUEL_PCT_S * dt_s, 12.0)
        self._coolant_degc = eased(self._coolant_degc, 82.0 if runs else AIR_DEGC, dt_s, 500.0)

    def values(self) -> Values:
        """See `Machine`."""
        runs, moves = self.state != "parked", self.speed_m_s > 0
        gear = "neutral" if not moves else "forward" if self._sign > 0 else "reverse"
        return {
            "running_state": self.state,
            "fault_code": 0.0,
            "speed": 3.6 * self._sign * self.speed_m_s,
            "gear": gear,
            "engine_speed": 750.0 + 180.0 * self.speed_m_s if runs else 0.0,
            "coolant_temperature": self._coolant_degc,
            "exhaust_temperature": 0.7 * self._coolant_degc,
            "surface_temperature": 1.4 * self._coolant_degc,
            "oil_pressure": 0.35 if runs else 0.0,
            "brake_pressure": 8.0 if runs else 0.0,
            "fuel": self._fuel_pct,
            "methane": self._methane.value,
            "odometer": self._odometer_km,
            "park_brake_on": not runs,
            "lights_on": runs,
        }
