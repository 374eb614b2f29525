"""A broker of a few lines that records each packet it gets and can be made to say anything."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.protocols.modbus_peer import stream_server

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
PUBREC, PUBREL, SUBSCRIBE, SUBACK = 5, 6, 8, 9
UNSUBSCRIBE, PINGREQ, PINGRESP, DISCONNECT = 10, 12, 13, 14

#: Return codes of 3.1.1 (3.2.2.3) as reason codes of version 5.
REASONS = {0: 0, 1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}


def packet(kind: int, body: bytes = b"", flags: int = 0) -> bytes:
    """A packet of MQTT with its length before it."""
    length, rest = b"", len(body)
    while True:
        rest, byte = divmod(rest, 128)
        length += bytes([byte | 0x80 if rest else byte])
        if not rest:
            return bytes([kind << 4 | flags]) + length + body


def publish(topic: str, payload: bytes, qos: int = 0, mid: int = 7, *, properties: bool) -> bytes:
    body = struct.pack(">H", len(topic)) + topic.encode()
    if qos:
        body += struct.pack(">H", mid)
    return packet(PUBLISH, body + (b"\0" if properties else b"") + payload, qos << 1)


@dataclass
class Recorder:
    """What came from the gateway, and what it is answered."""

    version_5: bool
    connack: int = 0
    granted: int = 1
    #: Said after the subscription was answered.
    says: list[bytes] = field(default_factory=list)
    got: list[tuple[int, bytes]] = field(default_factory=list)
    answers_pings: bool = True

    @property
    def kinds(self) -> list[int]:
        return [kind for kind, _ in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        none = b"\0" if self.version_5 else b""
        while True:
            kind, body = await self._packet(reader)
            self.got.append((kind, body))
            if kind == CONNECT:
                code = REASONS[self.connack] if self.version_5 else self.connack
                writer.write(packet(CONNACK, bytes([0, code]) + none))
            elif kind == SUBSCRIBE:
                topics = self._topics(body)
                writer.write(packet(SUBACK, body[:2] + none + bytes([self.granted]) * topics))
                for one in self.says:
                    writer.write(one)
            elif kind == PINGREQ and self.answers_pings:
                writer.write(packet(PINGRESP))
            elif kind == DISCONNECT:
                return

    def _topics(self, body: bytes) -> int:
        at, count = 2 + (1 if self.version_5 else 0), 0
        while at < len(body):
            at += 3 + int.from_bytes(body[at : at + 2], "big")
            count += 1
        return count

    async def _packet(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        first = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return first >> 4, await reader.readexactly(length)


@asynccontextmanager
async def recording(recorder: Recorder) -> AsyncIterator[tuple[Recorder, int]]:
    """Serves the recorder; gives it and its port."""
    async with stream_server(recorder.serve) as port:
        yield recorder, port
