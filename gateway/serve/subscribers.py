"""Who has a stream open, what went out on it, and whether they read it.

A stream is one row here from its begin to its end. One who does not read is found here, and ended:
a connection's signs of life are given by its library, whether anyone reads its streams or not, and
none is asked for on a pipe that is full.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import grpc
import structlog

from gateway.clock import Clock
from gateway.serve.caller import Caller, current
from gateway.serve.connections import shut

#: A message may wait so long for a client to read. A client that is busy for so long is no longer
#: one, and what it holds here is needed.
BLOCKED_MOST_S: Final = 45.0
#: How often it is looked who does not read.
LOOK_S: Final = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SubscriberRow:
    """A stream that is open; as `Subscriber` of the contract, which says what each means."""

    subscriber_id: int
    peer: str
    identity: str
    role: str
    method: str
    begin_t_ns: int
    messages: int
    bytes: int
    message_t_ns: int
    blocked_s: float


class Subscriber:
    """One stream: counts what goes out."""

    __slots__ = (
        "begin_t_ns", "bytes", "identity", "message_t_ns", "messages", "method", "number", "peer",
        "role", "waiting_since_s",
    )  # fmt: skip

    def __init__(
        self, number: int, peer: str, method: str, begin_t_ns: int, caller: Caller
    ) -> None:
        self.number = number
        self.peer = peer
        self.method = method
        self.begin_t_ns = begin_t_ns
        self.identity, self.role = caller.name, caller.role.word
        self.messages = self.bytes = self.message_t_ns = 0
        #: Since when a message waits, by the loop's clock; 0: none does.
        self.waiting_since_s = 0.0

    def begin_to_wait(self) -> None:
        """Something is handed to the connection now."""
        self.waiting_since_s = asyncio.get_running_loop().time()


class Subscribers:
    """All streams that are open. On the event loop only."""

    def __init__(self, now_ns: Clock) -> None:
        self._now_ns = now_ns
        self._numbers = itertools.count(1)
        self._open: dict[int, Subscriber] = {}

    def __len__(self) -> int:
        return len(self._open)

    def rows(self) -> list[SubscriberRow]:
        """All that are open, in the order in which they were opened."""
        now_s = asyncio.get_running_loop().time()
        return [
            SubscriberRow(
                subscriber_id=one.number,
                peer=one.peer,
                identity=one.identity,
                role=one.role,
                method=one.method,
                begin_t_ns=one.begin_t_ns,
                messages=one.messages,
                bytes=one.bytes,
                message_t_ns=one.message_t_ns,
                blocked_s=now_s - one.waiting_since_s if one.waiting_since_s else 0.0,
            )
            for one in self._open.values()
        ]

    @contextmanager
    def opened(self, peer: str, method: str) -> Iterator[Subscriber]:
        """A stream for the length of a `with`."""
        one = Subscriber(next(self._numbers), peer, method, self._now_ns(), current())
        self._open[one.number] = one
        try:
            yield one
        finally:
            del self._open[one.number]

    async def write(
        self, context: grpc.aio.ServicerContext[Any, Any], one: Subscriber, message: bytes
    ) -> None:
        """Hands a message to the connection, which waits for a client that does not read."""
        one.begin_to_wait()
        await context.write(message)
        one.waiting_since_s = 0.0
        one.messages += 1
        one.bytes += len(message)
        one.message_t_ns = self._now_ns()

    async def end_who_do_not_read(self) -> None:
        """Ends connections on which a message has waited for too long, for ever.

        To cancel the stream alone would not do: what was written is not withdrawn, and the library
        holds the call, and its memory, until the client reads or goes.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            slow = [row for row in self.rows() if row.blocked_s > BLOCKED_MOST_S]
            for peer in dict.fromkeys(row.peer for row in slow):
                row = next(row for row in slow if row.peer == peer)
                log.warning(
                    "a client does not read: its connection is ended",
                    peer=peer,
                    method=row.method,
                    blocked_s=round(row.blocked_s, 1),
                )
                shut(peer)


@dataclass(frozen=True, slots=True)
class Call:
    """A call's method, and where it is noted if it is a stream."""

    subscribers: Subscribers
    method: str


_CALL: Final[ContextVar[Call]] = ContextVar("call")


class CallNames(grpc.aio.ServerInterceptor):
    """Tells handlers what method they were called as, once for each call."""

    def __init__(self, subscribers: Subscribers) -> None:
        self._subscribers = subscribers

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Goes on with the call."""
        _CALL.set(Call(self._subscribers, details.method))
        return await continuation(details)


def this_call() -> Call:
    """The call that is being handled. Raises LookupError outside of one."""
    return _CALL.get()
