"""Kinds of lines of text: how one begins, what is in its fields, and its checksum."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from equipment.profile import refuse_twice
from equipment.strict import Name, Strict, has_unprintable

#: Fields of a line: a line of all tags that a kit hears has some hundreds.
FIELDS_MOST: Final = 1024


class FieldType(StrEnum):
    """What stands in a field."""

    NUMBER = "number"
    INTEGER = "integer"
    TEXT = "text"
    TIME = "time"


class TimeUnit(StrEnum):
    """What a time counts."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


class ChecksumKind(StrEnum):
    """How a checksum is reckoned; it is written as hexadecimal digits, two or four.

    `xor`: all bytes, exclusive or (NMEA 0183). `crc16_modbus`: polynomial 0x8005 reflected, start
    0xFFFF. `crc16_ccitt`: polynomial 0x1021, start 0xFFFF.
    """

    XOR = "xor"
    CRC16_MODBUS = "crc16_modbus"
    CRC16_CCITT = "crc16_ccitt"


#: Digits of a checksum.
CHECKSUM_DIGITS: Final = {
    ChecksumKind.XOR: 2,
    ChecksumKind.CRC16_MODBUS: 4,
    ChecksumKind.CRC16_CCITT: 4,
}


def _of_one_line(text: str) -> str:
    if has_unprintable(text.replace("\t", " ")):
        msg = "must hold no control characters but a tab (\\t)"
        raise ValueError(msg)
    return text


Literally = Annotated[str, Field(max_length=64), AfterValidator(_of_one_line)]


class Checksum(Strict):
    """The checksum at the end of a line, after `mark`; what it is over begins at byte `first`.

    It ends before `mark`. NMEA's is after `*`, and its first byte, `$`, is not in the sum.
    """

    kind: ChecksumKind
    mark: Annotated[Literally, Field(min_length=1)] = "*"
    first: int = Field(default=0, ge=0, le=64)


class Place(Strict):
    """Where in a line something stands: field `at`, from 0, or the field `key=…`."""

    at: int | None = Field(default=None, ge=0, lt=FIELDS_MOST)
    key: Annotated[Literally, Field(min_length=1)] | None = None
    #: What the device writes where it has no value.
    none: Literally | None = None

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.at is None) == (self.key is None):
            msg = "give either at (the number of the field, from 0) or key"
            raise ValueError(msg)
        return self

    @property
    def place(self) -> int | str:
        """The field's number, or its key."""
        if self.at is not None:
            return self.at
        assert self.key is not None
        return self.key


class LineField(Place):
    """One column of records: `value = raw × scale + offset`. A `time` has its unit in `unit`."""

    name: Name
    type: FieldType
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    #: After how many numbers a `sequence` begins with 0 again; None: it does not.
    modulo: int | None = Field(default=None, ge=16, le=1 << 62)

    @property
    def time_unit(self) -> TimeUnit:
        """The unit of a time."""
        return TimeUnit(self.unit)

    @property
    def is_plain(self) -> bool:
        """Whether the value is what stands there."""
        return (self.scale, self.offset) == (1.0, 0.0)

    @model_validator(mode="after")
    def _keys_go_with_the_type(self) -> Self:
        if self.scale == 0:
            msg = "scale must not be 0"
            raise ValueError(msg)
        numbers = (FieldType.NUMBER, FieldType.INTEGER)
        if self.type not in numbers and not self.is_plain:
            msg = f"scale and offset go with numbers, not with type {self.type.value!r}"
            raise ValueError(msg)
        if self.type not in numbers and self.none is not None:
            msg = f"none goes with numbers, not with type {self.type.value!r}"
            raise ValueError(msg)
        if self.type is FieldType.TIME and self.unit not in [*TimeUnit]:
            msg = f"unit of a 'time' must be one of: {', '.join(TimeUnit)}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _some_names_have_a_meaning(self) -> Self:
        if (self.name == "t_us") != (self.type is FieldType.TIME):
            msg = "the time of a line is the field 't_us' of type 'time', and no other is"
            raise ValueError(msg)
        if self.name == "sequence":
            if self.type is not FieldType.INTEGER or not self.is_plain or self.none is not None:
                msg = "'sequence' must be of type 'integer', without scale, offset and none"
                raise ValueError(msg)
        elif self.modulo is not None:
            msg = "modulo goes with 'sequence' and with no other field"
            raise ValueError(msg)
        return self


