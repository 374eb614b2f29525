"""One connection to an LLRP reader: asks, waits for answers, and acknowledges signs of life."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from protocols.driver import DeviceError
from protocols.llrp import gate, wire
from protocols.llrp.options import LlrpOptions
from protocols.llrp.wire import Message, NonsenseError, Splitter, Status
from protocols.system_errors import reason_of
from protocols.tcp import unconnected

#: At most so much is taken from the system at once.
_CHUNK_BYTES: Final = 65_536

#: Messages that are taken before other devices have their turn.
AT_ONCE_MOST: Final = 32

#: How long saying goodbye may take: without one the reader may keep our place for a while.
GOODBYE_S: Final = 0.5

_NO_LLRP: Final = "check that it is an LLRP reader, and port"


class Connection:
    """Sends nothing but what `gate` lets through."""

    def __init__(self, options: LlrpOptions, rospec: bytes | None) -> None:
        """`rospec`: the gateway's own one, None where it has none."""
        self._options = options
        self._rospec = rospec
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._splitter = Splitter()
        self._number = 0
        self._taken = 0
        #: Messages that have come and are not yet taken.
        self._come: deque[Message] = deque()

    async def open(self) -> None:
        """Connects; nothing is said yet. Raises DeviceError where that is not possible."""
        options = self._options
        try:
            async with asyncio.timeout(options.timeout_s):
                opened = await asyncio.open_connection(options.host, options.port)
        except UnicodeError as error:
            msg = f"host {options.host!r} can't be the name of a computer"
            raise DeviceError(msg) from error
        except OSError as error:
            refused = "the reader runs and has room for a client"
            raise unconnected(error, options.host, options.timeout_s, refused) from error
        self._reader, self._writer = opened

    def send(self, kind: int, body: bytes = b"") -> int:
        """Sends a message; returns its number. Raises ReadOnlyError where it may not be sent."""
        assert self._writer is not None
        self._number = self._number % 0xFFFF_FFFF + 1
        message = wire.packed(kind, self._number, body)
        gate.check(message, self._rospec)
        self._writer.write(message)
        return self._number

    async def next(self, within_s: float) -> Message | None:
        """The next message, None where none comes in time; signs of life are acknowledged.

        Raises:
            DeviceError: the connection is lost, or what comes is no LLRP.
        """
        assert self._reader is not None
        until_s = asyncio.get_running_loop().time() + within_s
        while not self._come:
            try:
                async with asyncio.timeout_at(until_s):
                    data = await self._reader.read(_CHUNK_BYTES)
            except TimeoutError:
                return None
            except OSError as error:
                msg = f"connection lost ({reason_of(error)}): check the reader and the network"
                raise DeviceError(msg) from error
            if not data:
                msg = "the reader has hung up: check it, and whether it has another client"
                raise DeviceError(msg)
            try:
                self._come.extend(self._splitter.feed(data))
            except NonsenseError as error:
                msg = f"what comes is no LLRP ({error}): {_NO_LLRP}"
                raise DeviceError(msg) from error
        self._taken += 1
        if self._taken % AT_ONCE_MOST == 0:
            await asyncio.sleep(0)
        message = self._come.popleft()
        if message.kind == wire.KEEPALIVE:
            self.send(wire.KEEPALIVE_ACK)
        return message

    async def leave(self) -> None:
        """Takes leave where that is quick, and closes."""
        if self._writer is None:
            return
        try:
            if not self._writer.transport.is_closing():
                self.send(wire.CLOSE_CONNECTION)
                async with asyncio.timeout(GOODBYE_S):
                    while True:
                        message = await self.next(GOODBYE_S)
                        if message is None or message.kind == wire.CLOSE_CONNECTION_RESPONSE:
                            break
        except (DeviceError, TimeoutError):
            pass  # It is left anyway.
        finally:
            self._writer.transport.abort()


def refused(what: str, status: Status) -> str:
    """What the reader has not done, and why."""
    said = f" ({status.text})" if status.text else ""
    return f"the reader does not {what}: LLRP status {status.code}{said}"
