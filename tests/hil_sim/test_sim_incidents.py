"""What goes wrong in the simulated mine, where it is asked for: calls, batteries, gas."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from equipment.modbus_profile import Table
from equipment.profile import Kind
from hil_sim.folder import MineFolder
from hil_sim.incidents import DISTRESS, LOW_BATTERY, PRESSED_S, CardFlags, Incidents
from hil_sim.machines.gas_station import RETURN_PCT, WITHDRAW_PCT, GasStation
from hil_sim.people import Doing, People
from hil_sim.roadgraph import RoadGraph, contains
from hil_sim.stations import Stations
from hil_sim.world import World
from positioning.mine_map import ZoneKind
from positioning.observation import CardFlag

START_NS = 1_700_000_000_000_000_000
BELOW = np.ones(20, np.bool_)
PEOPLE = np.arange(20) < 15


def flags_over(incidents: Incidents, seconds: int, seed: int = 1) -> np.ndarray:
    cards = CardFlags(20, incidents, (seed,))
    seen = []
    for second in range(1, seconds + 1):
        cards.advance(float(second), BELOW, PEOPLE)
        seen.append(cards.flags.copy())
    return np.array(seen)


def test_the_bits_are_those_of_the_contract() -> None:
    assert (DISTRESS, LOW_BATTERY) == (CardFlag.DISTRESS, CardFlag.LOW_BATTERY)


def test_nothing_goes_wrong_unless_it_is_asked_for() -> None:
    assert not flags_over(Incidents(), 3600).any()
    station = GasStation((1,))
    values = []
    for _ in range(6 * 3600):
        station.advance(1.0)
        values.append(station.methane_pct)
    assert 0 <= min(values) < max(values) < RETURN_PCT
    assert not station.withdraw


def test_people_press_the_button_for_a_while_and_vehicles_have_none() -> None:
    pressed = flags_over(Incidents(distress_s=60.0), 3600) & DISTRESS > 0
    begins = pressed[1:] & ~pressed[:-1]
    assert 3600 / 60 * 0.6 < begins.sum() < 3600 / 60 * 1.5
    assert pressed[:13].any(), "the first is early"
    assert not pressed[:, ~PEOPLE].any()
    for card in np.flatnonzero(begins.any(axis=0)):
        edges = np.diff(np.concatenate(([0], pressed[:, card].astype(int))))
        lasts = np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)[: (edges < 0).sum()]
        assert all(PRESSED_S[0] <= seconds <= PRESSED_S[1] + 1 for seconds in lasts)


def test_a_low_battery_stays_low_until_its_card_is_out_of_the_mine() -> None:
    cards = CardFlags(20, Incidents(battery_s=30.0), (1,))
    counts = []
    for second in range(1, 301):
        cards.advance(float(second), BELOW, PEOPLE)
        counts.append(int((cards.flags & LOW_BATTERY > 0).sum()))
    assert counts == sorted(counts)
    assert counts[-1] > 3
    cards.advance(301.0, ~BELOW, PEOPLE)
    assert not cards.flags.any()


def test_the_same_seed_has_the_same_incidents() -> None:
    often = Incidents(distress_s=20.0, battery_s=30.0)
    first, same, other = (flags_over(often, 300, seed) for seed in (1, 1, 2))
    assert first.tobytes() == same.tobytes() != other.tobytes()


def test_flags_are_in_the_records_of_both_kinds_of_readers(sample: MineFolder) -> None:
    incidents = Incidents(distress_s=2.0, battery_s=2.0)
    world = World(sample.map, sample.people, {}, seed=1, start_t_ns=START_NS, incidents=incidents)
    stations = Stations(sample, world.cards, 1, START_NS)
    told: dict[str, set[int]] = {card: set() for card in world.cards}
    seen: dict[str, set[int]] = {card: {0} for card in world.cards}
    for _ in range(100):
        (heard,) = world.advance(0.1)
        stations.add([heard], world.t_ns)
        for card, flags in zip(world.cards, heard.flags.tolist(), strict=True):
            seen[card].add(flags)
    for kind, width, at in ((Kind.UWB_READER, 25, 23), (Kind.RFID_READER, 18, 16)):
        for device in sample.readers(kind):
            registers = stations.by_device[device.id].registers
            for slot in range(stations.by_device[device.id].ring.head):
                wire = registers.read(Table.INPUT, 16 + width * slot, width)
                assert wire is not None
                card = struct.unpack_from(">IQ18s", wire)[2].rstrip(b"\0").decode()
                told[card].add(struct.unpack_from(">H", wire, 2 * at)[0])
    assert all(told[card] <= seen[card] for card in world.cards)
    flags = set().union(*told.values())
    assert {flag & DISTRESS for flag in flags} == {0, DISTRESS}
    assert {flag & LOW_BATTERY for flag in flags} == {0, LOW_BATTERY}


def test_gas_breaks_out_and_is_over() -> None:
    station = GasStation((1,), outbreak_s=300.0)
    states, changes = [], 0
    for _ in range(4 * 3600):
        before = station.withdraw
        station.advance(1.0)
        changes += station.withdraw is not before
        states.append((station.withdraw, station.methane_pct))
        assert station.values()["power_cut"] is station.withdraw
    assert changes >= 10
    assert all(pct > RETURN_PCT for on, pct in states if on)
    assert all(pct <= WITHDRAW_PCT for on, pct in states if not on)


def test_people_leave_the_first_face_for_a_refuge_and_come_back(sample: MineFolder) -> None:
    people = People(sample.people, sample.map, RoadGraph(sample.map.roadways), (1, 1))
    (refuge,) = (zone for zone in sample.map.zones if zone.kind is ZoneKind.REFUGE)
    called = [
        i
        for i, person in enumerate(sample.people)
        if person.team == "综采一队" and people.doing(i) is Doing.WORKING
    ]
    people.withdraw(0.0, on=True)
    leaving = [i for i in called if people.doing(i) is Doing.SHELTERING]
    assert len(leaving) >= 3
    for second in range(1, 900):
        people.advance(float(second), 1.0)
    place_m = people.whereabouts().place_m
    assert contains(refuge, place_m[leaving][:, :2]).all()
    people.withdraw(900.0, on=False)
    assert all(people.doing(i) in (Doing.WORKING, Doing.GOING_OUT) for i in leaving)
    for second in range(900, 1800):
        people.advance(float(second), 1.0)
    assert not contains(refuge, people.whereabouts().place_m[leaving][:, :2]).any()


@pytest.mark.parametrize("people", [0, 7])
def test_a_mine_without_vehicles_or_teams_has_its_people(sample: MineFolder, people: int) -> None:
    graph = RoadGraph(sample.map.roadways)
    made = People(sample.people[:people], sample.map, graph, (1, 1))
    made.advance(1.0, 1.0)
    assert len(made.whereabouts().place_m) == people


def test_vehicles_drive_where_no_team_works_and_pass_no_face(sample: MineFolder) -> None:
    people = People(sample.people, sample.map, RoadGraph(sample.map.roadways), (1, 1))
    vehicles = [i for i, person in enumerate(sample.people) if person.drives]
    assert len(vehicles) == 2
    faces = [zone for zone in sample.map.zones if zone.kind is ZoneKind.FACE]
    first = people.whereabouts().place_m[vehicles]
    farthest = np.zeros(2)
    for second in range(1, 900):
        people.advance(float(second), 1.0)
        place_m = people.whereabouts().place_m[vehicles]
        assert not any(contains(face, place_m[:, :2]).any() for face in faces)
        farthest = np.maximum(farthest, np.linalg.norm(place_m - first, axis=1))
    assert (farthest > 50).all()
