"""Who carries the cards: people who come down, walk, work, rest and go up, shift by shift.

All of them are arrays, so that a step costs the same few operations however many there are.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.soak.plan import BELOW_MOST_SHARE, SHIFTS, WORKPLACES, Kind, SoakSettings
from gateway.soak.ways import Places, Ways
from hil_sim.people import CARD_HEIGHT_M, SIDESTEP_M_S, WALL_GAP_M, Whereabouts
from hil_sim.roadgraph import Floats, Ints, RoadGraph
from positioning.mine_map import MineMap, Zone, ZoneKind

Flags = NDArray[np.bool_]

#: Metres per second.
WALK_M_S: Final = (0.8, 1.6)
#: Seconds at one spot: at work, and on an errand.
PAUSE_S: Final = (20.0, 240.0)
ERRAND_S: Final = (20.0, 600.0)
#: Where people go from their workplace now and then, and how probable each is.
ERRANDS: Final = (
    ("refuge_1", 0.01),
    ("substation", 0.01),
    ("old_stub", 0.008),
    ("explosives", 0.01),
    ("roadheader_3105", 0.01),
    ("gap", 0.02),
)
#: Where a face is outside of the licence: (x low, y low, x high, y high).
GAP_M: Final = (506.0, 254.0, 519.0, 266.0)
#: Of a vehicle or robot: how fast, how long at one spot, and how probable each errand is.
DRIVE_M_S: Final = (1.5, 4.0)
DRIVER_PAUSE_S: Final = (5.0, 90.0)
DRIVER_ERRAND: Final = 0.08
#: The share of a shift in which its people come down, and how many of them stay too long.
COMING_SHARE: Final = 0.05
OVERSTAY_SHARE: Final = 0.05
#: An edge is no shorter than a few metres: nobody passes more of them in a second.
_EDGES_MOST: Final = 4

#: What a card takes with it when it changes hands.
_CARRIED: Final = (
    "edge", "s_m", "offset_m", "below", "doing", "_goal_edge", "_goal_m", "_target_m",
    "_goal_offset_m", "_speed_m_s", "until_s", "_leaves_s", "_workplace", "_shift",
)  # fmt: skip


class Doing(IntEnum):
    """What someone is doing."""

    AWAY = 0
    AT_WORK = 1
    ON_ERRAND = 2
    GOING_OUT = 3


class Walkers:
    """Everyone, by card: `edge`, `s_m`, `offset_m` on the roadways; `below`: who is in the mine."""

    def __init__(self, settings: SoakSettings, mine: MineMap, graph: RoadGraph) -> None:
        """The shift that is about to leave is below; the first is about to come."""
        count = settings.people
        self._graph, self.ways = graph, Ways(graph)
        self._rng = np.random.default_rng((settings.seed, 1))
        kinds = settings.kinds
        #: Cards of vehicles and robots.
        self.driven: Flags = (kinds == Kind.VEHICLE) | (kinds == Kind.ROBOT)
        self._spare = kinds == Kind.SPARE
        #: Cards that someone carries besides their own, by whose card that is; -1: nobody does.
        self.carried_with = np.full(count, -1, np.int64)
        self._carried_until_s = np.zeros(count)
        zones = {zone.id: zone for zone in mine.zones} | {"gap": _gap()}
        names = (*WORKPLACES, *(name for name, _ in ERRANDS))
        self._places = Places([graph.stretches_in(zones[name]) for name in names])
        self._gate = graph.gate(mine.zones)
        self._shift_s = settings.shift_h * 3600.0
        self._shift = np.arange(count) // len(WORKPLACES) % SHIFTS
        self._workplace = np.arange(count) % len(WORKPLACES)
        self.below: Flags = (self._shift == SHIFTS - 1) & ~self._spare
        self.doing = np.where(self.below, Doing.AT_WORK, Doing.AWAY)
        self.edge, self.s_m = self._places.spots(self._workplace, self._rng.random(count))
        self._speed_m_s = self._speeds(np.arange(count))
        self.offset_m = np.zeros(count)
        self._goal_offset_m = np.zeros(count)
        self._goal_edge, self._goal_m = self.edge.copy(), self.s_m.copy()
        self._target_m = self.s_m.copy()
        coming_s = self._rng.random(count) * COMING_SHARE * self._shift_s
        self._leaves_s = coming_s.copy()
        self.until_s = np.where(self.below, 0.0, self._shift * self._shift_s + coming_s)
        self.until_s[self._spare] = np.inf
        #: Since when everyone has stood still; inf while they walk.
        self.still_since_s = np.where(self.below, 0.0, np.inf)

    def whereabouts(self) -> Whereabouts:
        """Where everyone is now."""
        place_m = self._graph.place_m(self.edge, self.s_m, self.offset_m, CARD_HEIGHT_M)
        return Whereabouts(place_m, self.edge.copy(), self.s_m.copy(), self.below.copy())

    def advance(self, t_s: float, dt_s: float) -> None:
        """Moves everyone on by `dt_s`, to the time `t_s`."""
        carried = self.carried_with >= 0
        walking = self.below & np.isinf(self.until_s) & ~carried
        moving = np.flatnonzero(walking)
        left_m = self._speed_m_s[moving] * dt_s
        aside_m = self._goal_offset_m[moving] - self.offset_m[moving]
        most_m = SIDESTEP_M_S * dt_s
        self.offset_m[moving] += np.clip(aside_m, -most_m, most_m)
        for _ in range(_EDGES_MOST):
            gap_m = self._target_m[moving] - self.s_m[moving]
            step_m = np.minimum(np.abs(gap_m), left_m)
            self.s_m[moving] += np.sign(gap_m) * step_m
            there = step_m == np.abs(gap_m)
            self.s_m[moving[there]] = self._target_m[moving[there]]
            at_goal = there & (self.edge[moving] == self._goal_edge[moving])
            on = there & ~at_goal
            if at_goal.any():
                self._arrive(moving[at_goal], t_s)
            moving, left_m = moving[on], (left_m - step_m)[on]
            if not len(moving):
                break
            self._next_edge(moving)
        due = np.flatnonzero((self.until_s <= t_s) & ~carried)
        if len(due):
            self._decide(due, t_s)
        if carried.any():
            self._carry(np.flatnonzero(carried), t_s)

    def give(self, card: int, other: int, until_s: float) -> None:
        """Whoever has `other` carries `card`, too, until then, or until they go up."""
        self.carried_with[card], self._carried_until_s[card] = other, until_s

    def _carry(self, cards: Ints, t_s: float) -> None:
        """Cards that are carried with others go where those go."""
        by = self.carried_with[cards]
        for values in (self.edge, self.s_m, self.offset_m, self.still_since_s):
            values[cards] = values[by]
        up = ~self.below[by]
        self._leave(cards[up], t_s)
        over = up | (self._carried_until_s[cards] <= t_s)
        self.carried_with[cards[over]] = -1
        self.until_s[cards[over & ~up]] = t_s

    def _speeds(self, who: Ints) -> Floats:
        low = np.where(self.driven[who], DRIVE_M_S[0], WALK_M_S[0])
        high = np.where(self.driven[who], DRIVE_M_S[1], WALK_M_S[1])
        speeds_m_s: Floats = self._rng.uniform(low, high)
        return speeds_m_s

    def swap(self, a: int, b: int) -> None:
        """The cards `a` and `b` change hands."""
        for name in (*_CARRIED, "still_since_s"):
            values = getattr(self, name)
            values[[a, b]] = values[[b, a]]

    def _next_edge(self, who: Ints) -> None:
        goal_edge, goal_m = self._goal_edge[who], self._goal_m[who]
        edge, s_m = self.ways.next_edge(self.edge[who], self.s_m[who], goal_edge, goal_m)
        self.edge[who], self.s_m[who] = edge, s_m
        far_m = np.where(s_m > 0.0, 0.0, self._graph.length_m[edge])
        self._target_m[who] = np.where(edge == goal_edge, goal_m, far_m)
        self._keep_off_walls(who)

    def _aim(self, who: Ints) -> None:
        goal = self._goal_edge[who], self._goal_m[who]
        self._target_m[who] = self.ways.exit_m(self.edge[who], self.s_m[who], *goal)
        self._keep_off_walls(who)

    def _keep_off_walls(self, who: Ints) -> None:
        edge = self.edge[who]
        room_m = np.maximum(self._graph.width_m[edge] / 2 - WALL_GAP_M, 0.0)
        self.offset_m[who] = np.clip(self.offset_m[who], -room_m, room_m)
        self._goal_offset_m[who] = np.clip(self._goal_offset_m[who], -room_m, room_m)

    def _arrive(self, who: Ints, t_s: float) -> None:
        self.still_since_s[who] = t_s
        out = self.doing[who] == Doing.GOING_OUT
        self._leave(who[out], t_s)
        stay, errand = who[~out], self.doing[who[~out]] == Doing.ON_ERRAND
        driven = self.driven[stay]
        low, high = (
            np.where(driven, by_driver, np.where(errand, on_errand, at_work))
            for by_driver, on_errand, at_work in zip(DRIVER_PAUSE_S, ERRAND_S, PAUSE_S, strict=True)
        )
        self.until_s[stay] = t_s + self._rng.uniform(low, high)

    def _leave(self, who: Ints, t_s: float) -> None:
        """These are above ground until their shift comes round again."""
        self.below[who] = False
        self.doing[who] = Doing.AWAY
        day_s = SHIFTS * self._shift_s
        start_s = self._shift[who] * self._shift_s
        # A shift that has begun is over for who comes out of it.
        start_s = start_s + np.ceil((t_s - start_s) / day_s) * day_s
        coming_s = self._rng.random(len(who)) * COMING_SHARE * self._shift_s
        self.until_s[who] = start_s + coming_s

    def _decide(self, who: Ints, t_s: float) -> None:
        """These have paused long enough."""
        self.until_s[who] = np.inf
        self.still_since_s[who] = np.inf
        self._come(who[self.doing[who] == Doing.AWAY], t_s)
        out = (t_s >= self._leaves_s[who]) & (self.doing[who] != Doing.AWAY)
        self.doing[who] = np.where(out, Doing.GOING_OUT, Doing.AT_WORK)
        chance = self._rng.random(len(who))
        place = self._workplace[who].copy()
        low = np.zeros(len(who))
        for number, (_, of_people) in enumerate(ERRANDS, len(WORKPLACES)):
            share = np.where(self.driven[who], DRIVER_ERRAND, of_people)
            goes = ~out & (chance >= low) & (chance < low + share)
            place[goes] = number
            self.doing[who[goes]] = Doing.ON_ERRAND
            low = low + share
        edge, s_m = self._places.spots(place, self._rng.random(len(who)))
        self._goal_edge[who] = np.where(out, self._gate.edge, edge)
        self._goal_m[who] = np.where(out, self._gate.s_m, s_m)
        self._speed_m_s[who] = self._speeds(who)
        self._goal_offset_m[who] = self._rng.uniform(-1.0, 1.0, len(who)) * 3.0
        self._aim(who)

    def _come(self, who: Ints, t_s: float) -> None:
        """These come down for as long as their shift lasts, some for longer."""
        self.below[who] = True
        self.edge[who], self.s_m[who], self.offset_m[who] = self._gate.edge, self._gate.s_m, 0.0
        long = self._rng.random(len(who)) < OVERSTAY_SHARE
        share = np.where(long, BELOW_MOST_SHARE, 1 - 3 * COMING_SHARE)
        share = share + self._rng.random(len(who)) * COMING_SHARE
        self._leaves_s[who] = t_s + share * self._shift_s


def _gap() -> Zone:
    x0, y0, x1, y1 = GAP_M
    ring_m = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
    return Zone("gap", "gap", ZoneKind.KEY, (ring_m,))
