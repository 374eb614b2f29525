"""What is observed and what is concluded, as arrays: the types that pass between the parts.

Identities (cards, anchors, readers) are dense integers, given out once by an `IdTable`; arrays
hold the integer. Times are nanoseconds since the Unix epoch, lengths metres in the mine's own
right-handed frame (x, y horizontal, z up), signal strengths dBm.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: One measured distance between a card and an anchor. `rssi_dbm`, `first_path_dbm`: NaN if unknown.
RANGE: Final = np.dtype(
    [
        ("card", np.uint32),
        ("anchor", np.uint32),
        ("t_ns", np.int64),
        ("range_m", np.float64),
        ("rssi_dbm", np.float32),
        ("first_path_dbm", np.float32),
    ]
)

#: How much further a card is from `anchor` than from `other`, by the difference of arrival times.
DIFFERENCE: Final = np.dtype(
    [
        ("card", np.uint32),
        ("anchor", np.uint32),
        ("other", np.uint32),
        ("t_ns", np.int64),
        ("difference_m", np.float64),
    ]
)

#: One "card seen here" by a reader. `rssi_dbm`: NaN if unknown. `side`: +1 where a directional
#: reader saw the card ahead, in the direction of its heading, -1 behind, 0 where it did not say.
SIGHTING: Final = np.dtype(
    [
        ("card", np.uint32),
        ("reader", np.uint32),
        ("t_ns", np.int64),
        ("rssi_dbm", np.float32),
        ("side", np.int8),
    ]
)

#: A place that another positioning engine has found, with its horizontal covariance.
PLACE: Final = np.dtype(
    [
        ("card", np.uint32),
        ("t_ns", np.int64),
        ("x_m", np.float64),
        ("y_m", np.float64),
        ("var_x_m2", np.float64),
        ("cov_xy_m2", np.float64),
        ("var_y_m2", np.float64),
    ]
)


class CardFlag(IntFlag):
    """What a card says of itself with whatever is measured of it."""

    DISTRESS = 1  # its button is pressed
    LOW_BATTERY = 2


KNOWN_FLAGS: Final = int(CardFlag.DISTRESS | CardFlag.LOW_BATTERY)

#: Any of the four above, so that one array holds all that was measured in the order of its arrival;
#: `kind` is a `Kind`. `source` is the anchor or reader, `other` the second anchor; `value_m` the
#: range, the difference or x; `y_m` and the covariance are those of a place; `flags` are bits of
#: `CardFlag`.
MEASUREMENT: Final = np.dtype(
    [
        ("kind", np.uint8),
        ("side", np.int8),
        ("flags", np.uint8),
        ("card", np.uint32),
        ("source", np.uint32),
        ("other", np.uint32),
        ("t_ns", np.int64),
        ("value_m", np.float64),
        ("y_m", np.float64),
        ("var_x_m2", np.float64),
        ("cov_xy_m2", np.float64),
        ("var_y_m2", np.float64),
        ("rssi_dbm", np.float32),
        ("first_path_dbm", np.float32),
    ],
    align=True,
)

#: An estimated place of a card. `roadway` is the index of the roadway it is in, -1 in an open area
#: or unknown; `chainage_m` how far along its centreline, NaN where there is none. `age_s`: since
#: the last measurement that supports the place. `anchors_used`, `anchors_rejected`: heard within
#: the last second and in accord with the place, or not. `nis`: normalised innovation squared of the
#: last measurement. `hdop`: horizontal dilution of precision of the anchors used; `protection_m`:
#: the horizontal error that a single undetected fault of an anchor may cause; NaN if unknown.
FIX: Final = np.dtype(
    [
        ("card", np.uint32),
        ("t_ns", np.int64),
        ("x_m", np.float64),
        ("y_m", np.float64),
        ("z_m", np.float64),
        ("vx_m_s", np.float64),
        ("vy_m_s", np.float64),
        ("var_x_m2", np.float64),
        ("cov_xy_m2", np.float64),
        ("var_y_m2", np.float64),
        ("chainage_m", np.float64),
        ("roadway", np.int32),
        ("nis", np.float32),
        ("hdop", np.float32),
        ("protection_m", np.float32),
        ("age_s", np.float32),
        ("fix_class", np.uint8),
        ("anchors_used", np.uint8),
        ("anchors_rejected", np.uint8),
    ],
    align=True,
)

#: A reader saw a card where its ranges say that it can't be, `apart_m` from there.
CONFLICT: Final = np.dtype(
    [("card", np.uint32), ("reader", np.uint32), ("t_ns", np.int64), ("apart_m", np.float64)]
)

#: A record array of one of the types above.
Records = NDArray[np.void]


class FixClass(IntEnum):
    """How a place was found; the numbers are those of the contract's `FixClass`."""

    PRECISE = 1
    ROADWAY = 2
    ZONE = 3
    EXTRAPOLATED = 4
    AMBIGUOUS = 5
    LOST = 6


