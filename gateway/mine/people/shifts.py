"""Shifts as spans of time: local times of the day, over midnight and changes of the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Final

_S_NS: Final = 1_000_000_000
#: Spans that are remembered: who goes up asks for the one for which they came.
_FOUND_MOST: Final = 4
_DAY: Final = timedelta(days=1)
#: Shifts of so many days before and after a time are looked at: a gap between two is shorter.
_DAYS: Final = (-2, -1, 0, 1, 2)


@dataclass(frozen=True, slots=True)
class ShiftTime:
    """A shift of the configuration; an `end` not later than `start` is on the next day."""

    name: str
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class ShiftSpan:
    """One shift of one day, `start_ns` to before `end_ns`; `day` is the local one it began on.

    `name` is empty where no shift is planned: between two, or for a day of a mine without shifts.
    """

    day: str
    name: str
    start_ns: int
    end_ns: int

    @property
    def id(self) -> str:
        """Of all shifts of a mine the only one: `2026-11-25/早班`."""
        return f"{self.day}/{self.name or '-'}"


class Shifts:
    """Which shift it is when. All times are one after the other, without a gap."""

    def __init__(
        self, times: Sequence[ShiftTime], zone: tzinfo = UTC, *, early_ns: int = 0
    ) -> None:
        """`times` do not overlap. Whoever comes down up to `early_ns` before a shift, comes for it.

        Without any, each local day is one.
        """
        self.use(times, zone, early_ns=early_ns)

    def use(self, times: Sequence[ShiftTime], zone: tzinfo, *, early_ns: int) -> None:
        """Takes over other times, for all that is asked from now on."""
        self._times = sorted(times, key=lambda shift: shift.start)
        self._zone = zone
        self._early_ns = early_ns if times else 0
        self._found: list[ShiftSpan] = []  # the newest first

    def at(self, t_ns: int) -> ShiftSpan:
        """The shift at a time, or the span between two."""
        for span in self._found:
            if span.start_ns <= t_ns < span.end_ns:
                return span
        found = self._find(t_ns)
        self._found = [found, *self._found[: _FOUND_MOST - 1]]
        return found

    def come_for(self, t_ns: int) -> ShiftSpan:
        """The shift that someone who goes down at this time has come for."""
        coming = self.at(t_ns + self._early_ns)
        return coming if coming.name else self.at(t_ns)

    def between(self, from_ns: int, to_ns: int) -> Iterator[tuple[ShiftSpan, int]]:
        """The shifts from one time to a later one, each with how much of that is in it, ns."""
        while from_ns < to_ns:
            span = self.at(from_ns)
            until_ns = min(span.end_ns, to_ns)
            yield span, until_ns - from_ns
            from_ns = until_ns

    def _find(self, t_ns: int) -> ShiftSpan:
        today = datetime.fromtimestamp(t_ns // _S_NS, self._zone).date()
        days = [today + days * _DAY for days in _DAYS]
        spans = [span for day in days for span in self._of_day(day)]
        spans = [span for span in spans if span.start_ns < span.end_ns]
        for span, following in pairwise(spans):
            if span.start_ns <= t_ns < span.end_ns:
                return span
            if span.end_ns <= t_ns < following.start_ns:
                begun = datetime.fromtimestamp(span.end_ns // _S_NS, self._zone)
                return ShiftSpan(f"{begun:%Y-%m-%d.%H%M}", "", span.end_ns, following.start_ns)
        msg = f"no shift holds {t_ns}"  # five days in order hold the middle one
        raise AssertionError(msg)

    def _of_day(self, day: date) -> Iterator[ShiftSpan]:
        times = self._times or [ShiftTime("", time(), time())]
        for shift in times:
            ends = day if shift.start < shift.end else day + _DAY
            start_ns = _instant_ns(datetime.combine(day, shift.start), self._zone)
            end_ns = _instant_ns(datetime.combine(ends, shift.end), self._zone)
            yield ShiftSpan(day.isoformat(), shift.name, start_ns, end_ns)


def _instant_ns(wall: datetime, zone: tzinfo) -> int:
    """When a clock in `zone` first shows `wall`, or leaps over it."""
    early = round(wall.replace(tzinfo=zone, fold=0).timestamp())
    late = round(wall.replace(tzinfo=zone, fold=1).timestamp())
    if early <= late:  # the usual; or it is shown twice, and the first time counts
        return early * _S_NS
    # It is never shown: the clock leaps between the two.
    low, high = late, early
    before = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        same = datetime.fromtimestamp(middle, zone).utcoffset() == before
        low, high = (middle, high) if same else (low, middle)
    return high * _S_NS
