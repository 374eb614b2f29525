"""What goes into a step of the mine core, and what comes out.

Times are nanoseconds since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from equipment.report import LinkChange, Notice, Sample
from positioning.observation import FIX, MEASUREMENT, Records


@dataclass(frozen=True, slots=True)
class Batch:
    """All that the drivers have given since the last step, in the order of its arrival.

    `measurements`: (n,) MEASUREMENT; sources index the map's anchors and readers.
    """

    measurements: Records = field(default_factory=lambda: np.empty(0, MEASUREMENT))
    samples: tuple[Sample, ...] = ()
    links: tuple[LinkChange, ...] = ()
    notices: tuple[Notice, ...] = ()


class EventKind(IntEnum):
    """What kind of thing happened; the numbers are those of the contract's `EventKind`."""

    ZONE_ENTERED = 1
    ZONE_LEFT = 2
    ALARM_RAISED = 3
    ALARM_CLEARED = 4
    GATEWAY_STARTED = 5
    DATA_LOST = 6
    DATA_REFUSED = 7
    POSITION_CONFLICT = 8
    ANCHOR_SUSPECT = 9
    ANCHOR_CLEARED = 10


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm's identity and life: `level` is 1 (most severe) to 4, `end_t_ns` None while open."""

    id: str
    rule: str
    level: int
    start_t_ns: int
    end_t_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card was, and when it was measured."""

    x_m: float
    y_m: float
    z_m: float
    t_ns: int


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `sequence` is 1, 2, 3 … for the life of the journal."""

    sequence: int
    kind: EventKind
    event_t_ns: int
    record_t_ns: int
    card: str = ""
    zone: str = ""
    device: str = ""
    anchor: str = ""
    alarm: Alarm | None = None
    place: Place | None = None
    text: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many are below: silent cards are counted, `silent` says how many of them there are."""

    underground: int
    silent: int
    by_zone: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Changes:
    """What one step has changed.

    `fixes` holds every fix in the order in which it was made, then the last place once more of
    each card that has fallen silent (as LOST) or is heard again; `lagged` the smoothed fixes, with
    the same last places, for display and history. `zones` are the zones that a card (by handle) is
    now in, for each card for which they changed. `anchors`, (anchors,) ANCHOR_HEALTH, is there
    when they have been judged anew. `state` is what the journal keeps, with the events and in one
    transaction, so that the core comes back as it was: key to bytes, or None to forget the key.
    """

    now_ns: int
    headcount: Headcount
    fixes: Records = field(default_factory=lambda: np.empty(0, FIX))
    lagged: Records = field(default_factory=lambda: np.empty(0, FIX))
    anchors: Records | None = None
    events: tuple[Event, ...] = ()
    zones: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
    links: tuple[LinkChange, ...] = ()
    state: Mapping[str, bytes | None] = field(default_factory=dict)
