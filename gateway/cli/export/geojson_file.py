"""Tables as GeoJSON: a feature a row, a point where it has a place.

Coordinates are metres of the mine, as in its map.geojson, not degrees.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TextIO

from gateway.cli.export.table import PLACE, Batch, Column, Kind, rows_of
from gateway.cli.show import iso


class GeoJsonTable:
    """Made by `open`."""

    def __init__(self, file: TextIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._columns = columns
        self._before = "\n"

    @classmethod
    @contextmanager
    def open(cls, file: Path, columns: Sequence[Column]) -> Iterator[Self]:
        """A table in `file`. Raises OSError where it can't be written."""
        with file.open("w", encoding="utf-8") as text:
            text.write('{"type": "FeatureCollection", "features": [')
            yield cls(text, columns)
            text.write("\n]}\n")

    def write(self, batch: Batch) -> None:
        """Adds rows; properties that are not known are left out."""
        for row in rows_of(batch, self._columns):
            self._file.write(self._before + json.dumps(self._feature(row), ensure_ascii=False))
            self._before = ",\n"

    def _feature(self, row: Sequence[Any]) -> dict[str, Any]:
        place: dict[str, float] = {}
        properties: dict[str, Any] = {}
        for column, cell in zip(self._columns, row, strict=True):
            if cell is None:
                continue
            if column.name in PLACE:
                place[column.name] = float(cell)
            else:
                properties[column.name] = iso(cell) if column.kind is Kind.TIME else cell
        point = [place[name] for name in PLACE] if len(place) == len(PLACE) else None
        geometry = {"type": "Point", "coordinates": point} if point else None
        return {"type": "Feature", "geometry": geometry, "properties": properties}
