"""The anchors and readers of a recording, from its tables and its map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from positioning.csv_table import RecordingError, Table, table_of
from positioning.geojson import MapError, parse_map
from positioning.mine_map import MAP_FILE, Anchor, MineMap, Reader

ANCHORS_FILE: Final = "anchors.csv"
READERS_FILE: Final = "readers.csv"
SENSORS_FILE: Final = "sensors.csv"

#: How far a reader sees cards, where its table does not say: as active RFID readers do.
RADIUS_M: Final = 15.0

_PLACE: Final = ("x_m", "y_m", "z_m")

Device = TypeVar("Device", Anchor, Reader)


@dataclass(frozen=True, slots=True)
class Devices(Generic[Device]):
    """Anchors or readers, by run; those of the run None serve every run. `file` holds them."""

    file: str
    of_run: Mapping[str | None, tuple[Device, ...]]

    def of(self, run: str) -> tuple[Device, ...] | None:
        """Those of a run; None where it has none."""
        return self.of_run.get(run, self.of_run.get(None))

    def handles(self, run: str) -> dict[str, int] | None:
        """The index of each id among those of a run; None where it has none."""
        of_run = self.of(run)
        return None if of_run is None else {device.id: i for i, device in enumerate(of_run)}


class Found(NamedTuple):
    """What a folder has beside its measurements."""

    anchors: Devices[Anchor]
    readers: Devices[Reader]
    map: MineMap | None


def read_devices(folder: Path) -> Found:
    """Anchors and readers of the tables, else of the map, and the map; what is absent is empty.

    Raises:
        RecordingError: a file is wrong.
    """
    mine = _read_map(folder / MAP_FILE)
    return Found(_read_anchors(folder, mine), _read_readers(folder, mine), mine)


def device_handles(
    table: Table,
    column: str,
    run: str,
    rows: list[int],
    devices: Devices[Anchor] | Devices[Reader],
) -> list[int]:
    """The index in the devices of `run` of each name in these rows of a column.

    Raises:
        RecordingError: there is no such device.
    """
    handles = devices.handles(run)
    if handles is None and not devices.of_run:
        where = table.file.parent / devices.file
        raise RecordingError(f"{where}: no such file; {table.file.name} needs it")
    if handles is None:
        raise table.fail(rows[0], "run", f"{run!r} has no anchors in {devices.file}")
    return table.handles(column, rows, handles, f"is not in {devices.file}")


def points_m(things: Sequence[Anchor] | Sequence[Reader]) -> NDArray[np.float64]:
    """Where things are, (n, 3) float64."""
    return np.array([(t.x_m, t.y_m, t.z_m) for t in things], np.float64).reshape(-1, 3)


def _read_map(file: Path) -> MineMap | None:
    try:
        return parse_map(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror}"
        raise RecordingError(msg) from None
    except UnicodeDecodeError as error:
        msg = f"{file}: is not text in UTF-8: {error}"
        raise RecordingError(msg) from None
    except MapError as error:
        told = (f"{file}, line {m.line}: {m.key}: {m.problem}" for m in error.mistakes)
        raise RecordingError("\n".join(told)) from None


def _read_anchors(folder: Path, mine: MineMap | None) -> Devices[Anchor]:
    table = table_of(folder / ANCHORS_FILE, ("anchor", *_PLACE))
    if table is None:
        return Devices(MAP_FILE, {None: mine.anchors}) if mine else Devices(ANCHORS_FILE, {})
    names, places_m = table.texts("anchor"), _places_m(table)
    of_run: dict[str | None, tuple[Anchor, ...]] = {}
    for run, rows in table.by_run().items():
        _refuse_repeats(table, "anchor", rows)
        of_run[run] = tuple(Anchor(names[row], *places_m[row]) for row in rows)
    return Devices(ANCHORS_FILE, of_run)


def _read_readers(folder: Path, mine: MineMap | None) -> Devices[Reader]:
    for file, column in ((READERS_FILE, "reader"), (SENSORS_FILE, "sensor")):
        table = table_of(folder / file, (column, *_PLACE))
        if table is not None:
            return Devices(file, {None: _readers(table, column)})
    return Devices(MAP_FILE, {None: mine.readers}) if mine else Devices(READERS_FILE, {})


def _readers(table: Table, column: str) -> tuple[Reader, ...]:
    rows = list(range(len(table)))
    _refuse_repeats(table, column, rows)
    names, places_m = table.texts(column), _places_m(table)
    radius_m, heading_deg = table.numbers("radius_m"), table.numbers("heading_deg")
    for name, values, fits in (
        ("radius_m", radius_m, (radius_m > 0) & np.isfinite(radius_m)),
        ("heading_deg", heading_deg, np.isfinite(heading_deg)),
    ):
        wrong = np.flatnonzero(~fits & ~np.isnan(values))
        if wrong.size:
            row = int(wrong[0])
            raise table.fail(row, name, f"{values[row]:g} is none that a reader has")
    return tuple(
        Reader(
            names[row],
            *places_m[row],
            radius_m=RADIUS_M if np.isnan(radius_m[row]) else float(radius_m[row]),
            heading_deg=None if np.isnan(heading_deg[row]) else float(heading_deg[row]),
        )
        for row in rows
    )


def _places_m(table: Table) -> list[tuple[float, float, float]]:
    x_m, y_m, z_m = (table.finite(column).tolist() for column in _PLACE)
    return list(zip(x_m, y_m, z_m, strict=True))


def _refuse_repeats(table: Table, column: str, rows: list[int]) -> None:
    names = table.texts(column)
    seen: set[str] = set()
    for row in rows:
        if names[row] in seen:
            raise table.fail(row, column, f"{names[row]!r} stands here twice")
        seen.add(names[row])
