"""Notices when the files of a mine's folder change, and have stopped changing.

By looking, once a second: a few files cost nothing, and it works as well on a network drive and
where the folder is a link that is set to another one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from gateway.config.devices import PROFILES_FOLDER

#: How often the folder is looked at, seconds. It is read when nothing has changed from one look to
#: the next: editors and copies write several files one after the other, some each in two goes.
LOOK_S: Final = 1.0

#: Endings of files that configurations are made of, with those of certificates and keys. What else
#: is there, such as a journal, is not looked at.
SUFFIXES: Final = (".toml", ".csv", ".geojson", ".pem", ".der", ".crt", ".key")

#: Of each file: its name, when it was written, and its size.
Stamp = tuple[tuple[str, int, int], ...]


def stamp_of(folder: Path) -> Stamp:
    """How the files of a folder are now; what can't be looked at is not there."""
    found = []
    for place in (folder, folder / PROFILES_FOLDER):
        try:
            files = [file for file in place.iterdir() if file.suffix in SUFFIXES]
        except OSError:
            continue
        for file in files:
            try:
                stat = file.stat()
            except OSError:
                continue
            found.append((str(file), stat.st_mtime_ns, stat.st_size))
    return tuple(sorted(found))


async def folder_changed(folder: Path, since: Stamp | None) -> None:
    """Returns when the files are no longer as at `since`, and have stopped changing."""
    last = since
    while True:
        now = await asyncio.to_thread(stamp_of, folder)
        if now != since and now == last:
            return
        last = now
        await asyncio.sleep(LOOK_S)
