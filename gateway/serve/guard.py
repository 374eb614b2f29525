"""What stands before all methods: who calls, may they, how often, and what they are shown.

An interceptor runs once a call, health and reflection included. A method that the table of roles
does not know is for nobody.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import structlog
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from gateway.config.bundle import Bundle
from gateway.config.people import Person
from gateway.security.material import now
from gateway.security.roles import LEAST_ROLE, role_of
from gateway.serve import caller as callers
from gateway.serve.access import Access, Entry, host_of
from gateway.serve.connections import shut
from gateway.serve.failure import RequestError, end_call, reason_alone
from gateway.serve.limits import RateLimit
from gateway.serve.masking import Masking
from gateway.serve.reasons import Reason

#: Calls of one caller, streams when they begin: more than a screen asks for, and too few to hold
#: others up.
CALLS_PER_S: Final = 50.0
CALLS_AT_ONCE: Final = 100.0
#: Refusals of one address that are logged: a flood of them must not fill the disk.
LOGGED_PER_S: Final = 0.2
LOGGED_AT_ONCE: Final = 20.0
#: Streams that one caller may have open, however many connections it has: a fifth of all.
STREAMS_MOST: Final = 200

#: What a client that is no longer let in may leave unread for so long.
ENDING_MOST_S: Final = 5.0

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

#: What makes a handler, by whether its requests and its answers are streams.
_MAKE: Final = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Call:
    """A stream that is open."""

    entry: Entry
    task: asyncio.Task[Any]
    #: Why it was ended; empty while it goes on.
    ended: str = ""


class Guard(grpc.aio.ServerInterceptor):
    """Lets callers in. On the event loop only."""

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.settings.grpc
        self.access = Access(settings)
        self.masking = Masking(bundle.people)
        #: Of each method; one that is not there is for nobody.
        self.least_role = LEAST_ROLE
        self._names_role = role_of(settings.names_role)
        self._calls = RateLimit(CALLS_PER_S, CALLS_AT_ONCE)
        self._logged = RateLimit(LOGGED_PER_S, LOGGED_AT_ONCE)
        self._streams: set[_Call] = set()
        self._streams_of: Counter[str] = Counter()
        self._guarded: dict[str, Handler] = {}

    def reload(self, people: Iterable[Person]) -> None:
        """Takes over another people.csv."""
        self.masking.reload(people)

    def look_again(self) -> None:
        """Ends the streams of callers that may no longer stay."""
        at = now()
        for call in self._streams:
            trouble = self.access.trouble(call.entry, at)
            if trouble and not call.ended:
                call.ended = trouble
                call.task.cancel()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """What gRPC calls instead of a method; None where there is no such method."""
        method = handler_call_details.method
        guarded = self._guarded.get(method)
        if guarded is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            guarded = self._guarded[method] = self._guard(method, handler)
        return guarded

    def _guard(self, method: str, handler: Handler) -> Handler:
        coders = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        made: Any
        if handler.response_streaming:
            kind = _answer_type(method)
            made = self._stream(method, handler.stream_stream or handler.unary_stream, kind)
        else:
            made = self._unary(method, handler.stream_unary or handler.unary_unary)
        make: Any = _MAKE[handler.request_streaming, handler.response_streaming]
        guarded: Handler = make(made, **coders)
        return guarded

    def _unary(self, method: str, answer: Any) -> Any:
        async def handle(request: Any, context: Context) -> Any:
            try:
                entry = self._let_in(method, context)
            except RequestError as error:
                await end_call(context, error, _name_of(method))
            if self._sees_names(entry):
                return await answer(request, context)
            shown = _Shown(context, self.masking, None)
            found = await answer(request, shown)
            return self.masking.message(found) if isinstance(found, Message) else found

        return handle

    def _stream(self, method: str, watch: Any, kind: Descriptor | None) -> Any:
        is_generator = inspect.isasyncgenfunction(watch)

        async def handle(request: Any, context: Context) -> None:
            try:
                entry = self._let_in(method, context)
                self._check_streams(entry)
            except RequestError as error:
                await end_call(context, error, _name_of(method))
            shown: Any = context
            if not self._sees_names(entry):
                shown = _Shown(context, self.masking, kind)
            async with self._open(entry, context, method):
                if not is_generator:
                    await watch(request, shown)
                    return
                async with aclosing(watch(request, shown)) as messages:
                    async for message in messages:
                        await shown.write(message)

        return handle

    @asynccontextmanager
    async def _open(self, entry: Entry, context: Context, method: str) -> AsyncIterator[None]:
        """A stream while it is open; it ends where its caller may no longer stay."""
        task = asyncio.current_task()
        if task is None:  # gRPC runs each call in a task of its own
            msg = "a stream outside of a task"
            raise RuntimeError(msg)
        call, who = _Call(entry, task), _who(entry)
        self._streams.add(call)
        self._streams_of[who] += 1
        try:
            yield
        except asyncio.CancelledError:
            if not call.ended:
                raise
            task.uncancel()
            log.warning("a stream is ended", **_words(entry), reason=call.ended)
            error = RequestError(Reason.NOT_LET_IN, call.ended)
            await _ended(context, end_call(context, error, _name_of(method)))
        finally:
            self._streams.discard(call)
            self._streams_of[who] -= 1
            if not self._streams_of[who]:
                del self._streams_of[who]

    def _let_in(self, method: str, context: Context) -> Entry:
        """Who calls. Raises RequestError where they may not, or too often."""
        peer = context.peer()
        try:
            entry = self._enter(method, context, peer)
        except RequestError as error:
            if not self._logged.take(host_of(peer), time.monotonic()):
                log.warning("a caller is refused", peer=peer, method=method, reason=error.text)
            raise
        callers.begin(entry.caller)
        return entry

    def _enter(self, method: str, context: Context, peer: str) -> Entry:
        auth, metadata = dict(context.auth_context()), context.invocation_metadata() or ()
        entry = self.access.enter(peer, auth, tuple(metadata), now(), time.monotonic())
        least = self.least_role.get(method)
        if least is None or entry.caller.role < least:
            needs = f"needs {least.word}" if least else "is for nobody"
            who = f"{entry.caller.name}'s role" if entry.caller.name else "your role"
            msg = f"{method.lstrip('/')} {needs}: {who} is {entry.caller.role.word}"
            raise RequestError(Reason.ROLE_TOO_LOW, msg)
        self._count(entry)
        return entry

    def _sees_names(self, entry: Entry) -> bool:
        return entry.caller.role >= self._names_role

    def _count(self, entry: Entry) -> None:
        if entry.is_local:  # who is on this computer can stop the gateway altogether
            return
        wait_s = self._calls.take(_who(entry), time.monotonic())
        if wait_s:
            msg = f"too many calls: at most {CALLS_PER_S:g} a second, {CALLS_AT_ONCE:g} at once"
            raise RequestError(Reason.TOO_MANY_CALLS, msg, remedy=f"ask again in {wait_s:.2f} s")

    def _check_streams(self, entry: Entry) -> None:
        if not entry.is_local and self._streams_of[_who(entry)] >= STREAMS_MOST:
            msg = f"{STREAMS_MOST} streams are open already"
            raise RequestError(Reason.TOO_MANY_STREAMS, msg)


class _Shown:
    """A call's context through which no names get out."""

    def __init__(self, context: Context, masking: Masking, kind: Descriptor | None) -> None:
        self._context = context
        self._masking = masking
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        """Sends a message of a stream."""
        if isinstance(message, Message):
            message = self._masking.message(message)
        elif self._kind is not None:
            message = self._masking.payload(self._kind, message)
        await self._context.write(message)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()
    ) -> NoReturn:
        """Ends the call. Where its words hold a name, so may its details: the reason is left."""
        masked = self._masking.text(details)
        if masked != details:
            trailing_metadata = [(key, reason_alone(of, masked)) for key, of in trailing_metadata]
        await self._context.abort(code, masked, trailing_metadata)


async def _ended(context: Context, ending: Coroutine[Any, Any, NoReturn]) -> None:
    """Ends a stream; where its client does not read, by its connection."""
    task = asyncio.create_task(ending)
    await asyncio.wait([task], timeout=ENDING_MOST_S)
    if not task.done():
        shut(context.peer())
    await task


def _name_of(method: str) -> str:
    return method.rpartition("/")[2]


def _answer_type(method: str) -> Descriptor | None:
    """The type of a method's answers; None where the contract does not say."""
    service, _, name = method.lstrip("/").rpartition("/")
    try:
        found = descriptor_pool.Default().FindServiceByName(service)
    except KeyError:
        return None
    return found.methods_by_name[name].output_type


def _who(entry: Entry) -> str:
    """Whose calls are counted together: those of one name, else of one address."""
    return entry.caller.name or host_of(entry.caller.peer)


def _words(entry: Entry) -> dict[str, str]:
    who = entry.caller
    return {"peer": who.peer, "caller": who.name, "role": who.role.word}
