"""Waiting for a condition, up to a deadline: no test sleeps for luck."""

import asyncio
import time
from collections.abc import Callable

import pytest

#: Nothing that a test waits for takes this long, even on a busy machine.
LONG_S = 20.0

LOOK_S = 0.005


async def until(
    condition: Callable[[], object], within_s: float = LONG_S, what: str = "what is waited for"
) -> float:
    """Waits until `condition()`; returns how long that took."""
    begun_s = time.monotonic()
    while not condition():
        _check(begun_s, within_s, what)
        await asyncio.sleep(LOOK_S)
    return time.monotonic() - begun_s


def blocked_until(
    condition: Callable[[], object], within_s: float = LONG_S, what: str = "what is waited for"
) -> float:
    """The same where no event loop runs; looks less often, as such conditions cost more."""
    begun_s = time.monotonic()
    while not condition():
        _check(begun_s, within_s, what)
        time.sleep(4 * LOOK_S)
    return time.monotonic() - begun_s


def _check(begun_s: float, within_s: float, what: str) -> None:
    if time.monotonic() - begun_s > within_s:
        pytest.fail(f"not within {within_s:g} s: {what}")
