"""Profiles come with the gateway or from the mine's folder, and mistakes in them are told."""

import re
from collections import Counter
from pathlib import Path

import pytest

from equipment.catalogue import available, load, parse_profile, shipped
from equipment.machine import MachineKind
from equipment.modbus_profile import (
    RING_HEADER_WIDTH,
    WHOLE,
    ModbusProfile,
    RegisterType,
    WordOrder,
)
from equipment.profile import Kind
from equipment.toml_source import ConfigurationError

PROFILES = {name: load(name) for name in shipped()}
MODBUS = {name: one for name, one in PROFILES.items() if isinstance(one, ModbusProfile)}
CHINESE = re.compile("[\u4e00-\u9fff]")
#: What the plan for safer mines names, each with at least one profile.
MACHINES = {
    MachineKind.SHEARER,
    MachineKind.ROADHEADER,
    MachineKind.BOLTER_MINER,
    MachineKind.SHIELD_MACHINE,
    MachineKind.DRILL_RIG,
    MachineKind.ADVANCE_SUPPORT,
    MachineKind.CONVEYOR,
    MachineKind.VEHICLE,
}


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_shipped_profile_says_what_it_is(name: str) -> None:
    profile = PROFILES[name]
    assert profile.id == name
    assert shipped()[name].read_text(encoding="utf-8").startswith("# ")
    for words in (profile.title, *(point.meaning for point in profile.point)):
        assert words.en.isascii(), words
        assert CHINESE.search(words.zh), words


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_no_two_points_of_a_profile_mean_the_same(name: str) -> None:
    for language in ("en", "zh"):
        meanings = Counter(getattr(point.meaning, language) for point in PROFILES[name].point)
        assert [text for text, count in meanings.items() if count > 1] == []


def test_every_kind_of_machine_has_a_profile_with_a_fence() -> None:
    fenced = {one.machine.kind for one in PROFILES.values() if one.machine and one.machine.fence}
    assert fenced == MACHINES


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_limits_are_within_the_range(name: str) -> None:
    for point in PROFILES[name].point:
        for limit in point.limit:
            edge = limit.above if limit.above is not None else limit.below
            if edge is not None:
                assert point.range is not None, point.name
                assert point.range[0] < edge < point.range[1], point.name


@pytest.mark.parametrize("name", MODBUS)
def test_numbers_have_a_range_or_states_and_a_unit(name: str) -> None:
    for point in MODBUS[name].point:
        codes = point.name.startswith(("fault_code", "error_code")) or point.name.endswith("_code")
        if point.type in (RegisterType.BOOL, RegisterType.TEXT) or codes:
            continue
        count = point.type in WHOLE and (point.scale, point.offset) == (1.0, 0.0)
        assert point.states or (point.range and (point.unit or count)), point.name


@pytest.mark.parametrize("name", MODBUS)
def test_no_two_points_share_an_address_unless_they_are_bits(name: str) -> None:
    taken: Counter[tuple[str, int, int]] = Counter()
    for point in MODBUS[name].point:
        one_bit = point.type is RegisterType.BOOL
        for address in range(point.address, point.address + point.width):
            for bit in [point.bit] if one_bit else range(16):
                taken[point.table.value, address, bit] += 1
    ring = MODBUS[name].ring
    if ring is not None:
        places = [(ring.header_address, RING_HEADER_WIDTH)]
        places.append((ring.first_address, ring.capacity * ring.record_width))
        for first, count in places:
            taken.update((ring.table.value, a, 0) for a in range(first, first + count))
    assert [place for place, count in taken.items() if count > 1] == []


def test_machines_use_what_the_driver_can_read() -> None:
    points = [point for profile in MODBUS.values() for point in profile.point]
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
        ("rfid_gate", Kind.RFID_READER, 19),
    ):
        profile = load(name)
        assert isinstance(profile, ModbusProfile)
        assert profile.kind is kind
        assert profile.ring is not None
        assert profile.ring.record_width == width
        assert profile.scan.period_s == 0.1


def test_the_gate_says_on_which_side_a_card_was() -> None:
    ring = MODBUS["rfid_gate"].ring
    assert ring is not None
    assert [field.name for field in ring.field][-2:] == ["side", "crc"]


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
