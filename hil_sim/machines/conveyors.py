"""Conveyors that carry coal out: the face conveyor, stage loader with crusher, belts. Seeded.

They start from the outermost to the face and stop from the face outwards. One that stops, stops
all that discharge onto it at once. Coal that is on one stays on it while it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import numpy as np

from hil_sim.machines.cutter import Cutter, Rhythm
from hil_sim.machines.gas_station import GasStation
from hil_sim.machines.machine import AIR_DEGC, Hours, Machine, Motor, Values, eased
from hil_sim.machines.settings import MachineSettings

#: The warning before a start, how long it takes to come to speed, and how long it runs empty
#: before it stops, seconds.
WARNING_S: Final = (6.0, 12.0)
START_S: Final = 4.0
EMPTYING_S: Final = (20.0, 60.0)

#: From this share of its speed on, what discharges onto it may start.
AT_SPEED: Final = 0.9

#: How long one that tripped stands.
TRIP_S: Final = (60.0, 300.0)

#: Coal that comes onto a conveyor which nothing feeds, tonnes an hour, one sigma about it.
FED_T_H: Final = (600.0, 150.0)


class Going(Enum):
    """What a conveyor does."""

    STOPPED = auto()
    WARNING = auto()
    RUNNING = auto()
    EMPTYING = auto()
    TRIPPED = auto()


class Conveyor(Machine):
    """One conveyor of a chain. `advance` those nearer to the surface first."""

    #: How long coal is on it, seconds; its speed, m/s; what it carries at most, tonnes an hour.
    transit_s: float = 100.0
    speed_max_m_s: float = 1.0
    capacity_t_h: float = 2000.0

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """Running, with little coal on it."""
        self._rng = np.random.default_rng(seed)
        self._trip_every_s = settings.stop_every_s if settings else None
        #: What discharges onto it, and onto what it does.
        self.sources: list[Cutter | Conveyor] = []
        self.onto: Conveyor | None = None
        self.guards: list[GasStation] = []
        self._rhythm = Rhythm(self._rng)
        self.going = Going.RUNNING
        self._left_s = 0.0
        self.speed_m_s = self.speed_max_m_s
        #: Coal on it, and what it discharges in a second, now.
        self.mass_t = 0.0
        self.out_t_s = 0.0
        #: All coal that has come onto it, and all that it has discharged.
        self.taken_t, self.given_t = 0.0, 0.0
        self._hours = Hours(self._rng, serial)

    @property
    def runs(self) -> bool:
        """Whether its drive is on."""
        return self.going in (Going.RUNNING, Going.EMPTYING)

    @property
    def at_speed(self) -> bool:
        """Whether what discharges onto it may start."""
        return self.runs and self.speed_m_s >= AT_SPEED * self.speed_max_m_s

    @property
    def is_stopped(self) -> bool:
        """Whether what it discharges onto may stop."""
        return not self.runs

    @property
    def wins(self) -> bool:
        """Whether coal is to come over it."""
        return any(s.wins for s in self.sources) if self.sources else self._rhythm.wins

    @property
    def load(self) -> float:
        """Coal on it as a share of what it can hold."""
        return self.mass_t / (self.capacity_t_h / 3600 * self.transit_s)

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        if not self.sources:
            self._rhythm.advance(dt_s)
        self._left_s -= dt_s
        self._switch(dt_s)
        goal_m_s = self.speed_max_m_s if self.runs else 0.0
        self.speed_m_s = eased(self.speed_m_s, goal_m_s, dt_s, START_S)
        if self.speed_m_s < 0.01 and not self.runs:
            self.speed_m_s = 0.0
        self._carry(dt_s)
        self._hours.advance(dt_s, runs=self.runs)
        self._drive(dt_s)

    def _switch(self, dt_s: float) -> None:
        """What it does next; its interlocks are looked at first."""
        powered = not any(guard.withdraw for guard in self.guards)
        if self._trip_every_s and self.runs and self._rng.random() < dt_s / self._trip_every_s:
            self._begin(Going.TRIPPED, TRIP_S)
        elif self.runs and not (powered and (self.onto is None or self.onto.runs)):
            self._begin(Going.STOPPED)
        elif self.going is Going.TRIPPED:
            if self._left_s <= 0:
                self._begin(Going.STOPPED)
        elif self.runs:
            self._go_on()
        else:
            self._start(ready=powered and (self.onto is None or self.onto.at_speed))

    def _start(self, *, ready: bool) -> None:
        """Warns, then starts; what is not `ready` any more has warned in vain."""
        if not (self.wins and ready):
            self.going = Going.STOPPED
        elif self.going is Going.STOPPED:
            self._begin(Going.WARNING, WARNING_S)
        elif self._left_s <= 0:
            self._begin(Going.RUNNING)

    def _go_on(self) -> None:
        """Runs until no coal is to come and all that discharges onto it stands; then it empties."""
        if self.wins:
            self.going = Going.RUNNING
        elif self.going is Going.RUNNING:
            if all(source.is_stopped for source in self.sources):
                self._begin(Going.EMPTYING, EMPTYING_S)
        elif self._left_s <= 0:
            self._begin(Going.STOPPED)

    def _begin(self, going: Going, lasts_s: tuple[float, float] = (0.0, 0.0)) -> None:
        self.going = going
        self._left_s = float(self._rng.uniform(*lasts_s))

    def _carry(self, dt_s: float) -> None:
        if self.sources:
            in_t = sum(source.out_t_s for source in self.sources) * dt_s
        else:
            in_t = max(0.0, float(self._rng.normal(*FED_T_H))) / 3600 * dt_s
            in_t *= self.at_speed and self.wins
        share = self.speed_m_s / self.speed_max_m_s if self.runs else 0.0
        out_t = self.mass_t * min(1.0, share * dt_s / self.transit_s)
        self.mass_t += in_t - out_t
        self.out_t_s = out_t / dt_s
        self.taken_t += in_t
        self.given_t += out_t

    def _drive(self, dt_s: float) -> None:
        """What its motors draw."""
        raise NotImplementedError

    @property
    def _state(self) -> str:
        return "fault" if self.going is Going.TRIPPED else "running" if self.runs else "stopped"


class FaceConveyor(Conveyor):
    """An armoured face conveyor; its chain is longer than the way of most coal on it."""

    transit_s = 90.0
    speed_max_m_s = 1.3

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """See `Conveyor`."""
        super().__init__(serial, seed, settings)
        self._motors = (Motor(self._rng, 120.0), Motor(self._rng, 110.0))

    def _drive(self, dt_s: float) -> None:
        for motor, share in zip(self._motors, (1.0, 0.9), strict=True):
            load_a = share * (90.0 + 160.0 * min(self.load, 2.0)) if self.runs else 0.0
            motor.advance(load_a, dt_s)

    def values(self) -> Values:
        """See `Machine`."""
        head, tail = self._motors
        return self._hours.values() | {
            "running_state": self._state,
            "afc_state": "running" if self.runs else "stopped",
            "normal_running_direction": "left",
            "direction": "normal" if self.runs else "standing",
            "chain_speed": self.speed_m_s,
            "head_current": head.current_a,
            "tail_current": tail.current_a,
            "head_winding_temperature": head.winding_degc,
            "tail_winding_temperature": tail.winding_degc,
            "head_gear_oil_temperature": head.bearing_degc,
            "tail_gear_oil_temperature": tail.bearing_degc,
            "chain_tension": 180.0 + 1.5 * head.current_a,
            "load": min(100.0 * self.load, 200.0),
            "chain_broken": False,
            "face_locked": not self.runs and not self.wins,
        }


class StageLoader(Conveyor):
    """A stage loader with its crusher, which starts before it and stops after it."""

    transit_s = 30.0
    speed_max_m_s = 1.5

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """See `Conveyor`."""
        super().__init__(serial, seed, settings)
        self._loader, self._crusher = Motor(self._rng, 90.0), Motor(self._rng, 70.0)
        self._crusher_rpm = 380.0

    @property
    def crusher_runs(self) -> bool:
        """Whether the crusher is on."""
        return self.runs or self.going is Going.WARNING

    def _drive(self, dt_s: float) -> None:
        load = min(self.load, 2.0)
        self._loader.advance(70.0 + 90.0 * load if self.runs else 0.0, dt_s)
        self._crusher.advance(50.0 + 110.0 * load if self.crusher_runs else 0.0, dt_s)
        rpm = 380.0 - 25.0 * load if self.crusher_runs else 0.0
        self._crusher_rpm = eased(self._crusher_rpm, rpm, dt_s, 8.0)

    def values(self) -> Values:
        """See `Machine`."""
        return self._hours.values() | {
            "loader_state": self._state,
            "crusher_state": "running" if self.crusher_runs else "stopped",
            "loader_current": self._loader.current_a,
            "crusher_current": self._crusher.current_a,
            "crusher_speed": self._crusher_rpm,
            "loader_winding_temperature": self._loader.winding_degc,
            "crusher_winding_temperature": self._crusher.winding_degc,
            "crusher_bearing_temperature": self._crusher.bearing_degc,
            "inlet_guard": False,
            "spray_on": self.runs and self.load > 0.02,
        }


class Belt(Conveyor):
    """A belt conveyor; of those that trip, someone pulled the cord."""

    transit_s = 240.0
    speed_max_m_s = 3.15
    #: More motors than any profile has.
    motors: Final = 4

    def __init__(
        self, serial: str, seed: Sequence[int], settings: MachineSettings | None = None
    ) -> None:
        """See `Conveyor`."""
        super().__init__(serial, seed, settings)
        self._motors = [Motor(self._rng, 110.0) for _ in range(self.motors)]

    def _drive(self, dt_s: float) -> None:
        load_a = 80.0 + 140.0 * min(self.load, 2.0) if self.runs else 0.0
        for motor in self._motors:
            motor.advance(load_a, dt_s)

    def values(self) -> Values:
        """See `Machine`."""
        values = self._hours.values() | {
            "running_state": self._state,
            "belt_speed": self.speed_m_s,
            "belt_tension": 60.0 + 90.0 * min(self.load, 2.0),
            "load": min(3600.0 * self.out_t_s, 8000.0),
            "drum_temperature": AIR_DEGC + 5.0 * self.speed_m_s / self.speed_max_m_s,
            "pull_cord": self.going is Going.TRIPPED,
        }
        for number, motor in enumerate(self._motors, start=1):
            values[f"motor_current_{number}"] = motor.current_a
            values[f"winding_temperature_{number}"] = motor.winding_degc
        for flag in ("belt_off_track", "belt_slips", "chute_blocked", "belt_torn", "smoke"):
            values[flag] = False
        return values | {"drum_too_hot": False}
