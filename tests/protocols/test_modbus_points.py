"""What is refused is remembered, rested and asked for again; what is no text is BAD."""

from collections.abc import Callable

import numpy as np
import pytest

from equipment.report import Quality
from protocols.modbus.codec import Registers
from protocols.modbus.plan import Read
from protocols.modbus.points import NOT_TEXT, REST_S, Answer, PointReader, Scan
from protocols.modbus.refusal import Refused
from tests.protocols.modbus_peer import as_registers, machine

T_NS = 1_000
Device = Callable[[Read], Registers | Refused]


def scan(reader: PointReader, device: Device) -> tuple[Scan, list[Read]]:
    steps = reader.scan(T_NS)
    reads: list[Read] = []
    try:
        read = next(steps)
        while True:
            reads.append(read)
            read = steps.send(Answer(device(read), T_NS + len(reads)))
    except StopIteration as stop:
        result: Scan = stop.value
        return result, reads


def without(*holes: int) -> Device:
    def give(read: Read) -> Registers | Refused:
        addresses = range(read.address, read.address + read.count)
        return Refused(read, 2) if set(holes) & set(addresses) else as_registers(addresses)

    return give


def reader_of(*points: str, period_s: float = 1.0) -> PointReader:
    return PointReader("dev", machine(*points).point, gap=16, period_s=period_s)


TWO = ('name="a"; address=1; type="uint16"', 'name="b"; address=2; type="uint16"')


@pytest.mark.parametrize(("period_s", "scans"), [(1.0, 10), (0.1, 100), (60.0, 1)])
def test_a_refused_point_rests_and_is_asked_for_again(period_s: float, scans: int) -> None:
    assert scans == max(1, round(REST_S / period_s))
    reader = reader_of(*TWO, period_s=period_s)
    _, reads = scan(reader, without(2))
    assert [(read.address, read.count) for read in reads] == [(1, 2), (1, 1), (2, 1)]
    for _ in range(scans):
        result, reads = scan(reader, without(2))
        assert [read.address for read in reads] == [1]
        assert [(s.point, s.value, s.quality) for s in result.samples] == [
            ("a", 1.0, Quality.GOOD),
            ("b", None, Quality.BAD),
        ]
    result, reads = scan(reader, without())
    assert [read.address for read in reads] == [1, 2]
    assert [s.value for s in result.samples] == [1.0, 2.0]


def test_waking_asks_for_all_again_and_keeps_the_split() -> None:
    reader = reader_of(*TWO)
    scan(reader, without(2))
    reader.wake()
    result, reads = scan(reader, without())
    assert [read.address for read in reads] == [1, 2]
    assert result.failure is None


def test_a_refused_point_is_told_once() -> None:
    reader = reader_of(*TWO)
    first, _ = scan(reader, without(2))
    reader.wake()
    again, _ = scan(reader, without(2))
    assert first.news == (
        (
            1,
            "b: holding register 2 refused: it has no such address (exception 2); "
            "compare the profile with the device's register map",
        ),
    )
    assert again.news == ()


def test_a_point_that_is_refused_anew_is_told_anew() -> None:
    reader = reader_of(*TWO)
    scan(reader, without(2))
    reader.wake()
    scan(reader, without())
    again, _ = scan(reader, without(2))
    assert [count for count, _ in again.news] == [1]


def test_a_scan_that_breaks_off_changes_nothing() -> None:
    reader = reader_of(*TWO)
    steps = reader.scan(T_NS)
    next(steps)
    steps.send(Answer(Refused(reader.reads[0], 2), T_NS))
    steps.close()
    assert [(read.address, read.count) for read in reader.reads] == [(1, 2)]
    result, _ = scan(reader, without(2))
    assert len(result.news) == 1


def test_all_refused_is_a_failure() -> None:
    result, _ = scan(reader_of(*TWO), without(1, 2))
    assert result.failure is not None
    assert {s.quality for s in result.samples} == {Quality.BAD}


def test_a_refusal_that_may_pass_is_asked_again_at_once() -> None:
    reader = reader_of(*TWO)
    result, _ = scan(reader, lambda read: Refused(read, 6))
    assert result.news == ()
    assert result.failure is not None
    assert result.failure.remedy == "look at the device itself"
    result, reads = scan(reader, without())
    assert len(reads) == 1
    assert result.failure is None


def test_what_is_no_text_is_bad() -> None:
    reader = reader_of('name="a"; address=0; type="text"; length=2')
    result, _ = scan(reader, lambda _: as_registers([0xFFFF, 0xFFFF]))
    (sample,) = result.samples
    assert (sample.value, sample.quality, sample.reason) == (None, Quality.BAD, NOT_TEXT)


def test_samples_carry_the_time_of_their_own_answer() -> None:
    reader = reader_of(*TWO, 'name="c"; address=900; type="uint16"')
    result, reads = scan(reader, without())
    assert len(reads) == 2
    assert [s.receive_t_ns - T_NS for s in result.samples] == [1, 1, 2]
    assert all(s.source_t_ns is None and s.device == "dev" for s in result.samples)


def test_a_value_outside_its_range_is_bad() -> None:
    reader = reader_of(
        'name="a"; address=0; type="float32"; range=[0.0, 10.0]; unit="A"',
        'name="b"; address=2; type="float32"',
    )
    registers = np.array([11.0, np.nan], ">f4").view(">u2")
    result, _ = scan(reader, lambda _: registers.astype(np.uint16))
    assert [(s.value, s.quality) for s in result.samples] == [(None, Quality.BAD)] * 2
    assert [s.reason for s in result.samples] == [
        "11 A is outside 0 to 10",
        "nan is not a number",
    ]
