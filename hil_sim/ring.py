"""The ring of records that a simulated reader serves (`equipment.modbus_profile.Ring`)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from equipment.modbus_profile import (
    RING_HEADER_WIDTH,
    RecordField,
    RegisterType,
    Ring,
    Table,
    WordOrder,
)
from hil_sim.registers import LETTERS, Registers, text_wire

_HEADER: Final = struct.Struct(">IIQ")
_INTEGERS: Final = {
    RegisterType.INT16: (-(1 << 15), (1 << 15) - 1),
    RegisterType.UINT16: (0, (1 << 16) - 1),
    RegisterType.INT32: (-(1 << 31), (1 << 31) - 1),
    RegisterType.UINT32: (0, (1 << 32) - 1),
    RegisterType.INT64: (-(1 << 63), (1 << 63) - 1),
    RegisterType.UINT64: (0, (1 << 64) - 1),
}

Column = Sequence[str] | Sequence[float] | Sequence[int] | NDArray[Any]


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, starting with 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


_CRC_ARRAY: Final = np.array(_CRC_TABLE, np.uint16)


def crc16_rows(rows: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The CRC-16/MODBUS of each row of (n, bytes)."""
    crc = np.full(len(rows), 0xFFFF, np.uint16)
    for column in rows.T:
        crc = (crc >> 8) ^ _CRC_ARRAY[(crc ^ column) & 0xFF]
    return crc


class RingWriter:
    """Writes records into the registers of a reader, numbered from 1, and knows what was read."""

    def __init__(self, registers: Registers, ring: Ring, boot_id: int) -> None:
        """An empty ring; takes the registers' `on_read`."""
        self._registers = registers
        self._ring = ring
        self._boot_id = boot_id
        self._fields = ring.field[1:-1]
        # Letters of `struct` name NumPy's types as well.
        letters = (
            f"S{2 * f.width}" if f.type is RegisterType.TEXT else ">" + LETTERS[f.type]
            for f in ring.field[:-1]
        )
        names = (f.name for f in ring.field[:-1])
        self._record = np.dtype(list(zip(names, letters, strict=True)))
        self._width = ring.record_width
        self._number = ring.field[0].name
        self._swapped = _little_fields(ring)
        #: Texts as they are in registers: there are few, and each comes again and again.
        self._wires: dict[tuple[int, str], bytes] = {}
        #: How many records were ever written, and the number of the last that was read.
        self.head = 0
        self.read_to = 0
        #: Whether anyone has read the header yet.
        self.was_read = False
        registers.claim(ring.table, ring.header_address, RING_HEADER_WIDTH)
        registers.claim(ring.table, ring.first_address, ring.capacity * self._width)
        registers.on_read = self._note_read

    @property
    def room(self) -> int:
        """How many records can be written before one that no one has read is overwritten."""
        return self._ring.capacity - (self.head - self.read_to)

    def append(self, columns: Mapping[str, Column], device_time_us: int) -> None:
        """Writes records, then the header with the device's clock.

        `columns`: by name of field, of equal length, in the profile's units; NaN is "no value".
        Fields that are not given are "no value" where the profile has such, else 0.

        Raises:
            ValueError: a value does not fit its field.
        """
        count = max((len(column) for column in columns.values()), default=0)
        records = np.zeros(count, self._record)
        records[self._number] = (self.head + 1 + np.arange(count)) & 0xFFFFFFFF
        for field in self._fields:
            column = columns.get(field.name)
            if field.type is RegisterType.TEXT:
                records[field.name] = self._texts(field, column, count)
            else:
                records[field.name] = _raw(field, column, count)
        self._write(records.view(np.uint8).reshape(count, self._record.itemsize))
        self.tick(device_time_us)

    def tick(self, device_time_us: int) -> None:
        """Writes the header."""
        wire = _HEADER.pack(self._boot_id, self.head & 0xFFFFFFFF, device_time_us)
        self._registers.write(self._ring.table, self._ring.header_address, wire)

    def _texts(self, field: RecordField, column: Column | None, count: int) -> list[bytes]:
        if column is None:
            return [b""] * count
        wires = []
        for text in column:
            key = (field.width, str(text))
            wire = self._wires.get(key)
            if wire is None:
                wire = self._wires[key] = text_wire(field, key[1])
            wires.append(wire)
        return wires

    def _write(self, rows: NDArray[np.uint8]) -> None:
        """Writes records, (n, bytes) without their CRC, into as many runs of slots as it takes."""
        for field, at in self._swapped:
            end = at + 2 * field.width
            words = rows[:, at:end].reshape(len(rows), field.width, 2)
            rows[:, at:end] = words[:, ::-1].reshape(len(rows), -1)
        crc = crc16_rows(rows).astype(">u2").view(np.uint8).reshape(len(rows), 2)
        wires = np.hstack((rows, crc))
        done = 0
        while done < len(wires):
            slot = self.head % self._ring.capacity
            run = wires[done : done + self._ring.capacity - slot]
            address = self._ring.first_address + slot * self._width
            self._registers.write(self._ring.table, address, run.tobytes())
            self.head += len(run)
            done += len(run)

    def _note_read(self, table: Table, address: int, count: int) -> None:
        ring = self._ring
        if table is not ring.table:
            return
        if address <= ring.header_address < address + count:
            self.was_read = True
        slots_end = (address + count - ring.first_address) // ring.record_width
        slots_start = -((ring.first_address - address) // ring.record_width)
        if self.head == 0 or slots_end <= 0 or slots_end <= slots_start:
            return
        # The newest record that lies wholly in what was read.
        newest_slot = (self.head - 1) % ring.capacity
        last = min(slots_end, ring.capacity) - 1
        if max(slots_start, 0) <= newest_slot <= last:
            last = newest_slot
        behind = (newest_slot - last) % ring.capacity
        self.read_to = max(self.read_to, self.head - behind)


def _little_fields(ring: Ring) -> list[tuple[RecordField, int]]:
    """The fields whose words are swapped, and where in a record (bytes) they begin."""
    found, at = [], 0
    for field in ring.field[:-1]:
        if field.word_order is WordOrder.LITTLE and field.type is not RegisterType.TEXT:
            found.append((field, at))
        at += 2 * field.width
    return found


def _raw(field: RecordField, column: Column | None, count: int) -> NDArray[Any]:
    """A column of numbers as what is packed."""
    if column is None:
        return np.full(count, field.none or 0)
    array = np.asarray(column)
    if field.type not in _INTEGERS:
        return np.asarray((array - field.offset) / field.scale)
    plain = array.dtype.kind in "iu" and field.scale == 1.0 and field.offset == 0.0
    missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), np.bool_)
    present = array if plain else (np.where(missing, 0.0, array) - field.offset) / field.scale
    raw = np.round(present)
    low, high = _INTEGERS[field.type]
    if missing.any() and field.none is None:
        msg = f"field {field.name!r} has no way to say 'no value'"
        raise ValueError(msg)
    if len(raw) and not (low <= raw.min() and raw.max() <= high):
        msg = f"field {field.name!r}: a value between {array.min()} and {array.max()} does not fit"
        raise ValueError(msg)
    whole = raw.astype(np.uint64 if field.type is RegisterType.UINT64 else np.int64)
    whole[missing] = field.none or 0
    return whole
