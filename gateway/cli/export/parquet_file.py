"""Tables as Parquet, by the package pyarrow, an extra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from gateway.cli.export.table import Batch, Column, ExportError, Kind


class ParquetTable:
    """Made by `open`. Each batch is a row group."""

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer = writer
        self._schema = schema

    @classmethod
    @contextmanager
    def open(cls, file: Path, columns: Sequence[Column]) -> Iterator[Self]:
        """A table in `file`.

        Raises:
            ExportError: pyarrow is not installed.
            OSError: it can't be written.
        """
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            msg = (
                "Parquet needs the package pyarrow, which is not installed: "
                "pip install 'lamproom[parquet]', or write CSV"
            )
            raise ExportError(msg) from error
        kinds = {
            Kind.TEXT: pa.string(),
            Kind.WHOLE: pa.int64(),
            Kind.NUMBER: pa.float64(),
            Kind.TIME: pa.timestamp("ns", tz="UTC"),
            Kind.FLAG: pa.bool_(),
        }
        schema = pa.schema([(column.name, kinds[column.kind]) for column in columns])
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            yield cls(writer, schema)

    def write(self, batch: Batch) -> None:
        """Adds rows."""
        import pyarrow as pa

        arrays = [pa.array(batch[field.name], type=field.type) for field in self._schema]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
