"""Layouts decode as pymodbus and struct do, value by value."""

import math
import struct
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer.rtu import FramerRTU

from equipment.modbus_profile import (
    WIDTH,
    ModbusPoint,
    RecordField,
    RegisterType,
    Ring,
    WordOrder,
)
from equipment.strict import Words
from protocols.modbus.codec import BlockLayout, RecordLayout
from protocols.modbus.crc import Crc16
from protocols.modbus.plan import plan
from tests.protocols.modbus_peer import as_registers, machine

ORACLE = {
    RegisterType.INT16: ModbusClientMixin.DATATYPE.INT16,
    RegisterType.UINT16: ModbusClientMixin.DATATYPE.UINT16,
    RegisterType.INT32: ModbusClientMixin.DATATYPE.INT32,
    RegisterType.UINT32: ModbusClientMixin.DATATYPE.UINT32,
    RegisterType.INT64: ModbusClientMixin.DATATYPE.INT64,
    RegisterType.UINT64: ModbusClientMixin.DATATYPE.UINT64,
    RegisterType.FLOAT32: ModbusClientMixin.DATATYPE.FLOAT32,
    RegisterType.FLOAT64: ModbusClientMixin.DATATYPE.FLOAT64,
}
WORDS = st.integers(0, 65535)
ORDERS = st.sampled_from(list(WordOrder))
fields = st.lists(st.tuples(st.sampled_from(list(ORACLE)), ORDERS, st.integers(0, 5)), max_size=20)


def oracle(registers: list[int], kind: RegisterType, order: WordOrder) -> object:
    value = ModbusClientMixin.convert_from_registers(
        registers, ORACLE[kind], word_order="big" if order is WordOrder.BIG else "little"
    )
    assert isinstance(value, int | float)
    return value


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return one == other and type(one) is type(other)


@given(fields.filter(bool), st.data())
def test_points_decode_as_pymodbus_does(
    chosen: list[tuple[RegisterType, WordOrder, int]], data: st.DataObject
) -> None:
    points, address = [], 0
    for number, (kind, order, gap) in enumerate(chosen):
        points.append(
            ModbusPoint(
                name=f"p{number}",
                meaning=Words(en="x", zh="x"),
                address=address + gap,
                type=kind,
                word_order=order,
            )
        )
        address += gap + WIDTH[kind]
    memory = data.draw(st.lists(WORDS, min_size=address, max_size=address))
    for block in plan(points, gap=124):
        start = block.read.address
        answer = as_registers(memory[start : start + block.read.count])
        values = BlockLayout(block).values(answer)
        for point, value in zip(block.points, values, strict=True):
            raw = memory[point.address : point.address + point.width]
            assert same(value, oracle(raw, point.type, point.word_order))


@given(st.binary(min_size=16, max_size=16))
def test_text_is_text_or_none(raw: bytes) -> None:
    (block,) = plan(machine('name="a"; address=0; type="text"; length=8').point, 0)
    (value,) = BlockLayout(block).values(as_registers(struct.unpack(">8H", raw)))
    before = raw.split(b"\0")[0].rstrip(b" ")
    try:
        text = before.decode()
    except UnicodeDecodeError:
        assert value is None
        return
    assert value == (text if text.isprintable() else None)


def test_text_may_be_chinese() -> None:
    (block,) = plan(machine('name="a"; address=0; type="text"; length=8').point, 0)
    raw = "采煤机".encode().ljust(16, b"\0")
    assert BlockLayout(block).values(as_registers(struct.unpack(">8H", raw))) == ["采煤机"]


@given(WORDS)
def test_bits_of_a_register(word: int) -> None:
    bits = machine(*(f'name="b{n}"; address=3; type="bool"; bit={n}' for n in range(16)))
    (block,) = plan(bits.point, 0)
    values = dict(
        zip(
            (p.bit for p in block.points),
            BlockLayout(block).values(as_registers([word])),
            strict=True,
        )
    )
    assert values == {n: bool(word >> n & 1) for n in range(16)}


def test_points_may_overlap() -> None:
    profile = machine(
        'name="whole"; address=0; type="uint32"',
        'name="low"; address=1; type="uint16"',
        'name="swapped"; address=0; type="uint32"; word_order="little"',
    )
    (block,) = plan(profile.point, 0)
    values = BlockLayout(block).values(as_registers([1, 2]))
    got = dict(zip((p.name for p in block.points), values, strict=True))
    assert got == {"whole": 0x10002, "low": 2, "swapped": 0x20001}


@given(st.integers(1, 120), st.data())
def test_checksums_are_those_of_the_serial_line(length: int, data: st.DataObject) -> None:
    messages = data.draw(st.lists(st.binary(min_size=length, max_size=length), max_size=8))
    table = np.frombuffer(b"".join(messages), np.uint8).reshape(-1, length)
    # pymodbus gives the checksum with its low byte first, as the serial line carries it.
    wanted = [
        int.from_bytes(FramerRTU.compute_CRC(m).to_bytes(2, "big"), "little") for m in messages
    ]
    assert Crc16(length).of(table).tolist() == wanted


