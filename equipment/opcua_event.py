"""Events of OPC UA readers and positioning engines: which, and what of them is in which column."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from equipment.opcua_paths import check_path, split_path
from equipment.profile import Kind, refuse_twice
from equipment.reader_fields import READER_FIELDS, READER_FIELDS_OPTIONAL
from equipment.strict import Name, Strict
from equipment.toml_source import suggest

#: The columns that records of a kind must have, and those that they may have.
COLUMNS: Final = {
    kind: (tuple(READER_FIELDS[kind]), tuple(READER_FIELDS_OPTIONAL[kind]))
    for kind in (Kind.RFID_READER, Kind.POSITIONING_ENGINE)
}

#: Columns that are no plain numbers.
TIME: Final = "t_us"
CARD: Final = "card"

_Member = Annotated[str, Field(pattern=r"^[^/]+(/[^/]+)*$", max_length=256)]


class EventField(Strict):
    """One column of the records that an event holds.

    `path` is the event's field, such as `aid:ScanResult`. Where that is a structure, `member` names
    what is within it: `Location/Local/X`; of several, the first that has a value counts.
    """

    name: Name
    path: str = Field(min_length=1)
    member: _Member | tuple[_Member, ...] = ()
    #: Of numbers: `raw × scale + offset`, or what `values` says, by the raw number.
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    values: dict[int, float] = Field(default_factory=dict)
    #: Of bytes that are a card's id: as hexadecimal digits, or letters; all or the last so many.
    bytes: Literal["hex", "text"] = "hex"
    last_bytes: int | None = Field(default=None, ge=1, le=64)

    @property
    def members(self) -> tuple[tuple[str, ...], ...]:
        """The members in their order, each as the names of its steps."""
        given = (self.member,) if isinstance(self.member, str) else self.member
        return tuple(tuple(member.split("/")) for member in given)

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """The path as (prefix, browse name)."""
        return split_path(self.path)

    @field_validator("path")
    @classmethod
    def _path_is_whole(cls, path: str) -> str:
        return check_path(path)

    @model_validator(mode="after")
    def _keys_go_with_the_column(self) -> Self:
        if self.scale == 0:
            msg = "scale must not be 0"
            raise ValueError(msg)
        scaled = (self.scale, self.offset) != (1.0, 0.0)
        if self.values and scaled:
            msg = "values stand for numbers as they are: give no scale and offset"
            raise ValueError(msg)
        if self.name in (TIME, CARD) and (scaled or self.values):
            msg = f"scale, offset and values go with numbers, not with {self.name}"
            raise ValueError(msg)
        if self.name != CARD and (self.bytes != "hex" or self.last_bytes):
            msg = f"bytes and last_bytes go with {CARD}"
            raise ValueError(msg)
        return self


class EventSource(Strict):
    """Which events of the device's object are taken, and the columns of their records."""

    #: `prefix:BrowseName` of the event type; types that are kinds of it are taken too.
    type: str = Field(min_length=1)
    field: tuple[EventField, ...] = ()

    @property
    def step(self) -> tuple[str, str]:
        """The type as (prefix, browse name)."""
        return split_path(self.type)[0]

    @property
    def prefixes(self) -> set[str]:
        """All prefixes that are used."""
        return {self.step[0]} | {prefix for one in self.field for prefix, _ in one.steps}

    @field_validator("type")
    @classmethod
    def _type_is_one_name(cls, name: str) -> str:
        if len(split_path(check_path(name))) > 1:
            msg = f"{name!r} must be the type's browse name alone (write prefix:Name)"
            raise ValueError(msg)
        return name

    @model_validator(mode="after")
    def _columns_can_be_told_apart(self) -> Self:
        refuse_twice("fields", [one.name for one in self.field])
        return self


def check_columns(kind: Kind, event: EventSource) -> None:
    """Raises ValueError where the columns are not those of a kind's records."""
    needed, optional = COLUMNS[kind]
    names = [one.name for one in event.field]
    for name in needed:
        if name not in names:
            msg = f"events of a {kind.value} need a field {name!r}"
            raise ValueError(msg)
    known = (*needed, *optional)
    for name in names:
        if name not in known:
            msg = f"a {kind.value} has no column {name!r} ({suggest(name, known)})"
            raise ValueError(msg)
