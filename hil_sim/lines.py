"""A reader's records as lines of text, written from the profile's contract. Pure.

Shares no line with what reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from equipment.text_line import Checksum, ChecksumKind, FieldType, Line, LineField, TimeUnit
from equipment.text_profile import TextProfile
from hil_sim.ring import Column, crc16

#: Groups of one line at most: what a kit hears in one cycle.
GROUPS_MOST: Final = 4

#: Microseconds of what a time counts; nanoseconds are written with three more digits.
_UNITS_US: Final = {TimeUnit.S: 1_000_000, TimeUnit.MS: 1000, TimeUnit.US: 1}


class LineWriter:
    """Writes the lines of one reader; numbers go on from call to call."""

    def __init__(self, profile: TextProfile, card: str | None = None) -> None:
        """`card`: of which the lines are, where they do not say it."""
        self._line = next(line for line in profile.line if line.gives_records)
        self._encoding = profile.encoding
        self._card = card
        #: How many lines were written.
        self.count = 0

    def write(self, columns: Mapping[str, Column]) -> list[bytes]:
        """The lines of (n,) records, with their ends; what a line has no place for is left out."""
        line = self._line
        names = list(columns)
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if line.card_of_device:
            rows = [row for row in rows if row["card"] == self._card]
        if line.groups is None:
            return [self._one([row]) for row in rows]
        beside = [one for one in line.field if not line.is_grouped(one) and one.name != "sequence"]
        if line.card_of_device or not beside:
            together: Iterator[list[dict[str, Any]]] = iter([rows] if rows else [])
        else:
            by = groupby(rows, key=lambda row: [row.get(one.name) for one in beside])
            together = (list(group) for _, group in by)
        return [
            self._one(group[first : first + GROUPS_MOST])
            for group in together
            for first in range(0, len(group), GROUPS_MOST)
        ]

    def _one(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        line = self._line
        cells: list[str | None] = [None] * line.width
        head = line.starts_with.split(line.separator)
        cells[: len(head) - 1] = head[:-1]
        if head[-1]:
            cells[len(head) - 1] = head[-1]
        keyed = []
        for one in line.field:
            if line.is_grouped(one):
                continue
            text = self._text(one, rows[0])
            if one.at is not None:
                cells[one.at] = text
            else:
                keyed.append(f"{one.key}={text}")
        for text in keyed:
            if None in cells:
                cells[cells.index(None)] = text
            else:
                cells.append(text)
        if line.groups is not None and line.groups.count is not None:
            cells[line.groups.count] = str(len(rows))
        written = ["0" if cell is None else cell for cell in cells]
        if line.groups is not None:
            first = line.groups.first
            written[first:first] = [cell for row in rows for cell in self._group(line, row)]
        self.count += 1
        body = line.separator.join(written).encode(self._encoding)
        return body + (_tail(line.checksum, body) if line.checksum else b"") + b"\r\n"

    def _group(self, line: Line, row: Mapping[str, Any]) -> list[str]:
        groups = line.groups
        assert groups is not None
        cells = ["0"] * groups.width
        for one in line.field:
            if line.is_grouped(one) and one.at is not None:
                cells[one.at - groups.first] = self._text(one, row)
        return cells

    def _text(self, one: LineField, row: Mapping[str, Any]) -> str:
        if one.name == "sequence":
            return str(self.count if one.modulo is None else self.count % one.modulo)
        value = row.get(one.name)
        if one.type is FieldType.TEXT:
            return "" if value is None else str(value)
        if one.type is FieldType.TIME:
            return _time(int(value or 0), one.time_unit)
        missing = value is None or math.isnan(float(value))
        if missing:
            return "0" if one.none is None else one.none
        assert value is not None
        raw = (float(value) - one.offset) / one.scale
        return str(round(raw)) if one.type is FieldType.INTEGER else f"{raw:.12g}"


def _time(t_us: int, unit: TimeUnit) -> str:
    if unit is TimeUnit.NS:
        return f"{t_us}000"
    if unit is TimeUnit.S:
        return f"{t_us // 1_000_000}.{t_us % 1_000_000:06d}"
    return str(t_us // _UNITS_US[unit])


def _tail(checksum: Checksum, body: bytes) -> bytes:
    """What stands behind the fields: the mark and the digits."""
    over = body[checksum.first :]
    if checksum.kind is ChecksumKind.XOR:
        xor = 0
        for byte in over:
            xor ^= byte
        return f"{checksum.mark}{xor:02X}".encode()
    crc = crc16(over) if checksum.kind is ChecksumKind.CRC16_MODBUS else _ccitt(over)
    return f"{checksum.mark}{crc:04X}".encode()


def _ccitt(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, starting with 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = crc << 1 & 0xFFFF ^ (0x1021 if crc & 0x8000 else 0)
    return crc
