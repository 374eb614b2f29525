"""A mine's folder as the simulator sees it: its devices, map and people."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import numpy as np

from equipment.catalogue import load as load_profile
from equipment.device import DEVICES_FILE, Device, parse_devices
from equipment.modbus_profile import ModbusProfile
from equipment.mqtt_profile import MqttProfile
from equipment.opcua_profile import OpcUaProfile
from equipment.profile import Kind, Profile
from equipment.text_profile import TextProfile
from equipment.toml_source import ConfigurationError
from hil_sim.people import Person
from positioning.geojson import MapError, parse_map
from positioning.mine_map import MAP_FILE, MineMap

PEOPLE_FILE: Final = "people.csv"
MACHINES_FILE: Final = "machines.toml"
PROFILES_FOLDER: Final = "profiles"

MODBUS_PORT: Final = 502
MQTT_PORT: Final = 1883

#: Kinds of what carries a card, beside people.
DRIVEN: Final = ("vehicle", "robot")


class SimulationError(Exception):
    """The mine can't be simulated; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class ModbusDevice:
    """A device to be served over Modbus TCP; `rtu`: in the frames of a serial line."""

    id: str
    profile: ModbusProfile
    host: str
    port: int
    unit: int
    rtu: bool = False


@dataclass(frozen=True, slots=True)
class OpcUaDevice:
    """A device to be served over OPC UA."""

    id: str
    profile: OpcUaProfile
    url: str
    root: str
    namespaces: dict[str, str]


@dataclass(frozen=True, slots=True)
class MqttDevice:
    """A device that publishes to a broker; `topic` is where its topics begin."""

    id: str
    profile: MqttProfile
    host: str
    port: int
    topic: str


@dataclass(frozen=True, slots=True)
class TextDevice:
    """A reader that sends lines of text: serves TCP at `host`, or sends from there.

    `gateway`: where to, None where it listens on all addresses; `card`: of which the lines are,
    where they do not say it.
    """

    id: str
    profile: TextProfile
    transport: str
    host: str
    port: int
    gateway: str | None = None
    card: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MineFolder:
    """What there is to simulate."""

    modbus: tuple[ModbusDevice, ...]
    opcua: tuple[OpcUaDevice, ...]
    mqtt: tuple[MqttDevice, ...]
    map: MineMap
    people: tuple[Person, ...]
    text: tuple[TextDevice, ...] = ()
    #: How long the roadways are along which devices say where their machines are, by device.
    lengths_m: Mapping[str, float] = field(default_factory=dict)

    def readers(self, kind: Kind) -> tuple[ModbusDevice, ...]:
        """The readers of a kind with rings, in the order of `devices.toml`."""
        return tuple(device for device in self.modbus if device.profile.kind is kind)

    def text_readers(self, kind: Kind) -> tuple[TextDevice, ...]:
        """The readers of a kind that send lines, in the order of `devices.toml`."""
        return tuple(device for device in self.text if device.profile.kind is kind)

    @property
    def devices(self) -> tuple[ModbusDevice | OpcUaDevice | MqttDevice | TextDevice, ...]:
        """All devices, those on Modbus first."""
        return (*self.modbus, *self.opcua, *self.mqtt, *self.text)

    @property
    def machines(self) -> tuple[ModbusDevice | OpcUaDevice | MqttDevice, ...]:
        """The machines, those on Modbus first."""
        found: tuple[ModbusDevice | OpcUaDevice | MqttDevice, ...]
        found = (*self.modbus, *self.opcua, *self.mqtt)
        return tuple(device for device in found if device.profile.kind is Kind.MACHINE)


