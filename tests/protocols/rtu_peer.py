"""Units on a serial line behind a TCP port, which can be made to answer anything."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from equipment.modbus_profile import Table
from equipment.profile import Profile
from protocols.modbus.codec import Registers
from protocols.modbus.driver import ModbusDriver
from protocols.modbus.options import ModbusOptions
from protocols.modbus.plan import Read
from protocols.modbus.refusal import Refused
from tests.protocols.modbus_peer import Reply, stream_server
from tests.support.crc import crc16_bit_by_bit

#: A request to read.
REQUEST_BYTES = 8


def framed(body: bytes) -> bytes:
    return body + crc16_bit_by_bit(body).to_bytes(2, "little")


def rtu_answer(request: bytes, data: bytes) -> bytes:
    return framed(request[:2] + bytes([len(data)]) + data)


def rtu_refusal(request: bytes, code: int) -> bytes:
    return framed(bytes([request[0], request[1] | 0x80, code]))


def rtu_asked(request: bytes) -> tuple[int, int, int, int]:
    """Unit, function, address and count."""
    unit, function, address, count = struct.unpack(">BBHH", request[:6])
    return unit, function, address, count


def addresses(request: bytes) -> bytes:
    """The answer of a device whose every register holds its own address."""
    _, _, address, count = rtu_asked(request)
    return rtu_answer(request, struct.pack(f">{count}H", *range(address, address + count)))


def rtu_driver(profile: Profile, port: int, timeout_s: float = 1.0, unit: int = 1) -> ModbusDriver:
    options = ModbusOptions(
        transport="rtu_over_tcp", host="127.0.0.1", port=port, timeout_s=timeout_s, unit=unit
    )
    return ModbusDriver(f"dev{unit}", profile, options)


def holding(address: int, count: int = 2) -> Read:
    return Read(Table.HOLDING, address, count)


def numbers(answer: Registers | Refused) -> list[int]:
    assert not isinstance(answer, Refused), str(answer)
    return [int(value) for value in answer]


@asynccontextmanager
async def rtu_server(handle: Callable[[bytes], Reply]) -> AsyncIterator[int]:
    """Serves `handle`: request to answer; None closes the connection, b"" says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (reply := handle(await reader.readexactly(REQUEST_BYTES))) is not None:
            writer.write(reply)

    async with stream_server(serve) as port:
        yield port


@asynccontextmanager
async def slow_line(delay_s: Callable[[bytes], float]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Units that answer one request after the other, each after its delay, however late it is.

    Gives the port and the requests that came.
    """
    requests: list[bytes] = []
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        free_s: dict[int, float] = {}  # by unit, when it will have answered all so far
        while True:
            request = await reader.readexactly(REQUEST_BYTES)
            requests.append(request)
            begin_s = max(loop.time(), free_s.get(request[0], 0.0))
            # In their order: the loop does not keep that of two things at one time.
            free_s[request[0]] = begin_s + max(0.001, delay_s(request))
            loop.call_at(free_s[request[0]], writer.write, addresses(request))

    async with stream_server(serve) as port:
        yield port, requests
