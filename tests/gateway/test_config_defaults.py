"""What profiles say of machines and limits: it stands, what the mine says instead wins."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from equipment.toml_source import ConfigurationError
from gateway.config.bundle import Bundle, load
from gateway.mine.machines.plan import AlongRoadway, Fixed
from gateway.mine.plan import ValueLimit
from gateway.plans.mine import plan_of
from tests.gateway.test_config_cases import CASES

PROFILE = """
id = "cutter"
title = { en = "Cutter", zh = "采煤机" }
kind = "machine"
protocol = "modbus"

[machine]
kind = "shearer"
along = "position"
fence = { radius_m = 4.0, ahead_m = 8.0, behind_m = 8.0 }
active = { point = "state", unlike = "stopped" }
cutter = { ahead_m = 6.5, up_m = 1.8 }

[[point]]
name = "position"
meaning = { en = "position", zh = "位置" }
address = 0
type = "float32"
unit = "m"
[[point]]
name = "state"
meaning = { en = "state", zh = "状态" }
address = 2
type = "uint16"
states = { 0 = "stopped", 1 = "running", 2 = "fault" }
limit = [{ equals = "fault", fault = true }]
[[point]]
name = "oil_temperature"
meaning = { en = "oil temperature", zh = "油温" }
address = 3
type = "int16"
unit = "degC"
limit = [{ above = 70.0, deadband = 5.0, level = 3 }, { above = 90.0, fault = true }]
"""
DEVICE = """
[[device]]
id = "cutter_1"
profile = "cutter"
host = "10.0.0.14"
"""
MACHINE = """
[[machine]]
id = "cutter"
name = "采煤机"
device = "cutter_1"
along = { roadway = "main" }
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    shutil.copytree(CASES / "good", folder)
    (folder / "profiles" / "cutter.toml").write_text(PROFILE, encoding="utf-8")
    with (folder / "devices.toml").open("a", encoding="utf-8") as file:
        file.write(DEVICE)
    return folder


def loaded(mine: Path, machines: str = "", limits: str = "") -> Bundle:
    (mine / "machines.toml").write_text(machines, encoding="utf-8")
    (mine / "limits.toml").write_text(limits, encoding="utf-8")
    return load(mine)


def mistakes(mine: Path, machines: str) -> list[str]:
    with pytest.raises(ConfigurationError) as failure:
        loaded(mine, machines)
    return [str(mistake) for mistake in failure.value.mistakes]


def test_a_machine_of_which_only_the_place_is_said_is_what_its_profile_says(mine: Path) -> None:
    roadway = load(mine).map.roadways[0].id
    (machine,) = plan_of(loaded(mine, MACHINE.replace("main", roadway))).machines
    assert machine.pose == AlongRoadway("cutter_1", "position", roadway)
    assert machine.ring_m is not None
    assert np.abs(machine.ring_m).max(axis=0) == pytest.approx([12.0, 4.0], abs=0.1)
    assert machine.active == ValueLimit("cutter", "采煤机", "cutter_1", "state", equals="stopped")
    assert machine.active_unless
    assert machine.cutter_m == (6.5, 0.0, 1.8)


def test_what_the_mine_says_of_it_wins_table_by_table(mine: Path) -> None:
    text = (
        MACHINE.replace('along = { roadway = "main" }', "fixed = { x_m = 1.0, y_m = 2.0 }")
        + "fence = { polygon_m = [[0, 0], [4, 0], [4, 4]] }\n"
        + 'active = { point = "oil_temperature", above = 30.0 }\n'
        + "cutter = { ahead_m = 1.0 }\n"
        + 'kind = "other"\n'
    )
    bundle = loaded(mine, text)
    (machine,) = plan_of(bundle).machines
    assert machine.pose == Fixed(1.0, 2.0)
    assert machine.ring_m is not None
    np.testing.assert_array_equal(machine.ring_m, [(0, 0), (4, 0), (4, 4), (0, 0)])
    active = ValueLimit("cutter", "采煤机", "cutter_1", "oil_temperature", above=30.0)
    assert (machine.active, machine.active_unless) == (active, False)
    assert machine.cutter_m == (1.0, 0.0, 0.0)
    assert bundle.machines[0].kind == "other"


