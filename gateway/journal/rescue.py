"""Makes a journal's files anew whose names were deleted, or given to other files, while it ran.

A file that is open can be read until it is closed, whatever became of its name. So nothing is lost:
not what was stored, nor the journal's number, by which clients go on.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.journal.disk import sync_folder

#: What SQLite keeps beside a database.
_BESIDE: Final = ("-wal", "-shm")
#: Foreign files that are kept aside; more of them are no accident.
_ASIDE_MOST: Final = 100


def rescue(source: sqlite3.Connection, file: Path, *, ours: bool) -> None:
    """Copies what `source` reads to a new file that becomes `file`, and is on the disk then.

    What stands there is moved aside unless it is `ours`. Raises sqlite3.Error or OSError.
    """
    spare = file.with_name(f"{file.name}.new")
    for suffix in ("", *_BESIDE, "-journal"):
        spare.with_name(spare.name + suffix).unlink(missing_ok=True)
    with closing(sqlite3.connect(spare)) as target:
        source.backup(target)
    with spare.open("rb+") as copied:
        os.fsync(copied.fileno())
    if file.exists() and not ours:
        _put_aside(file)
    for suffix in _BESIDE:
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    spare.replace(file)
    sync_folder(file.parent)


def _put_aside(file: Path) -> None:
    for number in range(1, _ASIDE_MOST + 1):
        aside = file.with_name(f"{file.name}.aside-{number}")
        if not aside.exists():
            for suffix in ("", *_BESIDE):
                part = file.with_name(file.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
            return
    msg = f"{file}: {_ASIDE_MOST} other files were put in its place; move them away"
    raise OSError(msg)
