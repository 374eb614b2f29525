"""What the Modbus tests share: a machine's profile and known values, and a bare server."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np

from equipment.catalogue import parse_profile
from equipment.modbus_profile import ModbusProfile
from equipment.profile import Profile
from protocols.modbus.codec import REGISTER, Registers
from protocols.modbus.driver import ModbusDriver
from protocols.modbus.options import ModbusOptions

MACHINE = """
id = "machine"
title = { en = "Machine", zh = "机器" }
kind = "machine"
protocol = "modbus"
"""
SCAN = "{ period_s = 0.05, silence_s = 2.0 }"


def machine(*points: str, more: str = "", scan: str = SCAN) -> ModbusProfile:
    """A machine with points such as `name="a"; address=3; type="int16"`."""
    text = f"{MACHINE}scan = {scan}\n{more}"
    for point in points:
        lines = "\n".join(part.strip() for part in point.split(";"))
        text += f'\n[[point]]\nmeaning = {{ en = "x", zh = "x" }}\n{lines}\n'
    profile = parse_profile(text, "machine.toml")
    assert isinstance(profile, ModbusProfile)
    return profile


#: What both devices hold, in the words of a profile, and what is to come of it.
KNOWN: tuple[tuple[str, object], ...] = (
    ('name="a"; address=0; type="int16"', -1234.0),
    ('name="b"; address=1; type="uint16"; scale=0.01; unit="A"', 600.0),
    ('name="c"; address=2; type="int32"', -123456789.0),
    ('name="d"; address=4; type="int32"; word_order="little"', -123456789.0),
    ('name="e"; address=6; type="uint32"', 4000000000.0),
    ('name="f"; address=8; type="float32"; offset=1.0', 4.25),
    ('name="g"; address=10; type="float32"; word_order="little"', -0.5),
    ('name="h"; address=12; type="float64"', 1e9 + 0.125),
    ('name="i"; address=16; type="float64"; word_order="little"', -1e-9),
    ('name="j"; address=20; type="int64"', -1234567890123.0),
    ('name="k"; address=24; type="uint64"; word_order="little"', 9007199254740991.0),
    ('name="l"; address=30; type="text"; length=8', "SN-2024/07"),
    ('name="m"; address=40; type="bool"; bit=0', True),
    ('name="n"; address=40; type="bool"; bit=1', False),
    ('name="o"; address=40; type="bool"; bit=8', True),
    ('name="p"; address=50; type="uint16"; states={ 1 = "one", 2 = "two" }', "two"),
    ('name="q"; address=51; type="uint16"', 77.0),
    ('name="r"; table="coil"; address=9; type="bool"', True),
    ('name="s"; table="coil"; address=10; type="bool"', False),
    ('name="t"; table="discrete"; address=10; type="bool"', True),
    ('name="u"; table="discrete"; address=11; type="bool"', False),
)


def driver_for(profile: Profile, port: int, timeout_s: float = 1.0) -> ModbusDriver:
    options = ModbusOptions(host="127.0.0.1", port=port, timeout_s=timeout_s)
    return ModbusDriver("dev", profile, options)


def as_registers(values: Sequence[int]) -> Registers:
    """Registers of an answer as an array."""
    return np.array(values, dtype=REGISTER)


# A server of a few lines, which can be made to answer anything.

Reply = bytes | None


def answer(request: bytes, data: bytes) -> bytes:
    """A right answer: to `request`, with `data` after its byte count."""
    body = request[6:8] + bytes([len(data)]) + data
    return request[:4] + struct.pack(">H", len(body)) + body


def refusal(request: bytes, code: int) -> bytes:
    return request[:4] + struct.pack(">H", 3) + bytes([request[6], request[7] | 0x80, code])


def asked(request: bytes) -> tuple[int, int, int]:
    """Function, address and count of a request."""
    function, address, count = struct.unpack(">BHH", request[7:12])
    return function, address, count


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def stream_server(serve: Serve) -> AsyncIterator[int]:
    """Serves each connection with `serve`, which may end as the connection does; gives the port."""
    tasks: set[asyncio.Task[object]] = set()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            await asyncio.wait({asyncio.ensure_future(_closed(writer))}, timeout=1)

    server = await asyncio.start_server(guarded, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks, timeout=2)


async def _closed(writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def bare_server(handle: Callable[[bytes], Reply]) -> AsyncIterator[int]:
    """Serves `handle`: request frame to answer; None closes the connection, b"" says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (reply := handle(await reader.readexactly(12))) is not None:
            writer.write(reply)

    async with stream_server(serve) as port:
        yield port
