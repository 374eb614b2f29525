"""OPC UA servers with faults: node-opcua in processes, on the far side of networks that fail."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import PEERS, missing_node
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.system.fault_plant import (
    Act,
    Case,
    Plant,
    hanging,
    machine_profile,
    resetting,
    setting,
    stopping,
)
from tests.system.fault_proxy import Change, Proxy, proxy
from tests.system.fault_values import POISON

#: How long an answer may take.
TIMEOUT_S = 2.0

POINTS = 6
_PROFILE = machine_profile(
    "plant",
    "opcua",
    """
[namespaces]
app = "urn:lamproom:test:plant"
[[point]]
name = "v{n}"
meaning = { en = "value {n}", zh = "值{n}" }
path = "app:v{n}"
repeat = { count = 6, first = 0 }
""",
    "period_s = 0.2\nsilence_s = 4.0",
)

#: OPC 10000-6, 6.7.2: a message is `MSG`, how it goes on, its size; then come the channel, the
#: token, its number, and the number of the request that it answers.
_SIZE = slice(4, 8)
_NUMBER = slice(16, 20)
_REQUEST_ID = 20
_BODY = 24
#: The type of a PublishResponse: two bytes that say how it is written, then its number.
_PUBLISHED = (829).to_bytes(2, "little")


def messages(change: Change) -> Callable[[], Change]:
    """Changes each whole `MSG` of a stream, as far as it comes whole; the opening passes."""

    def make() -> Change:
        left = b""

        def of_stream(data: bytes) -> bytes:
            nonlocal left
            left, out = left + data, b""
            while len(left) >= _BODY and len(left) >= (size := _size(left)):
                one, left = left[:size], left[size:]
                out += change(one) if one[:3] == b"MSG" else one
            return out

        return of_stream

    return make


def _size(data: bytes) -> int:
    return int.from_bytes(data[_SIZE], "little")


def _sized(message: bytes, size: int) -> bytes:
    return message[:4] + size.to_bytes(4, "little") + message[8:]


def short(message: bytes) -> bytes:
    """A message that ends too early."""
    cut = message[:-8]
    return _sized(cut, len(cut))


def longer(message: bytes) -> bytes:
    """A message that says to be longer than it is."""
    return _sized(message, len(message) + 7)


def of_other(message: bytes) -> bytes:
    """The answer to another request."""
    at = _REQUEST_ID
    return message[:at] + bytes([message[at] ^ 0x55]) + message[at + 1 :]


def garbage(message: bytes) -> bytes:
    """As long as a message, and nothing of it."""
    return bytes([POISON]) * len(message)


def flipped(message: bytes) -> bytes:
    """One bit is another."""
    return message[:40] + bytes([message[40] ^ 0x10]) + message[41:]


def mute() -> Change:
    """Drops what a subscription sends; the rest is numbered as if nothing was missing."""
    dropped = 0

    def change(message: bytes) -> bytes:
        nonlocal dropped
        if message[_BODY + 2 : _BODY + 4] == _PUBLISHED:
            dropped += 1
            return b""
        number = int.from_bytes(message[_NUMBER], "little") - dropped
        return message[: _NUMBER.start] + number.to_bytes(4, "little") + message[_NUMBER.stop :]

    pass_on = messages(change)()

    def of_stream(data: bytes) -> bytes:
        nonlocal dropped, pass_on
        if data[:3] == b"ACK":  # another connection
            dropped, pass_on = 0, messages(change)()
        return pass_on(data)

    return of_stream


_CHANGES: Mapping[str, tuple[str, Callable[[], object]]] = {
    "slow": ("delay_s", lambda: 3 * TIMEOUT_S),
    "short": ("change", messages(short)),
    "length": ("change", messages(longer)),
    "id": ("change", messages(of_other)),
    "garbage": ("change", messages(garbage)),
    "flipped": ("change", messages(flipped)),
    "mute": ("change", mute),
    "cut": ("cuts", lambda: True),
    "half_closed": ("half_closes", lambda: True),
}
#: What a server is told, for a device of its own or for all of it; how it is undone.
_COMMANDS: Mapping[str, tuple[str, str]] = {
    "one_refused": ("bad one_refused 1", "good one_refused"),
    "all_refused": ("bad all_refused 6", "good all_refused"),
    "late": ("remove late", "add late"),
}
_OF_SERVERS: Mapping[str, tuple[str, str]] = {
    "jump": ("ahead", "right"),
    "drift": ("fast", "right"),
    "restarted": ("forget", ""),
}


class Servers:
    """Starts servers, and ends all of them."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        if why := missing_node("node-opcua"):
            pytest.skip(why)
        self._pki = folder / "pki"
        self._pki.mkdir()
        self._stack = stack

    async def start(self, port: int, devices: Mapping[str, int], shift: int = 0) -> Process:
        """A server, ready."""
        words = {
            "port": port,
            "pki": self._pki,
            "devices": ",".join(f"{name}:{number}" for name, number in devices.items()),
            "shift": shift,
        }
        command = ["node", "opcua_plant.js", *(f"{key}={value}" for key, value in words.items())]
        process = Process(command, self._pki, "plant", cwd=PEERS)
        self._stack.callback(process.end)
        self._stack.callback(process.popen.send_signal, signal.SIGCONT)
        await asyncio.to_thread(process.word_after, "READY")
        return process


