"""What the Modbus tests share: devices of other makes, a bare server, a sink, and waiting."""

import asyncio
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from equipment.catalogue import parse_profile
from equipment.modbus_profile import ModbusProfile
from equipment.profile import Profile
from equipment.report import LinkState, NoticeKind, RecordBatch, Sample
from protocols.driver import DeviceError
from protocols.modbus.driver import ModbusDriver, ModbusOptions

PEERS = Path(__file__).parents[1] / "peers"

MACHINE = """
id = "machine"
title = { en = "Machine", zh = "机器" }
kind = "machine"
protocol = "modbus"
scan = { period_s = 0.05, silence_s = 2.0 }
"""


def machine(*points: str, more: str = "") -> ModbusProfile:
    """A machine with points such as `name="a"; address=3; type="int16"`."""
    text = MACHINE + more
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


@dataclass
class Told:
    """A sink that keeps everything."""

    got: list[Sample] = field(default_factory=list)
    batches: list[RecordBatch] = field(default_factory=list)
    notices: list[tuple[NoticeKind, int, str]] = field(default_factory=list)
    links: list[tuple[LinkState, str]] = field(default_factory=list)
    heard_count: int = 0

    def heard(self) -> None:
        self.heard_count += 1

    def samples(self, samples: Sequence[Sample]) -> None:
        self.got.extend(samples)

    def records(self, batch: RecordBatch) -> None:
        self.batches.append(batch)

    def notice(self, kind: NoticeKind, count: int, text: str) -> None:
        self.notices.append((kind, count, text))

    def link(self, state: LinkState, reason: str) -> None:
        self.links.append((state, reason))

    def latest(self) -> dict[str, Sample]:
        return {sample.point: sample for sample in self.got}

    def numbers(self) -> list[int]:
        return [int(n) for batch in self.batches for n in batch.columns["sequence"].tolist()]

    def lost(self) -> int:
        return sum(count for kind, count, _ in self.notices if kind is NoticeKind.DATA_LOST)


async def until(condition: Callable[[], object], within_s: float, what: str) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {within_s} s: {what}")
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(driver: ModbusDriver) -> AsyncIterator[Told]:
    """One session of `driver`, cancelled at the end; it must leave no task behind."""
    before = asyncio.all_tasks()
    told = Told()
    task = asyncio.create_task(driver.session(told))
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=2)
        assert task.cancelled() or task.exception() is not None
        await asyncio.sleep(0)
        assert not {task for task in asyncio.all_tasks() - before if not _serves(task)}


def _serves(task: "asyncio.Task[object]") -> bool:
    name = getattr(task.get_coro(), "__qualname__", "")
    return "stream_server" in name or name == "_closed"


async def failure_of(driver: ModbusDriver, within_s: float = 10.0) -> tuple[str, Told]:
    """Runs a session that must fail; its error's text and what it gave until then."""
    told = Told()
    async with asyncio.timeout(within_s):
        with pytest.raises(DeviceError) as failed:
            await driver.session(told)
    return str(failed.value), told


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def ready(command: Sequence[str | Path]) -> "tuple[subprocess.Popen[str], int]":
    """Starts a device and waits until it says `ready PORT`."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PEERS
    )
    assert process.stdout is not None
    words = process.stdout.readline().split()
    if words[:1] != ["ready"]:
        end(process)
        pytest.fail(f"{command} did not start")
    return process, int(words[1])


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def built_device(folder: Path) -> Path:
    """The libmodbus device, compiled."""
    compiler, pkg_config = shutil.which("cc"), shutil.which("pkg-config")
    if compiler is None or pkg_config is None:
        pytest.skip("needs cc and pkg-config")
    flags = subprocess.run(
        [pkg_config, "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        pytest.skip("needs libmodbus with its headers (libmodbus-dev)")
    program = folder / "modbus_device"
    source = PEERS / "modbus_device.c"
    subprocess.run([compiler, "-O1", "-o", program, source, *flags.stdout.split()], check=True)
    return program


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
