"""The life of an alarm as a table, in the words of ISA-18.2.

Two things are true or not of any alarm: whether its condition lasts, and whether someone has
acknowledged it. A latched alarm stays until it is reset, also when its condition is over. Beside
that an alarm may be out of the operators' sight for a while, with a reason that is kept: it goes
through the same states meanwhile, and every one of them is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class AlarmState(IntEnum):
    """Where an alarm is in its life; the numbers are those of the contract's `AlarmState`."""

    NORMAL = 1
    UNACKNOWLEDGED = 2
    ACKNOWLEDGED = 3
    RETURNED_UNACKNOWLEDGED = 4
    LATCHED_UNACKNOWLEDGED = 5
    LATCHED_ACKNOWLEDGED = 6


class AlarmInput(IntEnum):
    """What happens to an alarm."""

    ALARM = 1  # its condition is there
    RETURN = 2  # its condition is over
    ACKNOWLEDGE = 3
    RESET = 4


class AlarmMode(IntEnum):
    """Whether operators are shown an alarm; the numbers are those of the contract's `AlarmMode`."""

    IN_SERVICE = 1
    SHELVED = 2  # by an operator, until a time
    SUPPRESSED = 3  # by design: another alarm says it already
    OUT_OF_SERVICE = 4  # by an engineer, until it is put back


#: In these its condition lasts, or is remembered: the alarm has begun and not ended.
OPEN: Final = frozenset(
    {
        AlarmState.UNACKNOWLEDGED,
        AlarmState.ACKNOWLEDGED,
        AlarmState.LATCHED_UNACKNOWLEDGED,
        AlarmState.LATCHED_ACKNOWLEDGED,
    }
)

#: In these nobody has acknowledged it yet.
WAITING: Final = frozenset(
    {
        AlarmState.UNACKNOWLEDGED,
        AlarmState.RETURNED_UNACKNOWLEDGED,
        AlarmState.LATCHED_UNACKNOWLEDGED,
    }
)

#: In these its condition is over, and it waits for a reset.
LATCHED: Final = frozenset({AlarmState.LATCHED_UNACKNOWLEDGED, AlarmState.LATCHED_ACKNOWLEDGED})

_Table = Mapping[tuple[AlarmState, AlarmInput], AlarmState]

#: What is not here changes nothing.
_ORDINARY: Final[_Table] = {
    (AlarmState.NORMAL, AlarmInput.ALARM): AlarmState.UNACKNOWLEDGED,
    (AlarmState.UNACKNOWLEDGED, AlarmInput.ACKNOWLEDGE): AlarmState.ACKNOWLEDGED,
    (AlarmState.UNACKNOWLEDGED, AlarmInput.RETURN): AlarmState.RETURNED_UNACKNOWLEDGED,
    (AlarmState.ACKNOWLEDGED, AlarmInput.RETURN): AlarmState.NORMAL,
    (AlarmState.RETURNED_UNACKNOWLEDGED, AlarmInput.ACKNOWLEDGE): AlarmState.NORMAL,
    (AlarmState.RETURNED_UNACKNOWLEDGED, AlarmInput.ALARM): AlarmState.UNACKNOWLEDGED,
}

_LATCHED: Final[_Table] = {
    **_ORDINARY,
    (AlarmState.UNACKNOWLEDGED, AlarmInput.RETURN): AlarmState.LATCHED_UNACKNOWLEDGED,
    (AlarmState.ACKNOWLEDGED, AlarmInput.RETURN): AlarmState.LATCHED_ACKNOWLEDGED,
    (AlarmState.LATCHED_UNACKNOWLEDGED, AlarmInput.ALARM): AlarmState.UNACKNOWLEDGED,
    (AlarmState.LATCHED_UNACKNOWLEDGED, AlarmInput.ACKNOWLEDGE): AlarmState.LATCHED_ACKNOWLEDGED,
    (AlarmState.LATCHED_UNACKNOWLEDGED, AlarmInput.RESET): AlarmState.RETURNED_UNACKNOWLEDGED,
    (AlarmState.LATCHED_ACKNOWLEDGED, AlarmInput.ALARM): AlarmState.UNACKNOWLEDGED,
    (AlarmState.LATCHED_ACKNOWLEDGED, AlarmInput.RESET): AlarmState.NORMAL,
}


def following(state: AlarmState, happened: AlarmInput, *, latch: bool) -> AlarmState:
    """The state after `happened`; the same where that changes nothing."""
    return (_LATCHED if latch else _ORDINARY).get((state, happened), state)
