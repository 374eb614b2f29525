"""What streams give: the contract's own messages, by shorter names, and positions as columns."""

from __future__ import annotations

from typing import TypeAlias

from lamproom.columns import Positions
from lamproom.v1.event_pb2 import Alarm, Event, EventFilter, EventKind
from lamproom.v1.event_pb2 import EventGap as Gap
from lamproom.v1.event_pb2 import UnstoredEvents as Unstored
from lamproom.v1.position_pb2 import FixClass, PositionFilter, Sampling
from lamproom.v1.stream_pb2 import Reset
from lamproom.v1.stream_pb2 import Sync as Synced

#: What a stream of events yields.
EventItem: TypeAlias = Event | Gap | Reset | Synced | Unstored
#: What a stream of positions yields.
PositionItem: TypeAlias = Positions | Reset | Synced

__all__ = [
    "Alarm",
    "Event",
    "EventFilter",
    "EventItem",
    "EventKind",
    "FixClass",
    "Gap",
    "PositionFilter",
    "PositionItem",
    "Positions",
    "Reset",
    "Sampling",
    "Synced",
    "Unstored",
]
