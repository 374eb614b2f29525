"""Walks to be kept, and what must be found of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from gateway.journal.tracks.compaction import compact
from gateway.journal.tracks.places import Place, places_in
from gateway.journal.tracks.reader import Found, TracksReader
from gateway.journal.tracks.track_file import Gap
from gateway.journal.tracks.writer import Writer
from positioning.observation import FixClass, IdTable, Records, new_fixes

S_NS = 1_000_000_000
#: The begin of an hour.
T0_MS = 1_800_000_000_000
ROADS = ("main", "return_airway")

#: A kept row as the tests look at it: card, time in ms, x in cm, class.
Row = tuple[str, int, int, int]


def cards_table(count: int) -> IdTable:
    return IdTable(tuple(f"{1001 + n}" for n in range(count)))


def walk(cards: int, second: int, t0_ms: int = T0_MS, seed: int = 1) -> Records:
    """A second of walking cards: one fix of each, with noise."""
    rng = np.random.default_rng((seed, second % 3600))
    fixes = new_fixes(cards)
    fixes["card"] = np.arange(cards)
    fixes["t_ns"] = (t0_ms + second * 1000 + rng.integers(0, 900, cards)) * 1_000_000
    fixes["x_m"] = 10.0 * np.arange(cards) + 1.2 * second + rng.normal(0, 0.2, cards)
    fixes["y_m"], fixes["z_m"] = 0.3 * fixes["x_m"], -400.0
    fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"] = 0.09, 0.02, 0.5
    fixes["roadway"], fixes["chainage_m"] = np.arange(cards) % 2, fixes["x_m"]
    fixes["fix_class"] = FixClass.ROADWAY
    return fixes


class Book:
    """A writer, and all that it was given."""

    def __init__(self, folder: Path, cards: int) -> None:
        self.folder = folder
        self.table = cards_table(cards)
        self.rows: list[Row] = []
        self.writer = Writer(folder)

    def write(self, fixes: Records, now_ms: int) -> None:
        rows = self.writer.rows_of(fixes, self.table, ROADS, now_ms * 1_000_000)
        self.rows += [
            (self.table.name(int(card)), int(row["t_ms"]), int(row["x_cm"]), int(row["fix_class"]))
            for card, row in zip(fixes["card"], rows, strict=True)
        ]
        self.writer.write(rows, now_ms)

    def walk(self, seconds: Iterable[int], t0_ms: int = T0_MS) -> None:
        for second in seconds:
            self.write(walk(len(self.table), second, t0_ms), t0_ms + (second + 1) * 1000)

    def begun_anew(self, now_ms: int) -> None:
        """As after a kill: nothing is ended, and another writer takes over."""
        self.writer.give_up()
        self.writer = Writer(self.folder)
        self.writer.restore(now_ms)

    def last_at(self, t_ms: int) -> dict[str, Row]:
        """The last row of each card until then."""
        until = sorted((row for row in self.rows if row[1] <= t_ms), key=lambda row: row[1])
        return {row[0]: row for row in until}


def compact_all(folder: Path) -> None:
    for place in places_in(folder):
        if place.is_live:
            compact(place, lambda: None)


def only_file(folder: Path) -> Place:
    (place,) = places_in(folder)
    return place


def rows_in(reader: TracksReader, rows: Records) -> list[Row]:
    return [
        (
            reader.handles.cards.name(int(row["card"])),
            int(row["t_ms"]),
            int(row["x_cm"]),
            int(row["fix_class"]),
        )
        for row in rows
    ]


def all_rows(
    folder: Path, card: str = "", start_ms: int = 0, end_ms: int = 1 << 42
) -> tuple[list[Row], list[Gap]]:
    """What is found of a time, and what is said to be missing, but for what was before it all."""
    with closing(TracksReader(folder)) as reader:
        found = reader.between(start_ms, end_ms, card)
        return rows_in(reader, found.rows), after_the_begin(found)


def at(folder: Path, t_ms: int) -> tuple[dict[str, Row], list[Gap]]:
    with closing(TracksReader(folder)) as reader:
        found = reader.at(t_ms)
        return {row[0]: row for row in rows_in(reader, found.rows)}, after_the_begin(found)


def after_the_begin(found: Found) -> list[Gap]:
    return [gap for gap in found.gaps if gap.reason != "nothing was recorded before"]


def is_in(gaps: Sequence[Gap], t_ms: int) -> bool:
    return any(gap.start_ms <= t_ms < gap.end_ms for gap in gaps)
