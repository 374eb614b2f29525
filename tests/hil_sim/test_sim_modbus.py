from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Literal

import pytest
from pymodbus.client import AsyncModbusTcpClient

from equipment.modbus_profile import ModbusProfile, RegisterType, Table
from hil_sim.folder import MineFolder, SimulationError
from hil_sim.machines import make_machine
from hil_sim.registers import Registers
from hil_sim.serve.modbus import ModbusServer
from hil_sim.serve.servers import Servers
from hil_sim.stations import Stations
from tests.support.ports import free_port


@contextlib.asynccontextmanager
async def client_of(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
async def served() -> AsyncIterator[tuple[Registers, int]]:
    registers, port = Registers(), free_port()
    for table in Table:
        registers.claim(table, 10, 200)
    server = await ModbusServer.start("127.0.0.1", port, {7: registers})
    yield registers, port
    await server.close()


async def test_all_four_tables_are_read(served: tuple[Registers, int]) -> None:
    registers, port = served
    registers.write(Table.HOLDING, 11, struct.pack(">HH", 0x1234, 0xFFFF))
    registers.write(Table.INPUT, 209, struct.pack(">H", 99))
    for address in (10, 12, 19, 20):
        registers.write_bit(Table.COIL, address, 0, value=True)
    registers.write_bit(Table.DISCRETE, 11, 0, value=True)
    async with client_of(port) as client:
        holding = await client.read_holding_registers(10, count=3, device_id=7)
        assert holding.registers == [0, 0x1234, 0xFFFF]
        assert (await client.read_input_registers(209, device_id=7)).registers == [99]
        coils = await client.read_coils(10, count=11, device_id=7)
        assert [i for i, bit in enumerate(coils.bits[:11]) if bit] == [0, 2, 9, 10]
        assert (await client.read_discrete_inputs(11, device_id=7)).bits[0]


async def test_what_can_not_be_read_has_its_exception(served: tuple[Registers, int]) -> None:
    _, port = served
    async with client_of(port) as client:
        for address, count in ((9, 1), (209, 2), (300, 5)):
            answer = await client.read_holding_registers(address, count=count, device_id=7)
            assert answer.exception_code == 2
        assert (await client.write_register(11, 5, device_id=7)).exception_code == 1
        assert (await client.read_coils(10, device_id=1)).exception_code == 0x0B


async def exchange(port: int, request: bytes, length: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(5):
            return await reader.readexactly(length)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_burst_is_answered_in_order_and_in_pieces_too(
    served: tuple[Registers, int],
) -> None:
    registers, port = served
    registers.write(Table.INPUT, 10, struct.pack(">200H", *range(200)))
    requests = b"".join(
        struct.pack(">HHHBBHH", 1000 + i, 0, 6, 7, 4, 10 + i, 1) for i in range(150)
    )
    expected = b"".join(struct.pack(">HHHBBBH", 1000 + i, 0, 5, 7, 4, 2, i) for i in range(150))
    assert await exchange(port, requests, len(expected)) == expected
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for byte in requests[:36]:
        writer.write(bytes((byte,)))
        await writer.drain()
    assert await reader.readexactly(33) == expected[:33]
    writer.close()


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        ("040010007e", "8403"),  # one register too many
        ("0400100000", "8403"),
        ("0400", "8403"),
        ("0100100801", "8103"),
        ("2b0e0100", "ab01"),
    ],
)
async def test_wrong_requests_are_refused(
    served: tuple[Registers, int], pdu: str, answer: str
) -> None:
    body = bytes.fromhex(pdu)
    head = struct.pack(">HHHB", 5, 0, len(body) + 1, 7)
    expected = struct.pack(">HHHB", 5, 0, 3, 7) + bytes.fromhex(answer)
    assert await exchange(served[1], head + body, len(expected)) == expected


@pytest.mark.parametrize("garbage", ["00010001000607", "000100000001070304", "00010000ffff0703"])
async def test_what_is_no_modbus_ends_the_connection(
    served: tuple[Registers, int], garbage: str
) -> None:
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await exchange(served[1], bytes.fromhex(garbage) + b"\0" * 8, 1)


async def test_machines_show_what_the_world_says(sample: MineFolder) -> None:
    machines = {
        d.id: make_machine(d.profile, f"SIM-{n}", (1, n)) for n, d in enumerate(sample.machines)
    }
    for machine in machines.values():
        for _ in range(300):
            machine.advance(0.1)
    values = {device: machine.values() for device, machine in machines.items()}
    stations = Stations(sample, (), 1, 10**18)
    servers = Servers(sample, {name: s.registers for name, s in stations.by_device.items()})
    await servers.start(values)
    try:
        for device in sample.modbus:
            if device.id in values:
                assert len(device.profile.point) >= 5
                async with client_of(device.port) as client:
                    for name, value in (await read_all(client, device.profile)).items():
                        assert value == values[device.id][name], (device.id, name)
    finally:
        await servers.close()


class Near(float):
    """A number that equals those within half a step of its register."""

    __hash__ = float.__hash__
    half_step: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and abs(self - other) <= self.half_step


async def read_all(
    client: AsyncModbusTcpClient, profile: ModbusProfile
) -> dict[str, str | bool | Near]:
    """Every point, read by itself and decoded with pymodbus's own tools."""
    reads = {
        Table.HOLDING: client.read_holding_registers,
        Table.INPUT: client.read_input_registers,
        Table.COIL: client.read_coils,
        Table.DISCRETE: client.read_discrete_inputs,
    }
    found: dict[str, str | bool | Near] = {}
    for point in profile.point:
        answer = await reads[point.table](point.address, count=point.width)
        assert not answer.isError(), point.name
        if point.table in (Table.COIL, Table.DISCRETE):
            found[point.name] = answer.bits[0]
        elif point.type is RegisterType.BOOL:
            found[point.name] = bool(answer.registers[0] >> point.bit & 1)
        elif point.type is RegisterType.TEXT:
            raw = b"".join(register.to_bytes(2, "big") for register in answer.registers)
            found[point.name] = raw.rstrip(b"\0").decode()
        else:
            kind = client.DATATYPE[point.type.value.upper()]
            order: Literal["big", "little"] = "big" if point.word_order == "big" else "little"
            number = client.convert_from_registers(answer.registers, kind, word_order=order)
            assert isinstance(number, int | float)
            if point.states:
                found[point.name] = point.states[int(number)]
            else:
                near = Near(number * point.scale + point.offset)
                near.half_step = 1e-5 * abs(near) if "float" in point.type else 0.51 * point.scale
                found[point.name] = near
    return found


async def test_a_port_in_use_is_told_with_the_device_and_nothing_is_left_listening(
    sample: MineFolder,
) -> None:
    values = {d.id: make_machine(d.profile, "S", (1,)).values() for d in sample.machines}
    taken = next(device for device in sample.modbus if device.id == "roadheader_3105")
    with socket.socket() as other:
        other.bind(("127.0.0.1", taken.port))
        other.listen()
        servers = Servers(sample, {})
        with pytest.raises(SimulationError) as raised:
            await servers.start(values | {d.id: {} for d in sample.modbus if d.id not in values})
    assert f"device 'roadheader_3105': 127.0.0.1:{taken.port} is in use" in str(raised.value)
    for device in sample.modbus:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", device.port)
