"""Layouts become whole mines that the gateway takes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from equipment.profile import Kind
from gateway.cli.commands import app
from gateway.config.bundle import load
from gateway.config.summary import summary
from hil_sim.folder import SimulationError, read_folder
from hil_sim.layout_mine import write_layout_mine
from hil_sim.layout_settings import Layout
from hil_sim.machines.headings import Roadheader
from hil_sim.machines.make import Plant, make_machines
from hil_sim.machines.shearer import Shearer
from hil_sim.radio import Radio
from hil_sim.roadgraph import RoadGraph
from hil_sim.scenario import read_scenario
from hil_sim.world import World

LARGE = """
[layout]
people = 7900
vehicles = 100
faces = 6
headings = 8
uwb_readers = 16
face = [
    "shearer_opc40560", "roof_support_modbus", "afc_opc40560", "stage_loader_crusher",
    "belt_conveyor", "gas_station", "pump_station", "advance_support",
]
mine = [
    "monorail", "monorail", "drill_rig", "drill_rig", "drainage_pump", "drainage_pump",
    "shield_machine", "bolter_miner", "rubber_tyred_vehicle", "water_station", "fire_station",
    "sensor_mgp260",
]
mqtt = ["monorail", "drill_rig"]
broker = { port = 1883 }
"""


def test_the_largest_mine_is_taken_by_the_gateway_and_simulated(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_layout_mine(folder, LARGE)
    bundle = load(folder)
    assert "Note:" not in summary(bundle)
    mine = read_folder(folder)
    assert len(mine.people) == 8000
    assert len(mine.machines) == 100
    protocols = Counter(device.profile.protocol for device in mine.machines)
    assert set(protocols) == {"modbus", "opcua", "mqtt"}
    assert protocols["opcua"] == 12
    assert protocols["mqtt"] == 4
    assert len(mine.readers(Kind.UWB_READER)) == 16
    machines = make_machines(mine.machines, Plant(1, lengths_m=mine.lengths_m))
    shearer, roadheader = machines["shearer_f6"], machines["roadheader_h8"]
    assert isinstance(shearer, Shearer)
    assert isinstance(roadheader, Roadheader)
    assert (round(shearer.face_m), round(roadheader.heading_m)) == (200, 200)
    world = World(mine.map, mine.people, machines, seed=1, start_t_ns=0)
    assert len(world.advance(0.5)) == 5
    assert world.machine_values().keys() == {device.id for device in mine.machines}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[layout]\npeople = 1\nfaces = 0\nheadings = 1\nvehicles = 0\nuwb_readers = 1",
        "[layout]\nfaces = 3\nheadings = 0\nface_m = 120\ngate_m = 1500",
        "[layout]\nfaces = 0\nheadings = 12\nheading_m = 60\nheading = []\nmine = []",
        "[layout]\nanchor_spacing_m = 75\nheadings = 3\nheading = ['bolter_miner']",
    ],
)
def test_any_layout_is_a_mine_in_which_three_anchors_are_heard(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "mine"
    write_layout_mine(folder, text)
    bundle = load(folder)
    assert "Note:" not in summary(bundle)
    mine = read_folder(folder)
    graph = RoadGraph(mine.map.roadways)
    radio = Radio(mine.map, graph, 0, (1,))
    heard = []
    for edge, length_m in enumerate(graph.length_m):
        s_m = np.arange(0.0, length_m, 2.0)
        anchors = radio.anchors_heard(np.full(len(s_m), edge), s_m)
        heard += (anchors >= 0).sum(axis=1).tolist()
    spacing_m = read_scenario(folder).layout.anchor_spacing_m
    assert np.mean(np.array(heard) >= (3 if spacing_m <= 40 else 2)) > 0.98
    World(mine.map, mine.people, {}, seed=1, start_t_ns=0).advance(0.2)


def test_the_command_writes_the_mine_of_a_scenario(tmp_path: Path) -> None:
    scenario = tmp_path / "two.toml"
    scenario.write_text("[layout]\nfaces = 2\nheadings = 0\n", encoding="utf-8")
    folder = tmp_path / "mine"
    result = CliRunner().invoke(app, ["init", str(folder), "--scenario", str(scenario)])
    assert result.exit_code == 0, result.output
    assert (folder / "scenario.toml").read_text(encoding="utf-8") == scenario.read_text()
    zones = {zone.id for zone in read_folder(folder).map.zones}
    assert zones >= {"face_f1", "face_f2"}
    assert "heading_h1" not in zones
    result = CliRunner().invoke(
        app, ["init", str(tmp_path / "x"), "--scenario", str(scenario), "--people", "3"]
    )
    assert result.exit_code == 1
    assert "--scenario stands alone" in result.output
    scenario.write_text("[layout]\nfases = 2\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["init", str(tmp_path / "x"), "--scenario", str(scenario)])
    assert result.exit_code == 1
    assert "two.toml:2: layout.fases: unknown key" in result.output
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('mine = ["monorial"]', r"layout: .*did you mean 'monorail'"),
        ('mine = ["uwb_reader"]', "'uwb_reader' is no machine's profile"),
        ('face = ["afc_opc40560"]\nmqtt = ["afc_opc40560"]\nbroker = {}', "speaks opcua"),
    ],
)
def test_profiles_that_can_not_be_had_are_told(tmp_path: Path, lines: str, problem: str) -> None:
    with pytest.raises(SimulationError, match=problem):
        write_layout_mine(tmp_path / "mine", f"[layout]\n{lines}\n")


def test_a_layout_counts_its_machines() -> None:
    assert Layout().machines == 14
    assert Layout(faces=0, headings=2, heading=("roadheader",), mine=()).machines == 2
