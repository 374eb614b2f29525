"""`scenario.toml`: how a simulated mine behaves, and what goes wrong. Everything has a default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from equipment.strict import Name, Strict
from equipment.toml_source import ConfigurationError, mistakes_of, parse_toml
from hil_sim.faults.kinds import FaultError, RandomFaults, Target, TimedFault
from hil_sim.faults.plan import Planned, plan
from hil_sim.folder import SimulationError
from hil_sim.layout_settings import Layout
from hil_sim.machines.gas_station import GasSettings
from hil_sim.machines.make import SCENARIO_FILE
from hil_sim.machines.settings import MachineSettings
from hil_sim.people_settings import PeopleSettings, VehicleSettings
from hil_sim.radio import RadioSettings


class Scenario(Strict):
    """All sections; each is described where it is used."""

    #: Of what `lamproom init --scenario` makes a mine; a mine that there is has its own.
    layout: Layout = Field(default_factory=Layout)
    people: PeopleSettings = Field(default_factory=PeopleSettings)
    vehicles: VehicleSettings = Field(default_factory=VehicleSettings)
    radio: RadioSettings = Field(default_factory=RadioSettings)
    gas: GasSettings = Field(default_factory=GasSettings)
    #: By device.
    machine: dict[Name, MachineSettings] = Field(default_factory=dict)
    fault: tuple[TimedFault, ...] = ()
    random_faults: RandomFaults | None = None


#: What a mine without a scenario is like.
AS_USUAL: Final = Scenario()


def parse_scenario(text: str, file: str = SCENARIO_FILE) -> Scenario:
    """Reads a scenario; `file` is its name in messages.

    Raises:
        SimulationError: it is wrong; the text has file, line and key of each mistake.
    """
    try:
        source = parse_toml(text, file)
        try:
            return Scenario.model_validate(source.data)
        except ValidationError as error:
            raise ConfigurationError(mistakes_of(error, source, Scenario)) from None
    except ConfigurationError as error:
        raise SimulationError(str(error)) from None


def read_scenario(folder: Path, given: Path | None = None) -> Scenario:
    """The scenario `given`, else that of the mine's folder, else the usual one.

    Raises:
        SimulationError: it is wrong, or the one that was given can't be read.
    """
    if given is None and not (folder / SCENARIO_FILE).exists():
        return AS_USUAL
    file = given or folder / SCENARIO_FILE
    return parse_scenario(scenario_text(file), scenario_name(given))


def scenario_text(file: Path) -> str:
    """The text of a scenario.

    Raises:
        SimulationError: it can't be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        msg = f"{file} is missing: give the path of a scenario (a TOML file)"
        raise SimulationError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SimulationError(f"{file} can't be read: {error}") from None


def scenario_name(given: Path | None) -> str:
    """How messages call the scenario at `given`, or that of the mine's folder."""
    return SCENARIO_FILE if given is None else str(given)


def planned_faults(
    scenario: Scenario, targets: Mapping[str, Target], file: str
) -> Iterator[Planned]:
    """The faults of a scenario in the order of their beginnings; `file` is its name in messages.

    Raises:
        SimulationError: one is not possible; the text has file and key.
    """
    try:
        return plan(scenario.fault, scenario.random_faults, targets)
    except FaultError as error:
        raise SimulationError(f"{file}: {error}") from None
