"""What is sent late, in its order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Delay:
    """Passes bytes on, each after its delay and none before what was given earlier."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        """`send`: where they go."""
        self._send = send
        self._waiting: deque[tuple[bytes, asyncio.TimerHandle]] = deque()
        self._last_s = 0.0

    @property
    def waiting(self) -> int:
        """How many pieces wait."""
        return len(self._waiting)

    def put(self, data: bytes, delay_s: float) -> None:
        """Sends `data` so late; at once where nothing is to be waited for."""
        if not delay_s and not self._waiting:
            self._send(data)
            return
        loop = asyncio.get_running_loop()
        self._last_s = max(self._last_s, loop.time() + delay_s)
        self._waiting.append((data, loop.call_at(self._last_s, self._pass_on)))

    def _pass_on(self) -> None:
        self._send(self._waiting.popleft()[0])

    def close(self) -> None:
        """What still waits is never sent."""
        for _, timer in self._waiting:
            timer.cancel()
        self._waiting.clear()
