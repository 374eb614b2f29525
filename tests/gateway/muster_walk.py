"""A walk through a small mine in which people are mustered, for tests of the core."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.mine.change import Act, ActKind, Answer, Batch, Changes, Event
from gateway.mine.muster.card import Muster, MusterCall, MusterCard, MusterState
from gateway.mine.plan import Holder, MinePlan
from positioning.mine_map import Zone, ZoneKind
from tests.gateway.small_mine import MAP, PLAN, S, Walk, batch_of, ranges_at, rectangle

LI = "15062200000100007"
WANG = "15062200000100008"
TRUCK = "15062200000100009"
HOLDERS = {
    LI: Holder("Li Hua"),
    WANG: Holder("Wang"),
    TRUCK: Holder("monorail 1", is_person=False),
}
PIT_TOP = MAP.zones[0]
HEADING = Zone("heading", "Heading", ZoneKind.FACE, rectangle(50, 80))
SHELTER = Zone("shelter", "Shelter", ZoneKind.REFUGE, rectangle(100, 115))
MUST_LEAVE, ON_THE_WAY, SAFE, UNACCOUNTED = MusterState


def plan_of(*zones: Zone, **changes: Any) -> MinePlan:
    mine_map = replace(MAP, zones=zones or (PIT_TOP, HEADING, SHELTER))
    return replace(PLAN, map=mine_map, holders=HOLDERS, **changes)


class Drill(Walk):
    """A walk that keeps what was told of the muster, as a client does."""

    def __init__(self, state: Mapping[str, bytes] | None = None, **given: Any) -> None:
        super().__init__(dict(state or {}), **{"plan": plan_of(), **given})
        self.muster: Muster | None = None
        self.cards: dict[str, MusterCard] = {}
        self.asked = 0

    def _note(self, changes: Changes) -> Changes:
        change = changes.muster
        if change:
            if change.fresh:
                self.cards.clear()
            self.muster = change.muster
            self.cards |= {card.card: card for card in change.cards}
        return super()._note(changes)

    def stand(self, seconds: int, t_ns: int, **at_m: float) -> int:
        """Cards c7 … stand where they are said to, by their last digit."""
        cards = {card[-1]: card for card in HOLDERS}
        for _ in range(seconds):
            t_ns += S
            seen = [
                ranges_at(self.table.handle(cards[name[1:]]), x_m, t_ns)
                for name, x_m in at_m.items()
            ]
            self.step(batch_of(*seen), t_ns)
        return t_ns

    def act(self, kind: ActKind, subject: str, t_ns: int, note: str = "") -> Answer:
        self.asked += 1
        act = Act(f"request-{self.asked}-{t_ns}", "Zhao", kind, subject, note)
        (answer,) = self.step(Batch(acts=(act,)), t_ns).answers
        return answer

    def open(self, t_ns: int, *zones: str, drill: bool = False, note: str = "smoke") -> str:
        call = MusterCall(zones, drill)
        return self.act(ActKind.MUSTER_OPEN, call.text, t_ns, note).refusal

    def close(self, t_ns: int, note: str = "") -> str:
        assert self.muster is not None
        return self.act(ActKind.MUSTER_CLOSE, self.muster.id, t_ns, note).refusal

    def states(self) -> dict[str, MusterState]:
        return {card.card: card.state for card in self.cards.values()}

    def told(self) -> list[Event]:
        return [
            event
            for changes in self.all
            for event in changes.events
            if event.kind.name.startswith("MUSTER")
        ]


def begun(**given: Any) -> Drill:
    mine = Drill(**given)
    mine.begin()
    return mine
