"""Devices that send lines of text, with faults, over TCP and in datagrams.

There is no server of another make for lines that each maker makes up: these are a few lines here.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.protocols.text_profiles import summed
from tests.support.ports import free_port
from tests.system.fault_plant import Act, Case, Plant, hanging, machine_profile, resetting, setting
from tests.system.fault_proxy import proxy
from tests.system.fault_values import POISON, number_of

POINTS = 6
PERIOD_S = 0.2
SILENCE_S = 2.0
HOUR_S = 3600.0
#: So late are lines of a device that is slow.
SLOW_S = 3.0

_HEAD = """
[[line]]
name = "values"
starts_with = "$VAL,"
width = 9
checksum = { kind = "xor", first = 1 }
[[line.field]]
name = "sequence"
at = 1
type = "integer"
modulo = 65536
[[line.field]]
name = "t_us"
at = 2
type = "time"
unit = "us"
[[point]]
name = "v{n}"
meaning = { en = "value {n}", zh = "值{n}" }
at = 3
repeat = { count = 6, first = 0 }
"""
PROFILE = machine_profile("plant", "text", _HEAD, f"period_s = {PERIOD_S}\nsilence_s = {SILENCE_S}")

Write = Callable[[bytes], None]
#: What becomes of the fields of a line, and then of the line.
Fields = Callable[[list[str]], list[str]]
Line = Callable[[bytes], bytes]


def _unchanged(fields: list[str]) -> list[str]:
    return fields


def _whole(line: bytes) -> bytes:
    return line


class Device:
    """Says a line each period to whoever listens."""

    def __init__(self, number: int, *, is_reader: bool = False) -> None:
        self._number = number
        self._is_reader = is_reader
        self._sequence = 0
        self.writes: set[Write] = set()
        self.reset()

    def reset(self) -> None:
        """All is well again."""
        self.speaks = True
        self.fields: Fields = _unchanged
        self.line: Line = _whole
        self.delay_s = 0.0
        #: So many numbers are left out before each line.
        self.skips = 0
        self.ahead_s = 0.0
        self.fast_since_s: float | None = None

    async def run(self) -> None:
        """Runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if self.speaks:
                line = self.line(self._next()) + b"\n"
                for write in self.writes:
                    if self.delay_s:
                        loop.call_later(self.delay_s, write, line)
                    else:
                        write(line)
            await asyncio.sleep(PERIOD_S)

    def _next(self) -> bytes:
        now_s = time.time()
        self._sequence = (self._sequence + 1 + self.skips) % 65_536
        # A fifth too fast: what came at twice the pace would be taken for a backlog.
        fast_s = 0.0 if self.fast_since_s is None else 0.2 * (now_s - self.fast_since_s)
        t_us = int((now_s + self.ahead_s + fast_s) * 1e6)
        if self._is_reader:
            return summed(f"#RNG,{self._sequence},{t_us},14010000000100001,A001,5000,-78.4,,0")
        numbers = [str(number_of(self._number, point, now_s)) for point in range(POINTS)]
        return summed(",".join(["$VAL", str(self._sequence), str(t_us), *self.fields(numbers)]))


def _with(place: slice, text: str) -> Fields:
    def change(fields: list[str]) -> list[str]:
        wrong = fields.copy()
        wrong[place] = [text] * len(fields[place])
        return wrong

    return change


