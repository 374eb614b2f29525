"""Methods of services, as gRPC calls them: a message in, a message or a stream of bytes out.

What a handler raises ends the call with a status that has details, whatever it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from operator import methodcaller
from typing import Any, TypeAlias, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from gateway.serve.failure import RequestError, end_call
from gateway.serve.masks import read_mask_of
from gateway.serve.reasons import Reason

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer")

#: The methods of one service, by name.
Methods: TypeAlias = "dict[str, grpc.RpcMethodHandler[Any, Any]]"

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

log = structlog.get_logger(__name__)


def stream(
    request_type: type[Request], watch: Callable[[Request], AsyncGenerator[bytes]]
) -> grpc.RpcMethodHandler[bytes, bytes]:
    """A stream whose messages are bytes already: they pass through."""

    async def handle(request: Request, context: _Context) -> None:
        async with aclosing(watch(request)) as messages:
            async for message in messages:
                await context.write(message)

    return grpc.unary_stream_rpc_method_handler(_answered(request_type, handle))


def unary(
    request_type: type[Request], answer: Callable[[Request], Message | Awaitable[Message]]
) -> grpc.RpcMethodHandler[bytes, Message]:
    """One answer to one request, at once or when it is known; cut down to its `read_mask`."""
    mask = read_mask_of(request_type)

    async def handle(request: Request, _context: _Context) -> Message:
        selection = mask.selection(request.read_mask.paths) if mask else None  # type: ignore[attr-defined]  # where there is a mask, the request has it
        found = answer(request)
        whole = found if isinstance(found, Message) else await found
        return mask.select(whole, selection) if mask and selection else whole

    return grpc.unary_unary_rpc_method_handler(
        _answered(request_type, handle), response_serializer=methodcaller("SerializeToString")
    )


def _answered(
    request_type: type[Request], handle: Callable[[Request, _Context], Awaitable[Answer]]
) -> Callable[[bytes, _Context], Awaitable[Answer]]:
    """Reads a request and hands it to `handle`; the client is told whatever that raises."""
    method = request_type.DESCRIPTOR.name.removesuffix("Request")

    async def call(data: bytes, context: _Context) -> Answer:
        try:
            return await handle(_parsed(request_type, data), context)
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


def _parsed(request_type: type[Request], data: bytes) -> Request:
    try:
        return request_type.FromString(data)
    except DecodeError as error:
        msg = f"the request is no {request_type.DESCRIPTOR.name}: {error}"
        raise RequestError(Reason.REQUEST_MALFORMED, msg) from error
