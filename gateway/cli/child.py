"""Another command of this program as a process of its own, which never outlives this one."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

#: How long a command may take until it is ready: kernels are compiled, and disks may be cold.
READY_S: Final = 120.0

#: How long it may take to end before it is killed.
STOP_S: Final = 5.0

#: So many of the last lines that it said are told when it ends unasked.
LINES_TOLD: Final = 6


class ChildError(Exception):
    """A command did not start or ended unasked; the text is for the user."""


class Child:
    """A running command of `lamproom`, on a leash: its standard input ends with this process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, said: Path) -> None:
        self._name = name
        self._process = process
        self._said = said

    async def ready(self) -> str:
        """What its line `READY …` says. Raises ChildError when it ends or takes too long."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                while line := (await self._process.stdout.readline()).decode():
                    if line.startswith("READY"):
                        return line.removeprefix("READY").strip()
        except TimeoutError:
            msg = f"the {self._name} was not ready after {READY_S:g} s"
            raise ChildError(msg) from None
        return await self.ended()

    async def ended(self) -> str:
        """Waits until it ends, which is always raised as ChildError, with what it said last."""
        status = await self._process.wait()
        how = f"status {status}" if status >= 0 else signal.Signals(-status).name
        lines = self._said.read_text(encoding="utf-8", errors="replace").splitlines()
        said = "\n".join(lines[-LINES_TOLD:])
        msg = f"the {self._name} has ended ({how}){': ' if said else ''}{said}"
        raise ChildError(msg)

    async def stop(self) -> None:
        """Ends it: asks, and kills it where that does not help."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def child(name: str, scratch: Path, *arguments: str) -> AsyncIterator[Child]:
    """Runs `lamproom ARGUMENTS`; `scratch` is a folder for what it says on standard error."""
    said = scratch / f"{name}.err"
    with said.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gateway.cli.main", *arguments, "--leash"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            # Ctrl-C is for this process, which then ends its children in order.
            start_new_session=True,
        )
    running = Child(name, process, said)
    try:
        yield running
    finally:
        await running.stop()
