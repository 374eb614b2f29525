"""The driver on a serial line behind TCP, against what goes wrong on such lines.

Whatever comes, there is a clear error, and never a wrong value that looks good.
"""

import asyncio
import struct
from collections.abc import Callable

import pytest

from protocols.driver import DeviceError
from protocols.modbus.bus import Bus
from protocols.modbus.endpoint import TcpEndpoint
from tests.protocols.modbus_peer import Reply, machine, stream_server
from tests.protocols.rtu_peer import (
    REQUEST_BYTES,
    addresses,
    framed,
    holding,
    numbers,
    rtu_answer,
    rtu_asked,
    rtu_driver,
    rtu_refusal,
    rtu_server,
    slow_line,
)
from tests.support.sink import failure_of, running
from tests.support.waiting import LONG_S, until

PROFILE = machine('name="a"; address=7; type="uint32"')
RIGHT = struct.pack(">I", 0x00010002)
TIMEOUT_S = 0.3


def changed(position: int, value: int) -> Callable[[bytes], Reply]:
    """A right answer with one byte changed, and the checksum of the changed one."""

    def reply(request: bytes) -> bytes:
        frame = bytearray(rtu_answer(request, RIGHT)[:-2])
        frame[position] = value
        return framed(bytes(frame))

    return reply


#: What the device does, and what the operator is told.
WRONG: dict[str, tuple[Callable[[bytes], Reply], str]] = {
    "wrong checksum": (
        lambda r: rtu_answer(r, RIGHT)[:-1] + b"\x00",
        "answered with a wrong checksum (01 03 04 00 01 00 02",
    ),
    "changed data": (
        lambda r: rtu_answer(r, RIGHT)[:4] + b"\x07" + rtu_answer(r, RIGHT)[5:],
        "answered with a wrong checksum",
    ),
    "wrong unit": (changed(0, 9), "answered as unit 9 when unit 1 was asked"),
    "wrong function": (changed(1, 4), "answered function 4 when asked 3"),
    "refusal of another": (lambda _: framed(b"\x01\x84\x02"), "answered function 132 when asked 3"),
    "short answer": (
        lambda r: rtu_answer(r, RIGHT[:2]),
        "answered with 2 bytes of data where 4 were asked",
    ),
    "long answer": (
        lambda r: rtu_answer(r, RIGHT + RIGHT),
        "answered with 8 bytes of data where 4 were asked",
    ),
    "no data": (lambda r: rtu_answer(r, b""), "answered with 0 bytes of data where 4 were asked"),
    "garbage": (
        lambda _: b"GET / HTTP/1.1\r\n\r\n",
        "gave only noise, no answer in Modbus RTU (47 45 54 20 2f 20 48 54) within 0.3 s",
    ),
    "an answer as on TCP": (
        lambda r: b"\0\x01\0\0\0\x07" + rtu_answer(r, RIGHT)[:-2],
        "gave only noise, no answer in Modbus RTU (00 01 00 00 00 07 01 03) within",
    ),
    "two answers at once": (lambda r: 2 * rtu_answer(r, RIGHT), "sent more than was asked"),
    "refusal with a wrong checksum": (
        lambda r: rtu_refusal(r, 2)[:-1] + b"\x00",
        "answered with a wrong checksum",
    ),
    "silence": (lambda _: b"", "gave no answer within 0.3 s"),
    "part of an answer": (
        lambda r: rtu_answer(r, RIGHT)[:6],
        "gave only 6 bytes of an answer within 0.3 s",
    ),
    "few bytes": (lambda r: r[:2], "gave only 2 bytes of an answer within 0.3 s"),
    "echo": (
        lambda r: r,
        "gave only noise, no answer in Modbus RTU (01 03 00 07 00 02 75 ca) within",
    ),
    "close": (lambda _: None, "closed the connection"),
}


@pytest.mark.parametrize(("reply", "text"), WRONG.values(), ids=WRONG)
async def test_a_wrong_answer_on_a_serial_line_ends_the_session_with_a_reason(
    reply: Callable[[bytes], Reply], text: str
) -> None:
    timeout_s = TIMEOUT_S if "within" in text or "noise" in text else LONG_S
    async with rtu_server(reply) as port:
        error, told = await failure_of(rtu_driver(PROFILE, port, timeout_s))
    assert text in error
    assert error.startswith(f"modbus rtu over tcp 127.0.0.1:{port} unit 1 ")
    assert "holding registers 7 to 8" in error
    assert error.endswith("; check the device and what stands between")
    assert (told.got, told.heard_count) == ([], 0)


