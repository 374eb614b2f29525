"""Times of the day as a configuration writes them: shifts, and when someone should be where."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from equipment.strict import Strict

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _time_of_day(given: Any) -> time:
    if not isinstance(given, str) or not _TIME.fullmatch(given):
        msg = 'must be a time from "00:00" to "23:59" in quotes'
        raise ValueError(msg)
    return time.fromisoformat(given)


#: Local time of the mine, without a time zone.
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]


class DaySpan(Strict):
    """From one time of the day to another: `from` belongs to it, `to` does not.

    One whose `to` is earlier than its `from` ends on the next day.
    """

    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start == self.end:
            msg = "`from` and `to` are the same time: write when it ends"
            raise ValueError(msg)
        return self

    def holds(self, at: time) -> bool:
        """Whether the local time `at` is within it, on whichever day."""
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def overlaps(self, other: DaySpan) -> bool:
        """Whether some time of the day is within both."""
        return self.holds(other.start) or other.holds(self.start)

    def __str__(self) -> str:
        return f"{self.start:%H:%M} to {self.end:%H:%M}"
