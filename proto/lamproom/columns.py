"""Frames of positions as NumPy columns.

`protobuf` gives a packed column to NumPy as one array: 8,000 rows take 0.5 ms, names and all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lamproom.v1.position_pb2 import PositionDirectory, PositionFrame

Texts: TypeAlias = "NDArray[np.object_]"
Times: TypeAlias = "NDArray[np.datetime64]"
Lengths: TypeAlias = "NDArray[np.float64]"
Floats: TypeAlias = "NDArray[np.float32]"
Counts: TypeAlias = "NDArray[np.uint32]"

#: A chainage that there is not.
_NO_CHAINAGE_MM: Final = -(1 << 31)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Positions:
    """Fixes as columns: row i of every column belongs to the same fix.

    What is unknown is NaN, a class or count 0, a roadway the empty text; so is a column that the
    gateway did not send, because of a `columns` argument or because history does not keep it.

    Attributes:
        cards: (n,) str, the cards' numbers; empty where the gateway has not named one.
        times: (n,) datetime64[ns], UTC, when it was measured.
        x_m, y_m, z_m: (n,) float64, metres, in the mine's own coordinates.
        vx_m_s, vy_m_s: (n,) float64, metres per second.
        var_x_m2, cov_xy_m2, var_y_m2: (n,) float32, horizontal covariance, square metres.
        fix_class: (n,) uint, values of `FixClass`.
        anchors_used, anchors_rejected: (n,) uint, anchors heard that agree with the fix or do not.
        roadways: (n,) str, roadway ids.
        chainage_m: (n,) float64, metres along the roadway's centreline.
        age_s: (n,) float32, seconds from the last measurement that supports the place.
        hdop, nis, protection_m: (n,) float32, quality: see `proto/lamproom/v1/position.proto`.
        left: (k,) str, cards that the filter no longer lets through: they are elsewhere.
        snapshot: These are rows of what was known at the start.
        coalesced: How many fixes were merged away since the frame before.
        cursor: Go on after these; empty in a snapshot.
    """

    cards: Texts
    times: Times
    x_m: Lengths
    y_m: Lengths
    z_m: Lengths
    vx_m_s: Lengths
    vy_m_s: Lengths
    var_x_m2: Floats
    cov_xy_m2: Floats
    var_y_m2: Floats
    fix_class: Counts
    anchors_used: Counts
    anchors_rejected: Counts
    roadways: Texts
    chainage_m: Lengths
    age_s: Floats
    hdop: Floats
    nis: Floats
    protection_m: Floats
    left: Texts
    snapshot: bool = False
    coalesced: int = 0
    cursor: bytes = b""

    def __len__(self) -> int:
        return len(self.cards)

    def take(self, rows: NDArray[Any] | slice) -> Positions:
        """Some rows: a mask, indices or a slice."""
        some = of_columns(lambda name: getattr(self, name)[rows])
        return replace(some, left=self.left, snapshot=self.snapshot, cursor=self.cursor)


#: The names of all columns that have a row for each fix.
COLUMNS: Final = tuple(
    field.name
    for field in fields(Positions)
    if field.name not in {"left", "snapshot", "coalesced", "cursor"}
)


def of_columns(column: Callable[[str], NDArray[Any]]) -> Positions:
    """Positions of what `column` gives for each name, all (n,)."""
    columns: dict[str, Any] = {name: column(name) for name in COLUMNS}
    return Positions(**columns, left=np.empty(0, object))


def joined(parts: Sequence[Positions]) -> Positions:
    """All rows of several, in their order; none of none."""
    if not parts:
        return read_frame(PositionFrame(), Directory())
    return of_columns(lambda name: np.concatenate([getattr(part, name) for part in parts]))


class Directory:
    """What the handles of one stream mean."""

    def __init__(self) -> None:
        self._cards: dict[int, str] = {}
        self._handles: NDArray[np.uint32] = np.empty(0, np.uint32)
        self._names: Texts = np.empty(0, object)
        self._roadways: Texts = np.array([""], object)

    def take(self, directory: PositionDirectory) -> None:
        """Learns what a message of the stream says."""
        self._cards.update((entry.tag_handle, entry.card) for entry in directory.entries)
        if directory.entries:
            self._handles = np.array(sorted(self._cards), np.uint32)
            self._names = np.array([self._cards[int(one)] for one in self._handles], object)
        if directory.roadway_ids:
            self._roadways = np.array(["", *directory.roadway_ids], object)

    def cards(self, handles: NDArray[np.uint32]) -> Texts:
        """(n,) str: the cards of (n,) handles; empty text for those that were never named."""
        if not len(self._handles):
            return np.full(len(handles), "", object)
        if self._handles[-1] == len(self._handles) - 1:  # 0, 1, 2 …: no need to look for them
            at = np.minimum(handles, self._handles[-1])
        else:
            at = np.searchsorted(self._handles[:-1], handles)
        names: Texts = self._names[at]
        strange = self._handles[at] != handles
        if strange.any():
            names[strange] = ""
        return names

    def roadways(self, numbers: Counts) -> Texts:
        """(n,) str: the roadways of (n,) numbers that count from 1; empty text for 0."""
        if numbers.max(initial=0) >= len(self._roadways):
            numbers = np.where(numbers < len(self._roadways), numbers, 0)
        named: Texts = self._roadways[numbers]
        return named


def read_frame(frame: PositionFrame, directory: Directory) -> Positions:
    """The columns of a frame, whose handles `directory` knows.

    Raises:
        ValueError: its columns are not equally long.
    """
    n = len(frame.tag_handles)

    def of(column: Sequence[float], dtype: str, unknown: float = np.nan) -> NDArray[Any]:
        if len(column) == n:
            return np.asarray(column, dtype)
        if len(column):
            msg = f"a frame of {n} rows has a column of {len(column)}"
            raise ValueError(msg)
        return np.full(n, unknown, np.float64 if np.isnan(unknown) else dtype)

    chainages_mm = of(frame.chainages_mm, "i4", _NO_CHAINAGE_MM)
    no_chainage = chainages_mm == _NO_CHAINAGE_MM
    return Positions(
        cards=directory.cards(np.asarray(frame.tag_handles, "u4")),
        times=of(frame.t_ns, "i8", np.iinfo(np.int64).min).view("M8[ns]"),  # the least is NaT
        x_m=of(frame.x_mm, "i4") / 1000.0,
        y_m=of(frame.y_mm, "i4") / 1000.0,
        z_m=of(frame.z_mm, "i4") / 1000.0,
        vx_m_s=of(frame.vx_mm_s, "i4") / 1000.0,
        vy_m_s=of(frame.vy_mm_s, "i4") / 1000.0,
        var_x_m2=of(frame.var_x_m2, "f4"),
        cov_xy_m2=of(frame.cov_xy_m2, "f4"),
        var_y_m2=of(frame.var_y_m2, "f4"),
        fix_class=of(frame.fix_classes, "u4", 0),
        anchors_used=of(frame.anchors_used, "u4", 0),
        anchors_rejected=of(frame.anchors_rejected, "u4", 0),
        roadways=directory.roadways(of(frame.roadways, "u4", 0)),
        chainage_m=np.where(no_chainage, np.nan, chainages_mm / 1000.0),
        age_s=of(frame.ages_s, "f4"),
        hdop=of(frame.hdops, "f4"),
        nis=of(frame.nis, "f4"),
        protection_m=of(frame.protections_m, "f4"),
        left=directory.cards(np.asarray(frame.left_tag_handles, "u4")),
        snapshot=frame.snapshot,
        coalesced=frame.coalesced_count,
        cursor=frame.cursor,
    )
