"""Many points of one form: each is a point of its own, and a mistake is told once."""

import pytest

from equipment.catalogue import parse_profile
from equipment.modbus_profile import ModbusPoint, ModbusProfile
from equipment.opcua_profile import OpcUaPoint, OpcUaProfile
from equipment.toml_source import ConfigurationError

TOP = """id = "x"
title = { en = "X", zh = "X" }
kind = "machine"
protocol = "modbus"
"""
LEG = """[[point]]
name = "leg_{n}_pressure"
meaning = { en = "leg pressure of support {n}", zh = "{n}号支架立柱压力" }
address = 100
type = "uint32"
unit = "MPa"
range = [0.0, 60.0]
limit = [{ below = 5.0 }]
repeat = { count = 150, step = 4 }
"""
OPC = """id = "x"
title = { en = "X", zh = "X" }
kind = "machine"
protocol = "opcua"
namespaces = { site = "urn:site" }
[[point]]
name = "support_{n}"
meaning = { en = "support {n}", zh = "{n}号支架" }
path = "site:Shield{n}/site:Pressure"
repeat = { count = 3, first = 7 }
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as failed:
        parse_profile(text, "x.toml")
    return [str(mistake) for mistake in failed.value.mistakes]


def test_registers_are_step_addresses_apart() -> None:
    profile = parse_profile(TOP + LEG, "x.toml")
    assert isinstance(profile, ModbusProfile)
    first, second, *_, last = profile.point
    assert isinstance(first, ModbusPoint)
    assert len(profile.point) == 150
    assert [point.name for point in (first, second, last)] == [
        "leg_1_pressure",
        "leg_2_pressure",
        "leg_150_pressure",
    ]
    assert [point.address for point in (first, second, last)] == [100, 104, 100 + 149 * 4]
    assert second.meaning.zh == "2号支架立柱压力"
    assert second.meaning.en == "leg pressure of support 2"
    assert all(point.repeat is None and point.limit[0].below == 5.0 for point in profile.point)


def test_nodes_have_the_number_in_their_paths() -> None:
    profile = parse_profile(OPC, "x.toml")
    assert isinstance(profile, OpcUaProfile)
    assert all(isinstance(point, OpcUaPoint) for point in profile.point)
    assert [(point.name, point.path) for point in profile.point] == [
        (f"support_{n}", f"site:Shield{n}/site:Pressure") for n in (7, 8, 9)
    ]


def test_points_before_and_after_keep_their_order() -> None:
    other = LEG.replace("leg_{n}_pressure", "{n}").replace("{n}", "a").partition("repeat")[0]
    after = other.replace('"a"', '"b"').replace("address = 100", "address = 2")
    profile = parse_profile(TOP + other.replace("100", "0") + LEG + after, "x.toml")
    names = [point.name for point in profile.point]
    assert (names[0], names[1], names[-2], names[-1]) == (
        "a",
        "leg_1_pressure",
        "leg_150_pressure",
        "b",
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("count = 150", "count = 0", "x.toml:13: point[1].repeat.count: must be at least 1"),
        ("count = 150", "count = 1001", "point[1].repeat.count: must be at most 1000"),
        ("step = 4", "step = 1", "repeat: step must be at least 2, as many as each point takes"),
        ("step = 4", "step = 0", "point[1].repeat.step: must be at least 1"),
        (", step = 4", "", "point[1].repeat.step: is missing"),
        ("step = 4", "step = 4, frist = 0", "unknown key (did you mean 'first'?)"),
        ("step = 4", "step = 500", "repeat: the last point lies at 74600, beyond 65535"),
        ("leg_{n}_pressure", "leg_pressure", "x.toml:5: point[1]: repeat: name must hold {n}"),
        ("support {n}", "a support", "repeat: meaning.en must hold {n}, the number of the point"),
        ("{n}号支架", "支架", "repeat: meaning.zh must hold {n}"),
        ("repeat = { count = 150, step = 4 }", "", "name, meaning.en, meaning.zh: {n} goes with"),
        ("leg_{n}_pressure", "{n}_leg", "point[1].name: must have the form"),
    ],
)
def test_each_mistake_is_told_once(old: str, new: str, told: str) -> None:
    assert old in LEG
    (found,) = mistakes(TOP + LEG.replace(old, new))
    assert told in found


def test_a_number_must_not_make_a_name_too_long() -> None:
    long = LEG.replace("leg_{n}_pressure", f"{'a' * 61}{{n}}")
    assert len(parse_profile(TOP + long, "x.toml").point) == 150
    (found,) = mistakes(TOP + long.replace("count = 150", "count = 150, first = 1000"))
    assert "1149' has more than 64 characters" in found


def test_a_path_must_say_which() -> None:
    (found,) = mistakes(OPC.replace("Shield{n}", "Shield"))
    assert "repeat: path must hold {n}" in found
    (found,) = mistakes(OPC.replace("first = 7", "step = 1"))
    assert "point[1].repeat.step: unknown key" in found
    (found,) = mistakes(OPC.partition("[[point]]")[0])
    assert "there is no [[point]]" in found


def test_a_name_that_comes_twice_is_told() -> None:
    single = LEG.partition("limit")[0].replace("{n}", "7").replace("address = 100", "address = 0")
    (found,) = mistakes(TOP + LEG + single)
    assert "two points have the name leg_7_pressure" in found
