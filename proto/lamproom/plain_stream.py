"""A stream as an iterator that goes on over all break-offs. Carries bytes; `stream.py` thinks."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
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

    def open_call(self, opening: Opening, requests: Iterator[bytes]) -> Any:
        """A call that has begun: an iterator of bytes that can be cancelled."""

    def do(self, ask: Ask[None]) -> None:
        """Performs the steps of an ask."""


class Stream(Going[Item]):
    """An iterator of what a gateway tells, without end: it comes back after every break-off.

    An item counts as dealt with when the next one is asked for, or when a `with` block ends without
    an exception: only then is its cursor kept. Iterate in one thread; any may call `close`.
    """

    def __init__(self, hands: _Hands, place: Place[Item], keeping: Keeping | None = None) -> None:
        super().__init__(place, keeping)
        self._hands = hands
        self._closed = threading.Event()
        self._call: Any = None
        self._sent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting_since_s: float | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        """The next item, for which it waits.

        Raises:
            StopIteration: the stream was closed.
            RefusedError: the gateway refuses the request; it is of no use to go on.
            CursorFileError: the cursor can't be kept.
        """
        while True:
            self._deal()
            answer = self._receive()
            if answer is None:
                raise StopIteration
            item = self._place.take(answer)
            if item is not None:
                return item

    def close(self) -> None:
        """Ends the stream, and the wait of who iterates."""
        self._closed.set()
        self._break_off()

    def __del__(self) -> None:
        # Who leaves a loop and forgets the stream leaves no call and no thread behind.
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._is_dealt_with()
            self._keep(last=True, ended_well=kind is None)
        finally:
            self.close()

    def end_if_silent(self, now_s: float) -> None:
        """Breaks off a call that has said nothing for too long; it is then made anew."""
        since_s = self._waiting_since_s
        if since_s is not None and now_s - since_s > SILENCE_MOST_S:
            self._break_off()

    def _deal(self) -> None:
        self._is_dealt_with()
        message = self._place.acknowledgement()
        if message is not None:
            self._sent.put(message)
        self._keep(last=False)

    def _keep(self, *, last: bool, ended_well: bool = False) -> None:
        store = self._store_to_save()
        if store is not None:
            store.save(self._dealt)
            self._is_saved(self._dealt)
        ask = self._to_acknowledge(time.monotonic(), last=last, ended_well=ended_well)
        if ask is not None:
            self._hands.do(ask)

    def _receive(self) -> bytes | None:
        """The next answer, of this call or of another one; None: the stream was closed."""
        while not self._closed.is_set():
            try:
                call = self._call or self._open()
                self._waiting_since_s = time.monotonic()
                answer: bytes = next(call)
            except StopIteration:
                failure: LamproomError = UnavailableError("the stream has ended")
            except grpc.RpcError as error:
                failure = failure_of(error)
            else:
                self._heard()
                return answer
            finally:
                self._waiting_since_s = None
            self._break_off()
            self._call = None
            if not self._closed.is_set():
                self._closed.wait(self._wait_s(failure))
        return None

    def _open(self) -> Any:
        opening = self._place.open()
        self._sent = queue.SimpleQueue()
        self._sent.put(opening.request)
        if not opening.talks:
            self._sent.put(None)
        self._call = self._hands.open_call(opening, iter(self._sent.get, None))
        if self._closed.is_set():  # meanwhile: `close` has not seen this call
            self._break_off()
        return self._call

    def _break_off(self) -> None:
        """Ends the call, of which whoever iterates is then told."""
        call = self._call
        self._sent.put(None)  # the thread that sends ends with it
        if call is not None:
            call.cancel()


def failure_of(error: grpc.RpcError) -> LamproomError:
    """The exception of this package for one of gRPC's."""
    if isinstance(error, grpc.Call):
        return error_of(error.code(), error.details(), error.trailing_metadata())
    return UnavailableError(str(error))
