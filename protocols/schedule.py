"""What of a device is asked for how often: the points of a scan class, a ring. Pure."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

Part = TypeVar("Part")


@dataclass(slots=True)
class Duty(Generic[Part]):
    """What is asked for once a period; times are those of the event loop, seconds."""

    period_s: float
    due_s: float
    part: Part
    #: Until the second time: half a period to a whole one, by device, or all that began together
    #: would ask together ever after.
    first_s: float
    #: How often in a row it gave nothing, and when it last gave something.
    failures: int = 0
    gave_s: float = -math.inf

    def next(self, now_s: float) -> None:
        """The schedule has no drift; what was missed is left out, not caught up."""
        if self.first_s:
            self.due_s, self.first_s = self.due_s + self.first_s, 0.0
            return
        late_s = now_s - self.due_s
        self.due_s += self.period_s * max(1, late_s // self.period_s)

    def gave_last(self, duties: Iterable[Duty[Part]]) -> bool:
        """Whether no other has given anything since this one did: the device as a whole fails."""
        return not any(one.gave_s > self.gave_s for one in duties if one is not self)


def duties_of(
    device: str, now_s: float, parts: Iterable[tuple[float, Part]]
) -> Sequence[Duty[Part]]:
    """The duties of a device's parts, each with its period; all are due at once."""
    spread = 0.5 + zlib.crc32(device.encode()) / 2**33
    return [Duty(s, now_s, part, first_s=spread * s) for s, part in parts]


def next_duty(duties: Sequence[Duty[Part]]) -> Duty[Part]:
    """The one that is due first; of several the first."""
    return min(duties, key=attrgetter("due_s"))
