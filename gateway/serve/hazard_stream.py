"""Hazards as a stream. On the event loop only.

Each change of a hazard has a number, and a cursor is the number up to which a client has been told.
What it has not been told is known by that: the newest state of a hazard wins, so that a slow client
costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from gateway.clock import Clock
from gateway.mine.prevention.hazard import Hazard
from gateway.serve.cursor import CursorError, Kind, seal, unseal
from gateway.serve.encode import heartbeat_message, sync_message
from gateway.serve.failure import invalid
from gateway.serve.hazards import hazard_message
from gateway.serve.reasons import Reason
from gateway.serve.wake import Signal
from lamproom.v1 import hazard_pb2, stream_pb2
from lamproom.v1.hazard_pb2 import WatchHazardsResponse

#: Hazards of one message: at 1 kB each, and 13 kB at most, far below a client's 4 MB.
MESSAGE_HAZARDS_MOST: Final = 100


class HazardStream:
    """Streams what becomes of hazards."""

    def __init__(self, epoch: int, heartbeat_s: float, now_ns: Clock) -> None:
        self._epoch = epoch
        self._heartbeat_s = heartbeat_s
        self._now_ns = now_ns
        self._signal = Signal()
        self._last = 0
        #: By id, with the number of its last change: in the order of these numbers.
        self._hazards: dict[str, tuple[int, Hazard]] = {}

    def publish(self, hazards: Mapping[str, Hazard | None]) -> None:
        """Takes over what a step has changed; None is a cleared one that is listed no more."""
        for hazard_id, hazard in hazards.items():
            self._hazards.pop(hazard_id, None)
            if hazard is not None:
                self._last += 1
                self._hazards[hazard_id] = (self._last, hazard)
        if hazards:
            self._signal.fire()

    def close(self) -> None:
        """Ends all streams."""
        self._signal.close()

    async def watch(self, request: hazard_pb2.WatchHazardsRequest) -> AsyncGenerator[bytes]:
        """The messages of one `WatchHazards`, for ever.

        Raises:
            RequestError: a wrong cursor, or the gateway is stopping.
        """
        at, reset = self._start(request.cursor)
        if reset:
            yield _wrap(reset=stream_pb2.Reset(reason=reset))
        at, fresh, synced = at or 0, at is None, False
        while True:
            self._signal.check()
            if at < self._last:
                told = [
                    (number, hazard)
                    for number, hazard in self._since(at)
                    if hazard.is_open or not fresh
                ]
                at, fresh = self._last, False
                for start in range(0, len(told), MESSAGE_HAZARDS_MOST):
                    yield self._message(told[start : start + MESSAGE_HAZARDS_MOST])
            elif not synced:
                yield _wrap(sync=sync_message(self._now_ns(), self._cursor(at)))
                fresh, synced = False, True
            elif not await self._signal.wait(self._heartbeat_s):
                yield _wrap(heartbeat=heartbeat_message(self._now_ns(), self._cursor(at)))

    def _start(self, cursor: bytes) -> tuple[int | None, str]:
        """The number to go on after, None for a fresh start; and why the cursor is not honoured."""
        if not cursor:
            return None, ""
        try:
            epoch, at = unseal(Kind.HAZARDS, cursor)
        except CursorError as error:
            raise invalid(str(error), "cursor", Reason.CURSOR_INVALID) from error
        if epoch != self._epoch:
            return None, "the gateway has started anew since this cursor was given out"
        if at > self._last:
            msg = "the cursor lies beyond the last change: this gateway never gave it out"
            raise invalid(msg, "cursor", Reason.CURSOR_INVALID)
        return at, ""

    def _since(self, at: int) -> list[tuple[int, Hazard]]:
        """What has changed after the change `at`, oldest first."""
        found: list[tuple[int, Hazard]] = []
        for number, hazard in reversed(self._hazards.values()):
            if number <= at:
                break
            found.append((number, hazard))
        return found[::-1]

    def _message(self, part: list[tuple[int, Hazard]]) -> bytes:
        hazards = hazard_pb2.Hazards(
            hazards=[hazard_message(hazard) for _, hazard in part],
            cursor=self._cursor(part[-1][0]),
        )
        return _wrap(hazards=hazards)

    def _cursor(self, at: int) -> bytes:
        return seal(Kind.HAZARDS, self._epoch, at)


def _wrap(**message: Any) -> bytes:
    return WatchHazardsResponse(**message).SerializeToString()
