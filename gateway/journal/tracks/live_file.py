"""The file of the hour that runs: frames at once, and every 40 s the blocks that take their place.

What has been written is whole or is not there: a write that fails is taken back, and what a power
cut leaves of one is no chunk.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Self, TypeAlias

from gateway.journal.disk import sync_folder
from gateway.journal.tracks.blocks import Latest, blocks, frames, snapshot, thinned
from gateway.journal.tracks.chunks import ChunkKind, pack_chunk, pack_file_header
from gateway.journal.tracks.names import pack_names
from gateway.journal.tracks.places import Place
from gateway.journal.tracks.track_file import ALL_CARDS, BLOCK_MS, Gap
from positioning.observation import Records

#: Called while much is done at once, so that others have their turn.
Pause: TypeAlias = Callable[[], None]


class LiveFile:
    """A file that is being written, by one thread. Made by `create`.

    Whatever raises OSError has left the file as it was before, or it must be given up: it does
    not say which. What it holds of whole chunks is good.
    """

    def __init__(self, place: Place, fd: int, number: int, now_ms: int) -> None:
        self.place = place
        self._fd = fd
        self._number = number
        self._size = 0
        self._fold_begin_ms = now_ms
        self._unfolded: list[Records] = []

    @classmethod
    def create(cls, place: Place, now_ms: int) -> Self:
        """Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        fd = os.open(place.path, flags, 0o640)
        number = secrets.randbits(64)
        file = cls(place, fd, number, now_ms)
        try:
            file._write([pack_file_header(number, now_ms)])
            sync_folder(place.path.parent)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                place.path.unlink()
            raise
        return file

    @property
    def size(self) -> int:
        """In bytes."""
        return self._size

    @property
    def fold_is_due_ms(self) -> int:
        """When `fold` is to be called next."""
        return self._fold_begin_ms + BLOCK_MS

    def begin(
        self, latest: Latest, names: tuple[Mapping[int, str], Mapping[int, str]], now_ms: int
    ) -> None:
        """Writes what a file begins with: all names, and everyone's last row. Raises OSError."""
        first = snapshot(self._number, latest.rows(), now_ms)
        self._write([*self._named(*names, now_ms), first])

    def append(
        self,
        rows: Records,
        new_names: tuple[Mapping[int, str], Mapping[int, str]],
        now_ms: int,
    ) -> None:
        """Writes of (n,) KEPT what is left when they are thinned, and new names before.

        Raises OSError.
        """
        named = self._named(*new_names, now_ms) if any(new_names) else []
        rows = thinned(rows)
        self._write([*named, *frames(self._number, rows, now_ms)])
        if len(rows):
            self._unfolded.append(rows)

    def note(self, gap: Gap, now_ms: int) -> None:
        """Writes down that nothing was kept for some time, and why. Raises OSError."""
        self._write(
            [
                pack_chunk(
                    self._number,
                    ChunkKind.HOLE,
                    gap.reason.encode(),
                    now_ms,
                    cards=(0, ALL_CARDS),
                    times_ms=(gap.start_ms, max(gap.start_ms, gap.end_ms - 1)),
                )
            ]
        )

    def fold(self, latest: Latest, now_ms: int, pause: Pause) -> None:
        """Writes blocks in place of the frames since the last time, and who was where.

        `pause` is called between one block and the next. Raises OSError.
        """
        chunks = []
        for chunk in blocks(self._number, self._unfolded, self._fold_begin_ms, now_ms):
            chunks.append(chunk)
            pause()
        chunks.append(snapshot(self._number, latest.rows(), now_ms))
        chunks.append(pack_chunk(self._number, ChunkKind.FOLDED, b"", now_ms))
        self._write(chunks)
        self._unfolded.clear()
        self._fold_begin_ms = now_ms

    def sync(self) -> None:
        """Returns when all is on the disk. Raises OSError; what was written may then be lost."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Gives the file back."""
        os.close(self._fd)

    def _named(
        self, cards: Mapping[int, str], roadways: Mapping[int, str], now_ms: int
    ) -> list[bytes]:
        payload = pack_names(cards, roadways)
        return 2 * [pack_chunk(self._number, ChunkKind.NAMES, payload, now_ms)]

    def _write(self, chunks: Iterable[bytes]) -> None:
        data = memoryview(b"".join(chunks))
        at = 0
        try:
            while at < len(data):
                at += os.write(self._fd, data[at:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, self._size, os.SEEK_SET)
            raise
        self._size += len(data)
