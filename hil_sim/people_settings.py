"""When people are below: stays, shifts and rushes at the wellhead, as a scenario says. Seeded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from equipment.strict import Plain, Strict

#: Metres per second of vehicles.
DRIVE_M_S: Final = (1.5, 3.0)

#: Crews that follow one another where there are shifts.
CREWS: Final = 3

#: Those of a rush pass the gate within so long: one cycle of a reader.
RUSH_S: Final = 1.0

#: Who is below at the start has been there for long; so long they stay at least.
FIRST_STAY_S: Final = 600.0

_Seconds = Annotated[float, Field(ge=0, le=1e7)]
_Hours = Annotated[float, Field(gt=0, le=24)]
_Speed = Annotated[float, Field(gt=0, le=20)]


class Rush(Strict):
    """`[people.rush]`: cards that pass the gate inwards in one cycle."""

    cards: Annotated[int, Field(ge=1, le=100_000)] = 200
    at_s: _Seconds = 60.0
    #: Time from one rush to the next; None: there is one.
    every_s: Annotated[float, Field(ge=60, le=1e7)] | None = None


class PeopleSettings(Strict):
    """`[people]` of a scenario."""

    #: How long someone stays below, and above until they come again.
    stay_h: tuple[_Hours, _Hours] = (4.0, 8.0)
    away_s: tuple[_Seconds, _Seconds] = (600.0, 1800.0)
    #: Of the people (with shifts: of the crew that is on), how many are below at the start.
    below_share: Annotated[float, Field(ge=0.1, le=1)] = 0.96
    #: Three crews follow one another, one every so many hours; None: everyone for themselves.
    shift_h: _Hours | None = None
    #: When the first of them comes, from the simulation's start on; all within `gather_s` before.
    first_shift_h: Annotated[float, Field(ge=0, le=24)] = 1.0
    gather_s: _Seconds = 1800.0
    rush: Rush | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for key in ("stay_h", "away_s"):
            low, high = getattr(self, key)
            if low > high:
                msg = f"{key} must be the shortest and the longest, in this order"
                raise ValueError(msg)
        return self


class VehicleSettings(Strict):
    """`[vehicles]` of a scenario; people.csv says which there are."""

    #: Only the first so many drive; None: all.
    number: Annotated[int, Field(ge=0, le=100_000)] | None = None
    speed_m_s: tuple[_Speed, _Speed] = DRIVE_M_S
    #: Where they drive, one after the other; None: in the roadways where nobody works.
    roadways: Annotated[tuple[Plain, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.speed_m_s[0] > self.speed_m_s[1]:
            msg = "speed_m_s must be the lowest and the highest speed, in this order"
            raise ValueError(msg)
        return self


#: A mine that says nothing of either.
PEOPLE_AS_USUAL: Final = PeopleSettings()
VEHICLES_AS_USUAL: Final = VehicleSettings()

_Between = Callable[[tuple[float, float]], float]


class Presence:
    """When each person comes and leaves; who they are is their place in the list of people."""

    def __init__(self, settings: PeopleSettings, drives: Sequence[bool], between: _Between) -> None:
        """`drives`: who is a vehicle; `between`: draws a number from a span."""
        self._settings = settings
        self._between = between
        rush = settings.rush
        walkers = [i for i, one_drives in enumerate(drives) if not one_drives]
        self._rushes = frozenset(walkers[: rush.cards] if rush else ())

    @property
    def below_share(self) -> float:
        """Of the people who may be below at the start, how many are."""
        return self._settings.below_share

    def at_start(self, i: int) -> bool:
        """Whether person `i` may be below at the start: not of a rush, nor of a crew to come."""
        on_shift = self._settings.shift_h is None or i % CREWS == CREWS - 1
        return on_shift and i not in self._rushes

    def comes_s(self, i: int, t_s: float) -> float:
        """When person `i`, who is above at `t_s`, comes down."""
        rush, shift_h = self._settings.rush, self._settings.shift_h
        if rush is not None and i in self._rushes:
            due_s = rush.at_s
            if t_s >= due_s and rush.every_s is not None:
                due_s += rush.every_s * (math.floor((t_s - due_s) / rush.every_s) + 1)
            if due_s > t_s or t_s == 0.0:
                return due_s + self._between((0.0, RUSH_S))
        if shift_h is None:
            return t_s + self._between(self._settings.away_s)
        first_s = 3600.0 * (self._settings.first_shift_h + shift_h * (i % CREWS))
        round_s = 3600.0 * shift_h * CREWS
        rounds = max(0, math.floor((t_s - first_s) / round_s) + 1)
        start_s = first_s + rounds * round_s
        return max(t_s, start_s - self._between((0.0, self._settings.gather_s)))

    def leaves_s(self, t_s: float) -> float:
        """When someone who comes down at `t_s` leaves."""
        low_h, high_h = self._settings.stay_h
        return t_s + self._between((3600.0 * low_h, 3600.0 * high_h))

    def first_leaves_s(self) -> float:
        """When someone who is below at the start leaves."""
        settings = self._settings
        if settings.shift_h is None:
            return self._between((FIRST_STAY_S, max(FIRST_STAY_S, 3600.0 * settings.stay_h[1])))
        handover_s = 3600.0 * settings.first_shift_h
        return self._between((handover_s, handover_s + settings.gather_s))

    def first_comes_s(self, i: int) -> float:
        """When someone who happens to be above at the start comes down."""
        if self._settings.shift_h is None:
            return self._between((0.0, self._settings.away_s[0]))
        return self.comes_s(i, 0.0)
