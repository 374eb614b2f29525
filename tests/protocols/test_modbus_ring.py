"""A ring that is written while it is read gives each record once, or says that it is lost."""

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.modbus_profile import RecordField, RegisterType, Ring
from protocols.modbus.codec import Registers, as_registers
from protocols.modbus.plan import REGISTERS_MOST, Read
from protocols.modbus.ring import POLL_READS, RESTARTED, TORN, Header, Loss, Poll, RingReader

HEADER, FIRST = 3, 20


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS, bit by bit."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def ring(capacity: int, filler: int = 1) -> Ring:
    """Records of a number, the device's start, the number again, and `filler` registers."""
    names = {"boot": RegisterType.UINT32, "again": RegisterType.UINT64}
    between = tuple(RecordField(name=name, type=kind) for name, kind in names.items())
    return Ring(
        header_address=HEADER,
        first_address=FIRST,
        capacity=capacity,
        field=(
            RecordField(name="sequence", type=RegisterType.UINT32),
            *between,
            RecordField(name="filler", type=RegisterType.TEXT, length=filler),
            RecordField(name="crc", type=RegisterType.UINT16),
        ),
    )


@dataclass
class Device:
    """A device that writes its ring register by register, as the profile's text says."""

    shape: Ring
    boot: int = 1
    head: int = 0
    time_us: int = 1_700_000_000_000_000
    memory: list[int] = field(default_factory=list)
    published: list[tuple[int, int]] = field(default_factory=list)
    _pending: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        records_end = FIRST + self.shape.capacity * self.shape.record_width
        self.memory = [0] * records_end
        self._put_header()

    def _put_header(self) -> None:
        raw = struct.pack(">IIQ", self.boot, self.head % (1 << 32), self.time_us)
        self.memory[HEADER : HEADER + 8] = struct.unpack(">8H", raw)

    def _record(self, number: int) -> list[int]:
        filler = self.shape.field[3].length
        body = struct.pack(">IIQ", number % (1 << 32), self.boot, number) + b"x" * 2 * filler
        return [*struct.unpack(f">{len(body) // 2}H", body), crc16(body)]

    def write(self, registers: int) -> None:
        """Writes so many registers of the next records; a head when its record is whole."""
        for _ in range(registers):
            if not self._pending:
                number = self.head + 1
                width = self.shape.record_width
                start = FIRST + (number - 1) % self.shape.capacity * width
                self._pending = list(enumerate(self._record(number), start))
            address, value = self._pending.pop(0)
            self.memory[address] = value
            if not self._pending:
                self.head += 1
                self.published.append((self.boot, self.head))
                self.time_us += 1000
                self._put_header()

    def write_records(self, count: int) -> None:
        self.write(count * self.shape.record_width)

    def finish_record(self) -> None:
        self.write(len(self._pending))

    def restart(self, *, wipes: bool = True) -> None:
        self.boot += 1
        self.head = 0
        self._pending = []
        if wipes:
            self.memory[FIRST:] = [0] * (len(self.memory) - FIRST)
        self._put_header()

    def read(self, read: Read) -> Registers:
        assert read.table is self.shape.table
        assert read.count <= REGISTERS_MOST
        end = read.address + read.count
        assert end <= len(self.memory), "reads beyond the ring"
        return as_registers(self.memory[read.address : end])


@dataclass
class Mine:
    """What has come out of the ring."""

    reader: RingReader
    got: list[tuple[int, int]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    def take(self, poll: Poll) -> None:
        for row in poll.rows:
            assert row["sequence"] == row["again"] % (1 << 32)
            self.got.append((int(row["boot"]), int(row["again"])))
        self.losses += poll.losses

    @property
    def lost(self) -> int:
        return sum(loss.count for loss in self.losses)


def poll(device: Device, mine: Mine, meanwhile: Callable[[], bool] = lambda: True) -> Poll | None:
    """One poll; `meanwhile` runs before each read and says whether the connection holds."""
    steps = mine.reader.poll()
    read = next(steps)
    while True:
        if not meanwhile():
            steps.close()
            return None
        try:
            read = steps.send(device.read(read))
        except StopIteration as stop:
            result: Poll = stop.value
            mine.take(result)
            return result


def drain(device: Device, mine: Mine) -> None:
    for _ in range(200):
        result = poll(device, mine)
        if result is not None and result.caught_up:
            return
    pytest.fail("never catches up")


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
