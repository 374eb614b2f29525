"""`lamproom init`: a sample mine's folder, to try and to begin one's own from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.fail import fail


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    people: Annotated[int, typer.Option(min=1, max=8000, help="How many people.csv lists.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other people.")] = 1,
) -> None:
    """Write the configuration of a sample mine."""
    from hil_sim.folder import SimulationError
    from hil_sim.sample_mine import write_sample_mine

    try:
        write_sample_mine(folder, people=people, seed=seed)
    except SimulationError as error:
        fail(str(error))
    typer.echo(
        f"wrote {folder}: mine.toml, devices.toml, people.csv and map.geojson\n"
        f"  lamproom check {folder}    tells what is wrong after you changed something\n"
        f"  lamproom sim {folder}      serves its devices, simulated\n"
        f"  lamproom run {folder}      is its gateway"
    )