_POISON = str(int.from_bytes(bytes([POISON]) * 4, "big"))
_CHANGES: Mapping[str, tuple[str, object]] = {
    "dead": ("speaks", False),
    "silent": ("speaks", False),
    "slow": ("delay_s", SLOW_S),
    "short": ("line", lambda line: line[: len(line) * 2 // 3]),
    "length": ("fields", lambda fields: [_POISON, *fields]),
    "id": ("skips", 3),
    "one_refused": ("fields", _with(slice(3, 4), "n/a")),
    "all_refused": ("fields", _with(slice(0, POINTS), "n/a")),
    "garbage": ("line", lambda line: b"\xa5" * len(line)),
    "flipped": ("line", lambda line: line[:30] + bytes([line[30] ^ 1]) + line[31:]),
}
#: Faults of a network between a device and the gateway.
_OF_WIRES = ("cut", "half_closed")
_CLOCKS = ("jump", "drift")


def _case(device: Device, fault: str) -> Case:
    name, value = _CHANGES[fault]

    async def begin() -> None:
        setattr(device, name, value)

    missing = frozenset({"v3"} if fault == "one_refused" else ())
    return Case(fault, fault, begin, _righting(device), missing)


def _righting(device: Device) -> Act:
    async def act() -> None:
        device.reset()

    return act


def _clock_case(device: Device, fault: str) -> Case:
    async def begin() -> None:
        if fault == "jump":
            device.ahead_s = HOUR_S
        else:
            device.ahead_s, device.fast_since_s = 3.5, time.time()

    return Case(fault, fault, begin, _righting(device), reads_records=True)


class _Rig:
    """A plant that grows; `tcp`: devices listen, else they send datagrams."""

    def __init__(self, stack: AsyncExitStack, *, tcp: bool) -> None:
        self.plant = Plant(POINTS, {"plant.toml": PROFILE})
        self._stack = stack
        self._tcp = tcp

    def device(self, name: str, port: int, *, fault: bool = True) -> Device:
        """A machine that speaks; `port` is what the gateway is told."""
        add = self.plant.add if fault else self.plant.add_neighbour
        return self._speaking(Device(add(name, "plant", **self._keys(port))))

    def reader(self, name: str, port: int) -> Device:
        """A reader that speaks."""
        self.plant.add_reader(name, "uwb_text", **self._keys(port))
        return self._speaking(Device(0, is_reader=True))

    def _keys(self, port: int) -> dict[str, Any]:
        where = {} if self._tcp else {"bind": "127.0.0.1"}
        transport = "tcp" if self._tcp else "udp"
        return {"transport": transport, "host": "127.0.0.1", "port": port, **where}

    def _speaking(self, device: Device) -> Device:
        task = asyncio.create_task(device.run())

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)
        return device

    async def connect(self, device: Device, port: int) -> asyncio.Server | None:
        """Lets the gateway hear a device: at `port`, or from it."""
        if not self._tcp:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._stack.callback(made.close)

            def send(line: bytes) -> None:
                made.sendto(line, ("127.0.0.1", port))

            device.writes.add(send)
            return None

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            device.writes.add(writer.write)
            await reader.read()
            device.writes.discard(writer.write)
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", port)
        self._stack.callback(server.close)
        return server


@asynccontextmanager
async def _plant(*, tcp: bool) -> AsyncIterator[Plant]:
    async with AsyncExitStack() as stack:
        rig = _Rig(stack, tcp=tcp)
        port = free_port()
        await rig.connect(rig.device("good", port, fault=False), port)
        for fault in _CHANGES:
            if fault == "dead" if tcp else fault == "silent":
                continue
            port = free_port()
            device = rig.device(fault, port)
            await rig.connect(device, port)
            rig.plant.cases.append(_case(device, fault))
        for fault in _CLOCKS:
            port = free_port()
            reader = rig.reader(fault, port)
            await rig.connect(reader, port)
            rig.plant.cases.append(_clock_case(reader, fault))
        if tcp:
            await _add_wires(rig, stack)
        yield rig.plant


async def _add_wires(rig: _Rig, stack: AsyncExitStack) -> None:
    for fault in (*_OF_WIRES, "hung", "dead"):
        port = free_port()
        wire = await stack.enter_async_context(proxy(port))
        await rig.connect(rig.device(fault, wire.port), port)
        if fault == "hung":
            rig.plant.cases.append(hanging(wire))
        elif fault == "dead":
            rig.plant.cases.append(Case(fault, fault, wire.refuse, wire.listen))
        else:
            name = {"cut": "cuts", "half_closed": "half_closes"}[fault]
            rig.plant.cases.append(
                Case(fault, fault, setting(wire, name, value=True), resetting(wire))
            )


def text_tcp(_folder: Path) -> Any:
    """Devices to which the gateway connects."""
    return _plant(tcp=True)


def text_udp(_folder: Path) -> Any:
    """Devices that send datagrams to the gateway."""
    return _plant(tcp=False)
