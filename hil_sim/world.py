"""The simulated mine: people, radio and machines, stepped together. Pure and seeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hil_sim.incidents import QUIET, CardFlags, Flags, Incidents
from hil_sim.machines.machine import Machine, Values
from hil_sim.people import People, Person, Whereabouts
from hil_sim.radio import Radio, Span
from hil_sim.roadgraph import Floats, RoadGraph
from hil_sim.scenario import AS_USUAL, Scenario
from positioning.mine_map import MineMap
from positioning.observation import Records

#: The longest step that is taken at once; a longer time is taken in several.
STEP_S: Final = 0.1

#: The longest time that is made up for at once, as after the process was stopped for a while;
#: beyond it the world's clock goes on and the world stands still.
CATCH_UP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the mine's devices measured in one step, and where everyone truly was at its end.

    Handles are positions in the map's lists; `t_ns` is the step's end. `flags`: (n,) what each card
    says of itself, as in a reader's records.
    """

    t_ns: int
    ranges: Records
    sightings: Records
    truth: Whereabouts
    flags: Flags


class World:
    """One mine at work; the same seed and the same steps give the same mine."""

    def __init__(
        self,
        mine: MineMap,
        people: Sequence[Person],
        machines: Mapping[str, Machine],
        *,
        seed: int,
        start_t_ns: int,
        nlos_share: float | None = None,
        incidents: Incidents = QUIET,
        scenario: Scenario = AS_USUAL,
    ) -> None:
        """`machines` by device, in the order in which they are advanced.

        `nlos_share`: of the ranges, how many lack line of sight; None: what the scenario says.

        A gas station guards the first face of the map: where it says so, people leave that.

        Raises:
            ValueError: the map gives people no way to come in or to work.
        """
        graph = RoadGraph(mine.roadways)
        self.cards = tuple(person.card for person in people)
        self._people = People(
            people, mine, graph, (seed, 1), settings=scenario.people, vehicles=scenario.vehicles
        )
        self._radio = Radio(
            mine, graph, len(people), (seed, 2), nlos_share=nlos_share, settings=scenario.radio
        )
        self._walks = np.array([not person.drives for person in people], np.bool_)
        self._flags = CardFlags(len(people), incidents, (seed, 4))
        self._machines = dict(machines)
        self._start_t_ns = start_t_ns
        self._t_s = 0.0
        self._now = self._people.whereabouts()

    @property
    def t_ns(self) -> int:
        """The world's time, nanoseconds since the Unix epoch."""
        return self._start_t_ns + round(self._t_s * 1e9)

    @property
    def whereabouts(self) -> Whereabouts:
        """Where everyone is now; no later step changes it."""
        return self._now

    @property
    def flags(self) -> Flags:
        """What each card says of itself now: (n,)."""
        return self._flags.flags.copy()

    @property
    def place_m(self) -> Floats:
        """Where the cards truly are: (n, 3) metres."""
        return self._now.place_m

    @property
    def below(self) -> NDArray[np.bool_]:
        """Which cards are in the mine: (n,)."""
        return self._now.below

    def machine_values(self) -> dict[str, Values]:
        """What each machine's points show now, by device."""
        return {device: machine.values() for device, machine in self._machines.items()}

    def advance(self, dt_s: float) -> list[Heard]:
        """Goes on by `dt_s`, in steps of at most STEP_S; returns what was heard in each."""
        self._t_s += max(0.0, dt_s - CATCH_UP_S)
        left_s = min(dt_s, CATCH_UP_S)
        # Whole steps are of the very same length, however many are taken at once.
        whole = int(left_s / STEP_S + 1e-6)
        heard = [self._step(STEP_S) for _ in range(whole)]
        rest_s = left_s - whole * STEP_S
        return [*heard, self._step(rest_s)] if rest_s > 1e-9 else heard

    def _step(self, dt_s: float) -> Heard:
        t0_s, t1_s = self._t_s, self._t_s + dt_s
        for machine in self._machines.values():
            machine.advance(dt_s)
        withdraw = any(machine.withdraw for machine in self._machines.values())
        self._people.withdraw(t0_s, on=withdraw)
        self._people.advance(t1_s, dt_s)
        now = self._people.whereabouts()
        self._flags.advance(t1_s, now.below, self._walks)
        span = Span(t0_s, t1_s, self._start_t_ns)
        ranges = self._radio.ranges(span, self._now.place_m, now)
        sightings = self._radio.sightings(span, now)
        self._t_s, self._now = t1_s, now
        return Heard(self.t_ns, ranges, sightings, now, self.flags)
