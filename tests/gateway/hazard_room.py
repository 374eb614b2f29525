"""A core with risk points, and operators who act on hazards."""

import itertools
from dataclasses import replace
from typing import Any

from gateway.mine.change import Act, ActKind, Alarm, Answer, Batch, Changes, Event
from gateway.mine.prevention.hazard import Hazard
from gateway.mine.prevention.plan import PreventionPlan, RiskPoint
from positioning.observation import Records
from tests.gateway.small_mine import PLAN, T0, S, Walk, batch_of, ranges_at

H = 3600 * S
POINTS = (
    RiskPoint("roof", "Roof", 1, "Zhao", zone="face"),
    RiskPoint("drum", "Drum", 2, "Li", zone="face", device="shearer"),
    RiskPoint("pump", "Pump", 3, "Li", device="shearer"),
)
PREVENTION = PreventionPlan(POINTS)
FACE = 2  # of the zones of the map


class HazardRoom:
    """The core, an operator's desk, and what came of each step."""

    def __init__(self, prevention: PreventionPlan = PREVENTION) -> None:
        self.plan = replace(PLAN, prevention=prevention)
        self.state: dict[str, bytes] = {}
        self.t_ns = T0
        self.numbers = itertools.count(1)
        self.hazards: dict[str, Hazard] = {}
        self.risk: Records | None = None
        self.events: list[Event] = []
        self.alarms: dict[str, Alarm] = {}
        self.answers: list[Answer] = []
        self.first = 1
        self.restart()

    def restart(self) -> None:
        self.walk = Walk(self.state, self.first, plan=self.plan)
        self._note(self.walk.begin(self.t_ns))

    def wait(self, seconds: float = 1.0) -> Changes:
        self.t_ns += round(seconds * S)
        return self._note(self.walk.step(Batch(), self.t_ns))

    def listen(self, seconds: int) -> None:
        """Lets time go on without data, a step a second."""
        for _ in range(seconds):
            self.wait()

    def stand(self, card: str, x_m: float, seconds: int = 3) -> None:
        for _ in range(seconds):
            self.t_ns += S
            ranges = ranges_at(self.walk.table.handle(card), x_m, self.t_ns)
            self._note(self.walk.step(batch_of(ranges), self.t_ns))

    def give(self, batch: Batch) -> Changes:
        self.t_ns += S
        return self._note(self.walk.step(batch, self.t_ns))

    def act(
        self, kind: ActKind, subject: str, *, by: str = "Wang", request_id: str = "", **detail: Any
    ) -> str:
        """Why it is refused, or nothing."""
        note = detail.pop("note", "")
        given = tuple(sorted((name, str(value)) for name, value in detail.items()))
        name = request_id or f"request-{next(self.numbers)}"
        self.t_ns += S
        act = Act(name, by, kind, subject, note, None, given)
        self._note(self.walk.step(Batch(acts=(act,)), self.t_ns))
        return self.answers[-1].refusal

    def report(self, **detail: Any) -> str:
        """Reports a hazard at the roof; its id."""
        given = {"title": "loose roof", "risk_point": "roof", **detail}
        assert self.act(ActKind.HAZARD_REPORT, "roof", **given) == ""
        return list(self.hazards)[-1]

    def told(self) -> list[str]:
        """The kinds of events about hazards and their alarms."""
        return [one.kind.name for one in self.events if one.hazard]

    def _note(self, changes: Changes) -> Changes:
        self.state = self.walk.state
        self.first += len(changes.events)
        self.events += changes.events
        self.answers += changes.answers
        self.alarms |= changes.alarms
        if changes.prevention:
            for name, hazard in changes.prevention.hazards.items():
                if hazard is None:
                    del self.hazards[name]
                else:
                    self.hazards[name] = hazard
            if changes.prevention.risk is not None:
                self.risk = changes.prevention.risk
        return changes
