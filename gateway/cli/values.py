"""`lamproom values`: what the points of machines and readers show now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.asking import ANSWER_MOST_S, HERE, Where, asking, mine_zone, pages, print_table
from gateway.cli.fail import fail
from gateway.cli.show import iso, local, plain, show
from gateway.cli.stopping import end_well_on_signals

if TYPE_CHECKING:
    from lamproom.v1 import equipment_pb2

_COLUMNS: Final = ("device", "point", "value", "unit", "quality", "read", "why")


def values(
    where: Where = HERE,
    device: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="ID", help="Only this device; may be given again."),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with each change, a line each, until Ctrl-C.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each value.")
    ] = False,
) -> None:
    """Show the values of machines.

    Each point with its unit, its quality, when it was read, and why it is not good. Of a device
    that is down the values are the last known.
    """
    wanted = tuple(device or ())
    if follow:
        end_well_on_signals()
        for row in _changes(where, wanted):
            _print_line(row, as_json=as_json)
        fail(f"{where}: the gateway has ended the stream")
    found, zone = _now(where, wanted)
    if as_json:
        for row in found:
            _print_line(row, as_json=True)
        return
    print_table(_COLUMNS, (_cells(row, zone) for row in found), ("value",))


def _print_line(row: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        source_t_ns = row["source_time"]
        source_time = None if source_t_ns is None else iso(source_t_ns)
        told = {**row, "source_time": source_time, "receive_time": iso(row["receive_time"])}
        typer.echo(json.dumps(told, ensure_ascii=False, allow_nan=False))
        return
    why = f" ({row['quality']}: {row['reason']})" if row["reason"] else ""
    what = f"{_text(row['value'])} {row['unit']}".rstrip()
    show(plain(f"{iso(row['receive_time'])} {row['device']} {row['point']} {what}{why}"))


def _now(where: str, wanted: tuple[str, ...]) -> tuple[list[dict[str, Any]], tzinfo]:
    """The values of the devices that are wanted, and the mine's time zone."""
    from lamproom.v1 import equipment_pb2, equipment_pb2_grpc

    found: list[dict[str, Any]] = []
    known: list[str] = []
    with asking(where) as channel:
        stub = equipment_pb2_grpc.EquipmentServiceStub(channel)

        def page(token: str) -> equipment_pb2.ListEquipmentResponse:
            request = equipment_pb2.ListEquipmentRequest(page_token=token)
            return stub.ListEquipment(request, timeout=ANSWER_MOST_S)

        for answer in pages(page):
            for one in answer.equipment:
                known.append(one.device_id)
                if not wanted or one.device_id in wanted:
                    found += _rows_of(one)
        zone = mine_zone(channel)
    for name in wanted:
        if name not in known:
            fail(f"{where}: there is no device {name!r} (known: {', '.join(known)})")
    return found, zone


def _changes(where: str, wanted: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    from lamproom.v1 import equipment_pb2, equipment_pb2_grpc

    with asking(where) as channel:
        stub = equipment_pb2_grpc.EquipmentServiceStub(channel)
        request = equipment_pb2.WatchEquipmentRequest(device_ids=wanted)
        answers: Iterable[equipment_pb2.WatchEquipmentResponse] = stub.WatchEquipment(request)
        for answer in answers:
            if answer.WhichOneof("message") == "equipment":
                yield from _rows_of(answer.equipment)


def _rows_of(device: equipment_pb2.Equipment) -> Iterator[dict[str, Any]]:
    from lamproom.v1 import equipment_pb2

    for one in device.values:
        kind = one.WhichOneof("value")
        has_source = one.HasField("source_time")
        yield {
            "device": device.device_id,
            "point": one.point,
            "value": getattr(one, kind) if kind else None,
            "unit": one.unit,
            "quality": equipment_pb2.Quality.Name(one.quality).removeprefix("QUALITY_").lower(),
            "reason": one.quality_reason,
            "source_time": one.source_time.ToNanoseconds() if has_source else None,
            "receive_time": one.receive_time.ToNanoseconds(),
        }


def _cells(row: Mapping[str, Any], zone: tzinfo) -> list[str]:
    return [
        row["device"],
        row["point"],
        _text(row["value"]),
        row["unit"],
        row["quality"],
        local(row["receive_time"], zone),
        row["reason"],
    ]


def _text(value: float | str | bool | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:.6g}"
