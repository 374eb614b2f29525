"""An OPC UA server that shows machines at the browse paths of their profiles.

It makes its own few nodes, not those of the companion specifications' nodesets: the gateway finds
nodes by namespace URI and browse name, and that is what is served. Clients can read and subscribe,
not write. Without security: the simulated mine is for test benches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.status_codes import StatusCodes

from equipment.opcua_profile import OpcUaPoint, OpcUaProfile, split_path
from equipment.report import Value
from hil_sim.faults.book import NONE, Faults
from hil_sim.faults.kinds import FaultKind
from hil_sim.serve.relay import INNER_HOST, Relay

#: A namespace that is always registered first, so that no other has the number that it has
#: elsewhere: whoever relies on numbers fails here rather than at a mine.
FIRST_URI: Final = "urn:lamproom:simulator"
#: What stands before it while a fault gives all others another number.
SHIFT_URI: Final = "urn:lamproom:simulator:shifted"

OPC_UA_PORT: Final = 4840

#: How often, and how long after one another, it is looked whether broken connections are gone.
_ALONE_LOOKS: Final = 400
_ALONE_LOOK_S: Final = 0.005

#: A path as it is on one server: numbers of namespaces, and names.
Steps: TypeAlias = "tuple[tuple[int, str], ...]"

#: The OPC UA type of a point's `type`; a state is a number, as enumerations are on the wire.
_TYPES: Final = {
    "number": ua.VariantType.Double,
    "text": ua.VariantType.String,
    "bool": ua.VariantType.Boolean,
}


@dataclass(slots=True)
class _Machine:
    """A machine of a server: how it is found, what it shows, and what is the matter with it.

    `variables`: empty where its nodes are not there. `shown`: what its nodes hold.
    """

    profile: OpcUaProfile
    path: tuple[tuple[str, str], ...]
    uris: Mapping[str, str]
    faults: Faults
    variables: dict[str, tuple[OpcUaPoint, Node]]
    shown: dict[str, Value]
    values: Mapping[str, Value]
    status: str | None = None


class OpcUaServer:
    """One server with the machines that were added to it."""

    def __init__(self, server: Server, relay: Relay) -> None:
        self._server = server
        self._relay = relay
        self._machines: dict[str, _Machine] = {}
        self._nodes: dict[Steps, Node] = {}
        self._shifted = False

    @classmethod
    async def prepare(cls, url: str) -> OpcUaServer:
        """A server for `url` that does not listen yet."""
        server = Server()
        await server.init()
        server.set_endpoint(url)
        server.socket_address = INNER_HOST, 0
        server.set_server_name("lamproom simulated mine")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await server.register_namespace(FIRST_URI)
        where = urlsplit(url)
        return cls(server, Relay(where.hostname or INNER_HOST, where.port or OPC_UA_PORT))

    async def add(
        self,
        device: str,
        profile: OpcUaProfile,
        root: str,
        namespaces: Mapping[str, str],
        faults: Faults = NONE,
    ) -> None:
        """Makes a machine's nodes. `root`: browse path of its object from Objects.

        Raises:
            KeyError: a prefix of `root` has no namespace.
        """
        uris = profile.namespaces | dict(namespaces)
        path = tuple(split_path(root))
        for prefix, _ in path:
            if prefix and prefix not in uris:
                raise KeyError(prefix)
        self._machines[device] = _Machine(profile, path, uris, faults, {}, {}, {})
        await self._make_nodes(self._machines[device])

    async def _make_nodes(self, machine: _Machine) -> None:
        numbers = {"": 0}
        for prefix, uri in machine.uris.items():
            numbers[prefix] = await self._server.register_namespace(uri)
        # A variable may have others below it: what is above comes first.
        for point in sorted(machine.profile.point, key=lambda one: len(one.steps)):
            path = (*machine.path, *point.steps)
            steps = tuple((numbers[prefix], name) for prefix, name in path)
            parent = await self._folder(steps[:-1])
            value = machine.values.get(point.name, _first_value(point))
            node = await parent.add_variable(
                _node_id(steps),
                ua.QualifiedName(steps[-1][1], steps[-1][0]),
                _variant(point, value),
            )
            self._nodes[steps] = node
            machine.variables[point.name] = (point, node)
        machine.shown = {}
        await self._show(machine)

    async def _folder(self, steps: Steps) -> Node:
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
        """Listens, and is there for its clients. Raises OSError where it can't."""
        await self.follow()
        await self.serve()

    async def serve(self) -> None:
        """Is there for its clients, on a port that no other server has yet: call it last."""
        await self._server.start()
        assert self._server.bserver is not None
        self._relay.lead_to(self._server.bserver.port)

    async def follow(self) -> None:
        """Does as the machines' faults have it now.

        Raises:
            OSError: it can't listen again.
        """
        kinds = {
            kind: fault for one in self._machines.values() for kind, fault in one.faults.items()
        }
        shifted = FaultKind.NAMESPACE_SHIFT in kinds
        late = {name for name, one in self._machines.items() if FaultKind.LATE_NODES in one.faults}
        there = {name for name, one in self._machines.items() if one.variables}
        restarts = shifted != self._shifted or late & there
        if restarts or FaultKind.DEAD in kinds:
            await self._relay.close()
        if restarts:
            await self._make_anew(late, shifted=shifted)
        else:
            for name in self._machines.keys() - there - late:
                await self._make_nodes(self._machines[name])
        slow = kinds.get(FaultKind.SLOW)
        self._relay.delay_s = slow.fault.delay_s if slow else 0.0
        await self._relay.set_silent(silent=FaultKind.SILENT in kinds)
        if FaultKind.DEAD not in kinds:
            await self._relay.listen()

    async def _make_anew(self, late: set[str], *, shifted: bool) -> None:
        """As after a restart: all nodes, but those of `late`, with the numbers of now."""
        await self._until_alone()
        deepest_first = sorted(self._nodes, key=len, reverse=True)
        await self._server.delete_nodes([self._nodes[one] for one in deepest_first])
        self._nodes = {}
        self._shifted = shifted
        array = self._server.nodes.namespace_array
        first = (await array.read_value())[:2]
        await array.write_value([*first, *([SHIFT_URI] if shifted else []), FIRST_URI])
        for name, machine in self._machines.items():
            machine.variables = {}
            if name not in late:
                await self._make_nodes(machine)

    async def _until_alone(self) -> None:
        """Waits until broken connections are gone, and ends what still watches nodes.

        Subscriptions outlive their connections. A restart ends them; and the library tells those
        who watch a node that it is gone by a call that it does not await.
        """
        inner = self._server.bserver
        if inner is None:
            return
        for _ in range(_ALONE_LOOKS):
            if not inner.clients:
                break
            await asyncio.sleep(_ALONE_LOOK_S)
        watching = self._server.iserver.subscription_service
        await watching.delete_subscriptions(list(watching.subscriptions))

    async def write(self, device: str, values: Mapping[str, Value]) -> None:
        """Shows the values that have changed."""
        machine = self._machines[device]
        machine.values = values
        await self._show(machine)

    async def _show(self, machine: _Machine) -> None:
        refusal = machine.faults.get(FaultKind.EXCEPTION)
        status = refusal.fault.status if refusal else "Good"
        if status != machine.status:
            machine.status, machine.shown = status, {}
        code = ua.StatusCode(getattr(StatusCodes, status))
        for name, (point, node) in machine.variables.items():
            value = machine.values.get(name)
            if value is None or machine.shown.get(name) == value:
                continue
            machine.shown[name] = value
            now = ua.DateTime.now(UTC)
            data = ua.DataValue(
                _variant(point, value), code, SourceTimestamp=now, ServerTimestamp=now
            )
            await self._server.write_attribute_value(node.nodeid, data)

    async def close(self) -> None:
        """Stops listening."""
        await self._relay.close()
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