def test_a_machine_without_a_device_has_nothing_from_any_profile(mine: Path) -> None:
    text = MACHINE.replace('device = "cutter_1"\n', 'kind = "shearer"\n')
    text = text.replace('along = { roadway = "main" }', "fixed = { x_m = 1.0, y_m = 2.0 }")
    (machine,) = plan_of(loaded(mine, text + "fence = { radius_m = 3.0 }\n")).machines
    assert (machine.active, machine.cutter_m) == (None, None)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '"cutter_1"',
            '"cuter_1"',
            "machines.toml:5: machine[1].device: there is no device 'cuter_1' in devices.toml (did "
            "you mean 'cutter_1'?)",
        ),
        (
            '"cutter_1"',
            '"pump_1"',
            "machines.toml:5: machine[1].device: the profile 'pump' of pump_1 is none of a machine "
            "(leave it out, or give the profile a [machine])",
        ),
        (
            'device = "cutter_1"\n',
            'kind = "shearer"\nfence = { radius_m = 1.0 }\n',
            "machines.toml:7: machine[1].along.device: is missing (or name the machine's device)",
        ),
        (
            "along = {",
            'active = { point = "stat", equals = "fault" }\nalong = {',
            "machines.toml:6: machine[1].active.point: cutter_1 has no point 'stat' (did you mean "
            "'state'?)",
        ),
    ],
)
def test_each_mistake_is_told_with_file_line_and_key(
    mine: Path, old: str, new: str, told: str
) -> None:
    text = MACHINE.replace("main", load(mine).map.roadways[0].id)
    assert old in text
    assert told in mistakes(mine, text.replace(old, new))


def test_without_a_profile_all_must_be_said(mine: Path) -> None:
    text = '[[machine]]\nid = "a"\nname = "a"\nfixed = { x_m = 1.0, y_m = 2.0 }\n'
    found = mistakes(mine, text)
    assert [one.partition(" (")[0] for one in found] == [
        "machines.toml:1: machine[1]: give a fence, a cutter or both: else nothing is to be done "
        "with it",
        "machines.toml:1: machine[1].kind: is missing",
    ]


def test_limits_of_points_stand_for_every_device_of_the_profile(mine: Path) -> None:
    limits = plan_of(loaded(mine)).limits
    assert limits == (
        ValueLimit("cutter_1.state", "状态", "cutter_1", "state", equals="fault", fault=True),
        ValueLimit(
            "cutter_1.oil_temperature",
            "油温",
            "cutter_1",
            "oil_temperature",
            above=70.0,
            deadband=5.0,
            level=3,
        ),
        ValueLimit(
            "cutter_1.oil_temperature.2",
            "油温",
            "cutter_1",
            "oil_temperature",
            above=90.0,
            fault=True,
        ),
    )


def test_what_the_mine_says_of_a_point_stands_in_the_place_of_its_profile(mine: Path) -> None:
    own = '[[limit]]\nid = "oil"\nname = "油温"\ndevice = "cutter_1"\npoint = "oil_temperature"\n'
    limits = loaded(mine, limits=own + "above = 60.0\n").limits
    assert [limit.id for limit in limits] == ["oil", "cutter_1.state"]
    same_id = own.replace('"oil"', '"cutter_1.state"')
    limits = loaded(mine, limits=same_id + "above = 60.0\n").limits
    assert [limit.id for limit in limits] == ["cutter_1.state"]


def test_a_device_can_do_without_its_profiles_limits(mine: Path) -> None:
    text = (mine / "devices.toml").read_text(encoding="utf-8")
    (mine / "devices.toml").write_text(text + "limits = false\n", encoding="utf-8")
    assert loaded(mine).limits == ()
    (mine / "devices.toml").write_text(text + 'limits = "no"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="limits: must be true or false"):
        load(mine)
