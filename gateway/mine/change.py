"""What goes into a step of the mine core, and what comes out.

Times are nanoseconds since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

import numpy as np

from equipment.report import ClockCheck, LinkChange, Notice, Sample
from gateway.mine.alarms.states import AlarmMode, AlarmState
from positioning.observation import FIX, MEASUREMENT, Records

if TYPE_CHECKING:
    from gateway.mine.muster.card import MusterChange
    from gateway.mine.people.shift_exposure import ShiftExposure
    from gateway.mine.prevention.book import PreventionChange
    from gateway.mine.zones.visits import Visit


class ActKind(StrEnum):
    """What an operator does."""

    ACKNOWLEDGE = "alarm.acknowledge"
    RESET = "alarm.reset"
    SHELVE = "alarm.shelve"
    UNSHELVE = "alarm.unshelve"
    OUT_OF_SERVICE = "alarm.out_of_service"
    IN_SERVICE = "alarm.in_service"
    MUSTER_OPEN = "muster.open"
    MUSTER_CLOSE = "muster.close"
    CONFIGURATION_RELOAD = "configuration.reload"
    CARD_ISSUE = "card.issue"
    CARD_RETURN = "card.return"
    CARD_REPLACE = "card.replace"
    HAZARD_REPORT = "hazard.report"
    HAZARD_ASSIGN = "hazard.assign"
    HAZARD_MEND = "hazard.mend"
    HAZARD_CHECK = "hazard.check"
    HAZARD_SUPERVISE = "hazard.supervise"
    HAZARD_CLEAR = "hazard.clear"


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator asks for; the same `request_id` is done once, however often it comes.

    `subject` is the id of an alarm; of OUT_OF_SERVICE and IN_SERVICE it is what
    `gateway.mine.alarms.kept.AlarmKey.text` gives; of MUSTER_OPEN what
    `gateway.mine.muster.card.MusterCall.text` does, of MUSTER_CLOSE the muster's id; of CARD_ISSUE
    `card/person`, of CARD_RETURN the card, of CARD_REPLACE `old/new`; of acts on hazards the
    hazard's, of HAZARD_REPORT where it is; of CONFIGURATION_RELOAD the mine's code. `until_t_ns` is
    when a shelved alarm comes back. `detail` is what else was given, by name.
    """

    request_id: str
    operator: str
    kind: ActKind
    subject: str
    note: str = ""
    until_t_ns: int | None = None
    detail: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an act: done, or why it was refused. `act_t_ns` is when it came first.

    `again`: it had been answered before; nothing was done now. `unstored`: the disk has not taken
    it yet.
    """

    act: Act
    refusal: str
    act_t_ns: int
    again: bool = False
    unstored: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """All that the drivers have given since the last step, in the order of its arrival.

    `measurements`: (n,) MEASUREMENT; sources index the map's anchors and readers. `acts` are what
    operators have asked for, `clocks` how devices' clocks were found to be; `journal` says why it
    can't be written, empty where it can again, None where nothing is new.
    """

    measurements: Records = field(default_factory=lambda: np.empty(0, MEASUREMENT))
    samples: tuple[Sample, ...] = ()
    links: tuple[LinkChange, ...] = ()
    notices: tuple[Notice, ...] = ()
    acts: tuple[Act, ...] = ()
    clocks: tuple[ClockCheck, ...] = ()
    journal: str | None = None


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
    ALARM_ACKNOWLEDGED = 11
    ALARM_HIDDEN = 12
    ALARM_SHOWN = 13
    ALARM_ESCALATED = 14
    ALARM_CHANGED = 15
    MINE_ENTERED = 16
    MINE_LEFT = 17
    MUSTER_OPENED = 18
    MUSTER_CLOSED = 19
    MUSTER_SAFE = 20
    CARD_ISSUED = 29
    CARD_RETURNED = 30
    CARD_REPLACED = 31
    HAZARD_FOUND = 21
    HAZARD_CHANGED = 22
    HAZARD_CLEARED = 23
    RISK_CHANGED = 24
    CONFIGURATION_CHANGED = 27
    CONFIGURATION_REFUSED = 28
    FLOOD_BEGUN = 25
    FLOOD_ENDED = 26


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card was, and when it was measured."""

    x_m: float
    y_m: float
    z_m: float
    t_ns: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm and its life: `level` is 1 (most severe) to 4, `end_t_ns` None while it is open.

    `card`, `device`, `zone`, `limit` (an id of `limits.toml`), `hazard` and `machine` (its id, or
    a vehicle's card) are what it is about, empty where they do not apply; `place` is where its card
    was when it began. `raised_t_ns` is when the gateway found it, `start_t_ns` when its condition
    began. `tell` are those who are told, and `escalated` whether that is others than at first,
    because nobody has acknowledged it. `hidden_until_ns`: when a shelved one comes back. `group` is
    the flood that it belongs to, `parent` the id of the alarm that explains it.
    """

    id: str
    rule: str
    level: int
    start_t_ns: int
    end_t_ns: int | None = None
    card: str = ""
    device: str = ""
    zone: str = ""
    limit: str = ""
    hazard: str = ""
    text: str = ""
    place: Place | None = None
    raised_t_ns: int = 0
    state: AlarmState = AlarmState.UNACKNOWLEDGED
    mode: AlarmMode = AlarmMode.IN_SERVICE
    hidden_until_ns: int | None = None
    acknowledged_by: str = ""
    acknowledged_t_ns: int | None = None
    tell: tuple[str, ...] = ()
    escalated: bool = False
    machine: str = ""
    group: str = ""
    parent: str = ""

    @property
    def number(self) -> int:
        """That of the event which raised it: it grows from alarm to alarm."""
        return int(self.id.rpartition("-")[2])


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
    drill: bool = False
    shift: str = ""
    hazard: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """How many times any card came in and went out, since the journal began."""

    entered: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many are below: silent cards are counted, `silent` says how many of them there are.

    `leaders` are those of them who lead a shift, `shift` is the one of now. `flows` are the ways in
    and out since the journal began, by zone, and of the mine by the empty id: of the mine
    `attending` are in, those of whom `MINE_ENTERED` was told and not yet `MINE_LEFT`.
    """

    underground: int
    silent: int
    by_zone: Mapping[str, int]
    leaders: int = 0
    shift: str = ""
    attending: int = 0
    flows: Mapping[str, Flow] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one step has changed.

    `fixes` holds every fix in the order in which it was made, then the last place once more of
    each card that has fallen silent (as LOST) or is heard again; `lagged` the smoothed fixes, with
    the same last places, for display and history. `zones` are the zones that a card (by handle) is
    now in, for each card for which they changed. `anchors`, (anchors,) ANCHOR_HEALTH, is there
    when they have been judged anew. `alarms` are those that have changed, by id, as they are now;
    NORMAL is an alarm that is over and done with. `answers` are what became of the acts: one of
    the batch each, in order. `muster` and `prevention` (hazards and
    risk) are there when something of them has changed.
    `visits` are those that have changed, by key, None for one that is forgotten; `exposure` the
    shifts that have. `issued` is there when it has changed who has which card: card to person.
    `state` is what
    the journal keeps, with the events and in one transaction, so that the core comes back as it
    was: key to bytes, or None to forget the key.
    """

    now_ns: int
    headcount: Headcount
    fixes: Records = field(default_factory=lambda: np.empty(0, FIX))
    lagged: Records = field(default_factory=lambda: np.empty(0, FIX))
    anchors: Records | None = None
    events: tuple[Event, ...] = ()
    zones: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    alarms: Mapping[str, Alarm] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    muster: MusterChange | None = None
    visits: Mapping[tuple[int, str], Visit | None] = field(default_factory=dict)
    exposure: tuple[ShiftExposure, ...] = ()
    issued: Mapping[str, str] | None = None
    prevention: PreventionChange | None = None
    state: Mapping[str, bytes | None] = field(default_factory=dict)
