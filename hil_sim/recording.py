"""A mine made from a recording of ranges, so that the gateway can be scored on it over the wire.

A recording is a folder with `ranges.csv` (`[run,]t_s,tag,anchor,range_m[,rssi_dbm,fp_dbm]`),
`anchors.csv` (`[run,]anchor,x_m,y_m,z_m`) and maybe `truth.csv` (`[run,]tag,t_s,x_m,y_m,z_m`).
All its runs are played at once: each tag of each run has a card of its own, each run anchors of
its own.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from equipment.device import DEVICES_FILE
from hil_sim.folder import PEOPLE_FILE, SimulationError
from hil_sim.sample_map import feature, rectangle
from hil_sim.sample_mine import MINE_CODE, MINE_FILE, write_files
from positioning.mine_map import MAP_FILE

RANGES_FILE: Final = "ranges.csv"
ANCHORS_FILE: Final = "anchors.csv"
TRUTH_FILE: Final = "truth.csv"

#: What in the made folder says which card is which tag of which run, and when the play began.
RECORDING_FILE: Final = "recording.json"

READER: Final = "player"
READER_PORT: Final = 15021

#: Letters that a reader's record has for an anchor.
ANCHOR_LETTERS: Final = 8

#: Longer than any radio reaches, and well within what a reader's record holds.
RANGE_MAX_M: Final = 100_000

#: How far the reader's clock may run ahead of the gateway's while a recording is played fast: the
#: most that a gateway's configuration takes.
CLOCK_TOLERANCE_S: Final = 3_600

#: Around all anchors and the track; and the least half side of the small zone.
MARGIN_M: Final = 5.0
SMALL_ZONE_M: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The ranges of a recording by time: columns of equal length.

    `t_us`: whole microseconds of the recording's own time; `card`, `anchor`: object arrays of the
    ids in the made folder; `range_m`, `rssi_dbm`, `first_path_dbm`: float64, NaN where not given.
    """

    t_us: NDArray[np.int64]
    card: NDArray[np.object_]
    anchor: NDArray[np.object_]
    range_m: NDArray[np.float64]
    rssi_dbm: NDArray[np.float64]
    first_path_dbm: NDArray[np.float64]


def write_recording_mine(
    recording: Path,
    folder: Path,
    runs: Sequence[str] | None = None,
    *,
    port: int = READER_PORT,
    grpc_port: int = 50051,
    card_height_m: float = 1.0,
) -> None:
    """Writes a mine's folder for a recording: one UWB reader at `port`, on a flat floor at z = 0.

    `runs`: only these; all where None.

    Raises:
        SimulationError: the recording or a run is missing or wrong, or `folder` is not empty.
    """
    places = _anchor_places(recording, runs)
    tags = list(dict.fromkeys((row.run, row["tag"]) for row in _rows(recording / RANGES_FILE)))
    names = list(places)
    tags = [tag for tag in tags if tag[0] in places]
    cards = {tag: f"{MINE_CODE}{number:05d}" for number, tag in enumerate(tags, start=1)}
    anchors = {
        (run, anchor): _short_id(names.index(run) + 1, anchor, position)
        for run in names
        for position, anchor in enumerate(places[run], start=1)
    }
    track_m = _track(recording, names)
    about = {
        "recording": recording.name,
        "base_t_ns": None,
        "cards": [{"card": c, "run": run, "tag": tag} for (run, tag), c in cards.items()],
        "anchors": [{"anchor": a, "run": r, "name": name} for (r, name), a in anchors.items()],
    }
    anchors_m = {anchors[run, a]: place for run in names for a, place in places[run].items()}
    people = [f"{card},{tag} of {run or 'the recording'},," for (run, tag), card in cards.items()]
    write_files(
        folder,
        {
            MINE_FILE: _mine_text(recording.name, grpc_port, card_height_m),
            DEVICES_FILE: _devices_text(port),
            PEOPLE_FILE: "\n".join(["card,name,job,team", *people, ""]),
            MAP_FILE: _map_text(anchors_m, track_m),
            RECORDING_FILE: json.dumps(about, indent=2, ensure_ascii=False) + "\n",
        },
    )


