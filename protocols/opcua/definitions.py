"""What a server says of its types: event types by name, and how its structures lie in bytes.

Only browses and reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from protocols.driver import DeviceError
from protocols.opcua.browse import BATCH, Path, local_node, resolve
from protocols.opcua.layouts import Definitions, layouts_of
from protocols.opcua.structures import DEPTH_MOST, Layouts
from protocols.opcua.values import status_of

#: Types that a server may have below the one that is asked for; the standard has some 150 events.
TYPES_MOST: Final = 5_000

BASE_EVENT: Final = ua.NodeId(ua.Int32(ObjectIds.BaseEventType))
_STRUCTURE: Final = ua.NodeId(ua.Int32(ObjectIds.Structure))
_UNION: Final = ua.NodeId(ua.Int32(ObjectIds.Union))
_ROOTS: Final = frozenset({ua.NodeId(), _STRUCTURE, _UNION})
_SUBTYPE: Final = ua.NodeId(ua.Int32(ObjectIds.HasSubtype))
_FORWARD: Final = ua.BrowseDirection.Forward
_INVERSE: Final = ua.BrowseDirection.Inverse
#: Numbers of the built-in types (OPC 10000-6, 5.1.2); those of abstract numbers and enumerations.
_BUILTIN_MOST: Final = 25
_ABSTRACT: Final = frozenset({ObjectIds.Number, ObjectIds.Integer, ObjectIds.UInteger})


async def related(
    client: Client,
    nodes: Sequence[ua.NodeId],
    reference: ua.NodeId,
    direction: ua.BrowseDirection,
    namespaces: tuple[str, ...],
) -> list[list[tuple[ua.NodeId, ua.QualifiedName]]]:
    """The nodes that each of `nodes` refers to, and their browse names."""
    found: list[list[tuple[ua.NodeId, ua.QualifiedName]]] = []
    for start in range(0, len(nodes), BATCH):
        asked = [
            ua.BrowseDescription(
                NodeId=node,
                BrowseDirection=direction,
                ReferenceTypeId=reference,
                IncludeSubtypes=True,
                ResultMask=ua.UInt32(ua.BrowseResultMask.BrowseName),
            )
            for node in nodes[start : start + BATCH]
        ]
        for references in await _browse(client, asked):
            local = [(local_node(one.NodeId, namespaces), one.BrowseName) for one in references]
            found.append([(node, name) for node, name in local if node is not None])
    return found


async def _browse(
    client: Client, asked: list[ua.BrowseDescription]
) -> list[list[ua.ReferenceDescription]]:
    """All references of each node, also those that the server sends piece by piece."""
    parameters = ua.BrowseParameters()
    parameters.View.Timestamp = ua.get_win_epoch()
    parameters.NodesToBrowse = asked
    found, again = [], []
    for number, result in enumerate(await client.uaclient.browse(parameters)):
        if result.StatusCode.value == StatusCodes.BadNoContinuationPoints:
            again.append(number)
        references, point = list(result.References or ()), result.ContinuationPoint
        while point:
            following = ua.BrowseNextParameters(
                ReleaseContinuationPoints=False, ContinuationPoints=[point]
            )
            (more,) = await client.uaclient.browse_next(following)
            references += more.References or ()
            point = more.ContinuationPoint
            if len(references) > TYPES_MOST:
                msg = f"one of the server's nodes has more than {TYPES_MOST:,} references"
                raise DeviceError(msg)
        found.append(references)
    if again and len(asked) == 1:
        msg = "the server has no room to send the references of a node piece by piece"
        raise DeviceError(msg)
    for number in again:  # its few places for the rest of an answer were taken by the others'
        (found[number],) = await _browse(client, [asked[number]])
    return found


async def attributes(
    client: Client, nodes: Sequence[ua.NodeId], attribute: AttributeIds
) -> list[Any]:
    """An attribute of each node; None where the server gives none."""
    values: list[Any] = []
    for start in range(0, len(nodes), BATCH):
        batch = list(nodes[start : start + BATCH])
        for data in await client.uaclient.read_attributes(batch, attribute):
            variant = None if status_of(data) else data.Value
            values.append(variant.Value if variant else None)
    return values


async def subtypes(
    client: Client, types: Iterable[ua.NodeId], namespaces: tuple[str, ...]
) -> dict[ua.NodeId, ua.QualifiedName]:
    """All types below `types`, and their browse names.

    Raises:
        DeviceError: there are more than any server has.
    """
    found: dict[ua.NodeId, ua.QualifiedName] = {}
    level = list(types)
    while level:
        below = await related(client, level, _SUBTYPE, _FORWARD, namespaces)
        fresh = {node: name for one in below for node, name in one if node not in found}
        found |= fresh
        level = list(fresh)
        if len(found) > TYPES_MOST:
            msg = f"the server has more than {TYPES_MOST:,} types below one"
            raise DeviceError(msg)
    return found


async def find_event_types(
    client: Client, name: ua.QualifiedName, text: str, namespaces: tuple[str, ...]
) -> tuple[ua.NodeId, frozenset[ua.NodeId]]:
    """The event type of a browse name, and it with all that are kinds of it; `text` names it.

    Raises:
        DeviceError: the server has none of that name, or several.
    """
    known = await subtypes(client, [BASE_EVENT], namespaces)
    known[BASE_EVENT] = ua.QualifiedName("BaseEventType")
    of_name = [node for node, other in known.items() if other == name]
    if len(of_name) != 1:
        count = len(of_name) or "no"
        msg = f"the server has {count} event types {text}: check the profile's [event]"
        raise DeviceError(msg)
    below = await subtypes(client, of_name, namespaces)
    return of_name[0], frozenset((of_name[0], *below))


async def declared_types(
    client: Client,
    event_type: ua.NodeId,
    paths: Collection[Path],
    indices: Mapping[str, int],
    namespaces: tuple[str, ...],
) -> dict[Path, ua.NodeId]:
    """The data types of fields of an event type, where it or one that it is a kind of has them."""
    found: dict[Path, ua.NodeId] = {}
    above: list[ua.NodeId] = [event_type]
    for _ in range(DEPTH_MOST):
        missing = [path for path in paths if path not in found]
        if not above or not missing:
            break
        nodes = await resolve(client, missing, indices, namespaces, above[0])
        variables = {path: node for path, node in nodes.items() if isinstance(node, ua.NodeId)}
        types = await attributes(client, [*variables.values()], AttributeIds.DataType)
        declared = zip(variables, types, strict=True)
        found |= {path: one for path, one in declared if isinstance(one, ua.NodeId)}
        (bases,) = await related(client, above, _SUBTYPE, _INVERSE, namespaces)
        above = [node for node, _ in bases][:1]
    return found


async def read_layouts(
    client: Client, types: Collection[ua.NodeId], namespaces: tuple[str, ...]
) -> Layouts:
    """How the structures `types`, and all that are kinds of them or within them, lie in bytes."""
    reading = _Reading(client, namespaces)
    await reading.run([*types, *await subtypes(client, types, namespaces)])
    return layouts_of(reading.found)


class _Reading:
    """Definitions of types, read level by level."""

    def __init__(self, client: Client, namespaces: tuple[str, ...]) -> None:
        self._client = client
        self._namespaces = namespaces
        self.found = Definitions()

    async def run(self, types: Iterable[ua.NodeId]) -> None:
        level = list(dict.fromkeys(types))
        seen: set[ua.NodeId] = set()
        while level:
            seen.update(level)
            await self._read(level)
            level = [node for node in dict.fromkeys(self._needed(level)) if node not in seen]
            if len(seen) > TYPES_MOST:
                msg = f"its structures need more than {TYPES_MOST:,} types"
                raise DeviceError(msg)

    def _needed(self, level: Iterable[ua.NodeId]) -> Iterable[ua.NodeId]:
        for node in level:
            definition = self.found.structures.get(node)
            if definition is not None:
                yield from (one.DataType for one in definition.Fields or ())
                if definition.BaseDataType not in _ROOTS:
                    yield definition.BaseDataType

    async def _read(self, nodes: Sequence[ua.NodeId]) -> None:
        asked = []
        for node in nodes:
            builtin = _builtin_of(node)
            if builtin is None:
                asked.append(node)
            else:
                self.found.builtin[node] = builtin
        definitions = await attributes(self._client, asked, AttributeIds.DataTypeDefinition)
        names = await attributes(self._client, asked, AttributeIds.BrowseName)
        others = []
        for node, definition, name in zip(asked, definitions, names, strict=True):
            self.found.names[node] = (
                str(name.Name) if isinstance(name, ua.QualifiedName) else str(node)
            )
            if isinstance(definition, ua.StructureDefinition):
                self.found.structures[node] = definition
            else:
                others.append(node)
        for node in others:
            await self._find_builtin(node)

    async def _find_builtin(self, node: ua.NodeId) -> None:
        """Climbs to the built-in type that one without members is a kind of."""
        above, steps = node, 0
        while _builtin_of(above) is None and steps < TYPES_MOST:
            ((*types,),) = await related(
                self._client, [above], _SUBTYPE, _INVERSE, self._namespaces
            )
            if not types:
                break
            above, steps = types[0][0], steps + 1
        builtin = _builtin_of(above)
        if builtin is None or above == _STRUCTURE:
            self.found.unusable[node] = (
                f"the server gives no definition (DataTypeDefinition) of {self.found.names[node]}"
            )
        else:
            self.found.builtin[node] = builtin


def _builtin_of(node: ua.NodeId) -> ua.VariantType | None:
    """How a value of a standard type lies in bytes; None where its number does not say."""
    if node.NamespaceIndex or not isinstance(node.Identifier, int):
        return None
    number = node.Identifier
    if 1 <= number <= _BUILTIN_MOST:
        return ua.VariantType(number)
    if number in _ABSTRACT:
        return ua.VariantType.Variant
    return ua.VariantType.Int32 if number == ObjectIds.Enumeration else None
