"""A client of one stream: reads its messages one by one."""

import asyncio
from typing import Any, Generic, TypeVar, cast

import grpc
import pytest
from google.protobuf.message import Message

from tests.gateway.status_details import details_of
from tests.support.waiting import LONG_S

Answer = TypeVar("Answer", bound=Message)


class StreamClient(Generic[Answer]):
    """Reads a call's messages, each within the time that a test waits."""

    def __init__(self, call: "grpc.aio.UnaryStreamCall[Any, Answer]") -> None:
        self.call = call

    async def read(self) -> Answer:
        async with asyncio.timeout(LONG_S):
            message: Answer | Any = await self.call.read()
        assert isinstance(message, Message), "the stream has ended"
        return cast(Answer, message)

    async def kind(self) -> str:
        """Which kind of message is the next."""
        return str((await self.read()).WhichOneof("message"))

    async def until(self, kind: str) -> Answer:
        """The next message of that kind; those before it are left out."""
        while True:
            message = await self.read()
            if message.WhichOneof("message") == kind:
                return message

    async def refusal(self, *, of_grpc: bool = False) -> grpc.aio.AioRpcError:
        """The error that the stream must end with; `of_grpc`: its own, which has words alone."""
        # As a whole: a stream that is not refused beats for ever.
        async with asyncio.timeout(LONG_S):
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await self.until("nothing")
        if not of_grpc:
            details_of(failure.value)  # no error of ours is without
        return failure.value