def telling(process: Process, line: str) -> Act:
    """Tells a server something; nothing where there is nothing to tell."""

    async def act() -> None:
        if line:
            process.tell(line)

    return act


@asynccontextmanager
async def opcua(folder: Path) -> AsyncIterator[Plant]:
    """One server whose devices have faults of their own, and one for each fault of a server."""
    plant = Plant(POINTS, {"plant.toml": _PROFILE})
    async with AsyncExitStack() as stack:
        servers = Servers(folder, stack)
        port = free_port()
        shared = {
            name: plant.add_neighbour(name, "plant", **_keys(port, name))
            for name in ("good_1", "good_2")
        }
        for fault in _COMMANDS:
            shared[fault] = plant.add(fault, "plant", **_keys(port, fault))
        wires = {}
        for fault in (*_CHANGES, "hung"):
            wire: Proxy = await stack.enter_async_context(proxy(port))
            keys = _keys(wire.port, fault)
            keys |= {"security": "basic256sha256"} if fault == "flipped" else {}
            shared[fault] = plant.add(fault, "plant", **keys)
            wires[fault] = wire
        server = await servers.start(port, shared)
        plant.cases.append(hanging(wires.pop("hung")))
        for fault, wire in wires.items():
            name, value = _CHANGES[fault]
            begin = setting(wire, name, value())
            plant.cases.append(Case(fault, fault, begin, resetting(wire)))
        for fault, (begun, ended) in _COMMANDS.items():
            missing = frozenset({"v3"} if fault == "one_refused" else ())
            acts = telling(server, begun), telling(server, ended)
            plant.cases.append(Case(fault, fault, *acts, missing))
        await asyncio.gather(
            *(_add_server(plant, servers, fault) for fault in (*_OF_SERVERS, *_STOPS))
        )
        yield plant


_STOPS = ("silent", "dead", "shifted")


async def _add_server(plant: Plant, servers: Servers, fault: str) -> None:
    port = free_port()
    devices = {fault: plant.add(fault, "plant", **_keys(port, fault))}
    process = await servers.start(port, devices)
    if fault == "silent":
        plant.cases.append(stopping(process))
        return
    if fault in _OF_SERVERS:
        begin, end = (telling(process, line) for line in _OF_SERVERS[fault])
        plant.cases.append(Case(fault, fault, begin, end, is_momentary=fault == "restarted"))
        return

    async def kill() -> None:
        process.kill()

    async def again() -> None:
        await servers.start(port, devices, shift=3 if fault == "shifted" else 0)

    plant.cases.append(Case(fault, fault, kill, again))


def _keys(port: int, name: str) -> dict[str, Any]:
    return {
        "url": f"opc.tcp://127.0.0.1:{port}",
        "root": f"app:Plant/app:{name}",
        "timeout_s": TIMEOUT_S,
    }
