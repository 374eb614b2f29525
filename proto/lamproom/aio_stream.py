"""A stream as an asynchronous iterator that goes on over all break-offs, as `plain_stream.py`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import grpc

from lamproom.asks import Ask
from lamproom.errors import LamproomError, UnavailableError, error_of
from lamproom.going import Going
from lamproom.keeping import Keeping
from lamproom.retry import SILENCE_MOST_S
from lamproom.stream import Opening, Place

Item = TypeVar("Item")


class _Hands(Protocol):
    """What a stream needs of its client."""

    def open_call(self, opening: Opening) -> Any:
        """A call to which bytes are written and from which bytes are read."""

    async def do(self, ask: Ask[None]) -> None:
        """Performs the steps of an ask."""


class AsyncStream(Going[Item]):
    """An iterator of what a gateway tells, without end: it comes back after every break-off.

    An item counts as dealt with when the next one is asked for, or when an `async with` block ends
    without an exception: only then is its cursor kept. One task iterates; to be cancelled while it
    waits, by a timeout say, costs nothing: the next item is then the one that would have come.
    """

    def __init__(self, hands: _Hands, place: Place[Item], keeping: Keeping | None = None) -> None:
        super().__init__(place, keeping)
        self._hands = hands
        self._closed = asyncio.Event()
        self._call: Any = None
        # What a cancelled `__anext__` has left: the next one goes on with it.
        self._reading: asyncio.Future[Any] | None = None
        self._saving: asyncio.Future[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        """The next item, for which it waits.

        Raises:
            StopAsyncIteration: the stream was closed.
            RefusedError: the gateway refuses the request; it is of no use to go on.
            CursorFileError: the cursor can't be kept.
        """
        while True:
            await self._deal()
            answer = await self._receive()
            if answer is None:
                raise StopAsyncIteration
            item = self._place.take(answer)
            if item is not None:
                return item

    async def close(self) -> None:
        """Ends the stream, and the wait of who iterates; nothing of it is left behind."""
        self._closed.set()
        reading = self._reading
        self._end_call()
        if reading is not None:
            await asyncio.wait({reading})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._is_dealt_with()
            await self._keep(last=True, ended_well=kind is None)
        finally:
            await self.close()

    async def _deal(self) -> None:
        self._is_dealt_with()
        message = self._place.acknowledgement()
        if message is not None and self._call is not None and not self._call.done():
            # A call that has ended says why when it is read.
            with suppress(grpc.RpcError, asyncio.InvalidStateError):
                await self._call.write(message)
        await self._keep(last=False)

    async def _keep(self, *, last: bool, ended_well: bool = False) -> None:
        await self._save()
        now_s = asyncio.get_running_loop().time()
        ask = self._to_acknowledge(now_s, last=last, ended_well=ended_well)
        if ask is not None:
            await self._hands.do(ask)

    async def _save(self) -> None:
        """Has the store keep the cursor, in a thread: other tasks go on while the disk writes."""
        store, cursor = self._store_to_save(), self._dealt
        if store is None:
            return
        # One at a time, also where the wait for one was cancelled.
        if self._saving is not None:
            await asyncio.wait({self._saving})
        self._saving = asyncio.ensure_future(asyncio.to_thread(store.save, cursor))
        await asyncio.shield(self._saving)
        self._saving = None
        self._is_saved(cursor)

    async def _receive(self) -> bytes | None:
        """The next answer, of this call or of another one; None: the stream was closed."""
        while not self._closed.is_set():
            if self._reading is None:
                self._reading = asyncio.ensure_future(self._read())
                self._reading.add_done_callback(_look_at)
            reading = self._reading
            await asyncio.wait({reading}, timeout=SILENCE_MOST_S)
            answer, failure = _outcome(reading)
            if failure is None:
                self._reading = None
                self._heard()
                return answer
            self._end_call()
            if not self._closed.is_set():
                await self._pause(self._wait_s(failure))
        return None

    async def _read(self) -> Any:
        """The next message; anything but bytes at the end of the call."""
        if self._call is None:
            opening = self._place.open()
            self._call = self._hands.open_call(opening)
            await self._call.write(opening.request)
            if not opening.talks:
                await self._call.done_writing()
        return await self._call.read()

    async def _pause(self, wait_s: float) -> None:
        """Waits, or until the stream is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._closed.wait()

    def _end_call(self) -> None:
        if self._call is not None:
            self._call.cancel()
        if self._reading is not None:
            self._reading.cancel()
        self._call = self._reading = None


def _look_at(reading: asyncio.Future[Any]) -> None:
    """Errors of a call that was given up are nobody's concern: they would be logged."""
    if not reading.cancelled():
        reading.exception()


def _outcome(reading: asyncio.Future[Any]) -> tuple[bytes, LamproomError | None]:
    """What was read, or why nothing was."""
    if not reading.done():
        return b"", UnavailableError("the gateway says nothing any more")
    try:
        answer = reading.result()
    except grpc.aio.AioRpcError as error:
        return b"", failure_of(error)
    except asyncio.CancelledError:
        return b"", UnavailableError("the call was ended here")
    if not isinstance(answer, bytes):
        return b"", UnavailableError("the stream has ended")
    return answer, None


def failure_of(error: grpc.aio.AioRpcError) -> LamproomError:
    """The exception of this package for one of gRPC's."""
    return error_of(error.code(), error.details(), error.trailing_metadata())
