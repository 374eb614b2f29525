"""A shield machine: it bores the length of a ring, then builds the ring. Seeded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hil_sim.machines.headings import BEGIN, END_M
from hil_sim.machines.machine import AIR_DEGC, WARMING_S, Hours, Machine, Values, Wander, eased
from hil_sim.machines.settings import MachineSettings

#: Length of the drive where nothing says it, of a ring, and how far its jacks are pulled in.
DRIVE_M: Final = 600.0
RING_M: Final = 1.5
STROKE_MM: Final = 300.0

#: Speed of advance, millimetres a minute, and how long a ring takes.
BORE_MM_MIN: Final = (30.0, 60.0)
BUILD_S: Final = (1200.0, 2100.0)
TURNS_RPM: Final = 1.6

CHAMBERS: Final = 5
JACKS: Final = 4


class ShieldMachine(Machine):
    """Bores and builds in turn; at the end of its drive it stands."""

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """In the middle of a ring, boring."""
        self._rng = np.random.default_rng(seed)
        self.drive_m = (settings.length_m if settings else None) or DRIVE_M
        self.ring = int(self.drive_m * float(self._rng.uniform(*BEGIN)) / RING_M)
        self.stroke_m = float(self._rng.uniform(0.0, RING_M))
        self.bores = True
        self._left_s = 0.0
        self._mm_min = float(self._rng.uniform(*BORE_MM_MIN))
        self._ground = Wander(self._rng, 1.0, 0.08, 60.0)
        self._off_mm = [Wander(self._rng, 0.0, 12.0, 1800.0) for _ in range(2)]
        self._methane = Wander(self._rng, 0.15, 0.03)
        self._oil_degc = 46.0
        self._hours = Hours(self._rng, serial, "SIM-EPB")

    @property
    def advance_m(self) -> float:
        """How far it has come."""
        return self.ring * RING_M + self.stroke_m

    @property
    def at_end(self) -> bool:
        """Whether there is nothing left to bore."""
        return (self.ring + 1) * RING_M > self.drive_m - END_M

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        for wander in (self._ground, self._methane, *self._off_mm):
            wander.advance(dt_s)
        if self.bores:
            self.stroke_m += self._mm_min / self._ground.value / 60_000 * dt_s
            if self.stroke_m >= RING_M:
                self.stroke_m = RING_M
                self.bores = False
                self._left_s = float(self._rng.uniform(*BUILD_S))
        elif not self.at_end:
            self._left_s -= dt_s
            if self._left_s <= 0:
                self.ring += 1
                self.stroke_m = 0.0
                self.bores = not self.at_end
                self._mm_min = float(self._rng.uniform(*BORE_MM_MIN))
        warm_degc = 52.0 if self.bores else AIR_DEGC + 8.0
        self._oil_degc = eased(self._oil_degc, warm_degc, dt_s, WARMING_S)
        self._hours.advance(dt_s, runs=self.bores)

    @property
    def _state(self) -> str:
        return "boring" if self.bores else "stopped" if self.at_end else "building_ring"

    def values(self) -> Values:
        """See `Machine`."""
        bores, ground = self.bores, self._ground.value
        values = self._hours.values() | {
            "advance": self.advance_m,
            "ring_number": float(self.ring),
            "deviation_horizontal": self._off_mm[0].value,
            "deviation_vertical": self._off_mm[1].value,
            "pitch": self._off_mm[1].value / 40,
            "roll": self._off_mm[0].value / 60,
            "cutterhead_speed": TURNS_RPM if bores else 0.0,
            "cutterhead_torque": 2400.0 * ground if bores else 0.0,
            "thrust": 12_000.0 * ground if bores else 4000.0,
            "advance_speed": self._mm_min / ground if bores else 0.0,
            "penetration": self._mm_min / ground / TURNS_RPM if bores else 0.0,
            "conveyor_speed": 2.0 if bores else 0.0,
            "grouting_pressure": 0.28 if bores else 0.0,
            "bearing_temperature": self._oil_degc - 8.0,
            "oil_temperature": self._oil_degc,
            "methane": self._methane.value,
            "running_state": self._state,
            "person_lock_open": False,
        }
        for number in range(1, CHAMBERS + 1):
            values[f"chamber_pressure_{number}"] = 0.12 + 0.02 * number * ground
        for number in range(1, JACKS + 1):
            values[f"jack_pressure_{number}"] = (18.0 if bores else 6.0) * ground
            values[f"jack_stroke_{number}"] = STROKE_MM + 1000.0 * self.stroke_m
        return values
