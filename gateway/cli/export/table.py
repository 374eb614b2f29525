"""Tables to be written to a file: columns with a kind, rows in batches, one writer a format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, TypeAlias


class Kind(Enum):
    """What a column holds; None stands for what is not known in each."""

    TEXT = "text"
    #: A whole number, 64 bits.
    WHOLE = "whole"
    NUMBER = "number"
    #: Nanoseconds since the Unix epoch.
    TIME = "time"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind


#: Rows by column, as many of each: plain Python values.
Batch: TypeAlias = Mapping[str, Sequence[Any]]

#: The columns of a place, metres of the mine, where a table has one.
PLACE: tuple[str, str, str] = ("x_m", "y_m", "z_m")


class TableWriter(Protocol):
    """Writes a table batch by batch; a context, at whose end the file is whole."""

    def write(self, batch: Batch) -> None:
        """Adds rows. Raises OSError where the file can't be written."""


class ExportError(Exception):
    """The file can't be written; the text is for an operator: what is wrong and what to do."""


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A file beside `file` to write to, which takes its place when all went well.

    Raises:
        OSError: it can't be written.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def rows_of(batch: Batch, columns: Sequence[Column]) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch, cells in the order of `columns`."""
    return zip(*(batch[column.name] for column in columns), strict=True)
