"""The driver against a server that does what real devices do wrong.

Whatever comes, there is a clear error or a BAD sample, and never a wrong value that looks good.
"""

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest

from equipment.modbus_profile import Table
from equipment.report import NoticeKind, Quality
from protocols.driver import DeviceError
from protocols.modbus.endpoint import TcpEndpoint
from protocols.modbus.gate import ReadOnlyError
from protocols.modbus.line import OwnLine
from protocols.modbus.plan import Read
from tests.protocols.modbus_peer import (
    Reply,
    answer,
    asked,
    bare_server,
    driver_for,
    machine,
    refusal,
    stream_server,
)
from tests.support.sink import failure_of, running
from tests.support.waiting import LONG_S, until

PROFILE = machine('name="a"; address=7; type="uint32"')
RIGHT = struct.pack(">I", 0x00010002)
TIMEOUT_S = 0.3


def changed(position: int, value: bytes) -> Callable[[bytes], Reply]:
    """A right answer with some bytes of it changed."""

    def reply(request: bytes) -> bytes:
        frame = answer(request, RIGHT)
        return frame[:position] + value + frame[position + len(value) :]

    return reply


#: What the device does, and what the operator is told.
WRONG: dict[str, tuple[Callable[[bytes], Reply], str]] = {
    "short answer": (lambda r: answer(r, RIGHT[:2]), "answered with 2 bytes of data where 4"),
    "long answer": (lambda r: answer(r, RIGHT + RIGHT), "answered with 8 bytes of data where 4"),
    "no data": (lambda r: answer(r, b""), "answered with 0 bytes of data where 4"),
    "odd byte count": (changed(8, b"\x05"), "says it gives 5 bytes of data and gives 4"),
    "small byte count": (changed(8, b"\x02"), "says it gives 2 bytes of data and gives 4"),
    "garbage": (lambda _: b"GET / HTTP/1.1\r\n\r\n", "doesn't answer in Modbus TCP"),
    "random bytes": (lambda _: bytes(range(100, 250)), "doesn't answer in Modbus TCP"),
    "another protocol": (changed(2, b"\x00\x01"), "doesn't answer in Modbus TCP"),
    "length beyond a frame": (changed(4, b"\x10\x00"), "doesn't answer in Modbus TCP"),
    "length of nothing": (changed(4, b"\x00\x00"), "doesn't answer in Modbus TCP"),
    "wrong transaction": (changed(0, b"\x77\x77"), "answered transaction 30583 when asked"),
    "transaction 0": (changed(0, b"\x00\x00"), "answered transaction 0 when asked 1"),
    "wrong unit": (changed(6, b"\x09"), "answered as unit 9 when unit 1 was asked"),
    "wrong function": (changed(7, b"\x04"), "answered function 4 when asked 3"),
    "refusal of another": (changed(7, b"\x84"), "answered function 132 when asked 3"),
    "two answers at once": (lambda r: 2 * answer(r, RIGHT), "sent more than was asked"),
    "long refusal": (
        lambda r: r[:4] + b"\x00\x05" + bytes([r[6], 0x83, 2, 0, 0]),
        "answered with 2 bytes of data where 0",
    ),
    "silence": (lambda _: b"", "gave no answer within 0.3 s"),
    "part of an answer": (
        lambda r: answer(r, RIGHT)[:11],
        "gave only 11 bytes of an answer within 0.3 s",
    ),
    "few bytes": (lambda r: r[:3], "gave only 3 bytes of an answer within 0.3 s"),
    "close": (lambda _: None, "closed the connection"),
}


@pytest.mark.parametrize(("reply", "text"), WRONG.values(), ids=WRONG)
async def test_a_wrong_answer_ends_the_session_with_a_reason(
    reply: Callable[[bytes], Reply], text: str
) -> None:
    # Only silence costs the whole time: what is wrong is told as such, long before that.
    timeout_s = TIMEOUT_S if "within" in text else LONG_S
    async with bare_server(reply) as port:
        error, told = await failure_of(driver_for(PROFILE, port, timeout_s))
    assert text in error
    assert error.startswith(f"modbus tcp 127.0.0.1:{port} unit 1 ")
    assert "holding registers 7 to 8" in error
    assert error.endswith("; check the device and what stands between")
    assert told.got == []
    assert told.heard_count == 0


@pytest.mark.parametrize("cut", [3, 8, 10])
async def test_a_connection_that_drops_in_the_middle_of_an_answer_is_told(cut: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.readexactly(12), RIGHT)[:cut])

    async with stream_server(serve) as port:
        error, told = await failure_of(driver_for(PROFILE, port, TIMEOUT_S))
    assert "closed the connection in the middle of an answer" in error
    assert told.got == []


