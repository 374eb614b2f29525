"""An LLRP reader, for tests: written from EPCglobal's LLRP 1.1, sharing no code with the driver."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from equipment import catalogue
from equipment.llrp_profile import LlrpProfile
from protocols.llrp.driver import LlrpDriver
from protocols.llrp.options import LlrpOptions

#: Requests by their type, and the type of the answer.
SET_CONFIG, CLOSE, ADD, DELETE, START, ENABLE, GET, EVENTS, ACK = 3, 14, 20, 21, 22, 24, 26, 64, 72
ANSWERS = {SET_CONFIG: 13, CLOSE: 4, ADD: 30, DELETE: 31, START: 32, ENABLE: 34, GET: 36}

#: A microsecond of the reader's clock, in 2026.
NOW_US = 1_780_000_000_000_000

PROFILE = """\
id = "gate"
title = { en = "Gate", zh = "读卡门" }
kind = "rfid_reader"
protocol = "llrp"
scan = { period_s = 0.02, silence_s = 0.2 }
"""


def tlv(kind: int, body: bytes) -> bytes:
    return struct.pack(">HH", kind, len(body) + 4) + body


def message(kind: int, number: int, body: bytes = b"", version: int = 1) -> bytes:
    return struct.pack(">HII", version << 10 | kind, len(body) + 10, number) + body


def status(code: int = 0, text: str = "") -> bytes:
    words = text.encode()
    return tlv(287, struct.pack(">HH", code, len(words)) + words)


def tag(
    epc: str,
    t_us: int | None = NOW_US,
    antenna: int | None = 1,
    rssi: int | None = -60,
    *more: bytes,
) -> bytes:
    """A TagReportData; `epc` in hexadecimal digits."""
    data = bytes.fromhex(epc)
    body = b"\x8d" + data if len(data) == 12 else tlv(241, struct.pack(">H", 8 * len(data)) + data)
    if antenna is not None:
        body += b"\x81" + struct.pack(">H", antenna)
    if rssi is not None:
        body += b"\x86" + struct.pack(">b", rssi)
    if t_us is not None:
        body += b"\x82" + struct.pack(">Q", t_us)
    return tlv(240, body + b"".join(more))


def event(*parameters: bytes, t_us: int | None = NOW_US) -> bytes:
    """The body of a READER_EVENT_NOTIFICATION."""
    time = tlv(129, bytes(8)) if t_us is None else tlv(128, struct.pack(">Q", t_us))
    return tlv(246, time + b"".join(parameters))


@dataclass
class Reader:
    """`rospecs` by their number: state (0 disabled, 1 inactive, 2 active), the whole parameter."""

    rospecs: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    #: ConnectionAttemptEvent, and the time of the greeting; None: it does not greet.
    attempt: int | None = 0
    clock_us: int | None = NOW_US
    #: Statuses by which requests are refused: code and words.
    refusals: dict[int, tuple[int, str]] = field(default_factory=dict)
    #: What is sent in place of an answer; None is nothing at all.
    twist: Callable[[int, bytes], bytes | None] = lambda _, answer: answer
    #: The state of a ROSpec that was enabled.
    enabled: int = 2
    version: int = 1
    port: int = 0
    got: list[tuple[int, bytes]] = field(default_factory=list)
    clients: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def kinds(self) -> list[int]:
        return [kind for kind, _ in self.got]

    async def server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.clients += 1
        try:
            if self.attempt is not None:
                greeting = event(tlv(256, struct.pack(">H", self.attempt)), t_us=self.clock_us)
                self.send(63, greeting)
            while True:
                first, length, number = struct.unpack(">HII", await reader.readexactly(10))
                body = await reader.readexactly(length - 10)
                assert first >> 10 == 1
                kind = first & 0x3FF
                self.got.append((kind, body))
                if kind in ANSWERS:
                    self._answer(kind, number, body)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self.clients -= 1
            writer.close()

    def _answer(self, kind: int, number: int, body: bytes) -> None:
        code, words = self.refusals.get(kind, (0, ""))
        answer = status(code, words)
        if not code:
            self._do(kind, body)
        if kind == GET:
            for state, form in self.rospecs.values():
                answer += form[:9] + bytes((state,)) + form[10:]
        sent = self.twist(kind, message(ANSWERS[kind], number, answer, self.version))
        if sent is not None:
            self._writers[-1].write(sent)

    def _do(self, kind: int, body: bytes) -> None:
        if kind == ADD:
            assert struct.unpack_from(">HH", body) == (177, len(body))
            self.rospecs[struct.unpack_from(">I", body, 4)[0]] = (0, body)
        elif kind == DELETE:
            del self.rospecs[struct.unpack(">I", body)[0]]
        elif kind == ENABLE:
            number = struct.unpack(">I", body)[0]
            self.rospecs[number] = (self.enabled, self.rospecs[number][1])
        elif kind == START:
            number = struct.unpack(">I", body)[0]
            self.rospecs[number] = (2, self.rospecs[number][1])

    def send(self, kind: int, body: bytes = b"") -> None:
        self._writers[-1].write(message(kind, 7, body, self.version))

    def event(self, *parameters: bytes) -> None:
        self.send(63, event(*parameters))

    def raw(self, data: bytes) -> None:
        self._writers[-1].write(data)

    def report(self, *tags: bytes) -> None:
        self.send(61, b"".join(tags))

    def hang_up(self) -> None:
        self._writers[-1].close()


@asynccontextmanager
async def reader(**more: Any) -> AsyncIterator[Reader]:
    made = Reader(**more)
    server = await asyncio.start_server(made.server, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in made._writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def profile(more: str = "") -> LlrpProfile:
    parsed = catalogue.parse_profile(PROFILE + more, "gate.toml")
    assert isinstance(parsed, LlrpProfile)
    return parsed


def driver_for(port: int, of: LlrpProfile | None = None, **options: Any) -> LlrpDriver:
    given = {"host": "127.0.0.1", "port": port, "timeout_s": 30.0, **options}
    return LlrpDriver("gate", of or profile(), LlrpOptions.model_validate(given))
