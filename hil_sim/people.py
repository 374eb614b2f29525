"""People and vehicles underground. Seeded; time is an argument.

People come to work, do their work, now and then go where they must not, and go home. Some help at
another team's face. Where gas breaks out at the first face, they go to a refuge until it is over.
Vehicles drive up and down a roadway.

Stays underground overlap, as in a mine where shifts are handed over at the workplace: at the start
most people are below, and there is always someone on the way in or out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hil_sim.people_settings import (
    PEOPLE_AS_USUAL,
    VEHICLES_AS_USUAL,
    PeopleSettings,
    Presence,
    VehicleSettings,
)
from hil_sim.roadgraph import Floats, Ints, RoadGraph, Spot, Stretch
from positioning.mine_map import MineMap, ZoneKind

#: How high a card is carried above the floor: on the belt.
CARD_HEIGHT_M: Final = 1.0

#: How near to a wall people walk.
WALL_GAP_M: Final = 0.6

#: Share of people who at the start are on the way in, and as many on the way out.
ON_THE_WAY: Final = 0.05

#: Metres per second on the way, and at work.
WALK_M_S: Final = (0.9, 1.6)
STROLL_M_S: Final = (0.5, 1.1)
SIDESTEP_M_S: Final = 0.3

HURRY_M_S: Final = (1.4, 1.9)

#: One of so many people helps at a face that is not their team's.
HELPER_EVERY: Final = 20

#: A time that does not come, of someone who waits until they are told.
NEVER_S: Final = 1e12

#: Seconds at one spot while at work, and in a place where one must not be.
WORK_PAUSE_S: Final = (5.0, 60.0)
VISIT_PAUSE_S: Final = (40.0, 90.0)

#: Seconds between two people who go where they must not.
VISIT_GAP_S: Final = (60.0, 180.0)

#: How far from a restricted zone the first of them is at the start: a few seconds' walk.
VISIT_START_M: Final = 5.0


class Doing(IntEnum):
    """What someone is doing."""

    AWAY = 0
    GOING_IN = 1
    WORKING = 2
    VISITING = 3
    GOING_OUT = 4
    DRIVING = 5
    SHELTERING = 6


@dataclass(frozen=True, slots=True, eq=False)
class Whereabouts:
    """Where the cards of all people are at one time, as columns.

    `place_m`: (n, 3); `edge` and `s_m`: where on the roadways; `below`: who is in the mine.
    """

    place_m: Floats
    edge: Ints
    s_m: Floats
    below: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Person:
    """A line of the mine's people.csv."""

    card: str
    team: str
    drives: bool = False


@dataclass(slots=True)
class _Plan:
    """What one person is about to do; `way` are the spots still to be reached, one an edge."""

    workplace: int
    doing: Doing = Doing.AWAY
    way: deque[Spot] = field(default_factory=deque)
    leaves_s: float = 0.0


