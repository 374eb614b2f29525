"""Puts the parts together: devices → inbox → mine core → journal → streams.

The only place that knows them all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from equipment.report import LinkState, Notice, NoticeKind
from gateway.clock import SteadyClock
from gateway.config.bundle import Bundle
from gateway.desk import Desk
from gateway.device_health import HealthBook
from gateway.devices import DeviceSet
from gateway.inbox import Inbox
from gateway.journal.journal import Journal
from gateway.journal.status import JournalStatus
from gateway.keeping import TrackKeeping
from gateway.mine.change import Batch, Changes
from gateway.mine.core import Mine
from gateway.plans.mine import plan_of
from gateway.reload import Order, Reloader, reload_when_asked
from gateway.serve.admin import AdminSources
from gateway.serve.server import Server
from gateway.storing import Storing, rows_of
from positioning.observation import IdTable
from positioning.warm_up import warm_up

#: Time goes on at least this often, so that silence and delays are noticed without any data. Values
#: of machines wait for it, who are read about once a second: a step for each answer would cost more
#: than all else that is done with it. Clients are told of them at once.
STEP_MOST_S: Final = 0.2

#: Steps that take less are done on the event loop: half of what a thread waits for Python's lock.
HERE_MOST_S: Final = 0.0025

#: How much of the longest time such a step took is remembered at the next.
QUIET_FADES: Final = 0.9

#: How long streams may take to end when the gateway stops.
STOP_GRACE_S: Final = 1.0

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of a gateway that runs."""

    mine: Mine
    tracks: TrackKeeping
    server: Server
    reloader: Reloader
    devices: DeviceSet
    storing: Storing


