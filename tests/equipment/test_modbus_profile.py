"""Mistakes in a Modbus profile that would misread a device are told with their line."""

import pytest

from equipment.catalogue import parse_profile
from equipment.modbus_profile import ModbusProfile, RegisterType
from equipment.profile import Kind
from equipment.toml_source import ConfigurationError

TOP = """id = "x"
title = { en = "X", zh = "X" }
kind = "machine"
protocol = "modbus"
"""
READER_TOP = TOP.replace('"machine"', '"uwb_reader"')
POINT = '[[point]]\nname = "a"\nmeaning = { en = "a", zh = "a" }\n'
RING = """[ring]
header_address = 0
first_address = 8
capacity = 10
"""
FIELDS = {
    "sequence": 'type = "uint32"',
    "t_us": 'type = "uint64"',
    "card": 'type = "text"\nlength = 9',
    "anchor": 'type = "text"\nlength = 4',
    "range_m": 'type = "uint32"\nscale = 0.0001',
    "crc": 'type = "uint16"',
}


def reader(ring: str = RING, **changes: str) -> str:
    fields = {name: text for name, text in (FIELDS | changes).items() if text}
    order = [*[name for name in fields if name != "crc"], *(["crc"] if "crc" in fields else [])]
    return (
        READER_TOP
        + ring
        + "".join(f'[[ring.field]]\nname = "{name}"\n{fields[name]}\n' for name in order)
    )


def mistakes_in(text: str) -> str:
    with pytest.raises(ConfigurationError) as failed:
        parse_profile(text, "x.toml")
    return str(failed.value)


def test_a_whole_profile() -> None:
    profile = parse_profile(TOP + POINT + 'address = 3\ntype = "int16"\n', "x.toml")
    assert isinstance(profile, ModbusProfile)
    assert (profile.point[0].width, profile.gap) == (1, 16)


def test_a_reader_may_tell_the_side() -> None:
    text = reader(side='type = "uint16"', anchor="", range_m="").replace(
        "uwb_reader", "rfid_reader"
    )
    profile = parse_profile(text, "x.toml")
    assert isinstance(profile, ModbusProfile)
    wrong = text.replace('name = "side"\ntype = "uint16"', 'name = "side"\ntype = "float32"')
    assert "field 'side' of a rfid_reader must be one of: int16" in mistakes_in(wrong)


def test_a_ring_may_hold_places() -> None:
    number = 'type = "int32"\nscale = 0.001'
    places = {"x_m": number, "y_m": number, "sigma_m": number, "flags": 'type = "uint16"'}
    text = reader(**places, anchor="", range_m="").replace("uwb_reader", "positioning_engine")
    profile = parse_profile(text, "x.toml")
    assert isinstance(profile, ModbusProfile)
    assert profile.kind is Kind.POSITIONING_ENGINE
    told = mistakes_in(text.replace('name = "y_m"', 'name = "yy_m"'))
    assert "records of a positioning_engine need a field 'y_m'" in told
    told = mistakes_in(text.replace(f'"sigma_m"\n{number}', '"sigma_m"\ntype = "bool"'))
    assert "field 'sigma_m' of a positioning_engine must be one of: float32" in told


