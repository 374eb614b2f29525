"""`scenario.toml`: what is to happen in a simulated mine, beside its everyday."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from equipment.strict import Strict
from equipment.toml_source import ConfigurationError, mistakes_of, parse_toml
from hil_sim.faults.kinds import FaultError, RandomFaults, Target, TimedFault
from hil_sim.faults.plan import Planned, plan
from hil_sim.folder import SimulationError

SCENARIO_FILE: Final = "scenario.toml"


class Scenario(Strict):
    """What a scenario says: each section is a model of the module that uses it."""

    fault: tuple[TimedFault, ...] = ()
    random_faults: RandomFaults | None = None


def parse_scenario(text: str, file: str = SCENARIO_FILE) -> Scenario:
    """What a text says; `file` is its name in messages.

    Raises:
        SimulationError: it has mistakes; all are told, with file, line, key and what to do.
    """
    try:
        source = parse_toml(text, file)
        try:
            return Scenario.model_validate(source.data)
        except ValidationError as error:
            raise ConfigurationError(mistakes_of(error, source, Scenario)) from None
    except ConfigurationError as error:
        raise SimulationError(str(error)) from None


def read_scenario(folder: Path, given: Path | None) -> Scenario:
    """The scenario at `given`, else that of the mine's folder, else one in which nothing happens.

    Raises:
        SimulationError: it can't be read, or has mistakes.
    """
    file = given or folder / SCENARIO_FILE
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        if given is None:
            return Scenario()
        raise SimulationError(f"--scenario: there is no file {file}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SimulationError(f"{file} can't be read: {error}") from None
    return parse_scenario(text, scenario_name(given))


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
