"""A network between the gateway and a device that can be told to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

#: What becomes of what a side has sent.
Change = Callable[[bytes], bytes]
#: What is answered in the device's stead; None: the device is to answer.
Answer = Callable[[bytes], bytes | None]

_CHUNK_BYTES = 65_536


def unchanged(data: bytes) -> bytes:
    """What a good network does."""
    return data


class Wire:
    """What can be done to the bytes between a gateway and a device; as it is, it does nothing."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """All is well again."""
        self.change: Change = unchanged
        self.answer: Answer = lambda _: None
        #: What comes from the device is passed on so much later.
        self.delay_s = 0.0
        #: Of what comes from the device only half is passed on, then the connection is closed.
        self.cuts = False
        #: The device's side is closed as soon as it says something; ours stays open.
        self.half_closes = False


class Proxy(Wire):
    """A TCP proxy. `hang` and `flow` stop and start it, `refuse` and `listen` close and open it."""

    def __init__(self, upstream: int) -> None:
        super().__init__()
        self.upstream = upstream
        self.port = 0
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        """Takes connections, on the port that it had."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Takes no connection any more and ends those that there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()

    def drop(self) -> None:
        """Ends the connections that there are."""
        for writer in self._writers:
            writer.transport.abort()

    def hang(self) -> None:
        """Passes nothing on, and closes nothing."""
        self._flows.clear()

    def flow(self) -> None:
        """Goes on with what waits."""
        self._flows.set()

    async def close(self) -> None:
        """Leaves nothing behind."""
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            # Cancelled only by `close`, which asyncio would report of the server's own task.
            with suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        from_device, to_device = await asyncio.open_connection("127.0.0.1", self.upstream)
        self._writers.add(to_device)
        ways = {
            asyncio.create_task(self._up(reader, to_device, writer)),
            asyncio.create_task(self._down(from_device, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_device.transport.abort()
            self._writers.discard(to_device)

    async def _up(
        self,
        reader: asyncio.StreamReader,
        to_device: asyncio.StreamWriter,
        to_gateway: asyncio.StreamWriter,
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await self._flows.wait()
            answered = self.answer(data)
            (to_device if answered is None else to_gateway).write(
                data if answered is None else answered
            )

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await self._flows.wait()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if self.half_closes:
                writer.write_eof()
                await asyncio.Event().wait()
            if self.cuts:
                writer.write(data[: len(data) // 2])
                await writer.drain()
                return
            writer.write(self.change(data))


@asynccontextmanager
async def proxy(upstream: int) -> AsyncIterator[Proxy]:
    """A proxy that listens."""
    made = Proxy(upstream)
    await made.listen()
    try:
        yield made
    finally:
        await made.close()
