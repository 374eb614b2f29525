"""Registers to values: layouts are compiled once, then a block is decoded in one stroke. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from equipment.modbus_profile import (
    RecordField,
    RegisterField,
    RegisterType,
    Ring,
    WordOrder,
)
from equipment.report import Value
from protocols.modbus.crc import Crc16
from protocols.modbus.plan import BIT_TABLES, Block, Read

#: Registers as they are on the wire.
REGISTER: Final = np.dtype(">u2")

#: The function of an answer and how many bytes it gives stand before them.
_BODY_HEAD: Final = 2

Registers = NDArray[np.uint16]
Rows = NDArray[np.void]

_DTYPES: Final = {
    RegisterType.BOOL: ">u2",
    RegisterType.INT16: ">i2",
    RegisterType.UINT16: ">u2",
    RegisterType.INT32: ">i4",
    RegisterType.UINT32: ">u4",
    RegisterType.INT64: ">i8",
    RegisterType.UINT64: ">u8",
    RegisterType.FLOAT32: ">f4",
    RegisterType.FLOAT64: ">f8",
}

#: Texts whose decoding is kept: names and serial numbers hardly ever change.
TEXTS_KEPT: Final = 1024

#: How `struct` calls them; a register with bits is two bytes.
_TWO_BYTES: Final = "BB"
_CODES: Final = {
    RegisterType.INT16: "h",
    RegisterType.UINT16: "H",
    RegisterType.INT32: "i",
    RegisterType.UINT32: "I",
    RegisterType.INT64: "q",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
}

#: The bits of each byte, the lowest first.
_BITS: Final = tuple(tuple(bool(byte >> bit & 1) for bit in range(8)) for byte in range(256))
_ALL_BITS: Final = tuple(range(16))


def _dtype_of(field: RegisterField) -> str:
    return f"S{2 * field.width}" if field.type is RegisterType.TEXT else _DTYPES[field.type]


def _order_of(field: RegisterField, offset: int) -> list[int]:
    """Which registers make the field, the highest word first."""
    registers = list(range(offset, offset + field.width))
    return registers[::-1] if field.word_order is WordOrder.LITTLE else registers


class _Slot(NamedTuple):
    """Registers of a block that make one value, or one with the bits of points in a row."""

    registers: tuple[int, ...]
    code: str
    bits: tuple[int, ...] = ()


def _slots(block: Block) -> list[_Slot]:
    """Of a block of registers, in the order of its points; `registers` count from its first."""
    slots: list[_Slot] = []
    for point in block.points:
        registers = tuple(_order_of(point, point.address - block.read.address))
        if point.type is not RegisterType.BOOL:
            text = point.type is RegisterType.TEXT
            slots.append(_Slot(registers, f"{2 * point.width}s" if text else _CODES[point.type]))
        elif slots and slots[-1].bits and slots[-1].registers == registers:
            slots[-1] = slots[-1]._replace(bits=(*slots[-1].bits, point.bit))
        else:
            slots.append(_Slot(registers, _TWO_BYTES, (point.bit,)))
    return slots


def _packed(slots: Sequence[_Slot]) -> tuple[NDArray[np.intp] | None, str]:
    """In which order the registers of `slots` are taken, and how they are unpacked then.

    None: as they come, where the slots follow one another; gaps are left out by the unpacking.
    """
    codes: list[str] = []
    end = 0
    for registers, code, _ in slots:
        first = registers[0]
        if first < end or registers != tuple(range(first, first + len(registers))):
            order = np.array([register for slot in slots for register in slot.registers])
            return order, "".join(slot.code for slot in slots)
        codes.append(f"{2 * (first - end)}x{code}")
        end = first + len(registers)
    return None, "".join(codes)


class BlockLayout:
    """How the values of a block's points lie in its answer: all are unpacked in one stroke."""

    def __init__(self, block: Block) -> None:
        start = block.read.address
        self._flags: NDArray[np.intp] | None = None
        if block.read.table in BIT_TABLES:
            self._flags = np.array([point.address - start for point in block.points])
            return
        slots = _slots(block)
        self._order, form = _packed(slots)
        self._struct = struct.Struct(f">{form}")
        #: Where two bytes are in place of bits, the last first, and which bits (None: all).
        self._bits: list[tuple[int, tuple[int, ...] | None]] = []
        place = 0
        for slot in slots:
            if slot.bits:
                self._bits.insert(0, (place, None if slot.bits == _ALL_BITS else slot.bits))
            place += 2 if slot.bits else 1
        numbered = enumerate(block.points)
        self._texts = [at for at, point in numbered if point.type is RegisterType.TEXT]

    def values(self, answer: Registers) -> list[Value | None]:
        """What the device gave for each point, before scale and offset.

        Args:
            answer: the block's registers, (count,) uint16, or its bits, (count,) 0 or 1.

        Returns:
            One value for each of the block's points, None for a text that is none.
        """
        if self._flags is not None:
            flags: list[Value | None] = (answer[self._flags] != 0).tolist()
            return flags
        registers = answer if answer.dtype is REGISTER else answer.astype(REGISTER)
        if self._order is not None:
            registers = registers[self._order]
        raw: list[Any] = list(self._struct.unpack(registers.tobytes()))
        for at, wanted in self._bits:
            bits = _BITS[raw[at + 1]] + _BITS[raw[at]]
            raw[at : at + 2] = bits if wanted is None else [bits[bit] for bit in wanted]
        for at in self._texts:
            raw[at] = _text_or_none(raw[at])
        return raw


