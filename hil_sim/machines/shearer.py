"""A shearer that cuts in both directions, and sumps in at the ends of the face. Seeded."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hil_sim.machines.cutter import COAL_T_M3, Cutter
from hil_sim.machines.machine import Hours, Motor, Span, Values
from hil_sim.machines.settings import MachineSettings

#: Length of the face where nothing says it, and of the shearer.
FACE_M: Final = 150.0
SHEARER_M: Final = 12.6

#: Cutting speed, how long it turns its drums at an end of its way, and stands.
HAULAGE_M_MIN: Final = (4.0, 8.0)
TURN_S: Final = (30.0, 60.0)
STAND_S: Final = (20.0, 120.0)

#: How often a working shearer stops, on average.
STOP_EVERY_S: Final = 600.0

#: What it cuts: depth of a web, height of the seam.
WEB_M: Final = 0.8
SEAM_M: Final = 2.5

#: How far from an end it sumps in: more than the bend of the conveyor, which is as long as the
#: shearer and twice what supports leave free behind it. And what part of a web it cuts there.
SUMP_M: Final = 35.0
SUMP_SHARE: Final = 0.5

#: Haulage speed below which it stands.
_STILL_M_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Leg:
    """A way without a turn: to where, and what part of a web is cut on it."""

    to_m: float
    share: float


class Shearer(Cutter):
    """Cuts to an end, sumps in there, cuts the end clear and goes to the other end."""

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """Somewhere on the face, cutting."""
        rng = np.random.default_rng(seed)
        super().__init__(rng)
        settings = settings or MachineSettings()
        self.release_m3_t = settings.release_m3_t
        self.face_m = settings.length_m or FACE_M
        self._haulage: Span = settings.speed_m_min or HAULAGE_M_MIN
        self._stop_every_s = settings.stop_every_s or STOP_EVERY_S
        self.position_m = float(rng.uniform(0.2, 0.8)) * self.face_m
        #: Towards the tail end, or back.
        self.towards = 1 if rng.random() < 0.5 else -1
        self._legs = deque([Leg(self._end_m(self.towards), 1.0)])
        self._target_m_s = self._haulage_m_s()
        self.speed_m_s = self._target_m_s
        #: It turns its drums (they run, it does not move), or stands, for so long.
        self._turn_s, self._stand_s = 0.0, 0.0
        self._hardness = 0.5
        self._drums = (Motor(rng, 180.0), Motor(rng, 150.0))
        self._hours = Hours(rng, serial)
        self._energy_kwh = self._hours.running_h * 450.0

    def _haulage_m_s(self) -> float:
        return float(self._rng.uniform(*self._haulage)) / 60

    def _end_m(self, side: int) -> float:
        half_m = min(SHEARER_M, self.face_m) / 2
        return self.face_m - half_m if side > 0 else half_m

    @property
    def drums_turn(self) -> bool:
        """Whether its drums are on."""
        return self._stand_s <= 0

    @property
    def sumps_in(self) -> bool:
        """Whether it works itself into the next web, at an end of the face."""
        return self._legs[0].share < 1.0

    @property
    def is_stopped(self) -> bool:
        """See `Cutter`."""
        return not self.drums_turn

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        rng = self._rng
        self._hardness += (0.5 - self._hardness) * dt_s / 40 + rng.normal(0, 0.05) * dt_s**0.5
        self._hardness = min(max(self._hardness, 0.0), 1.0)
        if not self.may_cut(dt_s):
            # Its power is off: the brakes close at once.
            self.speed_m_s = 0.0
            self._stand_s = max(self._stand_s, STAND_S[0])
        elif self._stand_s > 0:
            self._stand_s -= dt_s
        elif self._turn_s > 0:
            self._turn_s -= dt_s
            if self._turn_s <= 0:
                self._target_m_s = self._haulage_m_s()
        elif rng.random() < dt_s / self._stop_every_s:
            self._stand_s = float(rng.uniform(*STAND_S))
        self._haul(dt_s)
        self._drive(dt_s)

    def _haul(self, dt_s: float) -> None:
        leg = self._legs[0]
        hauls = self._stand_s <= 0 and self._turn_s <= 0
        goal_m_s = self._target_m_s if hauls else 0.0
        self.speed_m_s += (goal_m_s - self.speed_m_s) * min(1.0, dt_s / 3)
        if self.speed_m_s < _STILL_M_S:
            self.speed_m_s = 0.0
        step_m = min(self.speed_m_s * dt_s, abs(leg.to_m - self.position_m))
        self.position_m += self.towards * step_m
        self.coal_t_s = WEB_M * SEAM_M * COAL_T_M3 * leg.share * step_m / dt_s
        if hauls and abs(leg.to_m - self.position_m) < 1e-9:
            self._turn()

    def _turn(self) -> None:
        """At the end of a leg: drums change, then back."""
        self._legs.popleft()
        if not self._legs:
            side = self.towards
            end_m = self._end_m(side)
            sump_m = end_m - side * min(SUMP_M, self.face_m / 3)
            far_m = self._end_m(-side)
            self._legs += [Leg(sump_m, SUMP_SHARE), Leg(end_m, SUMP_SHARE), Leg(far_m, 1.0)]
        self.towards = 1 if self._legs[0].to_m > self.position_m else -1
        self.speed_m_s = 0.0
        self._turn_s = float(self._rng.uniform(*TURN_S))

    def _drive(self, dt_s: float) -> None:
        """Motors: the leading drum cuts more, and both idle while it turns."""
        for drum, motor in enumerate(self._drums):
            leads = (self.towards > 0) == (drum == 1)
            share = (1.0 if leads else 0.7) * self.speed_m_s * 60 / HAULAGE_M_MIN[1]
            load_a = 60.0 + 220.0 * min(share, 2.0) * (0.5 + self._hardness)
            motor.advance(load_a if self.drums_turn else 0.0, dt_s)
        self._hours.advance(dt_s, runs=self.drums_turn)
        self._energy_kwh += sum(motor.current_a for motor in self._drums) * 1.7 * dt_s / 3600

    def values(self) -> Values:
        """See `Machine`."""
        speed_m_min = 60.0 * self.towards * self.speed_m_s
        moving = "right" if self.towards > 0 else "left"
        high, low = 2.6, 0.7
        left, right = (low, high) if self.towards > 0 else (high, low)
        first, second = self._drums
        return self._hours.values() | {
            "position": self.position_m,
            "haulage_speed": speed_m_min,
            "driving_direction": moving if self.speed_m_s > 0 else "stopped",
            "pitch": 2.0 * math.sin(self.position_m / 25),
            "roll": 3.0 + math.sin(self.position_m / 40),
            "drum_height_left": left + 0.1 * math.sin(self.position_m / 7),
            "drum_height_right": right + 0.1 * math.sin(self.position_m / 9),
            "cutting_current_left": first.current_a,
            "cutting_current_right": second.current_a,
            "haulage_current": 20.0 + 15.0 * abs(speed_m_min) if self.speed_m_s > 0 else 0.0,
            "cutting_motor_temperature_left": first.winding_degc,
            "cutting_motor_temperature_right": second.winding_degc,
            "running_state": "running" if self.drums_turn else "stopped",
            "cutting_left_on": self.drums_turn,
            "cutting_right_on": self.drums_turn,
            "remote_control": True,
            "energy": self._energy_kwh,
            "water_flow_low": False,
            "max_length": SHEARER_M,
        }