class Kind(IntEnum):
    """What a `MEASUREMENT` is."""

    RANGE = 0
    DIFFERENCE = 1
    SIGHTING = 2
    PLACE = 3


#: Fields of a measurement by the fields of its own type, where the names differ.
_RENAMED: Final = {
    "anchor": "source",
    "reader": "source",
    "range_m": "value_m",
    "difference_m": "value_m",
    "x_m": "value_m",
}
_KIND_OF: Final = {
    RANGE: Kind.RANGE,
    DIFFERENCE: Kind.DIFFERENCE,
    SIGHTING: Kind.SIGHTING,
    PLACE: Kind.PLACE,
}


def measurements(*observed: Records) -> Records:
    """(n,) MEASUREMENT of arrays of RANGE, DIFFERENCE, SIGHTING and PLACE, one after the other.

    Raises:
        KeyError: an array is of another type.
    """
    joined = np.zeros(sum(len(part) for part in observed), MEASUREMENT)
    start = 0
    for part in observed:
        rows = joined[start : start + len(part)]
        start += len(part)
        rows["kind"] = _KIND_OF[part.dtype]
        rows["rssi_dbm"] = rows["first_path_dbm"] = np.nan
        for name in part.dtype.names or ():
            rows[_RENAMED.get(name, name)] = part[name]
    return joined


def new_fixes(count: int) -> Records:
    """(count,) FIX: zeros, in no roadway, and with nothing known of their quality."""
    fixes = np.zeros(count, FIX)
    fixes["roadway"] = -1
    for name in ("chainage_m", "nis", "hdop", "protection_m"):
        fixes[name] = np.nan
    return fixes


def rows_of(records: Records, which: NDArray[Any]) -> Records:
    """`records[which]`, of rows (k,) or flags (n,), as a copy.

    NumPy copies a row of several columns column by column; as plain bytes it is copied whole.
    """
    picked: Records = _as_bytes(records)[which].view(records.dtype)
    return picked


def put_rows(records: Records, rows: NDArray[Any], values: Records) -> None:
    """`records[rows] = values`, in order; both are of one type. As in `rows_of`."""
    _as_bytes(records)[rows] = _as_bytes(values)


def _as_bytes(records: Records) -> NDArray[np.void]:
    return records.view(np.dtype((np.void, records.dtype.itemsize)))


class TableFullError(Exception):
    """An `IdTable` has given out all its handles."""


class IdTable:
    """Dense integers for names, given out once, in the order of asking.

    A name keeps its handle for the life of the table; handles are 0, 1, 2 …
    """

    def __init__(self, names: tuple[str, ...] = (), *, capacity: int = 1 << 17) -> None:
        """Starts with `names` as handles 0 to n-1.

        Raises:
            TableFullError: there are more names than `capacity`.
        """
        self._capacity = capacity
        self._names: list[str] = []
        self._handles: dict[str, int] = {}
        for name in names:
            self.handle(name)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._handles

    def handle(self, name: str) -> int:
        """The handle of `name`, given out now if it is new.

        Raises:
            TableFullError: `name` is new and the table is full.
        """
        handle = self._handles.get(name)
        if handle is None:
            handle = len(self._names)
            if handle >= self._capacity:
                msg = f"no room for {name!r}: all {self._capacity} handles are taken"
                raise TableFullError(msg)
            self._names.append(name)
            self._handles[name] = handle
        return handle

    def find(self, name: str) -> int | None:
        """The handle of `name`, or None where it has none."""
        return self._handles.get(name)

    def name(self, handle: int) -> str:
        """The name behind a handle. Raises IndexError for one that was not given out."""
        return self._names[handle]

    def names(self) -> tuple[str, ...]:
        """All names, by handle."""
        return tuple(self._names)
