"""A TCP connection that is only read from: nothing here can send a byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from protocols.system_errors import reason_of
from protocols.text.feed import Feed

#: Bytes of one read; what comes faster waits in the system until there is room.
_READ_BYTES: Final = 1 << 16


class Stream(asyncio.BufferedProtocol):
    """Passes what comes to a feed. Of its transport it keeps no way to write."""

    def __init__(self) -> None:
        self._buffer = bytearray(_READ_BYTES)
        self._feed: Feed | None = None
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self._abort: Callable[[], None] | None = None
        #: Called with the reason when the connection has ended by itself.
        self.on_end: Callable[[str], None] | None = None

    def use(self, feed: Feed) -> None:
        """Passes everything to `feed` from now on."""
        self._feed = feed

    def end(self) -> None:
        """Ends the connection; can be called at any time, also twice."""
        self.on_end = self._feed = None
        if self._abort is not None:
            self._abort()
            self._abort = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        reading = cast(asyncio.ReadTransport, transport)
        self._pause, self._resume = reading.pause_reading, reading.resume_reading
        self._abort = cast(asyncio.WriteTransport, transport).abort

    def get_buffer(self, sizehint: int) -> bytearray:
        """Called by asyncio."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Called by asyncio."""
        if self._feed is None:
            return
        self._feed.put(bytes(self._buffer[:nbytes]))
        if self._feed.is_full and self._pause is not None and self._resume is not None:
            self._pause()
            self._feed.when_room(self._resume_reading)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._abort = self._resume = self._pause = None
        if self.on_end is not None:
            lost = isinstance(exc, OSError)
            self.on_end(f"lost the connection ({reason_of(exc)})" if lost else "closed it")

    def _resume_reading(self) -> None:
        if self._resume is not None:
            self._resume()
