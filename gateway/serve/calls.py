"""Methods of services, as gRPC calls them: a message in, a message or a stream of bytes out.

What a handler raises ends the call with a status that has details, whatever it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from operator import methodcaller
from typing import Any, TypeAlias, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from gateway.serve.failure import RequestError, end_call
from gateway.serve.masks import read_mask_of
from gateway.serve.reasons import Reason
from gateway.serve.subscribers import this_call

Request = TypeVar("Request", bound=Message)
Given = TypeVar("Given")
Answer = TypeVar("Answer")

#: The methods of one service, by name.
Methods: TypeAlias = "dict[str, grpc.RpcMethodHandler[Any, Any]]"

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

log = structlog.get_logger(__name__)


def stream(
    request_type: type[Request], watch: Callable[[Request], AsyncGenerator[bytes]]
) -> grpc.RpcMethodHandler[bytes, bytes]:
    """A stream whose messages are bytes already: they pass through."""
    method = _method_of(request_type)

    async def handle(data: bytes, context: _Context) -> None:
        await _send(context, method, lambda: watch(_parsed(request_type, data)))

    return grpc.unary_stream_rpc_method_handler(_answered(method, handle))


def conversation(
    request_type: type[Request], follow: Callable[[AsyncIterator[Request]], AsyncGenerator[bytes]]
) -> grpc.RpcMethodHandler[bytes, bytes]:
    """A stream as above, whose client goes on to send requests while it runs."""
    method = _method_of(request_type)

    async def handle(requests: AsyncIterator[bytes], context: _Context) -> None:
        parsed = (_parsed(request_type, data) async for data in requests)
        await _send(context, method, lambda: follow(parsed))

    return grpc.stream_stream_rpc_method_handler(_answered(method, handle))


async def _send(context: _Context, method: str, watch: Callable[[], AsyncGenerator[bytes]]) -> None:
    """Sends what a stream has, and notes in the list of subscribers what was sent."""
    call = this_call()
    subscribers = call.subscribers
    with subscribers.opened(context.peer(), call.method) as subscriber:
        try:
            async with aclosing(watch()) as messages:
                async for message in messages:
                    await subscribers.write(context, subscriber, message)
        except RequestError as error:
            # This waits, too, for a client that does not read.
            subscriber.begin_to_wait()
            await end_call(context, error, method)
        except grpc.aio.InternalError:
            # The connection broke while a message was on its way: there is nobody to tell.
            return


def unary(
    request_type: type[Request], answer: Callable[[Request], Message | Awaitable[Message]]
) -> grpc.RpcMethodHandler[bytes, Message]:
    """One answer to one request, at once or when it is known; cut down to its `read_mask`."""
    mask = read_mask_of(request_type)

    async def handle(data: bytes, _context: _Context) -> Message:
        request = _parsed(request_type, data)
        selection = mask.selection(request.read_mask.paths) if mask else None  # type: ignore[attr-defined]  # where there is a mask, the request has it
        found = answer(request)
        whole = found if isinstance(found, Message) else await found
        return mask.select(whole, selection) if mask and selection else whole

    return grpc.unary_unary_rpc_method_handler(
        _answered(_method_of(request_type), handle),
        response_serializer=methodcaller("SerializeToString"),
    )


def _answered(
    method: str, handle: Callable[[Given, _Context], Awaitable[Answer]]
) -> Callable[[Given, _Context], Awaitable[Answer]]:
    """Calls `handle`; the client is told whatever that raises."""

    async def call(given: Given, context: _Context) -> Answer:
        try:
            return await handle(given, context)
        except RequestError as error:
            await end_call(context, error, method)
        except Exception as error:
            gone = isinstance(error, grpc.aio.InternalError) or context.done()
            if gone or isinstance(error, grpc.aio.AbortError):
                raise  # its client has gone, or it is answered
            log.exception("a request could not be answered", method=method)
            msg = f"the gateway failed at this request: {type(error).__name__}"
            await end_call(context, RequestError(Reason.INTERNAL_ERROR, msg), method)

    return call


def _method_of(request_type: type[Message]) -> str:
    return request_type.DESCRIPTOR.name.removesuffix("Request")


def _parsed(request_type: type[Request], data: bytes) -> Request:
    try:
        return request_type.FromString(data)
    except DecodeError as error:
        msg = f"the request is no {request_type.DESCRIPTOR.name}: {error}"
        raise RequestError(Reason.REQUEST_MALFORMED, msg) from error