class Gateway:
    """A running gateway for one mine."""

    def __init__(self, bundle: Bundle) -> None:
        """Compiles the kernels: seconds the first time, when there is nothing to close yet."""
        plan = plan_of(bundle)
        near = plan.near.person_vehicle_m or plan.near.vehicle_vehicle_m
        warm_up(plan.map, plan.tracker, fences=bool(plan.machines), nearness=near is not None)
        self._bundle = bundle
        self._clock = SteadyClock()
        self._cards = IdTable()
        self._inbox = Inbox()
        self._desk = Desk(self._inbox)
        self._health = HealthBook()
        # Of its own: steps must not wait for threads that look up the names of dead devices.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="step")
        # How long a step without measurements takes, at most of late.
        self._quiet_step_s = 2 * HERE_MOST_S

    async def run(
        self,
        stop: asyncio.Event,
        ready: Callable[[int], None],
        again: asyncio.Event | None = None,
    ) -> None:
        """Runs once, until `stop` is set; calls `ready(port)` once clients are served.

        The configuration is read again whenever `again` is set.

        Raises:
            JournalError: the journal can't be opened, or its disk not be written, at the start.
            ServeError: the gRPC port can't be had.
        """
        async with AsyncExitStack() as stack:
            journal = await self._blocking(Journal.open, self._bundle.journal_folder)
            stack.callback(journal.close)
            stack.callback(self._thread.shutdown)
            state = await self._blocking(journal.load_state)
            mine = Mine(plan_of(self._bundle), self._cards, journal.last_sequence + 1, state)
            now_ns = self._clock.now_ns
            tracks = TrackKeeping(self._bundle, self._cards, self._inbox, now_ns)
            stack.push_async_callback(asyncio.to_thread, tracks.keeper.close)
            reloader = self._reloader(mine)
            stack.callback(reloader.close)

            def trouble() -> JournalStatus:
                return storing.writer.status()

            sources = AdminSources(trouble=trouble, tracks=tracks.state)
            server = Server(
                self._bundle,
                self._cards,
                journal,
                self._desk.ask,
                self._health,
                reload=partial(reloader.reload, why="an operator asks"),
                admin=sources,
                now_ns=now_ns,
                tracks=tracks.keeper,
            )
            begun = mine.begin(now_ns(), journal.damage)
            server.publish(begun)
            rows = rows_of(begun.events, journal.epoch)
            await self._blocking(journal.append, rows, begun.state)
            server.publish_events(rows[0][0], [payload for _, _, payload in rows])
            storing = self._storing(journal, server)
            # Before the journal closes: what waits is stored.
            stack.push_async_callback(storing.close)
            port = await server.start()
            stack.push_async_callback(server.stop, STOP_GRACE_S)
            stack.callback(self._desk.close)
            ready(port)
            devices = DeviceSet(self._inbox, self._cards, self._health, now_ns)
            running = Running(mine, tracks, server, reloader, devices, storing)
            await self._serve(running, stop, again or asyncio.Event())

    def _storing(self, journal: Journal, server: Server) -> Storing:
        return Storing(
            journal,
            server,
            self._desk,
            self._inbox,
            settings=self._bundle.settings.journal,
            now_ns=self._clock.now_ns,
            needed=journal.consumers.oldest_needed,
        )

    def _reloader(self, mine: Mine) -> Reloader:
        async def has_answered(request_id: str) -> bool:
            return await self._blocking(mine.has_answered, request_id)

        return Reloader(self._bundle, self._desk, self._inbox, plan_of, has_answered)

    async def _serve(self, running: Running, stop: asyncio.Event, again: asyncio.Event) -> None:
        """Devices and steps side by side; the end of either ends both, a step only when done."""
        devices = running.devices
        devices.use(self._bundle)
        reloads = asyncio.create_task(reload_when_asked(running.reloader, again))
        stopping = asyncio.create_task(stop.wait())
        ending = asyncio.Event()
        steps = asyncio.create_task(self._steps(running, ending))
        others = [stopping, reloads]
        try:
            failed = (devices.failed, running.storing.writer.failed)
            ends: list[asyncio.Future[Any]] = [*others, steps, *failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.set()
            for task in others:
                task.cancel()
            results = await asyncio.gather(devices.end(), *others, steps, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        running.storing.writer.check()

    async def _steps(self, running: Running, ending: asyncio.Event) -> None:
        """Takes all that has gathered, steps, tells, keeps; a slow step makes a larger batch."""
        mine, server = running.mine, running.server
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not ending.is_set():
            await self._inbox.filled(max(0.0, due_s - loop.time()))
            server.publish_devices(*self._inbox.news())
            presses = self._inbox.presses or ending.is_set()
            if loop.time() < due_s and not presses:
                continue
            due_s = loop.time() + STEP_MOST_S
            self._look_at_clock()
            running.devices.tick()
            running.storing.writer.tick()
            server.publish_devices(*self._inbox.news())
            batch, order = self._inbox.take(), running.reloader.take()
            if order and order.bundle:
                # At once with taking: what is in the batch has the old map's indices, and all
                # that comes from here on those of the new one.
                running.devices.use(order.bundle)
            _log_links(batch)
            changes = await self._step(mine, batch)
            running.tracks.keep(changes)
            _commit(changes, running)
            if order:
                await self._take_over(order, running)
        _commit(mine.end(self._clock.now_ns()), running)
        await running.storing.close()

    async def _step(self, mine: Mine, batch: Batch) -> Changes:
        """One step: off the event loop, but for those that are soon done.

        A thread gets Python's lock only every few milliseconds: what takes less is no less in the
        way of others there, and going to a thread and back costs as much as a short step itself.
        Steps with measurements may be of any length.
        """
        here = not len(batch.measurements) and self._quiet_step_s < HERE_MOST_S
        begun_s = time.perf_counter()
        if here:
            changes = mine.step(batch, self._clock.now_ns())
        else:
            changes = await self._blocking(mine.step, batch, self._clock.now_ns())
        if not len(batch.measurements):
            took_s = time.perf_counter() - begun_s
            self._quiet_step_s = max(took_s, QUIET_FADES * self._quiet_step_s)
        return changes

    async def _take_over(self, order: Order, running: Running) -> None:
        """Has the core and then clients take over a configuration, or tells that it is refused."""
        now_ns = self._clock.now_ns()
        changes = await self._blocking(running.mine.reload, order.reload, now_ns)
        if order.bundle:
            running.server.reload(order.bundle)
            running.storing.use(order.bundle.settings.journal)
            running.tracks.use(order.bundle)
        running.tracks.keep(changes)

        def done() -> None:
            if not order.done.done():
                order.done.set_result(None)

        _commit(changes, running, done)

    def _look_at_clock(self) -> None:
        by_ns = self._clock.set_by_ns()
        if by_ns:
            text = (
                f"this computer's clock was set by {by_ns / 1e9:+.1f} s, which the gateway does "
                "not follow while it runs: start it anew to take the new time"
            )
            log.warning(text)
            now_ns = self._clock.now_ns()
            self._inbox.put_notice(Notice("", NoticeKind.DATA_REFUSED, 0, text, now_ns))

    async def _blocking(self, call: Callable[..., T], *given: Any) -> T:
        """What `call` returns, which runs off the event loop, after all such calls before it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *given)


def _commit(changes: Changes, running: Running, then: Callable[[], None] | None = None) -> None:
    """Positions leave at once, events and answers to operators when they are on disk, or can't be.

    `then` is called with the answers.
    """
    running.server.publish(changes)
    running.storing.put(changes, then)


def _log_links(batch: Batch) -> None:
    for link in batch.links:
        if link.state is LinkState.UP:
            log.info("device up", device=link.device)
        elif link.state is LinkState.DOWN:
            log.warning("device down", device=link.device, reason=link.reason)