class People:
    """All people of the mine as arrays, in the order given.

    `edge`: (n,) int64; `s_m`, `offset_m`: (n,) float64; `below`: (n,) bool, who is in the mine.
    """

    def __init__(
        self,
        people: Sequence[Person],
        mine: MineMap,
        graph: RoadGraph,
        seed: Sequence[int],
        *,
        settings: PeopleSettings = PEOPLE_AS_USUAL,
        vehicles: VehicleSettings = VEHICLES_AS_USUAL,
    ) -> None:
        """Everyone somewhere, in the middle of a working day, at time 0 s.

        Raises:
            ValueError: the map gives no place to come in, to work or to drive.
        """
        self._graph = graph
        self._rng = np.random.default_rng(seed)
        # A mine of machines alone needs no way in.
        self._gate = graph.gate(mine.zones) if people else Spot(0, 0.0)
        self._presence = Presence(settings, [one.drives for one in people], self._between)
        self._vehicles = vehicles
        self._forbidden = _stretches(graph, mine, ZoneKind.RESTRICTED)
        self._refuges = _stretches(graph, mine, ZoneKind.REFUGE)
        self._withdrawn = False
        self._workplaces = _workplaces(graph, mine, self._forbidden) if people else []
        count = len(people)
        self.edge: Ints = np.full(count, self._gate.edge, np.int64)
        self.s_m: Floats = np.full(count, self._gate.s_m)
        self.offset_m: Floats = np.zeros(count)
        self._goal_s_m: Floats = self.s_m.copy()
        self._goal_offset_m: Floats = np.zeros(count)
        self._speed_m_s: Floats = np.ones(count)
        self._until_s: Floats = np.full(count, np.inf)
        self.below: NDArray[np.bool_] = np.zeros(count, np.bool_)
        self._plans = self._plan(people, mine)
        self._driving = 0
        for i in range(count):
            self._put_somewhere(i)
        self._next_visit_s = self._between(VISIT_GAP_S)
        if self._forbidden:
            self._start_a_visit_near()

    def _plan(self, people: Sequence[Person], mine: MineMap) -> list[_Plan]:
        """Who works where: a team at its workplace, a vehicle in a roadway that is left free."""
        teams = list(dict.fromkeys(person.team for person in people if not person.drives))
        faces = sum(zone.kind is ZoneKind.FACE for zone in mine.zones)
        count = len(self._workplaces)
        used = self._workplaces[: len(teams)]
        driven = _driven(self._graph, mine, used, self._vehicles.roadways) or self._workplaces
        first, plans = len(self._workplaces), []
        self._workplaces += driven
        for number, person in enumerate(people):
            place = first + number % len(driven) if person.drives else 0
            if not person.drives:
                helps = faces and number % HELPER_EVERY == HELPER_EVERY - 1
                place = number // HELPER_EVERY % faces if helps else teams.index(person.team)
                place %= count
            plans.append(_Plan(place, Doing.DRIVING if person.drives else Doing.AWAY))
        return plans

    def whereabouts(self) -> Whereabouts:
        """Where everyone is now."""
        return Whereabouts(self._place_m(), self.edge.copy(), self.s_m.copy(), self.below.copy())

    def _place_m(self) -> Floats:
        return self._graph.place_m(self.edge, self.s_m, self.offset_m, CARD_HEIGHT_M)

    def doing(self, i: int) -> Doing:
        """What person `i` is doing."""
        return self._plans[i].doing

    def advance(self, t_s: float, dt_s: float) -> None:
        """Moves everyone on by `dt_s`, to the time `t_s`."""
        gap = self._goal_s_m - self.s_m
        step = np.sign(gap) * np.minimum(np.abs(gap), self._speed_m_s * dt_s)
        self.s_m += step
        aside = self._goal_offset_m - self.offset_m
        reach = np.where(step != 0, SIDESTEP_M_S * dt_s, 0.0)
        self.offset_m += np.clip(aside, -reach, reach)
        arrived = (self.s_m == self._goal_s_m) & np.isinf(self._until_s) & self.below
        for i in np.flatnonzero(arrived):
            self._arrived(int(i), t_s)
        for i in np.flatnonzero(self._until_s <= t_s):
            self._until_s[i] = np.inf
            self._decide(int(i), t_s)
        if t_s >= self._next_visit_s:
            self._next_visit_s = t_s + self._between(VISIT_GAP_S)
            self._send_someone_astray()

    def withdraw(self, t_s: float, *, on: bool) -> None:
        """Whether everyone has to leave the first face for a refuge, from the time `t_s` on."""
        if on == self._withdrawn or not self._refuges:
            return
        self._withdrawn = on
        for i, plan in enumerate(self._plans):
            if on and plan.workplace == 0 and plan.doing in (Doing.GOING_IN, Doing.WORKING):
                self._go(i, Doing.SHELTERING, self._spot_on(self._refuges), HURRY_M_S)
            elif not on and plan.doing is Doing.SHELTERING:
                self._decide(i, t_s)

    def _arrived(self, i: int, t_s: float) -> None:
        """Person `i` has reached the end of an edge or of the way."""
        plan = self._plans[i]
        if plan.way:
            self._next_edge(i)
        elif plan.doing is Doing.SHELTERING:
            self._until_s[i] = NEVER_S
        elif plan.doing is Doing.GOING_OUT:
            plan.doing = Doing.AWAY
            self.below[i] = False
            self._until_s[i] = self._presence.comes_s(i, t_s)
        else:
            pause = VISIT_PAUSE_S if plan.doing is Doing.VISITING else WORK_PAUSE_S
            self._until_s[i] = t_s + self._between(pause)

    def _decide(self, i: int, t_s: float) -> None:
        """Person `i` has paused long enough."""
        plan = self._plans[i]
        if plan.doing is Doing.AWAY:
            plan.leaves_s = self._presence.leaves_s(t_s)
            self.below[i] = True
            self._go(i, Doing.GOING_IN, self._work_spot(plan.workplace), WALK_M_S)
        elif plan.doing is Doing.DRIVING:
            self._go(i, Doing.DRIVING, self._work_spot(plan.workplace), self._vehicles.speed_m_s)
        elif t_s >= plan.leaves_s:
            self._go(i, Doing.GOING_OUT, self._gate, WALK_M_S)
        else:
            self._go(i, Doing.WORKING, self._work_spot(plan.workplace), STROLL_M_S)

    def _go(self, i: int, doing: Doing, goal: Spot, speeds_m_s: tuple[float, float]) -> None:
        plan = self._plans[i]
        plan.doing = doing
        plan.way = deque(self._graph.way(Spot(int(self.edge[i]), float(self.s_m[i])), goal))
        self._speed_m_s[i] = self._between(speeds_m_s)
        self._until_s[i] = np.inf
        self._next_edge(i)

    def _next_edge(self, i: int) -> None:
        spot = self._plans[i].way.popleft()
        if spot.edge != self.edge[i]:
            here = Spot(int(self.edge[i]), float(self.s_m[i]))
            self.s_m[i] = self._graph.entry_m(spot.edge, here)
            self.edge[i] = spot.edge
        self._goal_s_m[i] = spot.s_m
        room_m = max(0.0, self._graph.width_m[spot.edge] / 2 - WALL_GAP_M)
        self.offset_m[i] = np.clip(self.offset_m[i], -room_m, room_m)
        self._goal_offset_m[i] = self._rng.uniform(-room_m, room_m)

    def _put(self, i: int, spot: Spot) -> None:
        self.edge[i], self.s_m[i], self._goal_s_m[i] = spot.edge, spot.s_m, spot.s_m
        room_m = max(0.0, self._graph.width_m[spot.edge] / 2 - WALL_GAP_M)
        self.offset_m[i] = self._goal_offset_m[i] = self._rng.uniform(-room_m, room_m)
        self.below[i] = True

    def _put_somewhere(self, i: int) -> None:
        """Where person `i` is at the start, and what they are doing."""
        plan = self._plans[i]
        plan.leaves_s = self._presence.first_leaves_s()
        spot = self._work_spot(plan.workplace)
        if plan.doing is Doing.DRIVING:
            number, self._driving = self._driving, self._driving + 1
            if self._vehicles.number is None or number < self._vehicles.number:
                self._put(i, spot)
                self._until_s[i] = self._rng.uniform(0.0, WORK_PAUSE_S[0])
            return
        if not self._presence.at_start(i):
            self._until_s[i] = self._presence.comes_s(i, 0.0)
            return
        chance = self._rng.random()
        shares = (ON_THE_WAY, ON_THE_WAY, 1.0 - self._presence.below_share)
        going_in, going_out, away = np.cumsum(shares)
        if chance < going_out:
            start, goal = (self._gate, spot) if chance < going_in else (spot, self._gate)
            self._put(i, self._somewhere_on(start, goal))
            doing = Doing.GOING_IN if chance < going_in else Doing.GOING_OUT
            self._go(i, doing, goal, WALK_M_S)
        elif chance < away:
            self._until_s[i] = self._presence.first_comes_s(i)
        else:
            plan.doing = Doing.WORKING
            self._put(i, spot)
            self._until_s[i] = self._rng.uniform(0.0, WORK_PAUSE_S[1])

    def _somewhere_on(self, start: Spot, goal: Spot) -> Spot:
        way = self._graph.way(start, goal)
        spot = way[self._rng.integers(len(way))]
        return Spot(spot.edge, float(self._rng.uniform(0.0, self._graph.length_m[spot.edge])))

    def _work_spot(self, workplace: int) -> Spot:
        return self._spot_on(self._workplaces[workplace])

    def _spot_on(self, stretches: Sequence[Stretch]) -> Spot:
        lengths = np.array([stretch.length_m for stretch in stretches])
        stretch = stretches[self._rng.choice(len(stretches), p=lengths / lengths.sum())]
        return Spot(stretch.edge, float(self._rng.uniform(stretch.low_m, stretch.high_m)))

    def _start_a_visit_near(self) -> None:
        """Puts one worker just before a restricted zone, on the way in: an entry in any demo."""
        stretch = self._forbidden[0]
        low_side = stretch.low_m > 0
        edge_m = float(self._graph.length_m[stretch.edge])
        start_m = stretch.low_m - VISIT_START_M if low_side else stretch.high_m + VISIT_START_M
        for i, plan in enumerate(self._plans):
            if plan.doing is Doing.WORKING:
                self._put(i, Spot(stretch.edge, min(max(start_m, 0.0), edge_m)))
                goal = Spot(stretch.edge, (stretch.low_m + stretch.high_m) / 2)
                self._go(i, Doing.VISITING, goal, WALK_M_S)
                return

    def _send_someone_astray(self) -> None:
        """Sends the worker who is nearest to a restricted zone into it."""
        working = [i for i, plan in enumerate(self._plans) if plan.doing is Doing.WORKING]
        if not working or not self._forbidden:
            return
        stretch = self._forbidden[self._rng.integers(len(self._forbidden))]
        goal = Spot(stretch.edge, float(self._rng.uniform(stretch.low_m, stretch.high_m)))
        goal_m = self._graph.start_m[goal.edge] + self._graph.along[goal.edge] * goal.s_m
        away_m = np.linalg.norm(self._place_m()[working] - goal_m, axis=1)
        self._go(working[int(np.argmin(away_m))], Doing.VISITING, goal, WALK_M_S)

    def _between(self, low_high: tuple[float, float]) -> float:
        return float(self._rng.uniform(*low_high))


