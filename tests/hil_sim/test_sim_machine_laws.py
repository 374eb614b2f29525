"""Laws of the other simulated machines, and what holds for all of them."""

from __future__ import annotations

import pytest

from equipment import catalogue
from equipment.limit import Bounds
from equipment.modbus_profile import ModbusProfile
from equipment.opcua_profile import OpcUaProfile
from equipment.profile import Kind
from equipment.report import Value
from hil_sim.machines import make_machine
from hil_sim.machines.drill_rig import ROD_M, Drilling, DrillRig
from hil_sim.machines.fan import Fan
from hil_sim.machines.headings import END_M, BolterMiner, Roadheader
from hil_sim.machines.machine import Machine, Values
from hil_sim.machines.make import Plant
from hil_sim.machines.sensors import Steady
from hil_sim.machines.settings import MachineSettings
from hil_sim.machines.shield import RING_M, ShieldMachine
from hil_sim.machines.vehicles import Monorail
from hil_sim.machines.water import START_M, DrainagePump, PumpStation
from tests.hil_sim.plant import advance, machines_of

#: The machines that the simulator serves.
MACHINES = [
    name
    for name in catalogue.shipped()
    if (profile := catalogue.load(name)).kind is Kind.MACHINE
    and isinstance(profile, ModbusProfile | OpcUaProfile)
]
#: Of which the catalogue knows no process: readers, and what has no points that change.
STILL = {"rfid_autoid", "rfid_turck_tben"}


def machine_of(name: str, seed: int = 1) -> tuple[ModbusProfile | OpcUaProfile, Machine]:
    profile = catalogue.load(name)
    assert isinstance(profile, ModbusProfile | OpcUaProfile)
    return profile, make_machine(profile, "SIM-0001", (seed,))


def number(values: Values, point: str) -> float:
    value = values[point]
    assert isinstance(value, float), point
    return value


@pytest.mark.parametrize("name", [name for name in MACHINES if name not in STILL])
def test_every_machine_of_the_catalogue_lives_and_the_same_seed_gives_the_same(name: str) -> None:
    profile, first = machine_of(name)
    again, other = machine_of(name)[1], machine_of(name, 2)[1]
    points = {point.name for point in profile.point}
    begun = {point: first.values()[point] for point in points}
    for _ in range(1800):
        for machine in (first, again, other):
            machine.advance(0.5)
    assert first.values() == again.values()
    assert {p: first.values()[p] for p in points} != begun
    assert first.values() != other.values()
    assert not isinstance(first, Steady)


def broken(bounds: Bounds, value: Value) -> bool:
    if bounds.equals is not None:
        return value == bounds.equals
    if isinstance(value, bool | str):
        return False
    above, below = bounds.above, bounds.below
    return (above is not None and value > above) or (below is not None and value < below)


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_in_which_nothing_goes_wrong_breaks_no_limit_of_its_profile(name: str) -> None:
    profile, machine = machine_of(name)
    limited = [point for point in profile.point if point.limit]
    for _ in range(6 * 360):
        machine.advance(10.0)
        values = machine.values()
        for point in limited:
            assert not any(broken(one, values[point.name]) for one in point.limit), point.name


@pytest.mark.parametrize("kind", [Roadheader, BolterMiner])
@pytest.mark.parametrize("length_m", [60.0, 130.0])
def test_a_machine_of_a_heading_never_leaves_it(
    kind: type[Roadheader | BolterMiner], length_m: float
) -> None:
    machine = kind("SIM-1", (1,), MachineSettings(length_m=length_m))
    began_m = furthest_m = machine.advance_m
    trammed = False
    for _ in range(10 * 3600):
        before_m, cut = machine.advance_m, machine.cuts
        machine.advance(1.0)
        assert began_m - 1e-9 <= machine.advance_m <= length_m - END_M + 1e-9
        assert abs(machine.advance_m - before_m) <= 0.11
        assert not (cut and machine.advance_m != before_m)
        furthest_m = max(furthest_m, machine.advance_m)
        trammed |= machine.advance_m < before_m
    assert furthest_m > length_m - END_M - 1.0
    assert trammed


def test_a_bolter_miner_bolts_before_it_moves_up() -> None:
    machine = BolterMiner("SIM-1", (1,))
    bolts, moved_m, states = 0.0, machine.advance_m, set()
    for _ in range(2 * 3600):
        machine.advance(1.0)
        values = machine.values()
        states |= {values[f"rig_state_{n}"] for n in range(1, 7)}
        if machine.rigs_at_work:
            assert values["cutting_on"] is False
            assert machine.advance_m == moved_m
        moved_m = machine.advance_m
        bolts = sum(number(values, f"bolts_{n}") for n in range(1, 7))
    assert states == {"idle", "positioning", "drilling", "inserting", "tensioning"}
    assert bolts >= 12