@pytest.mark.parametrize("cut", [1, 3, 8])
async def test_a_serial_line_that_drops_in_the_middle_of_an_answer_is_told(cut: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(rtu_answer(await reader.readexactly(REQUEST_BYTES), RIGHT)[:cut])

    async with stream_server(serve) as port:
        error, told = await failure_of(rtu_driver(PROFILE, port, LONG_S))
    assert "closed the connection in the middle of an answer" in error
    assert told.got == []


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_an_answer_in_pieces_on_a_serial_line_is_put_together(size: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = rtu_answer(await reader.readexactly(REQUEST_BYTES), RIGHT)
            for start in range(0, len(frame), size):
                writer.write(frame[start : start + size])
                await asyncio.sleep(0.001)

    async with stream_server(serve) as port, running(rtu_driver(PROFILE, port)) as (told, _):
        await until(lambda: len(told.got) >= 3, "three scans")
    assert {sample.value for sample in told.got} == {65538.0}


#: What a line gives by itself; the last is what an adapter gives back of a request.
NOISE = [b"\x00", b"\xff\xff", b"\x01\x03\x02", bytes(range(40)), b"\x01" * 300]


@pytest.mark.parametrize("noise", [*NOISE, b"\x01\x03\x00\x07\x00\x02\x75\xca"])
async def test_noise_between_a_request_and_its_answer_costs_nothing(noise: bytes) -> None:
    async with (
        rtu_server(lambda request: noise + rtu_answer(request, RIGHT)) as port,
        running(rtu_driver(PROFILE, port)) as (told, _),
    ):
        await until(lambda: len(told.got) >= 3, "scans")
    assert {sample.value for sample in told.got} == {65538.0}


@pytest.mark.parametrize("noise", NOISE)
async def test_noise_between_frames_costs_nothing(noise: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(rtu_answer(await reader.readexactly(REQUEST_BYTES), RIGHT))
            await asyncio.sleep(0.01)  # the answer is taken by itself, then comes the noise
            writer.write(noise)

    async with stream_server(serve) as port:
        line = Bus(TcpEndpoint("127.0.0.1", port, rtu=True)).line("here", 1, LONG_S)
        await line.connect()
        for _ in range(3):
            assert numbers(await line.read(holding(7))) == [1, 2]
            await asyncio.sleep(0.02)
        line.close()


async def test_a_line_that_is_never_silent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocols.modbus.connection.NOISE_MOST_S", 0.3)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(rtu_answer(await reader.readexactly(REQUEST_BYTES), RIGHT))
        while not reader.at_eof():
            await asyncio.sleep(0.01)
            writer.write(b"\x55")

    async with stream_server(serve) as port:
        error, _ = await failure_of(rtu_driver(PROFILE, port))
    assert "has had no silent line for 0.3 s; check the line's termination" in error


async def test_a_unit_that_talks_out_of_turn_is_not_believed() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = rtu_answer(await reader.readexactly(REQUEST_BYTES), RIGHT)
            writer.write(frame)
            await asyncio.sleep(0.01)
            writer.write(frame)

    async with stream_server(serve) as port:
        error, _ = await failure_of(rtu_driver(PROFILE, port))
    assert "sent 9 bytes that no one asked for" in error


async def test_a_late_answer_is_never_taken_for_that_of_the_next_request() -> None:
    """Each register holds its address: an answer to an earlier request would be seen."""
    stalls = iter([0.0, 0.9, 0.0, 0.5, 0.5, 0.0, 0.0, 1.3] + [0.0] * 200)
    failed = right = 0
    async with slow_line(lambda _: next(stalls)) as (port, requests):
        line = Bus(TcpEndpoint("127.0.0.1", port, rtu=True)).line("here", 1, 0.2)
        await line.connect()
        for address in range(0, 400, 10):
            try:
                assert numbers(await line.read(holding(address, 2))) == [address, address + 1]
                right += 1
            except DeviceError as error:
                assert "no answer within 0.2 s" in str(error)  # noqa: PT017  both ways are right
                failed += 1
        line.close()
    assert failed >= 4
    assert right > 20
    assert {rtu_asked(request)[0] for request in requests} == {1}


async def test_a_late_answer_does_not_disturb_a_neighbour() -> None:
    slow = iter([0.5])
    async with slow_line(lambda r: next(slow, 0.0) if r[0] == 1 else 0.05) as (port, _):
        bus = Bus(TcpEndpoint("127.0.0.1", port, rtu=True))
        late, neighbour = bus.line("late", 1, 0.2), bus.line("neighbour", 2, LONG_S)
        await late.connect()
        await neighbour.connect()
        with pytest.raises(DeviceError, match=r"^late gave no answer within 0.2 s"):
            await late.read(holding(0))
        for address in range(30, 50):
            assert numbers(await neighbour.read(holding(address))) == [address, address + 1]
        assert numbers(await late.read(holding(100))) == [100, 101]
        late.close()
        neighbour.close()


async def test_a_device_that_refuses_what_settles_its_debts_is_read_again() -> None:
    """It takes reads of two registers only, and the first answer of it is lost."""
    lost = iter([b""])

    def reply(request: bytes) -> bytes:
        if rtu_asked(request)[3] != 2:
            return rtu_refusal(request, 3)
        return next(lost, addresses(request))

    async with rtu_server(reply) as port:
        line = Bus(TcpEndpoint("127.0.0.1", port, rtu=True)).line("here", 1, 0.2)
        await line.connect()
        with pytest.raises(DeviceError, match="no answer"):
            await line.read(holding(10))
        assert numbers(await line.read(holding(20))) == [20, 21]
        line.close()


async def test_a_refusal_on_a_serial_line_is_given_as_such() -> None:
    async with rtu_server(lambda request: rtu_refusal(request, 2)) as port:
        error, _ = await failure_of(rtu_driver(PROFILE, port))
    assert "holding registers 7 to 8 refused: it has no such address (exception 2)" in error
