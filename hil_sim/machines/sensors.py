"""Stations and sensors of what wanders: fire, water, and whatever else has no model. Seeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from equipment.modbus_profile import ModbusPoint, ModbusProfile, RegisterType
from equipment.mqtt_profile import MqttPoint, MqttProfile
from equipment.opcua_profile import OpcUaPoint, OpcUaProfile
from equipment.report import Value
from hil_sim.machines.machine import Machine, Values, Wander

MachineProfile = ModbusProfile | OpcUaProfile | MqttProfile

#: Mean and spread (one sigma) of what a fire and a water station measure.
FIRE: Final = {
    **{f"temperature_{number}": (26.0, 0.6) for number in range(1, 17)},
    "carbon_monoxide": (5.0, 1.0),
    "ethylene": (0.1, 0.02),
    "oxygen": (20.6, 0.05),
}
WATER: Final = {
    "water_level": (-42.0, 0.2),
    "water_pressure": (0.85, 0.01),
    "water_temperature": (17.0, 0.1),
    "inflow": (85.0, 6.0),
    "conductivity": (1450.0, 20.0),
    "pressure": (130.0, 1.0),
    "salinity": (0.8, 0.02),
}
#: How long they remember.
TIME_S: Final = 300.0


class WanderingStation(Machine):
    """Each quantity wanders for itself; no alarm is on."""

    def __init__(self, seed: Sequence[int], quantities: Mapping[str, tuple[float, float]]) -> None:
        """`quantities`: mean and spread by name."""
        rng = np.random.default_rng(seed)
        self._wanders = {
            name: Wander(rng, mean, spread, TIME_S) for name, (mean, spread) in quantities.items()
        }

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        for wander in self._wanders.values():
            wander.advance(dt_s)

    def values(self) -> Values:
        """See `Machine`."""
        return {name: wander.value for name, wander in self._wanders.items()}


class Steady(Machine):
    """Any other device: every point holds a value that its profile calls plausible."""

    def __init__(self, profile: MachineProfile, serial: str) -> None:
        """Takes the values from the profile."""
        self._values = plausible_values(profile, serial)

    def advance(self, dt_s: float) -> None:
        """See `Machine`: nothing changes."""

    def values(self) -> Values:
        """See `Machine`."""
        return self._values


def plausible_values(profile: MachineProfile, serial: str) -> Values:
    """A plausible value of every point of a profile."""
    values = {point.name: _plausible(point) for point in profile.point}
    if "serial_number" in values:
        values["serial_number"] = serial
    return values


def _plausible(point: ModbusPoint | OpcUaPoint | MqttPoint) -> Value:
    if point.type in (RegisterType.TEXT, "text"):
        return "SIM"
    if point.states:
        return next(iter(point.states.values()))
    if point.type in (RegisterType.BOOL, "bool"):
        return False
    low, high = point.range or (0.0, 0.0)
    return (low + high) / 2
