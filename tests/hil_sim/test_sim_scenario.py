"""What a scenario says is what the simulated mine does."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from hil_sim.folder import MineFolder, SimulationError, read_folder
from hil_sim.layout_mine import write_layout_mine
from hil_sim.layout_settings import Broker, Layout
from hil_sim.machines.conveyors import Belt
from hil_sim.machines.gas_station import GasSettings
from hil_sim.machines.make import Plant, make_machines
from hil_sim.machines.settings import MachineSettings
from hil_sim.machines.shearer import Shearer
from hil_sim.people import People
from hil_sim.people_settings import PeopleSettings, Rush, VehicleSettings
from hil_sim.radio import RadioSettings
from hil_sim.roadgraph import RoadGraph
from hil_sim.scenario import AS_USUAL, Scenario, parse_scenario, read_scenario
from hil_sim.world import STEP_S, World
from tests.support.places import ROOT

SAMPLE = Path(__file__).parent / "scenarios" / "rush.toml"
DOCUMENT = (ROOT / "docs/simulator.md").read_text(encoding="utf-8")
START_NS = 1_700_000_000_000_000_000


def people_of(
    sample: MineFolder,
    settings: PeopleSettings | None = None,
    vehicles: VehicleSettings | None = None,
) -> People:
    return People(
        sample.people,
        sample.map,
        RoadGraph(sample.map.roadways),
        (1, 1),
        settings=settings or PeopleSettings(),
        vehicles=vehicles or VehicleSettings(),
    )


def test_the_sample_scenario_makes_a_mine_that_does_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_layout_mine(folder, SAMPLE.read_text(encoding="utf-8"))
    mine, scenario = read_folder(folder), read_scenario(folder)
    plant = Plant(1, None, scenario.gas, scenario.machine, mine.lengths_m)
    machines = make_machines(mine.machines, plant)
    slow, quick = machines["shearer_f1"], machines["shearer_f2"]
    assert isinstance(slow, Shearer)
    assert isinstance(quick, Shearer)
    inner, outer = machines["belt_conveyor_f1"], machines["belt_conveyor_f2"]
    assert isinstance(inner, Belt)
    assert inner.onto is outer
    world = World(mine.map, mine.people, machines, seed=1, start_t_ns=START_NS, scenario=scenario)
    before = world.below.copy()
    assert before.sum() <= 100 + 2
    came = 0
    for step in range(round(62 / STEP_S)):
        world.advance(STEP_S)
        if step == round(59.5 / STEP_S):
            before = world.below.copy()
        came = int((world.below & ~before).sum())
        assert slow.speed_m_s <= 3.0 / 60
    assert came >= 200


def test_the_sample_scenario_is_that_of_the_documentation() -> None:
    assert SAMPLE.read_text(encoding="utf-8") in DOCUMENT


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        (Layout, ""),
        (Broker, "broker."),
        (PeopleSettings, "people."),
        (Rush, "people.rush."),
        (VehicleSettings, "vehicles."),
        (RadioSettings, ""),
        (GasSettings, "gas."),
        (MachineSettings, ""),
    ],
)
def test_every_key_is_documented_with_its_section(model: type[BaseModel], prefix: str) -> None:
    for key in model.model_fields:
        documented = f"`{prefix}{key}`" in DOCUMENT or key in ("rush", "broker")
        assert documented or f"### `[{prefix}{key}" in DOCUMENT, key


def test_without_a_scenario_a_mine_is_as_usual(sample_folder: Path) -> None:
    assert read_scenario(sample_folder) is AS_USUAL
    (sample_folder / "scenario.toml").write_text("[radio]\nloss = 0.1\n")
    assert read_scenario(sample_folder).radio.loss == 0.1
    assert read_scenario(sample_folder, SAMPLE).radio.loss == 0.02


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[radoi]", r"scenario.toml:1: radoi: unknown key \(did you mean 'radio'\?\)"),
        ("[radio]\nlos = 0.1", r"scenario.toml:2: radio.los: unknown key"),
        ("[radio]\nloss = 2", r"scenario.toml:2: radio.loss: "),
        ("[machine.shearer_1]\nspeed_m_min = [5, 4]", "the lowest and the highest speed"),
        ("[people]\nstay_h = [5, 4]", "the shortest and the longest"),
        ("[vehicles]\nspeed_m_s = [5, 4]", "the lowest and the highest speed"),
        ("[layout]\nfaces = 0\nheadings = 0", "at least one face or heading"),
        ("[layout]\nfaces = 10\nheadings = 20", "of which there may be 100"),
        ('[layout]\nmqtt = ["monorail"]', r"\[layout.broker\]"),
        ("[radio", "not valid TOML"),
    ],
)
def test_mistakes_are_told_with_file_line_and_key(text: str, problem: str) -> None:
    with pytest.raises(SimulationError, match=problem):
        parse_scenario(text)


def test_a_scenario_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"no\.toml is missing: give the path"):
        read_scenario(tmp_path, tmp_path / "no.toml")


def test_crews_follow_one_another(sample: MineFolder) -> None:
    settings = PeopleSettings(shift_h=8.0, first_shift_h=0.5, gather_s=600.0, stay_h=(7.9, 8.0))
    people = people_of(sample, settings)
    walks = np.array([not person.drives for person in sample.people])
    crew = np.arange(len(walks)) % 3
    assert not people.below[walks & (crew != 2)].any()
    for second in range(3 * 3600):
        people.advance(float(second), 1.0)
    assert people.below[walks & (crew == 0)].all()
    assert not people.below[walks & (crew != 0)].any()


def test_of_a_rush_all_cards_pass_the_gate_within_a_cycle_again_and_again(
    sample: MineFolder,
) -> None:
    rush = Rush(cards=40, at_s=30.0, every_s=3600.0)
    people = people_of(sample, PeopleSettings(rush=rush, stay_h=(0.2, 0.3)))
    came: list[tuple[int, float]] = []
    for step in range(round(3700 / STEP_S)):
        before = people.below.copy()
        people.advance((step + 1) * STEP_S, STEP_S)
        came += [(int(i), step * STEP_S) for i in np.flatnonzero(people.below & ~before)]
    walkers = [i for i, person in enumerate(sample.people) if not person.drives][:40]
    for at_s in (30.0, 3630.0):
        rushed = {i for i, t_s in came if at_s - 0.2 <= t_s <= at_s + 1.2}
        assert rushed >= set(walkers)
    assert sum(i in walkers for i, _ in came) == 80


def test_vehicles_drive_where_and_as_fast_as_they_are_told(sample: MineFolder) -> None:
    vehicles = VehicleSettings(number=1, speed_m_s=(4.0, 5.0), roadways=("pit_bottom",))
    people = people_of(sample, vehicles=vehicles)
    drives = np.flatnonzero([person.drives for person in sample.people])
    graph = RoadGraph(sample.map.roadways)
    fastest_m_s = 0.0
    for step in range(6000):
        before = people.whereabouts()
        people.advance((step + 1) * STEP_S, STEP_S)
        now = people.whereabouts()
        moved_m = float(np.linalg.norm(now.place_m[drives[0]] - before.place_m[drives[0]]))
        fastest_m_s = max(fastest_m_s, moved_m / STEP_S)
        on = sample.map.roadways[graph.roadway[int(now.edge[drives[0]])]].id
        assert on == "pit_bottom"
    assert 3.5 < fastest_m_s < 5.2
    assert people.below[drives].tolist() == [True, False]
    with pytest.raises(ValueError, match="no vehicle can drive in 'face_3101': name roadways"):
        people_of(sample, vehicles=VehicleSettings(roadways=("face_3101",)))


def test_share_below_at_the_start_is_that_of_the_scenario(sample: MineFolder) -> None:
    crowd = replace(sample, people=sample.people[:60] * 10)
    for share in (0.3, 0.96):
        people = people_of(crowd, PeopleSettings(below_share=share))
        error = 4 * math.sqrt(share * (1 - share) / len(crowd.people))
        assert people.below.mean() == pytest.approx(share, abs=error)


def test_a_scenario_of_sections_that_are_given_keeps_the_others() -> None:
    scenario = parse_scenario("[gas]\nrelease_m3_t = 0.5\n")
    assert scenario.radio == Scenario().radio
    assert scenario.gas.release_m3_t == 0.5
