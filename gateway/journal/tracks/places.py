"""Names of files: a number that grows, and the hour in which a file was begun.

`000042-20261130T07.live` is written to, or waits to be compacted; `.tracks` is compacted; `.part`
is what a compaction that was broken off has left.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

TRACKS_FOLDER: Final = "tracks"
LIVE: Final = ".live"
COMPACTED: Final = ".tracks"
PART: Final = ".part"

#: What one file is of: small enough to be dropped whole, and a day has not too many of them.
HOUR_MS: Final = 3_600_000
#: A clock that shows an earlier time was not set.
PLAUSIBLE_MS: Final = 1_577_836_800_000  # 2020-01-01

_NAME: Final = re.compile(r"([0-9]{6,12})-([0-9]{8}T[0-9]{2})(\.live|\.tracks)")
_HOUR: Final = "%Y%m%dT%H"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A file by its name. Files are in the order of their numbers, whatever clocks showed."""

    number: int
    hour_ms: int
    path: Path

    @property
    def is_live(self) -> bool:
        """Whether it is not compacted."""
        return self.path.suffix == LIVE


def place_of(path: Path) -> Place | None:
    """The place that a file's name tells; None for a foreign one."""
    match = _NAME.fullmatch(path.name)
    if not match:
        return None
    try:
        hour = datetime.strptime(match[2], _HOUR).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Place(int(match[1]), round((hour - _EPOCH) / timedelta(milliseconds=1)), path)


def new_place(folder: Path, number: int, t_ms: int) -> Place:
    """Where the next file is begun, at `t_ms`."""
    hour_ms = t_ms // HOUR_MS * HOUR_MS
    hour = _EPOCH + timedelta(milliseconds=hour_ms)
    return Place(number, hour_ms, folder / f"{number:06d}-{hour.strftime(_HOUR)}{LIVE}")


def places_in(folder: Path) -> list[Place]:
    """All files of `folder` in order; of one that was being compacted the compacted one.

    Raises OSError where the folder is there and can't be read.
    """
    found: dict[int, Place] = {}
    for place in sorted(_all(folder), key=lambda one: not one.is_live):
        found[place.number] = place
    return sorted(found.values())


def _all(folder: Path) -> Iterator[Place]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                place = place_of(Path(entry.path))
                if place:
                    yield place
    except FileNotFoundError:
        return
