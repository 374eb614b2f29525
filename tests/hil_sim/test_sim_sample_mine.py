from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from equipment.machine import MachineKind
from equipment.profile import Kind
from gateway.config.bundle import load
from gateway.config.summary import summary
from hil_sim.folder import MineFolder, SimulationError, read_folder
from hil_sim.radio import Radio
from hil_sim.roadgraph import RoadGraph
from hil_sim.sample_mine import Ports, write_sample_mine
from hil_sim.sample_people import LEADER_JOB, SPECIAL_JOBS, VEHICLES
from positioning.mine_map import ZoneKind


def test_the_folder_is_a_whole_mine(sample: MineFolder) -> None:
    length_m = RoadGraph(sample.map.roadways).length_m.sum()
    assert 2000 < length_m < 4000
    assert len(sample.map.roadways) >= 12
    assert {zone.kind for zone in sample.map.zones} >= {
        ZoneKind.WELLHEAD,
        ZoneKind.FACE,
        ZoneKind.RESTRICTED,
        ZoneKind.DANGER,
        ZoneKind.REFUGE,
        ZoneKind.KEY,
    }
    assert len(sample.readers(Kind.UWB_READER)) == 3
    assert len(sample.readers(Kind.RFID_READER)) == 2
    assert {device.profile.protocol for device in sample.machines} == {"modbus", "opcua"}


def test_the_gateway_takes_the_folder(sample_folder: Path) -> None:
    bundle = load(sample_folder)
    kinds = {machine.kind for machine in bundle.machines}
    assert kinds == {MachineKind.SHEARER, MachineKind.ROADHEADER}
    assert all(machine.fence and machine.active and machine.crew for machine in bundle.machines)
    assert [limit.muster for limit in bundle.limits if limit.muster] == [("face_3101",)]
    assert {point.zone for point in bundle.risk_points} > {"face_3101", "heading_3105"}
    assert all(point.owner for point in bundle.risk_points)
    assert bundle.settings.nearness.person_vehicle_m
    assert "Note:" not in summary(bundle)


def test_a_mine_of_a_few_people_names_only_crews_that_it_has(tmp_path: Path) -> None:
    for people, crews in ((1, 1), (2, 2), (3, 3)):
        folder = tmp_path / str(people)
        write_sample_mine(folder, people=people)
        assert sum(bool(machine.crew) for machine in load(folder).machines) == crews


def test_three_anchors_are_heard_almost_everywhere(sample: MineFolder) -> None:
    graph = RoadGraph(sample.map.roadways)
    radio = Radio(sample.map, graph, 0, (1,))
    heard = []
    for edge, length_m in enumerate(graph.length_m):
        s_m = np.arange(0.0, length_m, 1.0)
        anchors = radio.anchors_heard(np.full(len(s_m), edge), s_m)
        heard += (anchors >= 0).sum(axis=1).tolist()
    assert min(heard) >= 2
    assert np.mean(np.array(heard) >= 3) > 0.99


def test_people_have_cards_of_seventeen_digits_and_are_the_same_for_a_seed(tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_sample_mine(tmp_path / name, people=300, seed=seed)
        texts.append((tmp_path / name / "people.csv").read_text(encoding="utf-8"))
    listed = list(csv.DictReader(texts[0].splitlines()))
    rows = [row for row in listed if not row["kind"]]
    cards = [row["card"] for row in listed]
    assert [row["kind"] for row in listed[300:]] == ["vehicle"] * len(VEHICLES)
    assert len(rows) == 300
    assert len(set(cards)) == 300 + len(VEHICLES)
    assert all(card.isdecimal() and len(card) == 17 for card in cards)
    assert all(row["name"] and row["job"] and row["team"] for row in rows)
    assert texts[0] == texts[1] != texts[2]
    assert all(row["pinyin"].isalpha() or " " in row["pinyin"] for row in rows)
    assert [row["job"] for row in rows if row["leader"] == "yes"] == [LEADER_JOB] * 8
    special = {row["job"] for row in rows if row["special"] == "yes"}
    assert special == set(SPECIAL_JOBS)


def test_ports_are_those_that_were_asked_for(tmp_path: Path) -> None:
    ports = Ports.free()
    write_sample_mine(tmp_path / "mine", ports=ports)
    folder = read_folder(tmp_path / "mine")
    served = {device.port for device in folder.modbus}
    assert served == {*ports.uwb, ports.rfid, ports.shearer, ports.roadheader, ports.gas}
    assert folder.opcua[0].url.endswith(f":{ports.opcua}")


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("mine")
    with pytest.raises(SimulationError, match="is not empty: give a new folder"):
        write_sample_mine(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.toml"]
    assert (tmp_path / "mine.toml").read_text() == "mine"


@pytest.mark.parametrize("people", [0, 100_000])
def test_too_few_or_too_many_people_are_refused(tmp_path: Path, people: int) -> None:
    with pytest.raises(SimulationError, match="people must be 1 to 99997"):
        write_sample_mine(tmp_path / "mine", people=people)


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("devices.toml", "unit = 2", "unit = 1", "'rfid_1' and 'rfid_2' both are unit 1 of"),
        ("devices.toml", 'profile = "roadheader"', 'profile = "roadhaeder"', "did you mean"),
        ("devices.toml", 'root = "', 'rot = "', "'shearer_3103' needs url"),
        (
            "devices.toml",
            "[device.names",
            'security = "aes256"\n[device.names',
            "asks for security",
        ),
        ("devices.toml", 'host = "127.0.0.1"', "host = 7", "'uwb_1' needs host"),
        ("devices.toml", "[[device]]", "[device]]", "devices.toml:4: not valid TOML"),
        ("people.csv", "card,", "number,", "people.csv: there is no column 'card'"),
        ("map.geojson", '"width_m": 5.5', '"width_m": -5.5', "map.geojson: line"),
    ],
)
def test_mistakes_in_the_folder_are_told(
    sample_folder: Path, file: str, old: str, new: str, problem: str
) -> None:
    text = (sample_folder / file).read_text(encoding="utf-8")
    assert old in text
    (sample_folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SimulationError) as raised:
        read_folder(sample_folder)
    assert problem in str(raised.value)


def test_a_missing_file_is_named(sample_folder: Path) -> None:
    (sample_folder / "map.geojson").unlink()
    with pytest.raises(SimulationError, match=r"map\.geojson is missing"):
        read_folder(sample_folder)
