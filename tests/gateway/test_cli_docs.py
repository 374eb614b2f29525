"""What README.md and docs/configuration.md show is loaded; each key of the schema is told there."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from equipment.device import Device
from equipment.ethernetip_profile import EthernetIpProfile
from equipment.llrp_profile import LlrpProfile
from equipment.machine import MachineKind
from equipment.modbus_profile import ModbusProfile, RegisterType, Table
from equipment.mqtt_profile import TIME_UNITS, MqttProfile
from equipment.opcua_profile import OpcUaProfile
from equipment.text_line import ChecksumKind, FieldType, TimeUnit
from equipment.text_profile import TextProfile
from equipment.toml_source import ConfigurationError
from gateway.config.alarms import AlarmSettings
from gateway.config.bundle import load
from gateway.config.limits import LimitsFile
from gateway.config.machines import MachinesFile
from gateway.config.people import COLUMNS, OPTIONAL, CardKind
from gateway.config.risks import RiskPointsFile
from gateway.config.routes import RoutesFile
from gateway.config.schema import MineSettings
from gateway.mine.alarms.families import FAMILIES
from positioning.geojson import KINDS
from positioning.mine_map import ZoneKind
from protocols.ethernetip.options import EthernetIpOptions
from protocols.llrp.options import LlrpOptions
from protocols.modbus.options import ModbusOptions
from protocols.mqtt.options import MqttOptions
from protocols.opcua.options import OpcUaOptions
from protocols.text.options import TextOptions
from tests.support.places import ROOT

CONFIGURATION = ROOT / "docs/configuration.md"
PAGES = (
    "README.md",
    "docs/accuracy.md",
    "docs/architecture.md",
    "docs/catalogue.md",
    "docs/clients.md",
    "docs/configuration.md",
    "docs/machines.md",
    "docs/risk.md",
    "docs/simulator.md",
    "docs/soak.md",
)


def samples(page: Path) -> dict[str, str]:
    """The samples of a page that name a file; those of one file go together."""
    found = re.findall(r"```\w+ (\S+)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    files: dict[str, str] = {}
    for name, text in found:
        files[name] = f"{files[name]}\n{text}" if name in files else text
    return files


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_samples_of_the_configuration_are_one_mine(tmp_path: Path) -> None:
    files = samples(CONFIGURATION)
    files["devices.toml"] += """
