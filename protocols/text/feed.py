"""What has come from a device and is not yet taken. On the event loop only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: Bytes of one batch: so many lines that the loop is held up for some milliseconds.
BATCH_BYTES: Final = 1 << 16

#: Bytes that may wait: some seconds of what is taken at most. Beyond it a connection is not read
#: from, and datagrams are lost, aloud.
WAITING_BYTES_MOST: Final = 1 << 20

#: What each piece costs beside its bytes, so that empty ones can't fill the memory.
_PIECE_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that came at once; None: another connection begins."""

    t_s: float
    data: bytes | None


class Feed:
    """The way from a transport to a session."""

    def __init__(self, *, datagrams: bool = False) -> None:
        """`datagrams`: each piece is whole lines."""
        self.datagrams = datagrams
        #: Why no more will come; empty where more may.
        self.end = ""
        #: Why nothing comes for now, in words; empty where that is not known.
        self.quiet = ""
        #: Datagrams that found no room, and what came from others, by their address.
        self.dropped = 0
        self.strangers: dict[str, int] = {}
        self._waiting: deque[Piece] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._resume: Callable[[], None] | None = None

    @property
    def is_full(self) -> bool:
        """Whether no more should be put in."""
        return self._bytes >= WAITING_BYTES_MOST

    def begin(self) -> None:
        """Another connection begins: what the one before left unfinished stays so."""
        self._waiting.append(Piece(0.0, None))
        self.quiet = ""

    def put(self, data: bytes) -> None:
        """Takes bytes as they came."""
        self._waiting.append(Piece(asyncio.get_running_loop().time(), data))
        self._bytes += len(data) + _PIECE_BYTES
        self._filled.set()

    def put_datagram(self, data: bytes) -> None:
        """Takes a datagram, or counts it where there is no room."""
        if self.is_full:
            self.dropped += 1
        else:
            self.put(data)

    def when_room(self, resume: Callable[[], None]) -> None:
        """Calls `resume` once when there is room again."""
        self._resume = resume

    def no_more(self, why: str) -> None:
        """Nothing will come any more."""
        self.end = why
        self._filled.set()

    async def take(self, timeout_s: float) -> list[Piece]:
        """Up to BATCH_BYTES of what has come, in order; nothing after `timeout_s` without any."""
        if not self._waiting and not self.end:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._filled.wait()
            except TimeoutError:
                return []
        taken: list[Piece] = []
        count = 0
        while self._waiting and count < BATCH_BYTES:
            piece = self._waiting.popleft()
            taken.append(piece)
            if piece.data is not None:
                count += len(piece.data) + _PIECE_BYTES
        self._bytes -= count
        if not self._waiting:
            self._filled.clear()
        if self._resume is not None and not self.is_full:
            resume, self._resume = self._resume, None
            resume()
        return taken

    @property
    def is_over(self) -> bool:
        """Whether all has been taken and nothing will come any more."""
        return bool(self.end) and not self._waiting
