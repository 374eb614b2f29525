"""Which format a file gets: by its ending."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from gateway.cli.export.csv_file import CsvTable
from gateway.cli.export.geojson_file import GeoJsonTable
from gateway.cli.export.parquet_file import ParquetTable
from gateway.cli.export.table import Column, ExportError, TableWriter, replacing

_Open: TypeAlias = Callable[[Path, Sequence[Column]], AbstractContextManager[TableWriter]]

_FORMATS: Final[Mapping[str, _Open]] = {
    ".csv": CsvTable.open,
    ".parquet": ParquetTable.open,
    ".geojson": GeoJsonTable.open,
}


@contextmanager
def table_in(file: Path, columns: Sequence[Column]) -> Iterator[TableWriter]:
    """A table to be written, which takes the place of `file` when all of it is there.

    Raises:
        ExportError: there is no such format, or the file can't be written.
    """
    make = _FORMATS.get(file.suffix.lower())
    if make is None:
        msg = f"{file}: its ending says the format: {', '.join(_FORMATS)}"
        raise ExportError(msg)
    try:
        with replacing(file) as part, make(part, columns) as table:
            yield table
    except OSError as error:
        msg = f"{file}: it can't be written: {error.strerror or error}"
        raise ExportError(msg) from error
