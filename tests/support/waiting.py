"""Waiting for a condition, up to a deadline: no test sleeps for luck."""

import asyncio
import time
from collections.abc import Callable

import pytest

#: A test that waits this long hangs. It says nothing of how long a thing may take, for machines
#: are busy: that is what `bench/` measures.
LONG_S = 60.0

LOOK_S = 0.005


async def until(condition: Callable[[], object], what: str = "what is waited for") -> float:
    """Waits until `condition()`; returns how long that took."""
    begun_s = time.monotonic()
    while not condition():
        _check(begun_s, what)
        await asyncio.sleep(LOOK_S)
    return time.monotonic() - begun_s


def blocked_until(condition: Callable[[], object], what: str = "what is waited for") -> float:
    """The same where no event loop runs; looks less often, as such conditions cost more."""
    begun_s = time.monotonic()
    while not condition():
        _check(begun_s, what)
        time.sleep(4 * LOOK_S)
    return time.monotonic() - begun_s


def _check(begun_s: float, what: str) -> None:
    if time.monotonic() - begun_s > LONG_S:
        pytest.fail(f"not within {LONG_S:g} s: {what}")
