"""Kept positions as messages of `HistoryService`: names before their first use, frames, gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from gateway.journal.tracks.ellipse import covariances_of
from gateway.journal.tracks.reader import Handles
from gateway.journal.tracks.rows import NO_CHAINAGE_CM
from gateway.journal.tracks.track_file import Gap
from gateway.serve.encode import FRAME_ROWS_MAX, NO_CHAINAGE_MM, delimited, varint
from lamproom.v1 import history_pb2, position_pb2
from positioning.observation import Records

#: Fields of the answers of all methods.
_DIRECTORY: Final = history_pb2.ReplayResponse.DIRECTORY_FIELD_NUMBER
_FRAME: Final = history_pb2.ReplayResponse.FRAME_FIELD_NUMBER
_GAP: Final = history_pb2.ReplayResponse.GAP_FIELD_NUMBER
#: Entries of one directory message: some 100 kB.
_ENTRIES_MAX: Final = 4096
_MM_PER_CM: Final = 10
_MS_NS: Final = 1_000_000
#: Numbers of one byte on the wire.
_ONE_BYTE: Final = 0x80


class Teller:
    """Makes the messages of one stream."""

    def __init__(self, handles: Handles) -> None:
        self._handles = handles
        self._told: set[int] = set()
        self._roadways = 0

    def frames(
        self, rows: Records, *, at_ms: int | None = None, snapshot: bool = False
    ) -> Iterator[bytes]:
        """(n,) KEPT in their order, and first the names that they need.

        `at_ms`: ages are those of then, not of each row's own time.
        """
        yield from self._directories(rows)
        for start in range(0, len(rows), FRAME_ROWS_MAX):
            part = rows[start : start + FRAME_ROWS_MAX]
            head = b"\x10\x01" if snapshot else b""
            yield delimited(_FRAME, head + _columns(part, at_ms))

    def _directories(self, rows: Records) -> Iterator[bytes]:
        new = sorted(set(np.unique(rows["card"]).tolist()) - self._told)
        roadways: tuple[str, ...] = ()
        if len(self._handles.roadways) > self._roadways:
            roadways = self._handles.roadways.names()
            self._roadways = len(roadways)
        for start in range(0, len(new), _ENTRIES_MAX) or range(bool(roadways)):
            directory = position_pb2.PositionDirectory(roadway_ids=roadways)
            roadways = ()
            for handle in new[start : start + _ENTRIES_MAX]:
                directory.entries.add(tag_handle=handle, card=self._handles.cards.name(handle))
            yield delimited(_DIRECTORY, directory.SerializeToString())
        self._told.update(new)


def gap_message(gap: Gap) -> bytes:
    """What can't be had."""
    message = history_pb2.HistoryGap(
        start_time=timestamp(gap.start_ms), end_time=timestamp(gap.end_ms), reason=gap.reason
    )
    return delimited(_GAP, message.SerializeToString())


def timestamp(t_ms: int) -> Timestamp:
    """A time in ms since the Unix epoch."""
    seconds, ms = divmod(t_ms, 1000)
    return Timestamp(seconds=seconds, nanos=ms * _MS_NS)


def _columns(rows: Records, at_ms: int | None) -> bytes:
    var_x, cov_xy, var_y = covariances_of(rows["long"], rows["short"], rows["direction"])
    age_s = rows["age_ds"] / 10
    if at_ms is not None:
        age_s = age_s + (at_ms - rows["t_ms"]) / 1000
    chainage = rows["chainage_cm"].astype(np.int64)
    chainage_mm = np.where(chainage == NO_CHAINAGE_CM, NO_CHAINAGE_MM, chainage * _MM_PER_CM)
    return b"".join(
        (
            _fixed(4, rows["card"], "<u4"),
            _fixed(5, rows["t_ms"] * _MS_NS, "<i8"),
            _fixed(6, rows["x_cm"] * _MM_PER_CM, "<i4"),
            _fixed(7, rows["y_cm"] * _MM_PER_CM, "<i4"),
            _fixed(8, rows["z_cm"] * _MM_PER_CM, "<i4"),
            _fixed(11, var_x, "<f4"),
            _fixed(12, cov_xy, "<f4"),
            _fixed(13, var_y, "<f4"),
            _varints(14, rows["fix_class"]),
            _varints(16, rows["roadway"]),
            _fixed(17, chainage_mm, "<i4"),
            _fixed(18, age_s, "<f4"),
        )
    )


def _fixed(field: int, column: NDArray[np.generic], wire: str) -> bytes:
    return delimited(field, column.astype(wire).tobytes())


def _varints(field: int, column: NDArray[np.integer]) -> bytes:
    if int(column.max(initial=0)) < _ONE_BYTE:
        return delimited(field, column.astype(np.uint8).tobytes())
    return delimited(field, b"".join(map(varint, column.tolist())))
