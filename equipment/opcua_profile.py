"""Profiles of OPC UA devices: points as browse paths, resolved by namespace URI, and events."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from equipment.opcua_event import COLUMNS, EventSource, check_columns
from equipment.opcua_paths import check_path, split_path
from equipment.profile import NUMBER, Kind, Profile, RepeatedPoint, refuse_twice
from equipment.strict import Name

__all__ = ["UA_URI", "OpcUaPoint", "OpcUaProfile", "check_path", "split_path"]

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


class OpcUaProfile(Profile):
    """The profile of an OPC UA device; a reader has an `event`."""

    protocol: Literal["opcua"]
    #: Prefix to namespace URI. Steps without a prefix are in namespace 0.
    namespaces: dict[Name, str] = Field(default_factory=dict)
    point: tuple[OpcUaPoint, ...] = ()
    event: EventSource | None = None

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Self:
        if self.kind is Kind.MACHINE:
            if self.event is not None:
                msg = "a machine has no [event], a reader has one"
                raise ValueError(msg)
            if not self.point:  # no `min_length`: a mistake in the only point would be two
                msg = "there is no [[point]]"
                raise ValueError(msg)
        elif self.kind not in COLUMNS:
            known = ", ".join(kind.value for kind in (Kind.MACHINE, *COLUMNS))
            msg = f"a {self.kind.value} is not read over OPC UA, but: {known}"
            raise ValueError(msg)
        elif self.event is None:
            msg = f"a {self.kind.value} needs an [event]"
            raise ValueError(msg)
        else:
            check_columns(self.kind, self.event)
        return self

    @model_validator(mode="after")
    def _points_can_be_told_apart(self) -> Self:
        refuse_twice("points", [point.name for point in self.point])
        return self

    @model_validator(mode="after")
    def _paths_use_known_prefixes(self) -> Self:
        for point in self.point:
            unknown = {prefix for prefix, _ in point.steps} - {"", *self.namespaces}
            if unknown:
                msg = f"point {point.name!r}: prefix {min(unknown)!r} is not in [namespaces]"
                raise ValueError(msg)
        unknown = (self.event.prefixes if self.event else set()) - {"", *self.namespaces}
        if unknown:
            msg = f"event: prefix {min(unknown)!r} is not in [namespaces]"
            raise ValueError(msg)
        return self
