"""The one ROSpec that the gateway gives a reader, and what a reader says of those it has. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from protocols.llrp import wire
from protocols.llrp.wire import parameter

#: The lowest priority (0 to 7): the reader's other work goes first.
_PRIORITY: Final = 7

#: ROSpecStartTrigger 1: as soon as it is enabled. Stop triggers 0: never by itself.
_AT_ONCE, _NEVER = 1, 0

#: All antennas; the first inventory parameters; EPCglobal Class 1 Generation 2.
_ALL_ANTENNAS, _FIRST, _GEN_2 = 0, 1, 1

#: ROReportTrigger 1: upon so many tags. One: what is seen is told at once.
_UPON_TAGS, _ONE = 1, 1

#: Of the bits of TagReportContentSelector: antenna, peak RSSI, first seen.
_CONTENT: Final = 1 << 12 | 1 << 10 | 1 << 9

#: Events that are told: full buffers, exceptions of the reader, antennas that come and go.
_EVENTS: Final = (3, 4, 8)


class State(IntEnum):
    """What a ROSpec does."""

    DISABLED = 0
    INACTIVE = 1
    ACTIVE = 2


class RoSpec(NamedTuple):
    """A ROSpec in the reader. `form` is all of it but its state."""

    id: int
    state: int
    form: bytes


def own(rospec_id: int) -> bytes:
    """The gateway's ROSpec: all antennas, always, each tag told at once. No operation on a tag.

    Power, session and mode are those that the reader is set to.
    """
    boundary = parameter(
        wire.RO_BOUNDARY_SPEC,
        parameter(wire.RO_START_TRIGGER, bytes((_AT_ONCE,)))
        + parameter(wire.RO_STOP_TRIGGER, struct.pack(">BI", _NEVER, 0)),
    )
    antennas = parameter(
        wire.AI_SPEC,
        struct.pack(">HH", 1, _ALL_ANTENNAS)
        + parameter(wire.AI_STOP_TRIGGER, struct.pack(">BI", _NEVER, 0))
        + parameter(wire.INVENTORY_PARAMETER_SPEC, struct.pack(">HB", _FIRST, _GEN_2)),
    )
    report = parameter(
        wire.RO_REPORT_SPEC,
        struct.pack(">BH", _UPON_TAGS, _ONE)
        + parameter(wire.TAG_REPORT_CONTENT, struct.pack(">H", _CONTENT)),
    )
    head = struct.pack(">IBB", rospec_id, _PRIORITY, State.DISABLED)
    return parameter(wire.ROSPEC, head + boundary + antennas + report)


def config(keep_alive_s: float) -> bytes:
    """The body of SET_READER_CONFIG: nothing is reset; which events are told, and signs of life.

    By unanswered ones the reader finds that the gateway is gone, and has room for it again.
    """
    states = b"".join(
        parameter(wire.EVENT_NOTIFICATION_STATE, struct.pack(">HB", event, 0x80))
        for event in _EVENTS
    )
    keep_alive = struct.pack(">BI", 1, round(keep_alive_s * 1e3))
    return (
        b"\0"
        + parameter(wire.EVENT_NOTIFICATION_SPEC, states)
        + parameter(wire.KEEPALIVE_SPEC, keep_alive)
    )


def rospecs_of(body: bytes) -> Iterator[RoSpec]:
    """The ROSpecs in an answer to GET_ROSPECS. Raises NonsenseError."""
    for found in wire.parameters(body):
        if found.kind == wire.ROSPEC:
            form = form_of(parameter(wire.ROSPEC, found.body))
            yield RoSpec(wire.number(found.body, 0, 4), wire.number(found.body, 5, 1), form)


def form_of(rospec: bytes) -> bytes:
    """A ROSpec as bytes without its state, to be compared."""
    return rospec[:9] + b"\0" + rospec[10:]
