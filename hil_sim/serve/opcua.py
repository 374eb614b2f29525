"""An OPC UA server that shows machines at the browse paths of their profiles.

It makes its own few nodes, not those of the companion specifications' nodesets: the gateway finds
nodes by namespace URI and browse name, and that is what is served. Clients can read and subscribe,
not write. Without security: the simulated mine is for test benches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Final

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server

from equipment.opcua_profile import OpcUaPoint, OpcUaProfile, split_path
from equipment.report import Value

#: A namespace that is always registered first, so that no other has the number that it has
#: elsewhere: whoever relies on numbers fails here rather than at a mine.
FIRST_URI: Final = "urn:lamproom:simulator"
#: The OPC UA type of a point's `type`; a state is a number, as enumerations are on the wire.
_TYPES: Final = {
    "number": ua.VariantType.Double,
    "text": ua.VariantType.String,
    "bool": ua.VariantType.Boolean,
}


class OpcUaServer:
    """One server with the machines that were added to it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._nodes: dict[tuple[tuple[int, str], ...], Node] = {}
        self._variables: dict[str, dict[str, tuple[OpcUaPoint, Node]]] = {}
        self._last: dict[str, dict[str, Value]] = {}

    @classmethod
    async def prepare(cls, url: str) -> OpcUaServer:
        """A server for `url` that does not listen yet."""
        server = Server()
        await server.init()
        server.set_endpoint(url)
        server.set_server_name("lamproom simulated mine")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await server.register_namespace(FIRST_URI)
        return cls(server)

    async def add(
        self, device: str, profile: OpcUaProfile, root: str, namespaces: Mapping[str, str]
    ) -> None:
        """Makes a machine's nodes. `root`: browse path of its object from Objects.

        Raises:
            KeyError: a prefix of `root` has no namespace.
        """
        uris = profile.namespaces | dict(namespaces)
        numbers = {"": 0}
        for prefix, uri in uris.items():
            numbers[prefix] = await self._server.register_namespace(uri)
        self._variables[device] = {}
        # A variable may have others below it: what is above comes first.
        for point in sorted(profile.point, key=lambda one: len(one.steps)):
            path = (*split_path(root), *point.steps)
            steps = tuple((numbers[prefix], name) for prefix, name in path)
            parent = await self._folder(steps[:-1])
            node = await parent.add_variable(
                _node_id(steps),
                ua.QualifiedName(steps[-1][1], steps[-1][0]),
                _variant(point, _first_value(point)),
            )
            self._nodes[steps] = node
            self._variables[device][point.name] = (point, node)
        self._last[device] = {}

    async def _folder(self, steps: tuple[tuple[int, str], ...]) -> Node:
        """The node at a path, made as an object where it is not there yet."""
        if not steps:
            return self._server.nodes.objects
        if steps not in self._nodes:
            parent = await self._folder(steps[:-1])
            number, name = steps[-1]
            self._nodes[steps] = await parent.add_object(
                _node_id(steps), ua.QualifiedName(name, number)
            )
        return self._nodes[steps]

    async def start(self) -> None:
        """Listens. Raises OSError where it can't."""
        await self._server.start()

    async def write(self, device: str, values: Mapping[str, Value]) -> None:
        """Shows the values that have changed."""
        last = self._last[device]
        for name, (point, node) in self._variables[device].items():
            value = values.get(name)
            if value is None or last.get(name) == value:
                continue
            last[name] = value
            now = ua.DateTime.now(UTC)
            data = ua.DataValue(_variant(point, value), SourceTimestamp=now, ServerTimestamp=now)
            await self._server.write_attribute_value(node.nodeid, data)

    async def close(self) -> None:
        """Stops listening."""
        await self._server.stop()


def _node_id(steps: Sequence[tuple[int, str]]) -> ua.NodeId:
    """A name of its own for each node: its whole path."""
    text = "/".join(name for _, name in steps)
    return ua.NodeId(ua.String(text), ua.Int16(steps[-1][0]))


def _first_value(point: OpcUaPoint) -> Value:
    """What a node holds until the machine's first values come."""
    if point.states:
        return next(iter(point.states.values()))
    first: dict[str, Value] = {"number": 0.0, "text": "", "bool": False}
    return first[point.type]


def _variant(point: OpcUaPoint, value: Value) -> ua.Variant:
    """A value as the server gives it: before scale and offset, a state as its number."""
    if point.states:
        number = next(number for number, name in point.states.items() if name == value)
        return ua.Variant(number, ua.VariantType.Int32)
    if point.type == "number":
        return ua.Variant((float(value) - point.offset) / point.scale, ua.VariantType.Double)
    return ua.Variant(value, _TYPES[point.type])
