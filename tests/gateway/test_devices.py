"""The devices of a configuration: those on one line share it."""

import asyncio
import shutil
import struct
from pathlib import Path

import pytest

from gateway.config.bundle import load
from gateway.device_health import HealthBook
from gateway.devices import DeviceSet
from gateway.inbox import Inbox
from positioning.observation import IdTable
from tests.protocols.modbus_peer import answer, stream_server
from tests.protocols.rtu_peer import rtu_answer
from tests.support.waiting import until

GOOD = Path(__file__).parents[1] / "cases" / "config" / "good"


@pytest.mark.parametrize(
    ("keys", "connections"),
    [('transport = "rtu_over_tcp"', 1), ("share = true", 1), ("share = false", 3)],
)
async def test_devices_at_one_converter_share_a_connection(
    tmp_path: Path, keys: str, connections: int
) -> None:
    made = 0
    units: set[int] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal made
        made += 1
        while request := await reader.read(1024):
            head = 0 if "rtu" in keys else 6
            unit, function, _, count = struct.unpack(">BBHH", request[head : head + 6])
            units.add(unit)
            data = bytes((count + 7) // 8 if function < 3 else 2 * count)
            writer.write(answer(request, data) if head else rtu_answer(request, data))

    mine = shutil.copytree(GOOD, tmp_path / "mine")
    async with stream_server(serve) as port:
        (mine / "devices.toml").write_text(
            "\n".join(
                f'[[device]]\nid = "pump_{unit}"\nprofile = "pump"\nhost = "127.0.0.1"\n'
                f"port = {port}\nunit = {unit}\n{keys}"
                for unit in (1, 2, 3)
            )
        )
        devices = DeviceSet(Inbox(), IdTable(), HealthBook(), lambda: 1_700_000_000_000_000_000)
        devices.use(load(mine))
        await until(lambda: units == {1, 2, 3}, "all units")
        # The same again changes nothing.
        devices.use(load(mine))
        await devices.end()
    assert made == connections