def read_folder(folder: Path) -> MineFolder:
    """Reads what the simulator needs of a mine's folder.

    Raises:
        SimulationError: a file is missing or wrong, or a device can't be simulated.
    """
    try:
        devices = parse_devices(_text(folder, DEVICES_FILE))
        mine_map = parse_map(_text(folder, MAP_FILE))
        served = [
            (device, load_profile(device.profile, [folder / PROFILES_FOLDER])) for device in devices
        ]
    except ConfigurationError as error:
        raise SimulationError(str(error)) from None
    except MapError as error:
        raise SimulationError(
            "\n".join(f"{MAP_FILE}: {line}" for line in str(error).split("\n"))
        ) from None
    except KeyError as error:
        raise SimulationError(f"{DEVICES_FILE}: {error.args[0]}") from None
    modbus = tuple(_modbus(d, p) for d, p in served if isinstance(p, ModbusProfile))
    opcua = tuple(_opcua(d, p) for d, p in served if isinstance(p, OpcUaProfile))
    mqtt = tuple(_mqtt(d, p) for d, p in served if isinstance(p, MqttProfile))
    text = tuple(_text_device(d, p) for d, p in served if isinstance(p, TextProfile))
    _check_kinds(devices, [profile for _, profile in served])
    _check_units(modbus)
    lengths_m = dict(_lengths_m(folder, mine_map))
    return MineFolder(modbus, opcua, mqtt, mine_map, _people(folder), text, lengths_m)


