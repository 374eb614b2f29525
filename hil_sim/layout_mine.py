"""A whole mine after a scenario's `[layout]`: up to 8,000 cards and 100 machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from equipment.catalogue import load as load_profile
from equipment.device import DEVICES_FILE
from equipment.modbus_profile import ModbusProfile
from equipment.opcua_profile import OpcUaProfile
from equipment.profile import Kind
from hil_sim.folder import MACHINES_FILE, PEOPLE_FILE, PROFILES_FOLDER, SimulationError
from hil_sim.layout_map import face_id, heading_id, layout_map
from hil_sim.layout_settings import Layout
from hil_sim.machines.make import SCENARIO_FILE
from hil_sim.mqtt_twin import SUFFIX, mqtt_twin_text
from hil_sim.sample_map import plan_text
from hil_sim.sample_mine import (
    MINE_CODE,
    MINE_FILE,
    RFID_IDS,
    mine_text,
    modbus_text,
    write_files,
)
from hil_sim.sample_people import TEAMS, people_text
from hil_sim.scenario import parse_scenario
from positioning.mine_map import MAP_FILE

#: Endings of profiles' ids that say how a machine is reached, not what it is.
_ENDINGS: Final = ("_modbus", "_opc40560")

#: Which roadway machines go along that belong to the mine as a whole.
_MINE_ROADWAY: Final = "haulage"


@dataclass(frozen=True, slots=True)
class _Machine:
    """One machine of the mine; `along`: the roadway in which it is."""

    id: str
    profile: ModbusProfile | OpcUaProfile
    name: str
    along: str


def write_layout_mine(folder: Path, text: str, seed: int = 1, file: str = SCENARIO_FILE) -> None:
    """Writes all files of the mine to `folder`; `text` is the scenario, which goes with it.

    Raises:
        SimulationError: the scenario is wrong, or the folder not empty or not to be written.
    """
    layout = parse_scenario(text, file).layout
    machines = list(_machines(layout, file))
    files = {
        MINE_FILE: mine_text(layout.grpc_port, layout.people + layout.vehicles),
        DEVICES_FILE: _devices_text(layout, machines),
        PEOPLE_FILE: people_text(
            MINE_CODE,
            layout.people,
            seed,
            teams=_teams(layout),
            vehicles=[(f"{n}号防爆胶轮车", "材料运输") for n in range(1, layout.vehicles + 1)],
        ),
        MAP_FILE: plan_text(layout_map(layout), RFID_IDS),
        MACHINES_FILE: _machines_text(machines),
        SCENARIO_FILE: text,
    }
    for machine in machines:
        if machine.profile.id in layout.mqtt and isinstance(machine.profile, ModbusProfile):
            name = f"{PROFILES_FOLDER}/{machine.profile.id}{SUFFIX}.toml"
            files[name] = mqtt_twin_text(machine.profile)
    write_files(folder, files)


def _machines(layout: Layout, file: str) -> Iterator[_Machine]:
    """All machines, those of a face or heading with its short name at the end of their ids."""
    places = [(f"f{n}", layout.face, face_id(n)) for n in range(1, layout.faces + 1)]
    places += [(f"h{n}", layout.heading, heading_id(n)) for n in range(1, layout.headings + 1)]
    places.append(("mine", layout.mine, _MINE_ROADWAY))
    for place, profiles, roadway in places:
        count: Counter[str] = Counter()
        for name in profiles:
            profile = _profile(name, file, over_mqtt=name in layout.mqtt)
            stem = name
            for ending in _ENDINGS:
                stem = stem.removesuffix(ending)
            count[stem] += 1
            number = str(count[stem]) if count[stem] > 1 else ""
            words = f"{place.upper()} {profile.title.zh.partition('（')[0]}{number}"
            yield _Machine(f"{stem}{number}_{place}", profile, words, roadway)


def _profile(name: str, file: str, *, over_mqtt: bool) -> ModbusProfile | OpcUaProfile:
    try:
        profile = load_profile(name, [])
    except KeyError as error:
        raise SimulationError(f"{file}: layout: {error.args[0]}") from None
    what = ""
    if not isinstance(profile, ModbusProfile | OpcUaProfile) or profile.kind is not Kind.MACHINE:
        what = f"{name!r} is no machine's profile: take one of `lamproom profile list`"
    elif over_mqtt and not isinstance(profile, ModbusProfile):
        what = f"mqtt: {name!r} speaks {profile.protocol}: only profiles over Modbus can change"
    if what:
        raise SimulationError(f"{file}: layout: {what}")
    assert isinstance(profile, ModbusProfile | OpcUaProfile)
    return profile


def _teams(layout: Layout) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """In the order of workplaces: one for each face and heading, then those of the ways."""
    digging, heading, *others = TEAMS[0], TEAMS[2], *TEAMS[3:]
    return (
        *((f"综采{n}队", digging[1]) for n in range(1, layout.faces + 1)),
        *((f"掘进{n}队", heading[1]) for n in range(1, layout.headings + 1)),
        *others,
    )


def _devices_text(layout: Layout, machines: list[_Machine]) -> str:
    port = layout.first_port
    parts = ["# The devices of a generated mine. `lamproom sim` serves them.\n"]
    for number in range(1, layout.uwb_readers + 1):
        parts.append(modbus_text(f"uwb_{number}", "uwb_reader", f"{number}号定位分站", port))
        port += 1
    for unit, (reader, place) in enumerate(zip(RFID_IDS, ("井口", "井底车场"), strict=True), 1):
        parts.append(modbus_text(reader, "rfid_reader", f"{place}读卡分站", port, unit))
    opcua_port = port + 1
    port = opcua_port + 1
    for machine in machines:
        profile = machine.profile
        if profile.id in layout.mqtt:
            assert layout.broker is not None
            broker = layout.broker
            parts.append(f"""\
[[device]]
id = "{machine.id}"
profile = "{profile.id}{SUFFIX}"
name = "{machine.name}"
host = "{broker.host}"
port = {broker.port}
topic = "mine/{machine.id}"
""")
        elif isinstance(profile, ModbusProfile):
            parts.append(modbus_text(machine.id, profile.id, machine.name, port))
            port += 1
        else:
            parts.append(f"""\
[[device]]
id = "{machine.id}"
profile = "{profile.id}"
name = "{machine.name}"
url = "opc.tcp://127.0.0.1:{opcua_port}"
root = "di:DeviceSet/app:{machine.id}"
[device.namespaces]
app = "urn:generated-mine:machines"
""")
    return "\n".join(parts)


def _machines_text(machines: list[_Machine]) -> str:
    """The machines whose profiles say how they go along a roadway; the others have no fence."""
    parts = ["# Where machines are; their fences are those of their profiles.\n"]
    for machine in machines:
        defaults = machine.profile.machine
        if defaults is not None and defaults.along is not None:
            parts.append(f"""\
[[machine]]
id = "{machine.id}"
name = "{machine.name}"
device = "{machine.id}"
[machine.along]
roadway = "{machine.along}"
""")
    return "\n".join(parts)
