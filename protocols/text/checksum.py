"""Checksums at the ends of lines, of many lines at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from equipment.text_line import CHECKSUM_DIGITS, Checksum, ChecksumKind

#: What a line's checksum is, by position of the line: right, there and wrong, or not there.
RIGHT, WRONG, NONE = range(3)

_NO_DIGIT: Final = 255

Bytes = NDArray[np.uint8]
Places = NDArray[np.intp]
Sums = NDArray[np.uint16]


class Checksums:
    """Looks whether lines have the checksum that they carry."""

    def __init__(self, checksum: Checksum, line_bytes: int) -> None:
        """`line_bytes`: bytes of the longest line."""
        self._mark = np.frombuffer(checksum.mark.encode(), np.uint8)
        self._digits = CHECKSUM_DIGITS[checksum.kind]
        self._first = checksum.first
        #: Bytes of mark and digits, which are no part of the line's fields.
        self.tail = len(self._mark) + self._digits
        self._crc = None if checksum.kind is ChecksumKind.XOR else Crc16(checksum.kind, line_bytes)

    def judge(self, lines: Sequence[bytes]) -> NDArray[np.int8]:
        """RIGHT, WRONG or NONE of each of n lines: (n,)."""
        found = np.full(len(lines), NONE, np.int8)
        lengths = np.fromiter(map(len, lines), np.intp, len(lines))
        long = np.flatnonzero(lengths >= self._first + self.tail)
        if not len(long):
            return found
        data = np.frombuffer(b"".join(lines), np.uint8)
        ends = np.cumsum(lengths)
        marks = (ends - self.tail)[long]
        starts = (ends - lengths)[long] + self._first
        marked = (data[marks[:, None] + np.arange(len(self._mark))] == self._mark).all(axis=1)
        at = (marks + len(self._mark))[:, None] + np.arange(self._digits)
        digits = _DIGITS[data[at]]
        there = marked & (digits != _NO_DIGIT).all(axis=1)
        weights = 16 ** np.arange(self._digits - 1, -1, -1)
        written = (digits.astype(np.int64) * weights).sum(axis=1)
        right = there & (written == self._sums(data, starts, marks))
        found[long] = np.where(right, RIGHT, np.where(there, WRONG, NONE))
        return found

    def _sums(self, data: Bytes, starts: Places, ends: Places) -> NDArray[np.generic]:
        """The checksums of `data[start:end]` of each pair."""
        if self._crc is not None:
            return self._crc.of(data, starts, ends)
        return _folded(data, starts, ends)


def _folded(values: NDArray[np.generic], starts: Places, ends: Places) -> NDArray[np.generic]:
    """Exclusive or over `values[start:end]` of each pair, 0 where that is empty."""
    edges = np.stack((starts, ends), axis=1).ravel()
    folded = np.bitwise_xor.reduceat(cast(Sums, values), edges)[::2]
    return np.where(starts < ends, folded, 0).astype(values.dtype)


class Crc16:
    """CRC-16 over many messages of different lengths.

    It is linear over GF(2): that of a message is what as many zero bytes give, xor what each byte
    adds by itself, which depends only on its value and on how many bytes come after it.
    """

    _START: Final = 0xFFFF

    def __init__(self, kind: ChecksumKind, length: int) -> None:
        """`length`: bytes of the longest message."""
        self._reflected = kind is ChecksumKind.CRC16_MODBUS
        self._step = self._bytewise()
        added = self._step.copy()
        zeros = np.array([self._START], np.uint16)
        table = np.empty((length, 256), np.uint16)
        starts = np.empty(length + 1, np.uint16)
        starts[0] = self._START
        for place in range(length):
            table[place] = added
            added, zeros = self._next(added), self._next(zeros)
            starts[place + 1] = zeros[0]
        self._table, self._starts = table, starts

    def of(self, data: Bytes, starts: Places, ends: Places) -> Sums:
        """The checksums of `data[start:end]` of each pair; pairs are in order."""
        after = np.zeros(len(data), np.intp)
        for_each = np.repeat(ends, ends - starts)
        inside = _ranges(starts, ends)
        after[inside] = for_each - 1 - inside
        added = self._table[after, data]
        return cast(Sums, _folded(added, starts, ends) ^ self._starts[ends - starts])

    def _next(self, sums: Sums) -> Sums:
        """What sums become by a zero byte."""
        if self._reflected:
            return cast(Sums, (sums >> np.uint16(8)) ^ self._step[sums & np.uint16(0xFF)])
        return cast(Sums, (sums << np.uint16(8)) ^ self._step[sums >> np.uint16(8)])

    def _bytewise(self) -> Sums:
        table = np.arange(256, dtype=np.uint16)
        if not self._reflected:
            table <<= np.uint16(8)
        for _ in range(8):
            if self._reflected:
                odd = (table & np.uint16(1)).astype(bool)
                shifted, polynomial = table >> np.uint16(1), np.uint16(0xA001)
            else:
                odd = (table & np.uint16(0x8000)).astype(bool)
                shifted, polynomial = table << np.uint16(1), np.uint16(0x1021)
            table = np.where(odd, shifted ^ polynomial, shifted).astype(np.uint16)
        return table


def _ranges(starts: Places, ends: Places) -> Places:
    """All places of all pairs, one pair after the other."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def _digit_table() -> Bytes:
    table = np.full(256, _NO_DIGIT, np.uint8)
    for letter in b"0123456789abcdefABCDEF":
        table[letter] = int(chr(letter), 16)
    return table


_DIGITS: Final = _digit_table()
