"""`lamproom run`: the gateway for one mine."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.fail import fail
from gateway.cli.stopping import (
    again_on_hangup,
    end_at_once_on_signals,
    end_well_on_signals,
    end_with_parent,
    stop_on_signals,
)

if TYPE_CHECKING:
    from gateway.app import Gateway


def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")],
    grpc_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Instead of the port in mine.toml; 0 takes a free one."
        ),
    ] = None,
    leash: Annotated[
        bool, typer.Option("--leash", hidden=True, help="End when standard input ends.")
    ] = False,
) -> None:
    """Run the gateway for a mine.

    Until Ctrl-C or SIGTERM; SIGHUP has it read the folder again. Prints
    `READY grpc HOST:PORT` once clients are served. Its log goes to standard error.
    """
    end_well_on_signals()
    if leash:
        end_with_parent()
    from equipment.toml_source import ConfigurationError
    from gateway.app import Gateway
    from gateway.cli.log import log_to_stderr
    from gateway.config.bundle import load
    from gateway.journal.journal import JournalError
    from gateway.serve.server import ServeError

    log_to_stderr()
    try:
        bundle = load(folder)
        if grpc_port is not None:
            bundle = bundle.with_grpc_port(grpc_port)
        end_at_once_on_signals()
        gateway = Gateway(bundle)
        asyncio.run(_run(gateway, bundle.settings.grpc.address))
    except (ConfigurationError, JournalError, ServeError) as error:
        fail(str(error))


async def _run(gateway: Gateway, host: str) -> None:
    shown = f"[{host}]" if ":" in host else host

    def ready(port: int) -> None:
        # What was imported and compiled stays: without it each full collection of garbage would
        # look through all of it, which holds everything up for a tenth of a second.
        gc.collect()
        gc.freeze()
        typer.echo(f"READY grpc {shown}:{port}")

    await gateway.run(stop_on_signals(), ready, again_on_hangup())
