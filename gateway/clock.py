"""The gateway's clock: the computer's time at the start, carried on without steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: The computer's clock has been set when it is off by this much: less is corrected now and then
#: where time comes over a network, and is no news.
SET_LEAST_NS: Final = 1_000_000_000

Clock = Callable[[], int]


class SteadyClock:
    """Wall time that neither leaps nor goes back while the gateway runs.

    Were the computer's clock followed when someone sets it, an hour forward would make everyone
    silent, and an hour back would make every range too old for an hour.
    """

    def __init__(self, wall_ns: Clock = time.time_ns, steady_ns: Clock = time.monotonic_ns) -> None:
        """`wall_ns`: since the Unix epoch; `steady_ns`: from anywhere, never set."""
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._begun_ns = wall_ns() - steady_ns()
        self._told_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._begun_ns + self._steady_ns()

    def set_by_ns(self) -> int:
        """By how much the computer's clock has been set since this was last asked; mostly 0."""
        by_ns = self._wall_ns() - self.now_ns() - self._told_ns
        if abs(by_ns) < SET_LEAST_NS:
            return 0
        self._told_ns += by_ns
        return by_ns
