"""What `lamproom watch` prints: a line of JSON, or a line for a reader, for each thing."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from lamproom.v1 import event_pb2, position_pb2

_NS_PER_S: Final = 1_000_000_000

#: A reader is shown a card once in this time; JSON holds every fix.
SHOWN_EVERY_NS: Final = _NS_PER_S


class JsonLines:
    """One JSON object a line; `kind` says what it is."""

    every_fix: Final = True

    def frame(self, names: dict[int, str], frame: position_pb2.PositionFrame) -> None:
        """Prints each fix of a frame."""
        if frame.coalesced_count:
            self.note("coalesced", count=frame.coalesced_count)
        _write(json.dumps(row, ensure_ascii=False) for row in _positions(names, frame))

    def event(self, event: event_pb2.Event) -> None:
        """Prints an event."""
        t_ns = event.event_time.ToNanoseconds()
        row: dict[str, Any] = {
            "kind": "event",
            "sequence": event.sequence,
            "event": _name(event_pb2.EventKind.Name(event.kind), "EVENT_KIND_"),
            "card": event.card,
            "zone_id": event.zone_id,
            "device_id": event.device_id,
            "alarm": None,
            "text": event.text,
            "count": event.count,
            "time": _iso(t_ns),
            "t_ns": t_ns,
        }
        if event.HasField("alarm"):
            alarm = event.alarm
            row["alarm"] = {"id": alarm.alarm_id, "rule": alarm.rule, "level": alarm.level}
        _write([json.dumps(row, ensure_ascii=False)])

    def note(self, kind: str, **what: Any) -> None:
        """Prints a sync, reset, gap or loss."""
        shown = {k: _text_of(v) if isinstance(v, bytes) else v for k, v in what.items()}
        _write([json.dumps({"kind": kind, **shown}, ensure_ascii=False)])


class PlainLines:
    """Lines for a reader."""

    every_fix: Final = False

    def __init__(self) -> None:
        self._shown_ns: dict[str, int] = {}

    def frame(self, names: dict[int, str], frame: position_pb2.PositionFrame) -> None:
        """Prints the fixes of cards that were not shown for a while."""
        _write(self._due(_positions(names, frame)))

    def _due(self, rows: Iterable[dict[str, Any]]) -> Iterator[str]:
        for row in rows:
            card, t_ns = row["card"], row["t_ns"]
            if t_ns - self._shown_ns.get(card, 0) < SHOWN_EVERY_NS:
                continue
            self._shown_ns[card] = t_ns
            sigma_m = max(row["var_x_m2"], row["var_y_m2"], 0.0) ** 0.5
            place = f"x {row['x_m']:.2f}  y {row['y_m']:.2f}  z {row['z_m']:.2f}"
            yield f"{_iso(t_ns)}  card {card}  {place}  ±{sigma_m:.2f} m  {row['class']}"

    def event(self, event: event_pb2.Event) -> None:
        """Prints an event."""
        kind = _name(event_pb2.EventKind.Name(event.kind), "EVENT_KIND_")
        level = f"  level {event.alarm.level}" if event.HasField("alarm") else ""
        time = _iso(event.event_time.ToNanoseconds())
        _write([f"{time}  event {event.sequence}  {kind}{level}  {event.text}"])

    def note(self, kind: str, **what: Any) -> None:
        """Prints a sync, reset, gap or loss."""
        shown = (f"{k} {v}" for k, v in what.items() if not isinstance(v, bytes))
        _write([f"-- {kind}: {', '.join(shown)}"])


Lines = JsonLines | PlainLines


def _positions(
    names: dict[int, str], frame: position_pb2.PositionFrame
) -> Iterator[dict[str, Any]]:
    columns = zip(
        frame.tag_handles,
        frame.t_ns,
        frame.x_mm,
        frame.y_mm,
        frame.z_mm,
        frame.var_x_m2,
        frame.cov_xy_m2,
        frame.var_y_m2,
        frame.fix_classes,
        strict=True,
    )
    for handle, t_ns, x_mm, y_mm, z_mm, var_x, cov_xy, var_y, fix_class in columns:
        yield {
            "kind": "position",
            "card": names[handle],
            "t_ns": t_ns,
            "x_m": x_mm / 1000,
            "y_m": y_mm / 1000,
            "z_m": z_mm / 1000,
            "var_x_m2": var_x,
            "cov_xy_m2": cov_xy,
            "var_y_m2": var_y,
            "class": _name(position_pb2.FixClass.Name(fix_class), "FIX_CLASS_"),
            "snapshot": frame.snapshot,
        }


def _name(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def _text_of(cursor: bytes) -> str:
    return base64.b64encode(cursor).decode("ascii")


def _iso(t_ns: int) -> str:
    seconds, rest_ns = divmod(t_ns, _NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _write(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
