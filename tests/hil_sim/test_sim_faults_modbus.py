"""Faults of Modbus devices on the wire, seen by raw sockets and by pymodbus."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

import pytest
from pymodbus.client import AsyncModbusTcpClient

from equipment.modbus_profile import Table
from hil_sim.faults.book import Active, Faults
from hil_sim.faults.kinds import FaultKind, made
from hil_sim.folder import MineFolder
from hil_sim.registers import Registers
from hil_sim.serve.modbus import ModbusServer
from hil_sim.serve.rtu import RtuConnection
from tests.hil_sim.fault_rig import T_NS, rig_of
from tests.support.crc import crc16_bit_by_bit
from tests.support.ports import free_port
from tests.support.waiting import LONG_S, until

PDU = bytes.fromhex("03000a0002")
RIGHT = bytes.fromhex("030412345678")


class Unit:
    """Unit 7 and its well neighbour 8, in the frames of TCP or of a serial line."""

    def __init__(self, port: int, *, rtu: bool) -> None:
        self.port, self.rtu = port, rtu
        self.faults: dict[FaultKind, Active] = {}

    def fail(self, kind: str, **details: Any) -> None:
        fault = made(device="pump", kind=FaultKind(kind), **details)
        self.faults = {fault.kind: Active(1, fault, ("pump",), 0.0, 9.0, T_NS)}

    def framed(self, unit: int, pdu: bytes, transaction: int = 0x0500) -> bytes:
        if self.rtu:
            body = bytes([unit]) + pdu
            return body + crc16_bit_by_bit(body).to_bytes(2, "little")
        return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu

    async def ask(self, unit: int = 7) -> bytes:
        """What comes for a request until the neighbour's answer, which is always right."""
        last = self.framed(8, RIGHT)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(LONG_S):
                writer.write(self.framed(unit, PDU))
                await writer.drain()
                await asyncio.sleep(0.15)  # the silence between frames
                writer.write(self.framed(8, PDU))
                data = b""
                while not data.endswith(last):
                    data += await reader.readexactly(1)
            return data.removesuffix(last)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class Live(dict[int, Faults]):
    """The faults of unit 7, always those of now."""

    def __init__(self, unit: Unit) -> None:
        super().__init__({7: {}})
        self._unit = unit

    def get(self, key: int, default: Any = None) -> Any:
        return self._unit.faults if key == 7 else default


@pytest.fixture(params=[False, True], ids=["tcp", "rtu"])
async def unit(request: pytest.FixtureRequest) -> AsyncIterator[Unit]:
    made_unit = Unit(free_port(), rtu=request.param)
    registers = Registers()
    registers.claim(Table.HOLDING, 10, 20)
    registers.write(Table.HOLDING, 10, bytes.fromhex("12345678"))
    both = {7: registers, 8: registers}
    connection = RtuConnection if made_unit.rtu else None
    live = Live(made_unit)
    server = await ModbusServer.start("127.0.0.1", made_unit.port, both, connection, live)
    yield made_unit
    await server.close()


async def test_a_unit_that_is_well_answers(unit: Unit) -> None:
    assert await unit.ask() == unit.framed(7, RIGHT)


async def test_a_silent_unit_says_nothing_while_its_neighbour_answers(unit: Unit) -> None:
    unit.fail("silent")
    assert await unit.ask() == b""


async def test_an_exception_is_the_one_that_was_asked_for(unit: Unit) -> None:
    unit.fail("exception")
    assert await unit.ask() == unit.framed(7, bytes.fromhex("8304"))
    unit.fail("exception", code=6)
    assert await unit.ask() == unit.framed(7, bytes.fromhex("8306"))


async def test_a_short_answer_lacks_the_last_register(unit: Unit) -> None:
    unit.fail("short_answer")
    assert await unit.ask() == unit.framed(7, bytes.fromhex("03021234"))


async def test_garbage_is_as_long_as_the_answer_and_is_none(unit: Unit) -> None:
    unit.fail("garbage")
    right = unit.framed(7, RIGHT)
    got = await unit.ask()
    assert len(got) == len(right)
    assert got != right


async def test_a_wrong_unit_answers(unit: Unit) -> None:
    unit.fail("wrong_id", id="unit")
    assert await unit.ask() == unit.framed(6, RIGHT)


async def test_without_more_words_the_wrong_id_is_that_of_the_wire(unit: Unit) -> None:
    unit.fail("wrong_id")
    wrong = unit.framed(6, RIGHT) if unit.rtu else unit.framed(7, RIGHT, 0x0501)
    assert await unit.ask() == wrong


