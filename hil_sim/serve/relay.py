"""Stands between a server and its clients, so that the server can be dead, silent or slow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from hil_sim.serve.delay import Delay

#: Where the server behind is.
INNER_HOST: Final = "127.0.0.1"

#: What is passed on at once, bytes.
_PIECE: Final = 1 << 16


class Relay:
    """Listens for a server that itself listens at `INNER_HOST`."""

    def __init__(self, host: str, port: int) -> None:
        """`host`, `port`: where clients come. Does nothing yet; `listen` does."""
        self._host, self._port = host, port
        self._inner_port = 0
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._is_there = asyncio.Event()
        self._speaks = asyncio.Event()
        self._speaks.set()
        #: How late what the server says comes.
        self.delay_s = 0.0

    async def listen(self) -> None:
        """Listens, unless it does already. Raises OSError where it can't."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self._host, self._port)

    def lead_to(self, inner_port: int) -> None:
        """The server behind is there; who has come before it has waited for it."""
        self._inner_port = inner_port
        self._is_there.set()

    async def close(self) -> None:
        """Stops listening and breaks off every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await self.break_off()
            await server.wait_closed()

    async def set_silent(self, *, silent: bool) -> None:
        """Accepts and passes nothing on; when that is over, old connections are broken off."""
        if silent:
            self._speaks.clear()
        elif not self._speaks.is_set():
            await self.break_off()
            self._speaks.set()

    async def break_off(self) -> None:
        """Ends every connection, without a word."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            await self._is_there.wait()
            await self._speaks.wait()
            inner_reader, inner = await asyncio.open_connection(INNER_HOST, self._inner_port)
            try:
                await self._both_ways((reader, writer), (inner_reader, inner))
            finally:
                inner.transport.abort()
        except (OSError, asyncio.CancelledError):
            # The server behind is going, or the client is broken off, which is no failure of this
            # task: the library would tell it as one.
            pass
        finally:
            writer.transport.abort()

    async def _both_ways(self, client: _Ends, server: _Ends) -> None:
        delay = Delay(client[1].write)
        ways = {
            asyncio.create_task(self._pass_on(client[0], server[1].write, server[1])),
            asyncio.create_task(
                self._pass_on(server[0], lambda data: delay.put(data, self.delay_s), client[1])
            ),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            delay.close()
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        put: Callable[[bytes], object],
        writer: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                await self._speaks.wait()
                put(data)
                await writer.drain()


_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
