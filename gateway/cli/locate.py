"""`lamproom locate`: a recording to fixes, and how good they are where the truth is known."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.fail import fail
from gateway.cli.options import Height, Lag, Settings

if TYPE_CHECKING:
    from positioning.locate import LocatedRun

#: Columns that are fields of a fix by the same name.
_FIELDS: Final = ("x_m", "y_m", "var_x_m2", "cov_xy_m2", "var_y_m2")
_QUALITIES: Final = ("chainage_m", "age_s", "hdop", "protection_m", "nis")
_COUNTS: Final = ("anchors_used", "anchors_rejected")
_ELLIPSE: Final = ("semi_major_m", "semi_minor_m", "direction_deg")

CSV_HEADER: Final = (
    *("run", "tag", "t_s"),
    *_FIELDS,
    *("class", "roadway"),
    *_QUALITIES,
    *_COUNTS,
    *_ELLIPSE,
)


def locate(
    recording: Annotated[
        Path,
        typer.Argument(
            metavar="RECORDING_DIR", help="Folder with ranges.csv, anchors.csv and maybe truth.csv."
        ),
    ],
    *,
    height_m: Height = None,
    out: Annotated[Path | None, typer.Option(help="Write the fixes here, as CSV.")] = None,
    settings: Settings = None,
    lag: Lag = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object.")
    ] = False,
) -> None:
    """Turn recorded ranges into fixes, and score them.

    The figures compare the fixes with truth.csv, where there is one. With --lag the fixes are those
    of the smoothed output, which is so late.
    """
    from gateway.cli import figures as shown

    output = "fixes" if lag is None else "lagged"
    located = shown.located_runs(recording, height_m, shown.settings_of(settings, lag))
    if out is not None:
        try:
            write_fixes(out, located, output)
        except OSError as error:
            fail(f"{out}: cannot be written: {error.strerror}")
    figures = shown.figures_of(shown.scored_runs({recording.name: located}, output))
    if as_json:
        typer.echo(json.dumps(figures, ensure_ascii=False, allow_nan=False))
        return
    columns = {
        "fixes": shown.number("fixes", "{:d}"),
        "ranges": shown.number("ranges", "{:d}"),
        **{name: shown.number(name, "{:.3f}") for name in ("rmse_m", "p50_m", "p90_m", "p95_m")},
        "max_m": shown.number("max_m", "{:.2f}"),
        "availability": shown.number("availability", "{:.2%}"),
        "coverage_95": shown.number("coverage_95", "{:.1%}"),
    }
    shown.print_table(figures, columns)
    shown.print_rejected(figures)


def write_fixes(out: Path, located: tuple[LocatedRun, ...], output: str = "fixes") -> None:
    """Writes every fix of one output of every run as a line of CSV. Raises OSError.

    What is not known is empty. A roadway is its id, or its index where the run has no map.
    """
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(CSV_HEADER)
        for part in located:
            writer.writerows(_rows(part, output))


def _rows(part: LocatedRun, output: str) -> Iterator[list[str]]:
    from positioning.ellipse import ellipses
    from positioning.observation import FixClass

    classes = {int(kind): kind.name.lower() for kind in FixClass}
    fixes, tags = getattr(part, output), part.run.tags
    roadways = [roadway.id for roadway in part.run.map.roadways] if part.run.map else []
    for fix, *axes in zip(fixes, *ellipses(fixes), strict=True):
        index = int(fix["roadway"])
        roadway = "" if index < 0 else roadways[index] if roadways else str(index)
        yield [
            *(part.run.name, tags[fix["card"]]),
            f"{Decimal(int(fix['t_ns'])).scaleb(-9):.6f}",
            *(f"{fix[name]:.9g}" for name in _FIELDS),
            *(classes[int(fix["fix_class"])], roadway),
            *(_known(fix[name]) for name in _QUALITIES),
            *(str(fix[name]) for name in _COUNTS),
            *(_known(axis) for axis in axes),
        ]


def _known(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
