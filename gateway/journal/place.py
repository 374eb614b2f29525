"""The folder that a journal is in, and whether its files are still there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from gateway.journal.sqlite import DATABASE_FILE, JournalError

#: The database and its log: what a restart needs of them.
_FILES: Final = (DATABASE_FILE, f"{DATABASE_FILE}-wal")

#: What tells a file from another one of the same name; None: it is not there.
Identity = tuple[tuple[int, int] | None, ...]


def make_folder(folder: Path) -> None:
    """Makes it where it is not there. Raises JournalError."""
    try:
        # Where people were is nobody else's business.
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder}: can't be made ({error.strerror}); choose a folder for the journal"
        raise JournalError(msg) from error


def sync_folder(folder: Path) -> None:
    """Makes the names of new files durable; SQLite does so for its own log only."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def identity_of(folder: Path) -> Identity:
    """Which files the journal's are now. Raises OSError where that can't be told."""
    return tuple(_identity(folder / name) for name in _FILES)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def free_bytes(folder: Path) -> int:
    """What is free on its file system for the gateway. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def held_bytes(folder: Path) -> int:
    """Of all its files. Raises OSError."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
