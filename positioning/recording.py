"""Recordings: what was measured in a folder's files, where the devices hang, and the truth.

| file              | columns, and in brackets those that may be missing                        |
|-------------------|---------------------------------------------------------------------------|
| `ranges.csv`      | `t_s,tag,anchor,range_m` `[rssi_dbm,fp_dbm]`                              |
| `differences.csv` | `t_s,tag,anchor,other,difference_m`                                       |
| `sightings.csv`   | `t_s,tag,reader` `[rssi_dbm,side]`                                        |
| `rssi.csv`        | `t_s,tag,sensor,rssi_dbm` `[truth_x_m,truth_y_m,truth_z_m]`: sightings    |
| `places.csv`      | `t_s,tag,x_m,y_m,var_x_m2,cov_xy_m2,var_y_m2`                             |
| `anchors.csv`     | `anchor,x_m,y_m,z_m`                                                      |
| `readers.csv`     | `reader,x_m,y_m,z_m` `[radius_m,heading_deg]`                             |
| `sensors.csv`     | the same with `sensor` for `reader`                                       |
| `truth.csv`       | `tag,t_s,x_m,y_m,z_m` `[roadway,chainage_m]`                              |
| `map.geojson`     | as of a mine                                                              |

One file of measurements is enough. All tables but those of readers are told apart by a column
`run`, where there is one. Devices that have no table are those of the map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from positioning.csv_table import RecordingError, Table, table_of
from positioning.mine_map import MAP_FILE, MineMap, Reader
from positioning.observation import DIFFERENCE, PLACE, RANGE, SIGHTING, Records, measurements
from positioning.recorded_devices import ANCHORS_FILE, Found, device_handles, points_m, read_devices

__all__ = ["RecordingError", "Run", "Truth", "read_recording"]

RANGES_FILE: Final = "ranges.csv"
DIFFERENCES_FILE: Final = "differences.csv"
SIGHTINGS_FILE: Final = "sightings.csv"
STRENGTHS_FILE: Final = "rssi.csv"
PLACES_FILE: Final = "places.csv"
TRUTH_FILE: Final = "truth.csv"

_COVARIANCE: Final = ("var_x_m2", "cov_xy_m2", "var_y_m2")


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Where cards were: `card`, `t_ns` int64, `place_m` (n, 3) float64; by card, then by time.

    `roadway`: (n,) int64, the index in the map's roadways, -1 for none; `chainage_m`: (n,) float64,
    NaN for none. Both are None where the recording does not tell them.
    """

    card: NDArray[np.int64]
    t_ns: NDArray[np.int64]
    place_m: NDArray[np.float64]
    roadway: NDArray[np.int64] | None = None
    chainage_m: NDArray[np.float64] | None = None


