"""Profiles of devices that send lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from equipment.profile import (
    Kind,
    Profile,
    Repeat,
    RepeatedPoint,
    refuse_numbers_keys,
    refuse_twice,
)
from equipment.reader_fields import Means, check_reader_fields
from equipment.strict import Name
from equipment.text_line import FIELDS_MOST, FieldType, Line, Literally, Place

#: Bytes of a line: what goes into one frame of Ethernet, and then some.
LINE_BYTES_MOST: Final = 4096


class RepeatInLine(Repeat):
    """Points of one form, each `step` fields after the one before."""

    step: int = Field(default=1, ge=1, lt=FIELDS_MOST)


class TextPoint(RepeatedPoint, Place):
    """A value in lines of the kind `line`; it may be left out where there is one kind only."""

    repeat: RepeatInLine | None = None
    line: Name | None = None
    type: Literal["number", "text"] = "number"

    def _differences(self, position: int, number: str) -> dict[str, Any]:
        step = self.repeat.step if self.repeat else 0
        moved = {} if self.at is None else {"at": self.at + position * step}
        return super()._differences(position, number) | moved

    @model_validator(mode="after")
    def _meaning_goes_with_the_type(self) -> Self:
        if self.repeat is not None and self.at is None:
            msg = "repeat goes with at, not with key"
            raise ValueError(msg)
        if self.type == "number":
            return self
        if self.none is not None:
            msg = "none goes with numbers, not with type 'text'"
            raise ValueError(msg)
        refuse_numbers_keys(self, self.type)
        return self


#: Which types can be what a column of records means.
_TYPES: Final = {
    Means.TIME: frozenset({FieldType.TIME}),
    Means.TEXT: frozenset({FieldType.TEXT}),
    Means.NUMBER: frozenset({FieldType.NUMBER, FieldType.INTEGER}),
    Means.WHOLE: frozenset({FieldType.INTEGER}),
}


class TextProfile(Profile):
    """The profile of a device that sends lines of text; those of a reader hold records."""

    is_asked: ClassVar = False

    protocol: Literal["text"]
    encoding: Literal["ascii", "utf-8"] = "ascii"
    #: A longer line is refused.
    line_bytes: int = Field(default=512, ge=16, le=LINE_BYTES_MOST)
    #: Lines that begin so are a sign of life and no more.
    ignore: tuple[Annotated[Literally, Field(min_length=1)], ...] = Field(default=(), max_length=32)
    line: tuple[Line, ...] = Field(min_length=1, max_length=16)
    point: tuple[TextPoint, ...] = ()

    @property
    def needs_card(self) -> bool:
        """Whether the device must say of which card its lines are."""
        return any(line.card_of_device for line in self.line)

    def points_of(self, line: Line) -> tuple[TextPoint, ...]:
        """The points in lines of a kind."""
        only = self.line[0] if len(self.line) == 1 else None
        return tuple(
            point
            for point in self.point
            if (line is only if point.line is None else point.line == line.name)
        )

    @field_validator("line")
    @classmethod
    def _kinds_can_be_told_apart(cls, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        refuse_twice("lines", [line.name for line in lines])
        for position, line in enumerate(lines):
            for other in lines[:position]:
                if line.starts_with.startswith(other.starts_with):
                    msg = (
                        f"what starts_with {line.starts_with!r} is taken for {other.name!r}: "
                        f"write {line.name!r} before it, or give it another beginning"
                    )
                    raise ValueError(msg)
        return lines

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Self:
        refuse_twice("points", [point.name for point in self.point])
        if self.kind is Kind.MACHINE and not self.point:
            msg = "there is no [[point]]"
            raise ValueError(msg)
        for text in self.ignore:
            for line in self.line:
                if line.starts_with.startswith(text):
                    msg = f"ignore: {text!r} would leave out all lines {line.name!r}"
                    raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _points_have_their_lines(self) -> Self:
        lines = {line.name: line for line in self.line}
        for point in self.point:
            if point.line is None and len(lines) > 1:
                msg = f"point {point.name!r}: line is needed where there are several"
                raise ValueError(msg)
            if point.line is not None and point.line not in lines:
                msg = f"point {point.name!r}: there is no line {point.line!r}"
                raise ValueError(msg)
            line = lines[point.line] if point.line else self.line[0]
            if line.is_grouped(point):
                msg = f"point {point.name!r}: at {point.at} is in a group, of which there are many"
                raise ValueError(msg)
            line.check_place(f"point {point.name!r}", point)
        return self

    @model_validator(mode="after")
    def _records_have_what_a_reader_gives(self) -> Self:
        if self.kind is Kind.MACHINE:
            for line in self.line:
                if line.gives_records or line.card_of_device or line.groups:
                    msg = f"line {line.name!r}: records are for readers, a machine has points"
                    raise ValueError(msg)
            return self
        giving = [line for line in self.line if line.gives_records]
        if not giving:
            msg = "a reader needs a [[line]] with the fields of its records"
            raise ValueError(msg)
        for line, given in self._fields_of(giving):
            otherwise = {"t_us"} | ({"card"} if line.card_of_device else set())
            try:
                check_reader_fields(self.kind, given, _TYPES, known_otherwise=otherwise)
            except ValueError as error:
                msg = f"line {line.name!r}: {error}"
                raise ValueError(msg) from None
        return self

    def _fields_of(self, lines: list[Line]) -> Iterator[tuple[Line, dict[str, str]]]:
        for line in lines:
            yield line, {field.name: field.type for field in line.field}
