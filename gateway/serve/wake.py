"""How streams are woken: a few at a time when there is something new, and not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.serve.failure import stopping

#: So many are woken, the next ones when the loop has dealt with what came meanwhile: a hundred
#: streams that write something take 10 ms. Those of positions give way to an alarm's: fewer of them
#: are woken in turn.
WOKEN_AT_ONCE: Final = 16
FEW_AT_ONCE: Final = 4


class Bell:
    """Wakes one who waits for a signal, for a reason of its own."""

    def __init__(self) -> None:
        self._rung = False
        self._waiting: asyncio.Future[bool] | None = None

    def ring(self) -> None:
        """Wakes whoever waits with this bell, now or as soon as it does."""
        if self._waiting is None:
            self._rung = True
        elif not self._waiting.done():
            self._waiting.set_result(True)

    def watch(self, waiting: asyncio.Future[bool] | None) -> None:
        """Who waits with it; at once done where it was rung while nobody did."""
        self._waiting = waiting
        if waiting and self._rung:
            self._rung = False
            waiting.set_result(True)


class Signal:
    """Wakes all who wait, again and again, until it is closed."""

    def __init__(self, at_once: int = WOKEN_AT_ONCE) -> None:
        """`at_once` are woken before others have their turn."""
        self._at_once = at_once
        self._waiting: set[asyncio.Future[bool]] = set()
        self._closed = False

    def fire(self) -> None:
        """Wakes everyone who waits now, in no particular order."""
        waiting, self._waiting = list(self._waiting), set()
        _wake(waiting, self._at_once)

    def is_awaited(self) -> bool:
        """Whether anyone waits now."""
        return bool(self._waiting)

    def close(self) -> None:
        """Ends everyone who waits, now and later."""
        self._closed = True
        self.fire()

    def check(self) -> None:
        """Raises RequestError (UNAVAILABLE) once closed."""
        if self._closed:
            raise stopping()

    async def wait(self, timeout_s: float, bell: Bell | None = None) -> bool:
        """Whether it was fired, or `bell` rung, within the time.

        Raises:
            RequestError: it is closed.
        """
        self.check()
        # A future and a timer of its own: an event and `asyncio.timeout` cost thrice as much, which
        # a hundred streams pay ten times a second.
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bool] = loop.create_future()
        self._waiting.add(waiting)
        timer = loop.call_later(timeout_s, _too_late, waiting)
        if bell:
            bell.watch(waiting)
        try:
            fired = await waiting
        finally:
            timer.cancel()
            self._waiting.discard(waiting)
            if bell:
                bell.watch(None)
        self.check()
        return fired


def _wake(waiting: list[asyncio.Future[bool]], at_once: int) -> None:
    for one in waiting[:at_once]:
        if not one.done():
            one.set_result(True)
    if rest := waiting[at_once:]:
        rest[0].get_loop().call_soon(_wake, rest, at_once)


def _too_late(waiting: asyncio.Future[bool]) -> None:
    if not waiting.done():
        waiting.set_result(False)


class Pace:
    """Acts soon after it is asked to, but at most once in an interval."""

    def __init__(self, interval_s: float, act: Callable[[], None]) -> None:
        self._interval_s = interval_s
        self._act = act
        self._handle: asyncio.TimerHandle | None = None
        self._last_s = -interval_s

    def request(self) -> None:
        """Asks for one act; asking again before it is done changes nothing."""
        if self._handle is None:
            loop = asyncio.get_running_loop()
            at_s = max(loop.time(), self._last_s + self._interval_s)
            self._handle = loop.call_at(at_s, self._run)

    def cancel(self) -> None:
        """Forgets what was asked for."""
        if self._handle:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        self._handle = None
        self._last_s = asyncio.get_running_loop().time()
        self._act()
