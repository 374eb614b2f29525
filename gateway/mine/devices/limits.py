"""How many, how long and where at all: quotas, stays, and the borders of the licence."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.change import Place
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.plan import MinePlan
from gateway.mine.record import StepRecord
from gateway.mine.zones.occupancy import Occupancy
from positioning.mine_map import Zone, ZoneKind

OVERCROWDED: Final = "overcrowded"
OVERTIME: Final = "overtime"
OUT_OF_BOUNDARY: Final = "out_of_boundary"

_S_NS: Final = 1_000_000_000
_MIN_NS: Final = 60 * _S_NS


class Limits:
    """Compares what is with what is allowed, all of it anew at each look; stays once a second."""

    def __init__(
        self,
        plan: MinePlan,
        cards: Cards,
        roster: Roster,
        occupancy: Occupancy,
        alarms: AlarmBook,
    ) -> None:
        self._cards = cards
        self._roster = roster
        self._occupancy = occupancy
        self._alarms = alarms
        self._staying: list[tuple[AlarmKey, str]] = []
        self.recall()
        self._set(plan)

    def recall(self) -> None:
        """Takes up the alarms that there are: after a restart, and when a card's have moved."""
        self._stays_second = -1  # who stays may have another card
        #: What is over a limit now: the alarms that have been begun, and not ended.
        self._over: set[AlarmKey] = {
            key
            for key in self._alarms
            if key.rule in (OVERCROWDED, OVERTIME, OUT_OF_BOUNDARY) and not key.machine
        }

    def _set(self, plan: MinePlan) -> None:
        zones = plan.map.zones
        self._people_quota = plan.people_quota
        self._below_most_ns = round(plan.below_most_s * _S_NS)
        self._quotas = [(i, zone) for i, zone in enumerate(zones) if zone.quota is not None]
        stays = [(i, zone) for i, zone in enumerate(zones) if zone.stay_limit_min is not None]
        self._stays = [zone for _, zone in stays]
        self._stay_rows = np.array([i for i, _ in stays], np.intp)
        most_ns = [round((zone.stay_limit_min or 0.0) * _MIN_NS) for zone in self._stays]
        self._stay_most_ns = np.array(most_ns, np.int64)
        self._has_licence = any(zone.kind is ZoneKind.LICENCE for zone in zones)

    def reload(self, plan: MinePlan, record: StepRecord) -> None:
        """Takes over other limits; what has none any more is over. The next look applies them."""
        before = self._stay_limits()
        self._set(plan)
        now = self._stay_limits()
        if before != now:
            self._stays_second = -1
        limited = {
            OVERCROWDED: {zone.id for _, zone in self._quotas},
            OVERTIME: {"", *(zone for zone, _ in now)},
            OUT_OF_BOUNDARY: {""} if self._has_licence else set(),
        }
        if self._people_quota is not None:
            limited[OVERCROWDED].add("")
        for key in sorted(self._over):
            if key.zone not in limited[key.rule]:
                self._over.discard(key)
                text = "no limit is configured for it any more"
                self._alarms.close(key, record.now_ns, record, text)

    def _stay_limits(self) -> list[tuple[str, float | None]]:
        limits = [(zone.id, zone.stay_limit_min) for zone in self._stays]
        return [("", float(self._below_most_ns)), *limits]

    def look(self, record: StepRecord) -> None:
        """Raises and clears what has to be by now."""
        second = record.now_ns // _S_NS
        if second != self._stays_second:
            self._stays_second, self._staying = second, self._stayers(record.now_ns)
        over = dict([*self._crowds(), *self._staying, *self._strays()])
        for key, text in over.items():
            if key not in self._over:
                self._alarms.begin(key, record.now_ns, record, text, self._place(key))
        for key in sorted(self._over - over.keys()):
            self._alarms.end(key, record.now_ns, record, _ENDS[key.rule])
        self._over = set(over)

    def _crowds(self) -> list[tuple[AlarmKey, str]]:
        found = []
        for index, zone in self._quotas:
            people = int(self._occupancy.people[index])
            if people > (zone.quota or 0):
                text = (
                    f"{people} people are in zone {zone.id} ({zone.name}); "
                    f"its quota is {zone.quota}"
                )
                found.append((AlarmKey(OVERCROWDED, zone=zone.id), text))
        below = int(self._people_below().sum())
        if self._people_quota is not None and below > self._people_quota:
            text = f"{below} people are underground; the mine's quota is {self._people_quota}"
            found.append((AlarmKey(OVERCROWDED), text))
        return found

    def _people_below(self) -> NDArray[np.bool_]:
        """(cards with a holder,) bool."""
        person = self._roster.person
        below: NDArray[np.bool_] = person & (self._cards.below_ns[: len(person)] > 0)
        return below

    def _stayers(self, now_ns: int) -> list[tuple[AlarmKey, str]]:
        below_ns = self._cards.below_ns[: len(self._roster.person)]
        late = self._people_below() & (now_ns - below_ns > self._below_most_ns)
        found = [
            (AlarmKey(OVERTIME, card=name), f"card {name} is below for {_spent(now_ns - since)}")
            for name, since in self._named(late, below_ns)
        ]
        since_ns = self._occupancy.earliest_ns[self._stay_rows]
        for n in np.flatnonzero(since_ns < now_ns - self._stay_most_ns).tolist():
            self._occupancy.note_earliest(int(self._stay_rows[n]))
            found += self._stayers_in(self._stays[n], int(self._stay_most_ns[n]), now_ns)
        return found

    def _stayers_in(self, zone: Zone, most_ns: int, now_ns: int) -> list[tuple[AlarmKey, str]]:
        found: list[tuple[AlarmKey, str]] = []
        for card, since_ns in self._occupancy.inside(zone.id).items():
            if self._roster.person[card] and now_ns - since_ns > most_ns:
                name = self._roster.name(card)
                spent = _spent(now_ns - since_ns)
                text = f"card {name} is in zone {zone.id} ({zone.name}) for {spent}"
                found.append((AlarmKey(OVERTIME, card=name, zone=zone.id), text))
        return found

    def _strays(self) -> list[tuple[AlarmKey, str]]:
        if not self._has_licence:
            return []
        cards, known = self._cards, len(self._roster.person)
        outside = (cards.last["fix_class"] > 0) & (cards.in_licence == 0) & (cards.at_wellhead == 0)
        text = "card {} is outside of the licence's borders or heights"
        strays = self._named(outside[:known] & self._roster.person, cards.below_ns)
        return [(AlarmKey(OUT_OF_BOUNDARY, card=name), text.format(name)) for name, _ in strays]

    def _named(
        self, which: NDArray[np.bool_], since_ns: NDArray[np.int64]
    ) -> list[tuple[str, int]]:
        handles = np.flatnonzero(which).tolist()
        return [(self._roster.name(card), int(since_ns[card])) for card in handles]

    def _place(self, key: AlarmKey) -> Place | None:
        return self._cards.last_place(self._roster.handle(key.card)) if key.card else None


_ENDS: Final = {
    OVERCROWDED: "the quota is kept again",
    OVERTIME: "they have left",
    OUT_OF_BOUNDARY: "they are within the licence's borders again",
}


def _spent(spent_ns: int) -> str:
    minutes = spent_ns // _MIN_NS
    return f"{minutes // 60} h {minutes % 60:02d} min"