def _stretches(graph: RoadGraph, mine: MineMap, *kinds: ZoneKind) -> list[Stretch]:
    return [s for zone in mine.zones if zone.kind in kinds for s in graph.stretches_in(zone)]


def _workplaces(
    graph: RoadGraph, mine: MineMap, forbidden: list[Stretch]
) -> list[tuple[Stretch, ...]]:
    """Where teams work: each face with the roadways beside it, then each roadway for itself.

    No one works in a restricted or danger zone, nor at the wellhead.
    """
    avoid = forbidden + _stretches(graph, mine, ZoneKind.DANGER, ZoneKind.WELLHEAD)
    free = list(graph.free_stretches(avoid))
    by_roadway: dict[int, list[Stretch]] = {}
    for stretch in free:
        by_roadway.setdefault(graph.roadway[stretch.edge], []).append(stretch)
    faces = [tuple(graph.stretches_in(zone)) for zone in mine.zones if zone.kind is ZoneKind.FACE]
    at_faces = {graph.roadway[stretch.edge] for face in faces for stretch in face}
    closed = {graph.roadway[stretch.edge] for stretch in forbidden}
    rest = [
        tuple(stretches)
        for roadway, stretches in by_roadway.items()
        if roadway not in at_faces and roadway not in closed
    ]
    places = [face for face in faces if face] + rest
    if not places:
        msg = "no one can work: every roadway of the map lies in a closed zone or at the wellhead"
        raise ValueError(msg)
    return places


