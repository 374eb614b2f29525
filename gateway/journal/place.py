"""The folder that a journal is in, and whether its files are still there."""

from __future__ import annotations

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


def identity_of(folder: Path) -> Identity:
    """Which files the journal's are now. Raises OSError where that can't be told."""
    return tuple(_identity(folder / name) for name in _FILES)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
