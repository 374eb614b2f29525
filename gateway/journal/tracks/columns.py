"""Rows as compressed columns: for each card its first row, then differences from row to row.

Numbers are zigzag coded and cut into planes of bytes: steps are small, so all but the lowest
plane are nearly nothing but zeros, which compression takes away. A card's rows can be had without
decoding those of others, and the last row of each without making rows of the others.
"""

from __future__ import annotations

import struct
import threading
from typing import Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from gateway.journal.tracks.rows import KEPT, NO_CHAINAGE_CM
from positioning.observation import Records

Integers = NDArray[np.int64]
Signed = NDArray[np.signedinteger]

#: In the order of the file.
_COLUMNS: Final = (
    "t_ms", "x_cm", "y_cm", "z_cm", "chainage_cm", "age_ds", "roadway", "fix_class", "long",
    "short", "direction",
)  # fmt: skip
_TIME: Final = _COLUMNS.index("t_ms")
_CHAINAGE: Final = _COLUMNS.index("chainage_cm")
_CLASS: Final = _COLUMNS.index("fix_class")
#: The time goes by a second from row to row, and is coded without it.
_PERIOD_MS: Final = 1000
#: Bit of a class: there is no chainage, whose column goes on as if nothing had changed.
_NO_CHAINAGE: Final = 0x80

#: Rows, cards, then the widths in bytes of cards, counts, first values and steps.
_HEADER: Final = struct.Struct("<II4B")
#: A higher level costs five times as much and saves 3 %; a lower one saves no time.
_LEVEL: Final = 3
#: Rows of one chunk, so that bytes that are none can't ask for all memory: more than there are
#: cards in a file or seconds in a day.
ROWS_MAX: Final = 1 << 20
#: Of the widest numbers.
_WIDTH_MAX: Final = 8


class ColumnsError(Exception):
    """Bytes that are no columns, though their checksum is right."""


def encode(rows: Records, base_ms: int) -> bytes:
    """(n,) KEPT, sorted by card and time; `base_ms` is a time near theirs that `Columns` needs."""
    cards, starts, counts = np.unique(rows["card"], return_index=True, return_counts=True)
    cards = cards.astype(np.int64)
    columns = np.stack([rows[name].astype(np.int64) for name in _COLUMNS])
    columns[_TIME] -= base_ms
    has_none = rows["chainage_cm"] == NO_CHAINAGE_CM
    if has_none.any():
        # The last one that there is; before the first, 0.
        there = np.maximum.accumulate(np.where(has_none, -1, np.arange(len(rows))))
        columns[_CHAINAGE] = np.where(there < 0, 0, columns[_CHAINAGE][there])
        columns[_CLASS] |= np.where(has_none, _NO_CHAINAGE, 0)
    firsts: Integers = np.diff(columns[:, starts], axis=1, prepend=0)
    steps: Integers = np.diff(columns, axis=1, prepend=0)
    steps[_TIME] -= _PERIOD_MS
    steps[:, starts] = 0
    apart: Integers = np.diff(cards, prepend=0)
    parts = [_planes(part) for part in (apart, counts.astype(np.int64), firsts, steps)]
    planes, widths = zip(*parts, strict=True)
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(planes))
    return _HEADER.pack(len(rows), len(cards), *widths) + packed


