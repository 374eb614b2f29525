"""Which files of kept positions are dropped: those that are too old, and the oldest for room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.journal.tracks.places import HOUR_MS, PLAUSIBLE_MS, Place

#: A clock is believed once so many hours were recorded by it; before, it drops nothing for age.
BELIEVED_HOURS: Final = 24
#: Hours that are kept whatever room there is: then rather no new positions than none at all.
KEPT_HOURS_LEAST: Final = 24
_DAY_MS: Final = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Sized:
    """A file and its size."""

    place: Place
    size: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How long positions are kept, and how much room they may take; None: as much as there is."""

    days: float
    bytes_max: int | None = None


def to_drop(
    files: Sequence[Sized], now_ms: int, limits: Limits, short_bytes: int = 0
) -> list[Place]:
    """Those of `files`, all in order, that go now.

    `short_bytes` more room are needed on the disk. A clock that stands wrong drops nothing for
    age: neither one in 1970, nor one that someone has set years ahead.
    """
    hours = sorted({one.place.hour_ms for one in files}, reverse=True)
    dropped = []
    if len(hours) >= BELIEVED_HOURS:
        cut_ms = min(now_ms, hours[BELIEVED_HOURS - 1]) - limits.days * _DAY_MS
        ends = PLAUSIBLE_MS + HOUR_MS, cut_ms
        dropped = [one for one in files if ends[0] <= one.place.hour_ms + HOUR_MS <= ends[1]]
    left = [one for one in files if one not in dropped]
    newest = _newest_hours([one.place for one in left])
    total = sum(one.size for one in left)
    over = max(short_bytes - sum(one.size for one in dropped), 0)
    if limits.bytes_max is not None:
        over = max(over, total - limits.bytes_max)
    for one in left:
        if over <= 0 or one.place.hour_ms in newest:
            break
        dropped.append(one)
        over -= one.size
    return [one.place for one in dropped]


def _newest_hours(places: Sequence[Place]) -> set[int]:
    """The hours of the newest files, which stay."""
    found: set[int] = set()
    for place in reversed(places):
        if len(found) == KEPT_HOURS_LEAST and place.hour_ms not in found:
            break
        found.add(place.hour_ms)
    return found
