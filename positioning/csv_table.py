"""A CSV file of a recording as columns; every mistake is told with file, line and column."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: A recording's seconds stay within what 64-bit nanoseconds hold with room for differences.
_T_LIMIT_S: Final = 4e9


class RecordingError(Exception):
    """A recording cannot be read; the text says which file, line and column, and why."""


class Table:
    """The columns of a CSV file in UTF-8 with a header; blank lines are left out.

    Fields are read without the blanks around them. Columns that nobody asks for do no harm.
    """

    def __init__(self, file: Path, needed: tuple[str, ...]) -> None:
        """Reads the file, which has the columns `needed`.

        Raises:
            FileNotFoundError: there is no such file.
            RecordingError: it can't be read, or a needed column or a field is missing.
        """
        self.file = file
        #: By row, the line of the file on which it ends.
        self._lines: list[int] = []
        rows: list[list[str]] = []
        try:
            with file.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.reader(stream, strict=True)
                self._header = self._checked([name.strip() for name in next(reader, [])], needed)
                for fields in self._filled(reader):
                    rows.append(fields)
                    self._lines.append(reader.line_num)
        except FileNotFoundError:
            raise
        except OSError as error:
            msg = f"{file}: cannot be read: {error.strerror}"
            raise RecordingError(msg) from None
        except (UnicodeDecodeError, csv.Error) as error:
            msg = f"{file}: is not a CSV file in UTF-8: {error}"
            raise RecordingError(msg) from None
        columns = zip(*rows, strict=True) if rows else ((),) * len(self._header)
        self._columns = dict(zip(self._header, columns, strict=True))
        self._names: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, column: str) -> bool:
        return column in self._columns

    def fail(self, row: int, column: str, problem: str) -> RecordingError:
        """The error of a field."""
        return RecordingError(f"{self.file}, line {self._lines[row]}, column {column}: {problem}")

    def names(self, column: str) -> list[str]:
        """The texts of a column; empty ones where there is no such column."""
        if column not in self._names:
            fields = self._columns.get(column, ("",) * len(self))
            self._names[column] = list(map(str.strip, fields))
        return self._names[column]

    def texts(self, column: str) -> list[str]:
        """The texts of a column, none of which may be empty."""
        texts = self.names(column)
        if "" in texts:
            raise self.fail(texts.index(""), column, "is empty")
        return texts

    def handles(
        self, column: str, rows: list[int], handles: Mapping[str, int], refused: str
    ) -> list[int]:
        """The number of each text in these rows of a column.

        Raises:
            RecordingError: a text is empty, or has no number, which is told in the words `refused`.
        """
        texts = self.texts(column)
        try:
            return [handles[texts[row]] for row in rows]
        except KeyError:
            row = next(row for row in rows if texts[row] not in handles)
            raise self.fail(row, column, f"{texts[row]!r} {refused}") from None

    def numbers(self, column: str) -> NDArray[np.float64]:
        """The numbers of a column; NaN where the field is empty, or where there is no column."""
        fields = self._columns.get(column)
        if fields is None:
            return np.full(len(self), math.nan)
        try:
            return np.array(list(map(float, fields)), np.float64)
        except ValueError:
            return np.array([self._number(row, column, f) for row, f in enumerate(fields)])

    def finite(self, column: str) -> NDArray[np.float64]:
        """The numbers of a column, all of which must be finite."""
        values = self.numbers(column)
        finite = np.isfinite(values)
        if not finite.all():
            row = int(np.argmin(finite))
            shown = self._columns[column][row].strip() if column in self else ""
            problem = f"needs a finite number, not {shown or 'an empty field'}"
            raise self.fail(row, column, problem)
        return values

    def t_ns(self) -> NDArray[np.int64]:
        """The times of column `t_s`: seconds, rounded to whole microseconds."""
        t_s = self.finite("t_s")
        in_scale = np.abs(t_s) <= _T_LIMIT_S
        if not in_scale.all():
            row = int(np.argmin(in_scale))
            problem = f"{t_s[row]:g} s is out of scale (at most {_T_LIMIT_S:g})"
            raise self.fail(row, "t_s", problem)
        return np.round(t_s * 1e6).astype(np.int64) * 1000

    def by_run(self) -> dict[str, list[int]]:
        """The rows of each run, in the order of the runs' first rows; "" where there is no run."""
        rows: dict[str, list[int]] = {}
        for row, run in enumerate(self.names("run")):
            rows.setdefault(run, []).append(row)
        return rows

    def _checked(self, header: list[str], needed: tuple[str, ...]) -> list[str]:
        found = ", ".join(header) or "nothing"
        for column in needed:
            if column not in header:
                problem = f"column {column}: is missing (found: {found})"
                raise RecordingError(f"{self.file}, line 1, {problem}")
        for column in header:
            if column in needed and header.count(column) > 1:
                problem = f"column {column}: stands here twice"
                raise RecordingError(f"{self.file}, line 1, {problem}")
        return header

    def _filled(self, reader: Any) -> Iterator[list[str]]:
        """The rows of a CSV reader that aren't blank."""
        width = len(self._header)
        for fields in reader:
            if len(fields) == width:
                yield fields
            elif fields:
                problem = f"{len(fields)} fields instead of {width}"
                raise RecordingError(f"{self.file}, line {reader.line_num}: {problem}")

    def _number(self, row: int, column: str, field: str) -> float:
        if not field.strip():
            return math.nan
        try:
            return float(field)
        except ValueError:
            raise self.fail(row, column, f"{field.strip()!r} is not a number") from None


def table_of(file: Path, needed: tuple[str, ...]) -> Table | None:
    """The table of a file; None where there is no such file. Raises RecordingError."""
    try:
        return Table(file, needed)
    except FileNotFoundError:
        return None
