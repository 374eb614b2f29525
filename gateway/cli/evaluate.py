"""`lamproom evaluate`: how good fixes are against a truth, and what other settings change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.fail import fail
from gateway.cli.options import Height, Lag, Settings

#: The word for `--against` that means the settings which the program ships with.
DEFAULTS: Final = "defaults"


def evaluate(
    recordings: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORDING_DIR...",
            help="Folders with ranges.csv, anchors.csv and truth.csv.",
        ),
    ],
    *,
    settings: Settings = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help=f"Compare with these settings; {DEFAULTS!r} for the defaults."
        ),
    ] = None,
    lag: Lag = None,
    windows: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What of which runs is scored, a TOML file; else all but the first 3 s.",
        ),
    ] = None,
    height_m: Height = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the errors' distribution here, as PNG or SVG."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all as one JSON object.")] = False,
) -> None:
    """Score the fixes of recordings with a truth, run by run.

    With --lag the smoothed output is scored too. With --against both sets of settings are, and
    beside them what the first changes, fix by fix.
    """
    from gateway.cli import evaluation, evaluation_tables
    from gateway.cli import plot as pictures

    if plot is not None:
        pictures.check_plot(plot)
    files = [settings]
    if against is not None:
        files.append(None if against == DEFAULTS else Path(against))
    scoring = evaluation.Scoring(evaluation.by_name(recordings), height_m, windows)
    sets = [scoring.evaluated(file, lag) for file in files]
    if as_json:
        typer.echo(json.dumps(evaluation.as_json(sets), ensure_ascii=False, allow_nan=False))
    else:
        evaluation_tables.print_all(sets)
    if plot is not None:
        try:
            pictures.write_plot(plot, evaluation.title_of(sets), evaluation.curves_of(sets))
        except OSError as error:
            fail(f"{plot}: cannot be written: {error.strerror}")
