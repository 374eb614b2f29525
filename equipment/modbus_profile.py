"""Profiles of Modbus devices: registers, and rings of records in registers."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from equipment.profile import Kind, Profile, Repeat, RepeatedPoint, refuse_twice
from equipment.reader_fields import Means, check_reader_fields
from equipment.strict import Name, Strict

ADDRESSES: Final = 1 << 16


class Table(StrEnum):
    """Which of the four tables of a Modbus device."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"


class RegisterType(StrEnum):
    """How registers make a value. Bytes within a register are big-endian, as Modbus says."""

    BOOL = "bool"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    TEXT = "text"


WIDTH: Final = {
    RegisterType.BOOL: 1,
    RegisterType.INT16: 1,
    RegisterType.UINT16: 1,
    RegisterType.INT32: 2,
    RegisterType.UINT32: 2,
    RegisterType.INT64: 4,
    RegisterType.UINT64: 4,
    RegisterType.FLOAT32: 2,
    RegisterType.FLOAT64: 4,
}


class WordOrder(StrEnum):
    """Which register of a value comes first."""

    BIG = "big"
    LITTLE = "little"


#: Types whose values are whole numbers.
WHOLE: Final = frozenset(
    {
        RegisterType.INT16,
        RegisterType.UINT16,
        RegisterType.INT32,
        RegisterType.UINT32,
        RegisterType.INT64,
        RegisterType.UINT64,
    }
)

#: Types whose values are numbers.
NUMBERS: Final = WHOLE | {RegisterType.FLOAT32, RegisterType.FLOAT64}


class RegisterField(Strict):
    """How a value lies in registers; `length` (registers) is for text only, two letters each."""

    type: RegisterType
    word_order: WordOrder = WordOrder.BIG
    length: int = Field(default=0, ge=0, le=64)

    @property
    def width(self) -> int:
        """How many registers the value takes."""
        return self.length if self.type is RegisterType.TEXT else WIDTH[self.type]

    @model_validator(mode="after")
    def _length_goes_with_text(self) -> Self:
        if (self.type is RegisterType.TEXT) != (self.length > 0):
            msg = "length (in registers) is needed for type 'text' and for no other"
            raise ValueError(msg)
        return self


class RepeatInRegisters(Repeat):
    """Points of one form, each `step` addresses after the one before."""

    step: int = Field(ge=1, lt=ADDRESSES)


class ModbusPoint(RepeatedPoint, RegisterField):
    """A point in registers, coils or discrete inputs.

    `address` counts from 0, as on the wire. A `bool` in a register is bit `bit` of it (0 = lowest).
    """

    repeat: RepeatInRegisters | None = None
    table: Table = Table.HOLDING
    address: int = Field(ge=0, lt=ADDRESSES)
    bit: int = Field(default=0, ge=0, le=15)

    @model_validator(mode="after")
    def _fits_the_table(self) -> Self:
        bits = self.table in (Table.COIL, Table.DISCRETE)
        if bits and self.type is not RegisterType.BOOL:
            msg = f"table {self.table.value!r} holds bits: type must be 'bool'"
            raise ValueError(msg)
        if self.address + self.width > ADDRESSES:
            msg = f"address {self.address} + {self.width} registers goes beyond 65535"
            raise ValueError(msg)
        if self.repeat and self.repeat.step < self.width:
            msg = f"repeat: step must be at least {self.width}, as many as each point takes"
            raise ValueError(msg)
        if self.repeat and self._last_address + self.width > ADDRESSES:
            msg = f"repeat: the last point lies at {self._last_address}, beyond 65535"
            raise ValueError(msg)
        if self.bit and (bits or self.type is not RegisterType.BOOL):
            msg = "bit is for type 'bool' in a register and for no other"
            raise ValueError(msg)
        return self

    @property
    def _last_address(self) -> int:
        repeat = self.repeat
        return self.address + ((repeat.count - 1) * repeat.step if repeat else 0)

    def _differences(self, position: int, number: str) -> dict[str, Any]:
        step = self.repeat.step if self.repeat else 0
        moved = {"address": self.address + position * step}
        return super()._differences(position, number) | moved

    @model_validator(mode="after")
    def _meaning_goes_with_the_type(self) -> Self:
        if self.states and self.type not in WHOLE:
            msg = f"states go with whole numbers, not with type {self.type.value!r}"
            raise ValueError(msg)
        scaled = self.range or (self.scale, self.offset) != (1.0, 0.0)
        if scaled and (self.states or self.type not in NUMBERS):
            what = "states" if self.states else f"type {self.type.value!r}"
            msg = f"scale, offset and range go with numbers, not with {what}"
            raise ValueError(msg)
        return self


