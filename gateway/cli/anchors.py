"""`lamproom anchors`: which anchors are misplaced, biased, blocked or silent, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.asking import ANSWER_MOST_S, asking, pages
from gateway.cli.fail import fail
from gateway.cli.watch import ADDRESS

if TYPE_CHECKING:
    import numpy as np

    from lamproom.v1 import equipment_pb2

#: Numbers of an anchor that may be unknown.
_NUMBERS: Final = (
    "reach_m",
    "mean_m",
    "spread_m",
    "dx_m",
    "dy_m",
    "sigma_along_m",
    "sigma_across_m",
    "significance",
)


def anchors(
    address: Annotated[
        str, typer.Argument(metavar="HOST:PORT", help="The gateway's gRPC address.")
    ] = "127.0.0.1:50051",
    recording: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Judge the anchors of this recording instead of a gateway's."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with all figures.")
    ] = False,
) -> None:
    """Tell what is the matter with the anchors.

    From the ranges of a running gateway, or of a recording: which anchor stands elsewhere than the
    map says, which is biased, blocked or silent, and what to do about it.
    """
    found = _of_recording(recording) if recording else _of_gateway(address)
    if as_json:
        typer.echo(json.dumps({"anchors": found}, ensure_ascii=False, allow_nan=False))
        return
    _print_table(found, with_run=recording is not None)


def _of_gateway(address: str) -> list[dict[str, Any]]:
    if not ADDRESS.fullmatch(address):
        fail(f"{address!r} is no address: write HOST:PORT, such as 127.0.0.1:50051")
    from lamproom.v1 import equipment_pb2, equipment_pb2_grpc

    found: list[dict[str, Any]] = []
    with asking(address) as channel:
        stub = equipment_pb2_grpc.EquipmentServiceStub(channel)

        def page(token: str) -> equipment_pb2.ListAnchorsResponse:
            request = equipment_pb2.ListAnchorsRequest(page_token=token)
            return stub.ListAnchors(request, timeout=ANSWER_MOST_S)

        for answer in pages(page):
            found += map(_row_of_message, answer.anchors)
    return found


def _row_of_message(anchor: equipment_pb2.AnchorHealth) -> dict[str, Any]:
    from lamproom.v1 import equipment_pb2

    name = equipment_pb2.AnchorVerdict.Name(anchor.verdict)
    return {
        "anchor": anchor.anchor_id,
        "verdict": name.removeprefix("ANCHOR_VERDICT_").lower(),
        "text": anchor.text,
        "heard": anchor.heard_count,
        "rejected": anchor.rejected_count,
        "missed_s": anchor.missed_s,
        **{field: getattr(anchor, field) if anchor.HasField(field) else None for field in _NUMBERS},
    }


def _of_recording(recording: Path) -> list[dict[str, Any]]:
    from positioning.anchor_health import assess
    from positioning.locate import locate_recording
    from positioning.recording import RecordingError

    try:
        located = locate_recording(recording)
    except RecordingError as error:
        fail(str(error))
    return [
        {"run": part.run.name, **_row_of_health(name, health)}
        for part in located
        for name, health in zip(part.run.anchors, assess(part.anchor_stats), strict=True)
    ]


def _row_of_health(name: str, health: np.void) -> dict[str, Any]:
    import math

    from positioning.anchor_health import Verdict, advice

    numbers = {field: float(health[field]) for field in _NUMBERS}
    return {
        "anchor": name,
        "verdict": Verdict(int(health["verdict"])).name.lower(),
        "text": advice(name, health),
        "heard": int(health["heard"]),
        "rejected": int(health["rejected"]),
        "missed_s": float(health["missed_s"]),
        **{field: None if math.isnan(value) else value for field, value in numbers.items()},
    }


def _print_table(found: list[dict[str, Any]], *, with_run: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    runs = ("run",) if with_run else ()
    for column in (*runs, "anchor", "verdict"):
        table.add_column(column)
    for column in ("heard", "rejected", "mean m", "spread m", "dx m", "dy m", "± m"):
        table.add_column(column, justify="right")
    for row in found:
        share = f"{row['rejected'] / row['heard']:.1%}" if row["heard"] else "-"
        numbers = ("mean_m", "spread_m", "dx_m", "dy_m", "sigma_along_m")
        table.add_row(
            *(row[name] or "-" for name in runs),
            row["anchor"],
            row["verdict"].replace("_", " "),
            f"{row['heard']}",
            share,
            *("-" if row[name] is None else f"{row[name]:.2f}" for name in numbers),
        )
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table)
    for row in found:
        if row["verdict"] != "good":
            where = f"{row['run']}: " if with_run and row["run"] else ""
            typer.echo(f"{where}{row['text']}")
