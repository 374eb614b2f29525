from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import BadUserAccessDenied, BadWriteNotSupported

from equipment.catalogue import load
from equipment.opcua_profile import OpcUaProfile
from hil_sim.machines.shearer import Shearer
from hil_sim.serve.opcua import OpcUaServer
from tests.support.ports import free_port

ROOT = "di:DeviceSet/app:Shearer1"
DI = "http://opcfoundation.org/UA/DI/"
MINING = "http://opcfoundation.org/UA/Mining/General/"
LOADER = "http://opcfoundation.org/UA/Mining/Extraction/ShearerLoader/"
APP = "urn:test:longwall"


@pytest.fixture
async def served() -> AsyncIterator[tuple[OpcUaServer, str]]:
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    profile = load("shearer_opc40560")
    assert isinstance(profile, OpcUaProfile)
    server = await OpcUaServer.prepare(url)
    await server.add("s1", profile, ROOT, {"app": APP})
    await server.add("s2", profile, "di:DeviceSet/app:Shearer2", {"app": APP})
    await server.start()
    yield server, url
    await server.close()


async def test_points_are_found_by_uri_and_browse_path_and_move(
    served: tuple[OpcUaServer, str],
) -> None:
    server, url = served
    shearer = Shearer("SIM-9", (3,))
    await server.write("s1", shearer.values())
    async with Client(url) as client:
        di, loader = await client.get_namespace_index(DI), await client.get_namespace_index(LOADER)
        app, mining = (
            await client.get_namespace_index(APP),
            await client.get_namespace_index(MINING),
        )
        machine = await client.nodes.objects.get_child([f"{di}:DeviceSet", f"{app}:Shearer1"])
        position = await machine.get_child([f"{di}:ParameterSet", f"{loader}:Position"])
        direction = await machine.get_child([f"{di}:ParameterSet", f"{loader}:DrivingDirection"])
        serial = await machine.get_child(
            [f"{mining}:MiningEquipmentIdentification", f"{di}:SerialNumber"]
        )
        first = await position.read_data_value()
        assert first.Value is not None
        assert first.Value.VariantType is ua.VariantType.Double
        assert first.Value.Value == shearer.values()["position"]
        for _ in range(100):
            shearer.advance(0.1)
        await server.write("s1", shearer.values())
        second = await position.read_data_value()
        assert second.Value is not None
        assert second.Value.Value == shearer.values()["position"] != first.Value.Value
        assert second.SourceTimestamp is not None
        assert first.SourceTimestamp is not None
        assert second.SourceTimestamp > first.SourceTimestamp
        names = {0: "stopped", 1: "left", 2: "right"}
        assert names[await direction.read_value()] == shearer.values()["driving_direction"]
        assert await serial.read_value() == "SIM-9"
        with pytest.raises((BadUserAccessDenied, BadWriteNotSupported)):
            await position.write_value(5.0)


async def test_the_second_machine_has_nodes_of_its_own(served: tuple[OpcUaServer, str]) -> None:
    server, url = served
    await server.write("s2", {"position": 7.5})
    async with Client(url) as client:
        di, app = [await client.get_namespace_index(uri) for uri in (DI, APP)]
        loader = await client.get_namespace_index(LOADER)
        places = []
        for name in ("Shearer1", "Shearer2"):
            path = [f"{di}:DeviceSet", f"{app}:{name}", f"{di}:ParameterSet", f"{loader}:Position"]
            node = await client.nodes.objects.get_child(path)
            places.append(await node.read_value())
    assert places == [0.0, 7.5]


async def test_a_variable_below_another_is_found(served: tuple[OpcUaServer, str]) -> None:
    _, url = served
    server = await OpcUaServer.prepare(url.replace("127.0.0.1", "localhost"))
    profile = load("afc_opc40560")
    assert isinstance(profile, OpcUaProfile)
    await server.add("afc", profile, ROOT, {"app": APP})
    (below,) = (point for point in profile.point if point.name == "normal_running_direction")
    assert len(below.steps) == 3
    await server.write("afc", {"normal_running_direction": "right", "afc_state": "running"})
    for name, number in (("normal_running_direction", 1), ("afc_state", 2)):
        _, node = server._machines["afc"].variables[name]
        assert await node.read_value() == number
    await server.close()
