"""`lamproom sim`: the devices of a mine's folder, simulated, on real protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.fail import fail


def sim(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")],
    *,
    people: Annotated[
        int | None, typer.Option(min=0, help="Only the first so many of people.csv.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another day.")] = 1,
    truth: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write where everyone truly is to it.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long.")] = None,
    nlos: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of ranges without line of sight.")
    ] = 0.0,
    recording: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Play this recording instead of a mine.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.01, max=1000, help="How fast a recording is played.")
    ] = 1.0,
    wait_client: Annotated[
        bool, typer.Option("--wait-client", help="Play only once someone reads.")
    ] = False,
) -> None:
    """Serve the devices of a mine, simulated."""
    from hil_sim.app import Wish, run
    from hil_sim.folder import SimulationError

    try:
        run(
            Wish(
                folder=folder,
                people=people,
                seed=seed,
                truth=truth,
                seconds=seconds,
                nlos_share=nlos,
                recording=recording,
                speed=speed,
                wait_client=wait_client,
            )
        )
    except SimulationError as error:
        fail(str(error))