def _lengths_m(folder: Path, mine_map: MineMap) -> Iterator[tuple[str, float]]:
    """Of each device that says where along a roadway its machine is: how far it can count.

    What is wrong in the file is told by `lamproom check`: here it says nothing.
    """
    try:
        found = tomllib.loads((folder / MACHINES_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return
    lines = {roadway.id: roadway.centreline_m for roadway in mine_map.roadways}
    machines = found.get("machine")
    for machine in machines if isinstance(machines, list) else ():
        along = machine.get("along") if isinstance(machine, dict) else None
        if not isinstance(along, dict) or along.get("roadway") not in lines:
            continue
        device, offset_m = along.get("device", machine.get("device")), along.get("offset_m", 0.0)
        line_m = lines[along["roadway"]]
        length_m = float(np.linalg.norm(np.diff(line_m, axis=0), axis=1).sum())
        if isinstance(device, str) and isinstance(offset_m, int | float) and length_m > offset_m:
            yield device, length_m - offset_m


def _check_kinds(devices: Sequence[Device], profiles: Sequence[Profile]) -> None:
    for device, profile in zip(devices, profiles, strict=True):
        is_of_events = isinstance(profile, OpcUaProfile) and profile.kind is not Kind.MACHINE
        served = ModbusProfile | OpcUaProfile | MqttProfile | TextProfile
        is_unknown = not isinstance(profile, served)
        if is_of_events or is_unknown or profile.kind is Kind.POSITIONING_ENGINE:
            what = f"a {profile.kind.value} over {profile.protocol}"
            msg = (
                f"{DEVICES_FILE}: device {device.id!r} is {what}, which the simulator does not "
                "serve: take it out to simulate the mine"
            )
            raise SimulationError(msg)


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        msg = f"{folder / name} is missing: `lamproom init DIR` writes a folder with all files"
        raise SimulationError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SimulationError(f"{folder / name} can't be read: {error}") from None


def _people(folder: Path) -> tuple[Person, ...]:
    lines = _text(folder, PEOPLE_FILE).removeprefix("\ufeff").splitlines()
    rows = csv.DictReader(lines)
    if "card" not in (rows.fieldnames or ()):
        msg = f"{PEOPLE_FILE}: there is no column 'card'"
        raise SimulationError(msg)
    return tuple(
        Person(row["card"], row.get("team") or "", drives=(row.get("kind") or "") in DRIVEN)
        for row in rows
    )


def _modbus(device: Device, profile: ModbusProfile) -> ModbusDevice:
    options = device.options
    transport = options.get("transport", "tcp")
    if transport not in ("tcp", "rtu_over_tcp"):
        msg = (
            f"{DEVICES_FILE}: device {device.id!r} is on a serial line, which the simulator does "
            'not serve: write transport = "rtu_over_tcp" with host and port to use it'
        )
        raise SimulationError(msg)
    host, port = options.get("host"), options.get("port", MODBUS_PORT)
    unit = options.get("unit", 1)
    if not isinstance(host, str) or not isinstance(port, int) or not isinstance(unit, int):
        msg = f"{DEVICES_FILE}: device {device.id!r} needs host (a text), port and unit (numbers)"
        raise SimulationError(msg)
    return ModbusDevice(device.id, profile, host, port, unit, transport == "rtu_over_tcp")


def _opcua(device: Device, profile: OpcUaProfile) -> OpcUaDevice:
    options = device.options
    url, root = options.get("url"), options.get("root")
    namespaces = options.get("namespaces", {})
    if not isinstance(url, str) or urlsplit(url).hostname is None or not isinstance(root, str):
        msg = f"{DEVICES_FILE}: device {device.id!r} needs url (opc.tcp://host:port) and root"
        raise SimulationError(msg)
    if options.get("security", "none") != "none":
        msg = (
            f"{DEVICES_FILE}: device {device.id!r} asks for security, which the simulator does not "
            'offer: write security = "none" to use it'
        )
        raise SimulationError(msg)
    return OpcUaDevice(device.id, profile, url, root, namespaces)


def _mqtt(device: Device, profile: MqttProfile) -> MqttDevice:
    options = device.options
    host, port = options.get("host"), options.get("port", MQTT_PORT)
    topic = options.get("topic")
    if not isinstance(host, str) or not isinstance(port, int) or not isinstance(topic, str):
        msg = f"{DEVICES_FILE}: device {device.id!r} needs host, topic (texts) and port (a number)"
        raise SimulationError(msg)
    if options.get("tls") or options.get("user") is not None:
        msg = (
            f"{DEVICES_FILE}: device {device.id!r} asks for tls or a user, which the simulator "
            "does not use: leave them out, and let the broker take clients without them"
        )
        raise SimulationError(msg)
    if profile.kind is not Kind.MACHINE:
        msg = (
            f"{DEVICES_FILE}: device {device.id!r} is a reader over MQTT; only machines are "
            "simulated over it: give the reader a profile that speaks Modbus"
        )
        raise SimulationError(msg)
    if profile.format == "sparkplug" and topic.count("/") not in (1, 2):
        msg = f"{DEVICES_FILE}: device {device.id!r}: topic must be group/node/device for Sparkplug"
        raise SimulationError(msg)
    return MqttDevice(device.id, profile, host, port, topic)


def _text_device(device: Device, profile: TextProfile) -> TextDevice:
    options = device.options
    transport, bind = options.get("transport", "tcp"), options.get("bind")
    host, port, card = options.get("host"), options.get("port"), options.get("card")
    if not isinstance(host, str) or not isinstance(port, int):
        msg = f"{DEVICES_FILE}: device {device.id!r} needs host (a text) and port (a number)"
        raise SimulationError(msg)
    if profile.kind is Kind.MACHINE:
        msg = (
            f"{DEVICES_FILE}: device {device.id!r} is a machine that sends lines of text, of which "
            "the simulator serves readers only: leave it out"
        )
        raise SimulationError(msg)
    if transport not in ("tcp", "udp"):
        msg = (
            f"{DEVICES_FILE}: device {device.id!r} connects to the gateway, which the simulator "
            'does not do: write transport = "tcp" or "udp" to use it'
        )
        raise SimulationError(msg)
    gateway = None if bind in (None, "0.0.0.0", "::") else str(bind)  # noqa: S104  only compared
    return TextDevice(device.id, profile, transport, host, port, gateway, card)


def _check_units(devices: tuple[ModbusDevice, ...]) -> None:
    first: dict[tuple[str, int, int], str] = {}
    framing: dict[tuple[str, int], ModbusDevice] = {}
    for device in devices:
        neighbour = framing.setdefault((device.host, device.port), device)
        if neighbour.rtu != device.rtu:
            msg = (
                f"{DEVICES_FILE}: devices {neighbour.id!r} and {device.id!r} are at "
                f"{device.host}:{device.port} with another transport each: give both the same"
            )
            raise SimulationError(msg)
        place = (device.host, device.port, device.unit)
        other = first.setdefault(place, device.id)
        if other != device.id:
            msg = (
                f"{DEVICES_FILE}: devices {other!r} and {device.id!r} both are unit {device.unit} "
                f"of {device.host}:{device.port}: give one of them another unit or port"
            )
            raise SimulationError(msg)
