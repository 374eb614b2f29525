"""How a command that runs until it is told to stop is told so."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

#: Ctrl-C, and what a service manager sends.
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def end_well_on_signals() -> None:
    """A signal ends this process with status 0 from now on, before there is anything to close."""
    _on_signals(lambda: sys.exit(0))


def end_at_once_on_signals() -> None:
    """The same where kernels are compiled: the compiler would swallow what `sys.exit` raises."""
    _on_signals(lambda: os._exit(0))


def _on_signals(end: Callable[[], NoReturn]) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        end()

    for number in SIGNALS:
        signal.signal(number, handle)
    # What it asks for is about to be done anyway.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def stop_on_signals() -> asyncio.Event:
    """An event of the running loop that a signal sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return stop


def again_on_hangup() -> asyncio.Event:
    """An event of the running loop that SIGHUP sets: it asks to read the configuration again."""
    again = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, again.set)
    return again


def end_with_parent() -> None:
    """Sends this process SIGTERM when its standard input ends: whoever started it is gone."""

    def wait() -> None:
        # Not through sys.stdin: its lock would be held when the interpreter ends.
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
