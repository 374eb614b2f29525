from __future__ import annotations

from itertools import pairwise

import pytest

from equipment.catalogue import load, parse_profile
from equipment.modbus_profile import ModbusProfile
from equipment.opcua_profile import OpcUaPoint, OpcUaProfile
from equipment.report import Quality
from hil_sim.machines import make_machine
from hil_sim.machines.headings import Roadheader
from hil_sim.machines.sensors import Steady
from hil_sim.machines.shearer import FACE_M, Shearer


@pytest.mark.parametrize(
    "name", ["shearer_modbus", "shearer_opc40560", "roadheader", "gas_station"]
)
def test_every_point_of_a_shipped_profile_has_a_plausible_value_at_any_time(name: str) -> None:
    profile = load(name)
    assert isinstance(profile, ModbusProfile | OpcUaProfile)
    machine = make_machine(profile, "SIM-0001", (1,))
    for _ in range(3600):
        machine.advance(1.0)
        values = machine.values()
        for point in profile.point:
            value = values[point.name]
            if point.states:
                assert value in point.states.values()
            elif isinstance(value, float):
                raw = (value - point.offset) / point.scale
                assert point.judge(raw)[1] is Quality.GOOD, (point.name, value)
            else:
                text = point.type == "text"
                assert isinstance(value, str if text else bool), point.name


def test_a_shearer_cuts_to_both_ends_and_back() -> None:
    shearer = Shearer("SIM-1", (1,))
    positions, directions = [], set()
    for _ in range(3 * 3600):
        shearer.advance(1.0)
        values = shearer.values()
        position, speed = values["position"], values["haulage_speed"]
        assert isinstance(position, float)
        assert isinstance(speed, float)
        positions.append(position)
        directions.add(values["driving_direction"])
        assert (speed < 0) == (values["driving_direction"] == "left")
    assert 0 < min(positions) < 20
    assert FACE_M - 20 < max(positions) < FACE_M
    assert directions == {"left", "right", "stopped"}
    assert max(abs(b - a) for a, b in pairwise(positions)) < 0.2


def test_a_shearer_that_stands_draws_no_current() -> None:
    shearer = Shearer("SIM-1", (2,))
    stood = 0
    for _ in range(3 * 3600):
        shearer.advance(1.0)
        values = shearer.values()
        if values["running_state"] == "running":
            stood = 0
            continue
        stood += 1
        assert values["cutting_left_on"] is False
        if stood > 15:
            assert values["cutting_current_left"] == pytest.approx(0, abs=1)
            assert values["driving_direction"] == "stopped"


def test_a_roadheader_sweeps_moves_up_and_waits() -> None:
    roadheader = Roadheader("SIM-2", (1,))
    first = roadheader.values()["advance"]
    states, cutting = set(), set()
    for _ in range(2 * 3600):
        roadheader.advance(1.0)
        values = roadheader.values()
        states.add(values["running_state"])
        cutting.add(values["cutting_on"])
        assert values["cutting_on"] is values["conveyor_on"]
    last = roadheader.values()["advance"]
    assert isinstance(first, float)
    assert isinstance(last, float)
    assert 2 < last - first < 30
    assert states == {"running", "stopped"}
    assert cutting == {True, False}


def test_another_machine_stands_still_with_plausible_values() -> None:
    text = """
id = "fan"
title = { en = "Fan", zh = "风机" }
kind = "machine"
protocol = "opcua"
[namespaces]
a = "urn:a"
"""
    for name, more in (
        ("speed", "range = [100.0, 300.0]"),
        ("state", 'states = { 3 = "on", 4 = "off" }'),
        ("alarm", 'type = "bool"'),
        ("serial_number", 'type = "text"'),
        ("free", ""),
    ):
        text += f'[[point]]\nname = "{name}"\nmeaning = {{ en = "x", zh = "x" }}\n'
        text += f'path = "a:{name}"\n{more}\n'
    profile = parse_profile(text, "fan.toml")
    assert isinstance(profile, OpcUaProfile)
    assert isinstance(profile.point[0], OpcUaPoint)
    machine = make_machine(profile, "SIM-7", (1,))
    assert isinstance(machine, Steady)
    machine.advance(1.0)
    assert machine.values() == {
        "speed": 200.0,
        "state": "on",
        "alarm": False,
        "serial_number": "SIM-7",
        "free": 0.0,
    }
