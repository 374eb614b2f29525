"""What the mine core must know before the first step: the map, the devices and the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, time, tzinfo

from gateway.mine.machines.plan import FloodRule, Machine, NearRule
from gateway.mine.people.shifts import ShiftTime
from gateway.mine.prevention.plan import PreventionPlan
from positioning.mine_map import MineMap
from positioning.settings import TrackerSettings


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """How an alarm family is raised.

    `level` is 1 to 4. The condition must last `after_s` before it is raised and be over for
    `clear_after_s` before it is cleared; one that has `latch` stays until it is reset. `tell` are
    told; `escalate_to` are told when nobody has acknowledged it for `escalate_after_s` (None: they
    never are). It is not shown while an alarm of the families `suppressed_by` is open.
    """

    level: int
    after_s: float = 0.0
    clear_after_s: float = 0.0
    latch: bool = False
    tell: tuple[str, ...] = ()
    escalate_after_s: float | None = None
    escalate_to: tuple[str, ...] = ()
    suppressed_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, family: object) -> AlarmRule:
        """Of a family's settings what all families have; some have others besides."""
        return cls(**{name: getattr(family, name) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Holder:
    """Someone, or something, on the roster.

    `zones` are the controlled zones that it may enter, `route` the planned route it has to go.
    """

    name: str
    team: str = ""
    is_person: bool = True
    is_vehicle: bool = False
    leader: bool = False
    zones: frozenset[str] = frozenset()
    route: str = ""


@dataclass(frozen=True, slots=True)
class ValueLimit:
    """What value of a device's point is not good: above, below or equal to something.

    It is good again when it is `deadband` away from there. `level` None is that of the family. It
    opens a muster of the zones `muster`, where there are any.
    """

    id: str
    name: str
    device: str
    point: str
    above: float | None = None
    below: float | None = None
    equals: bool | float | str | None = None
    deadband: float = 0.0
    fault: bool = False
    level: int | None = None
    zone: str = ""
    muster: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """In which zone someone has to be at some time of the day's span `start` to `end`.

    An `end` that is earlier than `start` is on the next day.
    """

    zone: str
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class DualCard:
    """When two cards are taken to be one person's.

    They were never more than `apart_m` from one another for `time_s`, and meanwhile went
    `way_m` on foot, on average not more than `near_m` apart.
    """

    near_m: float = 2.0
    apart_m: float = 6.0
    way_m: float = 1000.0
    time_s: float = 7200.0


@dataclass(frozen=True, slots=True)
class DuplicateCard:
    """When a card is taken to be in two places: it leapt `leaps` times within `within_s`."""

    leaps: int = 6
    within_s: float = 60.0


@dataclass(frozen=True, slots=True)
class AttendancePlan:
    """How attendance is counted: so many shifts are kept.

    Whoever comes down up to `early_s` before a shift comes for it, and late after `late_s` of it.
    """

    shifts_kept: int = 42
    early_s: float = 3600.0
    late_s: float = 600.0


@dataclass(frozen=True, slots=True)
class MinePlan:
    """The mine as the core sees it.

    `rules` says of each alarm family how it is raised. `card_height_m` is how high a card is
    carried above the floor; `devices` are their ids. The clocks that the measurements' times come
    from may be off by `clock_tolerance_s`. `lag_s` is the delay of the smoothed fixes, 0 for none;
    `speeds_max_m_s` the limit of each card that has one of its own. `holders` says who has which
    card, None where there is no roster; `people_quota` is how many people may be below, None for
    any number, and `below_most_s` for how long. `limits` are those of devices' values, `routes` the
    stops of each planned one, by the local time of `timezone`. `uwb_readers` are those of the
    devices that give ranges, `engines` those that give places, `shifts` those of a day. `machines`
    are those with a fence or a cutter; `near` says how near to vehicles is too near, `flood` when
    alarms are a flood (None: never). `configuration` names the one that all this comes from; it may
    be empty. `prevention` says what hazards and risk are judged by.
    """

    map: MineMap
    devices: tuple[str, ...]
    card_height_m: float
    clock_tolerance_s: float
    rules: Mapping[str, AlarmRule]
    lag_s: float = 0.0
    speeds_max_m_s: Mapping[str, float] = field(default_factory=dict)
    holders: Mapping[str, Holder] | None = None
    people_quota: int | None = None
    below_most_s: float = 36_000.0
    limits: tuple[ValueLimit, ...] = ()
    routes: Mapping[str, tuple[Stop, ...]] = field(default_factory=dict)
    timezone: tzinfo = UTC
    uwb_readers: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    configuration: str = ""
    shifts: tuple[ShiftTime, ...] = ()
    attendance: AttendancePlan = AttendancePlan()
    dual_card: DualCard = DualCard()
    duplicate_card: DuplicateCard = DuplicateCard()
    prevention: PreventionPlan = field(default_factory=PreventionPlan)
    machines: tuple[Machine, ...] = ()
    near: NearRule = field(default_factory=NearRule)
    flood: FloodRule | None = None

    @property
    def tracker(self) -> TrackerSettings:
        """The filter's settings."""
        return TrackerSettings(lag_s=self.lag_s)
