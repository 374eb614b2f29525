"""`lamproom sim`: the devices of a mine's folder, simulated, on real protocols."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.fail import fail
from gateway.cli.stopping import end_well_on_signals, end_with_parent

Truth = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write where everyone truly is into it.")
]
Distress = Annotated[
    float | None,
    typer.Option(min=1, help="Someone calls for help every so many s; without it, nobody."),
]
LowBattery = Annotated[
    float | None,
    typer.Option(min=1, help="A card's battery runs low every so many s; without it, none."),
]
Gas = Annotated[
    float | None,
    typer.Option(min=1, help="Gas breaks out every so many s; without it, never."),
]
Recording = Annotated[
    Path | None,
    typer.Option(metavar="RECORDING_DIR", help="Play the recording that DIR was made from."),
]
Nlos = Annotated[
    float | None, typer.Option(min=0, max=0.9, help="Share of ranges without line of sight.")
]
ScenarioFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="How the mine behaves, and what goes wrong.  [default: DIR/scenario.toml]",
    ),
]
Speed = Annotated[
    float,
    typer.Option(min=0.01, max=1000, help="How many times as fast as real time the world goes."),
]
Seconds = Annotated[
    float | None, typer.Option(min=0.1, help="End after so long; without it, on Ctrl-C.")
]
WaitClient = Annotated[bool, typer.Option("--wait-client", help="Play only once someone reads.")]
Pause = Annotated[bool, typer.Option("--pause", help="Start with the world standing.")]
GrpcPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Serve truth, time and faults there; 0 takes a free one."),
]


def sim(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")],
    *,
    people: Annotated[
        int | None, typer.Option(min=0, help="Only the first so many of people.csv.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another day.")] = 1,
    truth: Truth = None,
    seconds: Seconds = None,
    scenario: ScenarioFile = None,
    nlos: Nlos = None,
    recording: Recording = None,
    speed: Speed = 1.0,
    wait_client: WaitClient = False,
    pause: Pause = False,
    grpc_port: GrpcPort = None,
    distress: Distress = None,
    low_battery: LowBattery = None,
    gas: Gas = None,
    leash: Annotated[
        bool, typer.Option("--leash", hidden=True, help="End when standard input ends.")
    ] = False,
) -> None:
    """Serve the devices of a mine, simulated.

    Until Ctrl-C or SIGTERM. They listen where devices.toml says that they are. Prints
    `READY {...}` once they do.
    """
    end_well_on_signals()
    if leash:
        end_with_parent()
    from hil_sim.app import Wish, run
    from hil_sim.folder import SimulationError
    from hil_sim.incidents import Incidents

    with suppress(OSError):  # told by `run`
        if folder.is_file():
            fail(f"{folder}: is not a folder (`lamproom init DIR` writes a folder with all files)")
    try:
        run(
            Wish(
                folder=folder,
                people=people,
                seed=seed,
                truth=truth,
                seconds=seconds,
                scenario=scenario,
                nlos_share=nlos,
                recording=recording,
                speed=speed,
                wait_client=wait_client,
                pause=pause,
                grpc_port=grpc_port,
                incidents=Incidents(distress, low_battery, gas),
            )
        )
    except SimulationError as error:
        fail(str(error))