def _planes(numbers: Integers) -> tuple[bytes, int]:
    zigzag = ((numbers << 1) ^ (numbers >> 63)).astype("<u8").ravel()
    width = max(1, (int(zigzag.max(initial=0)).bit_length() + 7) // 8)
    return zigzag.view(np.uint8).reshape(-1, _WIDTH_MAX)[:, :width].T.tobytes(), width


class Columns:
    """What `encode` has made, decompressed; rows are decoded as they are asked for."""

    def __init__(self, payload: bytes, base_ms: int) -> None:
        """Raises ColumnsError where it can't be decoded."""
        try:
            count, cards, *widths = _HEADER.unpack_from(payload)
        except struct.error as error:
            raise ColumnsError(str(error)) from error
        if count > ROWS_MAX or cards > count or not 0 < min(widths) <= max(widths) <= _WIDTH_MAX:
            msg = f"{count} rows of {cards} cards, {widths} bytes wide"
            raise ColumnsError(msg)
        lines = (1, 1, len(_COLUMNS), len(_COLUMNS))
        sizes = (cards, cards, cards, count)
        parts = list(zip(widths, lines, sizes, strict=True))
        total = sum(width * line * size for width, line, size in parts)
        try:
            packed = payload[_HEADER.size :]
            raw = _OF_THREAD.decompressor.decompress(packed, max_output_size=total or 1)
        except zstandard.ZstdError as error:
            raise ColumnsError(str(error)) from error
        if len(raw) != total:
            msg = f"{len(raw)} bytes of columns, not {total}"
            raise ColumnsError(msg)
        planes, at = [], 0
        for width, line, size in parts:
            part = np.frombuffer(raw, np.uint8, width * line * size, at)
            planes.append(part.reshape(width, line, size))
            at += part.size
        self._base_ms = base_ms
        self._firsts, self._steps = planes[2], planes[3]
        self.count: int = count
        #: (k,) handles, ascending, how many rows each has, and where they start.
        self.cards = np.cumsum(_numbers(planes[0])[0], dtype=np.int64)
        self.counts = _numbers(planes[1])[0].astype(np.int64)
        self.starts = np.cumsum(self.counts) - self.counts
        if int(self.counts.sum()) != count or (self.counts < 1).any():
            msg = "the cards' rows do not add up"
            raise ColumnsError(msg)

    def rows(self) -> Records:
        """All, (n,) KEPT, sorted by card and time."""
        ways = self._ways(0, self.count)
        firsts = np.cumsum(_numbers(self._firsts), axis=1, dtype=np.int64)
        if self.count > len(self.cards):
            firsts -= ways[:, self.starts]
            ways += np.repeat(firsts, self.counts, axis=1)
        else:
            ways = firsts
        return self._made(np.repeat(self.cards, self.counts), ways)

    def rows_of(self, card: int) -> Records:
        """(m,) KEPT of one card, in the order of time."""
        at = int(np.searchsorted(self.cards, card))
        if at >= len(self.cards) or self.cards[at] != card:
            return np.empty(0, KEPT)
        first = int(self.starts[at])
        ways = self._ways(first, first + int(self.counts[at]))
        start = _numbers(self._firsts[:, :, : at + 1]).sum(axis=1, dtype=np.int64)
        ways += (start - ways[:, 0])[:, None]
        return self._made(card, ways)

    def last_until(self, t_ms: int) -> Records:
        """(j,) KEPT: of each card the last row until `t_ms`, where it has one."""
        if not self.count:
            return np.empty(0, KEPT)
        steps = _numbers(self._steps)
        firsts = np.cumsum(_numbers(self._firsts), axis=1, dtype=np.int64)
        times = np.cumsum(steps[_TIME], dtype=np.int64)
        times += np.arange(0, _PERIOD_MS * self.count, _PERIOD_MS)
        times += np.repeat(firsts[_TIME] - times[self.starts], self.counts)
        until = np.add.reduceat(times <= t_ms - self._base_ms, self.starts, dtype=np.int64)
        has_one = until > 0
        starts = self.starts[has_one]
        rows = starts + until[has_one]
        # Only what is asked for is added up: from a card's first row to that one.
        columns = firsts[:, has_one] + _sums(steps, starts, rows)
        columns[_TIME] = times[rows - 1]
        return self._made(self.cards[has_one], columns)

    def _ways(self, first: int, last: int) -> Integers:
        """(columns, last - first): sums of steps; what a card's own begin with does not count."""
        ways = np.cumsum(_numbers(self._steps[:, :, first:last]), axis=1, dtype=np.int64)
        ways[_TIME] += np.arange(0, _PERIOD_MS * (last - first), _PERIOD_MS)
        return ways

    def _made(self, cards: Integers | int, columns: Integers) -> Records:
        rows = np.empty(columns.shape[1], KEPT)
        rows["card"] = cards
        for name, column in zip(_COLUMNS, columns, strict=True):
            rows[name] = column
        rows["t_ms"] += self._base_ms
        has_none = rows["fix_class"] >= _NO_CHAINAGE
        if has_none.any():
            rows["fix_class"][has_none] -= _NO_CHAINAGE
            rows["chainage_cm"][has_none] = NO_CHAINAGE_CM
        return rows


def _numbers(planes: NDArray[np.uint8]) -> Signed:
    """(lines, n) numbers of (width, lines, n) planes, in as few bytes as they need."""
    width = len(planes)
    type_ = next(one for one in _UNSIGNED if width <= one().itemsize)
    zigzag = planes[0].astype(type_)
    for n in range(1, width):
        zigzag |= planes[n].astype(type_) << type_(8 * n)
    signed: Signed = ((zigzag >> type_(1)) ^ -(zigzag & type_(1))).view(f"i{type_().itemsize}")
    return signed


class _OfThread(threading.local):
    """To make one takes as long as to use it; two threads may not use one at the same time."""

    def __init__(self) -> None:
        self.decompressor = zstandard.ZstdDecompressor()


_OF_THREAD: Final = _OfThread()


def _sums(steps: Signed, starts: Integers, ends: Integers) -> Integers:
    """(lines, k) of (lines, n): from each start until before its end, which follows it."""
    bounds = np.stack([starts, ends], axis=1).ravel()
    # The end of all goes without saying, and may not be said.
    if len(bounds) and bounds[-1] == steps.shape[1]:
        bounds = bounds[:-1]
    sums: Integers = np.add.reduceat(steps, bounds, axis=1, dtype=np.int64)[:, ::2]
    return sums


_UNSIGNED: Final = (np.uint8, np.uint16, np.uint32, np.uint64)
