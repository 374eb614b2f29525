"""What a soak runs on: its settings, and the sample mine with zones of every kind and a roster."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import time
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np

from gateway.config.alarms import AlarmSettings
from gateway.mine.machines.plan import FloodRule, NearRule
from gateway.mine.people.shifts import ShiftTime
from gateway.mine.plan import (
    AlarmRule,
    AttendancePlan,
    DualCard,
    Holder,
    MinePlan,
    Stop,
)
from gateway.mine.prevention.plan import PreventionPlan, RiskPoint
from gateway.soak.fleet import DEVICES, GAS, LIMITS, SHEARER, machines_of
from hil_sim.people import CARD_HEIGHT_M
from hil_sim.sample_map import feature, map_text, rectangle
from hil_sim.sample_mine import MINE_CODE, RFID_IDS
from positioning.geojson import parse_map
from positioning.mine_map import MineMap

UWB_IDS: Final = ("uwb_1", "uwb_2", "uwb_3")

#: A day with three shifts. It begins at midnight, when one shift leaves and the next comes.
START_NS: Final = 1_800_057_600 * 1_000_000_000
SHIFTS: Final = 3
SHIFT_H: Final = 8.0
SHIFT_NAMES: Final = ("night", "early", "late")
#: Of past shifts so many are kept.
SHIFTS_KEPT: Final = 3
#: A day has no more shifts than so many: to find one takes as long as there are.
SHIFTS_MOST: Final = 45
_DAY_MIN: Final = 1440

#: As the gateway's default: beyond it a reader's clock is not believed.
CLOCK_TOLERANCE_S: Final = 5.0

#: Every so manyth holder may enter the controlled zone, leads a shift, and has a planned route.
ALLOWED_EVERY: Final = 2
LEADER_EVERY: Final = 13
PATROL_EVERY: Final = 17

#: A share of a shift that most people keep below, and that is longer than allowed.
BELOW_MOST_SHARE: Final = 0.97

#: Of the people of a workplace at once, and of all people, the share that the quotas allow: such
#: that they are reached and passed again and again.
FACE_QUOTA_SHARE: Final = 0.6
MINE_QUOTA_SHARE: Final = 0.4
#: What the soak adds to the sample mine, or changes in it, by zone.
ZONES: Final[tuple[tuple[str, str, tuple[float, float, float, float]], ...]] = (
    ("explosives", "controlled", (450, 54, 500, 66)),
    ("licence", "licence", (-50, -260, 800, 105)),
    # Around a face, but for 25 m of it.
    ("licence_west", "licence", (390, 104, 500, 300)),
    ("licence_mid", "licence", (499, 104, 560, 250)),
    ("licence_east", "licence", (525, 249, 560, 300)),
    ("passing_loop", "section", (420, -5, 500, 5)),
)
WORKPLACES: Final = ("face_3101", "face_3103", "heading_3105")
NEAR_M: Final = 6.0
STAY_LIMIT_MIN: Final = {"refuge_1": 6.0, "substation": 4.0}
#: How fast vehicles may be, metres per second, by roadway.
SPEED_MAX_M_S: Final = {"haulage": 2.0, "pit_bottom": 3.0}
NEAR: Final = NearRule(person_vehicle_m=14.0, vehicle_vehicle_m=20.0)
FLOOD: Final = FloodRule(count=4, window_s=20.0)
#: Two cards of one person are told after so long a way, and time.
DUAL: Final = DualCard(way_m=80.0, time_s=150.0)
#: Where special workers have to be, minutes of each hour.
PATROL: Final = (
    ("face_3101", 4, 7),
    ("refuge_1", 9, 12),
    ("face_3101", 23, 26),
    ("refuge_1", 28, 31),
    ("face_3103", 41, 44),
    ("refuge_1", 46, 49),
)


class Kind(IntEnum):
    """Who, or what, carries a card."""

    PERSON = 0
    VEHICLE = 1
    ROBOT = 2
    STRANGE = 3  # on no roster
    SPARE = 4  # in the lamp room, for whoever needs another


#: Of so many cards one is of the kind, and the first of them.
KINDS_EVERY: Final = {
    Kind.VEHICLE: (23, 4),
    Kind.ROBOT: (31, 7),
    Kind.STRANGE: (29, 12),
    Kind.SPARE: (19, 13),
}
#: Of vehicles and of robots there are no more than so many.
DRIVEN_MOST: Final = 12
#: One more vehicle, so that few cards have two.
SECOND_VEHICLE: Final = 10


@dataclass(frozen=True, kw_only=True)
class SoakSettings:
    """A run: the same settings give the same run, event by event.

    `only`: of all cards that are simulated, those that the core gets to hear (empty: all).
    `without`: kinds of faults that are switched off. `borders`: people walk along the borders of
    zones instead of going about their work. `shadow_every`: after so many steps new second cores
    go along with the running one, 0: none do.

    For runs of minutes, in which all has to happen: `oftener_most`: in short shifts faults come
    more often, but not by more than this. `act_gap_s`: between two acts, seconds, on average.
    `rebuild_every`: the state that is kept is tried out after so many steps; building a core takes
    as long as hundreds of them. `shift_min`: how many minutes the shifts have by which time
    and attendance are counted, whatever shifts people go down in. `muster_most_s`: how
    long a muster lasts at most.
    """

    hours: float
    people: int
    seed: int
    shift_h: float = SHIFT_H
    borders: bool = False
    only: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    shadow_every: int = 0
    oftener_most: float = 4.0
    act_gap_s: float = 12.0
    rebuild_every: int = 900
    shift_min: int = _DAY_MIN // SHIFTS
    muster_most_s: float = 400.0

    @cached_property
    def cards(self) -> tuple[str, ...]:
        """The ids of all cards."""
        return tuple(f"{MINE_CODE}{number:05d}" for number in range(1, self.people + 1))

    @cached_property
    def kinds(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(cards,): of what `Kind` each is at first."""
        number = np.arange(self.people)
        kinds = np.full(self.people, Kind.PERSON, np.int64)
        for kind, (every, first) in KINDS_EVERY.items():
            kinds[number % every == first] = kind
        kinds[number == SECOND_VEHICLE] = Kind.VEHICLE
        for kind in (Kind.VEHICLE, Kind.ROBOT):
            kinds[np.flatnonzero(kinds == kind)[DRIVEN_MOST:]] = Kind.PERSON
        return kinds

    def command(self) -> str:
        """What repeats this run."""
        words = [f"lamproom soak --hours {self.hours:.4f} --people {self.people}"]
        words.append(f"--seed {self.seed}")
        if self.shift_h != SHIFT_H:
            words.append(f"--shift-h {self.shift_h:g}")
        if self.borders:
            words.append("--borders")
        if self.shadow_every:
            words.append(f"--shadow-every {self.shadow_every}")
        if self.only:
            words.append(f"--only {','.join(self.only)}")
        if self.without:
            words.append(f"--without {','.join(sorted(self.without))}")
        return " ".join(words)


