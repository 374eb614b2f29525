"""Faults of machines over OPC UA, seen by asyncua's client and by raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua.client.client import Client
from asyncua.common.node import Node
from asyncua.common.subscription import Subscription
from asyncua.ua.uaerrors import UaError

from hil_sim.faults.kinds import FaultKind
from hil_sim.folder import MineFolder, read_folder
from tests.hil_sim.fault_rig import FaultRig, rig_of
from tests.support.waiting import LONG_S, until

DEVICE, OTHER = "shearer_3103", "shearer_9"
DI = "http://opcfoundation.org/UA/DI/"
LOADER = "http://opcfoundation.org/UA/Mining/Extraction/ShearerLoader/"


@pytest.fixture
def two(sample_folder: Path) -> MineFolder:
    """The sample mine with a second machine on the OPC UA server."""
    first = read_folder(sample_folder).opcua[0]
    with (sample_folder / "devices.toml").open("a") as file:
        file.write(
            f'\n[[device]]\nid = "{OTHER}"\nprofile = "{first.profile.id}"\nurl = "{first.url}"\n'
            f'root = "{first.root}9"\n'
        )
        uris = ", ".join(f'{name} = "{uri}"' for name, uri in first.namespaces.items())
        file.write(f"namespaces = {{ {uris} }}\n")
    return read_folder(sample_folder)


@pytest.fixture
async def rig(two: MineFolder) -> AsyncIterator[FaultRig]:
    async with rig_of(two) as made:
        await made.show(DEVICE, position=40.0)
        await made.show(OTHER, position=90.0)
        yield made


@contextlib.asynccontextmanager
async def client_of(folder: MineFolder) -> AsyncIterator[Client]:
    async with Client(folder.opcua[0].url, timeout=LONG_S) as client:
        yield client


async def position(client: Client, folder: MineFolder, device: str = DEVICE) -> Node:
    """The node of a machine's position, by namespace URIs and browse names."""
    machine = next(one for one in folder.opcua if one.id == device)
    di, loader = [await client.get_namespace_index(uri) for uri in (DI, LOADER)]
    path = []
    for step in machine.root.split("/"):
        prefix, _, name = step.rpartition(":")
        uri = (machine.profile.namespaces | machine.namespaces)[prefix]
        path.append(f"{await client.get_namespace_index(uri)}:{name}")
    path += [f"{di}:ParameterSet", f"{loader}:Position"]
    return await client.nodes.objects.get_child(path)


async def test_values_are_frozen_drift_and_are_bad(two: MineFolder, rig: FaultRig) -> None:
    async with client_of(two) as client:
        node, other = await position(client, two), await position(client, two, OTHER)
        fault = await rig.begin(DEVICE, FaultKind.FROZEN, point="position")
        await rig.show(DEVICE, position=50.0)
        assert await node.read_value() == 40.0
        await rig.end(fault)
        assert await node.read_value() == 50.0
        fault = await rig.begin(DEVICE, FaultKind.DRIFT, point="position", per_s=-1.5)
        await rig.show(DEVICE, 10.0)
        assert await node.read_value() == 35.0
        await rig.end(fault)
        fault = await rig.begin(DEVICE, FaultKind.EXCEPTION, status="BadSensorFailure")
        bad = await node.read_data_value(raise_on_bad_status=False)
        assert bad.StatusCode is not None
        assert bad.StatusCode.name == "BadSensorFailure"
        assert await other.read_value() == 90.0
        await rig.end(fault)
        assert await node.read_value() == 50.0


async def test_a_dead_server_refuses_until_it_is_back(two: MineFolder, rig: FaultRig) -> None:
    url = two.opcua[0].url
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fault = await rig.begin(DEVICE, FaultKind.DEAD)
    assert fault.devices == (DEVICE, OTHER)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await rig.end(fault)
    async with client_of(two) as client:
        assert await (await position(client, two)).read_value() == 40.0
    writer.close()


