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
from functools import partial
from random import Random
from typing import Final

from equipment.modbus_profile import Table
from hil_sim.faults.book import NONE, Faults
from hil_sim.faults.kinds import GARBAGE_SEED, FaultKind
from hil_sim.registers import Registers
from hil_sim.serve.delay import Delay
from hil_sim.serve.modbus_faults import Reply, spoiled

_HEAD: Final = struct.Struct(">HHHB")
_READ: Final = struct.Struct(">BHH")

_TABLES: Final = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}

#: The most that one read may ask for (clauses 6.1 to 6.4).
_COUNT_MAX: Final = {1: 2000, 2: 2000, 3: 125, 4: 125}

#: The longest frame after its length field (253 bytes of PDU and the unit).
_LENGTH_MAX: Final = 254

#: Answers that wait for their time; a client that asks on and on without them is cut off.
_WAITING_MOST: Final = 1000

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

    def __init__(
        self,
        units: Mapping[int, Registers],
        open_: set[asyncio.Transport],
        faults: Mapping[int, Faults],
    ) -> None:
        self._units = units
        self._open = open_
        self._faults = faults
        self._buffer = b""
        self._garbage = Random(GARBAGE_SEED)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._delay = Delay(transport.write)
        self._open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        del exc
        self._delay.close()
        self._open.discard(self._transport)

    def pause_writing(self) -> None:
        """Called by asyncio: memory stays bounded."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._transport.resume_reading()

    def reply(self, unit: int, pdu: bytes, framed: Callable[[Reply], bytes]) -> None:
        """Answers the request `pdu`, as the unit's faults have it; `framed` puts it in a frame."""
        faults = self._faults.get(unit, NONE)
        made = spoiled(answer(self._units, unit, pdu), faults)
        if made is None:
            return
        frame = framed(made)
        if made.garbage:
            frame = self._garbage.randbytes(len(frame))
        if self._delay.waiting >= _WAITING_MOST:
            self._transport.abort()
        else:
            self._delay.put(frame, made.delay_s)


class _TcpConnection(Connection):
    """Whole frames in, answers out in the order of the requests."""

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._buffer += data
        while len(self._buffer) > _HEAD.size:
            transaction, protocol, length, unit = _HEAD.unpack_from(self._buffer)
            if protocol or not 2 <= length <= _LENGTH_MAX:
                self._transport.abort()
                return
            end = 6 + length
            if len(self._buffer) < end:
                break
            request, self._buffer = self._buffer[_HEAD.size : end], self._buffer[end:]
            self.reply(unit, request, partial(_framed, transaction, unit))


def _framed(transaction: int, unit: int, reply: Reply) -> bytes:
    if reply.wrong_id == "unit":
        unit ^= 1
    elif reply.wrong_id is not None:
        transaction ^= 1
    return _HEAD.pack(transaction, 0, len(reply.pdu) + 1, unit) + reply.pdu


Made = Callable[
    [Mapping[int, Registers], set[asyncio.Transport], Mapping[int, Faults]], asyncio.Protocol
]


class ModbusServer:
    """Serves units on one port until `close`, in the frames of TCP or those of a serial line."""

    def __init__(
        self,
        host: str,
        port: int,
        units: Mapping[int, Registers],
        connection: Made | None = None,
        faults: Mapping[int, Faults] | None = None,
    ) -> None:
        """`connection` is what serves one client, else it is in the frames of TCP."""
        self._host, self._port, self._units = host, port, units
        self._made = connection or _TcpConnection
        self._faults = faults or {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Transport] = set()

    @classmethod
    async def start(
        cls,
        host: str,
        port: int,
        units: Mapping[int, Registers],
        connection: Made | None = None,
        faults: Mapping[int, Faults] | None = None,
    ) -> ModbusServer:
        """Listens; `faults`: of the units, always those of now.

        Raises:
            OSError: it can't listen.
        """
        server = cls(host, port, units, connection, faults)
        await server.follow()
        return server

    async def follow(self) -> None:
        """Listens, or does not, as the units' faults have it now.

        Raises:
            OSError: it can't listen.
        """
        if any(FaultKind.DEAD in faults for faults in self._faults.values()):
            await self.close()
        elif self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._connection, self._host, self._port)

    def _connection(self) -> asyncio.Protocol:
        return self._made(self._units, self._connections, self._faults)

    async def close(self) -> None:
        """Stops listening and breaks off every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for transport in list(self._connections):
                transport.abort()
            await server.wait_closed()
