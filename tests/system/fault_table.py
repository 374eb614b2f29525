"""Which fault is tried over which protocol, and what must be seen of it. Nothing here acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

PROTOCOLS: Final[Mapping[str, str]] = {
    "modbus_tcp": "Modbus TCP",
    "rtu_over_tcp": "RTU over TCP",
    "rtu": "RTU, serial",
    "opcua": "OPC UA",
    "mqtt": "MQTT JSON",
    "sparkplug": "Sparkplug B",
    "text_tcp": "text, TCP",
    "text_udp": "text, UDP",
}

FAULTS: Final[Mapping[str, str]] = {
    "dead": "dead: killed, its port refuses",
    "silent": "silent: takes connections, says nothing",
    "slow": "slow: answers after three times the time allowed",
    "short": "short answer",
    "length": "answer of a wrong length",
    "id": "wrong id: of another request, unit or device",
    "one_refused": "one value refused",
    "all_refused": "all values refused",
    "garbage": "garbage",
    "frozen": "frozen value",
    "words": "wrong word order",
    "drift": "clock that runs too fast",
    "jump": "clock an hour ahead",
    "cut": "connection cut in the middle of a message",
    "half_closed": "connection closed by the other side alone",
    "hung": "network hung: nothing passes, nothing closes",
    "flipped": "one bit flipped on the way",
    "shifted": "back with shifted namespaces",
    "late": "nodes that appear late",
    "mute": "connected, but its subscription is silent",
    "restarted": "server restarted, the session lost",
    "broker": "broker killed and started again",
    "taken_over": "another client takes the session",
    "twice": "client id in use twice, both come back",
    "retained": "an old value that the broker has kept",
}


class Sign(Enum):
    """How a fault shows itself over gRPC."""

    #: The link is down in `ListDevices` with a reason, and there is the alarm `device_down`.
    DOWN = "down"
    #: The link was down, as `ListDevices` counts, for too short a time for the alarm.
    FELL = "fell"
    #: Values are BAD and counted.
    BAD = "bad"
    #: `DATA_REFUSED`: an event, counted.
    REFUSED = "refused"
    #: `DATA_LOST`: an event, counted.
    LOST = "lost"
    #: `ListDevices` shows how far the clock is off.
    AHEAD = "clock"
    #: The alarm `clock_skew`.
    SKEW = "skew"


@dataclass(frozen=True, slots=True)
class Tried:
    """The fault is caused, all of `signs` must be seen, and the data be back when it is over."""

    signs: frozenset[Sign]


@dataclass(frozen=True, slots=True)
class Untold:
    """The fault can be there, and nothing that comes over this protocol tells of it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Senseless:
    """There is no such fault over this protocol."""

    reason: str


Cell = Tried | Untold | Senseless

DOWN: Final = Tried(frozenset({Sign.DOWN}))
FELL: Final = Tried(frozenset({Sign.FELL}))
SOME_REFUSED: Final = Tried(frozenset({Sign.BAD, Sign.REFUSED}))
REFUSED: Final = Tried(frozenset({Sign.REFUSED}))
LOST: Final = Tried(frozenset({Sign.LOST}))
REFUSED_DOWN: Final = Tried(frozenset({Sign.REFUSED, Sign.DOWN}))
CLOCK: Final = Tried(frozenset({Sign.AHEAD}))
SKEW: Final = Tried(frozenset({Sign.AHEAD, Sign.SKEW}))

FROZEN: Final = Untold(
    "a value that stands still looks like one that is frozen in the device; where the device says "
    "when it measured, `source_time` shows how old it is"
)
WORDS: Final = Untold(
    "registers do not say in which order their words are: a device that was replaced by one with "
    "another order gives wrong values; a `range` of the point makes most of them BAD"
)
NO_CHECKSUM: Final = Untold(
    "the protocol has no checksum beside that of TCP: a bit that is flipped within a value gives "
    "another value; a `range` bounds it, a secured connection excludes it"
)
OPCUA_ONLY: Final = Senseless("only OPC UA has nodes, namespaces and subscriptions")
BROKER_ONLY: Final = Senseless("only MQTT has a broker that keeps sessions and values")
NO_SESSION: Final = Senseless("there is no session that a restart could lose")
NO_CONNECTION: Final = Senseless(
    "a serial line has no connection: a wire that is broken is a device that is silent"
)
NO_DATAGRAMS: Final = Senseless(
    "datagrams have no connection: all of these are a device that sends nothing"
)
NO_WORDS: Final = Senseless("values say themselves of which type they are")

