"""A live file to a compacted one: its blocks as they are, an index, and no frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, Final

import numpy as np

from gateway.journal.disk import sync_folder
from gateway.journal.tracks.blocks import blocks
from gateway.journal.tracks.chunks import (
    CHUNK_HEADER_BYTES,
    ChunkKind,
    pack_chunk,
    pack_file_header,
    unpack_chunk,
)
from gateway.journal.tracks.index import (
    LOST,
    chunk_of,
    pack_index,
    pack_trailer,
    row_of,
    rows_of_chunks,
)
from gateway.journal.tracks.places import COMPACTED, PART, Place
from gateway.journal.tracks.rows import empty
from gateway.journal.tracks.track_file import ALL_CARDS, BLOCK_MS, DamagedError, Gap, TrackFile
from positioning.observation import Records

_COPIED: Final = (ChunkKind.BLOCK, ChunkKind.SNAPSHOT, ChunkKind.NAMES, ChunkKind.HOLE)


def compact(place: Place, pause: Callable[[], None]) -> Place:
    """Makes the compacted file of a live one that nobody writes to, and then drops that.

    `pause` is called now and then, and may raise to break off; what has been written then goes.
    Broken off at any place, the live file or the compacted one is there, and whole.

    Raises:
        OSError: it can't be read or written.
        DamagedError: not even its start can be read.
    """
    part = place.path.with_suffix(PART)
    done = replace(place, path=place.path.with_suffix(COMPACTED))
    try:
        with closing(TrackFile.open(place)) as file, part.open("wb") as out:
            os.fchmod(out.fileno(), 0o640)
            for piece in _Compactor(file).pieces():
                out.write(piece)
                pause()
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    part.replace(done.path)
    sync_folder(place.path.parent)
    place.path.unlink()
    return done


class _Compactor:
    """The pieces of one compacted file, in order."""

    def __init__(self, file: TrackFile) -> None:
        self._file = file
        self._number = file.number
        self._size = 0
        self._rows: list[tuple[int, ...]] = []

    def pieces(self) -> Iterator[bytes]:
        """The whole file."""
        spans = self._file.spans
        yield self._counted(pack_file_header(self._number, spans.begin_ms))
        data = self._file.data()
        frames = data[data["kind"] == ChunkKind.FRAME]
        kept = set(data["offset"].tolist())
        for row in self._file.table:
            kind = int(row["kind"])
            if kind == LOST or kind not in _COPIED:
                continue
            if kind != ChunkKind.BLOCK or int(row["offset"]) in kept:
                yield self._copied(row, spans.end_ms)
        for gap in self._file.lost():
            yield self._hole(gap, (0, ALL_CARDS), spans.end_ms)
        if self._file.has_tail():
            gap = Gap(spans.end_ms - 1000, spans.end_ms + 1000, "cut off while it was written")
            yield self._hole(gap, (0, ALL_CARDS), spans.end_ms)
        yield from self._folded(frames, spans.end_ms)
        index_at = self._size
        index = pack_index(rows_of_chunks(self._rows))
        yield self._chunk(ChunkKind.INDEX, index, spans.end_ms)
        yield pack_trailer(
            self._number, index_at, (spans.begin_ms, spans.end_ms, spans.first_ms, spans.last_ms)
        )

    def _copied(self, row: np.void, record_ms: int) -> bytes:
        chunk = chunk_of(row)
        try:
            payload = self._file.payload(row)
        except DamagedError as error:
            return self._damage(row, str(error), record_ms)
        return self._chunk(
            chunk.kind,
            payload,
            chunk.record_ms,
            rows=chunk.rows,
            cards=(chunk.first_card, chunk.last_card),
            times_ms=(chunk.first_ms, chunk.last_ms),
        )

    def _damage(self, row: np.void, reason: str, record_ms: int) -> bytes:
        """What stands in place of a damaged chunk; nothing where no row is lost with it."""
        if int(row["kind"]) not in (ChunkKind.BLOCK, ChunkKind.FRAME, ChunkKind.HOLE):
            return b""
        cards = int(row["first_card"]), int(row["last_card"])
        return self._hole(self._file.gap(row, reason), cards, record_ms)

    def _folded(self, table: Records, record_ms: int) -> Iterator[bytes]:
        """Blocks of the frames that the writer left without."""
        rows = [empty()]
        for row in table:
            try:
                rows.append(self._file.columns(row).rows())
            except DamagedError as error:
                yield self._damage(row, str(error), record_ms)
        times_ms = np.concatenate([part["t_ms"] for part in rows])
        begin_ms = int(np.median(times_ms)) - BLOCK_MS if len(times_ms) else 0
        for piece in blocks(self._number, rows, begin_ms, record_ms):
            yield self._noted(piece)

    def _hole(self, gap: Gap, cards: tuple[int, int], record_ms: int) -> bytes:
        times = gap.start_ms, max(gap.start_ms, gap.end_ms - 1)
        reason = gap.reason.encode()
        return self._chunk(ChunkKind.HOLE, reason, record_ms, cards=cards, times_ms=times)

    def _chunk(self, kind: ChunkKind, payload: bytes, record_ms: int, **told: Any) -> bytes:
        return self._noted(pack_chunk(self._number, kind, payload, record_ms, **told))

    def _noted(self, piece: bytes) -> bytes:
        chunk = unpack_chunk(self._number, piece[:CHUNK_HEADER_BYTES], self._size)
        if chunk and chunk.kind != ChunkKind.INDEX:
            self._rows.append(row_of(chunk))
        return self._counted(piece)

    def _counted(self, piece: bytes) -> bytes:
        self._size += len(piece)
        return piece