[[device]]
id = "pump_1"
profile = "pump"
host = "10.1.0.50"
[[device]]
id = "hoist_1"
profile = "hoist"
url = "opc.tcp://10.1.0.60"
root = "maker:Hoist"
[[device]]
id = "compressor_1"
profile = "compressor"
host = "10.1.0.70"
topic = "mine/compressor_1"
[[device]]
id = "uwb_2"
profile = "uwb_json"
host = "10.1.0.70"
topic = "mine/uwb_2"
[[device]]
id = "air_1"
profile = "weather"
host = "10.1.0.63"
port = 4001
"""
    bundle = load(write(tmp_path / "mine", files))
    assert bundle.settings.alarm.signal_lost.after_s == 20
    assert [setup.profile.id for setup in bundle.devices] == [
        "uwb_reader",
        "shearer_opc40560",
        "pump",
        "pump",
        "pump",
        "uwb_text",
        "uwb_text",
        "drive",
        "uhf_gate",
        "pump",
        "hoist",
        "compressor",
        "uwb_json",
        "weather",
    ]
    assert [person.name for person in bundle.people] == ["张伟", "王建国", "李强"]
    assert [shift.name for shift in bundle.settings.shift] == ["早班", "中班"]
    assert [(route.id, len(route.stop)) for route in bundle.routes] == [("gas_round", 2)]
    assert [(one.id, one.level) for one in bundle.risk_points] == [
        ("belt_fire", 1),
        ("shearer_drum", 2),
    ]


def test_the_samples_of_the_readme_go_into_a_mine(tmp_path: Path) -> None:
    mine, shown = samples(CONFIGURATION), samples(ROOT / "README.md")
    identity, _, _ = mine["mine.toml"].partition("[alarm")
    header, _, _ = mine["profiles/pump.toml"].partition("[[point]]")
    places = json.loads(mine["map.geojson"])
    places["features"].append(json.loads(shown["map.geojson"]))
    pump = '\n[[device]]\nid = "pump_1"\nprofile = "pump"\nhost = "10.1.0.50"\n'
    files = {
        "mine.toml": identity + shown["mine.toml"],
        "devices.toml": shown["devices.toml"] + pump,
        "people.csv": f"{','.join(COLUMNS)}\n{shown['people.csv']}",
        "map.geojson": json.dumps(places),
        "profiles/pump.toml": header + shown["profile"],
    }
    bundle = load(write(tmp_path / "mine", files))
    assert [setup.device.id for setup in bundle.devices] == ["shearer_3101", "pump_1"]
    assert [zone.id for zone in bundle.map.zones] == ["pit_top", "belt", "substation", "old_stub"]


def test_the_mistake_that_is_shown_is_told_so(tmp_path: Path) -> None:
    files = samples(CONFIGURATION)
    files["devices.toml"] = files["devices.toml"].replace(
        'host = "10.1.0.11"', 'porte = 502\nhost = "10.1.0.11"'
    )
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path / "mine", files))
    (mistake,) = caught.value.mistakes
    assert f"\n{mistake}\n" in CONFIGURATION.read_text(encoding="utf-8")


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def keys(model: type[BaseModel]) -> Iterator[str]:
    """All keys of a model and of those within it; tables are named by their path."""
    for name, field in model.model_fields.items():
        inner = list(models(field.annotation))
        for part in inner:
            yield from keys(part)
        if not inner:
            yield field.alias or name


@pytest.mark.parametrize(
    "model",
    [
        MineSettings, RoutesFile, LimitsFile, MachinesFile, RiskPointsFile, Device, ModbusOptions,
        EthernetIpOptions, LlrpOptions, MqttOptions, OpcUaOptions, TextOptions,
        EthernetIpProfile, LlrpProfile, ModbusProfile, MqttProfile, OpcUaProfile, TextProfile,
    ],
)  # fmt: skip
def test_every_key_is_documented(model: type[BaseModel]) -> None:
    named = set(re.findall(r"`\[*([a-z_.]+)\]*`|\b(en|zh) = ", CONFIGURATION.read_text()))
    words = {word for pair in named for word in pair if word}
    assert {key for key in keys(model) if key not in words} == set()


def test_every_choice_is_documented() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    choices = [*Table, *RegisterType, *ZoneKind, *CardKind, *MachineKind]
    choices += [*FieldType, *TimeUnit, *ChecksumKind, *TIME_UNITS]
    choices += [*COLUMNS, *OPTIONAL, "yes", "no", "是", "否"]
    assert [choice for choice in choices if f"`{choice}`" not in text] == []


def test_every_kind_of_thing_on_the_map_is_documented() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    part = text[text.index("## map.geojson") : text.index("## Profiles")]
    words = [word for kind, form in KINDS.items() for word in (kind, *form.keys)]
    assert [word for word in words if f"`{word}`" not in part] == []
    assert all(f'"kind": "{kind}"' in part for kind in KINDS)


def test_the_defaults_that_are_documented_are_those_of_the_schema() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    part = text[text.index("## mine.toml") : text.index("### Alarms")]
    settings = MineSettings.model_validate({"mine": {"code": "1" * 12, "name": "x"}}).model_dump()
    section: dict[str, Any] = {}
    seen = 0
    for line in re.findall(r"^\| (`.*)", part, re.MULTILINE):
        first, _, default, *_ = (cell.strip() for cell in line.split("|"))
        table = re.search(r"`\[([a-z_.]+)\]`", first)
        if table:
            section = settings
            for name in table[1].split("."):
                section = section[name]
        key = re.findall(r"`([a-z_]+)`", first)[-1]
        if default == "none":
            assert section[key] is None
        elif default != "needed":
            assert tomllib.loads(f"value = {default.strip('`')}")["value"] == section[key]
        seen += default != "needed"
    assert seen == 60


def test_the_alarm_families_that_are_documented_are_those_there_are() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    part = text[text.index("### Alarms") : text.index("## devices.toml")]
    rows = re.findall(r"^\| `([a-z_]+)` (\S+) \|.*?\| ([1-4]) \|(.*?)\|$", part, re.MULTILINE)
    told = {name: (zh, int(level), special) for name, zh, level, special in rows}
    families = AlarmSettings().model_dump()
    assert told.keys() == families.keys() == FAMILIES.keys()
    for name, (zh, level, said) in told.items():
        family, special = families[name], said.strip()
        assert (zh, level) == (FAMILIES[name].zh, family["level"])
        assert special.startswith(f"`after_s` {family['after_s']:g}") == (family["after_s"] > 0)
        assert ("`clear_after_s` 60" in special) == (family["clear_after_s"] == 60)
    defaults = families["restricted_entry"]
    common, _, own = part.partition("#### Two cards")
    cells = re.findall(r"^\| `([a-z_]+)` \| [a-z]* ?\| (\S.*?) \|", common, re.MULTILINE)
    seen = {key: default.strip("`") for key, default in cells if default != "as above"}
    assert seen.keys() == defaults.keys() - {"level"}
    for key, default in seen.items():
        value = None if default == "none" else tomllib.loads(f"v = {default}")["v"]
        assert (list(defaults[key]) if isinstance(value, list) else defaults[key]) == value
    special = {name: set(family) - set(defaults) for name, family in families.items()}
    assert {name: keys for name, keys in special.items() if keys} == {
        "dual_card": {"together_min", "apart_m", "way_m", "near_m"},
        "duplicate_card": {"leaps", "within_s"},
    }
    family = ""
    for first, default in re.findall(r"^\| (`.*?) \| \S* ?\| `([\d.]+)` \|", own, re.MULTILINE):
        *name, key = re.findall(r"`([a-z_]+)`", first)
        family = name[0] if name else family
        assert families[family][key] == tomllib.loads(f"v = {default}")["v"]
        special[family].discard(key)
    assert not special["dual_card"] | special["duplicate_card"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    assert [to for to in targets if not (ROOT / page).parent.joinpath(to).exists()] == []
    assert "@@" not in text
