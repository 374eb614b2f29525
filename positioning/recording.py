"""Recordings: `ranges.csv`, `anchors.csv` and, where there is one, `truth.csv`, of a folder."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.observation import RANGE, IdTable, Records

RANGES_FILE: Final = "ranges.csv"
ANCHORS_FILE: Final = "anchors.csv"
TRUTH_FILE: Final = "truth.csv"

#: A recording's seconds stay within what 64-bit nanoseconds hold with room for differences.
_T_LIMIT_S: Final = 4e9
_SIGNAL: Final = ("rssi_dbm", "fp_dbm")


class RecordingError(Exception):
    """A recording cannot be read; the text says which file, line and column, and why."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Where cards were: `card`, `t_ns` int64, `place_m` (n, 3) float64; by card, then by time."""

    card: NDArray[np.int64]
    t_ns: NDArray[np.int64]
    place_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One independent part of a recording.

    `ranges` are in the order of the file; their handles index `tags` and `anchors`. `anchors_m` is
    (n, 3) float64. `truth` is None where the recording has none for this run.
    """

    name: str
    tags: tuple[str, ...]
    anchors: tuple[str, ...]
    anchors_m: NDArray[np.float64]
    ranges: Records
    truth: Truth | None


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a CSV file, which knows where it stands."""

    file: Path
    line: int
    fields: dict[str, str]

    def fail(self, column: str, problem: str) -> RecordingError:
        return RecordingError(f"{self.file}, line {self.line}, column {column}: {problem}")

    def text(self, column: str) -> str:
        value = self.fields[column].strip()
        if not value:
            raise self.fail(column, "is empty")
        return value

    def number(self, column: str) -> float:
        """A number; NaN where the field is empty."""
        value = self.fields.get(column, "").strip()
        if not value:
            return math.nan
        try:
            return float(value)
        except ValueError:
            raise self.fail(column, f"{value!r} is not a number") from None

    def finite(self, column: str) -> float:
        value = self.number(column)
        if not math.isfinite(value):
            shown = self.fields[column].strip() or "an empty field"
            raise self.fail(column, f"needs a finite number, not {shown}")
        return value

    def t_ns(self) -> int:
        """The time: seconds, rounded to whole microseconds."""
        t_s = self.finite("t_s")
        if abs(t_s) > _T_LIMIT_S:
            raise self.fail("t_s", f"{t_s:g} s is out of scale (at most {_T_LIMIT_S:g})")
        return round(t_s * 1e6) * 1000


def _rows(file: Path, needed: tuple[str, ...]) -> Iterator[_Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            for column in needed:
                if column not in header:
                    found = ", ".join(header) or "nothing"
                    msg = f"{file}, line 1, column {column}: is missing (found: {found})"
                    raise RecordingError(msg)
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    msg = f"{file}, line {reader.line_num}: {len(fields)} fields instead of "
                    raise RecordingError(msg + f"{len(header)}")
                yield _Row(file, reader.line_num, dict(zip(header, fields, strict=True)))
    except FileNotFoundError:
        msg = f"{file}: no such file; a recording is a folder with {RANGES_FILE}, {ANCHORS_FILE}"
        raise RecordingError(msg) from None
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror}"
        raise RecordingError(msg) from None
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{file}: is not a CSV file in UTF-8: {error}"
        raise RecordingError(msg) from None


def _read_anchors(file: Path) -> dict[str, dict[str, tuple[float, float, float]]]:
    runs: dict[str, dict[str, tuple[float, float, float]]] = {}
    for row in _rows(file, ("anchor", "x_m", "y_m", "z_m")):
        anchors = runs.setdefault(row.fields.get("run", "").strip(), {})
        name = row.text("anchor")
        if name in anchors:
            raise row.fail("anchor", f"{name!r} stands here twice")
        anchors[name] = (row.finite("x_m"), row.finite("y_m"), row.finite("z_m"))
    return runs


@dataclass(slots=True)
class _Gathered:
    """The rows of one run while they are read."""

    tags: IdTable
    ranges: list[tuple[int, int, int, float, float, float]]
    truth: list[tuple[int, int, float, float, float]]


def _read_ranges(
    file: Path, anchors: dict[str, dict[str, tuple[float, float, float]]]
) -> dict[str, _Gathered]:
    handles = {run: {name: i for i, name in enumerate(names)} for run, names in anchors.items()}
    runs: dict[str, _Gathered] = {}
    for row in _rows(file, ("t_s", "tag", "anchor", "range_m")):
        run = row.fields.get("run", "").strip()
        of_run = handles.get(run)
        if of_run is None:
            raise row.fail("run", f"{run!r} has no anchors in {ANCHORS_FILE}")
        anchor = of_run.get(row.text("anchor"))
        if anchor is None:
            raise row.fail("anchor", f"{row.text('anchor')!r} is not in {ANCHORS_FILE}")
        gathered = runs.setdefault(run, _Gathered(IdTable(), [], []))
        rssi_dbm, fp_dbm = (row.number(column) for column in _SIGNAL)
        tag = gathered.tags.handle(row.text("tag"))
        gathered.ranges.append((tag, anchor, row.t_ns(), row.number("range_m"), rssi_dbm, fp_dbm))
    if not runs:
        msg = f"{file}: holds no range"
        raise RecordingError(msg)
    return runs


def _read_truth(file: Path, runs: dict[str, _Gathered]) -> None:
    for row in _rows(file, ("tag", "t_s", "x_m", "y_m", "z_m")):
        gathered = runs.get(row.fields.get("run", "").strip())
        tag = gathered.tags.find(row.text("tag")) if gathered else None
        if gathered is None or tag is None:
            continue  # the truth of a card that was never heard scores nothing
        place = (row.finite("x_m"), row.finite("y_m"), row.number("z_m"))
        gathered.truth.append((tag, row.t_ns(), *place))


def _truth(rows: list[tuple[int, int, float, float, float]]) -> Truth | None:
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: row[:2])
    return Truth(
        card=np.array([row[0] for row in ordered], np.int64),
        t_ns=np.array([row[1] for row in ordered], np.int64),
        place_m=np.array([row[2:] for row in ordered], np.float64),
    )


def read_recording(folder: Path) -> tuple[Run, ...]:
    """All runs of a recording, in the order of their first range.

    An empty range or signal strength is NaN.

    Raises:
        RecordingError: a file is missing or wrong; the text names file, line, column and problem.
    """
    anchors = _read_anchors(folder / ANCHORS_FILE)
    gathered = _read_ranges(folder / RANGES_FILE, anchors)
    if (folder / TRUTH_FILE).exists():
        _read_truth(folder / TRUTH_FILE, gathered)
    return tuple(
        Run(
            name=name,
            tags=run.tags.names(),
            anchors=tuple(anchors[name]),
            anchors_m=np.array(list(anchors[name].values()), np.float64),
            ranges=np.array(run.ranges, RANGE),
            truth=_truth(run.truth),
        )
        for name, run in gathered.items()
    )
