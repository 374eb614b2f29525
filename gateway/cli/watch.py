"""`lamproom watch`: what a gateway says, line by line."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.fail import fail
from gateway.cli.stopping import end_well_on_signals, stop_on_signals

if TYPE_CHECKING:
    from gateway.cli.hazard_watch import HazardFollower
    from gateway.cli.watch_streams import Follower


#: A name or an IPv4 address, or an IPv6 address in brackets, and a port.
ADDRESS: Final = re.compile(r"([^\s:/\[\]]+|\[[0-9A-Fa-f:.%a-z]+\]):[0-9]{1,5}")


def watch(
    address: Annotated[
        str,
        typer.Argument(
            metavar="HOST:PORT|DIR",
            help="The gateway's gRPC address, or the mine's folder, which says it.",
        ),
    ] = "127.0.0.1:50051",
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="One JSON object a line, with every fix; else a line a second for each card.",
        ),
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="End after so long; without it, on Ctrl-C.")
    ] = None,
    from_sequence: Annotated[
        int | None,
        typer.Option(min=1, help="The first event to print, 1 for all; without it, from now on."),
    ] = None,
    cursor_file: Annotated[
        Path | None, typer.Option(help="Where to keep the place in the events between runs.")
    ] = None,
) -> None:
    """Print what a gateway tells: positions and events.

    Comes back after every break-off, until Ctrl-C or SIGTERM. Status 1 when the gateway was never
    reached within --seconds, or refuses what is asked.
    """
    end_well_on_signals()
    from gateway.cli.channel import target_of
    from gateway.cli.watch_lines import JsonLines, PlainLines
    from gateway.cli.watch_streams import Follower

    target = target_of(address)

    def make() -> Follower:
        lines = JsonLines() if as_json else PlainLines()
        return Follower(target, lines, cursor_file, from_sequence)

    follow(make, target.address, seconds)


def follow(
    make: Callable[[], Follower | HazardFollower], address: str, seconds: float | None
) -> None:
    """Prints what a follower is told until a signal comes or the time is up; fails with its words.

    Also where `address` was never reached in that time.
    """
    from gateway.cli.watch_streams import WatchError

    try:
        follower = make()
        timed_out = asyncio.run(_watch(follower, seconds))
    except WatchError as error:
        fail(str(error))
    except BrokenPipeError:
        # Whoever read has seen enough; nothing may be flushed into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if timed_out and not follower.connected:
        fail(f"{address} was not reached within {seconds:g} s")


async def _watch(follower: Follower | HazardFollower, seconds: float | None) -> bool:
    """Whether the time was up before a signal came."""
    stop = stop_on_signals()
    task = asyncio.create_task(follower.run())
    stopping = asyncio.create_task(stop.wait())
    tasks = (task, stopping)
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if task in done:
        task.result()
    return not done
