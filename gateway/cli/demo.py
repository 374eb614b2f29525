"""`lamproom demo`: a simulated mine and its gateway in one go, with a live table."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.fail import fail

if TYPE_CHECKING:
    from gateway.app import Gateway

#: How long the simulator may take to listen: numba and asyncua are imported from cold disks.
SIM_READY_S = 60.0


def demo(
    seconds: Annotated[float | None, typer.Option(min=1, help="End after so long.")] = None,
    people: Annotated[int, typer.Option(min=1, max=8000, help="How many are below.")] = 200,
    grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where clients connect; 0 takes a free one.")
    ] = 50051,
    seed: Annotated[int, typer.Option(help="Another seed, another day.")] = 1,
) -> None:
    """Run a simulated mine and its gateway, and show what happens."""
    from equipment.toml_source import ConfigurationError
    from gateway.app import Gateway
    from gateway.config.bundle import load
    from gateway.journal.journal import JournalError
    from gateway.serve.server import ServeError
    from hil_sim.folder import SimulationError
    from hil_sim.sample_mine import Ports, write_sample_mine

    with tempfile.TemporaryDirectory(prefix="lamproom-") as temporary:
        folder = Path(temporary, "mine")
        try:
            write_sample_mine(folder, people=people, seed=seed, ports=Ports.free())
            gateway = Gateway(load(folder).with_grpc_port(grpc_port))
            asyncio.run(_demo(gateway, folder, seconds, seed))
        except (ConfigurationError, JournalError, ServeError, SimulationError) as error:
            fail(str(error))


async def _demo(gateway: Gateway, folder: Path, seconds: float | None, seed: int) -> None:
    """Runs simulator, gateway and table until the time is up or a signal comes."""
    from gateway.cli.log import log_to_stderr

    log_to_stderr(40)  # only errors: the table tells the rest
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    typer.echo("starting the simulated mine and its gateway ...")
    simulator = await _start_simulator(folder, seed)
    port: asyncio.Future[int] = loop.create_future()
    running = asyncio.create_task(gateway.run(stop, port.set_result))
    try:
        started: set[asyncio.Future[Any]] = {running, port}
        await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await _show(f"127.0.0.1:{port.result()}", running, seconds, stop)
        stop.set()
        await running
    finally:
        if simulator.returncode is None:
            simulator.terminate()
        await simulator.wait()


async def _show(
    address: str, running: asyncio.Task[None], seconds: float | None, stop: asyncio.Event
) -> None:
    """Shows the live table until the time is up, a signal comes or the gateway ends."""
    from gateway.cli.live_view import LiveView

    view = asyncio.create_task(LiveView(address).show())
    stopping = asyncio.create_task(stop.wait())
    try:
        tasks: set[asyncio.Task[Any]] = {view, running, stopping}
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        view.cancel()
        await asyncio.wait({view})
    if not view.cancelled():
        view.result()


async def _start_simulator(folder: Path, seed: int) -> asyncio.subprocess.Process:
    """Starts `lamproom sim` as a process of its own, as in a mine the devices are."""
    from hil_sim.folder import SimulationError

    command = (sys.executable, "-m", "gateway.cli.main", "sim", str(folder), "--seed", str(seed))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SIM_READY_S):
            line = await process.stdout.readline()
    except TimeoutError:
        process.kill()
        msg = f"the simulator was not ready after {SIM_READY_S:g} s"
        raise SimulationError(msg) from None
    if not line.startswith(b"READY"):
        problem = (await process.stderr.read()).decode().strip()
        await process.wait()
        msg = f"the simulator did not start: {problem or line.decode().strip()}"
        raise SimulationError(msg)
    return process
