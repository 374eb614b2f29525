"""A gas monitoring substation at a face, and single sensors of gas. Seeded.

Gas comes from the seam all the time, with what is cut where a mine says how much, and breaks out
only where it is asked for. Air thins it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from pydantic import Field

from equipment.strict import Strict
from hil_sim.machines.machine import Machine, Values, eased

if TYPE_CHECKING:
    from hil_sim.machines.cutter import Cutter
    from hil_sim.machines.fan import FanHouse

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

#: With less than this share of its air a face is not ventilated at all.
AIR_LEAST: Final = 0.05

#: Methane of which the lower explosive limit is, percent.
LOWER_LIMIT_PCT: Final = 5.0


class GasSettings(Strict):
    """`[gas]` of a scenario."""

    #: Released with each tonne that is cut, m³; 0: cutting releases none.
    release_m3_t: Annotated[float, Field(ge=0, le=100)] = 0.0
    #: Air through a face, m³ a minute, while its fan runs.
    air_m3_min: Annotated[float, Field(gt=0, le=20_000)] = 1500.0
    #: How long it takes until what is cut is measured.
    mixing_s: Annotated[float, Field(gt=0, le=3600)] = 60.0


class GasStation(Machine):
    """Methane that wanders, comes with the coal and now and then breaks out."""

    def __init__(
        self,
        seed: Sequence[int],
        outbreak_s: float | None = None,
        settings: GasSettings | None = None,
        *,
        cuts_power: bool = True,
    ) -> None:
        """`outbreak_s`: mean time between two outbreaks, seconds; None: there are none.

        `cuts_power`: where there is too much of it, power is cut and people withdraw.
        """
        self._rng = np.random.default_rng(seed)
        self._outbreak_s = outbreak_s
        self._settings = settings or GasSettings()
        self._cuts_power = cuts_power
        #: What cuts at its place, and the fans that bring the air.
        self.cutters: list[Cutter] = []
        self.fans: FanHouse | None = None
        self._wander_pct = 0.0
        self._cut_pct = 0.0
        self._outbreak_pct = 0.0
        self._goal_pct = 0.0
        #: Until the next outbreak begins, or the one that lasts is over. The first comes early.
        self._left_s = float("inf") if outbreak_s is None else outbreak_s / 4

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        pull = dt_s / METHANE_TIME_S
        noise_pct = METHANE_SPREAD_PCT * (2 * pull) ** 0.5
        self._wander_pct += -self._wander_pct * pull + float(self._rng.normal(0, noise_pct))
        self._left_s -= dt_s
        if self._left_s <= 0:
            self._turn()
        gap_pct = self._goal_pct - self._outbreak_pct
        self._outbreak_pct += gap_pct * min(1.0, dt_s / OUTBREAK_RISE_S)
        self._cut_pct = eased(self._cut_pct, self._released_pct(), dt_s, self._settings.mixing_s)
        if self._cuts_power:
            self.withdraw = self.methane_pct > (RETURN_PCT if self.withdraw else WITHDRAW_PCT)

    def _released_pct(self) -> float:
        """What cutting adds, in as much air as there is."""
        released_m3_min = 0.0
        for cutter in self.cutters:
            own_m3_t = cutter.release_m3_t
            m3_t = self._settings.release_m3_t if own_m3_t is None else own_m3_t
            released_m3_min += m3_t * cutter.coal_t_s * 60
        return 100.0 * released_m3_min / (self._settings.air_m3_min * self.air_share)

    @property
    def air_share(self) -> float:
        """The air that comes, as a share of all that a fan moves."""
        return max(self.fans.air_share, AIR_LEAST) if self.fans else 1.0

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
        return min(everyday_pct + self._cut_pct + self._outbreak_pct, 100.0)

    def values(self) -> Values:
        """See `Machine`; single sensors have some of them under other names."""
        methane_pct = self.methane_pct
        air_m_s = (2.1 + self._wander_pct) * self.air_share
        limit_pct = 100.0 * methane_pct / LOWER_LIMIT_PCT
        return {
            "methane": methane_pct,
            "carbon_monoxide": 4.0 + 10.0 * abs(self._wander_pct),
            "oxygen": max(20.8 - 0.2 * methane_pct, 0.0),
            "air_speed": air_m_s,
            "power_cut": self.withdraw,
            "methane_dry": methane_pct,
            "carbon_dioxide": 0.12 + 0.1 * abs(self._wander_pct),
            "water": 2.3,
            "dew_point": 20.0,
            "sensor_temperature": 26.0,
            "gas": min(limit_pct, 100.0),
            "alarm_1_level": 20.0,
            "alarm_2_level": 30.0,
            "alarm": limit_pct > 20.0,
            "output_current": 4.0 + 16.0 * min(abs(air_m_s) / 30.0, 1.0),
        }
