"""What requests of `HistoryService` ask for, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.serve.failure import invalid
from gateway.serve.reasons import Reason
from lamproom.v1 import history_pb2

#: The last second that a timestamp may tell: the end of the year 9999.
_SECONDS_MAX: Final = 253_402_300_799
_NANOS_MAX: Final = 999_999_999
_MS_NS: Final = 1_000_000
#: A year between two fixes is none.
_INTERVAL_MAX_S: Final = 366 * 86_400.0

WithSpan: TypeAlias = "history_pb2.QueryTrackRequest | history_pb2.ReplayRequest"


@dataclass(frozen=True, slots=True)
class Span:
    """A time, ms since the Unix epoch; `end_ms` is no part of it."""

    start_ms: int
    end_ms: int


def span_of(request: WithSpan) -> Span:
    """The time that is asked for. Raises RequestError."""
    for name in ("start_time", "end_time"):
        if not request.HasField(name):
            msg = f"{name} is missing"
            raise invalid(msg, name, Reason.FIELD_MISSING, remedy="give the time that is asked for")
    start_ms, end_ms = _ms(request.start_time, "start_time"), _ms(request.end_time, "end_time")
    if end_ms <= start_ms:
        raise invalid("end_time is not after start_time", "end_time")
    return Span(start_ms, end_ms)


def instant_ms(request: history_pb2.GetPositionsAtRequest) -> int:
    """The instant that is asked for. Raises RequestError."""
    if not request.HasField("time"):
        raise invalid(
            "time is missing",
            "time",
            Reason.FIELD_MISSING,
            remedy="give the instant that is asked for",
        )
    return _ms(request.time, "time")


def least_interval_ms(least_interval_s: float) -> int:
    """How far two fixes are apart at least. Raises RequestError."""
    if not 0 <= least_interval_s <= _INTERVAL_MAX_S:
        msg = f"least_interval_s is {least_interval_s}"
        raise invalid(msg, "least_interval_s", remedy="give seconds, or 0 for every fix")
    return round(least_interval_s * 1000)


def speed_of(speed: float) -> float:
    """How fast a replay goes; 0 without pauses. Raises RequestError."""
    if not math.isfinite(speed) or speed < 0:
        msg = f"speed is {speed}"
        remedy = "give 1 for as fast as it was, 0 for as fast as it can be read"
        raise invalid(msg, "speed", remedy=remedy)
    return speed


def _ms(time: Timestamp, name: str) -> int:
    if not (0 <= time.seconds <= _SECONDS_MAX and 0 <= time.nanos <= _NANOS_MAX):
        msg = f"{name} is no time from 1970 to 9999"
        raise invalid(msg, name)
    return time.seconds * 1000 + time.nanos // _MS_NS