@pytest.mark.parametrize("size", [1, 2, 5, 9])
async def test_an_answer_in_pieces_is_put_together(size: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = answer(await reader.readexactly(12), RIGHT)
            for start in range(0, len(frame), size):
                writer.write(frame[start : start + size])
                await asyncio.sleep(0.001)

    async with stream_server(serve) as port, running(driver_for(PROFILE, port)) as (told, _):
        await until(lambda: len(told.got) >= 2, "two scans")
    assert {sample.value for sample in told.got} == {65538.0}


async def test_bytes_that_no_one_asked_for_end_the_session() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = answer(await reader.readexactly(12), RIGHT)
            writer.write(frame)
            await asyncio.sleep(0.02)
            writer.write(frame)

    async with stream_server(serve) as port:
        error, _ = await failure_of(driver_for(PROFILE, port))
    assert "sent 13 bytes that no one asked for" in error


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 10, 11, 99])
async def test_a_device_that_refuses_everything_is_down_with_the_reason(code: int) -> None:
    async with bare_server(lambda request: refusal(request, code)) as port:
        error, told = await failure_of(driver_for(PROFILE, port))
    assert error.startswith(
        f"modbus tcp 127.0.0.1:{port} unit 1: holding registers 7 to 8 refused: "
    )
    assert f"(exception {code})" in error
    assert told.heard_count == 0
    assert told.got == []


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6])
async def test_a_refused_table_is_bad_and_the_other_goes_on(code: int) -> None:
    profile = machine(
        'name="a"; address=7; type="uint32"',
        'name="b"; table="input"; address=3; type="uint16"',
        'name="c"; table="input"; address=4; type="uint16"',
    )

    def reply(request: bytes) -> bytes:
        function, _, _ = asked(request)
        return answer(request, RIGHT) if function == 3 else refusal(request, code)

    async with bare_server(reply) as port, running(driver_for(profile, port)) as (told, _):
        await until(lambda: len(told.got) >= 30, "ten scans")
    latest = told.latest()
    assert (latest["a"].value, latest["a"].quality) == (65538.0, Quality.GOOD)
    for name in "bc":
        assert (latest[name].value, latest[name].quality) == (None, Quality.BAD)
        assert f"(exception {code})" in latest[name].reason
    assert {sample.quality for sample in told.got if sample.point == "a"} == {Quality.GOOD}
    counts = [count for kind, count, _ in told.notices if kind is NoticeKind.DATA_REFUSED]
    assert sum(counts) == (2 if code in (1, 2, 3) else 0)


async def test_a_device_that_is_busy_for_a_moment_stays_up() -> None:
    asked_for = 0

    def reply(request: bytes) -> bytes:
        nonlocal asked_for
        asked_for += 1
        return refusal(request, 6) if asked_for % 3 else answer(request, RIGHT)

    async with bare_server(reply) as port, running(driver_for(PROFILE, port)) as (told, _):
        await until(lambda: len(told.got) >= 5, "samples")
    assert {sample.value for sample in told.got} == {65538.0}


async def test_a_block_that_is_refused_for_its_gaps_is_split_once() -> None:
    holes = {10, 11, 12}
    reads: list[tuple[int, int]] = []

    def reply(request: bytes) -> bytes:
        _, address, count = asked(request)
        reads.append((address, count))
        if holes & set(range(address, address + count)):
            return refusal(request, 2)
        return answer(request, struct.pack(f">{count}H", *range(address, address + count)))

    profile = machine(
        'name="a"; address=8; type="uint16"',
        'name="b"; address=9; type="uint16"',
        'name="hole"; address=11; type="uint16"',
        'name="c"; address=13; type="uint16"',
        'name="d"; address=30; type="uint16"',
    )
    async with bare_server(reply) as port, running(driver_for(profile, port)) as (told, _):
        await until(lambda: len(told.got) >= 25, "five scans")
    values = {name: sample.value for name, sample in told.latest().items()}
    assert values == {"a": 8.0, "b": 9.0, "hole": None, "c": 13.0, "d": 30.0}
    assert [count for _, count, _ in told.notices] == [1]
    assert reads[:5] == [(8, 23), (8, 2), (11, 1), (13, 1), (30, 1)]
    # Remembered: neither the whole block nor the hole is asked for again.
    assert set(reads[5:]) == {(8, 2), (13, 1), (30, 1)}


async def test_a_device_that_refuses_long_reads_is_read_in_smaller_ones() -> None:
    def reply(request: bytes) -> bytes:
        _, address, count = asked(request)
        if count > 10:
            return refusal(request, 3)
        return answer(request, struct.pack(f">{count}H", *range(address, address + count)))

    profile = machine(*(f'name="p{n}"; address={n}; type="uint16"' for n in range(60)))
    async with bare_server(reply) as port, running(driver_for(profile, port)) as (told, _):
        await until(lambda: len(told.got) >= 60, "a scan")
    assert {s.point: s.value for s in told.got} == {f"p{n}": float(n) for n in range(60)}
    assert told.notices == []


