"""A hub of positions alone, for the ratios of `bench/streams.py`: run as a program, it serves them.

    python bench/streams_hub.py CARDS

A fix of each card a second in frames of 0.1 s, made up, from the hub to gRPC as in the gateway.
`/bench.Rows/Watch` is the other way of it: the same fixes, a message each, serialised for each
subscriber. Prints `READY PORT`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "proto")]

import grpc
import numpy as np

from gateway.serve.calls import stream
from gateway.serve.positions import PositionHub
from gateway.serve.subscribers import CallNames, Subscribers
from gateway.serve.wake import Signal
from lamproom.v1 import position_pb2
from positioning.observation import FIX, IdTable, Records

FRAME_S: Final = 0.1


def fixes_of(count: int, n: int) -> Records:
    """So many fixes, those of frame `n`."""
    fixes = np.zeros(count, FIX)
    fixes["card"] = np.arange(count) * 10 + n % 10
    fixes["x_m"] = fixes["card"] + n / 100
    fixes["y_m"], fixes["z_m"], fixes["fix_class"], fixes["roadway"] = 20.5, -400.0, 2, 0
    fixes["var_x_m2"], fixes["var_y_m2"], fixes["anchors_used"] = 0.04, 0.09, 2
    fixes["t_ns"] = time.time_ns()
    return fixes


def rows_of(fixes: Records) -> position_pb2.ListPositionsResponse:
    """The same as a message for each fix."""
    message = position_pb2.ListPositionsResponse()
    rows: Any = fixes.tolist()
    names = fixes.dtype.names
    assert names
    for row in rows:
        one = dict(zip(names, row, strict=True))
        position = message.positions.add(
            card=str(one["card"]),
            x_m=one["x_m"],
            y_m=one["y_m"],
            z_m=one["z_m"],
            vx_m_s=one["vx_m_s"],
            vy_m_s=one["vy_m_s"],
            var_x_m2=one["var_x_m2"],
            cov_xy_m2=one["cov_xy_m2"],
            var_y_m2=one["var_y_m2"],
            fix_class=one["fix_class"],
            anchors_used=one["anchors_used"],
            age_s=one["age_s"],
            roadway_id="r0",
            chainage_m=one["chainage_m"],
            hdop=one["hdop"],
            anchors_rejected=one["anchors_rejected"],
            nis=one["nis"],
            protection_m=one["protection_m"],
        )
        position.measure_time.FromNanoseconds(one["t_ns"])
    return message


class Rows:
    """Frames of rows, serialised for each who watches."""

    def __init__(self) -> None:
        self.signal = Signal()
        self.newest = position_pb2.ListPositionsResponse()

    async def watch(self, _request: object) -> AsyncGenerator[bytes]:
        """For ever."""
        while True:
            if await self.signal.wait(5.0):
                yield self.newest.SerializeToString()


async def serve(cards: int) -> None:
    """For ever."""
    hub = PositionHub(
        IdTable(tuple(map(str, range(cards)))),
        IdTable(("r0",)),
        epoch=1,
        frame_interval_s=0.0,
        heartbeat_s=5.0,
        now_ns=time.time_ns,
    )
    rows = Rows()
    request = position_pb2.WatchPositionsRequest
    server = grpc.aio.server(
        interceptors=[CallNames(Subscribers(time.time_ns))], options=(("grpc.so_reuseport", 0),)
    )
    for name, watch in (("lamproom.v1.PositionService", hub.watch), ("bench.Rows", rows.watch)):
        method = "Watch" if name == "bench.Rows" else "WatchPositions"
        methods = {method: stream(request, watch)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print("READY", port, flush=True)
    begun_s = time.monotonic()
    for n in range(1 << 40):
        await asyncio.sleep(max(0.0, begun_s + n * FRAME_S - time.monotonic()))
        fixes = fixes_of(cards // 10, n)
        hub.publish(fixes)
        if rows.signal.is_awaited():
            rows.newest = rows_of(fixes)
            rows.signal.fire()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