def plan_of(settings: SoakSettings) -> MinePlan:
    """The mine as its core gets it."""
    vehicles = np.flatnonzero(settings.kinds == Kind.VEHICLE)[:1].tolist()
    return MinePlan(
        map=map_of(settings, FACE_QUOTA_SHARE, lambda _: None),
        devices=(*UWB_IDS, *RFID_IDS, *DEVICES),
        card_height_m=CARD_HEIGHT_M,
        clock_tolerance_s=CLOCK_TOLERANCE_S,
        rules=_rules(),
        holders=_holders(settings),
        people_quota=max(1, round(settings.people * MINE_QUOTA_SHARE)),
        below_most_s=settings.shift_h * 3600.0 * BELOW_MOST_SHARE,
        limits=LIMITS,
        routes={"patrol": _patrol()},
        uwb_readers=frozenset(UWB_IDS),
        configuration="a",
        shifts=_shifts(settings),
        attendance=AttendancePlan(shifts_kept=SHIFTS_KEPT),
        dual_card=DUAL,
        machines=machines_of(tuple(settings.cards[card] for card in vehicles)),
        near=NEAR,
        flood=FLOOD,
        prevention=PreventionPlan(risk_points(2)),
    )


def risk_points(level: int, *, gas: str = "face_3101") -> tuple[RiskPoint, ...]:
    """One at each workplace, and those of the machine and the sensor that stand there."""
    points = tuple(RiskPoint(f"point_{zone}", zone, level, "nobody", zone) for zone in WORKPLACES)
    return (
        *points,
        RiskPoint("point_gas", "gas", 3, "nobody", gas, GAS),
        RiskPoint("point_shearer", "shearer", 4, "nobody", "face_3103", SHEARER),
    )


