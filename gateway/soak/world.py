"""The simulated mine of a soak: who is where, what is measured of them, what cards say."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.mine.plan import MinePlan
from gateway.soak.borders import BorderWalkers
from gateway.soak.depths import Depths
from gateway.soak.fleet import Fleet
from gateway.soak.plan import START_NS, SoakSettings
from gateway.soak.walkers import Flags, Walkers
from hil_sim.people import Whereabouts
from hil_sim.radio import Radio, Span
from hil_sim.roadgraph import Floats, RoadGraph
from positioning.observation import CardFlag, Records, measurements, rows_of

#: Of the ranges, how many lack a line of sight, in bursts of seconds.
NLOS_SHARE: Final = 0.1
#: Who has stood still for so long ranges only every so many seconds, as cards do to save their
#: batteries. Below five, or the core would take them for forgotten.
STILL_S: Final = 15.0
STILL_EVERY_S: Final = 4

#: How often in the time of a shift a card's button is pressed, and for how long, seconds; the same
#: of a battery that runs low.
PRESSES: Final = 0.4
PRESS_S: Final = (1.5, 180.0)
BATTERIES: Final = 0.24
BATTERY_S: Final = (300.0, 1800.0)


class _Signal:
    """Something that a card says of itself now and then, for a while."""

    def __init__(
        self, cards: int, mean_s: float, last_s: tuple[float, float], seed: tuple[int, int]
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._mean_s, self._last_s = mean_s, last_s
        self._next_s = self._rng.exponential(self._mean_s, cards)
        self._until_s = np.zeros(cards)
        self.on: Flags = np.zeros(cards, np.bool_)

    def advance(self, t_s: float) -> None:
        begins = np.flatnonzero(self._next_s <= t_s)
        if len(begins):
            self._until_s[begins] = t_s + self._rng.uniform(*self._last_s, len(begins))
            pause_s = self._rng.exponential(self._mean_s, len(begins))
            self._next_s[begins] = self._until_s[begins] + pause_s
        self.on = t_s < self._until_s


class World:
    """One mine at work. After `advance`, `now` and `depth_m` are where everyone truly is."""

    def __init__(self, settings: SoakSettings, plan: MinePlan) -> None:
        graph = RoadGraph(plan.map.roadways)
        count, seed = settings.people, settings.seed
        self.depths = Depths(plan.map, graph)
        self.graph = graph
        self.along = graph.along
        self.roadway_of = graph.roadway
        self.fleet = Fleet(seed, plan.map)
        make = BorderWalkers if settings.borders else Walkers
        self.walkers = make(settings, plan.map, graph)
        self._radio = Radio(plan.map, graph, count, (seed, 2), nlos_share=NLOS_SHARE)
        shift_s = settings.shift_h * 3600.0
        self._pressed = _Signal(count, shift_s / PRESSES, PRESS_S, (seed, 3))
        self._low = _Signal(count, shift_s / BATTERIES, BATTERY_S, (seed, 4))
        self._turn = np.arange(count) % STILL_EVERY_S
        self.now: Whereabouts = self.walkers.whereabouts()
        self.depth_m: Floats = self.depths.at(self.now.edge, self.now.s_m)

    def redraw(self, depths: Depths) -> None:
        """The borders of zones are elsewhere now."""
        self.depths = depths
        self.depth_m = depths.at(self.now.edge, self.now.s_m)

    @property
    def pressed(self) -> Flags:
        """Whose button is pressed."""
        return self._pressed.on

    @property
    def low(self) -> Flags:
        """Whose battery is low."""
        return self._low.on

    def advance(self, second: int) -> Records:
        """Goes on to `second` from the one before: (n,) MEASUREMENT, with cards by their number."""
        before_m = self.now.place_m
        self.walkers.advance(float(second), 1.0)
        self.fleet.advance(second)
        self._pressed.advance(float(second))
        self._low.advance(float(second))
        self.now = now = self.walkers.whereabouts()
        self.depth_m = self.depths.at(now.edge, now.s_m)
        span = Span(second - 1.0, float(second), START_NS)
        still = second - self.walkers.still_since_s > STILL_S
        ranging = now.below & (~still | (self._turn == second % STILL_EVERY_S))
        ranges = self._radio.ranges(
            span, before_m, Whereabouts(now.place_m, now.edge, now.s_m, ranging)
        )
        measured = measurements(ranges, self._radio.sightings(span, now))
        flags = np.where(self.pressed, CardFlag.DISTRESS, 0)
        flags = flags | np.where(self.low, CardFlag.LOW_BATTERY, 0)
        measured["flags"] = flags[measured["card"]]
        order = np.argsort(measured["t_ns"], kind="stable")
        return rows_of(measured, order)
