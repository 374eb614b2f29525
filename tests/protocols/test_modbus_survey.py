"""A range of addresses read around what is refused, and what its registers may mean."""

import struct
from collections.abc import Callable

import numpy as np
import pytest

from equipment.modbus_profile import Table
from protocols.modbus.codec import Registers
from protocols.modbus.plan import Read
from protocols.modbus.refusal import Refused
from protocols.modbus.survey import Survey, letters, meanings, survey, texts
from tests.protocols.modbus_peer import as_registers

Device = Callable[[Read], Registers | Refused]


def surveyed(
    device: Device, first: int, count: int, table: Table = Table.HOLDING
) -> tuple[Survey, list[Read]]:
    reads = []
    steps = survey(table, first, count)
    read = next(steps)
    while True:
        reads.append(read)
        try:
            read = steps.send(device(read))
        except StopIteration as stop:
            found: Survey = stop.value
            return found, reads


def device_without(*holes: int, most: int = 125) -> Device:
    """Registers that hold their address; a read of a hole, or of too many, is refused."""

    def answer(read: Read) -> Registers | Refused:
        addresses = range(read.address, read.address + read.count)
        if read.count > most:
            return Refused(read, 3)
        if set(holes) & set(addresses):
            return Refused(read, 2)
        return as_registers(addresses)

    return answer


def test_a_range_is_read_in_as_few_reads_as_the_protocol_allows() -> None:
    found, reads = surveyed(device_without(), 10, 300)
    assert [(read.address, read.count) for read in reads] == [(10, 125), (135, 125), (260, 50)]
    assert found.values == {at: at for at in range(10, 310)}
    assert found.refusals == []


def test_bits_are_read_by_2000() -> None:
    def answer(read: Read) -> Registers:
        return np.ones(read.count, ">u2")

    found, reads = surveyed(answer, 0, 2100, Table.COIL)
    assert [read.count for read in reads] == [2000, 100]
    assert set(found.values.values()) == {1}


def test_what_is_refused_is_left_out_and_named_in_one_piece() -> None:
    holes = {40, 41, 42, 43, 90}
    found, _ = surveyed(device_without(*holes), 0, 125)
    assert found.values == {at: at for at in range(125) if at not in holes}
    assert [str(one) for one in found.refusals] == [
        "holding registers 40 to 43 refused: it has no such address (exception 2)",
        "holding register 90 refused: it has no such address (exception 2)",
    ]


def test_a_device_that_gives_few_at_once_is_read_in_small_pieces() -> None:
    found, _ = surveyed(device_without(most=8), 0, 100)
    assert found.values == {at: at for at in range(100)}
    assert found.refusals == []


@pytest.mark.parametrize("code", [1, 4, 6, 11])
def test_what_is_refused_for_another_reason_is_not_asked_for_in_pieces(code: int) -> None:
    found, reads = surveyed(lambda read: Refused(read, code), 0, 200)
    assert len(reads) == 2
    assert [(one.read.count, one.code) for one in found.refusals] == [(200, code)]


def registers_of(raw: bytes, first: int = 10) -> dict[int, int]:
    words = struct.unpack(f">{len(raw) // 2}H", raw)
    return dict(enumerate(words, start=first))


def found_in(registers: dict[int, int], address: int, kind: str) -> tuple[object, object]:
    (one,) = (m for m in meanings(registers) if (m.address, m.type) == (address, kind))
    return one.big, one.little


@pytest.mark.parametrize(
    ("form", "kind", "value"),
    [
        ("H", "uint16", 60_000),
        ("h", "int16", -1234),
        ("I", "uint32", 4_000_000_000),
        ("i", "int32", -123_456_789),
        ("f", "float32", 3.25),
        ("Q", "uint64", 9_007_199_254_740_991),
        ("q", "int64", -1_234_567_890_123),
        ("d", "float64", 1e9 + 0.125),
    ],
)
def test_a_value_is_found_under_its_type_and_word_order(form: str, kind: str, value: float) -> None:
    raw = struct.pack(">" + form, value)
    assert found_in(registers_of(raw), 10, kind)[0] == value
    swapped = b"".join(raw[at : at + 2] for at in range(len(raw) - 2, -1, -2))
    assert found_in(registers_of(swapped), 10, kind)[1] == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, 0.0),
        (1e-6, pytest.approx(1e-6)),
        (-9.9e9, pytest.approx(-9.9e9)),
        (9e-7, None),
        (1.1e10, None),
        (float("nan"), None),
        (float("-inf"), None),
    ],
)
def test_implausible_floats_are_left_out(value: float, shown: object) -> None:
    assert found_in(registers_of(struct.pack(">d", value)), 10, "float64")[0] == shown


def test_a_type_is_not_shown_where_a_register_is_missing() -> None:
    registers = {1: 1, 2: 2, 4: 4}
    shown = {(one.address, one.type) for one in meanings(registers)}
    assert (1, "uint32") in shown
    assert (2, "uint32") not in shown
    assert not any(kind.endswith("64") for _, kind in shown)


def test_texts_are_found_where_letters_are_in_a_row() -> None:
    raw = b"\x01\x02SN-2024/07\0\0\0\x05ABCDE\0XYZ" + b"\0" + b"HI\0\0"
    assert list(texts(registers_of(raw))) == [(11, "SN-2024/07"), (18, "ABCDE")]
    assert letters(0x4142) == "AB"
    assert letters(0x0141) == ".A"
