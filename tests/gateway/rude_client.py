"""A thousand rude clients, in a process of their own: python rude_client.py PORT.

Prints DONE when each has done its worst, and holds what it still has open until its standard input
ends.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import grpc

from lamproom.v1 import (
    equipment_pb2,
    equipment_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
    mine_pb2,
    mine_pb2_grpc,
    position_pb2,
    position_pb2_grpc,
)

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: How many of each kind; a thousand together.
CANCEL, NEVER_READ, EVERYTHING, SOCKETS, HEAVY = 500, 200, 30, 220, 50
#: Streams that never read share connections, as one screen's do.
STREAMS_EACH = 10


def channel_to(port: int) -> grpc.aio.Channel:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_metadata_size", 1 << 22)]
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)


def streams_of(channel: grpc.aio.Channel) -> list[Callable[[], grpc.aio.Call]]:
    positions = position_pb2_grpc.PositionServiceStub(channel)
    events = event_pb2_grpc.EventServiceStub(channel)
    equipment = equipment_pb2_grpc.EquipmentServiceStub(channel)
    return [
        lambda: positions.WatchPositions(position_pb2.WatchPositionsRequest()),
        lambda: positions.FollowPositions(
            iter([position_pb2.FollowPositionsRequest(start=position_pb2.WatchPositionsRequest())])
        ),
        lambda: events.WatchEvents(event_pb2.WatchEventsRequest(sequence=1)),
        lambda: equipment.WatchEquipment(equipment_pb2.WatchEquipmentRequest()),
    ]


async def cancels(port: int, n: int) -> None:
    """Connects, asks, and goes: at once, after a moment, or without a word."""
    channel = channel_to(port)
    call = streams_of(channel)[n % 4]()
    if n % 3:
        await asyncio.sleep(0.01 * (n % 7))
    if n % 2:
        call.cancel()
    await channel.close()


async def never_reads(port: int, n: int) -> list[object]:
    """Opens streams and reads none of them."""
    channel = channel_to(port)
    streams = streams_of(channel)
    calls = [streams[m % 4]() for m in range(STREAMS_EACH)]
    await channel.channel_ready()
    return [channel, *calls]


async def wants_everything(port: int, n: int) -> None:
    """Reads all events there ever were, twice, and all that can be listed."""
    channel = channel_to(port)
    events = event_pb2_grpc.EventServiceStub(channel)
    async for message in events.WatchEvents(event_pb2.WatchEventsRequest(sequence=1)):
        if message.WhichOneof("message") == "sync":
            break
    token = ""
    while True:
        wanted = event_pb2.EventFilter(zone_ids=["nowhere"]) if n % 2 else None
        page = await events.ListEvents(event_pb2.ListEventsRequest(page_token=token, filter=wanted))
        token = page.next_page_token
        if not token:
            break
    await mine_pb2_grpc.MineServiceStub(channel).GetMap(mine_pb2.GetMapRequest())
    positions = position_pb2_grpc.PositionServiceStub(channel)
    await positions.ListPositions(position_pb2.ListPositionsRequest())
    await channel.close()


async def plain_socket(port: int, n: int) -> list[object]:
    """Connects and says nothing, half of a sentence, or garbage."""
    sock = socket.create_connection(("127.0.0.1", port))
    words = [
        b"",
        HTTP2_PREFACE[:9],
        HTTP2_PREFACE,
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(range(256)) * 40,
    ]
    with suppress(OSError):
        sock.sendall(words[n % len(words)])
    return [sock]


async def heavy(port: int, n: int) -> None:
    """A request or metadata that are far too large."""
    channel = channel_to(port)
    positions = position_pb2_grpc.PositionServiceStub(channel)
    request = position_pb2.ListPositionsRequest(cards=["1" * 20_000] * (50 if n % 2 else 1))
    metadata = None if n % 2 else (("x-heavy", "x" * 1_000_000),)
    await positions.ListPositions(request, metadata=metadata)


async def main(port: int) -> None:
    held: list[object] = []
    failures = 0

    async def act(one: Awaitable[object]) -> None:
        nonlocal failures
        try:
            async with asyncio.timeout(120):
                held.append(await one)
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.CancelledError, OSError):
            failures += 1

    async def crowd(count: int, one: Callable[[int, int], Awaitable[object]]) -> None:
        for first in range(0, count, 50):
            await asyncio.gather(*(act(one(port, n)) for n in range(first, min(count, first + 50))))

    await crowd(NEVER_READ // STREAMS_EACH, never_reads)
    await asyncio.gather(
        crowd(CANCEL, cancels),
        crowd(EVERYTHING, wants_everything),
        crowd(SOCKETS, plain_socket),
        crowd(HEAVY, heavy),
    )
    print("DONE", failures, flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