def _none_of(dtype: np.dtype[np.void]) -> Callable[[], Records]:
    return lambda: np.empty(0, dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One independent part of a recording.

    `ranges`, `sightings`, `differences` and `places` are each in the order of their file; their
    handles index `tags`, `anchors` and `readers`. `anchors_m` is (n, 3) float64. `truth` is None
    where the recording has none for this run. `map`: None where the recording has none; its
    anchors and readers are those of the run, in the same order.
    """

    name: str
    tags: tuple[str, ...]
    anchors: tuple[str, ...]
    anchors_m: NDArray[np.float64]
    ranges: Records
    truth: Truth | None
    sightings: Records = field(default_factory=_none_of(SIGHTING))
    differences: Records = field(default_factory=_none_of(DIFFERENCE))
    places: Records = field(default_factory=_none_of(PLACE))
    readers: tuple[Reader, ...] = ()
    map: MineMap | None = None

    @property
    def readers_m(self) -> NDArray[np.float64]:
        """Where the readers are, (n, 3) float64."""
        return points_m(self.readers)

    @property
    def measurements(self) -> Records:
        """All that was measured, (n,) MEASUREMENT, merged by time.

        What was late in its file is late here: of each file the order is kept, and among files
        one that came after a newer one counts as of the newer one's time. At equal times ranges
        come first, then differences, sightings and places.
        """
        parts = (self.ranges, self.differences, self.sightings, self.places)
        came_ns = np.concatenate([np.maximum.accumulate(part["t_ns"]) for part in parts])
        return measurements(*parts)[np.argsort(came_ns, kind="stable")]


@dataclass(slots=True)
class _Gathered:
    """What one run has so far: cards by tag, measurements, and columns of the truth."""

    cards: dict[str, int] = field(default_factory=dict)
    observed: list[Records] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)

    def all_of(self, dtype: np.dtype[np.void]) -> Records:
        parts = [part for part in self.observed if part.dtype == dtype]
        return np.concatenate(parts) if parts else np.empty(0, dtype)


class _Source(NamedTuple):
    """A file of measurements: its type, needed columns, and the device columns by fields.

    `numbers`: columns of numbers by fields of the type.
    """

    file: str
    dtype: np.dtype[np.void]
    devices: Mapping[str, str]
    numbers: Mapping[str, str]
    optional: tuple[str, ...] = ()

    def needed(self) -> tuple[str, ...]:
        own = (*self.devices.values(), *self.numbers.values())
        return ("t_s", "tag", *(column for column in own if column not in self.optional))


_SIGNAL: Final = {"rssi_dbm": "rssi_dbm", "first_path_dbm": "fp_dbm"}
_SOURCES: Final = (
    _Source(
        RANGES_FILE,
        RANGE,
        {"anchor": "anchor"},
        {"range_m": "range_m", **_SIGNAL},
        ("rssi_dbm", "fp_dbm"),
    ),
    _Source(
        DIFFERENCES_FILE,
        DIFFERENCE,
        {"anchor": "anchor", "other": "other"},
        {"difference_m": "difference_m"},
    ),
    _Source(
        SIGHTINGS_FILE,
        SIGHTING,
        {"reader": "reader"},
        {"rssi_dbm": "rssi_dbm"},
        ("rssi_dbm",),
    ),
    _Source(STRENGTHS_FILE, SIGHTING, {"reader": "sensor"}, {"rssi_dbm": "rssi_dbm"}),
    _Source(PLACES_FILE, PLACE, {}, {name: name for name in ("x_m", "y_m", *_COVARIANCE)}),
)


def read_recording(folder: Path) -> tuple[Run, ...]:
    """All runs of a recording, in the order of their first measurement, file by file.

    An empty range or signal strength is NaN.

    Raises:
        RecordingError: a file is missing or wrong; the text names file, line, column and problem.
    """
    found = read_devices(folder)
    runs: dict[str, _Gathered] = {}
    for source in _SOURCES:
        table = table_of(folder / source.file, source.needed())
        if table is not None:
            _gather(table, source, found, runs)
    if not runs:
        raise _nothing_measured(folder)
    truth = table_of(folder / TRUTH_FILE, ("tag", "t_s", "x_m", "y_m", "z_m"))
    if truth is not None:
        _read_truth(truth, found.map, runs)
    return tuple(_run(name, run, found) for name, run in runs.items())


def _nothing_measured(folder: Path) -> RecordingError:
    for file in (ANCHORS_FILE, RANGES_FILE):
        if not (folder / file).exists():
            what = f"a recording is a folder with {RANGES_FILE}, {ANCHORS_FILE} or the like"
            return RecordingError(f"{folder / file}: no such file; {what}")
    return RecordingError(f"{folder / RANGES_FILE}: holds no range")


def _gather(table: Table, source: _Source, found: Found, runs: dict[str, _Gathered]) -> None:
    """Adds the measurements of a file to its runs."""
    records = np.zeros(len(table), source.dtype)
    records["t_ns"] = table.t_ns()
    for name, column in source.numbers.items():
        records[name] = table.numbers(column)
    if "side" in table and source.dtype == SIGHTING:
        records["side"] = _sides(table)
    tags = table.texts("tag")
    for run, rows in table.by_run().items():
        gathered = runs.setdefault(run, _Gathered())
        of_run = records[rows]
        cards = gathered.cards
        of_run["card"] = [cards.setdefault(tags[row], len(cards)) for row in rows]
        for name, column in source.devices.items():
            devices = found.readers if name == "reader" else found.anchors
            of_run[name] = device_handles(table, column, run, rows, devices)
        if source.dtype == DIFFERENCE and (of_run["anchor"] == of_run["other"]).any():
            row = rows[int(np.argmax(of_run["anchor"] == of_run["other"]))]
            raise table.fail(row, "other", "needs another anchor than column anchor")
        gathered.observed.append(of_run)
        if "truth_x_m" in table and source.file == STRENGTHS_FILE:
            gathered.truth.append(_truth_beside(table, rows, of_run))


def _sides(table: Table) -> NDArray[np.int8]:
    side = np.nan_to_num(table.numbers("side"), nan=0.0)
    wrong = np.flatnonzero(~np.isin(side, (-1, 0, 1)))
    if wrong.size:
        raise table.fail(int(wrong[0]), "side", f"is -1, 0 or 1, not {side[wrong[0]]:g}")
    return side.astype(np.int8)


def _truth_beside(table: Table, rows: list[int], observed: Records) -> Truth:
    """The truth in the columns beside the measurements; rows that don't tell it are left out."""
    columns = [table.numbers(f"truth_{axis}_m")[rows] for axis in "xyz"]
    place_m = np.column_stack(columns)
    told = np.isfinite(place_m[:, :2]).all(axis=1)
    card = observed["card"][told].astype(np.int64)
    return Truth(card, observed["t_ns"][told], place_m[told])


def _read_truth(table: Table, mine: MineMap | None, runs: dict[str, _Gathered]) -> None:
    """The truth of a file of its own, which replaces any that stands beside measurements."""
    t_ns, tags = table.t_ns(), table.texts("tag")
    place_m = np.column_stack([table.finite("x_m"), table.finite("y_m"), table.numbers("z_m")])
    roadway = chainage_m = None
    if mine is not None and "roadway" in table and "chainage_m" in table:
        indices = {"": -1} | {r.id: i for i, r in enumerate(mine.roadways)}
        unknown = [i for i, name in enumerate(table.names("roadway")) if name not in indices]
        if unknown:
            name = table.names("roadway")[unknown[0]]
            raise table.fail(unknown[0], "roadway", f"{name!r} is no roadway of {MAP_FILE}")
        roadway = np.array([indices[name] for name in table.names("roadway")], np.int64)
        chainage_m = table.numbers("chainage_m")
    for run, rows in table.by_run().items():
        gathered = runs.get(run)
        if gathered is None:
            continue
        cards = np.array([gathered.cards.get(tags[row], -1) for row in rows], np.int64)
        # The truth of a card that was never heard scores nothing.
        heard = np.array(rows)[cards >= 0]
        gathered.truth = [
            Truth(
                cards[cards >= 0],
                t_ns[heard],
                place_m[heard],
                None if roadway is None else roadway[heard],
                None if chainage_m is None else chainage_m[heard],
            )
        ]


def _in_order(truth: Truth) -> Truth | None:
    """By card, then by time; None where there is nothing."""
    if not len(truth.card):
        return None
    order = np.lexsort((truth.t_ns, truth.card))
    return Truth(
        truth.card[order],
        truth.t_ns[order],
        truth.place_m[order],
        None if truth.roadway is None else truth.roadway[order],
        None if truth.chainage_m is None else truth.chainage_m[order],
    )


def _run(name: str, run: _Gathered, found: Found) -> Run:
    anchors, readers = found.anchors.of(name) or (), found.readers.of(name) or ()
    return Run(
        name=name,
        tags=tuple(run.cards),
        anchors=tuple(anchor.id for anchor in anchors),
        anchors_m=points_m(anchors),
        ranges=run.all_of(RANGE),
        truth=_in_order(run.truth[0]) if run.truth else None,
        sightings=run.all_of(SIGHTING),
        differences=run.all_of(DIFFERENCE),
        places=run.all_of(PLACE),
        readers=readers,
        map=replace(found.map, anchors=anchors, readers=readers) if found.map else None,
    )
