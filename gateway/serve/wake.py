"""How streams are woken: all at once when there is something new, and not too often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.serve.failure import stopping


class Signal:
    """Wakes all who wait, again and again, until it is closed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._closed = False

    def fire(self) -> None:
        """Wakes everyone who waits now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    def close(self) -> None:
        """Ends everyone who waits, now and later."""
        self._closed = True
        self.fire()

    def check(self) -> None:
        """Raises RequestError (UNAVAILABLE) once closed."""
        if self._closed:
            raise stopping()

    async def wait(self, timeout_s: float) -> bool:
        """Whether it was fired within the time.

        Raises:
            RequestError: it is closed.
        """
        self.check()
        event = self._event
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        self.check()
        return True


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
