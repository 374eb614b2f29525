"""Which chunks a file has, as an array; from its index, or from header to header without one."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
import zstandard

from gateway.journal.tracks.chunks import (
    CHUNK_HEADER_BYTES,
    PAYLOAD_MAX,
    Chunk,
    ChunkKind,
    markers,
    unpack_chunk,
)
from positioning.observation import Records

#: `Chunk` as a row. A `kind` of `LOST` is a stretch of the file in which nothing could be read.
CHUNK: Final = np.dtype(
    [
        ("offset", np.int64),
        ("first_ms", np.int64),
        ("last_ms", np.int64),
        ("record_ms", np.int64),
        ("length", np.uint32),
        ("rows", np.uint32),
        ("first_card", np.uint32),
        ("last_card", np.uint32),
        ("payload_crc", np.uint32),
        ("kind", np.uint8),
    ],
    align=True,
)
LOST: Final = 255

#: The last bytes of a compacted file: where its index begins, from when to when it was recorded,
#: the first and last time in it, and a checksum.
_TRAILER: Final = struct.Struct("<4sqqqqq")
_MARKER: Final = b"\xa7LPe"
TRAILER_BYTES: Final = _TRAILER.size + 4

#: Read at once when chunks are looked for from header to header.
_WINDOW_BYTES: Final = 1 << 20

#: Bytes of a file from an offset on, at most so many; fewer at its end.
Read = Callable[[int, int], bytes]


def row_of(chunk: Chunk) -> tuple[int, ...]:
    """A chunk's header as a row of CHUNK."""
    names = CHUNK.names or ()
    return tuple(int(getattr(chunk, name)) for name in names)


def chunk_of(row: np.void) -> Chunk:
    """A row of CHUNK, which is not LOST, as a chunk's header."""
    values = dict(zip(CHUNK.names or (), row.item(), strict=True))
    return Chunk(**values | {"kind": ChunkKind(values["kind"])})


def rows_of_chunks(chunks: list[tuple[int, ...]]) -> Records:
    """(n,) CHUNK."""
    return np.array(chunks, CHUNK)


def pack_index(table: Records) -> bytes:
    """The payload of an index chunk: (n,) CHUNK."""
    return zstandard.ZstdCompressor().compress(table.tobytes())


def unpack_index(payload: bytes) -> Records:
    """(n,) CHUNK. Raises ValueError where it is no index."""
    try:
        raw = zstandard.ZstdDecompressor().decompress(payload, PAYLOAD_MAX)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    return np.frombuffer(raw, CHUNK)


def pack_trailer(number: int, index_offset: int, spans_ms: tuple[int, int, int, int]) -> bytes:
    """The end of a compacted file: begin and end of recording, first and last time."""
    head = _TRAILER.pack(_MARKER, index_offset, *spans_ms)
    return head + zlib.crc32(head, number & 0xFFFFFFFF).to_bytes(4, "little")


def unpack_trailer(number: int, data: bytes) -> tuple[int, tuple[int, int, int, int]] | None:
    """Where the index is, and the spans; None where the file does not end so."""
    if len(data) != TRAILER_BYTES or not data.startswith(_MARKER):
        return None
    if int.from_bytes(data[-4:], "little") != zlib.crc32(data[:-4], number & 0xFFFFFFFF):
        return None
    _, offset, *spans = _TRAILER.unpack_from(data)
    begin, end, first, last = spans
    return offset, (begin, end, first, last)


def scan(number: int, read: Read, start: int, size: int) -> tuple[list[tuple[int, ...]], int]:
    """Rows of CHUNK of what stands from `start` to `size`, and where the whole ones end.

    Where headers are damaged the next whole one is looked for, and a row of LOST says from where
    to where. What stands after the last chunk is a tail that was being written, and no row.
    """
    found: list[tuple[int, ...]] = []
    at = start
    while at + CHUNK_HEADER_BYTES <= size:
        chunk = unpack_chunk(number, read(at, CHUNK_HEADER_BYTES), at)
        if chunk is None or chunk.end > size:
            following = _next(number, read, at + 1, size)
            if following is None:
                break
            found.append(_lost(at, following))
            at = following
            continue
        found.append(row_of(chunk))
        at = chunk.end
    return found, at


def _next(number: int, read: Read, start: int, size: int) -> int | None:
    """Where the next chunk begins whose header is whole and which ends within the file."""
    at = start
    while at < size:
        window = read(at, _WINDOW_BYTES + CHUNK_HEADER_BYTES)
        for place in markers(window, 0):
            chunk = unpack_chunk(number, window, at + place, place)
            if chunk and chunk.end <= size:
                return at + place
        at += _WINDOW_BYTES
    return None


def _lost(start: int, end: int) -> tuple[int, ...]:
    values = dict.fromkeys(CHUNK.names or (), 0)
    values.update(offset=start, length=min(end - start, 0xFFFFFFFF), kind=LOST)
    return tuple(values.values())
