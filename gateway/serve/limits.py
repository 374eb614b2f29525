"""How often is too often: token buckets, one for each caller. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Buckets that are kept: who is not there has a full one. A flood of addresses makes no more.
BUCKETS_MOST: Final = 4096


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class RateLimit:
    """So many calls a second of each caller in the long run, and so many at once."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, who: str, now_s: float) -> float:
        """How long `who` has to wait until the next call is granted; 0: it may be made now."""
        bucket = self._buckets.get(who)
        if bucket is None:
            return 0.0
        left = bucket.left + (now_s - bucket.at_s) * self._per_s
        return 0.0 if left >= 1 else (1 - left) / self._per_s

    def take(self, who: str, now_s: float) -> float:
        """Makes a call; as `wait_s`, and where that is not 0 nothing is taken."""
        wait_s = self.wait_s(who, now_s)
        if wait_s:
            return wait_s
        bucket = self._buckets.pop(who, None) or _Bucket(self._burst, now_s)
        grown = bucket.left + (now_s - bucket.at_s) * self._per_s
        # The newest at the end: what is forgotten first is who has not called for longest.
        self._buckets[who] = _Bucket(min(grown, self._burst) - 1, now_s)
        if len(self._buckets) > BUCKETS_MOST:
            del self._buckets[next(iter(self._buckets))]
        return 0.0
