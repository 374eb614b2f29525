"""One TCP connection to a Modbus device: asks, and believes an answer only when all of it fits.

pymodbus carries the frames. It takes a short answer as it is, skips a wrong transaction or unit
until time is up, and would write if it were told to; so each frame passes `_Gate` first.
"""

from __future__ import annotations

import asyncio
import os
import struct
from typing import Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from equipment.modbus_profile import Table
from protocols.driver import DeviceError
from protocols.modbus.codec import Registers, as_registers
from protocols.modbus.plan import BIT_TABLES, Read
from protocols.modbus.refusal import Refused

#: The functions that read (Modbus Application Protocol V1.1b3, 6.1 to 6.4); no other is ever sent.
FUNCTIONS: Final = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}

#: Header of a frame on TCP and the function after it, and how long its `length` can be.
_HEADER: Final = struct.Struct(">HHHBB")
_LENGTH_MOST: Final = 254

#: pymodbus keeps time for itself as well; this much later, so that it is never the one to speak.
_SLACK_S: Final = 5.0

_CHECK_NETWORK: Final = "check the address, the power and the network"
_CHECK_DEVICE: Final = "check the device and what stands between"


class ReadOnlyError(Exception):
    """Something tried to send a function that does not read; nothing was sent."""


class _Gate:
    """Looks at each frame, before it is sent and before pymodbus takes it."""

    def __init__(self) -> None:
        self.problem = ""
        self._limit: asyncio.Timeout | None = None
        self._request = (0, 0, 0)
        self._data_bytes = 0
        self._received = 0
        self._expected = 0

    def open(self, limit: asyncio.Timeout, read: Read) -> None:
        """A request begins; `limit` ends the wait for its answer."""
        self._limit = limit
        bits = read.table in BIT_TABLES
        self._data_bytes = (read.count + 7) // 8 if bits else 2 * read.count
        self._received = self._expected = 0

    def close(self) -> None:
        """The request is over; nothing may come until the next."""
        self._limit = None

    def silence(self) -> str:
        """What is missing, when nothing else is wrong with the answer."""
        if self._received:
            return f"gave only {self._received} bytes of an answer"
        return "gave no answer"

    def packet(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001  pymodbus's signature
        """Called by pymodbus with each frame to send, and with all it has received of one."""
        if sending:
            transaction, _, _, unit, function = _HEADER.unpack_from(data)
            if function not in FUNCTIONS.values():
                msg = f"function {function} is none of those that read"
                raise ReadOnlyError(msg)
            self._request = (transaction, unit, function)
            return data
        self._received = len(data)
        problem = self._problem_with(data)
        if problem:
            self.fail(problem)
            return b""
        return data

    def connection(self, up: bool) -> None:  # noqa: FBT001  pymodbus's signature
        """Called by pymodbus when the connection is there and when it is gone."""
        if not up:
            partial = self._received not in (0, self._expected)
            middle = " in the middle of an answer" if partial else ""
            self.fail(f"closed the connection{middle}")

    def fail(self, problem: str) -> None:
        """Ends the wait for an answer. The first problem is the one that is told."""
        self.problem = self.problem or problem
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    def _problem_with(self, data: bytes) -> str:
        """What is wrong with an answer, as far as it has come; empty where nothing is."""
        if self._limit is None:
            return f"sent {len(data)} bytes that no one asked for"
        if len(data) < _HEADER.size:
            return ""
        transaction, protocol, length, unit, function = _HEADER.unpack_from(data)
        if protocol or not 3 <= length <= _LENGTH_MOST:
            return f"doesn't answer in Modbus TCP (but {data[:16].hex(' ')})"
        asked_transaction, asked_unit, asked_function = self._request
        if transaction != asked_transaction:
            return f"answered transaction {transaction} when asked {asked_transaction}"
        if unit != asked_unit:
            return f"answered as unit {unit} when unit {asked_unit} was asked"
        if function & 0x7F != asked_function:
            return f"answered function {function} when asked {asked_function}"
        self._expected = 6 + length
        return self._problem_with_size(data, length - 3, refused=function >= 0x80)

    def _problem_with_size(self, data: bytes, given: int, *, refused: bool) -> str:
        wanted = 0 if refused else self._data_bytes
        if given != wanted:
            return f"answered with {given} bytes of data where {wanted} were asked"
        if not refused and len(data) > _HEADER.size and data[_HEADER.size] != given:
            return f"says it gives {data[_HEADER.size]} bytes of data and gives {given}"
        if len(data) > self._expected:
            return "sent more than was asked"
        return ""


class Line:
    """A connection to one unit, with one request at a time. Made on a running event loop."""

    def __init__(self, where: str, host: str, port: int, unit: int, timeout_s: float) -> None:
        """`where` begins every message; `timeout_s` bounds the connecting and each answer."""
        self._where = where
        self._address = (host, port)
        self._unit = unit
        self._timeout_s = timeout_s
        self._gate = _Gate()
        self._client = AsyncModbusTcpClient(
            host,
            port=port,
            timeout=timeout_s + _SLACK_S,
            retries=0,
            reconnect_delay=0,  # the supervisor connects again, nothing else does
            trace_packet=self._gate.packet,
            trace_connect=self._gate.connection,
        )
        self._ask = {
            Table.COIL: self._client.read_coils,
            Table.DISCRETE: self._client.read_discrete_inputs,
            Table.HOLDING: self._client.read_holding_registers,
            Table.INPUT: self._client.read_input_registers,
        }

    async def connect(self) -> None:
        """Connects. Raises DeviceError with the reason."""
        try:
            async with asyncio.timeout(self._timeout_s):
                if await self._client.connect():
                    return
                reason = await self._why_not()
        except TimeoutError:
            reason = f"no answer within {self._timeout_s:g} s"
        raise self._error(f"can't be reached ({reason})", _CHECK_NETWORK)

    async def _why_not(self) -> str:
        """Asks the network once more, since pymodbus keeps the reason to itself."""
        try:
            _, writer = await asyncio.open_connection(*self._address)
        except OSError as error:
            # asyncio's own words only repeat the address; a name that is not found has good ones.
            if error.errno is not None and error.errno > 0:
                return os.strerror(error.errno)
            return error.strerror or str(error)
        writer.close()
        return "the connection was refused once"

    async def read(self, read: Read) -> Registers | Refused:
        """The registers or bits asked for, exactly so many, or the device's refusal.

        Raises:
            DeviceError: there was no answer in time or a wrong one; the line is then of no more
                use, since what comes next may belong to either request.
        """
        if self._gate.problem:
            raise self._error(self._gate.problem, _CHECK_DEVICE)
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                self._gate.open(limit, read)
                answer = await self._ask[read.table](
                    read.address, count=read.count, device_id=self._unit
                )
        except TimeoutError:
            problem = self._gate.problem or f"{self._gate.silence()} within {self._timeout_s:g} s"
            raise self._error(f"{problem}, asked for {read}", _CHECK_DEVICE) from None
        except ModbusException as error:
            problem = self._gate.problem or str(error)
            raise self._error(f"{problem}, asked for {read}", _CHECK_DEVICE) from None
        finally:
            self._gate.close()
        _let_be_cancelled()
        return self._checked(answer, read)

    def _checked(self, answer: ModbusPDU, read: Read) -> Registers | Refused:
        if self._gate.problem:
            raise self._error(f"{self._gate.problem}, asked for {read}", _CHECK_DEVICE)
        if answer.isError():
            return Refused(read, answer.exception_code)
        values = as_registers(answer.bits if read.table in BIT_TABLES else answer.registers)
        return values[: read.count]

    def close(self) -> None:
        """Closes the connection; can be called at any time, also twice."""
        self._client.close()

    def _error(self, problem: str, remedy: str) -> DeviceError:
        return DeviceError(f"{self._where} {problem}; {remedy}")


def _let_be_cancelled() -> None:
    """Ends a task that was cancelled just when its answer came.

    Before Python 3.12 `asyncio.wait_for`, which pymodbus uses, then gives the answer and forgets
    the cancellation: the session would go on for ever, with no one to hear it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
