"""Laws of a longwall face: who may run when, who follows whom, where coal and gas go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from hil_sim.folder import SimulationError
from hil_sim.machines.conveyors import Belt, Conveyor, FaceConveyor, Going, StageLoader
from hil_sim.machines.gas_station import GasSettings, GasStation
from hil_sim.machines.machine import Machine
from hil_sim.machines.make import Plant
from hil_sim.machines.settings import MachineSettings
from hil_sim.machines.shearer import SHEARER_M, Shearer
from hil_sim.machines.supports import FOLLOW_M, Doing, RoofSupports
from tests.hil_sim.plant import advance, machines_of

FACE = {
    "shearer_1": "shearer_modbus",
    "afc_1": "afc_modbus",
    "supports_1": "roof_support_modbus",
    "loader_1": "stage_loader_crusher",
    "belt_1": "belt_conveyor",
    "gas_1": "gas_station",
    "belt_main": "belt_conveyor",
}
ONTO_MAIN = {"belt_1": MachineSettings(onto="belt_main")}
STEP_S = 1.0
#: A face without its supports, which take the most time.
BARE = {name: profile for name, profile in FACE.items() if name != "supports_1"}


def days(machines: dict[str, Machine], hours: float) -> Iterator[None]:
    for _ in range(round(hours * 3600 / STEP_S)):
        advance(machines, STEP_S)
        yield


def shearer_of(machines: dict[str, Machine]) -> Shearer:
    shearer = machines["shearer_1"]
    assert isinstance(shearer, Shearer)
    return shearer


def chain_of(machines: dict[str, Machine]) -> list[Conveyor]:
    """From the surface to the face."""
    chain = [machines[name] for name in ("belt_main", "belt_1", "loader_1", "afc_1")]
    assert [type(one) for one in chain] == [Belt, Belt, StageLoader, FaceConveyor]
    return [one for one in chain if isinstance(one, Conveyor)]


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_runs_unless_that_onto_which_it_discharges_runs(seed: int) -> None:
    trips = {"belt_main": MachineSettings(stop_every_s=3600.0)}
    machines = machines_of(BARE, Plant(seed, settings=ONTO_MAIN | trips))
    shearer, chain = shearer_of(machines), chain_of(machines)
    tripped = started = 0
    ran = [one.runs for one in chain]
    for _ in days(machines, 12):
        runs = [one.runs for one in chain]
        assert runs == sorted(runs, reverse=True)
        assert runs[-1] or (shearer.speed_m_s == 0 and not shearer.drums_turn)
        # They start one after the other, never two in one step.
        started += sum(now and not before for now, before in zip(runs, ran, strict=True))
        assert sum(now and not before for now, before in zip(runs, ran, strict=True)) <= 1
        tripped += chain[0].going is Going.TRIPPED
        ran = runs
    assert tripped
    assert started >= 8


def test_a_face_that_pauses_stops_from_the_shearer_outwards() -> None:
    machines = machines_of(BARE, Plant(3, settings=ONTO_MAIN))
    shearer, chain = shearer_of(machines), chain_of(machines)
    stopped_s: dict[int, int] = {}
    for second, _ in enumerate(days(machines, 6)):
        if shearer.wins:
            stopped_s.clear()
        for position, one in enumerate([*chain[::-1]]):
            if one.is_stopped:
                stopped_s.setdefault(position, second)
        if len(stopped_s) == len(chain):
            break
    times = [stopped_s[position] for position in range(len(chain))]
    assert times == sorted(times)
    assert len(set(times)) == len(chain)
    assert not shearer.drums_turn


def test_coal_is_neither_made_nor_lost_on_the_way() -> None:
    machines = machines_of(BARE, Plant(1, settings=ONTO_MAIN))
    shearer, chain = shearer_of(machines), chain_of(machines)
    cut_t = 0.0
    for _ in days(machines, 4):
        cut_t += shearer.coal_t_s * STEP_S
        for one in chain:
            assert one.taken_t == pytest.approx(one.given_t + one.mass_t)
            assert one.mass_t >= 0
    on_the_way_t = sum(one.mass_t for one in chain) + shearer.coal_t_s * STEP_S
    # What one gives in a step the next one takes in the following step.
    assert chain[0].given_t + on_the_way_t == pytest.approx(cut_t, abs=2.0)
    assert cut_t > 500


def test_supports_are_drawn_up_in_the_wake_of_the_shearer_alone() -> None:
    machines = machines_of(FACE, Plant(2, settings=ONTO_MAIN))
    shearer, supports = shearer_of(machines), machines["supports_1"]
    assert isinstance(supports, RoofSupports)
    assert supports.shearer is shearer
    before, begun = supports.doing.copy(), 0
    for _ in days(machines, 5):
        lowered = (supports.doing == Doing.LOWERING) | (supports.doing == Doing.ADVANCING)
        begins = (supports.doing == Doing.LOWERING) & (before != Doing.LOWERING)
        behind_m = (shearer.position_m - supports.centre_m) * shearer.towards - SHEARER_M / 2
        assert (behind_m[begins] >= FOLLOW_M - 1e-9).all()
        # No two neighbours leave the roof alone, and no ram is out farther than it reaches.
        assert not (lowered[1:] & lowered[:-1]).any()
        assert supports.stroke_mm.min() >= -1e-6
        assert supports.stroke_mm.max() <= 800.0 + 1e-6
        assert (supports.conveyor_mm <= supports.cut_mm + 1e-6).all()
        begun += int(begins.sum())
        before = supports.doing.copy()
    # Five hours are some webs: every support has followed, and none is far ahead of another.
    webs = supports.support_mm / 800.0
    assert webs.min() >= 3
    assert np.ptp(webs) <= 2.01
    assert begun >= 3 * len(supports.centre_m)


def test_the_shearer_sumps_in_at_both_ends_and_cuts_in_both_directions() -> None:
    shearer = Shearer("SIM-1", (4,))
    turns: list[float] = []
    towards = shearer.towards
    for _ in range(round(6 * 3600 / STEP_S)):
        shearer.advance(STEP_S)
        if shearer.towards != towards:
            towards = shearer.towards
            turns.append(shearer.position_m)
    ends = [6.3, shearer.face_m - 6.3]
    # End, sumped in, end again: three turns at each end, then the whole face.
    at_end = [min(abs(turn - end) for end in ends) < 1e-6 for turn in turns[:9]]
    assert at_end == [True, False, True] * 3
    sumps = turns[1::3]
    assert all(abs(min(abs(sump - end) for end in ends) - 35.0) < 1e-6 for sump in sumps)
    assert {turn < shearer.face_m / 2 for turn in turns} == {True, False}


def test_cutting_releases_gas_and_air_thins_it() -> None:
    gas = GasSettings(release_m3_t=0.6)
    fans = {"fan_1": "ventilation_fan", "fan2_1": "ventilation_fan"}
    machines = machines_of(BARE | fans, Plant(1, gas=gas, settings=ONTO_MAIN))
    shearer, station = shearer_of(machines), machines["gas_1"]
    assert isinstance(station, GasStation)
    cutting: list[float] = []
    standing: list[float] = []
    since_s, cut = 0.0, True
    for _ in days(machines, 5):
        cuts = shearer.coal_t_s > 0
        since_s = since_s + STEP_S if cuts == cut else 0.0
        cut = cuts
        if since_s > 240:
            (cutting if cuts else standing).append(station.methane_pct)
    assert np.mean(cutting) > np.mean(standing) + 0.2
    (house,) = {id(f.house): f.house for f in machines.values() if hasattr(f, "house")}.values()
    assert house.air_share == pytest.approx(1.0, abs=0.01)
    release_pct = station._released_pct()
    house.fans[0].speed = 0.25
    assert station._released_pct() == pytest.approx(4 * release_pct, rel=0.01)


def test_gas_cuts_the_power_of_the_face() -> None:
    machines = machines_of(BARE, Plant(1, outbreak_s=1800.0, settings=ONTO_MAIN))
    shearer, station = shearer_of(machines), machines["gas_1"]
    cut_off = 0
    for _ in days(machines, 2):
        if station.withdraw:
            cut_off += 1
            assert not shearer.drums_turn
            assert machines["afc_1"].values()["running_state"] == "stopped"
            assert machines["gas_1"].values()["power_cut"] is True
    assert cut_off > 60
    assert shearer.drums_turn or not shearer.wins


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"belt_main": {"onto": "belt_1"}, "belt_1": {"onto": "belt_main"}}, "in a circle"),
        ({"belt_1": {"onto": "gas_1"}}, "'gas_1' is no other conveyor"),
        ({"gas_1": {"onto": "belt_1"}}, "machine.gas_1.onto: is not for a gas_station"),
        ({"belt_2": {}}, r"no such machine in devices.toml \(did you mean 'belt_1'"),
    ],
)
def test_what_machines_can_not_be_is_told(
    settings: dict[str, dict[str, Any]], problem: str
) -> None:
    given = {name: MachineSettings(**keys) for name, keys in settings.items()}
    with pytest.raises(SimulationError, match=problem):
        machines_of(FACE, Plant(1, settings=given))
