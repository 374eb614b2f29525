"""Changes as bytes of the contract. Each is encoded once: what is stored is what is sent.

A response of a stream is one field of its `oneof`: the bytes of the inner message behind its tag
and length, so nothing is encoded twice. Position frames are made from the columns of the fixes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gateway.mine.alarms.families import FAMILIES
from gateway.mine.change import Alarm, Event, Place
from gateway.serve.cursor import Kind, seal
from lamproom.v1 import event_pb2, position_pb2, stream_pb2
from positioning.observation import FIX, Records

_LENGTH_DELIMITED: Final = 2

EVENT_FIELD: Final = event_pb2.WatchEventsResponse.EVENT_FIELD_NUMBER
FRAME_FIELD: Final = position_pb2.WatchPositionsResponse.FRAME_FIELD_NUMBER

#: Numbers of the fields of a frame's columns that are sent; None: all.
Columns: TypeAlias = "frozenset[int] | None"

#: Rows of one frame: at 80 bytes each 330 kB. A client that stalls costs two of them: what was made
#: for it, and what gRPC holds.
FRAME_ROWS_MAX: Final = 4096

#: Lengths travel as whole millimetres in 32 bits.
COORDINATE_MAX_M: Final = 2_147_483.0

#: A chainage that there is not.
NO_CHAINAGE_MM: Final = -(1 << 31)

#: Below it a varint has one byte or two.
_TWO_BYTES: Final = 1 << 14


def varint(number: int) -> bytes:
    """An unsigned number in the base-128 form of protocol buffers."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(field: int, payload: bytes) -> bytes:
    """`payload` as a length-delimited field: a message, bytes, or packed numbers."""
    return _head(field, len(payload)) + payload


@lru_cache(maxsize=1024)
def _head(field: int, length: int) -> bytes:
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(length)


def encode_event(event: Event, epoch: int) -> bytes:
    """A `WatchEventsResponse{event}`: what the journal of `epoch` stores and clients are sent."""
    message = event_pb2.Event(
        sequence=event.sequence,
        kind=event_pb2.EventKind.ValueType(event.kind),
        card=event.card,
        zone_id=event.zone,
        device_id=event.device,
        anchor_id=event.anchor,
        text=event.text,
        count=event.count,
        drill=event.drill,
        shift=event.shift,
        hazard_id=event.hazard,
        group_id=event.group,
        cursor=seal(Kind.EVENTS, epoch, event.sequence),
    )
    message.event_time.FromNanoseconds(event.event_t_ns)
    message.record_time.FromNanoseconds(event.record_t_ns)
    if event.alarm:
        message.alarm.CopyFrom(alarm_message(event.alarm))
    if event.place:
        message.place.CopyFrom(place_message(event.place))
    return delimited(EVENT_FIELD, message.SerializeToString())


def alarm_message(alarm: Alarm) -> event_pb2.Alarm:
    """An alarm as it is now."""
    message = event_pb2.Alarm(
        alarm_id=alarm.id,
        rule=alarm.rule,
        level=event_pb2.AlarmLevel.ValueType(alarm.level),
        state=event_pb2.AlarmState.ValueType(alarm.state),
        mode=event_pb2.AlarmMode.ValueType(alarm.mode),
        card=alarm.card,
        device_id=alarm.device,
        zone_id=alarm.zone,
        limit_id=alarm.limit,
        hazard_id=alarm.hazard,
        text=alarm.text,
        acknowledged_by=alarm.acknowledged_by,
        tell=alarm.tell,
        escalated=alarm.escalated,
        category=_category(alarm.rule),
        machine_id=alarm.machine,
        group_id=alarm.group,
        parent_alarm_id=alarm.parent,
    )
    message.start_time.FromNanoseconds(alarm.start_t_ns)
    message.raise_time.FromNanoseconds(alarm.raised_t_ns)
    for field, t_ns in (
        (message.end_time, alarm.end_t_ns),
        (message.acknowledge_time, alarm.acknowledged_t_ns),
        (message.hidden_until_time, alarm.hidden_until_ns),
    ):
        if t_ns is not None:
            field.FromNanoseconds(t_ns)
    if alarm.place:
        message.place.CopyFrom(place_message(alarm.place))
    return message


def _category(rule: str) -> str:
    family = FAMILIES.get(rule)  # none where another version of the gateway has raised it
    return family.category if family else ""


def place_message(place: Place) -> event_pb2.Place:
    """A place and when it was measured."""
    message = event_pb2.Place(x_m=place.x_m, y_m=place.y_m, z_m=place.z_m)
    message.measure_time.FromNanoseconds(place.t_ns)
    return message


def representable(fixes: Records) -> NDArray[np.bool_]:
    """(n,) bool: which fixes a frame can hold: finite, and within `COORDINATE_MAX_M`."""
    good = np.ones(len(fixes), np.bool_)
    for name in ("x_m", "y_m", "z_m", "vx_m_s", "vy_m_s"):
        # A comparison with NaN is false.
        good &= np.abs(fixes[name]) <= COORDINATE_MAX_M
    for name in ("var_x_m2", "cov_xy_m2", "var_y_m2"):
        good &= np.isfinite(fixes[name])
    return good


