"""Recordings to figures, for `locate` and `evaluate`: located, scored, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from equipment.toml_source import ConfigurationError
from gateway.cli.fail import fail
from gateway.cli.tuning import Windows, read_settings
from positioning.accuracy import Errors, accuracy, errors_of_run, joined
from positioning.locate import LocatedRun, locate_recording
from positioning.recording import RecordingError
from positioning.settings import TrackerSettings

#: Characters for a table in a file or a pipe.
_WIDTH: Final = 140
#: No mine is deeper, and nobody works higher.
HEIGHT_MOST_M: Final = 10_000.0
#: A longer delay tells nothing more of where the card was, and takes memory for each card.
LAG_MOST_S: Final = 5.0

Row = dict[str, Any]
#: What a column shows of a row of figures.
Cell = Callable[[Row], str]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRun:
    """A run by its name in tables, one output of it, and its errors where there is a truth.

    `output` is "fixes", the real-time ones, or "lagged".
    """

    name: str
    located: LocatedRun
    output: str
    errors: Errors | None

    @property
    def fixes(self) -> int:
        """How many fixes the output has."""
        return len(getattr(self.located, self.output))


def settings_of(file: Path | None, lag_s: float | None) -> TrackerSettings:
    """The settings of a file, or the defaults, with another lag where one is asked for."""
    if lag_s is not None and not 0.0 < lag_s <= LAG_MOST_S:
        fail(f"--lag: {lag_s} is not above 0 and at most {LAG_MOST_S:g} s")
    try:
        settings = read_settings(file) if file else TrackerSettings()
    except ConfigurationError as error:
        fail(str(error))
    values = asdict(settings)
    return TrackerSettings(**(values if lag_s is None else values | {"lag_s": lag_s}))


def located_runs(
    recording: Path, height_m: float | None, settings: TrackerSettings
) -> tuple[LocatedRun, ...]:
    """Fixes of every run of a recording; a mistake in it ends the command."""
    if height_m is not None and not abs(height_m) <= HEIGHT_MOST_M:
        fail(f"--height-m: {height_m} is not a height within {HEIGHT_MOST_M:g} m")
    try:
        return locate_recording(recording, height_m, settings)
    except RecordingError as error:
        fail(str(error))


def scored_runs(
    located: Mapping[str, Sequence[LocatedRun]], output: str, windows: Windows | None = None
) -> list[ScoredRun]:
    """Scores one output of the runs of each recording, by the recording's name.

    A run is named after its recording too, where there are several.
    """
    runs = []
    for recording, parts in located.items():
        for part in parts:
            name = part.run.name if len(located) == 1 else f"{recording}/{part.run.name}"
            try:
                window = windows.of_run(part.run) if windows else None
            except ConfigurationError as error:
                fail(str(error))
            errors = errors_of_run(part.run, getattr(part, output), window)
            runs.append(ScoredRun(name, part, output, errors))
    return runs


def figures_of(runs: Sequence[ScoredRun]) -> Row:
    """The figures of each run and over all, ready for JSON; figures without a truth are absent."""
    rows = []
    for run in runs:
        tags = run.located.run.tags
        tag = {"tag": tags[0]} if len(tags) == 1 else {}
        rows.append({"run": run.name, **tag, **_figures([run])})
    return {"runs": rows, "all": _figures(runs)}


def _figures(runs: Sequence[ScoredRun]) -> Row:
    """Fixes, measurements, those that were not used by reason, and the errors' figures."""
    rejected: dict[str, int] = {}
    for run in runs:
        for reason, count in asdict(run.located.rejections).items():
            rejected[reason] = rejected.get(reason, 0) + count
    row: Row = {
        "fixes": sum(run.fixes for run in runs),
        "ranges": sum(len(run.located.run.ranges) for run in runs),
        "measurements": sum(len(run.located.run.measurements) for run in runs),
        "rejected": {reason: count for reason, count in rejected.items() if count},
    }
    scored = [run.errors for run in runs if run.errors is not None]
    if scored:
        row |= without_nan(asdict(accuracy(joined(scored))))
    return row


def without_nan(row: Row) -> Row:
    """The same, also in what it holds, with None for numbers that are not finite."""
    clean: Row = {}
    for name, value in row.items():
        if isinstance(value, dict):
            clean[name] = without_nan(value)
        elif isinstance(value, float) and not math.isfinite(value):
            clean[name] = None
        else:
            clean[name] = value
    return clean


def number(name: str, form: str) -> Cell:
    """A cell that shows the figure `name`; a dash where there is none."""
    return lambda row: "-" if row.get(name) is None else form.format(row[name])


def print_table(figures: Row, columns: Mapping[str, Cell], title: str = "") -> None:
    """A line for each run and one for all, below their title."""
    if title:
        say(title)
    table = Table(box=None, pad_edge=False)
    table.add_column("run")
    for name in columns:
        table.add_column(name, justify="right")
    for row in [*figures["runs"], {**figures["all"], "run": "all"}]:
        table.add_row(str(row["run"]) or "-", *(cell(row) for cell in columns.values()))
    say(table)


def print_rejected(figures: Row) -> None:
    """Says how many measurements were not used, and why."""
    rejected = figures["all"]["rejected"]
    if rejected:
        told = ", ".join(f"{count} {reason}" for reason, count in rejected.items())
        say(f"measurements not used: {told}")


def say(what: Table | str) -> None:
    """Prints; a text is not wrapped, and a table takes its width where there is no terminal."""
    width = None if Console().is_terminal else _WIDTH
    console = Console(width=width, highlight=False, markup=False)
    console.print(what, soft_wrap=isinstance(what, str))
