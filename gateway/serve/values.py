"""Values of points as bytes of the contract: a plant tells thousands a second.

The bytes are those that protocol buffers make of the same message; what is the same for a point in
each message is made once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from equipment.report import Quality, Sample, Value
from gateway.serve.encode import delimited, varint
from lamproom.v1 import equipment_pb2
from lamproom.v1.equipment_pb2 import Equipment, PointValue

#: Names and meanings that are kept as bytes: more than any mine has points.
POINTS_KEPT: Final = 65_536

#: A number is in 64 bits; its field's key is before it.
_NUMBER: Final = struct.Struct("<Bd")
_NUMBER_KEY: Final = PointValue.NUMBER_FIELD_NUMBER << 3 | 1


def encode_values(samples: Iterable[Sample], units: dict[str, str]) -> bytes:
    """The field `values` of an `Equipment`: each of `samples`, with its unit by point."""
    parts: list[bytes] = []
    last_t_ns, came = -1, b""
    for _, point, value, quality, reason, source_t_ns, receive_t_ns in samples:
        if receive_t_ns != last_t_ns:
            # Those of one answer have one time.
            last_t_ns = receive_t_ns
            came = _time(PointValue.RECEIVE_TIME_FIELD_NUMBER, receive_t_ns)
        unit = units.get(point, "")
        is_good = quality is Quality.GOOD and not reason
        body = _value(value) + (_good(unit) if is_good else _meaning(unit, quality, reason))
        if source_t_ns is not None:
            body += _time(PointValue.SOURCE_TIME_FIELD_NUMBER, source_t_ns)
        parts += (_head(point, len(body) + len(came)), body, came)
    return b"".join(parts)


def _value(value: Value | None) -> bytes:
    if isinstance(value, float):
        return _NUMBER.pack(_NUMBER_KEY, value)
    if value is None:
        return b""
    if isinstance(value, str):
        return delimited(PointValue.TEXT_FIELD_NUMBER, value.encode())
    if isinstance(value, bool):
        return varint(PointValue.FLAG_FIELD_NUMBER << 3) + bytes([value])
    return _NUMBER.pack(_NUMBER_KEY, value)


@lru_cache(POINTS_KEPT)
def _head(point: str, rest: int) -> bytes:
    """What begins a point's entry, with the name; `rest` bytes follow."""
    name = delimited(PointValue.POINT_FIELD_NUMBER, point.encode())
    return varint(Equipment.VALUES_FIELD_NUMBER << 3 | 2) + varint(len(name) + rest) + name


@lru_cache(POINTS_KEPT)
def _good(unit: str) -> bytes:
    """What stands after a good value."""
    return _meaning(unit, Quality.GOOD, "")


def _meaning(unit: str, quality: Quality, reason: str) -> bytes:
    """What stands after a value."""
    told = equipment_pb2.Quality.ValueType(quality)
    return PointValue(unit=unit, quality=told, quality_reason=reason).SerializeToString()


def _time(field: int, t_ns: int) -> bytes:
    time = Timestamp()
    time.FromNanoseconds(t_ns)
    return delimited(field, time.SerializeToString())
