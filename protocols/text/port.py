"""A port on which devices send, one or several; each is known by the address from which it comes.

Belongs to the drivers that use it, and is open while any of them has a session.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from typing import Final, cast

from protocols.text.feed import Feed
from protocols.text.stream import Stream
from protocols.text.words import plain

#: Datagrams that are taken before others have their turn.
_AT_ONCE_MOST: Final = 64

#: The longest datagram there is.
_DATAGRAM_BYTES: Final = 65_536

#: Bytes that the system is asked to keep for us: a second of the fastest device.
_SYSTEM_BYTES: Final = 4 << 20

#: Who comes within so long after the port was opened may be one whose first session just begins.
SETTLED_S: Final = 2.0

#: Strangers whose addresses are told; of more only the count.
_STRANGERS_MOST: Final = 16

OTHERS: Final = "other addresses"


class TakenError(Exception):
    """Another device has the same address on this port."""


class Port(ABC):
    """Who is heard on a port."""

    def __init__(self, bind: str, port: int) -> None:
        """Opens only once someone joins."""
        self._bind = bind
        self._port = port
        self._feeds: dict[str, Feed] = {}
        #: Whoever was heard here: a device may be between two sessions.
        self._known: set[str] = set()
        self._opened_s = 0.0
        self._opening = asyncio.Lock()

    async def join(self, feed: Feed, addresses: set[str]) -> None:
        """Passes on what comes from `addresses`.

        Raises:
            TakenError: another device has one of them.
            OSError: the port can't be had.
        """
        if any(address in self._feeds for address in addresses):
            raise TakenError
        self._feeds |= dict.fromkeys(addresses, feed)
        self._known |= addresses
        try:
            async with self._opening:
                if not self._is_open:
                    await self._open()
                    self._opened_s = asyncio.get_running_loop().time()
        except BaseException:
            self.leave(feed)
            raise

    def leave(self, feed: Feed) -> None:
        """Passes nothing more on to `feed`; closes the port after the last one."""
        gone = [address for address, one in self._feeds.items() if one is feed]
        for address in gone:
            del self._feeds[address]
            self._forget(address)
        if not self._feeds:
            self._close()
            self._known.clear()

    def _feed_of(self, address: str) -> Feed | None:
        """Whose the address is. What comes from others is told to whoever is here longest."""
        feed = self._feeds.get(address)
        if feed is None and self._feeds and address not in self._known:
            self._note_stranger(next(iter(self._feeds.values())), address)
        return feed

    def _note_stranger(self, feed: Feed, address: str) -> None:
        if asyncio.get_running_loop().time() - self._opened_s < SETTLED_S:
            return
        full = len(feed.strangers) >= _STRANGERS_MOST and address not in feed.strangers
        who = OTHERS if full else address
        feed.strangers[who] = feed.strangers.get(who, 0) + 1

    @property
    @abstractmethod
    def _is_open(self) -> bool: ...

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    @abstractmethod
    def _forget(self, address: str) -> None:
        """Nobody is heard from `address` any more."""


class UdpPort(Port):
    """Datagrams; only ever received."""

    def __init__(self, bind: str, port: int) -> None:
        """See `Port`."""
        super().__init__(bind, port)
        self._socket: socket.socket | None = None

    @property
    def _is_open(self) -> bool:
        return self._socket is not None

    async def _open(self) -> None:
        family = socket.AF_INET6 if ":" in self._bind else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.settimeout(0.0)
            if family == socket.AF_INET6:  # as asyncio does for TCP
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SYSTEM_BYTES)
            made.bind((self._bind, self._port))
        except BaseException:
            made.close()
            raise
        self._socket = made
        asyncio.get_running_loop().add_reader(made, self._receive, made)

    def _close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _forget(self, address: str) -> None:
        """Datagrams leave nothing behind."""

    def _receive(self, opened: socket.socket) -> None:
        for _ in range(_AT_ONCE_MOST):
            try:
                data, peer = opened.recvfrom(_DATAGRAM_BYTES)
            except OSError:  # there is no more, or an error of another host's that is none of ours
                return
            feed = self._feed_of(plain(peer[0]))
            if feed is not None:
                feed.put_datagram(data)


class TcpPort(Port):
    """Connections that devices make; only ever read from. A device's newest one counts."""

    def __init__(self, bind: str, port: int) -> None:
        """See `Port`."""
        super().__init__(bind, port)
        self._server: asyncio.Server | None = None
        self._streams: dict[str, Stream] = {}

    @property
    def _is_open(self) -> bool:
        return self._server is not None

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Arrival(self), self._bind, self._port)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _forget(self, address: str) -> None:
        stream = self._streams.pop(address, None)
        if stream is not None:
            stream.end()

    def arrived(self, stream: Stream, address: str) -> None:
        """A connection was made from `address`."""
        feed = self._feed_of(address)
        if feed is None:
            stream.end()
            return
        self._forget(address)
        self._streams[address] = stream
        stream.use(feed)
        stream.on_end = lambda why: self._ended(stream, feed, address, why)
        feed.begin()

    def _ended(self, stream: Stream, feed: Feed, address: str, why: str) -> None:
        if self._streams.get(address) is stream:
            del self._streams[address]
        feed.quiet = f"had connected, {why}, and is not back"


class _Arrival(Stream):
    """A connection of which it is to be found out whose it is."""

    def __init__(self, port: TcpPort) -> None:
        super().__init__()
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        peer = cast("tuple[str, int] | None", transport.get_extra_info("peername"))
        if peer is None:  # it is gone already
            self.end()
            return
        self._port.arrived(self, plain(peer[0]))
