"""What all simulated machines have in common: values of points that fit what a machine is doing.

A machine gives all that the simulated mine knows of it, by name of point; the device's profile
picks what it serves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

import numpy as np

from equipment.report import Value

Values = dict[str, Value]
Span = tuple[float, float]

#: A motor's winding: how fast it warms and cools, the air, and how much an ampere warms it.
WARMING_S: Final = 600.0
AIR_DEGC: Final = 24.0
WARMTH_DEGC_PER_A: Final = 0.45

#: How fast a motor's current follows its load.
CURRENT_S: Final = 2.0


class Machine(ABC):
    """A simulated machine."""

    #: Whether people have to leave the face that it guards.
    withdraw: bool = False

    @abstractmethod
    def advance(self, dt_s: float) -> None:
        """Works on for `dt_s`."""

    @abstractmethod
    def values(self) -> Values:
        """What its points show now."""


class Filled(Machine):
    """A machine whose profile has points that the model knows nothing of."""

    def __init__(self, machine: Machine, others: Mapping[str, Value]) -> None:
        """`others`: what those points show."""
        self.machine = machine
        self._others = dict(others)

    @property
    def withdraw(self) -> bool:  # type: ignore[override]  # read from the machine, never set
        """See `Machine`."""
        return self.machine.withdraw

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        self.machine.advance(dt_s)

    def values(self) -> Values:
        """See `Machine`."""
        return self._others | self.machine.values()


class Motor:
    """An electric motor: its current follows the load, its winding and bearing warm slowly."""

    def __init__(self, rng: np.random.Generator, current_a: float = 0.0) -> None:
        """As warm as it is after long work at `current_a`."""
        self._rng = rng
        self.current_a = current_a
        self.winding_degc = AIR_DEGC + WARMTH_DEGC_PER_A * current_a

    def advance(self, load_a: float, dt_s: float, noise_a: float = 3.0) -> None:
        """Goes on with `load_a`; at 0 it is switched off, and draws soon nothing."""
        ease = min(1.0, dt_s / CURRENT_S)
        noise_a = float(self._rng.normal(0, noise_a)) if load_a > 0 else 0.0
        self.current_a = max(0.0, self.current_a + (load_a - self.current_a + noise_a) * ease)
        if load_a == 0 and self.current_a < 0.05:
            self.current_a = 0.0
        warm_degc = AIR_DEGC + WARMTH_DEGC_PER_A * self.current_a
        self.winding_degc = eased(self.winding_degc, warm_degc, dt_s, WARMING_S)

    @property
    def bearing_degc(self) -> float:
        """A bearing stays cooler than the winding."""
        return AIR_DEGC + 0.6 * (self.winding_degc - AIR_DEGC)


class Wander:
    """A quantity that wanders about its mean (an Ornstein-Uhlenbeck process), within limits."""

    def __init__(
        self, rng: np.random.Generator, mean: float, spread: float, time_s: float = 60.0
    ) -> None:
        """`spread`: one sigma; it stays within three. `time_s`: how long it remembers."""
        self._rng, self._mean, self._spread, self._time_s = rng, mean, spread, time_s
        self.value = mean

    def advance(self, dt_s: float) -> None:
        """Wanders on."""
        pull = min(1.0, dt_s / self._time_s)
        step = (self._mean - self.value) * pull
        step += float(self._rng.normal(0, self._spread)) * (2 * pull) ** 0.5
        low, high = self._mean - 3 * self._spread, self._mean + 3 * self._spread
        self.value = min(max(self.value + step, low), high)


class Hours:
    """What a machine says of itself: who made it, its number, and how long it has run."""

    def __init__(self, rng: np.random.Generator, serial: str, model: str = "SIM-750") -> None:
        """Some thousand hours old."""
        self.serial, self.model = serial, model
        self.running_h = float(rng.uniform(1000, 9000))

    def advance(self, dt_s: float, *, runs: bool) -> None:
        """Counts `dt_s` if it `runs`."""
        if runs:
            self.running_h += dt_s / 3600

    def values(self) -> Values:
        """Points that most machines have."""
        return {
            "fault_code": 0.0,
            "running_time": self.running_h,
            "serial_number": self.serial,
            "manufacturer": "Simulated",
            "model": self.model,
            "emergency_stop": False,
        }


def eased(value: float, goal: float, dt_s: float, time_s: float) -> float:
    """`value` on its way to `goal`, which it nears in some `time_s`."""
    return value + (goal - value) * min(1.0, dt_s / time_s)
