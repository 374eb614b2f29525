"""Machines of a mine for tests: as many as are named, over the profiles of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping

from equipment import catalogue
from equipment.modbus_profile import ModbusProfile
from equipment.opcua_profile import OpcUaProfile
from hil_sim.folder import ModbusDevice, OpcUaDevice
from hil_sim.machines.machine import Machine
from hil_sim.machines.make import MachineDevice, Plant, make_machines


def device_of(device: str, profile: str) -> MachineDevice:
    """A device that nobody serves."""
    found = catalogue.load(profile)
    if isinstance(found, ModbusProfile):
        return ModbusDevice(device, found, "127.0.0.1", 502, 1)
    assert isinstance(found, OpcUaProfile)
    return OpcUaDevice(device, found, "opc.tcp://127.0.0.1:4840", "di:DeviceSet", {})


def machines_of(profiles: Mapping[str, str], plant: Plant | None = None) -> dict[str, Machine]:
    """The machines of a mine whose devices have these profiles."""
    devices = [device_of(device, profile) for device, profile in profiles.items()]
    return make_machines(devices, plant or Plant(1))


def advance(machines: Mapping[str, Machine], dt_s: float) -> None:
    """All of them, as the world does."""
    for machine in machines.values():
        machine.advance(dt_s)
