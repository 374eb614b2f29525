"""The plain and the asynchronous client behind one face, for tests that both must pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import lamproom
from tests.support.waiting import LONG_S


class Plain:
    """The plain client, whose waits are in threads."""

    def __init__(self, address: str, **options: Any) -> None:
        self.client = lamproom.Client(address, **options)

    async def next(self, stream: Any) -> Any:
        """The next item; None of a stream that was closed."""
        async with asyncio.timeout(LONG_S):
            return await asyncio.to_thread(next, stream, None)

    async def ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(getattr(self.client, method), *arguments, **options)

    async def all(self, method: str) -> list[Any]:
        return await asyncio.to_thread(lambda: list(getattr(self.client, method)()))

    async def end(self, stream: Any) -> None:
        await asyncio.to_thread(stream.close)

    async def leave(self, stream: Any, error: BaseException | None) -> None:
        """As a `with` block does, at its end or for an exception."""
        await asyncio.to_thread(stream.__exit__, type(error) if error else None, error, None)

    async def close(self) -> None:
        await asyncio.to_thread(self.client.close)


class Asynchronous:
    """The client for event loops."""

    def __init__(self, address: str, **options: Any) -> None:
        self.client = lamproom.AsyncClient(address, **options)

    async def next(self, stream: Any) -> Any:
        async with asyncio.timeout(LONG_S):
            return await anext(stream, None)

    async def ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        return await getattr(self.client, method)(*arguments, **options)

    async def all(self, method: str) -> list[Any]:
        return [item async for item in getattr(self.client, method)()]

    async def end(self, stream: Any) -> None:
        await stream.close()

    async def leave(self, stream: Any, error: BaseException | None) -> None:
        await stream.__aexit__(type(error) if error else None, error, None)

    async def close(self) -> None:
        await self.client.close()


Either = Plain | Asynchronous

both = pytest.mark.parametrize("kind", [Plain, Asynchronous])


@asynccontextmanager
async def connected(kind: type[Either], port: int, **options: Any) -> AsyncIterator[Either]:
    """A client of the gateway at `port`, closed in the end."""
    client = kind(f"127.0.0.1:{port}", **options)
    try:
        yield client
    finally:
        await client.close()


async def until_item(client: Either, stream: Any, kind: type[Any]) -> list[Any]:
    """The items up to the next one of that kind, which is the last of them."""
    items: list[Any] = []
    while not (items and isinstance(items[-1], kind)):
        items.append(await client.next(stream))
        assert items[-1] is not None, "the stream was closed"
    return items


async def events_until(client: Either, stream: Any, sequence: int) -> list[int]:
    """The sequences of events up to that one; what is no event is left out."""
    found: list[int] = []
    while sequence not in found:
        item = await client.next(stream)
        assert item is not None, "the stream was closed"
        if isinstance(item, lamproom.Event):
            found.append(item.sequence)
    return found