@lru_cache(TEXTS_KEPT)
def _text_or_none(raw: bytes) -> str | None:
    try:
        text = _cut(raw).decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _cut(raw: bytes) -> bytes:
    """Text ends at its first zero byte; blanks that fill it up are no part of it."""
    return raw.split(b"\0", 1)[0].rstrip(b" ")


class RecordLayout:
    """How a ring's records lie in registers."""

    def __init__(self, ring: Ring) -> None:
        self.width = ring.record_width
        self._fields = ring.field
        order: list[int] = []
        for field in ring.field:
            order += _order_of(field, len(order))
        self._order = np.array(order)
        self._dtype = np.dtype([(field.name, _dtype_of(field)) for field in ring.field])
        self._crc = Crc16(2 * (self.width - 1))

    def rows(self, registers: Registers) -> Rows:
        """(k × width,) registers as (k,) records, raw; fields are named as in the profile."""
        table = registers.astype(REGISTER, copy=False).reshape(-1, self.width)
        packed = np.ascontiguousarray(np.take(table, self._order, axis=1))
        return packed.view(self._dtype)[:, 0]

    def intact(self, registers: Registers) -> NDArray[np.bool_]:
        """Which of k records have the checksum that they carry: (k,) bool."""
        table = np.ascontiguousarray(registers, REGISTER).reshape(-1, self.width)
        found = self._crc.of(table[:, :-1].copy().view(np.uint8))
        # The checksum is a field like the others: its register holds it high byte first.
        return cast(NDArray[np.bool_], found == table[:, -1])

    def columns(self, rows: Rows) -> dict[str, NDArray[np.generic]]:
        """(k,) records as columns: text as str, scaled numbers float64, other integers int64.

        `none` becomes NaN. The checksum has done its work and is left out.
        """
        return {field.name: _column(field, rows[field.name]) for field in self._fields[:-1]}


def _column(field: RecordField, raw: NDArray[np.generic]) -> NDArray[np.generic]:
    if field.type is RegisterType.TEXT:
        texts = [_cut(text).decode("utf-8", "replace") for text in raw.tolist()]
        return np.array(texts, dtype=object)
    if field.type is RegisterType.BOOL:
        return (raw.astype(np.uint16) & np.uint16(1)).astype(np.bool_)
    whole = field.type not in (RegisterType.FLOAT32, RegisterType.FLOAT64)
    if whole and field.none is None and (field.scale, field.offset) == (1.0, 0.0):
        return raw.astype(np.int64)
    with np.errstate(invalid="ignore"):  # a signalling NaN on the wire is NaN like any other
        scaled = raw.astype(np.float64) * field.scale + field.offset
    if field.none is not None:
        scaled[raw == field.none] = np.nan
    return scaled


def registers_of(body: bytes, read: Read) -> Registers:
    """The registers, or the bits as 0 and 1, (count,), of an answer's `body` without checksum."""
    if read.table in BIT_TABLES:
        packed = np.frombuffer(body, np.uint8, offset=_BODY_HEAD)
        return np.unpackbits(packed, count=read.count, bitorder="little").astype(REGISTER)
    return np.frombuffer(body, REGISTER, offset=_BODY_HEAD)
