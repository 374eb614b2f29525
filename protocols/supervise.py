"""Keeps one device's driver going, whatever the device does; the same for every protocol.

A session that fails, falls silent or hangs is ended and made anew, after a pause that grows and
has jitter, so that a hundred devices behind one broken switch do not come back as one burst.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from equipment.report import LinkState, NoticeKind, RecordBatch, Sample
from protocols.driver import DeviceError, Driver

#: Pause after the first failure, and the longest: data must flow again within 15 s of a return.
PAUSE_FIRST_S: Final = 0.5
PAUSE_MOST_S: Final = 5.0

#: A session that was up for this long has earned a short first pause again.
STEADY_S: Final = 10.0

#: How long a cancelled session may take to clean up before it is left behind.
CLEAN_UP_S: Final = 3.0

#: A session is looked at for silence when it could have lasted long enough, and not more often.
LOOK_LEAST_S: Final = 0.25

#: A look that comes so much late shows that the gateway itself stood still.
STALL_LEAST_S: Final = 1.0

log = structlog.get_logger()


class Target(Protocol):
    """Where a device's data and the state of its link go."""

    def heard(self) -> None:
        """See `Sink.heard`."""

    def answered(self, took_s: float, device_t_ns: int | None = None) -> None:
        """See `Sink.answered`."""

    def clock(self, device_t_ns: int) -> None:
        """See `Sink.clock`."""

    def samples(self, samples: Sequence[Sample]) -> None:
        """See `Sink.samples`."""

    def records(self, batch: RecordBatch) -> None:
        """See `Sink.records`."""

    def notice(self, kind: NoticeKind, count: int, text: str) -> None:
        """See `Sink.notice`."""

    def link(self, state: LinkState, reason: str) -> None:
        """The link has changed; `reason` is in words for an operator."""


class _Session:
    """The sink of one session: notes signs of life, and lets nothing through once it is over.

    The device and the session live apart: a session may go on, and say so, while its device is
    silent or gone.
    """

    def __init__(self, target: Target, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop
        self.begun_s = self.heard_s = self.alive_s = loop.time()
        #: Whether anything came of the session.
        self.spoke = False
        self.over = False
        self._up = False
        #: Why the device is not heard, where the session says so; and what was told of that.
        self._reason = ""
        self._told_down = ""

    def heard(self) -> None:
        if self.over:
            return
        self.spoke = True
        self.heard_s = self.alive_s = self._loop.time()
        self._target.heard()
        if not self._up:
            self._up, self._told_down = True, ""
            self._target.link(LinkState.UP, "")

    def alive(self, reason: str) -> None:
        if self.over:
            return
        self.spoke = True
        self.alive_s = self._loop.time()
        self._reason = reason

    def gone(self, reason: str) -> None:
        if not self.over:
            self.alive(reason)
            self._down()

    def look(self, silence_s: float) -> None:
        """A device that was silent for so long is down, though its session goes on."""
        if self._reason and self._loop.time() - self.heard_s > silence_s:
            self._down()

    def _down(self) -> None:
        if self._told_down != self._reason:
            self._up, self._told_down = False, self._reason
            self._target.link(LinkState.DOWN, self._reason)

    def stood_still(self, for_s: float) -> None:
        """What the device said meanwhile has yet to be read."""
        now_s = self._loop.time()
        self.heard_s = min(self.heard_s + for_s, now_s)
        self.alive_s = min(self.alive_s + for_s, now_s)

    def samples(self, samples: Sequence[Sample], *, live: bool = True) -> None:
        if live:
            self.heard()
        if not self.over:
            self._target.samples(samples)

    def records(self, batch: RecordBatch) -> None:
        self.heard()
        if not self.over:
            self._target.records(batch)

    def answered(self, took_s: float, device_t_ns: int | None = None) -> None:
        if not self.over:
            self._target.answered(took_s, device_t_ns)

    def clock(self, device_t_ns: int) -> None:
        if not self.over:
            self._target.clock(device_t_ns)

    def notice(self, kind: NoticeKind, count: int, text: str) -> None:
        if not self.over:
            self._target.notice(kind, count, text)


class Supervisor:
    """Runs a driver's sessions one after the other, for ever."""

    def __init__(self, driver: Driver, target: Target, *, silence_s: float) -> None:
        """A device that gives no sign of life for `silence_s` is down, connected or not.

        Its session ends then, unless the driver says that the way to the device is good.
        """
        self._driver = driver
        self._target = target
        self._silence_s = silence_s
        self._random = random.Random()  # noqa: S311  spreads reconnections, guards nothing

    async def run(self) -> None:
        """Runs until cancelled. Nothing that a driver does ends it."""
        failures = 0
        self._target.link(LinkState.CONNECTING, self._driver.describe())
        while True:
            session = _Session(self._target, asyncio.get_running_loop())
            reason, again_s = await self._session(session)
            steady = session.spoke and session.alive_s - session.begun_s >= STEADY_S
            failures = 1 if steady else failures + 1
            self._target.link(LinkState.DOWN, reason)
            await asyncio.sleep(again_s or self._pause_s(failures))

    def _pause_s(self, failures: int) -> float:
        longest_s = min(PAUSE_MOST_S, PAUSE_FIRST_S * 2.0 ** min(failures - 1, 10))
        return longest_s * self._random.uniform(0.5, 1.0)

    async def _session(self, session: _Session) -> tuple[str, float]:
        """Runs one session to its end; returns why it ended, and `again_s` of `DeviceError`."""
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(self._drive(session))
        try:
            while not task.done():
                looked_s = loop.time()
                wait_s = max(LOOK_LEAST_S, session.heard_s + self._silence_s - looked_s)
                await asyncio.wait({task}, timeout=wait_s)
                late_s = loop.time() - looked_s - wait_s
                if late_s > STALL_LEAST_S:
                    session.stood_still(late_s)
                session.look(self._silence_s)
                silent_s = loop.time() - session.alive_s
                if not task.done() and silent_s > self._silence_s:
                    return (
                        f"{self._driver.describe()} has given no sign of life for "
                        f"{silent_s:.1f} s; check the device and the network"
                    ), 0.0
            return self._why(task)
        finally:
            session.over = True
            await self._end(task)

    async def _drive(self, session: _Session) -> None:
        # Within the task, so that whatever the driver raises is the session's end and no more.
        await self._driver.session(session)

    def _why(self, task: asyncio.Task[None]) -> tuple[str, float]:
        if task.cancelled():
            return f"{self._driver.describe()}: the session was cancelled", 0.0
        error = task.exception()
        if error is None:
            return f"{self._driver.describe()}: the session ended", 0.0
        if isinstance(error, DeviceError):
            return str(error), error.again_s
        # A driver's own mistake must not stop other devices, but it must be seen.
        log.error("driver failed", device=self._driver.describe(), exc_info=error)
        return f"{self._driver.describe()}: unexpected {type(error).__name__}: {error}", 0.0

    async def _end(self, task: asyncio.Task[None]) -> None:
        """Cancels what is left of a session; one that does not end is left behind, and said."""
        if task.done():
            # Asked for, or asyncio complains of an error that nobody saw: a supervisor that is
            # cancelled in the very moment in which its session fails comes here first.
            _ = task.cancelled() or task.exception()
            return
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=CLEAN_UP_S)
        if not done:
            log.error("a session does not end and is left behind", device=self._driver.describe())
        elif not task.cancelled() and task.exception():
            log.warning(
                "clean-up failed", device=self._driver.describe(), reason=str(task.exception())
            )
