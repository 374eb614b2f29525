"""What a machine is to people near it: the fence around it, when that stands, where it cuts.

A profile says it of a type of machine (`[machine]`), a mine's `machines.toml` of each.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator
from shapely import Polygon

from equipment.strict import Name, Strict

#: Nothing underground keeps people farther away; metres.
FENCE_MOST_M: Final = 200.0
#: As many corners as a drawing by hand has, and more.
_CORNERS_MOST: Final = 100

_Metres = Annotated[float, Field(ge=-FENCE_MOST_M, le=FENCE_MOST_M)]
_Length = Annotated[float, Field(ge=0, le=FENCE_MOST_M)]


class MachineKind(StrEnum):
    """What kind of machine it is."""

    SHEARER = "shearer"
    ROADHEADER = "roadheader"
    BOLTER_MINER = "bolter_miner"
    SHIELD_MACHINE = "shield_machine"
    DRILL_RIG = "drill_rig"
    ADVANCE_SUPPORT = "advance_support"
    ROOF_SUPPORT = "roof_support"
    CONVEYOR = "conveyor"
    VEHICLE = "vehicle"
    OTHER = "other"


class _Exact(Strict):
    model_config = ConfigDict(strict=True)


class FenceShape(_Exact):
    """`[machine.fence]`: a disc or capsule of `radius_m`, or a polygon, in the machine's frame."""

    radius_m: Annotated[float, Field(gt=0, le=FENCE_MOST_M)] | None = None
    ahead_m: _Length = 0.0
    behind_m: _Length = 0.0
    #: Corners, x ahead and y to the left of the machine.
    polygon_m: (
        Annotated[
            tuple[Annotated[tuple[_Metres, _Metres], Field(strict=False)], ...],
            Field(strict=False, min_length=3, max_length=_CORNERS_MOST),
        ]
        | None
    ) = None
    #: Cards farther above or below are on another level.
    height_m: Annotated[float, Field(gt=0, le=50)] = 3.0
    #: So much wider it is while the machine's place is too old.
    margin_m: Annotated[float, Field(ge=0, le=50)] = 5.0

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if (self.radius_m is None) == (self.polygon_m is None):
            msg = "give either radius_m or polygon_m"
            raise ValueError(msg)
        if self.polygon_m is not None:
            if self.ahead_m or self.behind_m:
                msg = "ahead_m and behind_m go with radius_m, not with polygon_m"
                raise ValueError(msg)
            shape = Polygon(np.array(self.polygon_m))
            if not shape.is_valid or shape.area < 1e-6:
                msg = "polygon_m must have an area, and its border must not cross itself"
                raise ValueError(msg)
        return self

    def __str__(self) -> str:
        """Such as `4 m around an axis from 8 m behind to 8 m ahead`."""
        if self.polygon_m is not None:
            corners = ", ".join(f"({x:g}, {y:g})" for x, y in self.polygon_m)
            return f"the polygon {corners}, metres ahead and to the left"
        if not self.ahead_m and not self.behind_m:
            return f"{self.radius_m:g} m around"
        ends = f"{self.behind_m:g} m behind to {self.ahead_m:g} m ahead"
        return f"{self.radius_m:g} m around an axis from {ends}"


class Condition(_Exact):
    """What a value must be: exactly one of the keys says it."""

    above: float | None = None
    below: float | None = None
    equals: bool | int | str | None = None
    #: Anything else than this.
    unlike: bool | int | str | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        given = (self.above, self.below, self.equals, self.unlike)
        if sum(one is not None for one in given) != 1:
            msg = "give exactly one of above, below, equals and unlike"
            raise ValueError(msg)
        return self

    @property
    def is_of_numbers(self) -> bool:
        """Whether it asks for more or less than something."""
        return self.equals is None and self.unlike is None

    @property
    def words(self) -> str:
        """Such as `is above 5`."""
        if self.above is not None:
            return f"is above {self.above:g}"
        if self.below is not None:
            return f"is below {self.below:g}"
        if self.equals is not None:
            return f"is {_shown(self.equals)}"
        return f"is not {_shown(self.unlike)}"


class Cutter(_Exact):
    """`[machine.cutter]`: where it cuts, in the machine's frame, metres."""

    ahead_m: _Metres = 0.0
    left_m: _Metres = 0.0
    #: Above the floor.
    up_m: _Metres = 0.0


class ActivePoint(Condition):
    """`[machine.active]` of a profile: the fence stands while a point says so."""

    point: Name


class MachineDefaults(_Exact):
    """`[machine]` of a profile: what a machine of this type has where the mine says nothing else.

    A mine says where its machine is; what is here goes with it.
    """

    kind: Annotated[MachineKind, Field(strict=False)]
    #: The point that says how far along its roadway the machine is, metres.
    along: Name | None = None
    fence: FenceShape | None = None
    active: ActivePoint | None = None
    cutter: Cutter | None = None

    @model_validator(mode="after")
    def _active_goes_with_a_fence(self) -> Self:
        if self.active is not None and self.fence is None:
            msg = "active goes with a fence"
            raise ValueError(msg)
        return self


def _shown(value: bool | int | str | None) -> str:  # noqa: FBT001 - a bit of a device is a value
    return str(value).lower() if isinstance(value, bool) else str(value)
