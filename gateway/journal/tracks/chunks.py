"""A file of kept positions is a header and chunks, each with its length and two checksums.

A chunk's header has a checksum of its own, so that what a damaged chunk held is still known: from
when to when, and of which cards. Checksums begin with the file's random number, so that a chunk
of another file is none of this one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

#: What a file begins with, and the version of all that follows.
MAGIC: Final = b"lamptrk1"
_FILE: Final = struct.Struct("<8sQqI")
#: It stands there twice, so that no flipped bit takes the whole file.
FILE_HEADER_BYTES: Final = 2 * _FILE.size

_MARKER: Final = b"\xa7LPc"
#: Marker, kind, payload's length, rows, first and last card, first and last time and that of
#: recording, the payload's checksum; behind it the header's own.
_CHUNK: Final = struct.Struct("<4sB3xIIIIqqqI")
_CRC: Final = struct.Struct("<I")
CHUNK_HEADER_BYTES: Final = _CHUNK.size + _CRC.size
#: Of one payload: a million rows at 50 bytes; a length beyond it is damage.
PAYLOAD_MAX: Final = 64 << 20


class ChunkKind(IntEnum):
    """What a chunk holds."""

    #: A second's rows as they came; a `FOLDED` after it says that blocks hold them too.
    FRAME = 1
    #: Rows of some cards over some time.
    BLOCK = 2
    #: The last row of every card, of all that stands before it in the file and of earlier files.
    SNAPSHOT = 3
    #: Names of cards and roadways by handle.
    NAMES = 4
    #: All frames before it are in blocks before it.
    FOLDED = 5
    #: Nothing was kept, or what was is lost; the payload says why.
    HOLE = 6
    #: All chunks before it; the last of a compacted file.
    INDEX = 7


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk's header. Times are ms since the Unix epoch, `first` and `last` inclusive.

    `record_ms` is when it was made. `offset` is where its header begins in the file.
    """

    kind: ChunkKind
    length: int
    rows: int
    first_card: int
    last_card: int
    first_ms: int
    last_ms: int
    record_ms: int
    payload_crc: int
    offset: int = 0

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.offset + CHUNK_HEADER_BYTES + self.length


def pack_file_header(number: int, begin_ms: int) -> bytes:
    """The first bytes of a file with the random `number`, of what is recorded from then on."""
    head = _FILE.pack(MAGIC, number, begin_ms, 0)[: -_CRC.size]
    return 2 * (head + _CRC.pack(zlib.crc32(head)))


def unpack_file_header(data: bytes) -> tuple[int, int] | None:
    """The random number and when recording began; None where it is damaged or none."""
    for start in (0, _FILE.size):
        one = data[start : start + _FILE.size]
        if len(one) < _FILE.size:
            return None
        magic, number, begin_ms, crc = _FILE.unpack(one)
        if magic == MAGIC and crc == zlib.crc32(one[: -_CRC.size]):
            return number, begin_ms
    return None


def pack_chunk(
    number: int,
    kind: ChunkKind,
    payload: bytes,
    record_ms: int,
    *,
    rows: int = 0,
    cards: tuple[int, int] = (0, 0),
    times_ms: tuple[int, int] = (0, 0),
) -> bytes:
    """Header and payload of a chunk of the file `number`."""
    seed = _seed(number)
    head = _CHUNK.pack(
        _MARKER, kind, len(payload), rows, *cards, *times_ms, record_ms, zlib.crc32(payload, seed)
    )
    return b"".join((head, _CRC.pack(zlib.crc32(head, seed)), payload))


def unpack_chunk(number: int, data: bytes, offset: int = 0, at: int = 0) -> Chunk | None:
    """The header at `at` of `data`, which stands at `offset` of the file; None: there is none."""
    if len(data) - at < CHUNK_HEADER_BYTES or data[at : at + 4] != _MARKER:
        return None
    head = data[at : at + _CHUNK.size]
    (crc,) = _CRC.unpack_from(data, at + _CHUNK.size)
    if crc != zlib.crc32(head, _seed(number)):
        return None
    _, kind, length, rows, *cards, first_ms, last_ms, record_ms, payload_crc = _CHUNK.unpack(head)
    if kind not in _KINDS or length > PAYLOAD_MAX:
        return None
    return Chunk(
        ChunkKind(kind),
        length,
        rows,
        cards[0],
        cards[1],
        first_ms,
        last_ms,
        record_ms,
        payload_crc,
        offset,
    )


def is_whole(number: int, chunk: Chunk, payload: bytes) -> bool:
    """Whether these are the bytes that were written."""
    whole = len(payload) == chunk.length
    return whole and zlib.crc32(payload, _seed(number)) == chunk.payload_crc


def markers(data: bytes, start: int) -> Iterator[int]:
    """Where in `data` a chunk may begin, from `start` on."""
    at = data.find(_MARKER, start)
    while at >= 0:
        yield at
        at = data.find(_MARKER, at + 1)


_KINDS: Final = frozenset(ChunkKind)


def _seed(number: int) -> int:
    return (number ^ number >> 32) & 0xFFFFFFFF
