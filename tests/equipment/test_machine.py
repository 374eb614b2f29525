"""What a profile says of a machine's fence and of values that are not good."""

import pytest

from equipment.catalogue import parse_profile
from equipment.machine import Condition, FenceShape, MachineKind
from equipment.toml_source import ConfigurationError

GOOD = """id = "x"
title = { en = "X", zh = "X" }
kind = "machine"
protocol = "modbus"

[machine]
kind = "shearer"
along = "position"
[machine.fence]
radius_m = 4.0
ahead_m = 8.0
[machine.active]
point = "state"
unlike = "stopped"
[machine.cutter]
ahead_m = 6.5

[[point]]
name = "position"
meaning = { en = "position", zh = "位置" }
address = 0
type = "float32"
unit = "m"
limit = [{ above = 200.0, deadband = 2.0, level = 2 }]
[[point]]
name = "state"
meaning = { en = "state", zh = "状态" }
address = 2
type = "uint16"
states = { 0 = "stopped", 1 = "running" }
[[point]]
name = "stop"
meaning = { en = "emergency stop", zh = "急停" }
address = 3
type = "bool"
[[point.limit]]
equals = true
fault = true
"""


def mistakes(old: str, new: str) -> list[str]:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as failed:
        parse_profile(GOOD.replace(old, new, 1), "x.toml")
    return [str(mistake) for mistake in failed.value.mistakes]


def test_a_profile_says_what_a_machine_is() -> None:
    machine = parse_profile(GOOD, "x.toml").machine
    assert machine is not None
    assert (machine.kind, machine.along) == (MachineKind.SHEARER, "position")
    assert machine.fence is not None
    assert str(machine.fence) == "4 m around an axis from 0 m behind to 8 m ahead"
    assert machine.active is not None
    assert machine.active.words == "is not stopped"
    assert machine.cutter is not None
    assert machine.cutter.ahead_m == 6.5


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('along = "position"', 'along = "positon"', "x.toml:8: machine.along: there is no point"),
        ('along = "position"', 'along = "positon"', "(did you mean 'position'?)"),
        ('along = "position"', 'along = "state"', "x.toml:8: machine.along: state is no number"),
        ('point = "state"', 'point = "stat"', "x.toml:13: machine.active.point: there is no point"),
        ('unlike = "stopped"', "above = 1.0", "machine.active: state is no number (use equals or"),
        ('point = "state"', 'point = "position"', "position is a number (use above or below)"),
        ('unlike = "stopped"', 'unlike = "halted"', "'halted' is none of its states (stopped, ru"),
        ('point = "state"', 'point = "stop"', "stop: 'stopped' is never its value, which is true"),
        ("radius_m = 4.0", "radius_m = 400.0", "x.toml:10: machine.fence.radius_m: must be at mo"),
        ("radius_m = 4.0", 'radius_m = "4"', "x.toml:10: machine.fence.radius_m: must be a number"),
        ("radius_m = 4.0", "radius = 4.0", "(did you mean 'radius_m'?)"),
        ("[machine.fence]\nradius_m = 4.0\nahead_m = 8.0\n", "", "active goes with a fence"),
        ('kind = "shearer"', 'kind = "shaerer"', "x.toml:7: machine.kind: must be 'shearer'"),
    ],
)
def test_each_mistake_of_the_machine(old: str, new: str, told: str) -> None:
    assert [told in one for one in mistakes(old, new)].count(True) == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("above = 200.0, deadband = 2.0", "equals = 3", "limit: give above or below, its values"),
        ("above = 200.0", "abov = 200.0", "(did you mean 'above'?)"),
        ("above = 200.0", "above = 200.0, below = 1.0", "exactly one of above, below and equals"),
        ("level = 2", "level = 5", "x.toml:24: point[1].limit[1].level: must be at most 4"),
        ("equals = true", "above = 1.0", "x.toml:31: point[3]: limit: give equals, its values"),
        ("equals = true", 'equals = "on"', "'on' is never its value, which is true or false"),
        ("equals = true", "equals = true\ndeadband = 1.0", "a deadband goes with above or below"),
    ],
)
def test_each_mistake_of_a_limit(old: str, new: str, told: str) -> None:
    (found,) = mistakes(old, new)
    assert told in found


def test_a_reader_is_no_machine() -> None:
    with pytest.raises(ConfigurationError) as failed:
        parse_profile(
            'id = "x"\ntitle = { en = "X", zh = "X" }\nkind = "rfid_reader"\nprotocol = "opcua"\n'
            '[event]\ntype = "A"\n[[event.field]]\nname = "t_us"\npath = "T"\n'
            '[[event.field]]\nname = "card"\npath = "C"\n'
            '[machine]\nkind = "other"\nfence = { radius_m = 1.0 }\n',
            "x.toml",
        )
    assert str(failed.value) == "x.toml:13: machine: a rfid_reader is no machine (delete the table)"


def test_shapes_and_conditions_in_words() -> None:
    assert str(FenceShape(radius_m=2.5)) == "2.5 m around"
    polygon = FenceShape(polygon_m=((0, 0), (4, 0), (4, 3)))
    assert str(polygon) == "the polygon (0, 0), (4, 0), (4, 3), metres ahead and to the left"
    conditions = [Condition(above=1.5), Condition(below=2.0), Condition(equals=True)]
    assert [one.words for one in conditions] == ["is above 1.5", "is below 2", "is true"]
