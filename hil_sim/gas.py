"""A gas monitoring substation at a face. Seeded; gas breaks out only where it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from equipment.report import Value

#: Methane of every day, percent: it wanders about a mean, in so many seconds.
METHANE_PCT: Final = 0.4
METHANE_SPREAD_PCT: Final = 0.08
METHANE_TIME_S: Final = 60.0
METHANE_MOST_PCT: Final = 0.8

#: An outbreak: how much it rises to, how fast it comes and goes, and how long it lasts.
OUTBREAK_PCT: Final = (1.8, 2.6)
OUTBREAK_RISE_S: Final = 15.0
OUTBREAK_S: Final = (180.0, 360.0)

#: From here on the power of the face is cut and people leave it, until it is below the second.
WITHDRAW_PCT: Final = 1.5
RETURN_PCT: Final = 1.0


class GasStation:
    """Methane that wanders, and now and then breaks out."""

    def __init__(self, seed: Sequence[int], outbreak_s: float | None = None) -> None:
        """`outbreak_s`: mean time between two outbreaks, seconds; None: there are none."""
        self._rng = np.random.default_rng(seed)
        self._outbreak_s = outbreak_s
        self._wander_pct = 0.0
        self._outbreak_pct = 0.0
        self._goal_pct = 0.0
        #: Until the next outbreak begins, or the one that lasts is over. The first comes early.
        self._left_s = float("inf") if outbreak_s is None else outbreak_s / 4
        self.withdraw = False

    def advance(self, dt_s: float) -> None:
        """See `hil_sim.machines.Machine`."""
        pull = dt_s / METHANE_TIME_S
        noise_pct = METHANE_SPREAD_PCT * (2 * pull) ** 0.5
        self._wander_pct += -self._wander_pct * pull + float(self._rng.normal(0, noise_pct))
        self._left_s -= dt_s
        if self._left_s <= 0:
            self._turn()
        gap_pct = self._goal_pct - self._outbreak_pct
        self._outbreak_pct += gap_pct * min(1.0, dt_s / OUTBREAK_RISE_S)
        self.withdraw = self.methane_pct > (RETURN_PCT if self.withdraw else WITHDRAW_PCT)

    def _turn(self) -> None:
        assert self._outbreak_s is not None
        if self._goal_pct:
            self._goal_pct = 0.0
            self._left_s = float(self._rng.uniform(0.5, 1.5)) * self._outbreak_s
        else:
            self._goal_pct = float(self._rng.uniform(*OUTBREAK_PCT))
            self._left_s = float(self._rng.uniform(*OUTBREAK_S))

    @property
    def methane_pct(self) -> float:
        """Methane in the air, percent."""
        everyday_pct = min(max(METHANE_PCT + self._wander_pct, 0.0), METHANE_MOST_PCT)
        return everyday_pct + self._outbreak_pct

    def values(self) -> dict[str, Value]:
        """See `hil_sim.machines.Machine`."""
        return {
            "methane": self.methane_pct,
            "carbon_monoxide": 4.0 + 10.0 * abs(self._wander_pct),
            "oxygen": 20.8 - 0.2 * self.methane_pct,
            "air_speed": 2.1 + self._wander_pct,
            "power_cut": self.withdraw,
        }
