"""Ends a wait in time."""

from __future__ import annotations

import asyncio

from protocols.modbus.gate import Answer


class Deadline:
    """For one answer after the other: nearly all come in time, so one timer serves many.

    A timer for each would cost a third of what a read does. On a running event loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._answer: Answer | None = None
        self._due_s = 0.0

    def set(self, answer: Answer, timeout_s: float) -> None:
        """`answer` is None after `timeout_s`, unless something else has come."""
        self._answer = answer
        self._due_s = self._loop.time() + timeout_s
        if self._timer is not None and self._timer.when() > self._due_s:
            self.close()
        if self._timer is None:
            self._timer = self._loop.call_at(self._due_s, self._look)

    def clear(self) -> None:
        """Nothing is waited for."""
        self._answer = None

    def close(self) -> None:
        """Leaves no timer behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._answer is None or self._answer.done():
            return
        if self._loop.time() < self._due_s:
            self._timer = self._loop.call_at(self._due_s, self._look)
        else:
            self._answer.set_result(None)
