"""`lamproom locate`: a recording to fixes, and how good they are where the truth is known."""

from __future__ import annotations

import csv
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.fail import fail

if TYPE_CHECKING:
    from positioning.accuracy import Accuracy
    from positioning.locate import LocatedRun

CSV_HEADER: Final = (
    "run",
    "tag",
    "t_s",
    "x_m",
    "y_m",
    "var_x_m2",
    "cov_xy_m2",
    "var_y_m2",
    "class",
)

#: No mine is deeper, and nobody works higher.
HEIGHT_MOST_M: Final = 10_000.0


def locate(
    recording: Annotated[
        Path,
        typer.Argument(
            metavar="RECORDING_DIR", help="Folder with ranges.csv, anchors.csv and maybe truth.csv."
        ),
    ],
    height_m: Annotated[
        float | None,
        typer.Option(
            help="Height of the cards (z), metres.  [default: 1.0, or 0 where all anchors have z 0]"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the fixes here, as CSV.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """Turn recorded ranges into fixes, and score them.

    The figures compare the fixes with truth.csv, where there is one.
    """
    from positioning.locate import locate_recording
    from positioning.recording import RecordingError

    if height_m is not None and not abs(height_m) <= HEIGHT_MOST_M:
        fail(f"--height-m: {height_m} is not a height within {HEIGHT_MOST_M:g} m")
    try:
        located = locate_recording(recording, height_m)
    except RecordingError as error:
        fail(str(error))
    if out is not None:
        try:
            write_fixes(out, located)
        except OSError as error:
            fail(f"{out}: cannot be written: {error.strerror}")
    figures = figures_of(located)
    if as_json:
        typer.echo(json.dumps(figures, ensure_ascii=False, allow_nan=False))
    else:
        _print_table(figures)


def write_fixes(out: Path, located: tuple[LocatedRun, ...]) -> None:
    """Writes every fix of every run as a line of CSV. Raises OSError."""
    from positioning.observation import FixClass

    classes = {int(kind): kind.name.lower() for kind in FixClass}
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(CSV_HEADER)
        for part in located:
            tags = part.run.tags
            for fix in part.fixes:
                place = [f"{fix[name]:.9g}" for name in CSV_HEADER[3:8]]

                t_s = f"{Decimal(int(fix['t_ns'])).scaleb(-9):.6f}"
                kind = classes[int(fix["fix_class"])]
                writer.writerow([part.run.name, tags[fix["card"]], t_s, *place, kind])


def figures_of(located: tuple[LocatedRun, ...]) -> dict[str, object]:
    """The figures for each run and over all, ready for JSON; figures without a truth are absent."""
    from positioning.accuracy import accuracy, errors_of_run, joined

    runs: list[dict[str, object]] = []
    scored = []
    for part in located:
        counts = _counts([part])
        errors = errors_of_run(part.run, part.fixes)
        if errors is not None:
            scored.append(errors)
            counts |= _accuracy(accuracy(errors))
        tag = {"tag": part.run.tags[0]} if len(part.run.tags) == 1 else {}
        runs.append({"run": part.run.name, **tag, **counts})
    overall = _counts(list(located))
    if scored:
        overall |= _accuracy(accuracy(joined(scored)))
    return {"runs": runs, "all": overall}


def _counts(located: list[LocatedRun]) -> dict[str, object]:
    """Fixes, ranges, and the ranges that were not used, by reason."""
    from dataclasses import asdict

    rejected: dict[str, int] = {}
    for part in located:
        for reason, count in asdict(part.rejections).items():
            rejected[reason] = rejected.get(reason, 0) + count
    return {
        "fixes": sum(len(part.fixes) for part in located),
        "ranges": sum(len(part.run.ranges) for part in located),
        "rejected": {reason: count for reason, count in rejected.items() if count},
    }


def _accuracy(figures: Accuracy) -> dict[str, object]:
    """The figures by name; those that no fix could give are null."""
    from dataclasses import asdict

    named = asdict(figures)
    return {name: None if math.isnan(value) else value for name, value in named.items()}


def _print_table(figures: dict[str, object]) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = {
        "fixes": "{:d}",
        "ranges": "{:d}",
        "rmse_m": "{:.3f}",
        "p50_m": "{:.3f}",
        "p90_m": "{:.3f}",
        "p95_m": "{:.3f}",
        "max_m": "{:.2f}",
        "availability": "{:.2%}",
        "coverage_95": "{:.1%}",
    }
    runs, overall = figures["runs"], figures["all"]
    assert isinstance(runs, list)
    assert isinstance(overall, dict)
    table = Table(box=None, pad_edge=False)
    table.add_column("run")
    for name in columns:
        table.add_column(name, justify="right")
    for row in [*runs, {"run": "all", **overall}]:
        values = [
            "-" if row.get(name) is None else form.format(row[name])
            for name, form in columns.items()
        ]
        table.add_row(str(row["run"]) or "-", *values)
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table)
    rejected = overall["rejected"]
    if rejected:
        told = ", ".join(f"{count} {reason}" for reason, count in rejected.items())
        console.print(f"ranges not used: {told}")