class Groups(Strict):
    """Groups of `width` fields, one after the other: each is a record.

    The first begins at field `first`. How many there are says field `count`; without it they go to
    the end of the line. Fields of the line whose `at` is in the first group are of each group.
    """

    first: int = Field(ge=1, lt=FIELDS_MOST)
    width: int = Field(ge=1, lt=FIELDS_MOST)
    count: int | None = Field(default=None, ge=0, lt=FIELDS_MOST)

    @model_validator(mode="after")
    def _is_counted_before(self) -> Self:
        if self.count is not None and self.count >= self.first:
            msg = "count must stand before the groups"
            raise ValueError(msg)
        return self


class Line(Strict):
    """One kind of line: how it begins, and what is in it.

    A line has `width` fields, those before `width_most` may follow; groups count beside.
    """

    name: Name
    #: The line's first letters, by which it is known; they belong to its fields as well.
    starts_with: Literally = ""
    separator: Annotated[Literally, Field(min_length=1, max_length=8)] = ","
    width: int = Field(ge=1, le=FIELDS_MOST)
    width_most: int | None = Field(default=None, ge=1, le=FIELDS_MOST)
    checksum: Checksum | None = None
    groups: Groups | None = None
    #: The lines do not say of which card they are: the device's `card` in devices.toml does.
    card_of_device: bool = False
    field: tuple[LineField, ...] = ()

    @property
    def widths(self) -> range:
        """How many fields a line may have beside its groups."""
        return range(self.width, (self.width_most or self.width) + 1)

    def is_grouped(self, field: Place) -> bool:
        """Whether a field is of each group."""
        groups, at = self.groups, field.at
        return groups is not None and at is not None and at >= groups.first

    @property
    def gives_records(self) -> bool:
        """Whether its fields are a reader's records."""
        return bool({field.name for field in self.field} - {"sequence", "t_us"})

    @model_validator(mode="after")
    def _widths_are_clear(self) -> Self:
        if self.width_most is not None and self.width_most < self.width:
            msg = f"width_most must be at least width ({self.width})"
            raise ValueError(msg)
        groups = self.groups
        if groups is None:
            return self
        if groups.first > self.width:
            msg = f"groups: first must be at most width ({self.width}), the fields beside them"
            raise ValueError(msg)
        if groups.count is None and (len(self.widths) > 1 or groups.first < self.width):
            msg = "groups: without count they go to the end, so first must be width, alone"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _fields_can_be_told_apart(self) -> Self:
        refuse_twice("fields", [field.name for field in self.field])
        for field in self.field:
            self.check_place(f"field {field.name!r}", field)
            if self.is_grouped(field) and field.name in ("sequence", "t_us"):
                msg = f"field {field.name!r} is of a line, not of each group in it"
                raise ValueError(msg)
        if self.card_of_device and "card" in {field.name for field in self.field}:
            msg = "card_of_device and a field 'card': give one of them"
            raise ValueError(msg)
        if self.groups and not any(map(self.is_grouped, self.field)):
            msg = "groups: no field has its place in the first group"
            raise ValueError(msg)
        if self.groups and any(field.key for field in self.field):
            msg = "groups: their fields have numbers, so no field of the line can have a key"
            raise ValueError(msg)
        return self

    def check_place(self, what: str, place: Place) -> None:
        """Raises ValueError where a line need not have the field."""
        if place.at is None:
            return
        groups = self.groups
        end = groups.first if groups else self.width
        if groups and groups.first <= place.at < groups.first + groups.width:
            return
        if place.at >= end:
            msg = f"{what}: at {place.at} is beyond the fields that each line has ({end})"
            raise ValueError(msg)
