"""A simulated mine at work: its world stepped in its time, and shown on the wire."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hil_sim.faults.book import Active, FaultBook
from hil_sim.faults.kinds import Fault, befallen, check
from hil_sim.faults.targets import targets_of
from hil_sim.folder import MineFolder
from hil_sim.incidents import Flags
from hil_sim.machines import Values
from hil_sim.pace import Pace, on_clocks
from hil_sim.people import Whereabouts
from hil_sim.serve.servers import Servers
from hil_sim.stations import Stations
from hil_sim.truth import TruthFiles
from hil_sim.world import STEP_S, Heard, World

#: How often devices are shown anew at least, and at most however fast the world goes.
SHOW_S: Final = 0.1
TURN_S: Final = 0.01

#: Steps are taken together for so long at most; then devices answer.
WORK_S: Final = 0.05

#: Steps that are kept for those who watch.
KEPT: Final = 300


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is true at the end of a step; 0 is the world's beginning.

    `t_ns`: when that was on an exact clock of a device. `people`, `flags`: of all cards, as in
    `Heard`. `values`: of machines, by device. `faults`: those of then.
    """

    step: int
    world_s: float
    t_ns: int
    people: Whereabouts
    flags: Flags
    values: dict[str, Values]
    faults: tuple[Active, ...]


class ControlError(Exception):
    """The world can't do that now; the text says why."""


