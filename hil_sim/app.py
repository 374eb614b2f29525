"""Puts the simulated mine together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from equipment.profile import Kind
from hil_sim.faults.book import FaultBook
from hil_sim.faults.targets import targets_of
from hil_sim.folder import PEOPLE_FILE, MineFolder, SimulationError, read_folder
from hil_sim.incidents import QUIET, Incidents
from hil_sim.machines.machine import Machine
from hil_sim.machines.make import Plant, make_machines
from hil_sim.pace import SPEED_MAX, SPEED_MIN, Pace
from hil_sim.player import PLAY_STEP_S, Player
from hil_sim.radio import NLOS_SHARE_MAX
from hil_sim.recording import read_rows, write_base
from hil_sim.scenario import Scenario, planned_faults, read_scenario, scenario_name
from hil_sim.serve.servers import Servers
from hil_sim.serve.service import SimulatorServer
from hil_sim.simulation import Simulation, stopped
from hil_sim.stations import Station
from hil_sim.truth import TruthFiles
from hil_sim.world import World


@dataclass(frozen=True, slots=True)
class Wish:
    """What to simulate, as the command line says it."""

    folder: Path
    people: int | None = None
    seed: int = 1
    truth: Path | None = None
    seconds: float | None = None
    #: None: what the scenario says.
    nlos_share: float | None = None
    recording: Path | None = None
    speed: float = 1.0
    wait_client: bool = False
    pause: bool = False
    grpc_port: int | None = None
    incidents: Incidents = QUIET
    #: A file; None: the folder's own, if it has one.
    scenario: Path | None = None


def run(wish: Wish) -> None:
    """Serves the mine until a signal comes or the time is up.

    Prints a line `READY {...}` on standard output when every device listens.

    Raises:
        SimulationError: it can't start; the text is for the user.
    """
    # The library tells a port in use with a traceback; it is told in our words below.
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    _check(wish)
    asyncio.run(_run(wish))


def _check(wish: Wish) -> None:
    if wish.recording is None and wish.wait_client:
        msg = "--wait-client is for a recording: give --recording as well"
        raise SimulationError(msg)
    of_world = wish.pause or wish.grpc_port is not None or wish.scenario is not None
    if wish.recording is not None and of_world:
        msg = "--pause, --grpc-port and --scenario are for a simulated world, not for a recording"
        raise SimulationError(msg)
    if not SPEED_MIN <= wish.speed <= SPEED_MAX:
        msg = f"--speed must be {SPEED_MIN:g} to {SPEED_MAX:g}, not {wish.speed:g}"
        raise SimulationError(msg)
    if any(mean_s is not None and mean_s <= 0 for mean_s in astuple(wish.incidents)):
        msg = "--distress, --low-battery and --gas must be more than 0 s"
        raise SimulationError(msg)
    if wish.nlos_share is not None and not 0 <= wish.nlos_share <= NLOS_SHARE_MAX:
        msg = f"--nlos must be 0 to {NLOS_SHARE_MAX}, not {wish.nlos_share:g}"
        raise SimulationError(msg)


async def _run(wish: Wish) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    folder = read_folder(wish.folder)
    if wish.recording is None:
        await _simulate(wish, folder, stop)
    else:
        await _play(wish, folder, wish.recording, stop)


async def _simulate(wish: Wish, folder: MineFolder, stop: asyncio.Event) -> None:
    scenario = read_scenario(wish.folder, wish.scenario)
    faults = planned_faults(scenario, targets_of(folder), scenario_name(wish.scenario))
    plant = Plant(wish.seed, wish.incidents.gas_s, scenario.gas, scenario.machine, folder.lengths_m)
    machines = make_machines(folder.machines, plant)
    world = _make_world(wish, folder, machines, scenario)
    pace = Pace(time.monotonic(), speed=wish.speed, paused=wish.pause)
    served = wish.grpc_port is not None
    truth = TruthFiles(wish.truth) if wish.truth else None
    simulation = Simulation(folder, world, pace, truth, FaultBook(faults), watched=served)
    service = SimulatorServer(simulation) if served else None
    facts = {"devices": len(folder.devices)}

    async def ready() -> None:
        if service is not None:
            facts["grpc_port"] = await service.start(wish.grpc_port or 0)
        _say("READY", **facts)
        _stop_after(wish.seconds, stop)

    try:
        await simulation.run(stop, ready)
    finally:
        if service is not None:
            await service.stop()


def _make_world(
    wish: Wish, folder: MineFolder, machines: Mapping[str, Machine], scenario: Scenario
) -> World:
    people = folder.people[: wish.people]
    if wish.people is not None and len(people) < wish.people:
        msg = (
            f"{PEOPLE_FILE} has {len(people)} cards, not {wish.people}: "
            f"`lamproom init DIR --people {wish.people}` writes a mine with so many"
        )
        raise SimulationError(msg)
    try:
        return World(
            folder.map,
            people,
            machines,
            seed=wish.seed,
            start_t_ns=time.time_ns() // 1000 * 1000,
            nlos_share=wish.nlos_share,
            incidents=wish.incidents,
            scenario=scenario,
        )
    except ValueError as error:
        raise SimulationError(str(error)) from None


async def _play(wish: Wish, folder: MineFolder, recording: Path, stop: asyncio.Event) -> None:
    readers = folder.readers(Kind.UWB_READER)
    if len(readers) != 1 or len(folder.devices) != 1:
        msg = f"{wish.folder} was not made from a recording: it has other devices than one reader"
        raise SimulationError(msg)
    rows = read_rows(recording, wish.folder)
    station = Station(readers[0].profile, secrets.randbits(32), time.time_ns())
    player = Player(rows, station, wish.speed)
    servers = Servers(folder, {readers[0].id: station.registers})
    try:
        await servers.start({})
        _say("READY", devices=1, records=len(player))
        _stop_after(wish.seconds, stop)
        while wish.wait_client and not station.ring.was_read:
            if await stopped(stop, PLAY_STEP_S):
                return
        base_t_us, start_s = time.time_ns() // 1000, time.monotonic()
        write_base(wish.folder, base_t_us * 1000)
        _say("PLAYING", base_t_ns=base_t_us * 1000, records=len(player))
        told = False
        while not await stopped(stop, PLAY_STEP_S):
            player.advance(base_t_us, time.monotonic() - start_s)
            if player.played == len(player) and not told:
                told = True
                _say("PLAYED", records=player.played)
    finally:
        await servers.close()


def _stop_after(seconds: float | None, stop: asyncio.Event) -> None:
    if seconds is not None:
        asyncio.get_running_loop().call_later(seconds, stop.set)


def _say(word: str, **facts: int) -> None:
    sys.stdout.write(f"{word} {json.dumps(facts)}\n")
    sys.stdout.flush()
