"""The devices of a mine's folder, as faults see them. Pure."""

from __future__ import annotations

from collections.abc import Hashable

from equipment.modbus_profile import ModbusPoint, RegisterType
from equipment.mqtt_profile import MqttPoint
from equipment.opcua_profile import OpcUaPoint
from equipment.profile import Kind
from hil_sim.faults.kinds import Target, Wire
from hil_sim.folder import MineFolder, ModbusDevice, MqttDevice, OpcUaDevice, TextDevice

Device = ModbusDevice | OpcUaDevice | MqttDevice | TextDevice

#: How far a number reaches where its profile does not say.
_SPAN = 100.0


def targets_of(folder: MineFolder) -> dict[str, Target]:
    """All devices by id."""
    at: dict[Hashable, list[str]] = {}
    for device in folder.devices:
        at.setdefault(_address(device), []).append(device.id)
    return {
        device.id: Target(
            device.id,
            _wire(device),
            device.profile.kind is not Kind.MACHINE,
            _points(device),
            _spans(device),
            tuple(one for one in at[_address(device)] if one != device.id),
        )
        for device in folder.devices
    }


def _address(device: Device) -> Hashable:
    """What devices that share a connection or a port have in common."""
    if isinstance(device, OpcUaDevice):
        return device.url
    if isinstance(device, MqttDevice):
        node = "/".join(device.topic.split("/")[:2])
        own = device.id if device.profile.format == "json" else node
        return device.host, device.port, own
    return device.host, device.port


def _wire(device: Device) -> Wire:
    if isinstance(device, ModbusDevice):
        return Wire.RTU if device.rtu else Wire.MODBUS
    if isinstance(device, OpcUaDevice):
        return Wire.OPC_UA
    if isinstance(device, MqttDevice):
        return Wire.MQTT
    return Wire.DATAGRAMS if device.transport == "udp" else Wire.TEXT


def _points(device: Device) -> tuple[str, ...]:
    if isinstance(device, TextDevice):
        return ()
    return tuple(point.name for point in device.profile.point)


def _spans(device: Device) -> dict[str, float]:
    if isinstance(device, TextDevice):
        return {}
    points: tuple[ModbusPoint | OpcUaPoint | MqttPoint, ...] = tuple(device.profile.point)
    return {point.name: _span(point) for point in points if _is_number(point)}


def _is_number(point: ModbusPoint | OpcUaPoint | MqttPoint) -> bool:
    other = (RegisterType.TEXT, RegisterType.BOOL, "text", "bool")
    return not point.states and point.type not in other


def _span(point: ModbusPoint | OpcUaPoint | MqttPoint) -> float:
    low, high = point.range or (0.0, _SPAN)
    return high - low or _SPAN
