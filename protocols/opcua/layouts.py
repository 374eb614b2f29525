"""How structures lie in bytes, from what a server defines them as (OPC 10000-3, 8.48). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from asyncua import ua

from protocols.opcua.structures import DEPTH_MOST, Layout, Layouts, Member


@dataclass(slots=True)
class Definitions:
    """What a server says of its data types, by their nodes."""

    structures: dict[ua.NodeId, ua.StructureDefinition] = field(default_factory=dict)
    names: dict[ua.NodeId, str] = field(default_factory=dict)
    #: The built-in types of those that are no structures.
    builtin: dict[ua.NodeId, ua.VariantType] = field(default_factory=dict)
    #: Why others can't be used.
    unusable: dict[ua.NodeId, str] = field(default_factory=dict)


def layouts_of(found: Definitions) -> Layouts:
    """The structures as they lie in bytes; those that can't be read, with the reason."""
    by_type, unusable = {}, dict(found.unusable)
    for node in found.structures:
        layout = _layout(found, node, DEPTH_MOST)
        if isinstance(layout, Layout):
            by_type[node] = layout
        else:
            unusable[node] = layout
    by_encoding = {
        definition.DefaultEncodingId: node
        for node, definition in found.structures.items()
        if definition.DefaultEncodingId != ua.NodeId()
    }
    return Layouts(by_type, by_encoding, unusable)


def _layout(found: Definitions, node: ua.NodeId, depth: int) -> Layout | str:
    """How a structure lies in bytes, or why that is not known."""
    definition, name = found.structures[node], found.names[node]
    members = []
    for one in definition.Fields or ():
        if one.ValueRank not in (ua.ValueRank.Scalar, ua.ValueRank.OneDimension):
            return f"{name} has an array of several dimensions, {one.Name}"
        members.append(
            Member(
                str(one.Name),
                one.DataType,
                found.builtin.get(one.DataType),
                one.ValueRank == ua.ValueRank.OneDimension,
                bool(one.IsOptional),
            )
        )
    layout = Layout(name, definition.StructureType, tuple(members))
    base = definition.BaseDataType
    if base not in found.structures or layout.is_union or not depth:
        return layout
    return _with_inherited(layout, _layout(found, base, depth - 1))


def _with_inherited(layout: Layout, base: Layout | str) -> Layout:
    """With the members of its base first, where the server has left them out."""
    if isinstance(base, str) or layout.members[: len(base.members)] == base.members:
        return layout
    optional = ua.StructureType.StructureWithOptionalFields
    kind = optional if optional in (layout.kind, base.kind) else layout.kind
    return replace(layout, kind=kind, members=(*base.members, *layout.members))
