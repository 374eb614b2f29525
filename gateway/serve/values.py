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

from equipment.report import Quality, Sample
from gateway.serve.encode import delimited, varint
from lamproom.v1 import equipment_pb2
from lamproom.v1.equipment_pb2 import Equipment, PointValue

#: Points whose names and units are kept as bytes: more than any mine has.
POINTS_KEPT: Final = 65_536

#: A number is in 64 bits; its field's key is before it.
_NUMBER: Final = struct.Struct("<Bd")
_NUMBER_KEY: Final = PointValue.NUMBER_FIELD_NUMBER << 3 | 1


def encode_values(samples: Iterable[Sample], units: dict[str, str]) -> bytes:
    """The field `values` of an `Equipment`: each of `samples`, with its unit by point."""
    parts: list[bytes] = []
    receive_t_ns, came = -1, b""
    for sample in samples:
        if sample.receive_t_ns != receive_t_ns:
            # Those of one answer have one time.
            receive_t_ns = sample.receive_t_ns
            came = _time(PointValue.RECEIVE_TIME_FIELD_NUMBER, receive_t_ns)
        unit = units.get(sample.point, "")
        before, good = _ends(sample.point, unit)
        is_good = sample.quality is Quality.GOOD and not sample.reason
        after = good if is_good else _doubts(sample, unit)
        if sample.source_t_ns is not None:
            after += _time(PointValue.SOURCE_TIME_FIELD_NUMBER, sample.source_t_ns)
        parts.append(b"".join((before, _value(sample), after, came)))
    key = varint(Equipment.VALUES_FIELD_NUMBER << 3 | 2)
    return b"".join([key + varint(len(part)) + part for part in parts])


def _value(sample: Sample) -> bytes:
    value = sample.value
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
def _ends(point: str, unit: str) -> tuple[bytes, bytes]:
    """What stands before a value and, where it is good, after it."""
    good = PointValue(unit=unit, quality=equipment_pb2.QUALITY_GOOD)
    return delimited(PointValue.POINT_FIELD_NUMBER, point.encode()), good.SerializeToString()


def _doubts(sample: Sample, unit: str) -> bytes:
    """What stands after a value that is not good."""
    quality = equipment_pb2.Quality.ValueType(sample.quality)
    message = PointValue(unit=unit, quality=quality, quality_reason=sample.reason)
    return message.SerializeToString()


def _time(field: int, t_ns: int) -> bytes:
    time = Timestamp()
    time.FromNanoseconds(t_ns)
    return delimited(field, time.SerializeToString())
