"""The memory of a Modbus device, filled by its profile.

Written from the profile's contract alone and with `struct`, so that it shares no line with what
reads it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from equipment.modbus_profile import (
    ADDRESSES,
    ModbusPoint,
    ModbusProfile,
    RegisterField,
    RegisterType,
    Table,
    WordOrder,
)
from equipment.report import Value

#: Letters of `struct` for the types that are numbers.
LETTERS: Final = {
    RegisterType.BOOL: "H",
    RegisterType.INT16: "h",
    RegisterType.UINT16: "H",
    RegisterType.INT32: "i",
    RegisterType.UINT32: "I",
    RegisterType.INT64: "q",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
}

_FLOATS: Final = (RegisterType.FLOAT32, RegisterType.FLOAT64)
_WORD_TABLES: Final = (Table.HOLDING, Table.INPUT)


class Registers:
    """The four tables of one unit, as they are on the wire: words big-endian, one byte a bit.

    Only what was given by `claim` answers; `on_read` hears (table, address, count) of every read.
    """

    def __init__(self) -> None:
        self._words = {table: bytearray(2 * ADDRESSES) for table in _WORD_TABLES}
        self._bits = {table: bytearray(ADDRESSES) for table in (Table.COIL, Table.DISCRETE)}
        self._there = {table: bytearray(ADDRESSES) for table in Table}
        self.on_read: Callable[[Table, int, int], None] | None = None
        #: What `write_points` has written last, by point, by which profile and in which order.
        self.shown: dict[str, Value] = {}
        self.shown_by: ModbusProfile | None = None
        self.shown_wrong = False

    def claim(self, table: Table, address: int, count: int) -> None:
        """Makes `count` addresses exist."""
        self._there[table][address : address + count] = b"\x01" * count

    def write(self, table: Table, address: int, wire: bytes) -> None:
        """Puts words into a table."""
        self._words[table][2 * address : 2 * address + len(wire)] = wire

    def write_bit(self, table: Table, address: int, bit: int, *, value: bool) -> None:
        """Puts one bit into a table of bits, or into bit `bit` of a word."""
        if table in self._bits:
            self._bits[table][address] = value
            return
        byte = 2 * address + (1 if bit < 8 else 0)
        mask = 1 << (bit % 8)
        words = self._words[table]
        words[byte] = words[byte] | mask if value else words[byte] & ~mask

    def read(self, table: Table, address: int, count: int) -> bytes | None:
        """The answer's data: words, or bits packed from the lowest; None where not all exist."""
        end = address + count
        if end > ADDRESSES or self._there[table].find(0, address, end) >= 0:
            return None
        if self.on_read:
            self.on_read(table, address, count)
        if table in self._words:
            return bytes(self._words[table][2 * address : 2 * end])
        bits = self._bits[table][address:end]
        number = sum(1 << position for position, bit in enumerate(bits) if bit)
        return number.to_bytes((count + 7) // 8, "little")


def claim_points(registers: Registers, profile: ModbusProfile) -> None:
    """Makes the span from the lowest to the highest point of each table exist, as in most PLCs."""
    for table in Table:
        points = [point for point in profile.point if point.table is table]
        if points:
            low = min(point.address for point in points)
            high = max(point.address + point.width for point in points)
            registers.claim(table, low, high - low)


def write_points(
    registers: Registers,
    profile: ModbusProfile,
    values: Mapping[str, Value],
    *,
    wrong_order: bool = False,
) -> None:
    """Puts the values of points (as the profile means them, in its units) into the registers.

    `wrong_order`: numbers of several registers have these in the order that the profile does not
    say. Values that are there already, in that way, are not written again.
    """
    if registers.shown_by is not profile or registers.shown_wrong != wrong_order:
        registers.shown, registers.shown_by, registers.shown_wrong = {}, profile, wrong_order
    shown = registers.shown
    for point in profile.point:
        name = point.name
        if name not in values or shown.get(name) == values[name]:
            continue
        shown[name] = value = values[name]
        if point.type is RegisterType.BOOL:
            raw = _state_number(point, value) if point.states else value
            registers.write_bit(point.table, point.address, point.bit, value=bool(raw))
        else:
            wire = _wire(point, value)
            if wrong_order and point.type is not RegisterType.TEXT:
                wire = _turned(wire)
            registers.write(point.table, point.address, wire)


def _wire(point: ModbusPoint, value: Value) -> bytes:
    if point.type is RegisterType.TEXT:
        return text_wire(point, str(value))
    raw: float
    if point.states:
        raw = _state_number(point, value)
    else:
        raw = (float(value) - point.offset) / point.scale
    number = raw if point.type in _FLOATS else _fitted(point.type, round(raw))
    return in_word_order(point, struct.pack(">" + LETTERS[point.type], number))


def _fitted(type_: RegisterType, number: int) -> int:
    """The nearest number that a register holds: a value that leaves its range stays at the end."""
    bits = 8 * struct.calcsize(">" + LETTERS[type_])
    signed = LETTERS[type_].islower()
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return min(max(number, low), high)


def _state_number(point: ModbusPoint, value: Value) -> int:
    for number, name in point.states.items():
        if name == value:
            return number
    msg = f"{value!r} is none of the states of {point.name!r}"
    raise ValueError(msg)


def text_wire(field: RegisterField, text: str) -> bytes:
    """A text in a field's registers, filled up with zeros.

    Raises:
        ValueError: it is too long or not ASCII.
    """
    wire = text.encode("ascii")
    if len(wire) > 2 * field.width:
        msg = f"{text!r} is longer than the {2 * field.width} letters that its registers hold"
        raise ValueError(msg)
    return wire.ljust(2 * field.width, b"\0")


def in_word_order(field: RegisterField, wire: bytes) -> bytes:
    """Big-endian bytes with the words in the order of the field."""
    return wire if field.word_order is WordOrder.BIG else _turned(wire)


def _turned(wire: bytes) -> bytes:
    return b"".join(wire[i : i + 2] for i in range(len(wire) - 2, -1, -2))
