"""A serial line made of pseudo-terminals: what the gateway says is heard by all units, and back.

The gateway's end is a port or, as behind a converter, a TCP port. What goes over the line is
counted, and can be changed on the way.
"""

import asyncio
import os
import pty
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from tests.protocols.modbus_peer import stream_server

Change = Callable[[bytes], bytes]


class Hub:
    """A line; `requests` is what the gateway said, `changed` what becomes of a unit's bytes."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.changed: Change = lambda data: data
        self._units: dict[str, int] = {}
        self._gateways: dict[str, int] = {}
        self._to_gateway: Callable[[bytes], object] = lambda _: None

    def unit_port(self) -> str:
        """A serial port for a unit."""

        def take(data: bytes) -> None:
            # As on two wires: the other units hear the answer too.
            for other, end in self._units.items():
                if other != name:
                    _write(end, data)
            self.say(self.changed(data))

        name = self._opened(self._units, take)
        return name

    def gateway_port(self) -> str:
        """A serial port for the gateway."""
        name = self._opened(self._gateways, self.ask)
        self._to_gateway = lambda data: os.write(self._gateways[name], data)
        return name

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a TCP connection as a converter does: bytes are passed on as they come."""
        self._to_gateway = writer.write
        while data := await reader.read(1024):
            self.ask(data)

    def ask(self, data: bytes) -> None:
        """The gateway's bytes go to all units."""
        self.requests.append(data)
        for end in self._units.values():
            _write(end, data)

    def say(self, data: bytes) -> None:
        """Bytes for the gateway."""
        if data:
            self._to_gateway(data)

    def unplug(self, name: str) -> None:
        """Takes a port away: whoever has it open sees it end."""
        end = self._gateways.pop(name, -1)
        end = self._units.pop(name) if end < 0 else end
        asyncio.get_running_loop().remove_reader(end)
        os.close(end)

    def close(self) -> None:
        for name in [*self._units, *self._gateways]:
            self.unplug(name)

    def _opened(self, ends: dict[str, int], take: Callable[[bytes], None]) -> str:
        end, port = pty.openpty()
        tty.setraw(port)
        name = os.ttyname(port)
        ends[name] = end
        os.set_blocking(end, False)

        def ready() -> None:
            # Reads as broken as long as nobody has the other end open.
            with suppress(OSError):
                take(os.read(end, 1024))

        asyncio.get_running_loop().add_reader(end, ready)
        return name


def _write(end: int, data: bytes) -> None:
    # A unit that stands still reads nothing, and its port gets full: a wire holds up nobody.
    with suppress(BlockingIOError):
        os.write(end, data)


@asynccontextmanager
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    try:
        yield made
    finally:
        made.close()


@asynccontextmanager
async def converter(line: Hub) -> AsyncIterator[int]:
    """A TCP-to-serial converter before `line`; gives its port."""
    async with stream_server(line.serve) as port:
        yield port
