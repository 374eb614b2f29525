"""Looks at each frame, before it is sent and before pymodbus takes it; the same for all framings.

pymodbus takes a short answer as it is, skips a wrong transaction or unit until time is up, hunts
for a frame within garbage, and would write if it were told to.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import Final

from equipment.modbus_profile import Table
from protocols.modbus.plan import BIT_TABLES, Read

#: The functions that read (Modbus Application Protocol V1.1b3, 6.1 to 6.4); no other is ever sent.
FUNCTIONS: Final = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}

#: Set in the function of an answer that is a refusal (clause 7).
REFUSAL: Final = 0x80


#: The body of an answer; None: there is none, or none that can be used.
Answer = asyncio.Future[bytes | None]


class End(Enum):
    """How a request ended."""

    ANSWERED = auto()
    FAILED = auto()
    CANCELLED = auto()


class ReadOnlyError(Exception):
    """Something tried to send a function that does not read; nothing was sent."""


def data_bytes_of(read: Read) -> int:
    """How many bytes of data the answer must have."""
    return (read.count + 7) // 8 if read.table in BIT_TABLES else 2 * read.count


class Gate(ABC):
    """What is asked now, what has come of the answer, and what is wrong with it."""

    #: Whether the connection is of use after a wrong answer or none.
    outlives_failures: bool

    def __init__(self, gone: str = "closed the connection") -> None:
        """`gone`: what is said when the connection ends."""
        self.problem = ""
        self._gone = gone
        self._answer: Answer | None = None
        self._unit = 0
        self._read: Read | None = None
        self._timeout_s = 0.0
        self._function = 0
        self._data_bytes = 0
        self._received = 0

    def open(self, answer: Answer, unit: int, read: Read, timeout_s: float) -> None:
        """A request begins; `answer` is what is waited for, `timeout_s` at most."""
        self._answer = answer
        self._timeout_s = timeout_s
        self._unit = unit
        self._read = read
        self._function = FUNCTIONS[read.table]
        self._data_bytes = data_bytes_of(read)
        self._received = 0

    def close(self, now_s: float, end: End) -> None:
        """The request is over; nothing may come until the next."""
        del now_s, end
        self._answer = None

    def wait_s(self, now_s: float) -> float:
        """How long the line has to be left alone before the next request; 0 or less: it is free."""
        del now_s
        return 0.0

    def silence(self) -> str:
        """What is missing, when nothing else is wrong with the answer."""
        if self._received:
            return f"gave only {self._received} bytes of an answer"
        return "gave no answer"

    def packet(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001  pymodbus's signature
        """Called by pymodbus with each frame to send, and with all it has received of one."""
        if not sending:
            frame = self._taken(data)
            if frame and self._answer is not None and not self._answer.done():
                self._answer.set_result(self._body(frame))
            return frame
        function = self._sent(data)
        if function not in FUNCTIONS.values():
            msg = f"function {function} is none of those that read"
            raise ReadOnlyError(msg)
        return data

    def connection(self, up: bool) -> None:  # noqa: FBT001  pymodbus's signature
        """Called by pymodbus when the connection is there and when it is gone."""
        if not up:
            middle = " in the middle of an answer" if self._is_partial() else ""
            self.fail(f"{self._gone}{middle}")

    def fail(self, problem: str) -> None:
        """Ends the wait for an answer. The first problem is the one that is told."""
        self.problem = self.problem or problem
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    def is_busy(self, now_s: float) -> bool:
        """Whether the line is waited for because of a request that was cancelled."""
        del now_s
        return False

    def settling(self, unit: int, read: Read) -> Read | None:
        """What `unit` has to be asked for before `read`; for framings without numbers."""
        del unit, read
        return None

    def forgive(self, unit: int) -> None:
        """All that `unit` owes has come, or never will. For framings without numbers."""
        del unit

    @abstractmethod
    def _sent(self, frame: bytes) -> int:
        """The function that `frame` asks for."""

    @abstractmethod
    def _taken(self, data: bytes) -> bytes:
        """Of all that came and that pymodbus has not yet used: the answer once it is whole."""

    @abstractmethod
    def _body(self, frame: bytes) -> bytes:
        """What of an answer's frame follows the unit: function, then what it gives."""

    @abstractmethod
    def _is_partial(self) -> bool:
        """Whether a part of an answer has come."""

    def _problem_with_head(self, unit: int, function: int) -> str:
        if unit != self._unit:
            return f"answered as unit {unit} when unit {self._unit} was asked"
        if function & ~REFUSAL != self._function:
            return f"answered function {function} when asked {self._function}"
        return ""
