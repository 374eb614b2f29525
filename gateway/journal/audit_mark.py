"""The audit log's high-water mark: its newest entry, written down outside the database.

A chain whose tail is lost is still a chain, only shorter. So a small file beside the database says
how far the log goes and what its newest digest is.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Final

import structlog

from gateway.journal.audit import Head
from gateway.journal.sqlite import JournalError

MARK_FILE: Final = "audit.mark"

#: One that is read while it is written may be torn; it is written in microseconds.
READ_TRIES: Final = 5

_MARK: Final = struct.Struct(">4sQQ32s")
_MAGIC: Final = b"LPAM"
_CRC_BYTES: Final = 4  # CRC-32 of what stands before it

log = structlog.get_logger(__name__)


def read_mark(folder: Path, epoch: int) -> Head | None:
    """The mark of the journal `epoch`; None where it is missing, damaged or another journal's.

    Raises:
        JournalError: the file is there and can't be read.
    """
    for _ in range(READ_TRIES):
        try:
            data = (folder / MARK_FILE).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"reading {folder / MARK_FILE}: {error.strerror}; check the folder's rights"
            raise JournalError(msg) from error
        body, crc = data[: _MARK.size], data[_MARK.size :]
        if len(crc) == _CRC_BYTES and zlib.crc32(body) == int.from_bytes(crc, "big"):
            magic, marked_epoch, sequence, digest = _MARK.unpack(body)
            return Head(sequence, digest) if (magic, marked_epoch) == (_MAGIC, epoch) else None
    return None


def write_mark(folder: Path, epoch: int, head: Head) -> None:
    """Writes down that the log of the journal `epoch` goes to `head`, which must be stored.

    In place, because a full disk has no room for another file; synced, because acts of operators
    are few. A failure is only logged: the entry itself is on the disk.
    """
    body = _MARK.pack(_MAGIC, epoch, head.sequence, head.digest)
    try:
        fd = os.open(folder / MARK_FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.pwrite(fd, body + zlib.crc32(body).to_bytes(_CRC_BYTES, "big"), 0)
            os.fdatasync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        log.warning("newest audit entry could not be written down", error=error.strerror)
