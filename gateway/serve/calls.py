"""Methods of services, as gRPC calls them: a message in, a message or a stream of bytes out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from operator import methodcaller
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from gateway.serve.failure import RequestError
from gateway.serve.subscribers import this_call

Request = TypeVar("Request", bound=Message)

#: The methods of one service, by name.
Methods: TypeAlias = "dict[str, grpc.RpcMethodHandler[Any, Any]]"


def stream(
    request_type: type[Request], watch: Callable[[Request], AsyncGenerator[bytes]]
) -> grpc.RpcMethodHandler[Request, bytes]:
    """A stream whose messages are bytes already: they pass through."""

    async def handle(request: Request, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await _send(context, lambda: watch(request))

    return grpc.unary_stream_rpc_method_handler(
        handle, request_deserializer=request_type.FromString
    )


def conversation(
    request_type: type[Request], follow: Callable[[AsyncIterator[Request]], AsyncGenerator[bytes]]
) -> grpc.RpcMethodHandler[Request, bytes]:
    """A stream as above, whose client goes on to send requests while it runs."""

    async def handle(
        requests: AsyncIterator[Request], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        await _send(context, lambda: follow(requests))

    return grpc.stream_stream_rpc_method_handler(
        handle, request_deserializer=request_type.FromString
    )


async def _send(
    context: grpc.aio.ServicerContext[Any, Any], watch: Callable[[], AsyncGenerator[bytes]]
) -> None:
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
            await context.abort(error.code, error.text)
        except grpc.aio.InternalError:
            # The connection broke while a message was on its way: there is nobody to tell.
            return


def unary(
    request_type: type[Request], answer: Callable[[Request], Message | Awaitable[Message]]
) -> grpc.RpcMethodHandler[Request, Message]:
    """One answer to one request, at once or when it is known."""

    async def handle(request: Request, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        try:
            found = answer(request)
            return found if isinstance(found, Message) else await found
        except RequestError as error:
            await context.abort(error.code, error.text)

    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=request_type.FromString,
        response_serializer=methodcaller("SerializeToString"),
    )