def test_a_drill_rig_adds_rods_to_the_depth_of_the_hole_and_takes_all_out_again() -> None:
    rig = DrillRig("SIM-1", (1,), MachineSettings(hole_m=15.0))
    holes, deepest_m, before = set(), 0.0, rig.doing
    for _ in range(6 * 3600):
        rig.advance(1.0)
        holes.add(rig.hole)
        deepest_m = max(deepest_m, rig.depth_m)
        assert 0 <= rig.depth_m <= rig.rods * ROD_M + 1e-9
        if rig.doing is Drilling.WITHDRAWING and before is Drilling.DRILLING:
            assert rig.depth_m == pytest.approx(15.0)
        if rig.doing is Drilling.IDLE:
            assert rig.rods == 0
        before = rig.doing
    assert deepest_m == pytest.approx(15.0)
    assert len(holes) >= 3


def test_a_shield_machine_bores_a_ring_then_builds_it_and_stops_at_the_end_of_its_drive() -> None:
    machine = ShieldMachine("SIM-1", (1,), MachineSettings(length_m=60.0))
    states: list[Value] = []
    before_m, ring = machine.advance_m, machine.ring
    for _ in range(16 * 3600):
        machine.advance(1.0)
        values = machine.values()
        assert machine.advance_m >= before_m - 1e-9
        assert machine.advance_m <= 60.0
        if values["running_state"] != "boring":
            assert machine.advance_m - before_m <= 0.002
        if machine.ring != ring:
            assert states[-1] == "building_ring"
            ring = machine.ring
        states.append(values["running_state"])
        before_m = machine.advance_m
    assert set(states) == {"boring", "building_ring", "stopped"}
    assert 60.0 - machine.advance_m <= 2 * RING_M


def test_drainage_pumps_of_one_sump_go_by_its_level() -> None:
    settings = {"drain_1": MachineSettings(inflow_m3_h=400.0)}
    pumps = machines_of(
        {"drain_1": "drainage_pump", "drain2_1": "drainage_pump"}, Plant(1, settings=settings)
    )
    first, second = pumps.values()
    assert isinstance(first, DrainagePump)
    assert isinstance(second, DrainagePump)
    assert first.sump is second.sump
    both = starts = 0
    ran = False
    for _ in range(8 * 3600):
        advance(pumps, 1.0)
        both += first.runs and second.runs
        starts += first.runs and not ran
        if first.runs and not ran:
            assert first.sump.level_m == pytest.approx(START_M, abs=0.01)
            assert first.values()["outlet_valve"] != "open"
        if second.valve == 1.0:
            assert second.runs
        ran = first.runs
    assert both
    assert starts >= 2
    assert 1.0 < first.sump.level_m < 4.5


def test_a_pump_station_keeps_a_pump_spare_and_runs_more_when_supports_move() -> None:
    machines = machines_of({"supports_1": "roof_support_modbus", "pumps_1": "pump_station"})
    station = machines["pumps_1"]
    assert isinstance(station, PumpStation)
    seen = set()
    for _ in range(2 * 3600):
        advance(machines, 1.0)
        values = station.values()
        running = sum(values[f"pump_state_{n}"] == "running" for n in range(1, 5))
        assert running == station.running <= 3
        assert number(values, "outlet_pressure") > 28
        seen.add(running)
    assert len(seen) >= 2


def test_of_two_fans_one_runs_and_they_take_turns() -> None:
    settings = {"fan_a": MachineSettings(place="shaft", changeover_s=1800.0)}
    settings["fan_b"] = MachineSettings(place="shaft")
    profiles = {"fan_a": "ventilation_fan", "fan_b": "ventilation_fan"}
    fans = [
        fan
        for fan in machines_of(profiles, Plant(1, settings=settings)).values()
        if isinstance(fan, Fan)
    ]
    assert fans[0].house is fans[1].house
    on_duty, least = set(), 1.0
    for _ in range(2 * 3600):
        for fan in fans:
            fan.advance(1.0)
        assert sum(fan.runs for fan in fans) <= 1
        on_duty |= {number for number, fan in enumerate(fans) if fan.runs}
        least = min(least, fans[0].house.air_share)
    assert on_duty == {0, 1}
    assert 0.1 < least < 0.99


def test_a_monorail_goes_to_both_ends_of_its_rail_and_stops_there() -> None:
    monorail = Monorail("SIM-1", (1,), MachineSettings(length_m=200.0))
    ends, before_m, stood = set(), monorail.position_m, False
    for _ in range(4 * 3600):
        monorail.advance(1.0)
        assert 0 <= monorail.position_m <= 200.0
        assert abs(monorail.position_m - before_m) <= 1.6
        if monorail.state != "driving":
            assert monorail.position_m == before_m or not stood
            assert monorail.speed_m_s == 0
            ends.add(round(monorail.position_m))
        stood = monorail.state != "driving"
        before_m = monorail.position_m
    assert ends == {0, 200}
