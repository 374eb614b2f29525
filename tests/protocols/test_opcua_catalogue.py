"""Every OPC UA profile of the catalogue against the official types, on an independent server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.node import Node
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from equipment import catalogue
from equipment.opcua_profile import OpcUaPoint, OpcUaProfile
from protocols.opcua.browse import NotFound, number_prefixes, read_namespaces, resolve
from protocols.opcua.definitions import declared_types, find_event_types, read_layouts
from protocols.opcua.structures import Layouts
from tests.protocols.opcua_peer import NODESETS
from tests.support.places import PEERS, missing_node
from tests.support.processes import Process

SITE: Final = "urn:lamproom:test:types"
#: In the order in which they need one another.
MODELS: Final = (
    "Di",
    "Machinery",
    "Mining.General",
    "Mining.Extraction.General",
    "Mining.Extraction.ShearerLoader",
    "Mining.DevelopmentSupport.General",
    "Mining.DevelopmentSupport.RoofSupportSystem",
    "Mining.TransportDumping.General",
    "Mining.TransportDumping.ArmouredFaceConveyor",
    "AutoID",
)
#: Of each profile: the type that it is modelled on, its namespace, optional members that it reads.
TYPES: Final = {
    "shearer_opc40560": ("ShearerLoaderType", "Mining/Extraction/ShearerLoader/", ""),
    "roof_support_opc40560": (
        "RoofSupportSystemType",
        "Mining/DevelopmentSupport/RoofSupportSystem/",
        "",
    ),
    "afc_opc40560": ("AFCType", "Mining/TransportDumping/ArmouredFaceConveyor/", ""),
    "rfid_autoid": ("RfidReaderDeviceType", "AutoID/", "DeviceInfo ScanActive"),
    "rfid_autoid_events": ("RfidReaderDeviceType", "AutoID/", ""),
    "rtls_autoid": ("RtlsDeviceType", "AutoID/", ""),
}
#: Of what type the columns' members are that are no numbers.
EVENT_TYPES: Final = {
    "t_us": {ua.VariantType.DateTime},
    "card": {ua.VariantType.String, ua.VariantType.ByteString},
}
UA_URI: Final = "http://opcfoundation.org/UA/"
_ENUMERATION: Final = ua.NodeId(ua.Int32(ObjectIds.Enumeration))
_NUMBER: Final = ua.NodeId(ua.Int32(ObjectIds.Number))
#: What a data type, or one that it is a kind of, is called in profiles.
KINDS: Final = {
    _ENUMERATION: "number",
    _NUMBER: "number",
    ua.NodeId(ua.Int32(ObjectIds.String)): "text",
    ua.NodeId(ua.Int32(ObjectIds.LocalizedText)): "text",
    ua.NodeId(ua.Int32(ObjectIds.Boolean)): "bool",
}
OPCUA: Final = {
    name: profile
    for name in catalogue.shipped()
    if isinstance(profile := catalogue.load(name), OpcUaProfile)
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    if why := missing_node("node-opcua"):
        pytest.skip(why)
    if not NODESETS.is_dir():
        pytest.skip("the official nodesets are not there (../shared/nodesets)")
    folder = tmp_path_factory.mktemp("types")
    instances = [
        f"{name}={kind}|{UA_URI}{uri}|{optional}" for name, (kind, uri, optional) in TYPES.items()
    ]
    words = {
        "nodesets": NODESETS,
        "pki": folder / "pki",
        "models": ",".join(MODELS),
        "instances": ";".join(instances),
    }
    command = ["node", "opcua_types.js", *(f"{key}={value}" for key, value in words.items())]
    process = Process(command, folder, "opcua-types", cwd=PEERS)
    try:
        yield process
    finally:
        process.end()


@pytest.fixture
async def client(server: Process) -> AsyncIterator[Client]:
    async with Client(f"opc.tcp://127.0.0.1:{server.word_after('READY')}") as connected:
        yield connected


async def nodes_of(client: Client, name: str) -> dict[str, Node]:
    """The node of each point of a profile, found as the driver finds it."""
    profile = OPCUA[name]
    root = (("di", "DeviceSet"), ("site", name))
    prefixes = {"di": f"{UA_URI}DI/", "site": SITE} | profile.namespaces
    namespaces = await read_namespaces(client)
    indices = number_prefixes(prefixes, prefixes, namespaces)
    paths = {point.name: (*root, *point.steps) for point in profile.point}
    found = await resolve(client, paths.values(), indices, namespaces)
    missing = [str(node.reason) for node in found.values() if isinstance(node, NotFound)]
    assert missing == []
    return {
        point: client.get_node(node)
        for point, path in paths.items()
        if isinstance(node := found[path], ua.NodeId)
    }


async def base_of(client: Client, data_type: ua.NodeId) -> ua.NodeId:
    """What profiles know of a data type: itself, or what it is a kind of."""
    while data_type not in KINDS:
        (above,) = await client.get_node(data_type).get_referenced_nodes(
            ObjectIds.HasSubtype, ua.BrowseDirection.Inverse
        )
        data_type = above.nodeid
    return data_type


async def states_of(client: Client, data_type: ua.NodeId) -> dict[int, str]:
    """The members of an enumeration."""
    node = client.get_node(data_type)
    definition = (await node.read_attribute(AttributeIds.DataTypeDefinition)).Value
    assert definition is not None
    return {field.Value: field.Name.lower() for field in definition.Value.Fields}


@pytest.mark.parametrize("name", [name for name, one in OPCUA.items() if one.event])
async def test_every_member_of_an_event_is_of_the_columns_type(client: Client, name: str) -> None:
    event = OPCUA[name].event
    assert event is not None
    namespaces = await read_namespaces(client)
    indices = number_prefixes(OPCUA[name].namespaces, event.prefixes, namespaces)
    prefix, type_name = event.step
    wanted = ua.QualifiedName(type_name, indices[prefix])
    event_type, _ = await find_event_types(client, wanted, event.type, namespaces)
    paths = {one.steps for one in event.field}
    declared = await declared_types(client, event_type, paths, indices, namespaces)
    layouts = await read_layouts(client, set(declared.values()), namespaces)
    for one in event.field:
        for member in one.members:
            assert layouts.holds(declared[one.steps], member), member
            kind = last_of(layouts, declared[one.steps], member)
            assert kind in EVENT_TYPES.get(one.name, {ua.VariantType.Double}), (one.name, member)


def last_of(layouts: Layouts, data_type: ua.NodeId, path: tuple[str, ...]) -> ua.VariantType | None:
    """The built-in type at the end of a path of members."""
    member = None
    for name in path:
        member = next(one for one in layouts.members_of(data_type) if one.name == name)
        data_type = member.data_type
    return member.builtin if member else None


def test_every_opcua_profile_has_a_type() -> None:
    assert TYPES.keys() == OPCUA.keys()


@pytest.mark.parametrize("name", TYPES)
async def test_every_path_leads_to_a_scalar_of_the_profiles_type(client: Client, name: str) -> None:
    nodes = await nodes_of(client, name)
    for point in OPCUA[name].point:
        assert isinstance(point, OpcUaPoint)
        node = nodes[point.name]
        assert await node.read_node_class() is ua.NodeClass.Variable, point.name
        data_type = await node.read_data_type()
        base = await base_of(client, data_type)
        assert KINDS[base] == point.type, point.name
        assert await node.read_value_rank() is ua.ValueRank.Scalar, point.name
        assert (base == _ENUMERATION) == bool(point.states), point.name
        if point.states:
            states = await states_of(client, data_type)
            assert states.keys() == point.states.keys(), point.name
            # `stop` of the model is `stopped` here: a state, no order.
            assert all(point.states[n].startswith(text) for n, text in states.items()), point.name
