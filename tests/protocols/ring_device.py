"""A device whose ring is written while it is read, and what comes out of it."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from equipment.modbus_profile import RecordField, RegisterType, Ring
from protocols.losses import Loss
from protocols.modbus.codec import Registers
from protocols.modbus.plan import REGISTERS_MOST, Read
from protocols.modbus.ring import Poll, RingReader
from tests.protocols.modbus_peer import as_registers
from tests.support.crc import crc16_bit_by_bit

HEADER, FIRST = 3, 20


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
        return [*struct.unpack(f">{len(body) // 2}H", body), crc16_bit_by_bit(body)]

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
