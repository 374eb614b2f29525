"""What a client of a stream knows: where it is, what to ask next, and what of an answer is news.

No input or output: `client.py` and `aio.py` carry the bytes, in threads or on an event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from lamproom.columns import Directory, read_frame
from lamproom.errors import RefusedError
from lamproom.items import (
    EventFilter,
    EventItem,
    PositionFilter,
    PositionItem,
    Reset,
    Sampling,
)
from lamproom.v1.event_pb2 import WatchEventsRequest, WatchEventsResponse
from lamproom.v1.position_pb2 import (
    FollowPositionsRequest,
    FollowPositionsResponse,
    WatchPositionsRequest,
)

Item_co = TypeVar("Item_co", covariant=True)

WATCH_EVENTS: Final = "/lamproom.v1.EventService/WatchEvents"
WATCH_POSITIONS: Final = "/lamproom.v1.PositionService/WatchPositions"
FOLLOW_POSITIONS: Final = "/lamproom.v1.PositionService/FollowPositions"

#: Frames that may be under way: with 10 a second, less than half a second of them.
FRAMES_UNDER_WAY: Final = 4


class Opening(NamedTuple):
    """A call that goes on where the stream was: its method and its first message.

    `talks`: more messages follow, else the request is whole.
    """

    method: str
    request: bytes
    talks: bool = False


class Place(Protocol[Item_co]):
    """A client's place in a stream, over all its calls."""

    #: Go on after what was taken last; empty where that is not known.
    cursor: bytes

    def open(self) -> Opening:
        """The call to make; what was said about the call before holds no longer."""

    def take(self, answer: bytes) -> Item_co | None:
        """What is new in an answer; None for what only moves the place."""

    def acknowledgement(self) -> bytes | None:
        """What to send in this call now that all that was taken is dealt with."""

    def refused(self, error: RefusedError) -> bool:
        """Whether `open` has another way to ask, after a refusal."""


class EventPlace:
    """A place in the events: none is told twice, however often calls break off."""

    def __init__(
        self,
        *,
        cursor: bytes = b"",
        sequence: int | None = None,
        consumer: str = "",
        where: EventFilter | None = None,
    ) -> None:
        """Begins after the cursor; without one, at `sequence` or where `consumer` was; else now."""
        self.cursor = cursor
        self._sequence = sequence
        self._consumer = consumer
        self._where = where
        self._told = 0

    def open(self) -> Opening:
        """The call to make."""
        request = WatchEventsRequest(filter=self._where)
        if self.cursor:
            request.cursor = self.cursor
        elif self._consumer:
            request.consumer = self._consumer
        elif self._sequence is not None:
            request.sequence = self._sequence
        return Opening(WATCH_EVENTS, request.SerializeToString())

    def take(self, answer: bytes) -> EventItem | None:
        """What is new in an answer."""
        message = WatchEventsResponse.FromString(answer)
        match message.WhichOneof("message"):
            case "event":
                event = message.event
                return event if self._goes_on(event.sequence, event.cursor) else None
            case "gap":
                gap = message.gap
                return gap if self._goes_on(gap.last_sequence, gap.cursor) else None
            case "sync":
                self.cursor = message.sync.cursor or self.cursor
                return message.sync
            case "heartbeat":
                self.cursor = message.heartbeat.cursor or self.cursor
            case "reset":
                self._told = 0
                # Were the call to break off now, the same cursor would bring the same reset.
                return message.reset
            case "unstored":
                return message.unstored
        return None

    def acknowledgement(self) -> None:
        """Nothing is said within the call."""

    def refused(self, _error: RefusedError) -> bool:
        """There is one way only to ask for events."""
        return False

    def _goes_on(self, sequence: int, cursor: bytes) -> bool:
        """Whether this was not told before; then the place is behind it."""
        if sequence <= self._told:
            return False
        self._told = sequence
        self.cursor = cursor or self.cursor
        return True


class PositionPlace:
    """A place in the positions, and the names that hold for the call of now."""

    def __init__(self, request: WatchPositionsRequest) -> None:
        """`request` says what to ask for; its cursor is where to begin."""
        self.cursor = request.cursor
        self._asked = WatchPositionsRequest()
        self._asked.CopyFrom(request)
        self._directory = Directory()
        self._follows = True
        self._frames = self._acknowledged = 0
        # A snapshot was given in part when its call broke off: the next one is another.
        self._half = self._anew = False

    def open(self) -> Opening:
        """The call to make."""
        self._directory = Directory()
        self._frames = self._acknowledged = 0
        self._asked.cursor = self.cursor
        self._anew = self._half and not self.cursor
        if not self._follows:
            return Opening(WATCH_POSITIONS, self._asked.SerializeToString())
        first = FollowPositionsRequest(start=self._asked, frames_under_way=FRAMES_UNDER_WAY)
        return Opening(FOLLOW_POSITIONS, first.SerializeToString(), talks=True)

    def take(self, answer: bytes) -> PositionItem | None:
        """What is new in an answer; both methods answer alike."""
        message = FollowPositionsResponse.FromString(answer)
        match message.WhichOneof("message"):
            case "directory":
                self._directory.take(message.directory)
                if self._anew:
                    self._half = self._anew = False
                    return Reset(reason="the snapshot was broken off; another one follows")
            case "frame":
                self._frames += 1
                self._half = True
                self.cursor = message.frame.cursor or self.cursor
                return read_frame(message.frame, self._directory)
            case "sync":
                self.cursor = message.sync.cursor or self.cursor
                return message.sync
            case "heartbeat":
                self.cursor = message.heartbeat.cursor or self.cursor
            case "reset":
                # Were the call to break off within the snapshot, another one is wanted.
                self.cursor = b""
                self._half = self._anew = False
                return message.reset
        return None

    def acknowledgement(self) -> bytes | None:
        """How many frames of this call are dealt with, if that is news."""
        if not self._follows or self._acknowledged == self._frames:
            return None
        self._acknowledged = self._frames
        return FollowPositionsRequest(frames_done=self._frames).SerializeToString()

    def refused(self, error: RefusedError) -> bool:
        """A gateway from before FollowPositions is asked by WatchPositions from then on."""
        older = self._follows and error.code is grpc.StatusCode.UNIMPLEMENTED
        self._follows = self._follows and not older
        return older


def position_request(
    cursor: bytes,
    sampling: Sampling.ValueType,
    where: PositionFilter | None,
    columns: Sequence[str],
) -> WatchPositionsRequest:
    """What to ask for; `tag_handles` come with any columns."""
    mask = FieldMask(paths=columns) if columns else None
    return WatchPositionsRequest(cursor=cursor, sampling=sampling, filter=where, read_mask=mask)
