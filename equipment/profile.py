"""The profile of a device: its points and what they mean, as data.

The gateway reads a device by its profile and the simulator serves one by the same profile. What
is the same for every protocol is here; how a point is addressed is in `modbus_profile`,
`mqtt_profile` and `opcua_profile`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import inf, isfinite
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from equipment.report import Quality, Value

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]


class Strict(BaseModel):
    """A part of a configuration: unknown keys are refused, values are never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Words(Strict):
    """A text in both languages."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)


class Kind(StrEnum):
    """What a device is to the mine."""

    MACHINE = "machine"
    UWB_READER = "uwb_reader"
    RFID_READER = "rfid_reader"


class Scan(Strict):
    """How often a device is read, and after how long without a sign of life it is down."""

    period_s: float = Field(default=1.0, gt=0, le=3600)
    silence_s: float = Field(default=5.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _silence_is_longer(self) -> Self:
        if self.silence_s <= self.period_s:
            msg = (
                f"silence_s ({self.silence_s:g}) must be longer than period_s ({self.period_s:g}), "
                "else the device is down between two reads"
            )
            raise ValueError(msg)
        return self


class Point(Strict):
    """One value of a device: `value = raw × scale + offset`, in `unit`."""

    name: Name
    meaning: Words
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    #: Plausible values (inclusive), after scaling; what lies outside is marked BAD, never used.
    range: tuple[float, float] | None = None
    #: Names of the values of a state: `{ 0 = "stopped" }`. The value is then the name.
    states: dict[int, Name] = Field(default_factory=dict)

    @field_validator("scale")
    @classmethod
    def _scale_is_not_zero(cls, scale: float) -> float:
        if scale == 0:
            msg = "must not be 0"
            raise ValueError(msg)
        return scale

    @field_validator("range")
    @classmethod
    def _range_is_ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value and value[0] > value[1]:
            msg = "must be [lowest, highest]"
            raise ValueError(msg)
        return value

    def judge(self, raw: Value) -> tuple[Value | None, Quality, str]:
        """The value in `unit`, its quality, and why that is not good.

        `raw` is what the device gave, before scale and offset. A state without a name and a value
        outside `range` (or not finite) are BAD: (None, BAD, reason).
        """
        if isinstance(raw, str | bool):
            return raw, Quality.GOOD, ""
        if not isfinite(raw):
            return None, Quality.BAD, f"{raw:g} is not a number"
        if self.states:
            state = self.states.get(int(raw)) if raw == int(raw) else None
            if state is None:
                return None, Quality.BAD, f"{raw:g} is none of the states {self._known_states()}"
            return state, Quality.GOOD, ""
        value = raw * self.scale + self.offset
        lowest, highest = self.range or (-inf, inf)
        if not lowest <= value <= highest or not isfinite(value):
            given = f"{value:g} {self.unit}".rstrip()
            return None, Quality.BAD, f"{given} is outside {lowest:g} to {highest:g}"
        return value, Quality.GOOD, ""

    def _known_states(self) -> str:
        return ", ".join(f"{number} ({name})" for number, name in self.states.items())


class Profile(Strict):
    """What one type of device is; each protocol adds how its points are addressed."""

    id: Name
    title: Words
    kind: Kind
    protocol: Literal["modbus", "mqtt", "opcua"]
    scan: Scan = Scan()


def refuse_twice(what: str, names: Sequence[str]) -> None:
    """Raises ValueError when a name stands twice; `what` is of several, such as `points`."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"two {what} have the name {', '.join(twice)}"
        raise ValueError(msg)
