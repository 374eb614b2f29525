"""The roof supports of a face, which follow its shearer and push its conveyor. Seeded.

Along the face three lines go forward: how far coal is cut, where the conveyor lies and where the
supports stand. The shearer, on the conveyor, cuts a web ahead of where that lies; in its wake each
support is lowered, drawn up to the conveyor and set again, and farther behind it pushes the
conveyor into the web. The bend at the ends in which the shearer sumps in comes of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hil_sim.machines.machine import Hours, Machine, Values
from hil_sim.machines.settings import MachineSettings
from hil_sim.machines.shearer import SHEARER_M, WEB_M, Shearer
from hil_sim.roadgraph import Floats

#: How far behind the shearer's end a support is drawn up, and the conveyor is pushed.
FOLLOW_M: Final = 3.0
PUSH_BEHIND_M: Final = 10.0

#: How long a support is lowered, set again; and how fast it is drawn up and pushes, mm a second.
LOWER_S: Final = 3.0
SET_S: Final = 4.0
ADVANCE_MM_S: Final = 160.0
PUSH_MM_S: Final = 60.0

#: How high a support stands, and how much lower it is while it is drawn up.
HEIGHT_MM: Final = 2600.0
LOWERED_MM: Final = 120.0

#: Pressures, MPa: of the supply, of a leg that was just set, what the roof raises it to, and how
#: fast; and of a leg that is lowered.
SUPPLY_MPA: Final = 31.5
SET_MPA: Final = 25.2
ROOF_MPA: Final = 38.0
ROOF_S: Final = 2400.0
LOWERED_MPA: Final = 1.5

#: How many supports a profile has that does not say it by its points.
SUPPORTS: Final = 150

_WEB_MM: Final = 1000.0 * WEB_M
#: Nearer than this is there.
_THERE_MM: Final = 0.5


class Doing(IntEnum):
    """What a support does, in the order in which it does so."""

    IDLE = 0
    LOWERING = 1
    ADVANCING = 2
    SETTING = 3
    PUSHING = 4


#: What a profile knows of each support.
_COLUMNS: Final = ("front_leg_pressure", "rear_leg_pressure", "push_stroke", "height", "state")
_NAMES: Final = tuple(doing.name.lower() for doing in Doing)


class RoofSupports(Machine):
    """All supports of one face, as arrays from the headgate on.

    `doing`: (n,) int64; `centre_m`: (n,) where along the face they stand; `cut_mm`, `conveyor_mm`
    and `support_mm`: (n,) how far each line has come.
    """

    def __init__(
        self,
        serial: str,
        seed: Sequence[int],
        settings: MachineSettings | None = None,
        *,
        count: int = SUPPORTS,
        shearer: Shearer | None = None,
    ) -> None:
        """In the middle of work; without a `shearer` they follow one that nobody sees."""
        rng = np.random.default_rng(seed)
        settings = settings or MachineSettings()
        #: It is moved on here where no device does so.
        self._hidden = shearer is None
        self.shearer = shearer or Shearer(serial, (*seed, 1), settings)
        self.width_m = self.shearer.face_m / count
        self.centre_m: Floats = np.arange(0.5, count) * self.width_m
        self.doing = np.zeros(count, np.int64)
        self.conveyor_mm: Floats = np.zeros(count)
        self.support_mm: Floats = np.full(count, -_WEB_MM)
        self.cut_mm: Floats = np.zeros(count)
        #: Where the conveyor lay, but for its bend, when the shearer began to sump in.
        self._line_mm = 0.0
        self._left_s = np.zeros(count)
        self._height_mm: Floats = np.full(count, HEIGHT_MM)
        self._front_mpa: Floats = rng.uniform(SET_MPA, ROOF_MPA, count)
        self._rear_mpa: Floats = 0.9 * self._front_mpa
        self._roof_mpa: Floats = rng.uniform(0.9 * ROOF_MPA, 1.1 * ROOF_MPA, count)
        self._hours = Hours(rng, serial, "SIM-ZY")
        self._names = [[f"{name}_{n}" for n in range(1, count + 1)] for name in _COLUMNS]
        self._stops = {f"emergency_stop_{n}": False for n in range(1, count + 1)}
        self._start()

    def _start(self) -> None:
        """Behind the shearer all has followed it already, but for what is nearest to it."""
        behind_m = (self.shearer.position_m - self.centre_m) * self.shearer.towards
        half_m = SHEARER_M / 2
        self.cut_mm[behind_m > -half_m] = _WEB_MM
        self.support_mm[behind_m > half_m + FOLLOW_M] = 0.0
        self.conveyor_mm[behind_m > half_m + PUSH_BEHIND_M] = _WEB_MM

    @property
    def stroke_mm(self) -> Floats:
        """How far each pushing ram is out: (n,)."""
        return self.conveyor_mm - self.support_mm

    @property
    def moving(self) -> int:
        """How many supports take emulsion now."""
        return int((self.doing != Doing.IDLE).sum())

    def advance(self, dt_s: float) -> None:
        """See `Machine`."""
        if self._hidden:
            self.shearer.advance(dt_s)
        if not self.shearer.sumps_in:
            self._line_mm = float(self.conveyor_mm.max())
        self._cut()
        self._finish(dt_s)
        self._begin()
        self._press(dt_s)

    def _behind_m(self) -> Floats:
        """How far behind the shearer's near end each support is: (n,), less than 0 beside it."""
        away_m = (self.shearer.position_m - self.centre_m) * self.shearer.towards
        return away_m - SHEARER_M / 2

    def _cut(self) -> None:
        """The drums have cut a web ahead of the conveyor where the shearer is."""
        if self.shearer.speed_m_s <= 0:
            return
        reach_m = (SHEARER_M + self.width_m) / 2
        at = np.abs(self.centre_m - self.shearer.position_m) <= reach_m
        self.cut_mm[at] = np.maximum(self.cut_mm[at], self.conveyor_mm[at] + _WEB_MM)

    def _finish(self, dt_s: float) -> None:
        """Goes on with what each does, and on to what follows it."""
        doing = self.doing
        self._left_s -= dt_s
        lowering, advancing = doing == Doing.LOWERING, doing == Doing.ADVANCING
        setting, pushing = doing == Doing.SETTING, doing == Doing.PUSHING
        step_mm = np.minimum(ADVANCE_MM_S * dt_s, self.conveyor_mm - self.support_mm)
        self.support_mm[advancing] += step_mm[advancing]
        step_mm = np.minimum(PUSH_MM_S * dt_s, self._room_mm())
        self.conveyor_mm[pushing] += step_mm[pushing]
        doing[lowering & (self._left_s <= 0)] = Doing.ADVANCING
        there = advancing & (self.conveyor_mm - self.support_mm < _THERE_MM)
        doing[there] = Doing.SETTING
        self._left_s[there] = SET_S
        doing[setting & (self._left_s <= 0)] = Doing.IDLE
        doing[pushing & (self._room_mm() < _THERE_MM)] = Doing.IDLE

    def _room_mm(self) -> Floats:
        """How far the conveyor can still be pushed: to the coal, and as far as the ram reaches."""
        reach_mm = np.minimum(self.cut_mm, self.support_mm + _WEB_MM)
        if self.shearer.sumps_in:
            # Only the bend is straightened: the next web is not begun before the end is clear.
            reach_mm = np.minimum(reach_mm, self._line_mm)
        return np.maximum(reach_mm - self.conveyor_mm, 0.0)

    def _begin(self) -> None:
        """Who starts: drawn up is who stands behind the shearer, and no neighbour of another."""
        behind_m = self._behind_m()
        idle = self.doing == Doing.IDLE
        pushes = idle & (behind_m >= PUSH_BEHIND_M) & (self._room_mm() >= _THERE_MM)
        self.doing[pushes] = Doing.PUSHING
        due = idle & ~pushes & (behind_m >= FOLLOW_M)
        due &= (self.stroke_mm > _WEB_MM - _THERE_MM) & (self.cut_mm > self.conveyor_mm)
        for support in np.flatnonzero(due):
            near = self.doing[max(0, support - 1) : support + 2]
            if not ((near == Doing.LOWERING) | (near == Doing.ADVANCING)).any():
                self.doing[support] = Doing.LOWERING
                self._left_s[support] = LOWER_S

    def _press(self, dt_s: float) -> None:
        """Legs: without pressure while lowered, set by the pumps, loaded by the roof."""
        lowered = (self.doing == Doing.LOWERING) | (self.doing == Doing.ADVANCING)
        setting = self.doing == Doing.SETTING
        goal_mpa = np.where(lowered, LOWERED_MPA, np.where(setting, SET_MPA, self._roof_mpa))
        time_s = np.where(lowered | setting, 1.0, ROOF_S)
        ease = np.minimum(1.0, dt_s / time_s)
        self._front_mpa += (goal_mpa - self._front_mpa) * ease
        self._rear_mpa += (0.9 * goal_mpa - self._rear_mpa) * ease
        goal_mm = np.where(lowered, HEIGHT_MM - LOWERED_MM, HEIGHT_MM)
        self._height_mm += (goal_mm - self._height_mm) * min(1.0, dt_s / 2.0)

    def values(self) -> Values:
        """See `Machine`."""
        position_m = self.shearer.position_m
        moves = self.doing != Doing.IDLE
        advances = bool((moves & (self.doing != Doing.PUSHING)).any())
        values: Values = self._hours.values() | {
            "supply_pressure": SUPPLY_MPA - 0.3 * min(self.moving, 10),
            "return_pressure": 0.8 + 0.1 * min(self.moving, 10),
            "shearer_support": float(min(int(position_m / self.width_m) + 1, len(self.doing))),
            "mode": "follow_shearer",
            "communication_fault": False,
            "afc_push_state": "ongoing" if (self.doing == Doing.PUSHING).any() else "finished",
            "shield_advance_state": "ongoing" if advances else "finished",
            "clearance_left": self._clear_m(moves, -1),
            "clearance_right": self._clear_m(moves, 1),
            "shield_width": self.width_m,
        }
        # No finer than any such control tells it, so that most values stay for a while.
        columns = (
            np.round(self._front_mpa, 2).tolist(),
            np.round(self._rear_mpa, 2).tolist(),
            np.round(self.stroke_mm).tolist(),
            np.round(self._height_mm).tolist(),
            [_NAMES[doing] for doing in self.doing.tolist()],
        )
        for names, column in zip(self._names, columns, strict=True):
            values.update(zip(names, column, strict=True))
        values.update(self._stops)
        return values

    def _clear_m(self, moves: NDArray[np.bool_], side: int) -> float:
        """How far from the shearer to the next support that moves on that side, or the end."""
        away_m = (self.centre_m - self.shearer.position_m) * side
        there = away_m[moves & (away_m > 0)]
        end_m = self.shearer.face_m - self.shearer.position_m
        return float(there.min()) if len(there) else end_m if side > 0 else self.shearer.position_m
