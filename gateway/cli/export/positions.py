"""Kept positions as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.cli.export.table import PLACE, Batch, Column, Kind
from gateway.journal.tracks.ellipse import covariances_of
from gateway.journal.tracks.reader import TracksReader
from gateway.journal.tracks.rows import NO_CHAINAGE_CM
from gateway.journal.tracks.track_file import Gap
from positioning.observation import FixClass, Records

#: Of so long is taken into memory at a time: 4.8 million rows of 8,000 cards.
STRETCH_MS: Final = 600_000
_MS_NS: Final = 1_000_000

#: A gap is a row without a card: from `time` to `gap_end_time`, and why in `gap`.
COLUMNS: Final[tuple[Column, ...]] = (
    Column("card", Kind.TEXT),
    Column("time", Kind.TIME),
    *(Column(name, Kind.NUMBER) for name in PLACE),
    Column("fix_class", Kind.TEXT),
    Column("roadway_id", Kind.TEXT),
    Column("chainage_m", Kind.NUMBER),
    Column("age_s", Kind.NUMBER),
    Column("var_x_m2", Kind.NUMBER),
    Column("cov_xy_m2", Kind.NUMBER),
    Column("var_y_m2", Kind.NUMBER),
    Column("gap_end_time", Kind.TIME),
    Column("gap", Kind.TEXT),
)

#: Of square metres: less than what is kept of them.
_VARIANCE_DIGITS: Final = 6

_CLASS_NAMES: Final = {int(one): one.name for one in FixClass}


def batches(reader: TracksReader, start_ms: int, end_ms: int, card: str = "") -> Iterator[Batch]:
    """The rows of a time, of one card or of all: before each stretch its gaps, then by time.

    Raises OSError where the folder can't be read.
    """
    for begin_ms in range(start_ms, end_ms, STRETCH_MS):
        found = reader.between(begin_ms, min(begin_ms + STRETCH_MS, end_ms), card)
        if found.gaps:
            yield _gaps(found.gaps)
        if len(found.rows):
            yield _rows(found.rows, reader)


def _gaps(gaps: list[Gap]) -> Batch:
    batch: dict[str, list[Any]] = {column.name: [None] * len(gaps) for column in COLUMNS}
    batch["time"] = [gap.start_ms * _MS_NS for gap in gaps]
    batch["gap_end_time"] = [gap.end_ms * _MS_NS for gap in gaps]
    batch["gap"] = [gap.reason for gap in gaps]
    return batch


def _rows(rows: Records, reader: TracksReader) -> Batch:
    handles = reader.handles
    cards, roadways = handles.cards.names(), handles.roadways.names()
    nothing = [None] * len(rows)
    chainages = (rows["chainage_cm"] / 100).astype(object)
    chainages[rows["chainage_cm"] == NO_CHAINAGE_CM] = None
    variances = covariances_of(rows["long"], rows["short"], rows["direction"])
    return {
        "card": [cards[handle] for handle in rows["card"].tolist()],
        "time": (rows["t_ms"] * _MS_NS).tolist(),
        **{f"{axis}_m": (rows[f"{axis}_cm"] / 100).tolist() for axis in "xyz"},
        "fix_class": [_CLASS_NAMES.get(code, str(code)) for code in rows["fix_class"].tolist()],
        "roadway_id": [roadways[n - 1] if n else None for n in rows["roadway"].tolist()],
        "chainage_m": chainages.tolist(),
        "age_s": (rows["age_ds"] / 10).tolist(),
        **{
            name: one.round(_VARIANCE_DIGITS).tolist()
            for name, one in zip(("var_x_m2", "cov_xy_m2", "var_y_m2"), variances, strict=True)
        },
        "gap_end_time": nothing,
        "gap": nothing,
    }
