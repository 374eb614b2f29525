"""Faults of readers that send lines, seen by sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hil_sim.faults.book import Active
from hil_sim.faults.kinds import FaultKind, made
from hil_sim.folder import TextDevice
from hil_sim.ring import Column
from hil_sim.serve.text import TextServer
from hil_sim.stations import TextStation
from tests.hil_sim.fault_rig import T_NS
from tests.protocols.text_profiles import shipped
from tests.support.ports import free_port
from tests.support.waiting import LONG_S, until

LINES = [b"#ONE\r\n", b"#TWO\r\n"]


class Heard(asyncio.DatagramProtocol):
    """What comes in datagrams."""

    def __init__(self) -> None:
        self.data = b""

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        self.data += data


class Kit:
    """A kit that sends lines, and one who hears them."""

    def __init__(self, device: TextDevice) -> None:
        self.device = device
        self.faults: dict[FaultKind, Active] = {}
        self.heard = Heard()
        self.ended = False

    def fail(self, kind: str, **details: Any) -> None:
        fault = made(device="uwb_1", kind=FaultKind(kind), **details)
        self.faults[fault.kind] = Active(1, fault, ("uwb_1",), 0.0, 9.0, T_NS)

    async def read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(1 << 16):
            self.heard.data += data
        self.ended = True


@asynccontextmanager
async def kit_over(transport: str) -> AsyncIterator[tuple[Kit, TextServer]]:
    kit = Kit(TextDevice("uwb_1", shipped(), transport, "127.0.0.1", free_port()))
    if transport == "udp":
        loop, where = asyncio.get_running_loop(), ("127.0.0.1", kit.device.port)
        socket, _ = await loop.create_datagram_endpoint(lambda: kit.heard, local_addr=where)
        server = await TextServer.start(kit.device, kit.faults)
        yield kit, server
        socket.close()
    else:
        server = await TextServer.start(kit.device, kit.faults)
        reader, writer = await asyncio.open_connection("127.0.0.1", kit.device.port)
        await until(lambda: server.clients)
        task = asyncio.create_task(kit.read(reader))
        yield kit, server
        task.cancel()
        await asyncio.wait({task})
        writer.close()
    await server.close()


both = pytest.mark.parametrize("transport", ["tcp", "udp"])


@both
async def test_what_a_silent_kit_has_to_say_is_lost(transport: str) -> None:
    async with kit_over(transport) as (kit, server):
        kit.fail("silent")
        server.send(LINES[:1])
        kit.faults.clear()
        server.send(LINES[1:])
        await until(lambda: kit.heard.data)
        assert kit.heard.data == LINES[1]


@both
async def test_garbage_comes_instead_of_lines(transport: str) -> None:
    async with kit_over(transport) as (kit, server):
        kit.fail("garbage")
        server.send(LINES)
        await until(lambda: len(kit.heard.data) == len(b"".join(LINES)))
        assert not any(line in kit.heard.data for line in LINES)
        kit.faults.clear()
        server.send(LINES)
        await until(lambda: kit.heard.data.endswith(b"".join(LINES)))


@both
async def test_a_slow_kits_lines_come_late_and_in_order(transport: str) -> None:
    async with kit_over(transport) as (kit, server):
        kit.fail("slow", delay_s=0.3)
        begun_s = asyncio.get_running_loop().time()
        server.send(LINES[:1])
        kit.faults.clear()
        server.send(LINES[1:])
        await until(lambda: kit.heard.data == b"".join(LINES))
        assert asyncio.get_running_loop().time() - begun_s >= 0.3


async def test_a_dead_kit_breaks_off_and_refuses_until_it_is_back() -> None:
    async with kit_over("tcp") as (kit, server):
        kit.fail("dead")
        await server.follow()
        async with asyncio.timeout(LONG_S):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", kit.device.port)
        await until(lambda: server.clients == 0)
        kit.faults.clear()
        await server.follow()
        reader, writer = await asyncio.open_connection("127.0.0.1", kit.device.port)
        await until(lambda: server.clients == 1)
        server.send(LINES)
        assert await reader.readline() == LINES[0]
        writer.close()


def test_times_of_lines_go_with_the_kits_clock() -> None:
    device = TextDevice("uwb_1", shipped(), "tcp", "127.0.0.1", 1)
    kit = Kit(device)
    station = TextStation(device, kit.faults)
    columns: dict[str, Column] = {
        "t_us": [T_NS // 1000],
        "card": ["1"],
        "anchor": ["A1"],
        "range_m": [3.0],
        "rssi_dbm": [-80.0],
        "flags": [0],
    }
    station.add(columns, T_NS)
    kit.fail("clock_jump", by_s=-7.25)
    station.add(columns, T_NS)
    right, jumped = (int(line.split(b",")[2]) for line in station.take())
    assert right == T_NS // 1000
    assert jumped == right - 7_250_000
