"""What a soak runs on: its settings, and the sample mine with zones of every kind and a roster."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from gateway.config.alarms import AlarmSettings
from gateway.mine.plan import AlarmRule, Holder, MinePlan
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

#: As the gateway's default: beyond it a reader's clock is not believed.
CLOCK_TOLERANCE_S: Final = 5.0

#: Of so many cards one is on no roster, one is a vehicle's, and one may enter the controlled zone.
STRANGE_EVERY: Final = 29
VEHICLE_EVERY: Final = 23
ALLOWED_EVERY: Final = 2

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
    ("licence_north", "licence", (390, 104, 560, 300)),
)
WORKPLACES: Final = ("face_3101", "face_3103", "heading_3105")
NEAR_M: Final = 6.0
STAY_LIMIT_MIN: Final = {"refuge_1": 6.0, "substation": 4.0}


@dataclass(frozen=True, kw_only=True)
class SoakSettings:
    """A run: the same settings give the same run, event by event.

    `only`: of all cards that are simulated, those that the core gets to hear (empty: all).
    `without`: kinds of faults that are switched off. `borders`: people walk along the borders of
    zones instead of going about their work.
    """

    hours: float
    people: int
    seed: int
    shift_h: float = SHIFT_H
    borders: bool = False
    only: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()

    @cached_property
    def cards(self) -> tuple[str, ...]:
        """The ids of all cards."""
        return tuple(f"{MINE_CODE}{number:05d}" for number in range(1, self.people + 1))

    def command(self) -> str:
        """What repeats this run."""
        words = [f"lamproom soak --hours {self.hours:.4f} --people {self.people}"]
        words.append(f"--seed {self.seed}")
        if self.shift_h != SHIFT_H:
            words.append(f"--shift-h {self.shift_h:g}")
        if self.borders:
            words.append("--borders")
        if self.only:
            words.append(f"--only {','.join(self.only)}")
        if self.without:
            words.append(f"--without {','.join(sorted(self.without))}")
        return " ".join(words)


def plan_of(settings: SoakSettings) -> MinePlan:
    """The mine as its core gets it."""
    rules = {name: AlarmRule.of(family) for name, family in AlarmSettings()}
    return MinePlan(
        map=_map(settings),
        devices=(*UWB_IDS, *RFID_IDS),
        card_height_m=CARD_HEIGHT_M,
        clock_tolerance_s=CLOCK_TOLERANCE_S,
        rules=rules,
        holders=_holders(settings),
        people_quota=max(1, round(settings.people * MINE_QUOTA_SHARE)),
        below_most_s=settings.shift_h * 3600.0 * BELOW_MOST_SHARE,
        uwb_readers=frozenset(UWB_IDS),
    )


def device_of_anchors(mine: MineMap) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Which of `UWB_IDS` serves each anchor: a third of the map each."""
    return np.arange(len(mine.anchors)) * len(UWB_IDS) // len(mine.anchors)


def _map(settings: SoakSettings) -> MineMap:
    root = json.loads(map_text(RFID_IDS))
    quota = max(1, round(settings.people / SHIFTS / len(WORKPLACES) * FACE_QUOTA_SHARE))
    for one in root["features"]:
        properties = one["properties"]
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
    return parse_map(json.dumps(root))


def _holders(settings: SoakSettings) -> dict[str, Holder]:
    controlled = frozenset(zone for zone, kind, _ in ZONES if kind == "controlled")
    return {
        card: Holder(
            f"holder {number}",
            f"team {number % len(WORKPLACES)}",
            is_person=number % VEHICLE_EVERY != VEHICLE_EVERY - 1,
            zones=controlled if number % ALLOWED_EVERY == 0 else frozenset(),
        )
        for number, card in enumerate(settings.cards)
        if number % STRANGE_EVERY != STRANGE_EVERY - 1
    }
