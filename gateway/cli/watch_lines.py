"""What `lamproom watch` prints: a line of JSON, or a line for a reader, for each thing."""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.cli.show import iso
from lamproom.v1 import event_pb2, position_pb2

_NS_PER_S: Final = 1_000_000_000

#: A reader is shown a card once in this time; JSON holds every fix.
SHOWN_EVERY_NS: Final = _NS_PER_S


#: The chainage of a fix that has none, millimetres.
_NO_CHAINAGE_MM: Final = -(1 << 31)


@dataclass(slots=True)
class Names:
    """What a stream's directories have told: cards by handle, roadways in their order."""

    cards: dict[int, str] = field(default_factory=dict)
    roadways: list[str] = field(default_factory=list)

    def take(self, directory: position_pb2.PositionDirectory) -> None:
        """Takes a directory over; one with roadways is the first of a stream."""
        for entry in directory.entries:
            self.cards[entry.tag_handle] = entry.card
        self.roadways = list(directory.roadway_ids) or self.roadways


class JsonLines:
    """One JSON object a line; `kind` says what it is."""

    every_fix: Final = True

    def frame(self, names: Names, frame: position_pb2.PositionFrame) -> None:
        """Prints each fix of a frame."""
        if frame.coalesced_count:
            self.note("coalesced", count=frame.coalesced_count)
        _write(json.dumps(row, ensure_ascii=False) for row in _positions(names, frame))

    def event(self, event: event_pb2.Event, told: str = "event") -> None:
        """Prints an event; `told` says whether it is stored (`event`) or not yet (`unstored`)."""
        t_ns = event.event_time.ToNanoseconds()
        row: dict[str, Any] = {
            "kind": told,
            "sequence": event.sequence,
            "event": _name(event_pb2.EventKind.Name(event.kind), "EVENT_KIND_"),
            "card": event.card,
            "zone_id": event.zone_id,
            "device_id": event.device_id,
            "anchor_id": event.anchor_id,
            "hazard_id": event.hazard_id,
            "alarm": None,
            "text": event.text,
            "count": event.count,
            "drill": event.drill,
            "time": iso(t_ns),
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

    def frame(self, names: Names, frame: position_pb2.PositionFrame) -> None:
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
            how = row["class"]
            if row["roadway_id"]:
                how += f"  {row['roadway_id']}"
            if row["chainage_m"] is not None:
                how += f" {row['chainage_m']:.1f} m"
            yield f"{iso(t_ns)}  card {card}  {place}  ±{sigma_m:.2f} m  {how}"

    def event(self, event: event_pb2.Event, told: str = "event") -> None:
        """Prints an event; `told` says whether it is stored (`event`) or not yet (`unstored`)."""
        kind = _name(event_pb2.EventKind.Name(event.kind), "EVENT_KIND_")
        level = f"  level {event.alarm.level}" if event.HasField("alarm") else ""
        time = iso(event.event_time.ToNanoseconds())
        _write([f"{time}  {told} {event.sequence}  {kind}{level}  {event.text}"])

    def note(self, kind: str, **what: Any) -> None:
        """Prints a sync, reset, gap or loss."""
        shown = (f"{k} {v}" for k, v in what.items() if not isinstance(v, bytes))
        _write([f"-- {kind}: {', '.join(shown)}"])


Lines = JsonLines | PlainLines


def _positions(names: Names, frame: position_pb2.PositionFrame) -> Iterator[dict[str, Any]]:
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
        _quality(names, frame),
        strict=True,
    )
    for handle, t_ns, x_mm, y_mm, z_mm, var_x, cov_xy, var_y, fix_class, quality in columns:
        yield {
            "kind": "position",
            "card": names.cards[handle],
            "t_ns": t_ns,
            "x_m": x_mm / 1000,
            "y_m": y_mm / 1000,
            "z_m": z_mm / 1000,
            "var_x_m2": var_x,
            "cov_xy_m2": cov_xy,
            "var_y_m2": var_y,
            "class": _name(position_pb2.FixClass.Name(fix_class), "FIX_CLASS_"),
            **quality,
            "snapshot": frame.snapshot,
        }


def _quality(names: Names, frame: position_pb2.PositionFrame) -> Iterator[dict[str, Any]]:
    """Where in the roadways each fix is, and what it rests on; null where it is not known."""
    columns = zip(
        frame.roadways,
        frame.chainages_mm,
        frame.ages_s,
        frame.hdops,
        frame.anchors_used,
        frame.anchors_rejected,
        frame.nis,
        frame.protections_m,
        strict=True,
    )
    for roadway, chainage_mm, age_s, hdop, used, rejected, nis, protection_m in columns:
        yield {
            "roadway_id": names.roadways[roadway - 1] if roadway else "",
            "chainage_m": None if chainage_mm == _NO_CHAINAGE_MM else chainage_mm / 1000,
            "age_s": _known(age_s),
            "hdop": _known(hdop),
            "anchors_used": used,
            "anchors_rejected": rejected,
            "nis": _known(nis),
            "protection_m": _known(protection_m),
        }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _name(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def _text_of(cursor: bytes) -> str:
    return base64.b64encode(cursor).decode("ascii")


def _write(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