def shift_starts(settings: SoakSettings) -> tuple[int, ...]:
    """At which minute of the day each of its shifts begins; the last one lasts until midnight."""
    count = min(_DAY_MIN // settings.shift_min, SHIFTS_MOST)
    return tuple(settings.shift_min * number for number in range(count))


def _shifts(settings: SoakSettings) -> tuple[ShiftTime, ...]:
    times = [time(*divmod(minute, 60)) for minute in (*shift_starts(settings), 0)]
    return tuple(
        ShiftTime(SHIFT_NAMES[number % len(SHIFT_NAMES)], start, end)
        for number, (start, end) in enumerate(pairwise(times))
    )


def _rules() -> dict[str, AlarmRule]:
    rules = {name: AlarmRule.of(family) for name, family in AlarmSettings()}
    return rules | {
        "distress": replace(rules["distress"], escalate_after_s=60.0, escalate_to=("manager",)),
        "overspeed": replace(rules["overspeed"], latch=True),
        "signal_lost": replace(rules["signal_lost"], suppressed_by=("device_down",)),
        "unauthorised_entry": replace(rules["unauthorised_entry"], clear_after_s=5.0),
    }


def _patrol() -> tuple[Stop, ...]:
    return tuple(
        Stop(zone, time(hour, start), time(hour, end))
        for hour in range(24)
        for zone, start, end in PATROL
    )


def device_of_anchors(mine: MineMap) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Which of `UWB_IDS` serves each anchor: a third of the map each."""
    return np.arange(len(mine.anchors)) * len(UWB_IDS) // len(mine.anchors)


def map_of(
    settings: SoakSettings, quota_share: float, change: Callable[[dict[str, Any]], None]
) -> MineMap:
    """The sample mine's map with the soak's zones; `change` may do more to each feature."""
    root = json.loads(map_text(RFID_IDS))
    quota = max(1, round(settings.people / SHIFTS / len(WORKPLACES) * quota_share))
    for one in root["features"]:
        properties = one["properties"]
        if properties["kind"] == "roadway" and properties["id"] in SPEED_MAX_M_S:
            properties["speed_max_m_s"] = SPEED_MAX_M_S[properties["id"]]
        if properties["kind"] != "zone":
            continue
        if properties["id"] in WORKPLACES:
            properties["quota"] = quota
        if properties["zone"] == "danger":
            properties["near_m"] = NEAR_M
        if properties["id"] in STAY_LIMIT_MIN:
            properties["stay_limit_min"] = STAY_LIMIT_MIN[properties["id"]]
    root["features"] += [
        feature("zone", "Polygon", rectangle(*sides), id=zone, name=zone, zone=kind)
        for zone, kind, sides in ZONES
    ]
    for one in root["features"]:
        change(one)
    return parse_map(json.dumps(root))


def _holders(settings: SoakSettings) -> dict[str, Holder]:
    controlled = frozenset(zone for zone, kind, _ in ZONES if kind == "controlled")
    on_roster = (Kind.PERSON, Kind.VEHICLE, Kind.ROBOT)
    return {
        card: Holder(
            f"holder {number}",
            f"team {number % len(WORKPLACES)}",
            is_person=kind == Kind.PERSON,
            is_vehicle=kind == Kind.VEHICLE,
            leader=kind == Kind.PERSON and number % LEADER_EVERY == 1,
            zones=controlled if number % ALLOWED_EVERY == 0 else frozenset(),
            route="patrol" if kind == Kind.PERSON and number % PATROL_EVERY == 6 else "",
        )
        for number, (card, kind) in enumerate(
            zip(settings.cards, settings.kinds.tolist(), strict=True)
        )
        if kind in on_roster
    }
