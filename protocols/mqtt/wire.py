"""Sparkplug B payloads from bytes: a decoder of what the gateway reads of them. Pure.

Field numbers and types are those of the official `sparkplug_b.proto` (Eclipse Tahu); the encoding
is that of protocol buffers. Fields that are unknown, or come with another wire type, are skipped,
as protocol buffers ask for. Of a metric's properties only `Quality` is read (Sparkplug 3.0,
6.4.14).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from protocols.mqtt.message import PAYLOAD_BYTES_MAX

#: Metrics of one payload; a birth names all that an edge node has.
METRICS_MOST: Final = 10_000

#: Properties of one metric.
PROPERTIES_MOST: Final = 100

#: Bytes of the longest number (64 bits, seven in each byte).
VARINT_BYTES_MOST: Final = 10

#: Highest number of a field.
_FIELD_MOST: Final = (1 << 29) - 1

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_64_BITS: Final = (1 << 64) - 1
_32_BITS: Final = (1 << 32) - 1

#: The metric's `oneof value`: field number to its wire type.
_VALUES: Final = {
    10: _VARINT,
    11: _VARINT,
    12: _FIXED32,
    13: _FIXED64,
    14: _VARINT,
    15: _BYTES,
    16: _BYTES,
    17: _BYTES,
    18: _BYTES,
    19: _BYTES,
}
#: Values that are numbers, truth and text, by their field.
INT, LONG, FLOAT, DOUBLE, BOOLEAN, STRING = 10, 11, 12, 13, 14, 15

Raw = int | float | bool | str | bytes


class MalformedError(Exception):
    """The bytes are no such payload; the text says why."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; None where a field is not there.

    `kind` is the field of the value: `INT` to `STRING`, beyond for what the gateway does not read.
    """

    name: str | None = None
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int | None = None
    is_historical: bool = False
    is_null: bool = False
    quality: int | None = None
    kind: int | None = None
    value: Raw | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload; `seq` is None where it has none."""

    timestamp_ms: int | None = None
    seq: int | None = None
    metrics: tuple[Metric, ...] = ()


def decode(data: bytes, *, metrics: bool = True) -> Payload:
    """The payload in `data`; without its metrics where nobody asks for them.

    Raises:
        MalformedError: it is none, too long, or has too many metrics.
    """
    if len(data) > PAYLOAD_BYTES_MAX:
        msg = f"longer than {PAYLOAD_BYTES_MAX} bytes"
        raise MalformedError(msg)
    timestamp_ms = seq = None
    found: list[Metric] = []
    for number, wire, value in _fields(data):
        if wire == _VARINT and number == 1:
            timestamp_ms = _as_int(value)
        elif wire == _VARINT and number == 3:
            seq = _as_int(value)
        elif wire == _BYTES and number == 2 and metrics:
            if len(found) == METRICS_MOST:
                msg = f"more than {METRICS_MOST} metrics"
                raise MalformedError(msg)
            found.append(_metric(_as_bytes(value)))
    return Payload(timestamp_ms, seq, tuple(found))


def _metric(data: bytes) -> Metric:
    name = alias = timestamp_ms = datatype = quality = kind = None
    value: Raw | None = None
    flags = {5: False, 7: False}
    for number, wire, raw in _fields(data):
        if number in _VALUES:
            if wire == _VALUES[number]:
                kind, value = number, _value(number, raw)
        elif wire == _BYTES and number == 1:
            name = _text(_as_bytes(raw))
        elif wire == _BYTES and number == 9:
            quality = _quality(_as_bytes(raw))
        elif wire != _VARINT:
            continue
        elif number == 2:
            alias = _as_int(raw)
        elif number == 3:
            timestamp_ms = _as_int(raw)
        elif number == 4:
            datatype = _as_int(raw) & _32_BITS
        elif number in flags:
            flags[number] = bool(raw)
    metric = Metric(name, alias, timestamp_ms, datatype, flags[5], flags[7], quality)
    return replace(metric, kind=kind, value=value)


def _value(number: int, raw: int | bytes) -> Raw:
    if number == INT:
        return _as_int(raw) & _32_BITS
    if number == LONG:
        return _as_int(raw)
    if number == BOOLEAN:
        return bool(raw)
    data = _as_bytes(raw)
    if number == FLOAT:
        single: float = struct.unpack("<f", data)[0]
        return single
    if number == DOUBLE:
        double: float = struct.unpack("<d", data)[0]
        return double
    return _text(data) if number == STRING else data


def _quality(data: bytes) -> int | None:
    """The number of the property `Quality` in a set of properties."""
    keys, values = [], []
    for number, wire, raw in _fields(data):
        if wire == _BYTES and number == 1:
            keys.append(_as_bytes(raw))
        elif wire == _BYTES and number == 2:
            values.append(_as_bytes(raw))
        if max(len(keys), len(values)) > PROPERTIES_MOST:
            msg = f"more than {PROPERTIES_MOST} properties of a metric"
            raise MalformedError(msg)
    for key, value in zip(keys, values, strict=False):
        if key == b"Quality":
            numbers = [raw for number, wire, raw in _fields(value) if (number, wire) == (3, 0)]
            return _as_int(numbers[-1]) & _32_BITS if numbers else None
    return None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        msg = "has a text that is not UTF-8"
        raise MalformedError(msg) from None


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Fields as (number, wire type, value): an int for varints, else bytes."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if not 0 < number <= _FIELD_MOST:
            msg = "has a field that there is not"
            raise MalformedError(msg)
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if length < 0:
            msg = f"has a field of wire type {wire}"
            raise MalformedError(msg)
        if length > end - at:
            msg = "ends within a field"
            raise MalformedError(msg)
        yield number, wire, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    number = shift = 0
    for byte in data[at : at + VARINT_BYTES_MOST]:
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return number & _64_BITS, at
    msg = "has a number that does not end"
    raise MalformedError(msg)


def _as_int(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value


def _as_bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value