async def test_a_line_that_failed_gives_nothing_more() -> None:
    async with bare_server(changed(0, b"\x77\x77")) as port:
        line = OwnLine("here", TcpEndpoint("127.0.0.1", port), 1, TIMEOUT_S)
        await line.connect()
        for _ in range(2):
            with pytest.raises(DeviceError, match="answered transaction"):
                await line.read(Read(Table.HOLDING, 0, 2))
        line.close()
        line.close()


async def test_a_line_that_is_closed_says_so() -> None:
    async with bare_server(lambda request: answer(request, RIGHT)) as port:
        line = OwnLine("here", TcpEndpoint("127.0.0.1", port), 1, TIMEOUT_S)
        await line.connect()
        line.close()
        with pytest.raises(DeviceError, match=r"^here .*asked for holding registers 0 to 1"):
            await line.read(Read(Table.HOLDING, 0, 2))


async def test_a_device_that_does_not_take_the_connection_is_told_in_time() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        # Fills the queue that no one takes connections from; the next gets no answer.
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(("127.0.0.1", port))
        error, _ = await failure_of(driver_for(PROFILE, port, TIMEOUT_S))
        for one in waiting:
            one.close()
    assert f"{port} unit 1 can't be reached (no answer within 0.3 s)" in error


async def test_a_device_that_takes_only_the_second_connection_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused() -> bool:
        return False

    async with bare_server(lambda request: answer(request, RIGHT)) as port:
        line = OwnLine("here", TcpEndpoint("127.0.0.1", port), 1, TIMEOUT_S)
        monkeypatch.setattr(line._connection._client, "connect", refused)
        with pytest.raises(DeviceError, match="the connection was refused once"):
            await line.connect()
        line.close()


async def test_a_function_that_writes_never_leaves() -> None:
    received: list[bytes] = []

    def reply(request: bytes) -> bytes:
        received.append(request)
        return answer(request, RIGHT)

    async with bare_server(reply) as port:
        line = OwnLine("here", TcpEndpoint("127.0.0.1", port), 1, TIMEOUT_S)
        await line.connect()
        client = line._connection._client
        for write in (
            client.write_coil(0, True),  # noqa: FBT003  the library's signature
            client.write_register(0, 1),
            client.write_registers(0, [1, 2]),
            client.write_coils(0, [True]),
            client.mask_write_register(),
        ):
            with pytest.raises(ReadOnlyError):
                await write
        assert len(await _registers(line)) == 2
        line.close()
    assert [request[7] for request in received] == [3]


async def _registers(line: OwnLine) -> list[int]:
    answered = await line.read(Read(Table.HOLDING, 0, 2))
    return list(answered)  # type: ignore[arg-type]  # a refusal would fail the test here


async def test_a_session_that_is_cancelled_as_its_answer_comes_ends() -> None:
    """Before Python 3.12 the cancellation would be forgotten and the session go on unheard."""
    task: asyncio.Task[None] | None = None

    async with bare_server(lambda request: answer(request, RIGHT)) as port:
        for _ in range(20):
            line = OwnLine("here", TcpEndpoint("127.0.0.1", port), 1, TIMEOUT_S)
            await line.connect()

            async def ask(line: OwnLine = line) -> None:
                while True:
                    await line.read(Read(Table.HOLDING, 0, 2))

            task = asyncio.create_task(ask())
            taken = line._connection._gate.packet

            def cancel_then_take(
                sending: bool,  # noqa: FBT001  pymodbus's signature
                data: bytes,
                taken: Callable[[bool, bytes], bytes] = taken,
                task: "asyncio.Task[None]" = task,
            ) -> bytes:
                if not sending:
                    asyncio.get_running_loop().call_soon(task.cancel)
                return taken(sending, data)

            line._connection._client.ctx.trace_packet = cancel_then_take
            done, _ = await asyncio.wait({task}, timeout=LONG_S)
            assert done
            assert task.cancelled()
            line.close()


async def test_what_other_blocks_gave_before_a_wrong_answer_is_kept() -> None:
    def second_is_wrong(request: bytes) -> bytes:
        _, address, count = asked(request)
        return answer(request, bytes(2 * count + (2 if address else 0)))

    profile = machine('name="a"; address=0; type="uint16"', 'name="b"; address=900; type="uint16"')
    async with bare_server(second_is_wrong) as port:
        text, told = await failure_of(driver_for(profile, port))
    assert "answered with" in text
    assert [(sample.point, sample.quality) for sample in told.got] == [("a", Quality.GOOD)]
