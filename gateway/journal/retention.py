"""Which events are no longer kept, and their dropping in small parts beside all else.

One large `DELETE` would hold up the writer for half a second: so a few rows at a time, and only
while nothing waits to be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from gateway.journal.journal import Journal

#: Of 24 hours: events know no calendar.
DAY_NS: Final = 86_400_000_000_000

#: Rows of one transaction.
ROWS_MOST: Final = 50
#: Pages of 4 kB that are given back to the disk at a time, of those beyond what may be left free:
#: new events take these.
PAGES_MOST: Final = 64
FREE_MOST: Final = 1024
#: How long the writer rests after each part, and until it is looked again what is too old.
PACE_S: Final = 0.05
AGAIN_S: Final = 600.0
#: Events whose times are looked at: of a year, three a day.
SAMPLES: Final = 1000
#: Between two events next to one another no gateway was away for longer; a clock may have been set.
AWAY_MOST_NS: Final = 30 * DAY_NS
#: A clock that was set back by no more than this is still the same clock.
BACK_MOST_NS: Final = DAY_NS

#: The oldest event that someone still needs; None: nobody does.
Needed = Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class Keep:
    """For how long, and up to how many bytes, events are kept; None: any number."""

    days: int
    most_bytes: int | None = None


def old_until(samples: Sequence[tuple[int, int]], now_ns: int, keep_ns: int) -> int:
    """Up to which event all are older than `keep_ns`; 0: none is.

    `samples` are sequences and record times (ns), in order. A clock in 1970, or years ahead, must
    drop nothing: where the time leaps between two of them, those before count as recorded with the
    one after; where now is not soon after the newest, nothing is old.
    """
    if not samples or _leaps(samples[-1][1], now_ns):
        return 0
    leaps = (n for n, (one, other) in enumerate(pairwise(samples)) if _leaps(one[1], other[1]))
    steady = samples[max(leaps, default=-1) + 1 :]
    if steady[0][1] >= now_ns - keep_ns:
        return 0
    return max(sequence for sequence, t_ns in steady if t_ns < now_ns - keep_ns)


def _leaps(t_ns: int, next_ns: int) -> bool:
    return not -BACK_MOST_NS <= next_ns - t_ns <= AWAY_MOST_NS


class Retention:
    """Drops old events of one journal; all of it in the journal's writing thread."""

    def __init__(self, journal: Journal, keep: Keep, needed: Needed) -> None:
        self._journal = journal
        self._needed = needed
        self._keep = keep
        self._until = 0

    def use(self, keep: Keep) -> None:
        """Keeps events by another configuration from now on."""
        self._keep = keep

    def look(self, now_ns: int) -> float:
        """Finds out what is too old; how long until the first part, seconds.

        Raises:
            JournalError: the journal can't be read.
        """
        samples = self._journal.times(SAMPLES)
        self._until = old_until(samples, now_ns, self._keep.days * DAY_NS)
        return PACE_S

    def part(self) -> float:
        """Drops a part of what is too old or too much; how long until the next, seconds.

        Raises:
            JournalError: the disk does not take it.
        """
        journal = self._journal
        needed = self._needed()
        most = journal.last_sequence if needed is None else needed - 1
        dropped = journal.drop(ROWS_MOST, min(self._until, most))
        most_bytes = self._keep.most_bytes
        if not dropped and most_bytes is not None and journal.used_bytes() > most_bytes:
            dropped = journal.drop(ROWS_MOST, most)
        if not dropped:
            return AGAIN_S
        journal.give_back(PAGES_MOST, FREE_MOST)
        return PACE_S
