"""The small mine with a machine, people with exact places, and vehicles; for tests of the core."""

from dataclasses import replace
from typing import Any

import numpy as np

from equipment.report import Quality, Sample, Value
from gateway.mine.change import Batch
from gateway.mine.machines.plan import AlongRoadway, Fixed, Machine, OnCards
from gateway.mine.plan import Holder, MinePlan, ValueLimit
from positioning.fences import capsule, disc
from positioning.observation import PLACE, Records, measurements
from tests.gateway.small_mine import PLAN, T0, S, Walk

PERSON, MATE = "15062200000100007", "15062200000100008"
TRUCK, LOCO = "15062200000100011", "15062200000100012"
FRONT, REAR = "15062200000100021", "15062200000100022"
HOLDERS = {
    PERSON: Holder("Li Hua", team="repair"),
    MATE: Holder("Wang", team="face team"),
    **{card: Holder("truck", is_person=False, is_vehicle=True) for card in (TRUCK, LOCO)},
    **{card: Holder("header", is_person=False) for card in (FRONT, REAR)},
}

#: Along the one roadway, whose centreline begins at x = -20.
SHEARER = Machine(
    "shearer",
    "Shearer",
    AlongRoadway("shearer", "position", "main", offset_m=20.0, sigma_m=0.3),
    ring_m=capsule(5.0, 5.0, 3.0),
    margin_m=4.0,
    crew=frozenset({"face team"}),
)
CUTS = ValueLimit("cuts", "cuts", "shearer", "cutting", equals=True)
RIG = Machine("rig", "Drill rig", Fixed(50.0, 0.0, z_m=-8.0), ring_m=disc(6.0))
HEADER = Machine("header", "Roadheader", OnCards(FRONT, REAR), ring_m=disc(6.0))


def plan_of(*machines: Machine, **changes: Any) -> MinePlan:
    return replace(PLAN, machines=machines, holders=HOLDERS, **changes)


def value(
    point: str, what: Value | None, t_ns: int, quality: Quality = Quality.GOOD, device: str = ""
) -> Sample:
    return Sample(device or "shearer", point, what, quality, "", None, t_ns)


class Site(Walk):
    """People and vehicles are put where they are by places of another engine, once a second."""

    def __init__(self, plan: MinePlan, state: dict[str, bytes] | None = None, **given: Any) -> None:
        super().__init__(state, given.pop("first_sequence", 1), plan=plan)
        self.t_ns = given.pop("t_ns", T0)
        self.begin(self.t_ns)

    def again(self, plan: MinePlan, away_s: float = 0.0) -> "Site":
        """The same after a restart."""
        last = max((event.sequence for changes in self.all for event in changes.events), default=0)
        t_ns = self.t_ns + round(away_s * S)
        return Site(plan, self.state, first_sequence=last + 1, t_ns=t_ns)

    def second(
        self,
        places: dict[str, float] | None = None,
        *samples: tuple[str, Value | None],
        bad: bool = False,
    ) -> None:
        """One second: cards at these x, values of the shearer."""
        self.t_ns += S
        rows = [self.place(card, x_m) for card, x_m in (places or {}).items()]
        quality = Quality.BAD if bad else Quality.GOOD
        read = tuple(value(point, what, self.t_ns, quality) for point, what in samples)
        self.step(Batch(measurements(*rows), samples=read), self.t_ns)

    def place(self, card: str, x_m: float, y_m: float = 0.0) -> Records:
        handle = self.table.handle(card)
        return np.array([(handle, self.t_ns, x_m, y_m, 0.01, 0.0, 0.01)], PLACE)

    def told(self, rule: str) -> list[tuple[str, str, str]]:
        """(what, card, machine) of each event about alarms of a rule."""
        return [
            (event.kind.name.removeprefix("ALARM_"), event.alarm.card, event.alarm.machine)
            for changes in self.all
            for event in changes.events
            if event.alarm and event.alarm.rule == rule
        ]

    def texts(self, rule: str) -> list[str]:
        return [
            event.text
            for changes in self.all
            for event in changes.events
            if event.alarm and event.alarm.rule == rule
        ]