def read_rows(recording: Path, folder: Path) -> Rows:
    """The ranges of the runs that `folder` was made for, by time.

    Raises:
        SimulationError: the recording is missing or wrong, or is not that of the folder.
    """
    about = read_about(folder)
    cards = {(c["run"], c["tag"]): c["card"] for c in about["cards"]}
    anchors = {(a["run"], a["name"]): a["anchor"] for a in about["anchors"]}
    rows = [row for row in _rows(recording / RANGES_FILE) if (row.run, row["tag"]) in cards]
    if {(row.run, row["tag"]) for row in rows} != set(cards):
        msg = f"{recording} is not the recording that {folder} was made for: it lacks runs or tags"
        raise SimulationError(msg)
    rows.sort(key=lambda row: row.number("t_s"))
    return Rows(
        np.array([round(row.number("t_s") * 1_000_000) for row in rows], np.int64),
        np.array([cards[row.run, row["tag"]] for row in rows], object),
        np.array([row.lookup(anchors, "anchor") for row in rows], object),
        np.array([row.range_m() for row in rows]),
        np.array([row.optional("rssi_dbm") for row in rows]),
        np.array([row.optional("fp_dbm") for row in rows]),
    )


def read_about(folder: Path) -> dict[str, Any]:
    """The folder's `recording.json`.

    Raises:
        SimulationError: it is missing or wrong.
    """
    try:
        about = json.loads((folder / RECORDING_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{folder} was not made from a recording: {RECORDING_FILE} can't be read ({error})"
        raise SimulationError(msg) from None
    assert isinstance(about, dict)
    return about


def write_base(folder: Path, base_t_ns: int) -> None:
    """Notes in the folder at which time the recording's second 0 was played."""
    about = read_about(folder) | {"base_t_ns": base_t_ns}
    try:
        text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
        (folder / RECORDING_FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{folder / RECORDING_FILE} can't be written: {error.strerror}"
        raise SimulationError(msg) from None


class _Row:
    """One line of a CSV file, which knows where it stands."""

    __slots__ = ("_cells", "_where", "run")

    def __init__(self, where: str, cells: Mapping[str, str]) -> None:
        self._where = where
        self._cells = cells
        self.run = cells.get("run", "")

    def __getitem__(self, column: str) -> str:
        cell = self._cells.get(column)
        if not cell:
            raise self._error(f"column {column!r} is missing or empty")
        return cell

    def number(self, column: str) -> Decimal:
        text = self[column]
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise self._error(f"{column} is no number: {text!r}") from None
        if not number.is_finite():
            raise self._error(f"{column} is not finite: {text!r}")
        return number

    def range_m(self) -> float:
        number = self.number("range_m")
        if not 0 <= number <= RANGE_MAX_M:
            raise self._error(f"range_m must be 0 to {RANGE_MAX_M}: {number}")
        return float(number)

    def optional(self, column: str) -> float:
        """A signal strength; NaN where there is none, also where it is said as -inf dBm."""
        try:
            value = float(self._cells.get(column) or math.nan)
        except ValueError:
            raise self._error(f"{column} is no number: {self._cells[column]!r}") from None
        return value if math.isfinite(value) else math.nan

    def lookup(self, anchors: Mapping[tuple[str, str], str], column: str) -> str:
        found = anchors.get((self.run, self[column]))
        if found is None:
            raise self._error(f"{ANCHORS_FILE} has no anchor {self[column]!r} for this run")
        return found

    def _error(self, problem: str) -> SimulationError:
        return SimulationError(f"{self._where}: {problem}")


def _rows(file: Path) -> Iterator[_Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            for cells in reader:
                if None in cells:  # where csv puts what is beyond the columns
                    msg = f"{file.name}:{reader.line_num}: more cells than columns"
                    raise SimulationError(msg)
                yield _Row(f"{file.name}:{reader.line_num}", cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{file} can't be read: {error}"
        raise SimulationError(msg) from None


def _anchor_places(
    recording: Path, runs: Sequence[str] | None
) -> dict[str, dict[str, tuple[float, float, float]]]:
    places: dict[str, dict[str, tuple[float, float, float]]] = {}
    for row in _rows(recording / ANCHORS_FILE):
        x_m, y_m, z_m = (float(row.number(name)) for name in ("x_m", "y_m", "z_m"))
        places.setdefault(row.run, {})[row["anchor"]] = (x_m, y_m, z_m)
    unknown = sorted(set(runs or ()) - set(places))
    if unknown or not places:
        msg = f"{recording} has no run {', '.join(unknown)}; it has: {', '.join(places) or 'none'}"
        raise SimulationError(msg)
    return {run: places[run] for run in (runs or places)}


def _short_id(run_number: int, anchor: str, position: int) -> str:
    """An id that is unique among all runs and fits in a reader's record."""
    name = f"{run_number}.{anchor}"
    fits = len(name) <= ANCHOR_LETTERS and name.isascii() and name.replace(".", "").isalnum()
    return name if fits else f"{run_number}.{position}"


def _track(recording: Path, runs: Iterable[str]) -> NDArray[np.float64]:
    """Where the first tag of the first run with a truth went: (n, 2) metres; empty without one."""
    if not (recording / TRUTH_FILE).is_file():
        return np.empty((0, 2))
    rows = [row for row in _rows(recording / TRUTH_FILE) if row.run in set(runs)]
    places = [(float(row.number("x_m")), float(row.number("y_m"))) for row in rows]
    return np.array(places).reshape(-1, 2)


def _map_text(
    anchors_m: Mapping[str, tuple[float, float, float]], track_m: NDArray[np.float64]
) -> str:
    points = np.concatenate([np.array(list(anchors_m.values()))[:, :2], track_m])
    x0, y0 = (float(v) for v in np.floor(points.min(axis=0) - MARGIN_M))
    x1, y1 = (float(v) for v in np.ceil(points.max(axis=0) + MARGIN_M))
    # Where the track is half-way through: it goes in there, and out again.
    middle = track_m[len(track_m) // 2] if len(track_m) else points.mean(axis=0)
    half_m = max(SMALL_ZONE_M, 0.05 * min(x1 - x0, y1 - y0))
    x, y = round(float(middle[0]), 2), round(float(middle[1]), 2)
    small = (x - half_m, y - half_m, x + half_m, y + half_m)
    features = [
        feature("area", "Polygon", rectangle(x0, y0, x1, y1), id="floor", name="Floor"),
        *(feature("anchor", "Point", list(p), id=a) for a, p in anchors_m.items()),
        feature("zone", "Polygon", rectangle(x0, y0, x1, y1), id="area", name="Area", zone="key"),
        feature("zone", "Polygon", rectangle(*small), id="spot", name="Spot", zone="restricted"),
    ]
    lines = ",\n".join("    " + json.dumps(f, ensure_ascii=False) for f in features)
    return f'{{\n  "type": "FeatureCollection",\n  "features": [\n{lines}\n  ]\n}}\n'


def _mine_text(name: str, grpc_port: int, card_height_m: float) -> str:
    return f"""\
# Made from a recording: `lamproom sim` plays it with --recording.

[mine]
code = "{MINE_CODE}"
name = {json.dumps(name, ensure_ascii=False)}

[grpc]
address = "127.0.0.1"
port = {grpc_port}

[positioning]
card_height_m = {card_height_m}
clock_tolerance_s = {CLOCK_TOLERANCE_S}
"""


def _devices_text(port: int) -> str:
    return f"""\
[[device]]
id = "{READER}"
profile = "uwb_reader"
name = "Recording"
host = "127.0.0.1"
port = {port}
unit = 1
"""
