"""The simulator's serial frames over TCP, read by another make's client."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient

from equipment.modbus_profile import Table
from hil_sim.folder import SimulationError, read_folder
from hil_sim.machines import make_machine
from hil_sim.registers import Registers
from hil_sim.serve.modbus import ModbusServer
from hil_sim.serve.rtu import RtuConnection
from hil_sim.serve.servers import Servers
from tests.support.crc import crc16_bit_by_bit
from tests.support.ports import free_port


@contextlib.asynccontextmanager
async def client_of(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=FramerType.RTU)
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
    server = await ModbusServer.start("127.0.0.1", port, {7: registers}, RtuConnection)
    yield registers, port
    await server.close()


def framed(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc16_bit_by_bit(body).to_bytes(2, "little")


async def exchange(port: int, *pieces: bytes) -> bytes:
    """What comes for `pieces`, then for a right request, which ends the exchange."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.15)  # the silence between frames
            writer.write(framed("07 03 00 0a 00 01"))
            data = b""
            while not data.endswith(framed("07 03 02 00 05")):
                data += await reader.readexactly(1)
        return data.removesuffix(framed("07 03 02 00 05"))
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_all_tables_are_read_on_a_serial_line(served: tuple[Registers, int]) -> None:
    registers, port = served
    registers.write(Table.HOLDING, 11, struct.pack(">HH", 0x1234, 0xFFFF))
    registers.write(Table.INPUT, 209, struct.pack(">H", 99))
    registers.write_bit(Table.COIL, 19, 0, value=True)
    registers.write_bit(Table.DISCRETE, 11, 0, value=True)
    async with client_of(port) as client:
        holding = await client.read_holding_registers(10, count=3, device_id=7)
        assert holding.registers == [0, 0x1234, 0xFFFF]
        assert (await client.read_input_registers(209, device_id=7)).registers == [99]
        coils = await client.read_coils(10, count=11, device_id=7)
        assert [i for i, bit in enumerate(coils.bits[:11]) if bit] == [9]
        assert (await client.read_discrete_inputs(11, device_id=7)).bits[0]
        assert (await client.read_holding_registers(9, device_id=7)).exception_code == 2
        assert (await client.write_register(11, 5, device_id=7)).exception_code == 1
        assert (await client.write_registers(11, [5, 6], device_id=7)).exception_code == 1


@pytest.mark.parametrize(
    ("piece", "answer"),
    [
        (framed("08 03 00 0a 00 01"), b""),  # nobody has this number
        (bytes.fromhex("07 03 00 0a 00 01 00 00"), b""),  # a wrong checksum
        (bytes.fromhex("07 03 00"), b""),  # a piece that is never completed
        (b"\xff", b""),
        (framed("07 2b 0e 01 00"), framed("07 ab 01")),
        (framed("07 03 00 0a 00 7e"), framed("07 83 03")),
    ],
)
async def test_what_is_no_request_is_not_answered_and_the_next_one_is(
    served: tuple[Registers, int], piece: bytes, answer: bytes
) -> None:
    registers, port = served
    registers.write(Table.HOLDING, 10, struct.pack(">H", 5))
    assert await exchange(port, piece) == answer


async def test_a_request_in_pieces_is_put_together(served: tuple[Registers, int]) -> None:
    registers, port = served
    registers.write(Table.HOLDING, 10, struct.pack(">H", 5))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for byte in framed("07 03 00 0a 00 01"):
        writer.write(bytes([byte]))
        await writer.drain()
    async with asyncio.timeout(20):
        assert await reader.readexactly(7) == framed("07 03 02 00 05")
    writer.close()
    await writer.wait_closed()


def changed(folder: Path, old: str, new: str) -> None:
    file = folder / "devices.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


async def test_a_folder_with_serial_frames_is_served(sample_folder: Path) -> None:
    changed(
        sample_folder,
        'id = "roadheader_3105"',
        'id = "roadheader_3105"\ntransport = "rtu_over_tcp"',
    )
    folder = read_folder(sample_folder)
    device = next(one for one in folder.modbus if one.id == "roadheader_3105")
    assert [one.id for one in folder.modbus if one.rtu] == ["roadheader_3105"]
    values = {d.id: make_machine(d.profile, "S", (1,)).values() for d in folder.machines}
    servers = Servers(folder, {d.id: Registers() for d in folder.modbus if d.id not in values})
    await servers.start(values)
    try:
        point = next(one for one in device.profile.point if one.table is Table.HOLDING)
        async with client_of(device.port) as client:
            answer = await client.read_holding_registers(
                point.address, count=point.width, device_id=device.unit
            )
            assert len(answer.registers) == point.width
    finally:
        await servers.close()


def test_a_serial_line_is_not_simulated_and_that_is_said(sample_folder: Path) -> None:
    changed(sample_folder, 'id = "roadheader_3105"', 'id = "roadheader_3105"\ntransport = "rtu"')
    with pytest.raises(SimulationError, match="is on a serial line, which the simulator does not"):
        read_folder(sample_folder)


def test_two_transports_at_one_port_are_not_simulated(sample_folder: Path) -> None:
    folder = read_folder(sample_folder)
    first, second = folder.modbus[:2]
    changed(sample_folder, f"port = {second.port}", f"port = {first.port}")
    changed(sample_folder, f'id = "{second.id}"', f'id = "{second.id}"\ntransport = "rtu_over_tcp"')
    with pytest.raises(SimulationError, match="with another transport each: give both the same"):
        read_folder(sample_folder)
