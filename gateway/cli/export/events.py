"""Stored events as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from gateway.cli.export.table import PLACE, Batch, Column, Kind
from gateway.journal.gaps import Gap
from gateway.journal.journal import Record

#: A gap is a row of this kind: `sequence` is its first, `count` how many are gone, `text` why.
GAP: Final = "GAP"

COLUMNS: Final[tuple[Column, ...]] = (
    Column("sequence", Kind.WHOLE),
    Column("kind", Kind.TEXT),
    Column("event_time", Kind.TIME),
    Column("record_time", Kind.TIME),
    Column("card", Kind.TEXT),
    Column("zone_id", Kind.TEXT),
    Column("device_id", Kind.TEXT),
    Column("anchor_id", Kind.TEXT),
    Column("hazard_id", Kind.TEXT),
    Column("text", Kind.TEXT),
    Column("count", Kind.WHOLE),
    Column("shift", Kind.TEXT),
    Column("drill", Kind.FLAG),
    Column("alarm_id", Kind.TEXT),
    Column("rule", Kind.TEXT),
    Column("level", Kind.TEXT),
    Column("state", Kind.TEXT),
    Column("acknowledged_by", Kind.TEXT),
    *(Column(name, Kind.NUMBER) for name in PLACE),
    Column("measure_time", Kind.TIME),
)


def batch_of(items: Iterable[Record | Gap]) -> Batch:
    """The rows of events and gaps, in their order."""
    rows = [_gap(item) if isinstance(item, Gap) else _event(item) for item in items]
    return {column.name: [row.get(column.name) for row in rows] for column in COLUMNS}


def _gap(gap: Gap) -> dict[str, Any]:
    count = gap.last_sequence - gap.first_sequence + 1
    return {"sequence": gap.first_sequence, "kind": GAP, "count": count, "text": gap.reason}


def _event(record: Record) -> dict[str, Any]:
    from lamproom.v1 import event_pb2

    event = event_pb2.WatchEventsResponse.FromString(record.payload).event
    row: dict[str, Any] = {
        "sequence": event.sequence,
        "kind": _name(event_pb2.EventKind, event.kind, "EVENT_KIND_"),
        "event_time": event.event_time.ToNanoseconds(),
        "record_time": event.record_time.ToNanoseconds(),
        "count": event.count or None,
        "drill": event.drill,
        **_given(event, ("card", "zone_id", "device_id", "anchor_id", "hazard_id")),
        **_given(event, ("text", "shift")),
    }
    if event.HasField("alarm"):
        alarm = event.alarm
        row |= _given(alarm, ("alarm_id", "rule", "acknowledged_by"))
        row["level"] = _name(event_pb2.AlarmLevel, alarm.level, "ALARM_LEVEL_")
        row["state"] = _name(event_pb2.AlarmState, alarm.state, "ALARM_STATE_")
    if event.HasField("place"):
        row |= {name: getattr(event.place, name) for name in PLACE}
        row["measure_time"] = event.place.measure_time.ToNanoseconds()
    return row


def _given(message: Any, fields: Sequence[str]) -> dict[str, str | None]:
    return {field: getattr(message, field) or None for field in fields}


def _name(enum: Any, number: int, prefix: str) -> str:
    """A value's name without its prefix; its number where another version gave it."""
    try:
        name: str = enum.Name(number)
    except ValueError:
        return str(number)
    return name.removeprefix(prefix)
