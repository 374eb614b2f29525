"""Where a device's lines come from: a connection that we make, or a port on which it sends."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from protocols.driver import DeviceError
from protocols.system_errors import reason_of
from protocols.text.feed import Feed
from protocols.text.port import Port, TakenError
from protocols.text.stream import Stream
from protocols.text.words import addresses_of, no_port

#: Nobody else waits for a port as everyone does for a network: it is opened again at once, for a
#: device that finds it closed may try again only after long.
AGAIN_S: Final = 0.1


class Source(Protocol):
    """One session's way to the lines of a device."""

    feed: Feed
    #: After how long a session that ended may begin again; 0: the supervisor says.
    again_s: float

    async def open(self) -> None:
        """Begins to fill the feed.

        Raises:
            DeviceError: that can't be done; the text is for an operator.
        """

    def close(self) -> None:
        """Fills the feed no more; can be called at any time."""


class Outgoing:
    """A connection that we make; it is over when the device closes it."""

    again_s = 0.0

    def __init__(self, where: str, host: str, port: int, timeout_s: float) -> None:
        """`where` begins every message."""
        self._where = where
        self._host, self._port = host, port
        self._timeout_s = timeout_s
        self._stream = Stream()
        self.feed = Feed()

    async def open(self) -> None:
        """See `Source`."""
        loop = asyncio.get_running_loop()
        self._stream.use(self.feed)
        self._stream.on_end = self._ended
        try:
            async with asyncio.timeout(self._timeout_s):
                await loop.create_connection(lambda: self._stream, self._host, self._port)
        except TimeoutError:
            problem = f"no answer within {self._timeout_s:g} s"
        except OSError as error:
            problem = _why_not(error)
        else:
            return
        msg = f"{self._where} can't be reached ({problem}); check the address, the power and the "
        raise DeviceError(f"{msg}network")

    def close(self) -> None:
        """See `Source`."""
        self._stream.end()

    def _ended(self, why: str) -> None:
        self.feed.no_more(f"{why.replace('closed it', 'closed the connection')}; check the device")


class Incoming:
    """A port on which the device sends, alone or with others."""

    again_s = AGAIN_S

    def __init__(self, where: str, host: str, port: Port, *, datagrams: bool) -> None:
        """`host`: from where the device sends."""
        self._where = where
        self._host = host
        self._port = port
        self.feed = Feed(datagrams=datagrams)
        self.feed.quiet = "" if datagrams else "has not connected"

    async def open(self) -> None:
        """See `Source`."""
        try:
            addresses = await addresses_of(self._host)
        except OSError as error:
            msg = f"{self._where}: host can't be resolved ({reason_of(error)}); check its name"
            raise DeviceError(msg) from None
        try:
            await self._port.join(self.feed, addresses)
        except TakenError:
            shown = ", ".join(sorted(addresses))
            msg = f"{self._where}: another device on this port has the address {shown} as well"
            raise DeviceError(f"{msg}; give each its own host") from None
        except OSError as error:
            raise DeviceError(f"{self._where}: the port {no_port(error)}") from None

    def close(self) -> None:
        """See `Source`."""
        self._port.leave(self.feed)


def _why_not(error: OSError) -> str:
    if error.errno is None and error.args:
        # Several addresses of one name were tried: asyncio tells all failures in one text.
        return str(error.args[0])
    return reason_of(error)
