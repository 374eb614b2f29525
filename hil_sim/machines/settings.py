"""`[machine.<device id>]` of a scenario: what one machine does otherwise than it would by itself.

Which keys there are for which machine, see `TAKEN`.
"""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from equipment.strict import Name, Strict

_Seconds = Annotated[float, Field(gt=0, le=1e7)]
_Length = Annotated[float, Field(gt=0, le=20_000)]
_Speed = Annotated[float, Field(gt=0, le=1000)]


class MachineSettings(Strict):
    """One machine's settings; what is not given is as the machine's model has it."""

    #: Machines of one place work together. By default what follows the last `_` of the id.
    place: Name | None = None
    #: The conveyor onto which a conveyor or a cutting machine discharges.
    onto: Name | None = None
    #: How long its face, heading or track is.
    length_m: _Length | None = None
    #: Lowest and highest speed at which it cuts or drives.
    speed_m_min: tuple[_Speed, _Speed] | None = None
    #: Mean time between two stops of a machine that cuts, and between two trips of a conveyor.
    stop_every_s: _Seconds | None = None
    #: Gas that is released with each tonne that it cuts; by default that of `[gas]`.
    release_m3_t: Annotated[float, Field(ge=0, le=100)] | None = None
    #: Water that flows to a sump.
    inflow_m3_h: Annotated[float, Field(ge=0, le=3000)] | None = None
    #: How deep holes are drilled.
    hole_m: Annotated[float, Field(gt=0, le=3000)] | None = None
    #: How long one of two fans runs before the other takes over.
    changeover_s: _Seconds | None = None

    @model_validator(mode="after")
    def _speeds_in_order(self) -> Self:
        if self.speed_m_min is not None and self.speed_m_min[0] > self.speed_m_min[1]:
            msg = "speed_m_min must be the lowest and the highest speed, in this order"
            raise ValueError(msg)
        return self


#: Which keys are taken, besides `place`, by the beginning of the profile's id.
_CUTS: Final = ("onto", "length_m", "speed_m_min", "stop_every_s", "release_m3_t")
_CONVEYS: Final = ("onto", "stop_every_s")
TAKEN: Final = {
    "shearer": _CUTS,
    "roadheader": ("onto", "length_m", "release_m3_t"),
    "bolter_miner": ("onto", "length_m", "release_m3_t"),
    "afc": _CONVEYS,
    "stage_loader": _CONVEYS,
    "belt_conveyor": _CONVEYS,
    "roof_support": ("length_m",),
    "shield_machine": ("length_m",),
    "drill_rig": ("hole_m",),
    "drainage_pump": ("inflow_m3_h",),
    "ventilation_fan": ("changeover_s",),
    "monorail": ("length_m", "speed_m_min"),
    "rubber_tyred": ("speed_m_min",),
}
