"""A client of `FollowPositions` with gRPC's defaults, which stalls: a part of `bench/streams.py`.

    python bench/streams_stall.py PORT SECONDS

It reads and acknowledges for some seconds, does nothing for SECONDS, and then goes on. It prints
how old the picture was that it had once it had read what was under way to it, or how long that
took, whichever is more.
"""

from __future__ import annotations

import json
import queue
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "proto")]

import grpc

from lamproom.v1 import position_pb2, position_pb2_grpc

READS_FIRST_S: Final = 5.0
#: Frames that may be under way, where a client does not say.
UNDER_WAY: Final = 4


def main(port: int, stall_s: float) -> None:
    """Follows, stalls, follows."""
    acknowledged: queue.SimpleQueue[int] = queue.SimpleQueue()

    def requests() -> Iterator[position_pb2.FollowPositionsRequest]:
        start = position_pb2.WatchPositionsRequest()
        yield position_pb2.FollowPositionsRequest(start=start)
        while True:
            yield position_pb2.FollowPositionsRequest(frames_done=acknowledged.get())

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answers = position_pb2_grpc.PositionServiceStub(channel).FollowPositions(requests())
        begun_s, done, under_way, woke_s = time.monotonic(), 0, 0, 0.0
        for answer in answers:
            if answer.WhichOneof("message") != "frame":
                continue
            done += 1
            age_s = time.time() - max(answer.frame.t_ns, default=0) / 1e9
            if woke_s and done > under_way:
                # The first that it was not sent before it woke.
                print(json.dumps({"stale_s": max(age_s, time.monotonic() - woke_s)}))
                break
            if not woke_s and time.monotonic() - begun_s > READS_FIRST_S:
                under_way = done - 1 + UNDER_WAY
                time.sleep(stall_s)
                woke_s = time.monotonic()
            acknowledged.put(done)
        answers.cancel()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
