"""`lamproom demo`: a simulated mine and its gateway in one go, with a live table."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli.child import ChildError, child
from gateway.cli.fail import fail
from gateway.cli.stopping import end_well_on_signals, stop_on_signals

#: What happens in the demo, as options of `lamproom sim`: mean seconds between two of a kind.
INCIDENTS: Final = ("--distress", "60", "--low-battery", "60", "--gas", "600")


def demo(
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="End so long after the gateway is ready; without it, on Ctrl-C."),
    ] = None,
    people: Annotated[int, typer.Option(min=1, max=8000, help="How many carry a card.")] = 200,
    grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where clients connect; 0 takes a free one.")
    ] = 50051,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another day.")] = 1,
) -> None:
    """Run a simulated mine and its gateway, and show what happens.

    People call for help now and then, batteries run low, and gas breaks out at a face. Nothing is
    kept. Clients can connect while it runs.
    """
    end_well_on_signals()
    from hil_sim.folder import SimulationError
    from hil_sim.sample_mine import Ports, write_sample_mine

    _check_free(grpc_port)
    with tempfile.TemporaryDirectory(prefix="lamproom-") as scratch:
        folder = Path(scratch, "mine")
        try:
            write_sample_mine(folder, people=people, seed=seed, ports=Ports.free())
            asyncio.run(_demo(folder, seconds, seed, grpc_port))
        except (ChildError, SimulationError) as error:
            fail(str(error))


def _check_free(port: int) -> None:
    """Fails at once where the gateway would after it has started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            fail(
                f"port {port}: {error.strerror}; give another with --grpc-port, 0 takes a free one"
            )


async def _demo(folder: Path, seconds: float | None, seed: int, grpc_port: int) -> None:
    """Runs simulator and gateway as in a mine: each is a process of its own."""
    stop = stop_on_signals()
    typer.echo("starting a simulated mine and its gateway (10 s or more the first time) ...")
    async with AsyncExitStack() as stack:
        simulate = ("sim", str(folder), "--seed", str(seed), *INCIDENTS)
        serve = ("run", str(folder), "--grpc-port", str(grpc_port))
        simulator = await stack.enter_async_context(child("simulator", folder.parent, *simulate))
        # One after the other, so that no device is down at first.
        await _first(simulator.ready(), stop.wait())
        if stop.is_set():
            return
        gateway = await stack.enter_async_context(child("gateway", folder.parent, *serve))
        ready = await _first(gateway.ready(), simulator.ended(), stop.wait())
        if stop.is_set():
            return
        address = ready.removeprefix("grpc ")

        from gateway.cli.live_view import LiveView

        view = LiveView(address)
        try:
            async with asyncio.timeout(seconds):
                await _first(view.show(), simulator.ended(), gateway.ended(), stop.wait())
        except TimeoutError:
            pass


async def _first(*coroutines: Coroutine[Any, Any, Any]) -> Any:
    """What the first to be done gives or raises; the others are ended."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return next(task for task in tasks if task in done).result()