class RecordField(RegisterField):
    """One column of a ring's records: `value = raw × scale + offset`. `none` is "no value"."""

    name: Name
    scale: float = 1.0
    offset: float = 0.0
    none: int | None = None
    unit: str = ""

    @model_validator(mode="after")
    def _scale_goes_with_numbers(self) -> Self:
        if self.scale == 0:
            msg = "scale must not be 0"
            raise ValueError(msg)
        scaled = (self.scale, self.offset) != (1.0, 0.0) or self.none is not None
        if scaled and self.type not in NUMBERS:
            msg = f"scale, offset and none go with numbers, not with type {self.type.value!r}"
            raise ValueError(msg)
        return self


#: Registers of a ring's header: boot_id, head, device_time_us.
RING_HEADER_WIDTH: Final = 8


class Ring(Strict):
    """A ring of numbered records: a lost or repeated read neither loses nor doubles one.

    The header holds, in this order: `boot_id` uint32 (another number after each restart of the
    device), `head` uint32 (how many records were ever written), `device_time_us` uint64 (the
    device's clock, microseconds since the Unix epoch). All word order big. Record number n
    (1, 2, …, head) lies at `first_address + ((n - 1) mod capacity) × record width`. The first
    field of a record is its number (`sequence`, uint32), the last is `crc` (uint16): CRC-16/MODBUS
    over the bytes of the record's other registers as they are on the wire. The device writes the
    record, then `head`.
    """

    table: Table = Table.INPUT
    header_address: int = Field(ge=0, lt=ADDRESSES)
    first_address: int = Field(ge=0, lt=ADDRESSES)
    capacity: int = Field(ge=2, le=8192)
    field: tuple[RecordField, ...] = Field(min_length=3)

    @property
    def record_width(self) -> int:
        """Registers of one record."""
        return sum(field.width for field in self.field)

    @model_validator(mode="after")
    def _is_a_ring(self) -> Self:
        if self.table not in (Table.INPUT, Table.HOLDING):
            msg = f"table must be 'input' or 'holding': {self.table.value!r} has no registers"
            raise ValueError(msg)
        first, last = self.field[0], self.field[-1]
        if (first.name, first.type) != ("sequence", RegisterType.UINT32):
            msg = "the first field must be 'sequence' of type 'uint32'"
            raise ValueError(msg)
        if (last.name, last.type) != ("crc", RegisterType.UINT16):
            msg = "the last field must be 'crc' of type 'uint16'"
            raise ValueError(msg)
        if self.record_width > 125:
            msg = f"a record takes {self.record_width} registers; one read gives at most 125"
            raise ValueError(msg)
        if self.first_address + self.capacity * self.record_width > ADDRESSES:
            msg = "first_address + capacity × record width goes beyond 65535"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _parts_can_be_told_apart(self) -> Self:
        refuse_twice("fields", [field.name for field in self.field])
        header_end = self.header_address + RING_HEADER_WIDTH
        records_end = self.first_address + self.capacity * self.record_width
        if header_end > ADDRESSES:
            msg = f"the header takes {RING_HEADER_WIDTH} registers and goes beyond 65535"
            raise ValueError(msg)
        if self.header_address < records_end and self.first_address < header_end:
            msg = (
                f"the header (registers {self.header_address} to {header_end - 1}) lies among the "
                f"records ({self.first_address} to {records_end - 1})"
            )
            raise ValueError(msg)
        return self


#: Which types can be what a column of records means. A time is in whole microseconds.
_TYPES: Final = {
    Means.TIME: WHOLE,
    Means.TEXT: frozenset({RegisterType.TEXT}),
    Means.NUMBER: NUMBERS,
    Means.WHOLE: WHOLE,
}


class ModbusProfile(Profile):
    """The profile of a Modbus device; a reader has a `ring`."""

    protocol: Literal["modbus"]
    #: Addresses that may be read along, between two points, so that one read serves both.
    gap: int = Field(default=16, ge=0, le=124)
    point: tuple[ModbusPoint, ...] = ()
    ring: Ring | None = None

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Self:
        refuse_twice("points", [point.name for point in self.point])
        if (self.kind is not Kind.MACHINE) != (self.ring is not None):
            msg = "a reader needs a [ring], a machine has none"
            raise ValueError(msg)
        if not self.point and self.ring is None:
            msg = "there is no [[point]]"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _records_have_what_a_reader_gives(self) -> Self:
        if self.ring is not None:
            given = {field.name: field.type for field in self.ring.field}
            check_reader_fields(self.kind, given, _TYPES)
        return self
