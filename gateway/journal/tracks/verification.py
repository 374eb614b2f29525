"""Looks at every byte of the kept positions, and says what is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.journal.tracks.chunks import ChunkKind
from gateway.journal.tracks.index import LOST
from gateway.journal.tracks.names import Names
from gateway.journal.tracks.places import HOUR_MS, Place, places_in
from gateway.journal.tracks.reader import structural_gaps
from gateway.journal.tracks.track_file import DamagedError, Gap, Spans, TrackFile

_ROWS = (ChunkKind.FRAME, ChunkKind.BLOCK, ChunkKind.SNAPSHOT)


@dataclass(frozen=True, slots=True)
class Checked:
    """A file, what of it is damaged or was not recorded, and how many rows are whole."""

    place: Place
    size: int
    rows: int
    gaps: tuple[Gap, ...]
    spans: Spans | None


def verify(folder: Path) -> Iterator[Checked]:
    """Each file of `folder` in order; read-only, beside a gateway that may run.

    Raises OSError where the folder can't be read.
    """
    for place in places_in(folder):
        try:
            size = place.path.stat().st_size
            with closing(TrackFile.open(place)) as file:
                yield _checked(file, size)
        except FileNotFoundError:
            continue  # compacted or dropped meanwhile
        except (DamagedError, OSError, ValueError) as error:
            gap = Gap(place.hour_ms, place.hour_ms + HOUR_MS, f"damaged on the disk: {error}")
            yield Checked(place, 0, 0, (gap,), None)


def between_files(checked: list[Checked]) -> list[Gap]:
    """What is missing between files."""
    told = [(one.place, one.spans or one.gaps[0]) for one in checked]
    return [gap for gap in structural_gaps(told) if gap.start_ms]


def _checked(file: TrackFile, size: int) -> Checked:
    gaps = [gap for gap, _, _ in file.holes()]
    rows = 0
    for row in file.table:
        kind = int(row["kind"])
        if kind in (LOST, ChunkKind.HOLE):
            continue
        try:
            if kind in _ROWS:
                count = file.columns(row).count
                rows += count if kind == ChunkKind.BLOCK else 0
            elif kind == ChunkKind.NAMES:
                Names().add(file.payload(row))
            else:
                file.payload(row)
        except (DamagedError, ValueError) as error:
            gaps.append(file.gap(row, str(error)))
    return Checked(file.place, size, rows, tuple(gaps), file.spans)
