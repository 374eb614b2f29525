"""What a journal's folder takes of its disk, and what is left."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


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
    used_bytes = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            # SQLite takes its files away when it needs them no more.
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    used_bytes += entry.stat(follow_symlinks=False).st_size
    file_system = os.statvfs(folder)
    return DiskUse(used_bytes, file_system.f_bavail * file_system.f_frsize)
