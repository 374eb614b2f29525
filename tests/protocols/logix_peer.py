"""A Logix controller on EtherNet/IP, for tests: written from CIP Volumes 1 and 2 and 1756-PM020.

It shares no code with the driver. What it is asked is kept, service by service, so that a test can
say that nothing but reads was.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from equipment import catalogue
from equipment.ethernetip_profile import EthernetIpProfile
from protocols.ethernetip.driver import EthernetIpDriver
from protocols.ethernetip.options import EthernetIpOptions

TYPES = {
    "BOOL": (0xC1, "<?"), "SINT": (0xC2, "<b"), "INT": (0xC3, "<h"), "DINT": (0xC4, "<i"),
    "LINT": (0xC5, "<q"), "USINT": (0xC6, "<B"), "UINT": (0xC7, "<H"), "UDINT": (0xC8, "<I"),
    "REAL": (0xCA, "<f"), "LREAL": (0xCB, "<d"), "DWORD": (0xD3, "<I"),
}  # fmt: skip

#: What the Identity object says: connections in run mode, and what else it may be.
RUNS, IDLE, FAULTED = 0x3060, 0x3070, 0x3460

PROFILE = """\
id = "drive"
title = { en = "Drive", zh = "驱动" }
kind = "machine"
protocol = "ethernetip"
scan = { period_s = 0.05, silence_s = 5.0, classes = { slow = 0.3 } }
"""


def typed(kind: str, value: float) -> bytes:
    code, form = TYPES[kind]
    return struct.pack("<H", code) + struct.pack(form, value)


def string(text: bytes, room: int = 82, handle: int = 0x0FCE) -> bytes:
    data = text.ljust(room, b"\0")
    return struct.pack("<HHi", 0x02A0, handle, len(text)) + data + bytes(-len(data) % 4)


@dataclass
class Logix:
    """`tags` by name, in small letters, as `drive[3].speed`: the type with the value."""

    tags: dict[str, bytes] = field(default_factory=dict)
    #: Statuses of tags that are refused: general and extended.
    refused: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    status: int = RUNS
    large: bool = True
    #: The extended status by which a connection is refused.
    full: int | None = None
    #: The general status by which all merged reads are refused.
    deaf: int = 0
    #: Changes what is sent, or makes it nothing at all (None): answer, its command.
    twist: Callable[[bytes, int], bytes | None] = lambda answer, _: answer
    port: int = 0
    #: What it was asked: ("FWD", service), or the parts of merged requests.
    asked: list[tuple[int, int]] = field(default_factory=list)
    merges: list[int] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    connections: int = 0
    sessions: int = 0
    opened: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.opened += 1
        try:
            while True:
                head = await reader.readexactly(24)
                command, length, session, _, context, _ = struct.unpack("<HHII8sI", head)
                data = await reader.readexactly(length)
                if command == 0x66:
                    self.sessions -= 1
                    break
                session, answer = self._answered(command, session, data)
                head = struct.pack("<HHII8sI", command, len(answer), session, 0, context, 0)
                sent = self.twist(head + answer, command)
                if sent is not None:
                    writer.write(sent)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _answered(self, command: int, session: int, data: bytes) -> tuple[int, bytes]:
        if command == 0x65:
            self.sessions += 1
            return 0x11223344, data
        assert session == 0x11223344
        at = 8
        items = []
        for _ in range(2):
            kind, size = struct.unpack_from("<HH", data, at)
            items.append((kind, data[at + 4 : at + 4 + size]))
            at += 4 + size
        if command == 0x6F:
            answer = self._service(items[1][1], struct.pack("<I", 1))
            return session, bytes(6) + struct.pack("<HHHHH", 2, 0, 0, 0xB2, len(answer)) + answer
        assert command == 0x70
        assert items[0] == (0xA1, b"\x01\x00\x02\x00")
        answer = items[1][1][:2] + self._service(items[1][1][2:], b"")
        head = struct.pack("<HHH4sHH", 2, 0xA1, 4, b"\x09\0\0\0", 0xB1, len(answer))
        return session, bytes(6) + head + answer

    def _service(self, request: bytes, _: bytes) -> bytes:
        service, words = request[0], request[1]
        path, data = request[2 : 2 + 2 * words], request[2 + 2 * words :]
        where = path[1] if path[:1] == b"\x20" else 0
        self.asked.append((service, where))
        if where == 6 and service in (0x54, 0x5B):
            return self._forward_open(service)
        if where == 6 and service == 0x4E:
            self.connections -= 1
            return _answer(service, data[2:10] + b"\0\0")
        if where == 2 and service == 0x0A:
            return self._merged(data)
        if where == 1 and service == 0x0E and path[4:] == b"\x30\x05":
            return _answer(service, struct.pack("<H", self.status))
        if where == 1 and service == 0x01:
            name = b"1756-L83E/B"
            body = struct.pack("<HHHBBHIB", 1, 14, 166, 33, 11, self.status, 77, len(name))
            return _answer(service, body + name)
        if service == 0x4C and where == 0:
            return self._read(_name(path), data)
        return _answer(service, b"", 0x08)

    def _forward_open(self, service: int) -> bytes:
        if self.full is not None:
            return _answer(service, b"\0\0", 0x01, self.full)
        if service == 0x5B and not self.large:
            return _answer(service, b"", 0x08)
        self.connections += 1
        ids = b"\x01\x00\x02\x00" + b"\x09\0\0\0"
        return _answer(service, ids + b"\x27\x04\x09\x10" + bytes(4) + bytes(8) + b"\0\0")

    def _merged(self, data: bytes) -> bytes:
        if self.deaf:
            return _answer(0x0A, b"", self.deaf)
        count = struct.unpack_from("<H", data)[0]
        starts = [*struct.unpack_from(f"<{count}H", data, 2), len(data)]
        self.merges.append(count)
        answers = [self._service(data[a:b], b"") for a, b in pairwise(starts)]
        at = 2 + 2 * count
        offsets = b""
        for answer in answers:
            offsets += struct.pack("<H", at)
            at += len(answer)
        failed = any(answer[2] for answer in answers)
        body = struct.pack("<H", count) + offsets + b"".join(answers)
        return _answer(0x0A, body, 0x1E if failed else 0)

    def _read(self, name: str, data: bytes) -> bytes:
        self.reads.append(name)
        assert data == b"\x01\x00", "one element"
        if name in self.refused:
            return _answer(0x4C, b"", *self.refused[name])
        if name.lower() not in self.tags:
            return _answer(0x4C, b"", 0x04, 0)
        return _answer(0x4C, self.tags[name.lower()])


def _answer(service: int, data: bytes, status: int = 0, extended: int | None = None) -> bytes:
    more = b"" if extended is None else struct.pack("<H", extended)
    return bytes((service | 0x80, 0, status, len(more) // 2)) + more + data


def _name(path: bytes) -> str:
    """A path of symbols and members as text (CIP Volume 1, Appendix C)."""
    name, at = "", 0
    while at < len(path):
        kind = path[at]
        if kind == 0x91:
            size = path[at + 1]
            name += "." + path[at + 2 : at + 2 + size].decode()
            at += 2 + size + size % 2
        elif kind == 0x28:
            name, at = f"{name}[{path[at + 1]}]", at + 2
        else:
            size = {0x29: 2, 0x2A: 4}[kind]
            index = int.from_bytes(path[at + 2 : at + 2 + size], "little")
            name, at = f"{name}[{index}]", at + 2 + size
    return name.removeprefix(".").replace("][", ",")


@asynccontextmanager
async def controller(**more: Any) -> AsyncIterator[Logix]:
    made = Logix(**more)
    server = await asyncio.start_server(made.server, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in made._writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def machine(*points: str, more: str = "") -> EthernetIpProfile:
    """A profile with points as `name="a"; tag="B"`."""
    rows = []
    for point in points:
        word = "x {n}" if "repeat" in point else "x"
        keys = point.replace("; ", "\n")
        rows.append(f'[[point]]\nmeaning = {{ en = "{word}", zh = "{word}" }}\n{keys}\n')
    profile = catalogue.parse_profile(PROFILE + more + "".join(rows), "drive.toml")
    assert isinstance(profile, EthernetIpProfile)
    return profile


def driver_for(profile: EthernetIpProfile, port: int, **options: Any) -> EthernetIpDriver:
    given = {"host": "127.0.0.1", "port": port, "timeout_s": 30.0, **options}
    return EthernetIpDriver("m1", profile, EthernetIpOptions.model_validate(given))
