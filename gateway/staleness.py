"""Values that are no longer of now: a point that says how old its value may be. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from equipment.report import Quality, Sample

_S_NS: Final = 1_000_000_000


class Staleness:
    """The last value of each point of a device that may grow too old."""

    def __init__(self, stale_s: Mapping[str, float]) -> None:
        """`stale_s`: by point, after how long without a new value the last one is UNCERTAIN."""
        self._stale_ns = {point: round(age_s * _S_NS) for point, age_s in stale_s.items()}
        self._last: dict[str, tuple[int, Sample]] = {}

    def note(self, samples: Sequence[Sample], now_ns: int) -> None:
        """Takes values as they come; a bad one stays bad however old it is."""
        for sample in samples:
            if sample.point not in self._stale_ns:
                continue
            if sample.quality is Quality.GOOD:
                self._last[sample.point] = now_ns, sample
            else:
                self._last.pop(sample.point, None)

    def due(self, now_ns: int) -> list[Sample]:
        """The values that have become too old since this was last asked, each once."""
        old = [
            point
            for point, (came_ns, _) in self._last.items()
            if now_ns - came_ns > self._stale_ns[point]
        ]
        return [self._stale(point) for point in old]

    def _stale(self, point: str) -> Sample:
        _, sample = self._last.pop(point)
        reason = f"no new value for {self._stale_ns[point] / _S_NS:g} s"
        return sample._replace(quality=Quality.UNCERTAIN, reason=reason)
