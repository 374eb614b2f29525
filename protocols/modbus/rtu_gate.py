"""Answers as they are on a serial line, also where TCP carries them (Serial Line V1.02, 2.5.1).

Such a frame has no number. What tells an answer from a late one to an earlier request is only its
unit, its function and its size. So every request that was not answered leaves a debt, and an
answer that pays one is dropped, whoever is asked when it comes. A unit with debts is first asked
for something whose answer looks like none of them (`Debts.distinct`): a unit answers one request
after the other, so once that has come, nothing older can.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from protocols.modbus.crc import has_right_crc
from protocols.modbus.gate import FUNCTIONS, REFUSAL, Answer, End, Gate, data_bytes_of
from protocols.modbus.plan import BIT_TABLES, Read

#: Bytes of a frame before its data (unit, function, how much), and with its checksum; a refusal
#: has as many with its code instead.
_HEAD_BYTES: Final = 3
_AROUND: Final = 5
_CRC_BYTES: Final = 2

#: So long a line must be silent after noise or a failure: far beyond the 3.5 characters between
#: frames, as converters and drivers pass a frame on in pieces.
SILENCE_S: Final = 0.05

#: How long an answer that is late may come: so many times what a unit was given, and at least so
#: long. Devices stall for seconds; none answers a question of a quarter of a minute ago.
_LATE_TIMEOUTS: Final = 10.0
_LATE_LEAST_S: Final = 15.0

#: How often it is looked whether the answer to a cancelled request has come.
_LOOK_S: Final = 0.01

#: What came unasked is looked at when the next request begins; beyond this it is only noise.
_STRAY_MOST: Final = 512

#: Addresses of a table.
_ADDRESSES: Final = 65536


@dataclass(frozen=True, slots=True)
class _Debt:
    function: int
    data_bytes: int
    until_s: float


class Debts:
    """Requests without an answer, by unit, for as long as one may still come. Pure.

    Belongs to a line and outlives its connections: what a converter has yet to deliver from the
    line goes to whoever is connected then.
    """

    def __init__(self) -> None:
        self._of: dict[int, list[_Debt]] = {}

    def owe(self, unit: int, read: Read, until_s: float) -> None:
        """`unit` was asked for `read` and has not answered; until then it may."""
        debt = _Debt(FUNCTIONS[read.table], data_bytes_of(read), until_s)
        self._of.setdefault(unit, []).append(debt)

    def settle(self, unit: int) -> None:
        """`unit` has answered something that was asked later than all that it owes."""
        self._of.pop(unit, None)

    def forget(self, now_s: float) -> None:
        """Drops the debts whose time is over."""
        left = {u: [debt for debt in of if debt.until_s > now_s] for u, of in self._of.items()}
        self._of = {unit: debts for unit, debts in left.items() if debts}

    def owes(self, unit: int) -> bool:
        """Whether an answer of `unit` may be one to an earlier request."""
        return unit in self._of

    def paid_by(self, unit: int, function: int, data_bytes: int) -> bool:
        """Whether an answer pays a debt; that one and the older ones are then gone."""
        debts = self._of.get(unit, [])
        for at, debt in enumerate(debts):
            refused = function == debt.function | REFUSAL
            if refused or (function, data_bytes) == (debt.function, debt.data_bytes):
                self._of[unit] = debts[at + 1 :]
                if not self._of[unit]:
                    del self._of[unit]
                return True
        return False

    def distinct(self, unit: int, read: Read) -> Read:
        """A read near `read` whose answer has another size than all that `unit` owes."""
        step = 8 if read.table in BIT_TABLES else 1
        owed = {debt.data_bytes for debt in self._of.get(unit, [])}
        sizes = range(1, 126)
        size = next((n for n in sizes if n * (2 if step == 1 else 1) not in owed), sizes[-1])
        count = size * step
        return Read(read.table, min(read.address, _ADDRESSES - count), count)


class RtuGate(Gate):
    """Frames with a checksum. After a failure the line is of use again once it is silent."""

    outlives_failures = True

    def __init__(self, debts: Debts, gap_s: float, gone: str = "closed the connection") -> None:
        """`gap_s`: how long the line is silent between an answer and the next request."""
        super().__init__(gone)
        self._debts = debts
        self._gap_s = gap_s
        # How much of what pymodbus holds has been dealt with, and how much it holds.
        self._done = 0
        self._held = 0
        self._heard_s = 0.0
        self._noise = b""
        self._stray = b""
        self._is_noisy = False
        # Who spoke out of turn, and how many bytes.
        self._unasked: dict[int, int] = {}
        # Until when a request may be answered, and one that was cancelled holds the wire.
        self._until_s = self._busy_until_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """See `Gate`."""
        self._judge()
        if self.is_busy(now_s):
            return min(_LOOK_S, self._busy_until_s - now_s)
        silence_s = max(SILENCE_S, self._gap_s) if self._is_noisy else self._gap_s
        return self._heard_s + silence_s - now_s

    def is_busy(self, now_s: float) -> bool:
        """See `Gate`: the unit may answer still, into whatever is asked then."""
        return now_s < self._busy_until_s and self._debts.owes(self._unit)

    def open(self, answer: Answer, unit: int, read: Read, timeout_s: float) -> None:
        """See `Gate`. What came unasked is noise, but for whole answers of `unit`."""
        super().open(answer, unit, read, timeout_s)
        self._until_s = asyncio.get_running_loop().time() + timeout_s
        self.problem = ""
        self._judge()
        self._noise = self._stray = b""
        self._is_noisy = False
        if size := self._unasked.pop(unit, 0):
            # The answer that comes next may be another one of those.
            self.fail(f"sent {size} bytes that no one asked for")

    def silence(self) -> str:
        """See `Gate`."""
        if self._noise:
            return f"gave only noise, no answer in Modbus RTU ({self._noise[:8].hex(' ')})"
        return super().silence()

    def close(self, now_s: float, end: End) -> None:
        """See `Gate`."""
        super().close(now_s, end)
        if end is End.ANSWERED:
            return
        late_s = max(_LATE_LEAST_S, _LATE_TIMEOUTS * self._timeout_s)
        assert self._read is not None
        self._debts.owe(self._unit, self._read, now_s + late_s)
        self._done = self._held
        self._is_noisy = True  # the rest of what was wrong may be on its way
        self._heard_s = now_s
        if end is End.CANCELLED:
            self._busy_until_s = self._until_s

    def settling(self, unit: int, read: Read) -> Read | None:
        """See `Gate`."""
        self._debts.forget(asyncio.get_running_loop().time())
        return self._debts.distinct(unit, read) if self._debts.owes(unit) else None

    def forgive(self, unit: int) -> None:
        """All that `unit` owes has come, or never will."""
        self._judge()
        self._unasked.pop(unit, None)
        self._debts.settle(unit)

    def _sent(self, frame: bytes) -> int:
        self._done = self._held = 0  # pymodbus drops what it holds
        return frame[1]

    def _body(self, frame: bytes) -> bytes:
        return frame[1:-_CRC_BYTES]

    def _is_partial(self) -> bool:
        return self._answer is not None and self._received > 0

    def _taken(self, data: bytes) -> bytes:
        self._heard_s = asyncio.get_running_loop().time()
        if len(data) <= self._done:  # pymodbus has dropped what it held: it was too much
            self._done = 0
        self._held = len(data)
        rest = data[self._done :]
        if self._answer is None:
            self._done = self._held
            self._stray = (self._stray + rest)[-_STRAY_MOST:]
            self._is_noisy = True
            return b""
        while rest and self._debts.owes(rest[0]) and (size := _whole(rest)):
            if not self._pays(rest[:size], asked=self._unit):
                break
            self._done += size
            rest = rest[size:]
        self._received = len(rest)
        if not rest or (self._debts.owes(rest[0]) and len(rest) < _size_of(rest)):
            return b""
        noise = self._noise_before(rest)
        if noise is None:
            self._noise = rest
            return b""
        self._noise = b""
        self._done += noise
        rest = rest[noise:]
        if problem := self._problem_with(rest):
            self.fail(problem)
            return b""
        if len(rest) < _size_of(rest):
            return b""
        self._held -= len(rest)  # pymodbus uses it up
        return rest

    def _noise_before(self, data: bytes) -> int | None:
        """How many bytes stand before what can be an answer; None where nothing can be.

        A line that is turned round gives a byte or two of its own, and some adapters give back
        what was sent. A whole right answer behind that is one.
        """
        if not self._problem_with_start(data) or _whole(data):
            return 0
        starts = range(1, len(data) - _AROUND + 1)
        return next((at for at in starts if self._is_right(data[at:])), None)

    def _is_right(self, data: bytes) -> bool:
        return not self._problem_with(data) and _whole(data) == len(data)

    def _problem_with(self, data: bytes) -> str:
        """What is wrong with an answer, as far as it has come; empty where nothing is."""
        problem = self._problem_with_start(data)
        if problem or len(data) < _HEAD_BYTES:
            return problem
        size = _size_of(data)
        if len(data) > size:
            return "sent more than was asked"
        if len(data) == size and not has_right_crc(data):
            return f"answered with a wrong checksum ({data[:16].hex(' ')})"
        return ""

    def _problem_with_start(self, data: bytes) -> str:
        problem = self._problem_with_head(data[0], data[1] if len(data) > 1 else self._function)
        if problem or len(data) < _HEAD_BYTES or data[1] >= REFUSAL:
            return problem
        if data[2] != self._data_bytes:
            return f"answered with {data[2]} bytes of data where {self._data_bytes} were asked"
        return ""

    def _pays(self, frame: bytes, asked: int) -> bool:
        unit, function = frame[0], frame[1]
        if function >= REFUSAL:
            # Refusals all look alike: that of the unit that is asked may be the answer.
            return unit != asked and self._debts.paid_by(unit, function, 0)
        return self._debts.paid_by(unit, function, frame[2])

    def _judge(self) -> None:
        """Looks through what came unasked for whole answers."""
        while size := _whole(self._stray):
            frame, self._stray = self._stray[:size], self._stray[size:]
            if not self._pays(frame, asked=0):
                self._unasked[frame[0]] = size


def _size_of(data: bytes) -> int:
    """How long the frame is that begins so; longer than `data` where that can't be told yet."""
    if len(data) < _HEAD_BYTES:
        return _HEAD_BYTES
    return _AROUND if data[1] >= REFUSAL else _AROUND + data[2]


def _whole(data: bytes) -> int:
    """The size of the answer that `data` begins with; 0 where it begins with none, or a part."""
    if len(data) < _AROUND or data[1] & ~REFUSAL not in FUNCTIONS.values():
        return 0
    size = _size_of(data)
    return size if len(data) >= size and has_right_crc(data[:size]) else 0
