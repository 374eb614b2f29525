"""Whether special workers are where their planned routes say, in time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from gateway.mine.alarms.book import AlarmBook
from gateway.mine.alarms.kept import AlarmKey
from gateway.mine.people.cards import Cards
from gateway.mine.people.roster import Roster
from gateway.mine.plan import MinePlan, Stop
from gateway.mine.record import StepRecord
from gateway.mine.zones.occupancy import Occupancy

ROUTE_DEVIATION: Final = "route_deviation"
#: Where the journal's state holds when a card was last at each stop of its route.
STATE_PREFIX: Final = "route/"

_S_NS: Final = 1_000_000_000
#: Times of stops are of whole minutes.
_MINUTE_S: Final = 60


class RouteWatch:
    """Looks once a second at all who have a route.

    Whoever is below for the whole time of a stop, and was not in its zone, has missed it; the next
    stop in time, or the way out of the mine, makes it good.
    """

    def __init__(
        self,
        plan: MinePlan,
        *,
        roster: Roster,
        cards: Cards,
        occupancy: Occupancy,
        alarms: AlarmBook,
        state: Mapping[str, bytes],
    ) -> None:
        self._routes = plan.routes
        self._zone = plan.timezone
        self._roster = roster
        self._cards = cards
        self._occupancy = occupancy
        self._alarms = alarms
        self._second = -1
        self._goes_on: set[Stop] = set()
        self._ended: dict[Stop, tuple[datetime, datetime]] = {}
        #: Who has a route, as the roster says; who of them was below at the last look; and which
        #: stops of whom are to be looked at: card, number of the stop, stop.
        self._on_routes: list[int] = []
        self._was_down = np.zeros(0, np.bool_)
        self._due: list[tuple[int, int, Stop]] = []
        #: When a card was last in the zone of each stop, while it had to be.
        self._seen_ns: dict[str, dict[int, int]] = {
            key.removeprefix(STATE_PREFIX): {int(n): t_ns for n, t_ns in json.loads(value).items()}
            for key, value in state.items()
            if key.startswith(STATE_PREFIX)
        }

    def stops(self) -> dict[int, tuple[Stop, ...]]:
        """The stops of each card that has a route, by handle."""
        return {card: self._stops_of(card) for card in self._roster.on_routes}

    def _stops_of(self, card: int) -> tuple[Stop, ...]:
        holder = self._roster.holder(card)
        return self._routes.get(holder.route if holder else "", ())

    def reload(
        self, plan: MinePlan, before: Mapping[int, tuple[Stop, ...]], record: StepRecord
    ) -> None:
        """Takes over other routes, after the roster; `before` are the stops of until now.

        Whoever has another route begins it anew.
        """
        self._routes, self._zone = plan.routes, plan.timezone
        if self._second >= 0:
            self._turn(self._second, self._second)
        self._on_routes = []  # all is found anew at the next look
        now = self.stops()
        for card in sorted(before.keys() | now.keys()):
            if before.get(card) == now.get(card):
                continue
            name = self._roster.name(card)
            if self._seen_ns.pop(name, None) is not None:
                record.state[STATE_PREFIX + name] = None
            key, text = AlarmKey(ROUTE_DEVIATION, card=name), f"card {name} has another route now"
            self._alarms.close(key, record.now_ns, record, text)

    def move(self, old: str, new: str, record: StepRecord) -> None:
        """Where the holder of card `old` was in time counts for card `new` from now on."""
        seen = self._seen_ns.pop(old, None)
        if seen is not None:
            self._seen_ns[new] = seen
            record.state[STATE_PREFIX + old] = None
            record.state[STATE_PREFIX + new] = json.dumps(seen).encode()

    def look(self, record: StepRecord) -> None:
        """Takes who is where now."""
        second, before = record.now_ns // _S_NS, self._second
        if second == before or not self._routes:
            return
        self._second = second
        turns = second // _MINUTE_S != before // _MINUTE_S
        if turns:
            self._turn(second, before)
        on_routes = self._roster.on_routes
        if turns or on_routes is not self._on_routes or len(on_routes) != len(self._was_down):
            self._on_routes = on_routes
            self._was_down = np.ones(len(on_routes), np.bool_)
            self._find_due()
        for card, number, stop in self._due:
            self._look_at(card, number, stop, record)
        if self._ended:
            self._ended = {}
            self._find_due()
        self._note_out(record)

    def _find_due(self) -> None:
        """Finds who has to be somewhere now, or had to until now."""
        stops = self._goes_on | self._ended.keys()
        self._due = [
            (card, number, stop)
            for card in self._on_routes
            for number, stop in enumerate(self._stops_of(card))
            if stop in stops
        ]

    def _note_out(self, record: StepRecord) -> None:
        """Who is out of the mine has to be nowhere."""
        is_down = self._cards.below_ns[self._on_routes] > 0
        for row in np.flatnonzero(self._was_down & ~is_down).tolist():
            name = self._roster.name(self._on_routes[row])
            key = AlarmKey(ROUTE_DEVIATION, card=name)
            self._alarms.end(key, record.now_ns, record, f"card {name} is out of the mine")
        self._was_down = is_down

    def _turn(self, second: int, before: int) -> None:
        """Finds the stops that go on and those that have just ended: they begin and end on minutes.

        `before` is when that was looked at last; below 0 it never was.
        """
        now = datetime.fromtimestamp(second, self._zone)
        last = datetime.fromtimestamp(before, self._zone) if before >= 0 else now
        self._goes_on, self._ended = set(), {}
        for stop in {stop for stops in self._routes.values() for stop in stops}:
            start, end = _span(stop, now)
            if start <= now < end:
                self._goes_on.add(stop)
            _, ended = _span(stop, last)
            if last < ended <= now:
                self._ended[stop] = ended - (end - start), ended

    def _look_at(self, card: int, number: int, stop: Stop, record: StepRecord) -> None:
        name = self._roster.name(card)
        key = AlarmKey(ROUTE_DEVIATION, card=name)
        zones = self._occupancy.entries_of([card])[card]
        if stop.zone in zones and stop in self._goes_on:
            self._note(name, number, record)
            self._alarms.end(key, record.now_ns, record, f"card {name} is in zone {stop.zone}")
        if stop not in self._ended:
            return
        began, ended = self._ended[stop]
        if self._was_below(card, began) and not self._was_there(name, number, began):
            text = (
                f"card {name} was not in zone {stop.zone} from {began:%H:%M} to {ended:%H:%M}, "
                "as its route says"
            )
            place = self._cards.last_place(card)
            self._alarms.begin(key, record.now_ns, record, text, place)

    def _note(self, name: str, number: int, record: StepRecord) -> None:
        seen = self._seen_ns.setdefault(name, {})
        new = record.now_ns - seen.get(number, 0) > 60 * _S_NS
        if new:  # once a minute is enough to tell that someone was there
            seen[number] = record.now_ns
            record.state[STATE_PREFIX + name] = json.dumps(seen).encode()

    def _was_below(self, card: int, began: datetime) -> bool:
        below_ns = int(self._cards.below_ns[card])
        return 0 < below_ns <= int(began.timestamp()) * _S_NS

    def _was_there(self, name: str, number: int, began: datetime) -> bool:
        seen_ns = self._seen_ns.get(name, {}).get(number, 0)
        return seen_ns >= int(began.timestamp()) * _S_NS


def _span(stop: Stop, at: datetime) -> tuple[datetime, datetime]:
    """The span of a stop that holds `at`, or else the next one of that day."""
    start = at.replace(hour=stop.start.hour, minute=stop.start.minute, second=0, microsecond=0)
    end = at.replace(hour=stop.end.hour, minute=stop.end.minute, second=0, microsecond=0)
    if stop.end <= stop.start:  # over midnight
        if at < end:
            start -= timedelta(days=1)
        else:
            end += timedelta(days=1)
    return start, end