def encode_frame(
    fixes: Records,
    cursor: bytes,
    *,
    snapshot: bool = False,
    coalesced_count: int = 0,
    columns: Columns = None,
    left: NDArray[np.integer] | None = None,
) -> bytes:
    """A `WatchPositionsResponse{frame}` of (n,) FIX, n <= `FRAME_ROWS_MAX`, all representable.

    `columns` are those that are sent besides the cards; None: all. `left`, (k,) handles, are cards
    that a filter no longer lets through.
    """
    return delimited(
        FRAME_FIELD,
        b"".join(
            (
                delimited(1, cursor) if cursor else b"",
                b"\x10\x01" if snapshot else b"",
                b"\x19" + coalesced_count.to_bytes(8, "little") if coalesced_count else b"",
                _columns(fixes, columns) if len(fixes) else b"",
                b"" if left is None or not len(left) else _fixed(_LEFT, left, "<u4"),
            )
        ),
    )


def _columns(fixes: Records, columns: Columns) -> bytes:
    parts = [_fixed(_CARD, fixes["card"], "<u4")]
    parts += [
        encode(field, fixes)
        for field, encode in _COLUMNS.items()
        if columns is None or field in columns
    ]
    return b"".join(parts)


def _chainage_mm(chainage_m: NDArray[np.float64]) -> NDArray[np.float64]:
    # A comparison with NaN is false.
    chainage_mm = _milli(chainage_m)
    chainage_mm[~(np.abs(chainage_m) <= COORDINATE_MAX_M)] = NO_CHAINAGE_MM
    return chainage_mm


def _milli(metres: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.rint(metres * 1000.0)


def _fixed(field: int, column: NDArray[np.generic], wire: str) -> bytes:
    return delimited(field, column.astype(wire).tobytes())


def _varints(field: int, column: NDArray[np.integer]) -> bytes:
    """(n,) numbers from 0 on as packed varints; most are below 128, and the byte itself."""
    largest = int(column.max(initial=0))
    if largest < 0x80:
        return delimited(field, column.astype(np.uint8).tobytes())
    if largest >= _TWO_BYTES:
        return delimited(field, b"".join(map(varint, column.tolist())))
    two = column >= 0x80
    pairs = np.stack([column & 0x7F | np.where(two, 0x80, 0), column >> 7], -1).astype(np.uint8)
    return delimited(field, pairs[np.stack([np.ones_like(two), two], -1)].tobytes())


def sync_message(t_ns: int, cursor: bytes = b"") -> stream_pb2.Sync:
    """All that was there at the start has been sent."""
    message = stream_pb2.Sync(cursor=cursor)
    message.sync_time.FromNanoseconds(t_ns)
    return message


def heartbeat_message(t_ns: int, cursor: bytes = b"") -> stream_pb2.Heartbeat:
    """The stream is alive and complete up to `cursor`."""
    message = stream_pb2.Heartbeat(cursor=cursor)
    message.heartbeat_time.FromNanoseconds(t_ns)
    return message


def _plain(name: str, wire: str) -> Callable[[int, Records], bytes]:
    if FIX[name] == np.dtype(wire):
        return lambda field, fixes: delimited(field, fixes[name].tobytes())
    return lambda field, fixes: _fixed(field, fixes[name], wire)


def _length(name: str) -> Callable[[int, Records], bytes]:
    return lambda field, fixes: _fixed(field, _milli(fixes[name]), "<i4")


def _small(name: str) -> Callable[[int, Records], bytes]:
    """Of a column of bytes: they are their own varints, where they are below 128."""

    def encode(field: int, fixes: Records) -> bytes:
        raw = fixes[name].tobytes()
        return delimited(field, raw) if raw.isascii() else _varints(field, fixes[name])

    return encode


_CARD: Final = 4
_LEFT: Final = 23

#: How each column but that of the cards is made, by the number of its field in `PositionFrame`.
_COLUMNS: Final[dict[int, Callable[[int, Records], bytes]]] = {
    5: _plain("t_ns", "<i8"),
    6: _length("x_m"),
    7: _length("y_m"),
    8: _length("z_m"),
    9: _length("vx_m_s"),
    10: _length("vy_m_s"),
    11: _plain("var_x_m2", "<f4"),
    12: _plain("cov_xy_m2", "<f4"),
    13: _plain("var_y_m2", "<f4"),
    14: _small("fix_class"),
    15: _small("anchors_used"),
    16: lambda field, fixes: _varints(field, fixes["roadway"] + 1),
    17: lambda field, fixes: _fixed(field, _chainage_mm(fixes["chainage_m"]), "<i4"),
    18: _plain("age_s", "<f4"),
    19: _plain("hdop", "<f4"),
    20: _small("anchors_rejected"),
    21: _plain("nis", "<f4"),
    22: _plain("protection_m", "<f4"),
}

#: The columns that a mask can name.
COLUMN_NAMES: Final = {
    position_pb2.PositionFrame.DESCRIPTOR.fields_by_number[field].name: field for field in _COLUMNS
}
