"""A connection that several units share: they ask one at a time, in turns.

Each device has its own session and supervisor. Whoever wants to ask waits for their turn; as a
session asks for one thing at a time, nobody has two turns while another waits.
"""

from __future__ import annotations

import asyncio
from typing import Final

from protocols.modbus.codec import Registers
from protocols.modbus.connection import Connection, LineError
from protocols.modbus.endpoint import Endpoint
from protocols.modbus.line import device_error
from protocols.modbus.plan import Read
from protocols.modbus.refusal import Refused
from protocols.modbus.rests import Rests
from protocols.modbus.rtu_gate import Debts
from protocols.modbus.turns import Turns

#: Refusals by which what stands before a unit says that the unit itself is silent (Modbus
#: Application Protocol V1.1b3, 7). It has waited for the unit as long as it does.
_SILENT_UNIT: Final = frozenset({10, 11})


class Bus:
    """The connection, who has the turn, and which units are left alone for now.

    Belongs to the drivers that use it, and is connected while any of them has a session.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Connects only once it is asked to."""
        self._endpoint = endpoint
        self._debts = Debts()
        self._rests = Rests()
        self._turns = Turns(self._rests.is_doubtful)
        self._granted: dict[int, asyncio.Future[None]] = {}
        self._lines: set[SharedLine] = set()
        self._connection: Connection | None = None
        # How often connecting has failed, and why it did last.
        self._failures = 0
        self._failure = LineError("", "")

    def line(self, where: str, unit: int, timeout_s: float) -> SharedLine:
        """The way to `unit`, for one session."""
        return SharedLine(self, where, unit, timeout_s)

    async def connect(self, line: SharedLine) -> None:
        """Lets `line` use the connection until it leaves, and makes it where there is none.

        Raises:
            LineError: it can't be made.
        """
        self._lines.add(line)
        failures = self._failures
        ticket = await self._take_turn(line.unit)
        try:
            await self._connected(line.timeout_s, failures)
        finally:
            self._give_back(ticket)

    def leave(self, line: SharedLine) -> None:
        """`line` is not used any more; after the last one the connection is closed."""
        self._lines.discard(line)
        if not self._lines:
            self._drop()

    def rest_s(self, unit: int) -> float:
        """How long `unit` is still to be left alone."""
        return self._rests.left_s(unit, asyncio.get_running_loop().time())

    async def read(self, line: SharedLine, read: Read) -> Registers | Refused:
        """Asks `line`'s unit when it has its turn.

        Raises:
            LineError: there was no right answer, or no connection; others can go on asking.
        """
        failures = self._failures
        ticket = await self._take_turn(line.unit)
        try:
            connection = await self._connected(line.timeout_s, failures)
            return await self._asked(connection, line, read)
        finally:
            self._give_back(ticket)

    async def _asked(
        self, connection: Connection, line: SharedLine, read: Read
    ) -> Registers | Refused:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        try:
            answer = await connection.read(line.unit, read, line.timeout_s)
        except LineError as error:
            rest_s = self._rests.failed(line.unit, loop.time() - begun_s, loop.time())
            raise LineError(error.problem, error.remedy, rest_s) from None
        finally:
            if not connection.is_usable:
                # Not in what comes next: the others begin with a connection of which all fits.
                self._drop()
        if not isinstance(answer, Refused) or answer.code not in _SILENT_UNIT:
            self._rests.answered(line.unit)
            return answer
        rest_s = self._rests.failed(line.unit, loop.time() - begun_s, loop.time())
        if rest_s:
            raise LineError(f"is silent ({answer})", answer.remedy, rest_s)
        return answer

    async def _take_turn(self, unit: int) -> int:
        """Waits for a turn to ask `unit`; it is to be given back, whatever happens."""
        ticket = self._turns.join(unit)
        if self._turns.next() == ticket:
            return ticket
        granted = self._granted[ticket] = asyncio.get_running_loop().create_future()
        try:
            await granted
        except BaseException:
            self._give_back(ticket)
            raise
        finally:
            del self._granted[ticket]
        return ticket

    def _give_back(self, ticket: int) -> None:
        self._turns.leave(ticket)
        following = self._turns.next()
        if following is not None:
            self._granted[following].set_result(None)

    async def _connected(self, timeout_s: float, failures: int) -> Connection:
        """`failures`: how many there were when the caller began to wait."""
        if self._connection is not None and self._connection.is_usable:
            return self._connection
        self._drop()
        if self._failures != failures:
            # It was tried while the caller waited: asking again would make a queue of timeouts.
            raise LineError(self._failure.problem, self._failure.remedy)
        connection = Connection(self._endpoint, self._debts)
        try:
            await connection.connect(timeout_s)
        except BaseException as error:
            connection.close()
            if isinstance(error, LineError):
                self._failures += 1
                self._failure = error
            raise
        self._connection = connection
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class SharedLine:
    """One unit on a bus, for one session; see `Line`."""

    def __init__(self, bus: Bus, where: str, unit: int, timeout_s: float) -> None:
        self._bus = bus
        self._where = where
        self.unit = unit
        self.timeout_s = timeout_s

    async def connect(self) -> None:
        """See `Line`. A unit that is left alone for now is asked when its rest is over."""
        await asyncio.sleep(self._bus.rest_s(self.unit))
        try:
            await self._bus.connect(self)
        except LineError as error:
            raise device_error(self._where, error) from None

    async def read(self, read: Read) -> Registers | Refused:
        """See `Line`."""
        try:
            return await self._bus.read(self, read)
        except LineError as error:
            raise device_error(self._where, error) from None

    def close(self) -> None:
        """See `Line`."""
        self._bus.leave(self)
