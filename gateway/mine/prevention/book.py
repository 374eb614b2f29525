"""Dual prevention (双重预防): the hazards that are found, and the risk that they are part of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.change import Act, ActKind
from gateway.mine.plan import MinePlan
from gateway.mine.prevention.hazard import Hazard
from gateway.mine.prevention.hazards import HazardBook
from gateway.mine.prevention.risk import RiskBook
from gateway.mine.record import StepRecord
from gateway.mine.zones.occupancy import Occupancy
from positioning.observation import IdTable, Records


@dataclass(frozen=True, slots=True)
class PreventionChange:
    """What of hazards and risk has changed.

    `hazards` by id, as they are now, None for one that is no longer listed; `risk`, (zones,) RISK,
    is there when it has been computed anew.
    """

    hazards: Mapping[str, Hazard | None] = field(default_factory=dict)
    risk: Records | None = None


class Prevention:
    """Hazards and risk, one after the other in each step."""

    def __init__(
        self,
        plan: MinePlan,
        table: IdTable,
        occupancy: Occupancy,
        alarms: AlarmBook,
        state: Mapping[str, bytes],
    ) -> None:
        """Takes up what was kept before a restart; it goes on with `begin`."""
        self._alarms = alarms
        self._occupancy = occupancy
        self._hazards = HazardBook(plan, alarms, state)

        self._table = table
        self._risk = RiskBook(plan.prevention, plan.map.zones, self._zones_of, state)
        self._changed: dict[str, Hazard | None] = {}

    @property
    def doers(self) -> dict[ActKind, Callable[[Act, StepRecord], str]]:
        """How operators' acts on hazards are done."""
        return self._hazards.doers

    def begin(self, record: StepRecord) -> None:
        """Goes on after a restart, with all alarms as they are now."""
        self._hazards.begin(record)
        record.alarms |= self._alarms.all()
        self.weigh(record)

    def reload(self, plan: MinePlan, record: StepRecord) -> None:
        """Takes over another configuration, when all alarms are known: last."""
        self._hazards.reload(plan)
        if self._risk.reload(plan.prevention, plan.map.zones):
            self._risk.count((), record.alarms.values())
            return
        kept = self._risk.kept()
        self._risk = RiskBook(plan.prevention, plan.map.zones, self._zones_of, kept)
        alarms, people = self._alarms.all().values(), self._occupancy.people
        self._risk.look(self._hazards.all(), alarms, people, record)

    def _zones_of(self, card: str) -> tuple[str, ...]:
        handle = self._table.handle(card)
        return self._occupancy.zones_of([handle])[handle]

    def follow(self, record: StepRecord) -> None:
        """Raises what is overdue by now."""
        self._hazards.look(record)

    def weigh(self, record: StepRecord) -> None:
        """Scores the zones, when all alarms of the step are known."""
        changed = self._hazards.take()
        self._changed |= changed
        people = self._occupancy.people
        self._risk.look(changed.values(), record.alarms.values(), people, record)

    def take(self) -> PreventionChange | None:
        """What has changed since this was asked last."""
        changed, self._changed = self._changed, {}
        risk = self._risk.take()
        return PreventionChange(changed, risk) if changed or risk is not None else None