async def test_a_silent_server_accepts_and_says_nothing(two: MineFolder, rig: FaultRig) -> None:
    async with client_of(two) as client:
        node = await position(client, two)
        fault = await rig.begin(OTHER, FaultKind.SILENT)
        port = int(two.opcua[0].url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        asked = asyncio.create_task(node.read_value())
        done, _ = await asyncio.wait({asked}, timeout=0.5)
        assert not done
        await rig.end(fault)
        with pytest.raises((ConnectionError, UaError, asyncio.CancelledError)):
            await asked
        writer.close()
        with contextlib.suppress(Exception):  # it was broken off, whatever the client calls that
            await client.disconnect()
    async with client_of(two) as client:
        assert await (await position(client, two)).read_value() == 40.0


async def test_a_slow_server_answers_late(two: MineFolder, rig: FaultRig) -> None:
    async with client_of(two) as client:
        node = await position(client, two)
        fault = await rig.begin(DEVICE, FaultKind.SLOW, delay_s=0.4)
        begun_s = asyncio.get_running_loop().time()
        assert await node.read_value() == 40.0
        assert asyncio.get_running_loop().time() - begun_s >= 0.4
        await rig.end(fault)
        assert await node.read_value() == 40.0


async def test_namespaces_have_other_numbers_after_a_restart(
    two: MineFolder, rig: FaultRig
) -> None:
    async with client_of(two) as client:
        before = await client.get_namespace_array()
        old = await position(client, two)
    fault = await rig.begin(DEVICE, FaultKind.NAMESPACE_SHIFT)
    async with client_of(two) as client:
        shifted = await client.get_namespace_array()
        new = await position(client, two)
        assert await new.read_value() == 40.0
        assert await (await position(client, two, OTHER)).read_value() == 90.0
        with pytest.raises(UaError):
            await client.get_node(old.nodeid).read_value()
        await rig.show(DEVICE, position=60.0)
        assert await new.read_value() == 60.0
    assert set(shifted) - set(before) == {"urn:lamproom:simulator:shifted"}
    assert {shifted.index(uri) - before.index(uri) for uri in before[2:]} == {1}
    await rig.end(fault)
    async with client_of(two) as client:
        assert await client.get_namespace_array() == before
        assert await (await position(client, two)).read_value() == 60.0


class Changes:
    """What a subscription hears."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def datachange_notification(self, node: Node, val: Any, data: Any) -> None:
        del node, data
        self.values.append(val)


async def test_late_nodes_come_without_another_restart(two: MineFolder, rig: FaultRig) -> None:
    fault = await rig.begin(DEVICE, FaultKind.LATE_NODES)
    async with client_of(two) as client:
        with pytest.raises(UaError):
            await position(client, two)
        heard = Changes()
        subscription: Subscription = await client.create_subscription(50, heard)
        await subscription.subscribe_data_change(await position(client, two, OTHER))
        await rig.show(DEVICE, position=77.0)
        await rig.end(fault)
        assert await (await position(client, two)).read_value() == 77.0
        await rig.show(OTHER, position=95.0)
        await until(lambda: heard.values[-1:] == [95.0], "the subscription goes on")


async def test_who_watches_a_node_is_broken_off_before_it_goes(
    two: MineFolder, rig: FaultRig
) -> None:
    """A warning of the library, that it does not tell them, would fail this test."""
    client = Client(two.opcua[0].url, timeout=LONG_S)
    await client.connect()
    lost = asyncio.Event()

    async def note(_error: Exception) -> None:
        lost.set()

    client.connection_lost_callback = note
    heard = Changes()
    subscription: Subscription = await client.create_subscription(50, heard)
    await subscription.subscribe_data_change(await position(client, two))
    await until(lambda: heard.values == [40.0], "it watches")
    fault = await rig.begin(DEVICE, FaultKind.NAMESPACE_SHIFT)
    await until(lost.is_set, "it is broken off")
    gc.collect()
    await rig.end(fault)
    with contextlib.suppress(Exception):  # it was broken off, whatever the client calls that
        await client.disconnect()


async def test_all_at_once_leaves_nothing_behind(two: MineFolder, rig: FaultRig) -> None:
    kinds = (FaultKind.DEAD, FaultKind.NAMESPACE_SHIFT, FaultKind.LATE_NODES, FaultKind.SILENT)
    faults = [await rig.begin(DEVICE, kind) for kind in kinds]
    for fault in faults:
        await rig.end(fault)
    async with client_of(two) as client:
        assert await (await position(client, two)).read_value() == 40.0
        assert await (await position(client, two, OTHER)).read_value() == 90.0
