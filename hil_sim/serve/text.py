"""A reader that sends lines of text: over TCP to who connects, or in datagrams to the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from hil_sim.folder import TextDevice

#: Bytes of a datagram: what goes through a network in one piece.
_DATAGRAM_BYTES: Final = 1400

#: Bytes that a client may leave untaken before it is cut off.
_WAITING_MOST: Final = 4 << 20

#: Where the gateway is, if it listens on all addresses of this computer.
_HERE: Final = "127.0.0.1"


class TextServer:
    """Sends one reader's lines to those that are there; what nobody takes is gone."""

    def __init__(self, device: TextDevice) -> None:
        self._device = device
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._clients: set[asyncio.Transport] = set()

    @classmethod
    async def start(cls, device: TextDevice) -> TextServer:
        """Listens for the gateway, or begins to send to it.

        Raises:
            OSError: the address can't be had.
        """
        made = cls(device)
        loop = asyncio.get_running_loop()
        if device.transport == "udp":
            made._datagrams, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol,
                local_addr=(device.host, 0),
                remote_addr=(device.gateway or _HERE, device.port),
            )
        else:
            made._server = await loop.create_server(
                lambda: _Client(made._clients), device.host, device.port
            )
        return made

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    def send(self, lines: Sequence[bytes]) -> None:
        """Sends lines, with their ends, to all that are there."""
        if self._datagrams is not None:
            for datagram in _packed(lines):
                self._datagrams.sendto(datagram)
            return
        data = b"".join(lines)
        for client in list(self._clients):
            if client.get_write_buffer_size() > _WAITING_MOST:
                client.abort()
            elif data:
                client.write(data)

    async def close(self) -> None:
        """Stops listening and sending, and breaks off every connection."""
        if self._datagrams is not None:
            self._datagrams.close()
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.abort()
        # The transports close one turn of the loop later.
        await asyncio.sleep(0)


class _Client(asyncio.Protocol):
    """One who reads; what it sends is not looked at."""

    def __init__(self, clients: set[asyncio.Transport]) -> None:
        self._clients = clients

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._clients.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        del exc
        self._clients.discard(self._transport)


def _packed(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Lines in datagrams, none of them cut."""
    waiting = b""
    for line in lines:
        if waiting and len(waiting) + len(line) > _DATAGRAM_BYTES:
            yield waiting
            waiting = b""
        waiting += line
    if waiting:
        yield waiting