def _driven(
    graph: RoadGraph,
    mine: MineMap,
    used: list[tuple[Stretch, ...]],
    roadways: tuple[str, ...] | None,
) -> list[tuple[Stretch, ...]]:
    """Where vehicles drive: `roadways`, else each in which no team works, the longest first.

    Raises:
        ValueError: one of `roadways` is not on the map, or closed to them.
    """
    kinds = (ZoneKind.RESTRICTED, ZoneKind.DANGER, ZoneKind.WELLHEAD, ZoneKind.REFUGE)
    avoid = _stretches(graph, mine, ZoneKind.FACE, *kinds)
    taken = {graph.roadway[s.edge] for place in used for s in place if s not in avoid}
    free: dict[int, list[Stretch]] = {}
    for stretch in graph.free_stretches(avoid):
        if roadways is not None or graph.roadway[stretch.edge] not in taken:
            free.setdefault(graph.roadway[stretch.edge], []).append(stretch)
    if roadways is not None:
        numbers = {mine.roadways[number].id: number for number in free}
        for roadway in roadways:
            if roadway not in numbers:
                msg = (
                    f"vehicles.roadways: no vehicle can drive in {roadway!r}: name roadways of the "
                    f"map outside of closed zones, such as {', '.join(sorted(numbers)[:5])}"
                )
                raise ValueError(msg)
        return [tuple(free[numbers[roadway]]) for roadway in roadways]
    lengths = {name: sum(s.length_m for s in stretches) for name, stretches in free.items()}
    return [tuple(free[name]) for name in sorted(free, key=lambda name: (-lengths[name], name))]
