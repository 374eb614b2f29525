"""The devices that are read now: one supervised session each, through every configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.config.bundle import Bundle, DeviceSetup
from gateway.device_health import HealthBook
from gateway.extent import extent_of
from gateway.inbox import DeviceInbox, Inbox
from positioning.observation import IdTable
from protocols.driver import Pool, Sharing
from protocols.supervise import Supervisor


@dataclass(slots=True)
class _Running:
    """A device that is read: `made_of` is all that its session depends on."""

    made_of: tuple[object, ...]
    target: DeviceInbox
    task: asyncio.Task[None]


class DeviceSet:
    """Starts and stops what reads devices. On the event loop only."""

    def __init__(self, inbox: Inbox, cards: IdTable, health: HealthBook, now_ns: Clock) -> None:
        self._inbox = inbox
        self._health = health
        self._cards = cards
        self._now_ns = now_ns
        self._running: dict[str, _Running] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._pool = Pool()
        #: Set when a device's task ends by itself, which only a mistake of ours does.
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def use(self, bundle: Bundle) -> None:
        """Takes over the devices of a configuration, at once; the inbox must be empty.

        One that is set up as before goes on undisturbed, with the indices of the new map. The
        others end, and what they still give is dropped; the new ones begin when these have ended,
        for they may be at the same address.
        """
        anchors = IdTable(tuple(anchor.id for anchor in bundle.map.anchors))
        readers = IdTable(tuple(reader.id for reader in bundle.map.readers))
        extent = extent_of(bundle.map)
        tolerance_ns = round(bundle.settings.positioning.clock_tolerance_s * 1e9)
        made_of = {setup.device.id: _made_of(setup, bundle) for setup in bundle.devices}
        for name, running in list(self._running.items()):
            if made_of.get(name) == running.made_of:
                running.target.use(anchors, readers, extent, tolerance_ns)
            else:
                running.target.retire()
                running.task.cancel()
                self._ending.add(running.task)
                del self._running[name]
        before = {task for task in self._ending if not task.done()}
        self._ending = set(before)
        self._health.keep(made_of)
        for setup in bundle.devices:
            name = setup.device.id
            if name in self._running:
                continue
            driver = setup.driver(name, setup.profile, setup.options)
            target = DeviceInbox(
                name,
                setup.profile.kind,
                self._inbox,
                cards=self._cards,
                anchors=anchors,
                readers=readers,
                extent=extent,
                clock_tolerance_ns=tolerance_ns,
                now_ns=self._now_ns,
                stale_s={p.name: p.stale_s for p in setup.profile.point if p.stale_s},
                health=self._health.begin(name, driver.describe(), self._now_ns()),
            )
            if isinstance(driver, Sharing):
                driver.share(self._pool)
            supervisor = Supervisor(driver, target, silence_s=setup.profile.scan.silence_s)
            task = asyncio.create_task(_run(supervisor, before))
            task.add_done_callback(self._note_end)
            self._running[name] = _Running(made_of[name], target, task)

    def tick(self) -> None:
        """Time goes on, also for values that do not come."""
        for running in self._running.values():
            running.target.tick()

    async def end(self) -> None:
        """Ends all sessions. Raises what a device's task has failed with."""
        tasks = [*(running.task for running in self._running.values()), *self._ending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.failed.done():
            self.failed.result()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self.failed.done():
            return
        error = task.exception()
        if error:
            self.failed.set_exception(error)


def _made_of(setup: DeviceSetup, bundle: Bundle) -> tuple[object, ...]:
    files = {key: bundle.texts.get(f"{setup.device.id}: {key}") for key, _ in setup.options}
    return setup, files


async def _run(supervisor: Supervisor, before: Collection[asyncio.Task[None]]) -> None:
    if before:
        await asyncio.wait(before)
    await supervisor.run()
