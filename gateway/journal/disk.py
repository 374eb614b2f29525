"""What a folder takes of its disk, what is left there, and that names in it last."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: As the configuration and those who sell disks count.
MB: Final = 1_000_000
GB: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes of a folder's own files, and bytes that are free on its file system."""

    used_bytes: int
    free_bytes: int


def disk_use(folder: Path) -> DiskUse:
    """Looks at the folder, which may take as long as its disk does.

    Raises:
        OSError: it can't be looked at.
    """
    return DiskUse(held_bytes(folder), free_bytes(folder))


def held_bytes(folder: Path) -> int:
    """Of all the files in a folder, not of those in folders in it. Raises OSError."""
    used_bytes = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            # SQLite takes its files away when it needs them no more.
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    used_bytes += entry.stat(follow_symlinks=False).st_size
    return used_bytes


def free_bytes(folder: Path) -> int:
    """What may still be written where a folder is, or will be. Raises OSError."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    told = os.statvfs(there)
    return told.f_bavail * told.f_frsize


def sync_folder(folder: Path) -> None:
    """Makes the names of new files durable; SQLite does so for its own log only."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
