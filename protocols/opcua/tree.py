"""What a server has: its objects and variables with their values, for whoever writes a profile.

Only browses and reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from equipment.opcua_profile import UA_URI
from protocols.driver import DeviceError
from protocols.opcua.browse import BATCH, NotFound, Path, local_node, resolve
from protocols.opcua.definitions import attributes

#: The properties of an analogue value (OPC 10000-8, 5.3.2.3); they are told with it.
_UNITS: Final = "EngineeringUnits"
_RANGE: Final = "EURange"
#: Folders of every server that no machine is in.
_SERVERS_OWN: Final = frozenset({"Server", "Aliases", "Locations"})

_VISIBLE: Final = (ua.NodeClass.Object, ua.NodeClass.Variable)


@dataclass(slots=True)
class Found:
    """An object or a variable, by its browse path from where was begun.

    `data` is a variable's value, `unit`, `range` and `states` what the server says of it.
    """

    path: Path
    node: ua.NodeId
    is_variable: bool
    data: ua.DataValue | None = None
    unit: str = ""
    range: tuple[float, float] | None = None
    states: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tree:
    """What was found, each after what it is in; `is_cut`: there was more than asked for."""

    found: tuple[Found, ...]
    is_cut: bool


def short_prefixes(namespaces: Sequence[str]) -> dict[str, str]:
    """A prefix for each URI, such as a profile has them: the last word of it.

    Namespace 0 has the empty one.
    """
    prefixes: dict[str, str] = {}
    for uri in namespaces:
        words = re.findall(r"[a-z][a-z0-9_]*", uri.lower())
        word = "" if uri == UA_URI else (words[-1] if words else "ns")[:32]
        number = 2
        prefix = word
        while prefix in prefixes.values():
            prefix, number = f"{word}_{number}", number + 1
        prefixes[uri] = prefix
    return prefixes


async def read_tree(
    client: Client, namespaces: Sequence[str], start: Path, *, depth: int, most: int
) -> Tree:
    """The objects and variables under `start`, so many levels deep and so many in all.

    `start` is a path from Objects with the prefixes of `short_prefixes`; empty: all but what every
    server has of its own.

    Raises:
        DeviceError: `start` leads nowhere.
    """
    walk = _Walk(client, namespaces, most)
    await walk.run(start, depth)
    variables = [one for one in walk.found if one.is_variable]
    for first in range(0, len(variables), BATCH):
        batch = variables[first : first + BATCH]
        nodes = [one.node for one in batch]
        data = await client.uaclient.read_attributes(nodes, AttributeIds.Value)
        for one, value in zip(batch, data, strict=True):
            one.data = value
    await _add_properties(client, walk.properties)
    await _add_states(client, variables)
    return Tree(tuple(walk.found), walk.is_cut)


class _Walk:
    """One look from the top down; what hangs in two places is told in the first."""

    def __init__(self, client: Client, namespaces: Sequence[str], most: int) -> None:
        self._client = client
        self._namespaces = tuple(namespaces)
        self._prefixes = short_prefixes(namespaces)
        self._most = most
        self._seen: set[ua.NodeId] = set()
        self.found: list[Found] = []
        self.properties: list[tuple[Found, str, ua.NodeId]] = []
        self.is_cut = False

    async def run(self, start: Path, depth: int) -> None:
        node = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
        if start:
            indices = {self._prefixes[uri]: index for index, uri in enumerate(self._namespaces)}
            unknown = sorted({prefix for prefix, _ in start} - indices.keys())
            if unknown:
                known = ", ".join(filter(None, indices))
                msg = f"there is no prefix {unknown[0]!r} (known: {known})"
                raise DeviceError(msg)
            target = (await resolve(self._client, [start], indices, self._namespaces))[start]
            if isinstance(target, NotFound):
                raise DeviceError(target.reason)
            node = target
        await self._children(None, (), node, depth, is_top=not start)

    async def _children(
        self, parent: Found | None, path: Path, node: ua.NodeId, depth: int, *, is_top: bool = False
    ) -> None:
        if not depth or node in self._seen:
            return
        self._seen.add(node)
        for reference in await self._references(node):
            name = reference.BrowseName
            child = local_node(reference.NodeId, self._namespaces)
            if child is None or (is_top and name.Name in _SERVERS_OWN):
                continue
            if parent is not None and parent.is_variable and name.Name in (_UNITS, _RANGE):
                self.properties.append((parent, str(name.Name), child))
                continue
            if len(self.found) >= self._most:
                self.is_cut = True
                return
            step = self._prefixes[self._namespaces[name.NamespaceIndex]], str(name.Name)
            is_variable = reference.NodeClass == ua.NodeClass.Variable
            one = Found((*path, step), child, is_variable)
            self.found.append(one)
            await self._children(one, one.path, child, depth - 1)

    async def _references(self, node: ua.NodeId) -> list[ua.ReferenceDescription]:
        references = await self._client.get_node(node).get_references(
            ObjectIds.HierarchicalReferences, ua.BrowseDirection.Forward
        )
        known = range(len(self._namespaces))
        return [
            one
            for one in references
            if one.NodeClass in _VISIBLE and one.BrowseName.NamespaceIndex in known
        ]


async def _add_properties(
    client: Client, properties: Sequence[tuple[Found, str, ua.NodeId]]
) -> None:
    values = await attributes(client, [node for _, _, node in properties], AttributeIds.Value)
    for (one, name, _), value in zip(properties, values, strict=True):
        if name == _UNITS and isinstance(value, ua.EUInformation):
            one.unit = value.DisplayName.Text or ""
        elif name == _RANGE and isinstance(value, ua.Range) and value.Low < value.High:
            one.range = float(value.Low), float(value.High)


async def _add_states(client: Client, variables: Sequence[Found]) -> None:
    """The names of enumerations' values (OPC 10000-3, 8.49), each data type asked for once."""
    own = await attributes(client, [one.node for one in variables], AttributeIds.DataType)
    asked = sorted(
        {kind for kind in own if isinstance(kind, ua.NodeId) and kind.NamespaceIndex}, key=str
    )
    definitions = await attributes(client, asked, AttributeIds.DataTypeDefinition)
    states: Mapping[ua.NodeId, dict[int, str]] = {
        kind: {int(one.Value): str(one.Name) for one in definition.Fields}
        for kind, definition in zip(asked, definitions, strict=True)
        if isinstance(definition, ua.EnumDefinition)
    }
    for one, kind in zip(variables, own, strict=True):
        one.states = states.get(kind, {})
