"""Credit by acknowledgement: how many frames may be under way to a client that may stall.

What was written is in the client's window, which takes megabytes: half a minute of positions, which
a client that has stalled would read before it came to the present. So it says what it has dealt
with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from gateway.serve.failure import RequestError, invalid
from gateway.serve.wake import Bell
from lamproom.v1 import position_pb2

#: Where the client does not say: 0.4 s of frames at 10 Hz, and as long a way there and back.
UNDER_WAY_DEFAULT: Final = 4
#: With more, a client reads a past that it could have been spared.
UNDER_WAY_MOST: Final = 100
#: Heartbeats to a client that owes an acknowledgement: it must not find a heap of them.
BEATS_OWED_MOST: Final = 3


class Credit:
    """Of one stream. It is spent by sending frames and given back by acknowledging them."""

    def __init__(self, under_way: int) -> None:
        """`under_way` frames may be under way; 0 means `UNDER_WAY_DEFAULT`."""
        self._most = min(under_way or UNDER_WAY_DEFAULT, UNDER_WAY_MOST)
        self._sent = 0
        self._done = 0
        self._beats = 0
        self._failure: RequestError | None = None
        self._ended = False
        self.bell: Final = Bell()

    @property
    def is_left(self) -> bool:
        """Whether a frame may be sent."""
        return self._sent - self._done < self._most

    def spend(self) -> None:
        """A frame is sent."""
        self._sent += 1
        self._beats = 0

    def beats(self) -> bool:
        """Whether a heartbeat may be sent; it then counts as sent."""
        if not self.is_left:
            self._beats += 1
        return self._beats <= BEATS_OWED_MOST

    def is_over(self) -> bool:
        """Whether no more will be acknowledged. Raises RequestError where that was done wrong."""
        if self._failure:
            raise self._failure
        return self._ended

    async def listen(self, requests: AsyncIterator[position_pb2.FollowPositionsRequest]) -> None:
        """Takes acknowledgements until the client sends no more or a wrong one."""
        try:
            async for request in requests:
                self._acknowledge(request)
        except RequestError as error:
            self._failure = error
        self._ended = True
        self.bell.ring()

    def _acknowledge(self, request: position_pb2.FollowPositionsRequest) -> None:
        if request.HasField("start"):
            problem = "start is in a later message"
            raise invalid(problem, "start", remedy="send it in the first one alone")
        if request.frames_done > self._sent:
            msg = f"frames_done is {request.frames_done}: only {self._sent} were sent"
            raise invalid(msg, "frames_done")
        if request.frames_done > self._done:
            self._done = request.frames_done
            self._beats = 0
            self.bell.ring()
