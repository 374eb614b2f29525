from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest

from equipment.catalogue import load
from equipment.modbus_profile import (
    ModbusProfile,
    RecordField,
    RegisterType,
    Ring,
    Table,
    WordOrder,
)
from hil_sim.registers import Registers
from hil_sim.ring import RingWriter, crc16
from tests.support.crc import crc16_bit_by_bit

CAPACITY = 10


def small_ring() -> Ring:
    fields = [
        RecordField(name="sequence", type=RegisterType.UINT32),
        RecordField(name="t_us", type=RegisterType.UINT64),
        RecordField(name="card", type=RegisterType.TEXT, length=5),
        RecordField(
            name="range_m", type=RegisterType.UINT32, scale=0.0001, word_order=WordOrder.LITTLE
        ),
        RecordField(name="rssi_dbm", type=RegisterType.INT16, scale=0.01, none=-32768),
        RecordField(name="flags", type=RegisterType.UINT16),
        RecordField(name="crc", type=RegisterType.UINT16),
    ]
    return Ring(header_address=4, first_address=20, capacity=CAPACITY, field=tuple(fields))


def columns(first: int, count: int) -> dict[str, list[str] | list[float] | list[int]]:
    numbers = range(first, first + count)
    return {
        "t_us": [10**15 + n for n in numbers],
        "card": [f"card{n}" for n in numbers],
        "range_m": [n + 0.1234 for n in numbers],
        "rssi_dbm": [float("nan") if n % 2 else -80.25 for n in numbers],
    }


def test_the_crc_is_that_of_modbus() -> None:
    assert crc16(b"123456789") == 0x4B37
    data = bytes(np.random.default_rng(1).integers(0, 256, 300, np.uint8))
    assert crc16(data) == crc16_bit_by_bit(data)


def test_records_decode_with_a_few_independent_lines_also_after_the_ring_went_round() -> None:
    registers, ring = Registers(), small_ring()
    writer = RingWriter(registers, ring, boot_id=0xDEADBEEF)
    writer.append(columns(1, 7), 5)
    writer.append(columns(8, 6), 77)
    header = registers.read(Table.INPUT, 4, 8)
    assert header is not None
    assert struct.unpack(">IIQ", header) == (0xDEADBEEF, 13, 77)
    for number in range(4, 14):
        wire = registers.read(Table.INPUT, 20 + (number - 1) % CAPACITY * 16, 16)
        assert wire is not None
        sequence, t_us, card, low, high, rssi, flags, crc = struct.unpack(">IQ10sHHhHH", wire)
        assert sequence == number
        assert t_us == 10**15 + number
        assert card.rstrip(b"\0").decode() == f"card{number}"
        assert high << 16 | low == number * 10_000 + 1234
        assert rssi == (-32768 if number % 2 else -8025)
        assert flags == 0
        assert crc == crc16_bit_by_bit(wire[:-2])


def test_values_with_four_decimals_come_through_unchanged() -> None:
    profile = load("uwb_reader")
    assert isinstance(profile, ModbusProfile)
    assert profile.ring is not None
    registers = Registers()
    writer = RingWriter(registers, profile.ring, 1)
    tenths_mm = np.random.default_rng(2).integers(0, 4_000_000, 2000)
    ranges = [float(f"{n / 10_000:.4f}") for n in tenths_mm]
    nothing: dict[str, list[str] | list[int]] = {
        "card": [""] * 2000,
        "anchor": [""] * 2000,
        "t_us": [0] * 2000,
    }
    writer.append({"range_m": ranges, **nothing}, 0)
    for slot, expected in enumerate(tenths_mm):
        wire = registers.read(Table.INPUT, 16 + slot * 25 + 19, 2)
        assert wire is not None
        assert int.from_bytes(wire, "big") == expected


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ({"range_m": [-0.1]}, "'range_m'.*does not fit"),
        ({"range_m": [5e5]}, "'range_m'.*does not fit"),
        ({"range_m": [float("nan")]}, "'range_m' has no way to say 'no value'"),
        ({"card": ["12345678901"]}, "longer than the 10 letters"),
    ],
)
def test_what_does_not_fit_is_refused(column: dict[str, list[float]], problem: str) -> None:
    writer = RingWriter(Registers(), small_ring(), 1)
    with pytest.raises(ValueError, match=problem):
        writer.append(column, 0)


def read_slots(registers: Registers, first: int, count: int) -> None:
    assert registers.read(Table.INPUT, 20 + first * 16, count * 16) is not None


def test_it_knows_what_was_read() -> None:
    registers = Registers()
    writer = RingWriter(registers, small_ring(), 1)
    assert writer.room == CAPACITY
    writer.append(columns(1, 6), 0)
    assert (writer.room, writer.read_to) == (4, 0)
    assert not writer.was_read
    registers.read(Table.INPUT, 4, 8)
    assert writer.was_read
    assert writer.read_to == 0
    read_slots(registers, 0, 4)
    assert (writer.room, writer.read_to) == (8, 4)
    registers.read(Table.INPUT, 20 + 4 * 16, 15)  # not the whole record
    assert writer.read_to == 4
    read_slots(registers, 4, 5)  # beyond the head: only what is there counts
    assert (writer.room, writer.read_to) == (10, 6)
    writer.append(columns(7, 9), 0)  # 15 written: slots 0 to 4 hold 11 to 15
    read_slots(registers, 6, 4)
    assert writer.read_to == 10
    read_slots(registers, 6, 4)
    assert writer.read_to == 10
    read_slots(registers, 0, 5)
    assert (writer.room, writer.read_to) == (10, 15)


def test_a_reader_in_steps_is_known_to_have_read_all() -> None:
    rng = np.random.default_rng(4)
    registers = Registers()
    writer = RingWriter(registers, small_ring(), 1)
    wanted = 1
    for _ in itertools.repeat(None, 500):
        count = int(rng.integers(0, writer.room + 1))
        if count:
            writer.append(columns(writer.head + 1, count), 0)
        while wanted <= writer.head and rng.random() < 0.7:
            slot = (wanted - 1) % CAPACITY
            some = min(int(rng.integers(1, 8)), writer.head - wanted + 1, CAPACITY - slot)
            read_slots(registers, slot, some)
            wanted += some
        assert writer.read_to == wanted - 1
    assert writer.head > 1000
