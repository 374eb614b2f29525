"""No service that could change a server can leave, whoever asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.node import Node
from asyncua.server.server import Server

from protocols.opcua import connection
from protocols.opcua.gate import READS, ReadOnlyError
from protocols.opcua.options import OpcUaOptions
from tests.support.ports import free_port

#: Every request that the library can lay out.
REQUESTS = {
    one
    for name, one in vars(ua).items()
    if name.endswith("Request") and isinstance(one, type) and hasattr(one, "TypeId")
}


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Client, Node]]:
    """A client as the driver has it, and a node that its server lets anyone write."""
    server = Server()
    await server.init()
    options = OpcUaOptions(url=f"opc.tcp://127.0.0.1:{free_port()}", root="machine")
    server.set_endpoint(options.url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    node = await server.nodes.objects.add_variable(1, "setpoint", 1.0)
    await node.set_writable()
    async with server:
        client = connection.new_client(options)
        try:
            await connection.connect(client, options, None)
            yield client, node
        finally:
            await connection.close(client)


async def test_what_the_library_offers_to_write_with_does_not_leave() -> None:
    async with served() as (client, node):
        here = client.get_node(node.nodeid)
        assert await here.read_value() == 1.0
        with pytest.raises(ReadOnlyError, match="WriteRequest was not sent"):
            await here.write_value(2.0)
        with pytest.raises(ReadOnlyError, match="CallRequest was not sent"):
            await client.nodes.server.call_method(ua.NodeId(ua.Int32(11492)), ua.UInt32(0))
        with pytest.raises(ReadOnlyError, match="AddNodesRequest was not sent"):
            await client.nodes.objects.add_variable(1, "another", 1.0)
        with pytest.raises(ReadOnlyError, match="DeleteNodesRequest was not sent"):
            await client.delete_nodes([here])
        assert await node.read_value() == 1.0
        # The connection is as good as before.
        assert await here.read_value() == 1.0


async def test_no_other_request_leaves_either() -> None:
    others = REQUESTS - READS
    named = {one.__name__ for one in others}
    assert named >= {
        "WriteRequest",
        "CallRequest",
        "HistoryUpdateRequest",
        "AddNodesRequest",
        "AddReferencesRequest",
        "DeleteNodesRequest",
        "DeleteReferencesRequest",
        "SetTriggeringRequest",
        "TransferSubscriptionsRequest",
    }
    async with served() as (client, node):
        protocol = client.uaclient.protocol
        assert protocol is not None
        for request in others:
            with pytest.raises(ReadOnlyError):
                await protocol.send_request(request())
        assert await client.get_node(node.nodeid).read_value() == 1.0


def test_nothing_that_is_let_out_changes_anything() -> None:
    changing = ("Write", "Call", "Update", "Add", "Register", "DeleteNodes", "DeleteReferences")
    assert not [one.__name__ for one in READS if one.__name__.startswith(changing)]
    assert READS < REQUESTS