def test_a_whole_reader() -> None:
    profile = parse_profile(reader(), "x.toml")
    assert isinstance(profile, ModbusProfile)
    assert profile.ring is not None
    assert profile.ring.record_width == 2 + 4 + 9 + 4 + 2 + 1


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ('type = "int16"', "x.toml:5: point[1].address: is missing"),
        ('address = 1\ntype = "int17"', "x.toml:9: point[1].type: must be 'bool'"),
        ('address = 65536\ntype = "int16"', "x.toml:8: point[1].address: "),
        ('address = -1\ntype = "int16"', "x.toml:8: point[1].address: "),
        ('address = 65535\ntype = "int32"', "goes beyond 65535"),
        ('addres = 1\ntype = "int16"', "x.toml:8: point[1].addres: unknown key (did you mean"),
        ('address = 1\ntype = "text"', "length (in registers) is needed for type 'text'"),
        ('address = 1\ntype = "int16"\nlength = 2', "length (in registers) is needed"),
        ('address = 1\ntype = "int16"\ntable = "coil"', "holds bits: type must be 'bool'"),
        ('address = 1\ntype = "int16"\ntable = "coils"', "point[1].table: must be 'coil'"),
        ('address = 1\ntype = "int16"\nbit = 2', "bit is for type 'bool' in a register"),
        ('address = 1\ntype = "bool"\ntable = "coil"\nbit = 2', "bit is for type 'bool' in a"),
        ('address = 1\ntype = "bool"\nbit = 16', "point[1].bit: "),
        ('address = 1\ntype = "int16"\nscale = 0', "x.toml:10: point[1].scale: must not be 0"),
        ('address = 1\ntype = "int16"\nrange = [2, 1]', "must be [lowest, highest]"),
        ('address = 1\ntype = "float32"\nstates = { 1 = "a" }', "states go with whole numbers"),
        ('address = 1\ntype = "bool"\nstates = { 1 = "a" }', "states go with whole numbers"),
        ('address = 1\ntype = "text"\nlength = 2\nscale = 2', "go with numbers, not with type 'te"),
        ('address = 1\ntype = "bool"\nrange = [0, 1]', "go with numbers, not with type 'bool'"),
        (
            'address = 1\ntype = "int16"\nscale = 2\nstates = { 1 = "a" }',
            "scale, offset and range go with numbers, not with states",
        ),
    ],
)
def test_points_that_can_not_be_read_as_written(point: str, told: str) -> None:
    assert told in mistakes_in(TOP + POINT + point)


def test_all_mistakes_are_told_at_once() -> None:
    told = mistakes_in(TOP + POINT + 'address = -1\ntype = "x"\n' + POINT + "address = 1\n")
    assert [line.split(": ")[1] for line in told.splitlines()] == [
        "point[1].address",
        "point[1].type",
        "point[2].type",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (reader(sequence='type = "uint16"'), "the first field must be 'sequence' of type 'uint32'"),
        (reader(sequence=""), "the first field must be 'sequence'"),
        (reader(crc=""), "the last field must be 'crc' of type 'uint16'"),
        (reader(crc='type = "int16"'), "the last field must be 'crc' of type 'uint16'"),
        (reader(card='type = "text"\nlength = 64', anchor='type = "text"\nlength = 64'), "125"),
        (reader(card=""), "records of a uwb_reader need a field 'card'"),
        (reader(range_m=""), "records of a uwb_reader need a field 'range_m'"),
        (reader(card='type = "uint32"'), "field 'card' of a uwb_reader must be one of: text"),
        (reader(t_us='type = "float64"'), "field 't_us' of a uwb_reader must be one of: int16"),
        (reader(range_m='type = "uint32"\nscale = 0'), "scale must not be 0"),
        (reader(card='type = "text"\nlength = 9\nnone = 0'), "none go with numbers"),
        (reader(RING.replace("first_address = 8", "first_address = 7")), "lies among the records"),
        (reader(RING.replace("header_address = 0", "header_address = 9")), "lies among the rec"),
        (reader(RING.replace("header_address = 0", "header_address = 65530")), "beyond 65535"),
        (reader(RING.replace("capacity = 10", "capacity = 8000")), "goes beyond 65535"),
        (reader(RING + 'table = "coil"\n'), "ring: table must be 'input' or 'holding'"),
        (READER_TOP + POINT + 'address = 1\ntype = "int16"\n', "a reader needs a [ring]"),
        (reader().replace("uwb_reader", "machine"), "a reader needs a [ring], a machine has none"),
        (TOP, "there is no [[point]]"),
        (2 * (POINT + 'address = 1\ntype = "int16"\n'), "unknown protocol"),
        (TOP + 2 * (POINT + 'address = 1\ntype = "int16"\n'), "two points have the name a"),
        (TOP + "gap = 125\n" + POINT, "gap: "),
    ],
)
def test_profiles_that_do_not_hold_together(text: str, told: str) -> None:
    assert told in mistakes_in(text)


def test_two_fields_of_one_name_are_told() -> None:
    again = '[[ring.field]]\nname = "card"\ntype = "int16"\n'
    text = reader().replace('[[ring.field]]\nname = "crc"', again + '[[ring.field]]\nname = "crc"')
    assert "two fields have the name card" in mistakes_in(text)


def test_an_rfid_reader_needs_no_anchor() -> None:
    text = reader(anchor="", range_m="").replace("uwb_reader", "rfid_reader")
    profile = parse_profile(text, "x.toml")
    assert isinstance(profile, ModbusProfile)
    assert profile.ring is not None
    assert [field.type for field in profile.ring.field][-1] is RegisterType.UINT16
