"""Holds a journal's folder: one gateway at a time, and no silent loss of the newest events.

A damaged write-ahead log makes SQLite drop what stands behind the damage, without an error. So
the newest sequence is also written down outside the database; one that is missing when the journal
is opened again is then known to be lost and is never given to another event. So are changes of the
state counted.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from gateway.journal.sqlite import JournalError

GUARD_FILE: Final = "journal.guard"

_MARK: Final = struct.Struct(">4sQQQ")
_MAGIC: Final = b"LPM2"
#: With its checksum.
_MARK_BYTES: Final = _MARK.size + 4
#: Of gateways before, which did not write down changes of the state.
_OLD_MARK: Final = struct.Struct(">4sQQ")
_OLD_MAGIC: Final = b"LPMK"

log = structlog.get_logger(__name__)


class Guard:
    """The lock on a folder and, in the same file, the newest sequence of its journal."""

    def __init__(self, folder: Path) -> None:
        """Locks `folder`, which must be there.

        Raises:
            JournalError: another process has it, or the file can't be written.
        """
        self._file = folder / GUARD_FILE
        self._fd = _locked(self._file)

    def renew(self) -> None:
        """Locks the folder anew where the file was deleted. Raises JournalError."""
        with suppress(FileNotFoundError):
            if os.path.samestat(self._file.stat(), os.fstat(self._fd)):
                return
        fd = _locked(self._file)
        os.close(self._fd)
        self._fd = fd

    def newest(self, epoch: int) -> tuple[int, int]:
        """The newest sequence, and how many changes of the state, of the journal `epoch`.

        They are 0 where they are not written down.
        """
        return _marked(os.pread(self._fd, _MARK_BYTES, 0), epoch)

    def write(self, epoch: int, sequence: int, changes: int) -> None:
        """Writes down that `sequence`, and so many changes of the state, are stored.

        It is not synced, so it may lag behind after a power cut but never runs ahead. A failure is
        only logged: the event itself is on the disk.
        """
        body = _MARK.pack(_MAGIC, epoch, sequence, changes)
        try:
            os.pwrite(self._fd, body + zlib.crc32(body).to_bytes(4, "big"), 0)
        except OSError as error:
            log.warning("newest event could not be written down", error=error.strerror)

    def close(self) -> None:
        """Gives the folder free."""
        os.close(self._fd)


def newest_marked(folder: Path, epoch: int) -> tuple[int, int]:
    """As `Guard.newest`, of a journal that another process may hold. Raises OSError."""
    try:
        data = (folder / GUARD_FILE).read_bytes()
    except FileNotFoundError:
        return 0, 0
    return _marked(data[:_MARK_BYTES], epoch)


def _marked(data: bytes, epoch: int) -> tuple[int, int]:
    if not data:
        return 0, 0
    for mark, magic in ((_MARK, _MAGIC), (_OLD_MARK, _OLD_MAGIC)):
        body, crc = data[: mark.size], data[mark.size : mark.size + 4]
        if body[:4] == magic and zlib.crc32(body) == int.from_bytes(crc, "big"):
            _, marked_epoch, sequence, *changes = mark.unpack(body)
            return (sequence, sum(changes)) if marked_epoch == epoch else (0, 0)
    log.warning("newest event is not written down: a lost one would not be noticed")
    return 0, 0


def _locked(file: Path) -> int:
    """The file, open and locked."""
    try:
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        msg = f"opening {file}: {error.strerror}; check the folder's rights and file system"
        raise JournalError(msg) from error
    try:
        # Ends with the process, however that ends.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        msg = (
            f"{file.parent}: another gateway has this journal open;"
            " stop it, or give this one a folder of its own"
        )
        raise JournalError(msg) from error
    return fd
