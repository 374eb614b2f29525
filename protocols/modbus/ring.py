"""Reads a ring of records so that each is given exactly once or counted as lost. Pure.

The layout is that of `equipment.modbus_profile.Ring`. Which registers to read comes out of a
generator and what they held goes in, so that the same steps run over a socket and in a test.

Record numbers go on beyond the 32 bits in which a device keeps them; only their low half is
compared.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from equipment.modbus_profile import RING_HEADER_WIDTH, Ring
from protocols.losses import Loss
from protocols.modbus.codec import REGISTER, RecordLayout, Registers, Rows
from protocols.modbus.plan import REGISTERS_MOST, Read

#: Records of one poll at most: a burst reaches the mine in pieces, not at its end.
POLL_READS: Final = 64

#: How often a record that was torn (read while it was written) is read again.
REREADS: Final = 2

#: Records are numbered, and times are kept, in so many bits.
_NUMBERS: Final = 1 << 32
_TIME_US_MOST: Final = (1 << 63) // 1000

_NO_REGISTERS: Final[Registers] = np.zeros(0, REGISTER)

Steps = Generator[Read, Registers, "Poll"]


@dataclass(frozen=True, slots=True)
class Header:
    """The ring's header: which start of the device, how many records, its clock (None: none)."""

    boot_id: int
    head: int
    device_t_ns: int | None

    @classmethod
    def of(cls, registers: Registers) -> Header:
        """From (8,) registers."""
        boot_id, head = np.ascontiguousarray(registers[:4]).view(">u4").tolist()
        (time_us,) = np.ascontiguousarray(registers[4:]).view(">u8").tolist()
        return cls(boot_id, head, time_us * 1000 if 0 < time_us < _TIME_US_MOST else None)


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll gave. `caught_up`: there was nothing more when it began.

    `unreadable`: there were records, and of none could it be told what it says.
    """

    rows: Rows
    losses: tuple[Loss, ...]
    device_t_ns: int | None
    caught_up: bool
    unreadable: bool = False


TORN: Final = "their checksums or numbers are wrong"
RESTARTED: Final = "the device restarted before they were read, and what it took meanwhile is gone"


class RingReader:
    """Where in a ring the gateway is; outlives the connections to the device.

    At first it starts with the oldest record in the ring, and again after each restart of the
    device. What a poll has read counts only when a header read after it shows that the device did
    not restart meanwhile: a poll that breaks off gives nothing, and the next reads the same again.
    """

    def __init__(self, ring: Ring) -> None:
        self.layout = RecordLayout(ring)
        self._table = ring.table
        self._capacity = ring.capacity
        self._first_address = ring.first_address
        self._header_read = Read(ring.table, ring.header_address, RING_HEADER_WIDTH)
        self._per_read = REGISTERS_MOST // self.layout.width
        self._boot_id: int | None = None
        self._next = 1
        self._head = 0
        # Losses that are known but not yet told.
        self._owed: list[Loss] = []

    def poll(self) -> Steps:
        """Yields what to read, takes its registers, returns what there was."""
        header = Header.of((yield self._header_read))
        if self._surprises(header):
            # Before records are given up, the device has to say it twice: a header that was read
            # while it was written must not cost any.
            header = Header.of((yield self._header_read))
        self._follow(header)
        first = self._next
        last = min(self._head, first + POLL_READS * self._per_read - 1)
        if last < first:
            return self._poll(self.layout.rows(_NO_REGISTERS), header, caught_up=True)
        registers, good, torn, overwritten = yield from self._records(first, last)
        # Only to see that the device did not restart; its head is for the next poll to look at.
        after = Header.of((yield self._header_read))
        if self._unwrapped(after) is None:
            return self._poll(self.layout.rows(_NO_REGISTERS), header, caught_up=False)
        self._next = last + 1
        self._lose(overwritten, self._overwritten())
        self._lose(torn, TORN)
        return self._poll(
            self.layout.rows(registers)[good],
            after,
            caught_up=last == self._head,
            unreadable=torn == last - first + 1,
        )

    def _poll(
        self, rows: Rows, header: Header, *, caught_up: bool, unreadable: bool = False
    ) -> Poll:
        losses = tuple(self._owed)
        self._owed.clear()
        return Poll(rows, losses, header.device_t_ns, caught_up, unreadable)

    def _lose(self, count: int, reason: str) -> None:
        if count:
            self._owed.append(Loss(count, reason))

    def _overwritten(self) -> str:
        return f"overwritten before they were read (the ring holds {self._capacity})"

    def _unwrapped(self, header: Header) -> int | None:
        """The head as a number that never wraps; None where it is not the ring read so far."""
        ahead = (header.head - self._head) % _NUMBERS
        if header.boot_id != self._boot_id or ahead >= _NUMBERS // 2:
            return None
        return self._head + ahead

    def _surprises(self, header: Header) -> bool:
        head = self._unwrapped(header)
        return self._boot_id is not None and (head is None or head - self._next >= self._capacity)

    def _follow(self, header: Header) -> None:
        """Goes on where the ring is now, and notes what can't be read any more."""
        head = self._unwrapped(header)
        if head is None:
            if self._boot_id is not None:
                self._owed.append(Loss(self._head - self._next + 1, RESTARTED))
            self._boot_id, head = header.boot_id, header.head
            self._next = max(1, head - self._capacity + 1)
        self._head = head
        oldest = head - self._capacity + 1
        if self._next < oldest:
            self._lose(oldest - self._next, self._overwritten())
            self._next = oldest

    def _records(
        self, first: int, last: int
    ) -> Generator[Read, Registers, tuple[Registers, NDArray[np.bool_], int, int]]:
        """Reads records `first` to `last`.

        Returns:
            Their registers, which of them are good, how many are torn, how many overwritten.
        """
        count = last - first + 1
        numbers = first + np.arange(count, dtype=np.int64)
        registers = np.zeros((count, self.layout.width), REGISTER)
        torn = np.ones(count, np.bool_)
        good = overwritten = ~torn
        for _ in range(1 + REREADS):
            for number, length in self._spans(numbers[torn].tolist()):
                answer = yield self._span_read(number, length)
                registers[number - first : number - first + length] = answer.reshape(length, -1)
            intact = self.layout.intact(registers)
            ahead = (self.layout.rows(registers)["sequence"].astype(np.int64) - numbers) % _NUMBERS
            newer = (ahead > 0) & (ahead < _NUMBERS // 2) & (ahead % self._capacity == 0)
            good, overwritten = intact & (ahead == 0), intact & newer
            torn = ~(good | overwritten)
            if not torn.any():
                break
        return registers, good, int(torn.sum()), int(overwritten.sum())

    def _spans(self, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Ascending record numbers as (first, count) that one read each can give."""
        start = length = 0
        for number in numbers:
            wraps = (number - 1) % self._capacity == 0
            if length and number == start + length and length < self._per_read and not wraps:
                length += 1
                continue
            if length:
                yield start, length
            start, length = number, 1
        if length:
            yield start, length

    def _span_read(self, number: int, length: int) -> Read:
        slot = (number - 1) % self._capacity
        address = self._first_address + slot * self.layout.width
        return Read(self._table, address, length * self.layout.width)