async def test_slow_answers_come_late_and_in_order(unit: Unit) -> None:
    unit.fail("slow", delay_s=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", unit.port)
    loop = asyncio.get_running_loop()
    asked_s = loop.time()
    writer.write(unit.framed(7, PDU))
    right = unit.framed(7, RIGHT)
    async with asyncio.timeout(LONG_S):
        assert await reader.readexactly(len(right)) == right
    assert loop.time() - asked_s >= 0.3
    writer.close()
    await writer.wait_closed()


async def can_connect(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return True


async def test_a_dead_device_refuses_and_breaks_off_until_it_is_back(sample: MineFolder) -> None:
    device = next(one for one in sample.modbus if one.id == "roadheader_3105")
    async with rig_of(sample) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", device.port)
        fault = await rig.begin(device.id, FaultKind.DEAD)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert not await can_connect(device.port)
        assert await can_connect(sample.modbus[0].port)
        await rig.end(fault)
        assert await can_connect(device.port)
        writer.close()


async def read(client: AsyncModbusTcpClient, folder: MineFolder, device: str, name: str) -> float:
    profile = next(one for one in folder.modbus if one.id == device).profile
    point = next(one for one in profile.point if one.name == name)
    reads: Mapping[Table, Any] = {
        Table.HOLDING: client.read_holding_registers,
        Table.INPUT: client.read_input_registers,
    }
    answer = await reads[point.table](point.address, count=point.width)
    kind = client.DATATYPE[point.type.value.upper()]
    order: Literal["big", "little"] = "big" if point.word_order == "big" else "little"
    number = client.convert_from_registers(answer.registers, kind, word_order=order)
    assert isinstance(number, int | float)
    return number * point.scale + point.offset


async def test_values_are_frozen_drift_and_have_their_words_turned(sample: MineFolder) -> None:
    device = next(one for one in sample.modbus if one.id == "shearer_3101")
    wide = next(
        one for one in device.profile.point if one.width == 2 and one.name in WIDE_NUMBERS
    ).name
    async with rig_of(sample) as rig:
        client = AsyncModbusTcpClient("127.0.0.1", port=device.port)
        assert await client.connect()
        await rig.show(device.id, **{wide: 20.0})
        assert await read(client, sample, device.id, wide) == pytest.approx(20.0, abs=0.1)
        fault = await rig.begin(device.id, FaultKind.FROZEN)
        await rig.show(device.id, **{wide: 30.0})
        assert await read(client, sample, device.id, wide) == pytest.approx(20.0, abs=0.1)
        await rig.end(fault)
        assert await read(client, sample, device.id, wide) == pytest.approx(30.0, abs=0.1)
        fault = await rig.begin(device.id, FaultKind.DRIFT, point=wide, per_s=2.0)
        await rig.show(device.id, 10.0)
        assert await read(client, sample, device.id, wide) == pytest.approx(50.0, abs=0.1)
        await rig.end(fault)
        fault = await rig.begin(device.id, FaultKind.WORD_ORDER)
        assert await read(client, sample, device.id, wide) != pytest.approx(30.0, abs=0.1)
        await rig.end(fault)
        assert await read(client, sample, device.id, wide) == pytest.approx(30.0, abs=0.1)
        client.close()


WIDE_NUMBERS = ("position", "running_time", "energy")


async def test_a_value_that_drifts_out_of_its_register_stays_at_the_end(
    sample: MineFolder,
) -> None:
    device = next(one for one in sample.modbus if one.id == "roadheader_3105")
    point = next(one for one in device.profile.point if one.type == "int16")
    async with rig_of(sample) as rig:
        client = AsyncModbusTcpClient("127.0.0.1", port=device.port)
        assert await client.connect()
        await rig.begin(device.id, FaultKind.DRIFT, point=point.name, per_s=1e6)
        await rig.show(device.id, 1e6)
        most = 32767 * point.scale + point.offset
        assert await read(client, sample, device.id, point.name) == pytest.approx(most)
        client.close()


@pytest.mark.parametrize("by_s", [-600.0, 4000.0])
async def test_the_clock_of_a_reader_jumps_with_its_records(
    sample: MineFolder, by_s: float
) -> None:
    reader = next(one for one in sample.modbus if one.id.startswith("uwb"))
    async with rig_of(sample) as rig:
        await rig.begin(reader.id, FaultKind.CLOCK_JUMP, by_s=by_s)
        client = AsyncModbusTcpClient("127.0.0.1", port=reader.port)
        assert await client.connect()
        rig.stations.by_device[reader.id].add(
            {"t_us": [T_NS // 1000 - 5], "card": ["1"], "anchor": ["A1"], "range_m": [3.0]}, T_NS
        )
        header = await client.read_input_registers(0, count=8)
        record = await client.read_input_registers(16, count=6)
        rig.stations.add([], T_NS + 10**9)
        later = await client.read_input_registers(0, count=8)
        client.close()
    expected_us = T_NS // 1000 + round(by_s * 1e6)
    assert whole(header.registers[4:]) == expected_us
    assert whole(record.registers[2:]) == expected_us - 5
    assert whole(later.registers[4:]) == expected_us + 1_000_000


def whole(words: Sequence[int]) -> int:
    return int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big")


async def test_a_client_that_asks_on_and_on_of_a_slow_unit_is_cut_off(unit: Unit) -> None:
    if unit.rtu:
        pytest.skip("on a serial line one thing is asked at a time")
    unit.fail("slow", delay_s=500.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", unit.port)
    writer.write(unit.framed(7, PDU) * 2000)
    await until(reader.at_eof, "it is cut off")
    writer.close()
