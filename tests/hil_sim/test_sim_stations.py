from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from equipment.modbus_profile import Table
from equipment.profile import Kind
from hil_sim.app import Wish, run
from hil_sim.folder import MineFolder, SimulationError, read_folder
from hil_sim.stations import Stations
from hil_sim.world import World

START_NS = 1_700_000_000_000_000_000


def records_of(stations: Stations, device: str, width: int) -> list[bytes]:
    registers = stations.by_device[device].registers
    header = registers.read(Table.INPUT, 0, 8)
    assert header is not None
    boot_id, head, clock_us = struct.unpack(">IIQ", header)
    assert boot_id == 77
    assert clock_us == START_NS // 1000 + 8_000_000
    assert head <= 2048
    found = [registers.read(Table.INPUT, 16 + width * slot, width) for slot in range(head)]
    return [wire for wire in found if wire is not None]


def test_every_range_and_sighting_goes_to_its_reader(sample: MineFolder) -> None:
    world = World(sample.map, sample.people, {}, seed=1, start_t_ns=START_NS)
    stations = Stations(sample, world.cards, 77, START_NS)
    ranges: list[tuple[int, str, str]] = []
    sightings: list[tuple[int, str, str]] = []
    for _ in range(80):
        heard = world.advance(0.1)
        stations.add(heard, world.t_ns)
        anchors, readers = sample.map.anchors, sample.map.readers
        for t_ns, card, anchor in heard[0].ranges[["t_ns", "card", "anchor"]].tolist():
            ranges.append((t_ns // 1000, world.cards[card], anchors[anchor].id))
        for t_ns, card, reader in heard[0].sightings[["t_ns", "card", "reader"]].tolist():
            sightings.append((t_ns // 1000, world.cards[card], readers[reader].id))
    got: list[tuple[int, str, str]] = []
    owners: dict[str, str] = {}
    for device in sample.readers(Kind.UWB_READER):
        for wire in records_of(stations, device.id, 25):
            _, t_us, card, anchor = struct.unpack_from(">IQ18s8s", wire)
            name = anchor.rstrip(b"\0").decode()
            assert owners.setdefault(name, device.id) == device.id
            got.append((t_us, card.rstrip(b"\0").decode(), name))
    assert sorted(got) == sorted(ranges)
    assert set(owners.values()) == {"uwb_1", "uwb_2", "uwb_3"}
    seen = []
    for device in sample.readers(Kind.RFID_READER):
        for wire in records_of(stations, device.id, 18):
            _, t_us, card = struct.unpack_from(">IQ18s", wire)
            seen.append((t_us, card.rstrip(b"\0").decode(), device.id))
    assert sorted(seen) == sorted(sightings)
    assert seen


def test_an_rfid_reader_without_a_place_is_told(sample: MineFolder) -> None:
    bare = replace(sample, map=replace(sample.map, readers=()))
    with pytest.raises(SimulationError, match="RFID reader 'rfid_1' has no place"):
        Stations(bare, (), 1, START_NS)


@pytest.mark.parametrize(
    ("profile", "what"),
    [
        ("rtls_autoid", "a positioning_engine over opcua"),
        ("shearer_ethernetip", "a machine over ethernetip"),
        ("rfid_autoid_events", "a rfid_reader over opcua"),
    ],
)
def test_a_reader_that_is_not_simulated_is_told(
    sample_folder: Path, profile: str, what: str
) -> None:
    with (sample_folder / "devices.toml").open("a") as devices:
        devices.write(f'\n[[device]]\nid = "other"\nprofile = "{profile}"\n')
        devices.write('url = "opc.tcp://127.0.0.1"\nroot = "a"\n')
    with pytest.raises(SimulationError, match=f"'other' is {what}, which the simulator does not"):
        read_folder(sample_folder)


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        (Wish(Path(), wait_client=True), "--wait-client is for a recording"),
        (Wish(Path(), recording=Path(), grpc_port=0), "are for a simulated world, not for a"),
        (Wish(Path(), speed=0.0), "--speed must be 0.01 to 1000, not 0"),
        (Wish(Path(), nlos_share=0.95), "--nlos must be 0 to 0.9"),
    ],
)
def test_a_wish_that_can_not_be_met_is_refused(wish: Wish, problem: str) -> None:
    with pytest.raises(SimulationError, match=problem):
        run(wish)
