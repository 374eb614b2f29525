"""A process that prints JSON, read line by line while a test's own servers go on."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.places import ENVIRONMENT, ROOT
from tests.support.waiting import LONG_S


class JsonLines:
    """A running process and what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        assert process.stderr
        self.process = process
        self._out, self._err = process.stdout, process.stderr
        self.lines: list[dict[str, Any]] = []

    async def until(self, **expected: Any) -> dict[str, Any]:
        """The next line of JSON that holds what is expected."""
        while True:
            found: dict[str, Any] = json.loads(await self.text())
            self.lines.append(found)
            if expected.items() <= found.items():
                return found

    async def until_all(self, *expected: dict[str, Any]) -> None:
        """Reads on until each of these has come, in whatever order."""
        waiting = list(expected)
        while waiting:
            line = await self.until()
            waiting = [one for one in waiting if not one.items() <= line.items()]

    async def text(self) -> str:
        """The next line, of whatever form."""
        async with asyncio.timeout(LONG_S):
            line = await self._out.readline()
        assert line, (await self._err.read()).decode()
        return line.decode().rstrip("\n")

    async def complaint(self) -> str:
        """The next line on standard error."""
        async with asyncio.timeout(LONG_S):
            return (await self._err.readline()).decode()

    async def status(self) -> int:
        """The exit status, once it has ended by itself."""
        async with asyncio.timeout(LONG_S):
            return await self.process.wait()

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal; the exit status, which must come at once."""
        self.process.send_signal(number)
        async with asyncio.timeout(2):
            return await self.process.wait()

    def sequences(self) -> list[int]:
        """The numbers of the events that were printed."""
        return [line["sequence"] for line in self.lines if line["kind"] == "event"]


@asynccontextmanager
async def printing(*command: str | Path) -> AsyncIterator[JsonLines]:
    """The process of `command` for the length of a `with`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    try:
        yield JsonLines(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
