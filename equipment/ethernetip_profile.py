"""Profiles of machines with a Logix controller, read over EtherNet/IP: points by tag."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from equipment.logix_tag import TAG_LETTERS_MOST, parse_tag
from equipment.profile import (
    NUMBER,
    Kind,
    Profile,
    RepeatedPoint,
    refuse_numbers_keys,
    refuse_twice,
)


class EthernetIpPoint(RepeatedPoint):
    """A tag of the controller, an element or member of one, or a bit of it.

    Which type of number it is the controller says with each answer; `type` says what is expected.
    """

    tag: str = Field(min_length=1, max_length=TAG_LETTERS_MOST)
    type: Literal["number", "text", "bool"] = "number"

    def numbered_texts(self) -> dict[str, str]:
        """See `RepeatedPoint`: the tag too."""
        return super().numbered_texts() | {"tag": self.tag}

    def _differences(self, position: int, number: str) -> dict[str, Any]:
        moved = {"tag": self.tag.replace(NUMBER, number)}
        return super()._differences(position, number) | moved

    @model_validator(mode="after")
    def _tag_and_type_go_together(self) -> Self:
        number = self.repeat.numbers()[-1] if self.repeat else 0
        tag = parse_tag(self.tag.replace(NUMBER, str(number)) if self.repeat else self.tag)
        if tag.bit is not None and self.type != "bool":
            msg = f'tag {self.tag!r} is one bit: write type = "bool"'
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _meaning_goes_with_the_type(self) -> Self:
        if self.type != "number":
            refuse_numbers_keys(self, self.type)
        return self


class EthernetIpProfile(Profile):
    """The profile of a machine that is read over EtherNet/IP."""

    protocol: Literal["ethernetip"]
    point: tuple[EthernetIpPoint, ...] = ()

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Self:
        if self.kind is not Kind.MACHINE:
            msg = f"a {self.kind.value} is not read over EtherNet/IP, only a machine is"
            raise ValueError(msg)
        if not self.point:
            msg = "there is no [[point]]"
            raise ValueError(msg)
        refuse_twice("points", [point.name for point in self.point])
        return self
