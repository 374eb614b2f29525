"""`lamproom devices`: whether each device is heard, how much and how fast, and what went wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.asking import ANSWER_MOST_S, HERE, Where, asking, pages, print_table
from gateway.cli.show import plain, show

if TYPE_CHECKING:
    from lamproom.v1 import equipment_pb2

_COUNTS: Final = {
    "values": "value_count",
    "bad_values": "bad_value_count",
    "records": "record_count",
    "lost": "lost_count",
    "refused": "refused_count",
    "ups": "up_count",
    "downs": "down_count",
}
_TIMES: Final = ("link_change_time", "begin_time", "heard_time", "good_time", "last_failure_time")
_MAYBE: Final = ("round_trip_mean_s", "round_trip_max_s", "clock_ahead_s")
_COLUMNS: Final = (
    "device",
    "profile",
    "link",
    "for s",
    "good s ago",
    "values/s",
    "records/s",
    "answer ms",
    "most ms",
    "clock s",
    "bad",
    "lost",
    "refused",
    "downs",
)


def devices(
    where: Where = HERE,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with all figures.")
    ] = False,
) -> None:
    """Show how each device does.

    Whether it is heard, when it last gave something good, how much it gives and how fast it answers
    (of the last 10 s), how far its clock is ahead, and what was bad, lost or refused since the
    gateway began. Below the table stands why a device is down, or was.
    """
    found = _of_gateway(where)
    if as_json:
        typer.echo(json.dumps({"devices": found}, ensure_ascii=False, allow_nan=False))
        return
    print_table(_COLUMNS, map(_cells, found), _COLUMNS[3:])
    for device in found:
        if device["link_reason"]:
            show(plain(f"{device['device']}: {device['link_reason']}"))
        elif device["last_failure"]:
            ago = _number(device["last_failure_s_ago"])
            show(plain(f"{device['device']}: was down {ago} s ago: {device['last_failure']}"))


def _of_gateway(where: str) -> list[dict[str, Any]]:
    from lamproom.v1 import equipment_pb2, equipment_pb2_grpc

    found: list[dict[str, Any]] = []
    with asking(where) as channel:
        stub = equipment_pb2_grpc.EquipmentServiceStub(channel)

        def page(token: str) -> equipment_pb2.ListDevicesResponse:
            request = equipment_pb2.ListDevicesRequest(page_token=token)
            return stub.ListDevices(request, timeout=ANSWER_MOST_S)

        for answer in pages(page):
            now_ns = answer.time.ToNanoseconds()
            found += [_row_of(device, now_ns) for device in answer.devices]
    return found


def _row_of(device: equipment_pb2.DeviceHealth, now_ns: int) -> dict[str, Any]:
    from lamproom.v1 import equipment_pb2

    ago_s = {
        field.replace("_time", "_s_ago"): (now_ns - getattr(device, field).ToNanoseconds()) / 1e9
        if device.HasField(field)
        else None
        for field in _TIMES
    }
    state = equipment_pb2.LinkState.Name(device.link_state).removeprefix("LINK_STATE_").lower()
    return {
        "device": device.device_id,
        "profile": device.profile,
        "name": device.name,
        "address": device.address,
        "link": state,
        "link_reason": device.link_reason,
        **ago_s,
        "values_per_s": device.values_per_s,
        "records_per_s": device.records_per_s,
        **{name: getattr(device, field) for name, field in _COUNTS.items()},
        **{name: getattr(device, name) if device.HasField(name) else None for name in _MAYBE},
        "last_failure": device.last_failure,
    }


def _cells(device: dict[str, Any]) -> list[str]:
    return [
        device["device"],
        device["profile"],
        device["link"],
        _number(device["link_change_s_ago"]),
        _number(device["good_s_ago"], 1),
        _number(device["values_per_s"], 1),
        _number(device["records_per_s"], 1),
        _number(device["round_trip_mean_s"], 1, 1000.0),
        _number(device["round_trip_max_s"], 1, 1000.0),
        _number(device["clock_ahead_s"], 2),
        *(str(device[name]) for name in ("bad_values", "lost", "refused", "downs")),
    ]


def _number(value: float | None, digits: int = 0, times: float = 1.0) -> str:
    return "-" if value is None else f"{value * times:.{digits}f}"
