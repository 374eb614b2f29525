"""What `lamproom evaluate` finds: recordings scored for one or two sets of settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from equipment.toml_source import ConfigurationError
from gateway.cli.fail import fail
from gateway.cli.figures import (
    Row,
    ScoredRun,
    figures_of,
    located_runs,
    scored_runs,
    settings_of,
    without_nan,
)
from gateway.cli.plot import Curve
from gateway.cli.tuning import read_windows
from positioning.accuracy import Errors, joined
from positioning.comparison import comparison, pairs_of_run
from positioning.settings import TrackerSettings

#: Percentiles of the error that are given as JSON, for a curve: 0, 1, … 100.
_PERCENTILES: Final = np.arange(101)


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """One output of a set of settings: `name` for programs, `title` for people."""

    name: str
    title: str
    runs: tuple[ScoredRun, ...]

    def errors(self) -> Errors:
        """Those of all runs that have a truth."""
        return joined([run.errors for run in self.runs if run.errors is not None])


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """What one set of settings gave: the real-time output, and the lagged one if there is a lag."""

    name: str
    settings: TrackerSettings
    recordings: tuple[str, ...]
    outputs: tuple[Output, ...]


def by_name(recordings: Sequence[Path]) -> dict[str, Path]:
    """The folders by their names; ends the command where these do not tell them apart."""
    named = {folder.resolve().name: folder for folder in recordings}
    if len(named) < len(recordings):
        fail("two of the recordings have the same name: give folders with different names")
    return named


class Scoring:
    """Recordings, and what of them is scored."""

    def __init__(
        self, recordings: dict[str, Path], height_m: float | None, windows: Path | None
    ) -> None:
        """Reads the file `windows`; ends the command where it is wrong."""
        self._recordings = recordings
        self._height_m = height_m
        try:
            self._windows = read_windows(windows) if windows else None
        except ConfigurationError as error:
            fail(str(error))

    def evaluated(self, file: Path | None, lag_s: float | None) -> Evaluated:
        """Locates and scores all recordings with the settings of `file`, or the defaults.

        Ends the command where a file is wrong or a recording has no truth.
        """
        settings = settings_of(file, lag_s)
        located = {
            name: located_runs(folder, self._height_m, settings)
            for name, folder in self._recordings.items()
        }
        for name, parts in located.items():
            if all(part.run.truth is None for part in parts):
                fail(f"{self._recordings[name]}: has no truth.csv with places of its tags")
        runs = tuple(scored_runs(located, "fixes", self._windows))
        outputs = [Output("real_time", "real time", runs)]
        if settings.lag_s > 0.0:
            runs = tuple(scored_runs(located, "lagged", self._windows))
            outputs.append(Output("lagged", f"{settings.lag_s:g} s lag", runs))
        name = str(file) if file else "defaults"
        return Evaluated(name, settings, tuple(self._recordings), tuple(outputs))


def compared(sets: Sequence[Evaluated]) -> list[tuple[Output, Output, Row]]:
    """What the first of two sets does better, for each output that both have.

    The figures are those of each run and over all, ready for JSON. Nothing of a single set.
    """
    if len(sets) < 2:
        return []
    pairs = zip(sets[0].outputs, sets[1].outputs, strict=False)
    return [(new, old, _compared(new, old)) for new, old in pairs]


def _compared(new: Output, old: Output) -> Row:
    rows, parts = [], []
    for one, other in zip(new.runs, old.runs, strict=True):
        if one.errors is not None and other.errors is not None:
            parts.append(pairs_of_run(one.errors, other.errors))
            rows.append({"run": one.name, **without_nan(asdict(comparison(parts[-1:])))})
    return {"runs": rows, "all": without_nan(asdict(comparison(parts)))}


def as_json(sets: Sequence[Evaluated]) -> dict[str, Any]:
    """All figures; `comparison` by output, empty for a single set."""
    told: list[dict[str, Any]] = []
    for one in sets:
        outputs = {}
        for output in one.outputs:
            error_m = output.errors().error_m
            curve = np.percentile(error_m, _PERCENTILES).tolist() if len(error_m) else []
            outputs[output.name] = {**figures_of(output.runs), "error_percentiles_m": curve}
        told.append({"name": one.name, "settings": asdict(one.settings), "outputs": outputs})
    return {"sets": told, "comparison": {new.name: row for new, _, row in compared(sets)}}


def title_of(sets: Sequence[Evaluated]) -> str:
    """What a picture of the errors is called."""
    count = len(sets[0].outputs[0].errors().error_m)
    return f"Horizontal error of {count:,} fixes: {', '.join(sets[0].recordings)}"


def curves_of(sets: Sequence[Evaluated]) -> list[Curve]:
    """A curve for each output that has scored fixes: a colour for each set, dashed where lagged."""
    return [
        Curve(
            label=f"{one.name}, {output.title}",
            errors=output.errors(),
            colour=colour,
            dashed=output.name == "lagged",
        )
        for colour, one in enumerate(sets)
        for output in one.outputs
        if len(output.errors().error_m)
    ]
