"""One unit as its session sees it: connects, reads, closes; over a connection of its own."""

from __future__ import annotations

from typing import Protocol

from protocols.driver import DeviceError
from protocols.modbus.codec import Registers
from protocols.modbus.connection import Connection, LineError
from protocols.modbus.endpoint import Endpoint
from protocols.modbus.plan import Read
from protocols.modbus.refusal import Refused
from protocols.modbus.rtu_gate import Debts


class Line(Protocol):
    """A way to one unit, with one request at a time."""

    async def connect(self) -> None:
        """Connects. Raises DeviceError with the reason."""

    async def read(self, read: Read) -> Registers | Refused:
        """The registers or bits asked for, exactly so many, or the device's refusal.

        Raises:
            DeviceError: there was no answer in time or a wrong one; the session is over.
        """

    def close(self) -> None:
        """Gives the connection up; can be called at any time, also twice."""


class OwnLine:
    """A connection that nobody else uses. Made on a running event loop."""

    def __init__(self, where: str, endpoint: Endpoint, unit: int, timeout_s: float) -> None:
        """`where` begins every message; `timeout_s` bounds the connecting and each answer."""
        self._where = where
        self._unit = unit
        self._timeout_s = timeout_s
        self._connection = Connection(endpoint, Debts())

    async def connect(self) -> None:
        """See `Line`."""
        try:
            await self._connection.connect(self._timeout_s)
        except LineError as error:
            raise device_error(self._where, error) from None

    async def read(self, read: Read) -> Registers | Refused:
        """See `Line`."""
        try:
            return await self._connection.read(self._unit, read, self._timeout_s)
        except LineError as error:
            raise device_error(self._where, error) from None

    def close(self) -> None:
        """See `Line`."""
        self._connection.close()


def device_error(where: str, error: LineError) -> DeviceError:
    """`error` as an operator reads it; `where` is the device's address in words."""
    return DeviceError(f"{where} {error.problem}; {error.remedy}", again_s=error.again_s)
