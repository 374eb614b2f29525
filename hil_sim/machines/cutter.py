"""What machines that cut have in common: coal, what carries it away, and what forbids to cut."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final

import numpy as np

from hil_sim.machines.machine import Machine, Span

if TYPE_CHECKING:
    from hil_sim.machines.conveyors import Conveyor
    from hil_sim.machines.gas_station import GasStation

#: Coal as it lies, tonnes a cubic metre.
COAL_T_M3: Final = 1.4

#: How long coal is won between two pauses, and how long those are.
WINNING_S: Final = (5400.0, 10_800.0)
PAUSE_S: Final = (900.0, 1800.0)


class Rhythm:
    """Winning and pausing in turn. A machine without a conveyor is asked to do neither."""

    def __init__(self, rng: np.random.Generator) -> None:
        """In the middle of winning."""
        self._rng = rng
        self.wins = True
        self._left_s = float(rng.uniform(WINNING_S[0] / 2, WINNING_S[1]))

    def advance(self, dt_s: float) -> None:
        """Goes on."""
        self._left_s -= dt_s
        if self._left_s <= 0:
            self.wins = not self.wins
            lasts: Span = WINNING_S if self.wins else PAUSE_S
            self._left_s = float(self._rng.uniform(*lasts))


class Cutter(Machine):
    """A machine that cuts coal or rock; others of its place follow it."""

    #: Gas that is released with each tonne, m³; None: as in the whole mine.
    release_m3_t: float | None = None

    def __init__(self, rng: np.random.Generator) -> None:
        """Cuts for itself, until it is given a conveyor."""
        self._rng = rng
        self.conveyor: Conveyor | None = None
        #: Gas stations that cut its power.
        self.guards: list[GasStation] = []
        self._rhythm = Rhythm(rng)
        #: Tonnes that it cuts in a second, now.
        self.coal_t_s = 0.0

    @property
    def out_t_s(self) -> float:
        """What it gives to its conveyor, tonnes a second."""
        return self.coal_t_s

    @property
    def wins(self) -> bool:
        """Whether coal is to be won now."""
        return self._rhythm.wins

    @property
    @abstractmethod
    def is_stopped(self) -> bool:
        """Whether it stands, so that its conveyor may stop."""

    def may_cut(self, dt_s: float) -> bool:
        """Goes on in its rhythm; whether it may cut: power is on, and the conveyor runs."""
        if any(guard.withdraw for guard in self.guards):
            return False
        if self.conveyor is None:
            return True
        self._rhythm.advance(dt_s)
        return self.wins and self.conveyor.at_speed
