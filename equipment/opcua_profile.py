"""Profiles of OPC UA devices: points as browse paths, resolved by namespace URI."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from equipment.profile import NUMBER, Name, Profile, RepeatedPoint, refuse_twice

#: Namespace 0, always there under this prefix.
UA_URI: Final = "http://opcfoundation.org/UA/"


class OpcUaPoint(RepeatedPoint):
    """A variable, by its browse path from the machine's object.

    `path` is `prefix:BrowseName/prefix:BrowseName`; a prefix is one of the profile's `namespaces`,
    so that a server may number its namespaces as it likes.
    """

    path: str = Field(min_length=1)
    type: Literal["number", "text", "bool"] = "number"

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """The path as (prefix, browse name); the prefix is empty where none is written."""
        return split_path(self.path)

    def numbered_texts(self) -> dict[str, str]:
        """See `RepeatedPoint`: the path too."""
        return super().numbered_texts() | {"path": self.path}

    def _differences(self, position: int, number: str) -> dict[str, Any]:
        moved = {"path": self.path.replace(NUMBER, number)}
        return super()._differences(position, number) | moved

    @model_validator(mode="after")
    def _path_and_type_are_whole(self) -> Self:
        check_path(self.path)
        if self.states and self.type != "number":
            msg = "states go with type 'number' and with no other"
            raise ValueError(msg)
        return self


def split_path(path: str) -> tuple[tuple[str, str], ...]:
    """`a:X/b:Y` as (("a", "X"), ("b", "Y")); an empty prefix where none is written."""
    steps = []
    for step in path.split("/"):
        prefix, colon, name = step.partition(":")
        steps.append((prefix, name) if colon else ("", step))
    return tuple(steps)


def check_path(path: str) -> str:
    """`path` as it is. Raises ValueError where a step has no browse name."""
    if not all(name for _, name in split_path(path)):
        msg = f"path {path!r} has a step without a browse name (write prefix:Name/prefix:Name)"
        raise ValueError(msg)
    return path


class OpcUaProfile(Profile):
    """The profile of an OPC UA device."""

    protocol: Literal["opcua"]
    #: Prefix to namespace URI. Steps without a prefix are in namespace 0.
    namespaces: dict[Name, str] = Field(default_factory=dict)
    point: tuple[OpcUaPoint, ...] = ()

    @model_validator(mode="after")
    def _points_can_be_told_apart(self) -> Self:
        if not self.point:  # no `min_length`: a mistake in the only point would be told as two
            msg = "there is no [[point]]"
            raise ValueError(msg)
        refuse_twice("points", [point.name for point in self.point])
        return self

    @model_validator(mode="after")
    def _paths_use_known_prefixes(self) -> Self:
        for point in self.point:
            unknown = {prefix for prefix, _ in point.steps} - {"", *self.namespaces}
            if unknown:
                msg = f"point {point.name!r}: prefix {min(unknown)!r} is not in [namespaces]"
                raise ValueError(msg)
        return self
