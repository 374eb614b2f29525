"""`lamproom watch`: what a gateway says, line by line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.fail import fail

if TYPE_CHECKING:
    from gateway.cli.watch_streams import Follower


def watch(
    address: Annotated[
        str, typer.Argument(metavar="HOST:PORT", help="The gateway's gRPC address.")
    ] = "127.0.0.1:50051",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, with every fix.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(min=0, help="End after so long.")] = None,
    from_sequence: Annotated[
        int | None, typer.Option(min=1, help="First event; without it, from now on.")
    ] = None,
    cursor_file: Annotated[
        Path | None, typer.Option(help="Where to keep the place in the events between runs.")
    ] = None,
) -> None:
    """Print people and events of the gateway at HOST:PORT; comes back after every break-off.

    Ends with status 1 when the gateway was never reached, or refuses what is asked.
    """
    from gateway.cli.watch_lines import JsonLines, PlainLines
    from gateway.cli.watch_streams import Follower, WatchError

    try:
        lines = JsonLines() if as_json else PlainLines()
        follower = Follower(address, lines, cursor_file, from_sequence)
        timed_out = asyncio.run(_watch(follower, seconds))
    except WatchError as error:
        fail(str(error))
    except BrokenPipeError:
        # Whoever read has seen enough; nothing may be flushed into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if timed_out and not follower.connected:
        fail(f"{address} was not reached within {seconds:g} s")


async def _watch(follower: Follower, seconds: float | None) -> bool:
    """Whether the time was up before a signal came."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    following = asyncio.create_task(follower.run())
    stopping = asyncio.create_task(stop.wait())
    tasks = (following, stopping)
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if following in done:
        following.result()
    return not done