class Simulation:
    """Runs a world; all that controls it is called on the event loop."""

    def __init__(
        self,
        folder: MineFolder,
        world: World,
        pace: Pace,
        truth: TruthFiles | None = None,
        book: FaultBook | None = None,
        *,
        watched: bool = False,
    ) -> None:
        """Nothing listens yet; the world begins when all do. Devices' clocks go from now on.

        `book`: what goes wrong; None: nothing but by wish. `watched`: whether what is true
        after each step is kept for `newest` and `after`.
        """
        self.world = world
        self.pace = pace
        self.book = book or FaultBook()
        self.targets = targets_of(folder)
        self._truth = truth
        self._start_s = time.monotonic()
        self._start_t_ns = start_t_ns = time.time_ns() // 1000 * 1000
        self.stations = Stations(folder, world.cards, secrets.randbits(32), start_t_ns, self.book)
        by_device = {name: s.registers for name, s in self.stations.by_device.items()}
        self.servers = Servers(folder, by_device, self.book)
        self._watched = watched
        self._kept: deque[Snapshot] = deque(maxlen=KEPT)
        self._keep(start_t_ns)
        self._news = asyncio.Event()
        #: Whether faults have changed that devices do not follow yet; what is told when they do.
        self._restless = self.book.advance(0.0, start_t_ns)
        self._settled = asyncio.Event()
        #: Counts who paused and resumed, so that a `step` that is under way knows of it.
        self._orders = 0

    def now_t_ns(self) -> int:
        """What an exact clock of a device says, nanoseconds since the Unix epoch."""
        return self._t_ns(time.monotonic())

    def _t_ns(self, real_s: float) -> int:
        return self._start_t_ns + round((real_s - self._start_s) * 1e6) * 1000

    async def run(self, stop: asyncio.Event, ready: Callable[[], Awaitable[None]]) -> None:
        """Serves until `stop`; calls `ready` when every device listens.

        Raises:
            SimulationError: an address can't be had.
        """
        try:
            await self.servers.start(self.world.machine_values())
            await ready()
            self.pace.begin(time.monotonic())
            while not await stopped(stop, self._pause_s()):
                await self._turn()
        finally:
            await self.servers.close()
            if self._truth:
                self._truth.write_faults(self.book.take_ended())
                self._truth.close(self.book.active)

    def _pause_s(self) -> float:
        left_s = self.pace.next_s() - time.monotonic()
        return min(max(left_s, TURN_S), SHOW_S)

    async def _turn(self) -> None:
        """The steps that are due, and all devices shown anew."""
        until_s = time.monotonic() + WORK_S
        steps: list[Heard] = []
        while self.pace.due(now_s := time.monotonic()) > 0 and now_s < until_s:
            end_t_ns = self._t_ns(self.pace.take(now_s))
            heard = self.world.advance(STEP_S)
            steps += [on_clocks(one, end_t_ns, self.pace.speed) for one in heard]
            self._restless |= self.book.advance(self.pace.world_s, end_t_ns)
            self._keep(end_t_ns)
        self.stations.add(steps, self.now_t_ns())
        self.servers.send(self.stations.lines())
        await self._follow()
        await self.servers.show(self.world.machine_values(), self.pace.world_s)
        if self._truth and steps:
            self._truth.write(self.world, steps)
        if steps:
            self._tell()

    async def _follow(self) -> None:
        """Devices do as the faults that began and ended have it."""
        if self._truth:
            self._truth.write_faults(self.book.take_ended())
        if self._restless:
            self._restless = False
            settled, self._settled = self._settled, asyncio.Event()
            await self.servers.follow()
            settled.set()

    def _keep(self, t_ns: int) -> None:
        if self._watched:
            world, pace = self.world, self.pace
            self._kept.append(
                Snapshot(
                    pace.done,
                    pace.world_s,
                    t_ns,
                    world.whereabouts,
                    world.flags,
                    world.machine_values(),
                    self.book.active,
                )
            )

    def _tell(self) -> None:
        """Wakes all who wait for the world."""
        self._news.set()
        self._news = asyncio.Event()

    @property
    def newest(self) -> Snapshot:
        """What is true now."""
        return self._kept[-1]

    async def after(self, step: int) -> Sequence[Snapshot]:
        """What came after a step, the oldest that is kept first; waits until there is any."""
        while self.newest.step <= step:
            await self._news.wait()
        return [one for one in self._kept if one.step > step]

    def pause(self) -> None:
        """The world stands."""
        self._orders += 1
        self.pace.pause(time.monotonic())
        self._tell()

    def resume(self) -> None:
        """The world goes on."""
        self._orders += 1
        self.pace.resume(time.monotonic())
        self._tell()

    def set_speed(self, speed: float) -> None:
        """The world goes `speed` times as fast as real time."""
        self.pace.set_speed(time.monotonic(), speed)

    async def inject(self, fault: Fault, for_s: float | None) -> Active:
        """Begins a fault; returns once its device does as it has it.

        `for_s`: how long it lasts by the world's time; None: until it is ended.

        Raises:
            FaultError: it is not possible.
            ControlError: the device has one of its kind already.
        """
        devices = befallen(fault, check(fault, self.targets))
        try:
            active = self.book.inject(fault, devices, self.pace.world_s, for_s, self.now_t_ns())
        except ValueError as error:
            raise ControlError(str(error)) from None
        await self._settle()
        return active

    async def end_fault(self, number: int) -> Active | None:
        """Ends a fault; returns once its device is well. None: there is none of that number."""
        active = self.book.end(number, self.now_t_ns())
        if active is not None:
            await self._settle()
        return active

    async def _settle(self) -> None:
        self._restless = True
        await self._settled.wait()

    async def step(self, seconds: float) -> bool:
        """The world goes on by so much and stands; whether it did so undisturbed.

        Raises:
            ControlError: it does not stand.
        """
        if not self.pace.stands:
            msg = "the world does not stand: pause it before you step it"
            raise ControlError(msg)
        last = self.pace.step(time.monotonic(), seconds)
        orders = self._orders
        while self.pace.done < last and self._orders == orders:
            await self._news.wait()
        return self._orders == orders


async def stopped(stop: asyncio.Event, for_s: float) -> bool:
    """Waits; whether it is time to stop."""
    try:
        async with asyncio.timeout(for_s):
            await stop.wait()
    except TimeoutError:
        return False
    return True
