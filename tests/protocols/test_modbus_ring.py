"""A ring that is written while it is read gives each record once, or says that it is lost."""

import struct
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.losses import Loss
from protocols.modbus.plan import REGISTERS_MOST
from protocols.modbus.ring import POLL_READS, RESTARTED, TORN, Header, RingReader
from tests.protocols.ring_device import FIRST, HEADER, Device, Mine, drain, poll, ring

WRITES = st.tuples(st.just("write"), st.integers(1, 120))
RECORDS = st.tuples(st.just("records"), st.integers(1, 30))
DROP = st.tuples(st.just("drop"), st.just(0))
RESTART = st.tuples(st.just("restart"), st.integers(0, 1))
QUIET = st.tuples(st.just("quiet"), st.just(0))
Action = tuple[str, int]


def acting(device: Device, actions: list[Action]) -> Callable[[], bool]:
    waiting: Iterator[Action] = iter(actions)

    def act() -> bool:
        what, amount = next(waiting, ("quiet", 0))
        match what:
            case "write":
                device.write(amount)
            case "records":
                device.write_records(amount)
            case "restart":
                device.restart(wipes=bool(amount))
            case _:
                pass
        return what != "drop"

    return act


@settings(max_examples=300, deadline=None)
@given(
    st.integers(2, 14),
    st.integers(1, 60),
    st.integers(0, 40),
    st.lists(WRITES | RECORDS | DROP | QUIET, max_size=60),
)
def test_every_record_is_read_once_or_counted_lost(
    capacity: int, filler: int, before: int, actions: list[Action]
) -> None:
    device = Device(ring(capacity, filler))
    device.write_records(before)
    mine = Mine(RingReader(device.shape))
    # The first poll fixes where reading begins, as an undisturbed first contact does.
    start = max(0, device.head - capacity)
    poll(device, mine)
    meanwhile = acting(device, actions)
    for _ in range(len(actions) + 1):
        poll(device, mine, meanwhile)
    drain(device, mine)
    assert mine.got == sorted(set(mine.got))
    assert set(mine.got) <= set(device.published)
    assert len(mine.got) + mine.lost == device.head - start
    # What is still in the ring at the end, and was not lost on the way, has been read.
    assert mine.got[-1:] == device.published[-1:] or mine.lost > 0


@settings(max_examples=300, deadline=None)
@given(
    st.integers(2, 14),
    st.integers(1, 60),
    st.lists(WRITES | RECORDS | DROP | RESTART | QUIET, max_size=60),
)
def test_restarts_never_double_a_record_or_give_a_wrong_one(
    capacity: int, filler: int, actions: list[Action]
) -> None:
    device = Device(ring(capacity, filler))
    mine = Mine(RingReader(device.shape))
    meanwhile = acting(device, actions)
    for _ in range(len(actions) + 1):
        poll(device, mine, meanwhile)
    drain(device, mine)
    assert max(Counter(mine.got).values(), default=1) == 1
    assert set(mine.got) <= set(device.published)
    assert mine.got == sorted(mine.got)
    assert mine.lost <= len(device.published) - len(mine.got)
    # What it writes when all is quiet again is all read.
    device.finish_record()
    device.write_records(capacity)
    drain(device, mine)
    assert set(device.published[-capacity:]) <= set(mine.got)


def test_records_are_taken_in_pieces_and_the_wrap_is_followed() -> None:
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    for _ in range(9):
        device.write_records(7)
        drain(device, mine)
    assert mine.got == device.published
    assert mine.losses == []


def test_an_idle_ring_costs_one_read() -> None:
    device = Device(ring(10))
    reads = 0

    def count() -> bool:
        nonlocal reads
        reads += 1
        return True

    mine = Mine(RingReader(device.shape))
    result = poll(device, mine, count)
    assert (reads, result is not None and result.caught_up) == (1, True)
    device.write_records(3)
    reads = 0
    poll(device, mine, count)
    assert reads == 3


def test_a_poll_is_bounded() -> None:
    device = Device(ring(3000, filler=10))
    device.write_records(3000)
    mine = Mine(RingReader(device.shape))
    result = poll(device, mine)
    per_read = REGISTERS_MOST // device.shape.record_width
    assert result is not None
    assert not result.caught_up
    assert len(result.rows) <= POLL_READS * per_read
    drain(device, mine)
    assert mine.got == device.published


def test_an_overrun_is_counted() -> None:
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    device.write_records(4)
    drain(device, mine)
    device.write_records(25)
    drain(device, mine)
    assert mine.got == device.published[:4] + device.published[-10:]
    assert mine.losses == [Loss(15, "overwritten before they were read (the ring holds 10)")]