_MODBUS: Final[Mapping[str, Cell]] = {
    **dict.fromkeys(("dead", "silent", "slow", "short", "length", "id"), DOWN),
    "one_refused": SOME_REFUSED,
    **dict.fromkeys(("all_refused", "garbage", "cut", "half_closed", "hung"), DOWN),
    "frozen": FROZEN,
    "words": WORDS,
    **dict.fromkeys(("drift", "jump"), SKEW),
    **dict.fromkeys(("shifted", "late", "mute"), OPCUA_ONLY),
    "restarted": NO_SESSION,
    **dict.fromkeys(("broker", "taken_over", "twice", "retained"), BROKER_ONLY),
}

_MQTT: Final[Mapping[str, Cell]] = {
    **dict.fromkeys(("dead", "silent", "length", "cut", "half_closed", "hung"), DOWN),
    "slow": FELL,
    **dict.fromkeys(("short", "garbage"), REFUSED_DOWN),
    **dict.fromkeys(("one_refused", "all_refused"), SOME_REFUSED),
    "frozen": FROZEN,
    "words": NO_WORDS,
    "flipped": NO_CHECKSUM,
    **dict.fromkeys(("shifted", "late", "mute"), OPCUA_ONLY),
    **dict.fromkeys(("broker", "retained"), DOWN),
    **dict.fromkeys(("restarted", "taken_over", "twice"), FELL),
}

_TEXT: Final[Mapping[str, Cell]] = {
    "dead": DOWN,
    "slow": FELL,
    "id": LOST,
    **dict.fromkeys(("short", "length", "garbage", "flipped"), REFUSED_DOWN),
    **dict.fromkeys(("one_refused", "all_refused"), SOME_REFUSED),
    "frozen": FROZEN,
    "words": NO_WORDS,
    **dict.fromkeys(("drift", "jump"), SKEW),
    **dict.fromkeys(("shifted", "late", "mute"), OPCUA_ONLY),
    "restarted": NO_SESSION,
    **dict.fromkeys(("broker", "taken_over", "twice", "retained"), BROKER_ONLY),
}

CELLS: Final[Mapping[str, Mapping[str, Cell]]] = {
    "modbus_tcp": {**_MODBUS, "flipped": NO_CHECKSUM},
    "rtu_over_tcp": {**_MODBUS, "flipped": DOWN},
    "opcua": {
        **dict.fromkeys(("dead", "silent", "slow", "short", "length", "id", "garbage"), DOWN),
        **dict.fromkeys(("one_refused", "all_refused", "late"), SOME_REFUSED),
        **dict.fromkeys(("cut", "half_closed", "hung", "flipped"), DOWN),
        "shifted": DOWN,
        **dict.fromkeys(("mute", "restarted"), FELL),
        **dict.fromkeys(("drift", "jump"), CLOCK),
        "frozen": FROZEN,
        "words": NO_WORDS,
        **dict.fromkeys(("broker", "taken_over", "twice", "retained"), BROKER_ONLY),
    },
    "mqtt": {**_MQTT, "id": DOWN, **dict.fromkeys(("drift", "jump"), SKEW)},
    "sparkplug": {**_MQTT, "id": LOST, **dict.fromkeys(("drift", "jump"), CLOCK)},
    "text_tcp": {
        **_TEXT,
        **dict.fromkeys(("silent", "half_closed", "hung"), DOWN),
        "cut": REFUSED_DOWN,
    },
    "text_udp": {
        **_TEXT,
        **dict.fromkeys(("silent", "cut", "half_closed", "hung"), NO_DATAGRAMS),
    },
    "rtu": {
        **_MODBUS,
        "flipped": DOWN,
        **dict.fromkeys(("half_closed", "hung"), NO_CONNECTION),
    },
}
