"""Messages and parameters of LLRP as bytes. Pure.

Numbers and forms are those of the binary encoding of EPCglobal's Low Level Reader Protocol, 1.1, in
the version of 1.0.1, which readers of both speak until something else is agreed on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct(">HII")
HEADER_BYTES: Final = _HEADER.size

#: The version that the gateway speaks, and those in which readers may answer.
_VERSION: Final = 1
_VERSIONS: Final = (1, 2)

#: Bytes of one message: a report of thousands of tags has some hundred thousand.
MESSAGE_BYTES_MOST: Final = 1 << 20

# Types of messages.
SET_READER_CONFIG: Final = 3
CLOSE_CONNECTION_RESPONSE: Final = 4
SET_READER_CONFIG_RESPONSE: Final = 13
CLOSE_CONNECTION: Final = 14
ADD_ROSPEC: Final = 20
DELETE_ROSPEC: Final = 21
START_ROSPEC: Final = 22
ENABLE_ROSPEC: Final = 24
GET_ROSPECS: Final = 26
ADD_ROSPEC_RESPONSE: Final = 30
DELETE_ROSPEC_RESPONSE: Final = 31
ENABLE_ROSPEC_RESPONSE: Final = 34
GET_ROSPECS_RESPONSE: Final = 36
RO_ACCESS_REPORT: Final = 61
KEEPALIVE: Final = 62
READER_EVENT_NOTIFICATION: Final = 63
ENABLE_EVENTS_AND_REPORTS: Final = 64
KEEPALIVE_ACK: Final = 72
ERROR_MESSAGE: Final = 100

#: By which message each request is answered.
ANSWERS: Final = {
    SET_READER_CONFIG: SET_READER_CONFIG_RESPONSE,
    CLOSE_CONNECTION: CLOSE_CONNECTION_RESPONSE,
    ADD_ROSPEC: ADD_ROSPEC_RESPONSE,
    DELETE_ROSPEC: DELETE_ROSPEC_RESPONSE,
    ENABLE_ROSPEC: ENABLE_ROSPEC_RESPONSE,
    GET_ROSPECS: GET_ROSPECS_RESPONSE,
}

# Types of parameters with a length.
UTC_TIMESTAMP: Final = 128
ROSPEC: Final = 177
RO_BOUNDARY_SPEC: Final = 178
RO_START_TRIGGER: Final = 179
RO_STOP_TRIGGER: Final = 182
AI_SPEC: Final = 183
AI_STOP_TRIGGER: Final = 184
INVENTORY_PARAMETER_SPEC: Final = 186
KEEPALIVE_SPEC: Final = 220
RO_REPORT_SPEC: Final = 237
TAG_REPORT_CONTENT: Final = 238
TAG_REPORT_DATA: Final = 240
EPC_DATA: Final = 241
EVENT_NOTIFICATION_SPEC: Final = 244
EVENT_NOTIFICATION_STATE: Final = 245
EVENT_NOTIFICATION_DATA: Final = 246
BUFFER_OVERFLOW: Final = 251
READER_EXCEPTION: Final = 252
ANTENNA_EVENT: Final = 255
CONNECTION_ATTEMPT: Final = 256
CONNECTION_CLOSE: Final = 257
STATUS: Final = 287

#: Parameters without a length: how many bytes each has.
SHORT: Final = {
    1: 2, 2: 8, 3: 8, 4: 8, 5: 8, 6: 1, 7: 2, 8: 2, 9: 4, 10: 2, 11: 2, 12: 2, 13: 12, 14: 2,
    15: 2, 16: 4, 17: 2, 18: 4, 19: 2, 20: 2,
}  # fmt: skip
ANTENNA_ID: Final = 1
FIRST_SEEN_UTC: Final = 2
PEAK_RSSI: Final = 6
EPC_96: Final = 13


class NonsenseError(Exception):
    """Bytes that are no LLRP; the text says why."""


class Message(NamedTuple):
    """A message: its type, its number, and what is in it."""

    kind: int
    number: int
    body: bytes


class Parameter(NamedTuple):
    """A parameter: its type, and what is in it."""

    kind: int
    body: bytes


def packed(kind: int, number: int, body: bytes = b"") -> bytes:
    """A message as it is sent."""
    return _HEADER.pack(_VERSION << 10 | kind, HEADER_BYTES + len(body), number) + body


def parameter(kind: int, body: bytes) -> bytes:
    """A parameter with its length."""
    return struct.pack(">HH", kind, 4 + len(body)) + body


class Splitter:
    """Cuts what comes over a connection into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole now.

        Raises:
            NonsenseError: what comes is no LLRP.
        """
        rest = self._rest
        rest += data
        while len(rest) >= HEADER_BYTES:
            first, length, number = _HEADER.unpack_from(rest)
            if first >> 10 & 7 not in _VERSIONS or first >> 13:
                msg = f"it begins with 0x{first:04x}"
                raise NonsenseError(msg)
            if not HEADER_BYTES <= length <= MESSAGE_BYTES_MOST:
                msg = f"a message of {length} bytes"
                raise NonsenseError(msg)
            if len(rest) < length:
                return
            body = bytes(rest[HEADER_BYTES:length])
            del rest[:length]
            yield Message(first & 0x3FF, number, body)


def parameters(data: bytes) -> Iterator[Parameter]:
    """The parameters that follow one another in `data`.

    Raises:
        NonsenseError: they do not fit in, or one has no known length.
    """
    at = 0
    while at < len(data):
        if data[at] & 0x80:
            kind = data[at] & 0x7F
            if kind not in SHORT:
                msg = f"a parameter {kind} that is not known"
                raise NonsenseError(msg)
            begin, end = at + 1, at + 1 + SHORT[kind]
        else:
            if at + 4 > len(data):
                msg = "a parameter that is cut off"
                raise NonsenseError(msg)
            kind, length = struct.unpack_from(">HH", data, at)
            kind &= 0x3FF
            begin, end = at + 4, at + length
        if not begin <= end <= len(data):
            msg = f"a parameter {kind} that is cut off"
            raise NonsenseError(msg)
        yield Parameter(kind, data[begin:end])
        at = end


def number(data: bytes, at: int, size: int) -> int:
    """A whole number of `size` bytes. Raises NonsenseError where there are not so many."""
    if at + size > len(data):
        msg = "a parameter that is cut off"
        raise NonsenseError(msg)
    return int.from_bytes(data[at : at + size], "big")


class Status(NamedTuple):
    """How a request ended: 0 is success; what the reader says of it."""

    code: int
    text: str


def status_of(body: bytes) -> Status:
    """The status with which an answer begins. Raises NonsenseError where there is none."""
    for found in parameters(body):
        if found.kind == STATUS:
            size = number(found.body, 2, 2)
            text = found.body[4 : 4 + size].decode("utf-8", "replace")
            return Status(number(found.body, 0, 2), text)
    msg = "an answer without a status"
    raise NonsenseError(msg)
