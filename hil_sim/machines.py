"""Machines at work: values of points that fit what the machine is doing. Seeded.

A machine gives all that the simulated mine knows of it, by name of point; the device's profile
picks what it serves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, Protocol

import numpy as np

from equipment.modbus_profile import ModbusPoint, ModbusProfile, RegisterType
from equipment.mqtt_profile import MqttPoint, MqttProfile
from equipment.opcua_profile import OpcUaPoint, OpcUaProfile
from equipment.report import Value
from hil_sim.gas import GasStation

Values = dict[str, Value]

#: A shearer: length of its face, of itself, cutting speed, and how long it turns and stands.
FACE_M: Final = 150.0
SHEARER_M: Final = 12.6
HAULAGE_M_S: Final = (4.0 / 60, 8.0 / 60)
TURN_S: Final = (30.0, 60.0)
STAND_S: Final = (20.0, 120.0)

#: How often a working shearer stops, on average.
STOP_EVERY_S: Final = 600.0

#: A roadheader: one web of the face, its sweep, and how long it moves up and waits for support.
WEB_M: Final = 0.8
SWING_DEG: Final = 28.0
LIFT_DEG: Final = (-18.0, 32.0)
SWING_DEG_S: Final = 4.0
ROW_DEG: Final = 10.0
MOVE_S: Final = 40.0
SUPPORT_S: Final = (120.0, 360.0)

#: How far the heading is at the start, metres; its length on the sample map is 130.
ADVANCE_M: Final = (105.0, 108.0)

#: A motor's winding: how fast it warms and cools, the air, and how much an ampere warms it.
WARMING_S: Final = 600.0
AIR_DEGC: Final = 24.0
WARMTH_DEGC_PER_A: Final = 0.45


class Machine(Protocol):
    """A simulated machine."""

    def advance(self, dt_s: float) -> None:
        """Works on for `dt_s`."""

    def values(self) -> Values:
        """What its points show now."""


class _Shearing(Enum):
    CUTTING = auto()
    TURNING = auto()
    STANDING = auto()


class Shearer:
    """Cuts along the face and back, turns at the ends, stops now and then."""

    def __init__(self, serial: str, seed: Sequence[int]) -> None:
        """Somewhere on the face, cutting."""
        self._rng = np.random.default_rng(seed)
        self._serial = serial
        self._position_m = float(self._rng.uniform(0.2, 0.8)) * FACE_M
        self._towards = 1 if self._rng.random() < 0.5 else -1
        self._target_m_s = float(self._rng.uniform(*HAULAGE_M_S))
        self._speed_m_s = self._target_m_s
        self._doing = _Shearing.CUTTING
        self._left_s = 0.0
        self._hardness = 0.5
        self._current_a = [180.0, 150.0]
        self._winding_degc = [70.0, 65.0]
        self._running_h = float(self._rng.uniform(2000, 9000))
        self._energy_kwh = self._running_h * 450.0

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        rng = self._rng
        self._hardness += (0.5 - self._hardness) * dt_s / 40 + rng.normal(0, 0.05) * dt_s**0.5
        self._hardness = min(max(self._hardness, 0.0), 1.0)
        self._left_s -= dt_s
        if self._doing is _Shearing.CUTTING:
            if rng.random() < dt_s / STOP_EVERY_S:
                self._begin(_Shearing.STANDING, STAND_S)
        elif self._left_s <= 0:
            self._doing = _Shearing.CUTTING
            self._target_m_s = float(rng.uniform(*HAULAGE_M_S))
        cutting = self._doing is _Shearing.CUTTING
        goal_m_s = self._target_m_s if cutting else 0.0
        self._speed_m_s += (goal_m_s - self._speed_m_s) * min(1.0, dt_s / 3)
        if self._speed_m_s < 0.001:
            self._speed_m_s = 0.0
        self._position_m += self._towards * self._speed_m_s * dt_s
        low_m, high_m = SHEARER_M / 2, FACE_M - SHEARER_M / 2
        if cutting and not low_m < self._position_m < high_m:
            self._position_m = min(max(self._position_m, low_m), high_m)
            self._towards = -self._towards
            self._begin(_Shearing.TURNING, TURN_S)
        self._drive(dt_s)

    def _begin(self, doing: _Shearing, lasts_s: tuple[float, float]) -> None:
        self._doing = doing
        self._left_s = float(self._rng.uniform(*lasts_s))

    def _drive(self, dt_s: float) -> None:
        """Motors: the leading drum cuts more, and both idle while turning."""
        for drum in (0, 1):
            leads = (self._towards > 0) == (drum == 1)
            share = (1.0 if leads else 0.7) * self._speed_m_s / HAULAGE_M_S[1]
            load_a = 60.0 + 220.0 * share * (0.5 + self._hardness) if self._turns else 0.0
            noise_a = float(self._rng.normal(0, 3)) if self._turns else 0.0
            ease = min(1.0, dt_s / 2)
            self._current_a[drum] += (load_a - self._current_a[drum]) * ease + noise_a * ease
            self._current_a[drum] = max(0.0, self._current_a[drum])
            warm_degc = AIR_DEGC + WARMTH_DEGC_PER_A * self._current_a[drum]
            self._winding_degc[drum] += (warm_degc - self._winding_degc[drum]) * dt_s / WARMING_S
        if self._turns:
            self._running_h += dt_s / 3600
        self._energy_kwh += sum(self._current_a) * 1.7 * dt_s / 3600

    @property
    def _turns(self) -> bool:
        return self._doing is not _Shearing.STANDING

    def values(self) -> Values:
        """See `Machine`."""
        speed_m_min = 60.0 * self._towards * self._speed_m_s
        moving = "right" if self._towards > 0 else "left"
        high, low = 2.6, 0.7
        left, right = (low, high) if self._towards > 0 else (high, low)
        return {
            "position": self._position_m,
            "haulage_speed": speed_m_min,
            "driving_direction": moving if self._speed_m_s > 0 else "stopped",
            "pitch": 2.0 * math.sin(self._position_m / 25),
            "roll": 3.0 + math.sin(self._position_m / 40),
            "drum_height_left": left + 0.1 * math.sin(self._position_m / 7),
            "drum_height_right": right + 0.1 * math.sin(self._position_m / 9),
            "cutting_current_left": self._current_a[0],
            "cutting_current_right": self._current_a[1],
            "haulage_current": 20.0 + 15.0 * abs(speed_m_min) if self._speed_m_s > 0 else 0.0,
            "cutting_motor_temperature_left": self._winding_degc[0],
            "cutting_motor_temperature_right": self._winding_degc[1],
            "running_state": "running" if self._turns else "stopped",
            "fault_code": 0.0,
            "cutting_left_on": self._turns,
            "cutting_right_on": self._turns,
            "remote_control": True,
            "running_time": self._running_h,
            "energy": self._energy_kwh,
            "serial_number": self._serial,
            "emergency_stop": False,
            "water_flow_low": False,
            "max_length": SHEARER_M,
            "manufacturer": "Simulated",
            "model": "SIM-750",
        }


class _Heading(Enum):
    CUTTING = auto()
    MOVING = auto()
    SUPPORTING = auto()


class Roadheader:
    """Sweeps the face row by row, moves up by a web, waits while the roof is supported."""

    def __init__(self, serial: str, seed: Sequence[int]) -> None:
        """At the start of a web, cutting."""
        self._rng = np.random.default_rng(seed)
        self._serial = serial
        self._advance_m = float(self._rng.uniform(*ADVANCE_M))
        self._swing_deg, self._lift_deg, self._side = 0.0, LIFT_DEG[0], 1
        self._doing = _Heading.CUTTING
        self._left_s = 0.0
        self._current_a = 120.0
        self._oil_degc = 48.0
        self._running_h = float(self._rng.uniform(1000, 6000))

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        self._left_s -= dt_s
        if self._doing is _Heading.CUTTING:
            self._sweep(dt_s)
        elif self._doing is _Heading.MOVING:
            self._advance_m += WEB_M * dt_s / MOVE_S
            if self._left_s <= 0:
                self._doing = _Heading.CUTTING
                self._swing_deg, self._lift_deg, self._side = 0.0, LIFT_DEG[0], 1
        elif self._left_s <= 0:
            self._doing, self._left_s = _Heading.MOVING, MOVE_S
        goal_a = 0.0
        if self._doing is _Heading.CUTTING:
            goal_a = 150.0 + 40.0 * math.sin(self._swing_deg / 6)
            goal_a += float(self._rng.normal(0, 12))
        self._current_a += (goal_a - self._current_a) * min(1.0, dt_s / 1.5)
        if self._current_a < 0.05:
            self._current_a = 0.0
        warm_degc = 58.0 if self._pumping else AIR_DEGC
        self._oil_degc += (warm_degc - self._oil_degc) * dt_s / WARMING_S
        if self._pumping:
            self._running_h += dt_s / 3600

    def _sweep(self, dt_s: float) -> None:
        self._swing_deg += self._side * SWING_DEG_S * dt_s
        if abs(self._swing_deg) < SWING_DEG:
            return
        self._swing_deg = SWING_DEG * self._side
        self._side = -self._side
        self._lift_deg += ROW_DEG
        if self._lift_deg > LIFT_DEG[1]:
            self._lift_deg = LIFT_DEG[1]
            self._doing = _Heading.SUPPORTING
            self._left_s = float(self._rng.uniform(*SUPPORT_S))

    @property
    def _pumping(self) -> bool:
        return self._doing is not _Heading.SUPPORTING

    def values(self) -> Values:
        """See `Machine`."""
        cutting = self._doing is _Heading.CUTTING
        return {
            "advance": self._advance_m,
            "boom_swing_angle": self._swing_deg,
            "boom_lift_angle": self._lift_deg,
            "pitch": -1.0 + 0.5 * math.sin(self._advance_m / 10),
            "roll": 0.4 * math.sin(self._advance_m / 6),
            "cutting_current": self._current_a,
            "cutting_power": self._current_a * 1.05,
            "hydraulic_pressure": 18.0 if cutting else 12.0 if self._pumping else 0.0,
            "oil_temperature": self._oil_degc,
            "oil_level": 82.0,
            "running_state": "running" if self._pumping else "stopped",
            "fault_code": 0.0,
            "running_time": self._running_h,
            "serial_number": self._serial,
            "cutting_on": cutting,
            "conveyor_on": cutting,
            "emergency_stop": False,
        }


class Steady:
    """Any other device: every point holds a value that its profile calls plausible."""

    def __init__(self, profile: ModbusProfile | OpcUaProfile | MqttProfile, serial: str) -> None:
        """Takes the values from the profile."""
        self._values = {point.name: _plausible(point) for point in profile.point}
        if "serial_number" in self._values:
            self._values["serial_number"] = serial

    def advance(self, dt_s: float) -> None:
        """See `Machine`: nothing changes."""

    def values(self) -> Values:
        """See `Machine`."""
        return self._values


def _plausible(point: ModbusPoint | OpcUaPoint | MqttPoint) -> Value:
    if point.type in (RegisterType.TEXT, "text"):
        return "SIM"
    if point.states:
        return next(iter(point.states.values()))
    if point.type in (RegisterType.BOOL, "bool"):
        return False
    low, high = point.range or (0.0, 0.0)
    return (low + high) / 2


def make_machine(
    profile: ModbusProfile | OpcUaProfile | MqttProfile,
    serial: str,
    seed: Sequence[int],
    gas_s: float | None = None,
) -> Machine:
    """The machine behind a device: by its profile's id, else one that stands still.

    `gas_s`: mean time between two outbreaks at a gas station, seconds; None: there are none.
    """
    if profile.id.startswith("shearer"):
        return Shearer(serial, seed)
    if profile.id.startswith("roadheader"):
        return Roadheader(serial, seed)
    if profile.id.startswith("gas"):
        return GasStation(seed, gas_s)
    return Steady(profile, serial)
