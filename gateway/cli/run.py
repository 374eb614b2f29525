"""`lamproom run`: the gateway for one mine."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.fail import fail

if TYPE_CHECKING:
    from gateway.app import Gateway


def run(
    folder: Annotated[Path, typer.Argument(help="The mine's configuration folder.")],
    grpc_port: Annotated[
        int | None, typer.Option(help="Instead of the port in mine.toml; 0 takes a free one.")
    ] = None,
) -> None:
    """Run the gateway for the mine in FOLDER until Ctrl-C or SIGTERM."""
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
        asyncio.run(_run(Gateway(bundle)))
    except (ConfigurationError, JournalError, ServeError) as error:
        fail(str(error))


async def _run(gateway: Gateway) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await gateway.run(stop, lambda port: typer.echo(f"READY grpc 127.0.0.1:{port}"))
