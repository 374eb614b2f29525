"""How the world's time goes along with real time. Pure: it is told what time it is.

Devices' clocks go with real time, always. The world is what goes faster, slower or stands: its
steps are all of STEP_S, and each has a shorter or longer stretch of real time to itself.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from hil_sim.world import CATCH_UP_S, STEP_S, Heard
from positioning.observation import Records

#: How fast the world may go, times real time.
SPEED_MIN: Final = 0.01
SPEED_MAX: Final = 1000.0

#: Steps that are made up for at once; a world that is further behind goes on from where it is.
_BEHIND_MOST: Final = round(CATCH_UP_S / STEP_S)


class Pace:
    """Says which steps of the world are due, and when they are over on the devices' clocks.

    Steps are counted from 1. Real times are seconds of any clock that only goes forward.
    """

    def __init__(self, now_s: float, *, speed: float = 1.0, paused: bool = False) -> None:
        """The world is at its beginning, and begins at `now_s` or by `begin`."""
        self.speed = speed
        #: How many steps are done.
        self.done = 0
        self._from_s = now_s
        self._from_step = 0
        #: The step after which the world stands; None: it goes on and on.
        self._last: int | None = 0 if paused else None

    @property
    def stands(self) -> bool:
        """Whether no step will be due."""
        return self._last is not None and self.done >= self._last

    @property
    def runs_on(self) -> bool:
        """Whether steps go on and on: neither paused nor about to be."""
        return self._last is None

    @property
    def world_s(self) -> float:
        """The world's time, seconds since its beginning."""
        return round(self.done * STEP_S, 6)

    def begin(self, now_s: float) -> None:
        """The time until now is not the world's: it goes on, or stands, from here."""
        self._go_on(now_s)

    def pause(self, now_s: float) -> None:
        """Nothing is due any more."""
        self._last = self.done
        self._go_on(now_s)

    def resume(self, now_s: float) -> None:
        """Steps are due from now on."""
        if self._last is not None:
            self._last = None
            self._go_on(now_s)

    def step(self, now_s: float, seconds: float) -> int:
        """`seconds` of the world are due from now on, in whole steps; returns the last one."""
        self._last = self.done + math.ceil(seconds / STEP_S - 1e-6)
        self._go_on(now_s)
        return self._last

    def set_speed(self, now_s: float, speed: float) -> None:
        """From now on the world goes `speed` times as fast as real time."""
        self.speed = speed
        self._go_on(now_s)

    def _go_on(self, now_s: float) -> None:
        self._from_s, self._from_step = now_s, self.done

    def due(self, now_s: float) -> int:
        """How many steps should have been done by now and are not."""
        reached = self._from_step + math.floor(self._steps_since(now_s) + 1e-6)
        if self._last is not None:
            reached = min(reached, self._last)
        return reached - self.done

    def _steps_since(self, now_s: float) -> float:
        return (now_s - self._from_s) * self.speed / STEP_S

    def next_s(self) -> float:
        """When the next step is over; infinite where the world stands."""
        return math.inf if self.stands else self._end_s(self.done + 1)

    def _end_s(self, step: int) -> float:
        return self._from_s + (step - self._from_step) * STEP_S / self.speed

    def take(self, now_s: float) -> float:
        """Counts the next step as done; returns when it is over, not after `now_s`.

        One that is due too long ago is over now: the time between is not the world's.
        """
        if self.due(now_s) > _BEHIND_MOST:
            self._from_s, self._from_step = now_s - STEP_S / self.speed, self.done
        self.done += 1
        return min(self._end_s(self.done), now_s)


def on_clocks(heard: Heard, end_t_ns: int, speed: float) -> Heard:
    """A step with the times that exact clocks of devices give it.

    `end_t_ns`: when it is over by those clocks, nanoseconds since the Unix epoch.
    """

    def moved(records: Records) -> Records:
        if not len(records):
            return records
        records = records.copy()
        before_ns = heard.t_ns - records["t_ns"]
        if speed != 1.0:
            before_ns = np.round(before_ns / speed).astype(np.int64)
        records["t_ns"] = end_t_ns - before_ns
        return records

    return replace(
        heard, t_ns=end_t_ns, ranges=moved(heard.ranges), sightings=moved(heard.sightings)
    )
