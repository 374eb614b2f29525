"""Tables as CSV that spreadsheets open with Chinese text and whole card numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, TextIO

from gateway.cli.export.table import Batch, Column, Kind
from gateway.cli.show import iso, plain

#: A spreadsheet takes a file for text in UTF-8 only with a mark at its start.
_ENCODING: Final = "utf-8-sig"

#: What a spreadsheet would take for a formula, for a number of which it keeps 15 digits only, or of
#: which it drops the zeros in front.
_NOT_PLAIN_TEXT: Final = re.compile(r"[=+\-@].*|0\d+|\d{12,}", re.DOTALL)


class CsvTable:
    """Made by `open`."""

    def __init__(self, file: TextIO, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._writer = csv.writer(file)
        self._writer.writerow(column.name for column in columns)

    @classmethod
    @contextmanager
    def open(cls, file: Path, columns: Sequence[Column]) -> Iterator[Self]:
        """A table in `file`. Raises OSError where it can't be written."""
        with file.open("w", encoding=_ENCODING, newline="") as text:
            yield cls(text, columns)

    def write(self, batch: Batch) -> None:
        """Adds rows; unknown cells are empty."""
        cells = []
        for column in self._columns:
            shown = _SHOWN[column.kind]
            cells.append([None if cell is None else shown(cell) for cell in batch[column.name]])
        self._writer.writerows(zip(*cells, strict=True))


def as_text(cell: str) -> str:
    """A cell that no spreadsheet calculates or rounds: a tab before it makes it text."""
    cell = plain(cell)
    return f"\t{cell}" if _NOT_PLAIN_TEXT.fullmatch(cell) else cell


_SHOWN: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.TEXT: as_text,
    Kind.WHOLE: int,
    Kind.NUMBER: float,
    Kind.TIME: iso,
    Kind.FLAG: int,
}