def test_the_checksum_of_the_specifications_example() -> None:
    # Modbus over Serial Line V1.02, appendix B: 02 07 gives 41 12, low byte first.
    assert Crc16(2).of(np.array([[2, 7]], np.uint8)).tolist() == [0x1241]


def ring(*between: RecordField, width_order: WordOrder = WordOrder.BIG) -> Ring:
    number = RecordField(name="sequence", type=RegisterType.UINT32, word_order=width_order)
    crc = RecordField(name="crc", type=RegisterType.UINT16)
    return Ring(header_address=0, first_address=8, capacity=16, field=(number, *between, crc))


@given(st.integers(0, 6), ORDERS, st.data())
def test_records_decode_as_pymodbus_does(count: int, order: WordOrder, data: st.DataObject) -> None:
    kinds = list(ORACLE)
    between = [RecordField(name=f"f_{k.value}", type=k, word_order=order) for k in kinds]
    layout = RecordLayout(ring(*between, width_order=order))
    memory = data.draw(
        st.lists(WORDS, min_size=count * layout.width, max_size=count * layout.width)
    )
    columns = layout.columns(layout.rows(as_registers(memory)))
    assert list(columns) == ["sequence", *(field.name for field in between)]
    at = 2
    for field in between:
        for record in range(count):
            start = record * layout.width + at
            value = oracle(memory[start : start + field.width], field.type, order)
            if field.type is RegisterType.UINT64:
                value = struct.unpack("q", struct.pack("Q", value))[0]
            assert same(columns[field.name][record].item(), value)
        at += field.width


@pytest.mark.parametrize(
    ("kind", "registers"),
    [(RegisterType.FLOAT32, [0x7F81, 0]), (RegisterType.FLOAT64, [0x7FF0, 0, 0, 1])],
)
def test_a_signalling_nan_is_nan_without_complaint(
    kind: RegisterType, registers: list[int]
) -> None:
    layout = RecordLayout(ring(RecordField(name="value", type=kind)))
    row = as_registers([0, 1, *registers, 0])
    assert np.isnan(layout.columns(layout.rows(row))["value"]).tolist() == [True]
    profile = machine(f'name="value"; address=0; type="{kind.value}"')
    (block,) = plan(profile.point, 0)
    (value,) = BlockLayout(block).values(as_registers(registers))
    assert math.isnan(cast("float", value))


def test_columns_are_scaled_and_none_is_nan() -> None:
    layout = RecordLayout(
        ring(
            RecordField(name="level", type=RegisterType.INT16, scale=0.01, none=-32768),
            RecordField(name="plain", type=RegisterType.UINT16, none=0),
            RecordField(name="pressed", type=RegisterType.BOOL),
            RecordField(name="who", type=RegisterType.TEXT, length=2),
        )
    )
    one = [0, 1, 65536 - 7050, 5, 1, 0x4142, 0x4300, 0]
    two = [0, 2, 32768, 0, 2, 0x2020, 0x2020, 0]
    columns = layout.columns(layout.rows(as_registers(one + two)))
    assert columns["sequence"].tolist() == [1, 2]
    assert columns["sequence"].dtype == np.int64
    assert columns["level"][0] == pytest.approx(-70.5)
    assert np.isnan(columns["level"][1])
    assert columns["plain"].dtype == np.float64
    assert np.isnan(columns["plain"][1])
    assert columns["pressed"].tolist() == [True, False]
    assert columns["who"].tolist() == ["ABC", ""]
    assert columns["who"].dtype == object
    assert "crc" not in columns


@given(st.lists(st.lists(WORDS, min_size=4, max_size=4), min_size=1, max_size=6), st.data())
def test_any_changed_bit_is_noticed(records: list[list[int]], data: st.DataObject) -> None:
    layout = RecordLayout(ring(RecordField(name="x", type=RegisterType.UINT32)))
    crc = Crc16(8)
    memory: list[int] = []
    for record in records:
        raw = np.array(record, ">u2").view(np.uint8)[None, :]
        memory += [*record, int(crc.of(raw)[0])]
    assert layout.intact(as_registers(memory)).all()
    place = data.draw(st.integers(0, len(memory) - 1))
    memory[place] ^= 1 << data.draw(st.integers(0, 15))
    intact = layout.intact(as_registers(memory)).tolist()
    assert intact == [record != place // 5 for record in range(len(records))]


def test_no_records_give_empty_columns() -> None:
    layout = RecordLayout(ring(RecordField(name="x", type=RegisterType.TEXT, length=3)))
    columns = layout.columns(layout.rows(as_registers([])))
    assert {name: len(column) for name, column in columns.items()} == {"sequence": 0, "x": 0}
