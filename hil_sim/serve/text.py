"""A reader that sends lines of text: over TCP to who connects, or in datagrams to the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from hil_sim.faults.book import NONE, Faults
from hil_sim.faults.kinds import GARBAGE_SEED, FaultKind
from hil_sim.folder import TextDevice
from hil_sim.serve.delay import Delay

#: Bytes of a datagram: what goes through a network in one piece.
_DATAGRAM_BYTES: Final = 1400

#: Bytes that a client may leave untaken before it is cut off.
_WAITING_MOST: Final = 4 << 20

#: Where the gateway is, if it listens on all addresses of this computer.
_HERE: Final = "127.0.0.1"


class TextServer:
    """Sends one reader's lines to those that are there; what nobody takes is gone."""

    def __init__(self, device: TextDevice, faults: Faults = NONE) -> None:
        self._device = device
        self._faults = faults
        self._delay = Delay(self._pass_on)
        self._garbage = Random(GARBAGE_SEED)
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._clients: set[asyncio.Transport] = set()

    @classmethod
    async def start(cls, device: TextDevice, faults: Faults = NONE) -> TextServer:
        """Listens for the gateway, or begins to send to it; `faults`: always those of now.

        Raises:
            OSError: the address can't be had.
        """
        made = cls(device, faults)
        if device.transport == "udp":
            loop = asyncio.get_running_loop()
            made._datagrams, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol,
                local_addr=(device.host, 0),
                remote_addr=(device.gateway or _HERE, device.port),
            )
        else:
            await made.follow()
        return made

    async def follow(self) -> None:
        """Listens, or does not, as the reader's faults have it now.

        Raises:
            OSError: it can't listen.
        """
        if self._datagrams is not None:
            return
        if FaultKind.DEAD in self._faults:
            await self._stop_listening()
        elif self._server is None:
            device, loop = self._device, asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: _Client(self._clients), device.host, device.port
            )

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    def send(self, lines: Sequence[bytes]) -> None:
        """Sends lines, with their ends, to all that are there, as the faults have it."""
        if FaultKind.SILENT in self._faults:
            return
        slow = self._faults.get(FaultKind.SLOW)
        pieces = _packed(lines) if self._datagrams is not None else [b"".join(lines)]
        for piece in pieces:
            garbage = FaultKind.GARBAGE in self._faults
            data = self._garbage.randbytes(len(piece)) if garbage else piece
            if data:
                self._delay.put(data, slow.fault.delay_s if slow else 0.0)

    def _pass_on(self, data: bytes) -> None:
        if self._datagrams is not None:
            self._datagrams.sendto(data)
        for client in list(self._clients):
            if client.get_write_buffer_size() > _WAITING_MOST:
                client.abort()
            else:
                client.write(data)

    async def close(self) -> None:
        """Stops listening and sending, and breaks off every connection."""
        self._delay.close()
        if self._datagrams is not None:
            self._datagrams.close()
        await self._stop_listening()

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
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
