"""One file of kept positions, read: its chunks, its names, and what of it is damaged."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from gateway.journal.tracks.chunks import (
    CHUNK_HEADER_BYTES,
    FILE_HEADER_BYTES,
    ChunkKind,
    is_whole,
    unpack_chunk,
    unpack_file_header,
)
from gateway.journal.tracks.columns import Columns, ColumnsError
from gateway.journal.tracks.index import (
    CHUNK,
    LOST,
    TRAILER_BYTES,
    chunk_of,
    rows_of_chunks,
    scan,
    unpack_index,
    unpack_trailer,
)
from gateway.journal.tracks.places import HOUR_MS, Place
from positioning.observation import Records

_DATA: Final = (ChunkKind.FRAME, ChunkKind.BLOCK)


@dataclass(frozen=True, slots=True)
class Gap:
    """What was recorded from `start_ms` to `end_ms` can't be had; `reason` says why, in words."""

    start_ms: int
    end_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Spans:
    """When a file was recorded, and the first and last time in it; ms."""

    begin_ms: int
    end_ms: int
    first_ms: int
    last_ms: int


class DamagedError(Exception):
    """A chunk, or a whole file, is not what was written."""


class TrackFile:
    """A file that is open to be read. Made by `open`; one thread at a time."""

    def __init__(self, place: Place, fd: int, number: int, begin_ms: int) -> None:
        self.place = place
        self.number = number
        self._fd = fd
        self._begin_ms = begin_ms
        #: (n,) CHUNK.
        self.table: Records = np.empty(0, CHUNK)
        self._scanned = FILE_HEADER_BYTES
        #: A compacted file that does not end as it was written.
        self._is_cut = False
        self._names: tuple[int, tuple[bytes, ...]] | None = None

    @classmethod
    def open(cls, place: Place) -> Self:
        """Raises OSError, or DamagedError where it does not begin as a file of positions does."""
        fd = os.open(place.path, os.O_RDONLY)
        try:
            head = unpack_file_header(os.pread(fd, FILE_HEADER_BYTES, 0))
            if head is None:
                msg = f"{place.path.name} is damaged at its start"
                raise DamagedError(msg)
            file = cls(place, fd, *head)
            file.refresh()
        except BaseException:
            os.close(fd)
            raise
        return file

    def close(self) -> None:
        """Gives the file back."""
        os.close(self._fd)

    def refresh(self) -> None:
        """Looks what has been written since; raises OSError."""
        size = os.fstat(self._fd).st_size
        if self._scanned == FILE_HEADER_BYTES and self._read_index(size):
            return
        found, self._scanned = scan(self.number, self._pread, self._scanned, size)
        has_index = bool(found) and found[-1][-1] == ChunkKind.INDEX
        self._is_cut = not self.place.is_live and not has_index
        if found:
            self.table = np.concatenate([self.table, rows_of_chunks(found)])

    def _read_index(self, size: int) -> bool:
        trailer = self._pread(max(size - TRAILER_BYTES, 0), TRAILER_BYTES)
        found = unpack_trailer(self.number, trailer)
        if not found:
            return False
        chunk = unpack_chunk(self.number, self._pread(found[0], CHUNK_HEADER_BYTES), found[0])
        if not chunk or chunk.kind != ChunkKind.INDEX:
            return False
        payload = self._pread(chunk.offset + CHUNK_HEADER_BYTES, chunk.length)
        if not is_whole(self.number, chunk, payload):
            return False
        self.table = unpack_index(payload)
        self._scanned = size
        return True

    def _pread(self, offset: int, count: int) -> bytes:
        return os.pread(self._fd, count, offset)

    @property
    def spans(self) -> Spans:
        """Of all that is in it."""
        table = self.table[self.table["kind"] != LOST]
        data = table[np.isin(table["kind"], _DATA)]
        end_ms = int(table["record_ms"].max(initial=self._begin_ms))
        if self._is_cut:
            end_ms = max(end_ms, self.place.hour_ms + HOUR_MS)
        if not len(data):
            return Spans(self._begin_ms, end_ms, end_ms, end_ms)
        return Spans(
            self._begin_ms, end_ms, int(data["first_ms"].min()), int(data["last_ms"].max())
        )

    def has_tail(self) -> bool:
        """Whether something that is no whole chunk stands at its end, as a power cut leaves it."""
        return self._scanned < os.fstat(self._fd).st_size

    def data(self) -> Records:
        """(n,) CHUNK: where the rows are: blocks, and frames that are in no block yet."""
        table = self.table
        folded = table["offset"][table["kind"] == ChunkKind.FOLDED].max(initial=-1)
        is_block, is_frame = (table["kind"] == kind for kind in (ChunkKind.BLOCK, ChunkKind.FRAME))
        after = table["offset"] > folded
        wanted = is_block
        if self.place.is_live:
            # Where a block may be what is lost, its frames still have the rows.
            fold = np.cumsum(table["kind"] == ChunkKind.FOLDED)
            is_torn = np.isin(fold, fold[table["kind"] == LOST])
            wanted = (is_block & ~after) | (is_frame & (after | is_torn))
        rows: Records = table[wanted]
        return rows

    def of_kind(self, kind: ChunkKind) -> Records:
        """(n,) CHUNK."""
        rows: Records = self.table[self.table["kind"] == kind]
        return rows

    def payload(self, row: np.void) -> bytes:
        """A chunk's payload. Raises DamagedError; an OSError of reading is damage too."""
        chunk = chunk_of(row)
        try:
            payload = self._pread(chunk.offset + CHUNK_HEADER_BYTES, chunk.length)
        except OSError as error:
            msg = f"{self._where(row)} can't be read ({error.strerror})"
            raise DamagedError(msg) from error
        if not is_whole(self.number, chunk, payload):
            msg = f"damaged on the disk: {self._where(row)}"
            raise DamagedError(msg)
        return payload

    def columns(self, row: np.void) -> Columns:
        """The rows of a frame, block or snapshot. Raises DamagedError."""
        try:
            return Columns(self.payload(row), int(row["first_ms"]))
        except ColumnsError as error:
            msg = f"{self._where(row)} can't be understood ({error})"
            raise DamagedError(msg) from error

    def names(self) -> tuple[bytes, ...]:
        """What names it has, as payloads for `Names.add`; of two that are the same the first.

        Where both times that one was written are damaged, it is missing.
        """
        rows = self.of_kind(ChunkKind.NAMES)
        if self._names is None or self._names[0] != len(rows):
            whole: dict[bytes, None] = {}
            for row in rows:
                with suppress(DamagedError):
                    whole[self.payload(row)] = None
            self._names = len(rows), tuple(whole)
        return self._names[1]

    def holes(self) -> list[tuple[Gap, int, int]]:
        """What was not recorded or is lost, and of which cards, from the first to the last."""
        found = []
        for row in self.of_kind(ChunkKind.HOLE):
            try:
                reason = self.payload(row).decode(errors="replace")
            except DamagedError as error:
                reason = str(error)
            found.append((self.gap(row, reason), int(row["first_card"]), int(row["last_card"])))
        return [*found, *((gap, 0, ALL_CARDS) for gap in self.lost())]

    def lost(self) -> list[Gap]:
        """Stretches of the file in which not even what they held can be read."""
        found = [self._lost(int(at)) for at in np.flatnonzero(self.table["kind"] == LOST)]
        if self._is_cut:
            # The last of a time that is there may have been followed by more of it.
            blocks = self.of_kind(ChunkKind.BLOCK)
            start_ms = int(blocks["first_ms"][-1]) if len(blocks) else self._begin_ms
            start_ms -= LATE_MS
            reason = f"damaged on the disk: {self.place.path.name} is cut off"
            found.append(Gap(start_ms, self.spans.end_ms, reason))
        return found

    def gap(self, row: np.void, reason: str) -> Gap:
        """A chunk that can't be had."""
        return Gap(int(row["first_ms"]), int(row["last_ms"]) + 1, reason)

    def _lost(self, at: int) -> Gap:
        """A stretch without a header: from what stands before to what stands behind."""
        near = self.table[max(at - 1, 0) : at + 2]
        near = near[near["kind"] != LOST]
        times = np.concatenate([near[name] for name in ("first_ms", "last_ms", "record_ms")])
        times = times[times > 0]
        begin_ms = self._begin_ms
        start_ms = int(times.min()) if at and len(times) else begin_ms
        end_ms = int(times.max()) if len(times) else begin_ms + HOUR_MS
        if not self.place.is_live:
            start_ms -= BLOCK_MS  # it may have been a block
        start_ms -= LATE_MS
        return Gap(start_ms, end_ms + 1, f"damaged on the disk: {self._where(self.table[at])}")

    def _where(self, row: np.void) -> str:
        first = int(row["offset"])
        return f"{self.place.path.name}, {int(row['length'])} bytes from byte {first}"


#: A block holds the rows of so long: see `blocks.BLOCK_CARDS`. Twice as long ones save a tenth of
#: the bytes.
BLOCK_MS: Final = 40_000
#: Readers are no later than this, as a rule.
LATE_MS: Final = 10_000
#: The last card of a hole in all cards.
ALL_CARDS: Final = 0xFFFFFFFF
