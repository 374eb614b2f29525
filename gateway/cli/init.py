"""`lamproom init`: a mine's folder, to try and to begin one's own from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.fail import fail

#: A shift of a small mine: every zone of the sample sees someone.
DEFAULT_PEOPLE: Final = 200


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    people: Annotated[
        int | None,
        typer.Option(
            min=1, max=8000, help=f"How many people.csv lists.  [default: {DEFAULT_PEOPLE}]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other people.")] = 1,
    recording: Annotated[
        Path | None,
        typer.Option(
            metavar="RECORDING_DIR",
            help="Make the mine of this recording (ranges.csv, anchors.csv, maybe truth.csv).",
        ),
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Make the mine that [layout] of this scenario says."),
    ] = None,
) -> None:
    """Write a mine's folder: a sample, a scenario or a recording."""
    from hil_sim.folder import SimulationError
    from hil_sim.layout_mine import write_layout_mine
    from hil_sim.recording import write_recording_mine
    from hil_sim.sample_mine import write_sample_mine
    from hil_sim.scenario import scenario_text

    if recording is not None and people is not None:
        fail("--people is for the sample mine: a recording has its own")
    if scenario is not None and (recording is not None or people is not None):
        fail("--scenario stands alone: its [layout] says how many people there are")
    played = ""
    try:
        if scenario is not None:
            write_layout_mine(folder, scenario_text(scenario), seed, scenario.name)
        elif recording is None:
            write_sample_mine(folder, people=people or DEFAULT_PEOPLE, seed=seed)
        else:
            write_recording_mine(recording, folder)
            played = f" --recording {recording} --wait-client"
    except SimulationError as error:
        fail(str(error))
    serves = "plays the recording" if played else "serves its devices, simulated"
    steps = [
        (f"lamproom check {folder}", "tells what is wrong after a change"),
        (f"lamproom sim {folder}{played}", serves),
        (f"lamproom run {folder}", "is its gateway"),
        ("lamproom watch", "prints what the gateway tells"),
    ]
    width = max(len(command) for command, _ in steps)
    typer.echo(f"wrote {folder}: {', '.join(sorted(file.name for file in folder.iterdir()))}")
    for command, what in steps:
        typer.echo(f"  {command:{width}}  {what}")
