"""FollowPositions by the contract, on a server of its own, for what a client does with it.

It is no gateway: it makes a frame whenever one may be under way, numbered by its x in metres from
its own clock, so that a test sees how old a frame is that a client gets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from lamproom.v1 import position_pb2, position_pb2_grpc, stream_pb2

FRAME_S = 0.01


class Following(position_pb2_grpc.PositionServiceServicer):
    """Serves frames to whoever acknowledges them."""

    def __init__(self) -> None:
        self.starts: list[position_pb2.FollowPositionsRequest] = []
        self.under_way_most = 0
        self.sent = self.done = 0

    async def FollowPositions(  # noqa: N802  as the contract names it
        self, request_iterator: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[position_pb2.FollowPositionsResponse]:
        start = await anext(request_iterator)
        self.starts.append(start)
        self.sent = self.done = 0

        async def listen() -> None:
            async for request in request_iterator:
                self.done = request.frames_done

        listening = asyncio.create_task(listen())
        try:
            directory = position_pb2.PositionDirectory()
            directory.entries.add(tag_handle=0, card="1001")
            yield position_pb2.FollowPositionsResponse(directory=directory)
            yield position_pb2.FollowPositionsResponse(sync=stream_pb2.Sync())
            while True:
                await asyncio.sleep(FRAME_S)
                if self.sent - self.done < start.frames_under_way:
                    self.sent += 1
                    self.under_way_most = max(self.under_way_most, self.sent - self.done)
                    frame = position_pb2.PositionFrame(
                        tag_handles=[0], t_ns=[time.time_ns()], cursor=b"%d" % self.sent
                    )
                    yield position_pb2.FollowPositionsResponse(frame=frame)
        finally:
            listening.cancel()

    def WatchPositions(self, *_: Any) -> Any:  # noqa: N802  so here
        raise AssertionError("a client that can acknowledge does")

    def ListPositions(self, *_: Any) -> Any:  # noqa: N802  and here
        raise AssertionError("no test asks for it")


@asynccontextmanager
async def following() -> AsyncIterator[tuple[Following, int]]:
    """The service and its port."""
    service, server = Following(), grpc.aio.server()
    position_pb2_grpc.add_PositionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield service, port
    finally:
        await server.stop(0)