def test_an_overrun_outlives_a_connection_that_breaks() -> None:
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    device.write_records(4)
    drain(device, mine)
    device.write_records(25)
    held = iter([True, True, True, False])
    assert poll(device, mine, lambda: next(held)) is None
    drain(device, mine)
    assert mine.lost == 15


def test_a_restart_is_said_and_what_was_known_is_counted() -> None:
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    device.write_records(4)
    drain(device, mine)
    device.write_records(3)
    held = iter([True, False])
    poll(device, mine, lambda: next(held))
    device.restart()
    device.write_records(2)
    drain(device, mine)
    assert mine.losses == [Loss(3, RESTARTED)]
    assert mine.got == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2)]
    # One that lost nothing that is known is said as well: what came meanwhile is not known.
    device.restart()
    drain(device, mine)
    assert mine.losses[1:] == [Loss(0, RESTARTED)]


def test_a_restart_between_header_and_records_gives_none_of_the_new_as_the_old() -> None:
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    device.write_records(5)
    drain(device, mine)
    device.write_records(3)
    reads = 0

    def restarts() -> bool:
        nonlocal reads
        reads += 1
        if reads == 2:
            device.restart()
            device.write_records(9)
        return True

    result = poll(device, mine, restarts)
    assert result is not None
    assert len(result.rows) == 0
    drain(device, mine)
    assert mine.got == [(1, n) for n in range(1, 6)] + [(2, n) for n in range(1, 10)]
    assert mine.losses == [Loss(3, RESTARTED)]


@pytest.mark.parametrize(("boot", "head"), [(1, 2), (1, 70000), (99, 6)])
@pytest.mark.parametrize("which", [1, 3])
def test_a_header_misread_once_costs_nothing(boot: int, head: int, which: int) -> None:
    """The first header of a poll, or the one after its records."""
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    device.write_records(6)
    drain(device, mine)
    device.write_records(2)
    kept = device.memory[HEADER : HEADER + 4]
    reads = 0

    def spoils() -> bool:
        nonlocal reads
        reads += 1
        wrong = struct.unpack(">4H", struct.pack(">II", boot, head))
        device.memory[HEADER : HEADER + 4] = wrong if reads == which else kept
        return True

    poll(device, mine, spoils)
    device.memory[HEADER : HEADER + 4] = kept
    drain(device, mine)
    device.write_records(3)
    drain(device, mine)
    assert mine.got == device.published
    assert mine.losses == []


def test_a_torn_record_is_read_again() -> None:
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    device.write_records(3)
    place = FIRST + device.shape.record_width + 2
    device.memory[place] ^= 1
    reads = 0

    def mends() -> bool:
        nonlocal reads
        reads += 1
        if reads == 3:
            device.memory[place] ^= 1
        return True

    poll(device, mine, mends)
    assert mine.got == device.published
    assert (reads, mine.losses) == (4, [])


def test_a_record_that_stays_torn_is_lost_and_the_others_are_not() -> None:
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    device.write_records(3)
    device.memory[FIRST + device.shape.record_width + 2] ^= 1
    result = poll(device, mine)
    assert result is not None
    assert not result.unreadable
    assert mine.got == [(1, 1), (1, 3)]
    assert mine.losses == [Loss(1, TORN)]


def test_a_ring_of_other_records_is_unreadable() -> None:
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    device.write_records(3)
    device.memory[FIRST:] = [7] * (len(device.memory) - FIRST)
    result = poll(device, mine)
    assert result is not None
    assert result.unreadable
    assert mine.losses == [Loss(3, TORN)]


@pytest.mark.parametrize("capacity", [8, 10])
def test_numbers_go_on_beyond_32_bits(capacity: int) -> None:
    device = Device(ring(capacity), head=(1 << 32) - 6)
    device.write_records(3)
    mine = Mine(RingReader(device.shape))
    poll(device, mine)
    got = len(mine.got)
    for _ in range(4):
        device.write_records(3)
        drain(device, mine)
    assert [number for _, number in mine.got[got:]] == [(1 << 32) - 2 + n for n in range(12)]
    assert all(loss.reason == TORN for loss in mine.losses)


def test_the_devices_clock_comes_with_the_records() -> None:
    device = Device(ring(10))
    mine = Mine(RingReader(device.shape))
    device.write_records(2)
    result = poll(device, mine)
    assert result is not None
    assert result.device_t_ns == device.time_us * 1000


@pytest.mark.parametrize("time_us", [0, (1 << 64) - 1, 1 << 62])
def test_a_clock_that_shows_nothing_is_none(time_us: int) -> None:
    raw = struct.unpack(">8H", struct.pack(">IIQ", 1, 2, time_us))
    assert Header.of(np.array(raw, ">u2")) == Header(1, 2, None)
