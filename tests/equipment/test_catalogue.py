"""Profiles come with the gateway or from the mine's folder, and mistakes in them are told."""

from pathlib import Path

import pytest

from equipment.catalogue import available, load, parse_profile, shipped
from equipment.modbus_profile import ModbusProfile, RegisterType, WordOrder
from equipment.profile import Kind
from equipment.toml_source import ConfigurationError

MODBUS = ("shearer_modbus", "roadheader", "uwb_reader", "rfid_reader", "gas_station")


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_profile_loads(name: str) -> None:
    profile = load(name)
    assert profile.id == name
    assert profile.title.en
    assert profile.title.zh


def test_modbus_profiles_are_there() -> None:
    assert set(MODBUS) <= set(shipped())


@pytest.mark.parametrize("name", MODBUS)
def test_numbers_have_a_range_or_states_and_a_unit(name: str) -> None:
    profile = load(name)
    assert isinstance(profile, ModbusProfile)
    for point in profile.point:
        if point.type in (RegisterType.BOOL, RegisterType.TEXT) or point.name == "fault_code":
            continue
        assert point.states or (point.range and point.unit), point.name


def test_machines_use_what_the_driver_can_read() -> None:
    profiles = [load(name) for name in MODBUS]
    points = [
        p for profile in profiles if isinstance(profile, ModbusProfile) for p in profile.point
    ]
    assert {point.table.value for point in points} == {"coil", "discrete", "holding", "input"}
    assert {point.word_order for point in points} == set(WordOrder)
    assert {point.type for point in points} >= {
        RegisterType.BOOL,
        RegisterType.TEXT,
        RegisterType.FLOAT32,
        RegisterType.FLOAT64,
        RegisterType.INT32,
        RegisterType.UINT64,
    }


def test_readers_hold_five_and_six_records_in_a_read() -> None:
    for name, kind, width in (
        ("uwb_reader", Kind.UWB_READER, 25),
        ("rfid_reader", Kind.RFID_READER, 18),
    ):
        profile = load(name)
        assert isinstance(profile, ModbusProfile)
        assert profile.kind is kind
        assert profile.ring is not None
        assert profile.ring.record_width == width
        assert profile.scan.period_s == 0.1


def test_a_profile_of_the_mine_stands_before_a_shipped_one(tmp_path: Path) -> None:
    text = shipped()["roadheader"].read_text(encoding="utf-8").replace("Roadheader", "Ours")
    (tmp_path / "roadheader.toml").write_text(text, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no profile", encoding="utf-8")
    assert load("roadheader", [tmp_path]).title.en == "Ours"
    assert load("uwb_reader", [tmp_path]).id == "uwb_reader"
    assert "notes" not in available([tmp_path])
    assert available([tmp_path / "missing"]) == shipped()


def test_a_profile_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean 'roadheader'"):
        load("roadheder")


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError) as failed:
        parse_profile('id = "x"\nprotocol = "modbsu"\n', "x.toml")
    assert str(failed.value) == "x.toml:2: protocol: unknown protocol (did you mean 'modbus'?)"


def test_a_profile_must_have_the_name_of_its_file() -> None:
    text = shipped()["roadheader"].read_text(encoding="utf-8")
    with pytest.raises(ConfigurationError, match="must be the file's name, 'other', not 'roadh"):
        parse_profile(text, "profiles/other.toml")
