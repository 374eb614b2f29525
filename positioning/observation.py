"""What is observed and what is concluded, as arrays: the types that pass between the parts.

Identities (cards, anchors, readers) are dense integers, given out once by an `IdTable`; arrays
hold the integer. Times are nanoseconds since the Unix epoch, lengths metres in the mine's own
right-handed frame (x, y horizontal, z up), signal strengths dBm.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

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

#: One "card seen here" by a reader. `rssi_dbm`: NaN if unknown.
SIGHTING: Final = np.dtype(
    [
        ("card", np.uint32),
        ("reader", np.uint32),
        ("t_ns", np.int64),
        ("rssi_dbm", np.float32),
    ]
)

#: An estimated place of a card. `nis` is the normalised innovation squared of the last measurement.
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
        ("fix_class", np.uint8),
        ("anchors_used", np.uint8),
        ("nis", np.float32),
    ]
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
