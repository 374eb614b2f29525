"""Rows to chunks: frames as they come, blocks of some cards over some time, snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from gateway.journal.tracks.chunks import ChunkKind, pack_chunk
from gateway.journal.tracks.columns import encode
from gateway.journal.tracks.rows import KEPT, newest_of_each
from gateway.journal.tracks.track_file import LATE_MS
from positioning.observation import Records

#: One person's day decodes the rows of so many, everyone at an instant a block of each: with this
#: number and 40 s of a block, the one costs 0.3 s and the other 30 ms of 8,000 cards.
BLOCK_CARDS: Final = 80
#: Of any chunk: what a reader holds at once.
CHUNK_ROWS_MAX: Final = 1 << 16
_SECOND_MS: Final = 1000


def frames(number: int, rows: Records, record_ms: int) -> Iterator[bytes]:
    """Chunks of (n,) KEPT that are `thinned`."""
    yield from _packed(number, ChunkKind.FRAME, rows, record_ms)


def blocks(number: int, parts: Sequence[Records], begin_ms: int, record_ms: int) -> Iterator[bytes]:
    """Chunks of parts in the order of writing, (n,) KEPT each that are `thinned`.

    Most rows are of `begin_ms` or later. Each chunk is made when it is asked for: some ms.
    """
    # Those of late rows would be long in time, and be read for all that lies between.
    is_late = [part["t_ms"] < begin_ms - LATE_MS for part in parts]
    late = [part[which] for part, which in zip(parts, is_late, strict=True) if which.any()]
    others = [part[~which] for part, which in zip(parts, is_late, strict=True) if not which.all()]
    for some in (late, others):
        for group in _by_cards(some):
            yield from _packed(number, ChunkKind.BLOCK, thinned(group), record_ms)


def _by_cards(parts: Sequence[Records]) -> Iterator[Records]:
    """The rows of parts, each sorted by card, of `BLOCK_CARDS` cards after the other."""
    if not parts:
        return
    cards = np.unique(np.concatenate([part["card"] for part in parts]))
    edges = cards[BLOCK_CARDS::BLOCK_CARDS]
    split = (np.split(part, np.searchsorted(part["card"], edges)) for part in parts)
    for group in zip(*split, strict=True):
        yield np.concatenate(group)


def snapshot(number: int, rows: Records, record_ms: int) -> bytes:
    """A chunk of (n,) KEPT, one row of each card, by card.

    Its last time is the first at which it is true: all of its rows are older.
    """
    times = (record_ms, record_ms)
    if len(rows):
        times = int(rows["t_ms"].min()), int(rows["t_ms"].max()) + 1
    payload = encode(rows, times[0])
    kind = ChunkKind.SNAPSHOT
    return pack_chunk(
        number, kind, payload, record_ms, rows=len(rows), cards=_cards(rows), times_ms=times
    )


def thinned(rows: Records) -> Records:
    """(k,) of (n,) KEPT in the order of writing: the newest of each card and second, sorted."""
    return newest_of_each(rows, rows["t_ms"] // _SECOND_MS)


def _packed(number: int, kind: ChunkKind, rows: Records, record_ms: int) -> Iterator[bytes]:
    for start in range(0, len(rows), CHUNK_ROWS_MAX):
        part = rows[start : start + CHUNK_ROWS_MAX]
        times = int(part["t_ms"].min()), int(part["t_ms"].max())
        payload = encode(part, times[0])
        yield pack_chunk(
            number, kind, payload, record_ms, rows=len(part), cards=_cards(part), times_ms=times
        )


def _cards(rows: Records) -> tuple[int, int]:
    return (int(rows["card"][0]), int(rows["card"][-1])) if len(rows) else (0, 0)


class Latest:
    """The last row of every card, by handle."""

    def __init__(self) -> None:
        self._rows = np.zeros(0, KEPT)

    def take(self, rows: Records) -> None:
        """Takes (n,) KEPT in the order of writing; an older one than is known changes nothing."""
        if not len(rows):
            return
        rows = newest_of_each(rows)
        cards = rows["card"].astype(np.intp)
        more = int(cards[-1]) + 1 - len(self._rows)
        if more > 0:
            room = np.zeros(max(more, len(self._rows)), KEPT)
            self._rows = np.concatenate([self._rows, room])
        known = self._rows[cards]
        newer = (known["fix_class"] == 0) | (rows["t_ms"] >= known["t_ms"])
        self._rows[cards[newer]] = rows[newer]

    def rows(self) -> Records:
        """(k,) KEPT, by card."""
        return self._rows[self._rows["fix_class"] > 0]
