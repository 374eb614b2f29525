"""What the core must know of risk points, of how long hazards may last, and how risk is scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: By level, 1 (most severe) to 4.
ByLevel = tuple[float, float, float, float]

_HOUR_NS: Final = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """What may go wrong at a zone, a device or both (empty: neither); `owner` answers for it."""

    id: str
    name: str
    level: int
    owner: str
    zone: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class RiskWeights:
    """What each thing adds to the score of its zone, in points of 100.

    `half_life_s` is in what time half of what is over is forgotten. `thresholds` are the scores
    from which on a zone is red, orange and yellow; a grade is left `deadband` below its threshold.
    """

    point: ByLevel = (20.0, 12.0, 6.0, 2.0)
    hazard: ByLevel = (40.0, 20.0, 8.0, 3.0)
    alarm: ByLevel = (50.0, 30.0, 15.0, 5.0)
    points_most: float = 40.0
    machine: float = 15.0
    person: float = 0.5
    people_most: float = 15.0
    half_life_s: float = 1800.0
    thresholds: tuple[float, float, float] = (70.0, 50.0, 30.0)
    deadband: float = 2.0


@dataclass(frozen=True, slots=True)
class PreventionPlan:
    """The risk points, in how many hours hazards of each level are to be mended, and the weights.

    Without risk points no zone has a score.
    """

    points: tuple[RiskPoint, ...] = ()
    mend_h: ByLevel = (8.0, 72.0, 168.0, 360.0)
    weights: RiskWeights = RiskWeights()

    def mend_ns(self, level: int) -> int:
        """How long a hazard of this level may take to be mended."""
        return round(self.mend_h[level - 1] * _HOUR_NS)
