"""What value of a point is not good, as profiles and mines say it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from equipment.strict import Strict

#: Of an alarm: 1 is the most severe, 4 the least.
Level = Annotated[int, Field(ge=1, le=4)]


class Bounds(Strict):
    """Exactly one of `above`, `below` and `equals` says what is not good."""

    model_config = ConfigDict(strict=True)

    above: float | None = None
    below: float | None = None
    #: The name of a state, a text, or whether a bit is set.
    equals: bool | int | str | None = None
    #: How far a value must be back before it is good again.
    deadband: float = Field(default=0.0, ge=0)
    #: Whether it is a fault of the machine (`machine_fault`), or a limit (`limit_exceeded`).
    fault: bool = False
    #: None: that of the family.
    level: Level | None = None

    @model_validator(mode="after")
    def _says_what_is_not_good(self) -> Self:
        given = [self.above is not None, self.below is not None, self.equals is not None]
        if sum(given) != 1:
            msg = "give exactly one of above, below and equals"
            raise ValueError(msg)
        if self.deadband and self.equals is not None:
            msg = "a deadband goes with above or below, not with equals"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        """Such as `above 80`."""
        if self.equals is not None:
            return str(self.equals).lower() if isinstance(self.equals, bool) else str(self.equals)
        return f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"
