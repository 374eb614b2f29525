"""Structures of a server as what they hold, by the server's own definitions of them. Pure.

The library keeps such definitions for the whole process, by numbers that each server gives out as
it likes: two servers would read one another's structures. So they are kept here, by session.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import unpack_uatype
from asyncua.ua.uaerrors import UaError

#: Structures within structures, and elements of one array, at most: more is an attack.
DEPTH_MOST: Final = 16
ELEMENTS_MOST: Final = 10_000

_UNIONS: Final = frozenset({ua.StructureType.Union, ua.StructureType.UnionWithSubtypedValues})
_SUBTYPED: Final = frozenset(
    {ua.StructureType.StructureWithSubtypedValues, ua.StructureType.UnionWithSubtypedValues}
)
#: What the bytes of a value that can't be decoded make the library raise.
_FAILURES: Final = (UaError, ValueError, struct.error, OverflowError, TypeError)


class UndecodableError(Exception):
    """A structure can't be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a structure; `builtin` None: it is a structure, of the type `data_type`."""

    name: str
    data_type: ua.NodeId
    builtin: ua.VariantType | None
    is_array: bool = False
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """How a structure lies in bytes (OPC 10000-6, 5.2.6): inherited members come first."""

    name: str
    kind: ua.StructureType
    members: tuple[Member, ...]

    @property
    def is_union(self) -> bool:
        """Whether it holds one of its members, or none."""
        return self.kind in _UNIONS


@dataclass(frozen=True, slots=True)
class Layouts:
    """The structures that a session knows: by their type, and the types by their encoding."""

    by_type: Mapping[ua.NodeId, Layout]
    by_encoding: Mapping[ua.NodeId, ua.NodeId]
    #: Why the server's definition of a type can't be used, by type.
    unusable: Mapping[ua.NodeId, str]

    def decode(self, value: ua.ExtensionObject) -> dict[str, Any]:
        """The members of a structure by their names; those that it does not hold are not there.

        Structures within it are dicts, arrays are lists.

        Raises:
            UndecodableError: its type is not known, or its bytes are not of its type.
        """
        if value.TypeId not in self.by_encoding:
            msg = f"is a structure that is not expected (encoding {value.TypeId.to_string()})"
            raise UndecodableError(msg)
        return self._whole(value, DEPTH_MOST)

    def holds(self, data_type: ua.NodeId, path: tuple[str, ...]) -> bool:
        """Whether a type has a member at the path `path`."""
        for name in path:
            members = self.members_of(data_type)
            member = next((one for one in members if one.name == name), None)
            if member is None:
                return False
            data_type = member.data_type
        return True

    def members_of(self, data_type: ua.NodeId) -> tuple[Member, ...]:
        """The members of a structure; none where its type is not known."""
        layout = self.by_type.get(data_type)
        return layout.members if layout else ()

    def _whole(self, value: ua.ExtensionObject, depth: int) -> dict[str, Any]:
        data_type = self.by_encoding[value.TypeId]
        buffer = Buffer(value.Body or b"")
        try:
            found = self._structure(data_type, buffer, depth)
        except _FAILURES as error:
            msg = f"has bytes that are not of its type, {self._name(data_type)}"
            raise UndecodableError(msg) from error
        if len(buffer):
            name = self._name(data_type)
            msg = f"has more bytes than the server's own definition of {name} tells"
            raise UndecodableError(msg)
        return found

    def _name(self, data_type: ua.NodeId) -> str:
        layout = self.by_type.get(data_type)
        return layout.name if layout else str(data_type)

    def _structure(self, data_type: ua.NodeId, buffer: Buffer, depth: int) -> dict[str, Any]:
        layout = self.by_type.get(data_type)
        if layout is None:
            reason = self.unusable.get(data_type, "the server does not define it")
            msg = f"holds a structure that can't be read: {reason}"
            raise UndecodableError(msg)
        if not depth:
            msg = f"holds more than {DEPTH_MOST} structures within one another"
            raise UndecodableError(msg)
        return {
            member.name: self._member(layout, member, buffer, depth)
            for member in _present(layout, buffer)
        }

    def _member(self, layout: Layout, member: Member, buffer: Buffer, depth: int) -> Any:
        if not member.is_array:
            return self._value(layout, member, buffer, depth)
        count: int = unpack_uatype(ua.VariantType.Int32, buffer)
        if count > min(ELEMENTS_MOST, len(buffer)):
            msg = f"holds an array of {count:,} elements, more than there can be"
            raise UndecodableError(msg)
        return [self._value(layout, member, buffer, depth) for _ in range(count)]

    def _value(self, layout: Layout, member: Member, buffer: Buffer, depth: int) -> Any:
        builtin = member.builtin
        if layout.kind in _SUBTYPED and member.is_optional:
            # Here the flag says that a kind of the type may stand in its place.
            builtin = ua.VariantType.ExtensionObject if builtin is None else ua.VariantType.Variant
        if builtin is None:
            return self._structure(member.data_type, buffer, depth - 1)
        value = unpack_uatype(builtin, buffer)
        if isinstance(value, ua.Variant):
            value = value.Value
        if type(value) is ua.ExtensionObject and value.TypeId in self.by_encoding:
            return self._whole(value, depth - 1)
        return value


def _present(layout: Layout, buffer: Buffer) -> Iterator[Member]:
    """The members that the bytes at the start of `buffer` say are there, in their order."""
    if layout.is_union:
        chosen: int = unpack_uatype(ua.VariantType.UInt32, buffer)
        if chosen > len(layout.members):
            msg = f"holds member {chosen} of {layout.name}, which has {len(layout.members)}"
            raise UndecodableError(msg)
        return iter(layout.members[chosen - 1 : chosen] if chosen else ())
    if layout.kind is not ua.StructureType.StructureWithOptionalFields:
        return iter(layout.members)
    mask: int = unpack_uatype(ua.VariantType.UInt32, buffer)
    bit, present = 1, []
    for member in layout.members:
        if not member.is_optional or mask & bit:
            present.append(member)
        if member.is_optional:
            bit <<= 1
    return iter(present)
