"""A Modbus TCP server that only reads: function codes 1 to 4 of live registers.

Its own, not pymodbus's: a ring is written while it is served, and there a register is reached only
through a callback on each request; a port in use is told only as "could not start"; and the
gateway, which reads with pymodbus, is tested against another make. Written from the MODBUS
Application Protocol V1.1b3 and Messaging on TCP/IP V1.0b.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Final

from equipment.modbus_profile import Table
from hil_sim.registers import Registers

_HEAD: Final = struct.Struct(">HHHB")
_READ: Final = struct.Struct(">BHH")

_TABLES: Final = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}

#: The most that one read may ask for (clauses 6.1 to 6.4).
_COUNT_MAX: Final = {1: 2000, 2: 2000, 3: 125, 4: 125}

#: The longest frame after its length field (253 bytes of PDU and the unit).
_LENGTH_MAX: Final = 254

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _NO_SUCH_UNIT = 1, 2, 3, 0x0B


def answer(units: Mapping[int, Registers], unit: int, pdu: bytes) -> bytes:
    """The PDU that answers `pdu`."""
    function = pdu[0]
    registers = units.get(unit)
    if registers is None:
        return bytes((function | 0x80, _NO_SUCH_UNIT))
    if function not in _TABLES:
        return bytes((function | 0x80, _ILLEGAL_FUNCTION))
    if len(pdu) != _READ.size:
        return bytes((function | 0x80, _ILLEGAL_VALUE))
    _, address, count = _READ.unpack(pdu)
    if not 1 <= count <= _COUNT_MAX[function]:
        return bytes((function | 0x80, _ILLEGAL_VALUE))
    data = registers.read(_TABLES[function], address, count)
    if data is None:
        return bytes((function | 0x80, _ILLEGAL_ADDRESS))
    return bytes((function, len(data))) + data


class Connection(asyncio.Protocol):
    """One client, in whatever frames it asks; one that takes no answers is not read from."""

    def __init__(self, units: Mapping[int, Registers], open_: set[asyncio.Transport]) -> None:
        self._units = units
        self._open = open_
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        del exc
        self._open.discard(self._transport)

    def pause_writing(self) -> None:
        """Called by asyncio: memory stays bounded."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._transport.resume_reading()


class _TcpConnection(Connection):
    """Whole frames in, answers out in the order of the requests."""

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._buffer += data
        answers = []
        while len(self._buffer) > _HEAD.size:
            transaction, protocol, length, unit = _HEAD.unpack_from(self._buffer)
            if protocol or not 2 <= length <= _LENGTH_MAX:
                self._transport.abort()
                return
            end = 6 + length
            if len(self._buffer) < end:
                break
            pdu = answer(self._units, unit, self._buffer[_HEAD.size : end])
            answers.append(_HEAD.pack(transaction, 0, len(pdu) + 1, unit) + pdu)
            self._buffer = self._buffer[end:]
        if answers:
            self._transport.write(b"".join(answers))


Made = Callable[[Mapping[int, Registers], set[asyncio.Transport]], asyncio.Protocol]


class ModbusServer:
    """Serves units on one port until `close`, in the frames of TCP or those of a serial line."""

    def __init__(self, server: asyncio.Server, connections: set[asyncio.Transport]) -> None:
        self._server = server
        self._connections = connections

    @classmethod
    async def start(
        cls, host: str, port: int, units: Mapping[int, Registers], connection: Made | None = None
    ) -> ModbusServer:
        """Listens; `connection` is what serves one client, else it is in the frames of TCP.

        Raises:
            OSError: it can't listen.
        """
        connections: set[asyncio.Transport] = set()
        made = connection or _TcpConnection
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: made(units, connections), host, port)
        return cls(server, connections)

    async def close(self) -> None:
        """Stops listening and breaks off every connection."""
        self._server.close()
        for transport in list(self._connections):
            transport.abort()
        await self._server.wait_closed()
