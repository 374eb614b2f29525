"""Structures of a server as what they hold, by the server's own definitions of them. Pure.

The library keeps such definitions for the whole process, by numbers that each server gives out as
it likes: two servers would read one another's structures. So they are kept here, by session.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
_FORMS: Final[Mapping[ua.VariantType | None, struct.Struct]] = {
    ua.VariantType.Boolean: struct.Struct("<?"),
    ua.VariantType.SByte: struct.Struct("<b"),
    ua.VariantType.Byte: struct.Struct("<B"),
    ua.VariantType.Int16: struct.Struct("<h"),
    ua.VariantType.UInt16: struct.Struct("<H"),
    ua.VariantType.Int32: struct.Struct("<i"),
    ua.VariantType.UInt32: struct.Struct("<I"),
    ua.VariantType.Int64: struct.Struct("<q"),
    ua.VariantType.UInt64: struct.Struct("<Q"),
    ua.VariantType.Float: struct.Struct("<f"),
    ua.VariantType.Double: struct.Struct("<d"),
}
_INT32: Final = _FORMS[ua.VariantType.Int32]
_UINT32: Final = _FORMS[ua.VariantType.UInt32]
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
    #: How a number lies in bytes.
    form: struct.Struct | None = field(init=False)

    def __post_init__(self) -> None:
        """Finds out once what each of a thousand events a second asks for."""
        object.__setattr__(self, "form", _FORMS.get(self.builtin))


@dataclass(frozen=True, slots=True)
class Layout:
    """How a structure lies in bytes (OPC 10000-6, 5.2.6): inherited members come first."""

    name: str
    kind: ua.StructureType
    members: tuple[Member, ...]
    #: Whether it holds one of its members, or none; some of them, as a mask says; and whether kinds
    #: of their types may stand in the place of members.
    is_union: bool = field(init=False)
    is_masked: bool = field(init=False)
    is_subtyped: bool = field(init=False)

    def __post_init__(self) -> None:
        """Finds out once what each of a thousand events a second asks for."""
        object.__setattr__(self, "is_union", self.kind in _UNIONS)
        masked = self.kind is ua.StructureType.StructureWithOptionalFields
        object.__setattr__(self, "is_masked", masked)
        object.__setattr__(self, "is_subtyped", self.kind in _SUBTYPED)


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
        (count,) = _INT32.unpack(buffer.read(4))
        if count > min(ELEMENTS_MOST, len(buffer)):
            msg = f"holds an array of {count:,} elements, more than there can be"
            raise UndecodableError(msg)
        return [self._value(layout, member, buffer, depth) for _ in range(count)]

    def _value(self, layout: Layout, member: Member, buffer: Buffer, depth: int) -> Any:
        builtin, form = member.builtin, member.form
        if layout.is_subtyped and member.is_optional:
            # Here the flag says that a kind of the type may stand in its place.
            builtin = ua.VariantType.ExtensionObject if builtin is None else ua.VariantType.Variant
            form = None
        if builtin is None:
            return self._structure(member.data_type, buffer, depth - 1)
        if form is not None:
            return form.unpack(buffer.read(form.size))[0]
        value = unpack_uatype(builtin, buffer)
        if isinstance(value, ua.Variant):
            value = value.Value
        if type(value) is ua.ExtensionObject and value.TypeId in self.by_encoding:
            return self._whole(value, depth - 1)
        return value


def _present(layout: Layout, buffer: Buffer) -> Iterator[Member]:
    """The members that the bytes at the start of `buffer` say are there, in their order."""
    if layout.is_union:
        (chosen,) = _UINT32.unpack(buffer.read(4))
        if chosen > len(layout.members):
            msg = f"holds member {chosen} of {layout.name}, which has {len(layout.members)}"
            raise UndecodableError(msg)
        return iter(layout.members[chosen - 1 : chosen] if chosen else ())
    if not layout.is_masked:
        return iter(layout.members)
    (mask,) = _UINT32.unpack(buffer.read(4))
    bit, present = 1, []
    for member in layout.members:
        if not member.is_optional or mask & bit:
            present.append(member)
        if member.is_optional:
            bit <<= 1
    return iter(present)
