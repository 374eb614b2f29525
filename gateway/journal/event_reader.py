"""The events and the state of a journal that a gateway may hold: read, and looked at whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from gateway.journal.consumers import ConsumerStore
from gateway.journal.gaps import NOT_KEPT, UNSTORED, Gap, told
from gateway.journal.guard import newest_marked
from gateway.journal.kept_state import KeptState
from gateway.journal.records import SELECT_EVENTS, Record, Rows
from gateway.journal.sqlite import (
    DATABASE_FILE,
    GAPS_SINCE,
    JournalError,
    epoch_of,
    explain,
    is_damage,
    open_read_only,
    rows_between,
)

#: Events taken into memory at a time: some 100 kB.
PAGE_ROWS: Final = 500
#: Of gaps that are as they should be.
_BY_INTENT: Final = (NOT_KEPT, UNSTORED)


class EventReader:
    """Made by `open`, closed by `with`."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, *, is_current: bool) -> None:
        self._file = folder / DATABASE_FILE
        self._connection = connection
        self._is_current = is_current
        self.epoch: Final = epoch_of(connection, self._file)
        self._rows = Rows(self.epoch)
        # Before any row: what a gateway stores in between only lies beyond the mark.
        marked, self._changes = newest_marked(folder, self.epoch)
        #: What is wrong apart from the events themselves, a sentence each.
        self.damage: list[str] = []
        try:
            self._gaps, self._first = (
                self._rows.first(connection, self.damage) if is_current else ([], 1)
            )
            self._last = max(marked, self._newest())
        except sqlite3.Error as error:
            raise explain(error, self._file, "reading") from error

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens the journal in `folder`, whether a gateway runs or not; changes nothing there.

        Raises:
            JournalError: there is none, it can't be read, or a newer lamproom wrote it.
        """
        connection, version = open_read_only(folder / DATABASE_FILE)
        try:
            return cls(folder, connection, is_current=version >= GAPS_SINCE)
        except JournalError:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def first_sequence(self) -> int:
        """The oldest event that is kept, or was never dropped; 1 where nothing was."""
        return self._first

    @property
    def last_sequence(self) -> int:
        """The newest event that was stored when this was opened; 0 where there is none."""
        return self._last

    def read(self, first: int, last: int) -> Iterator[Record | Gap]:
        """Events `first` to `last`, as far as there are any, in order.

        Every sequence is in exactly one record or gap; what was dropped is one gap.

        Raises:
            JournalError: the journal can't be read at all.
        """
        last = min(last, self._last)
        if first < self._first <= last:
            yield Gap(first, self._first - 1, NOT_KEPT)
        gap: Gap | None = None
        for begin in range(max(first, self._first), last + 1, PAGE_ROWS):
            end = min(begin + PAGE_ROWS - 1, last)
            try:
                found = rows_between(self._connection, SELECT_EVENTS, begin, end)
            except sqlite3.Error as error:
                raise explain(error, self._file, "reading") from error
            for item in told(found, begin, end, self._rows.record, self._gaps):
                if isinstance(item, Gap):
                    # One that goes over the border of two pages is one all the same.
                    joined = gap is not None and gap.reason == item.reason
                    if gap and not joined:
                        yield gap
                    start = gap.first_sequence if gap and joined else item.first_sequence
                    gap = Gap(start, item.last_sequence, item.reason)
                    continue
                if gap:
                    yield gap
                    gap = None
                yield item
        if gap:
            yield gap

    def verify(self) -> Iterator[str]:
        """A sentence for each event, key of the state or consumer that is damaged or lost.

        Raises:
            JournalError: the journal can't be read at all.
        """
        yield from self.damage
        damaged: list[str] = []
        try:
            KeptState(self._rows).read(self._connection, self._changes, damaged)
            if self._is_current:
                ConsumerStore(self.epoch, self._connection, damaged)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise explain(error, self._file, "reading the state in") from error
            damaged.append("the state can't be read: the disk has damage")
        yield from damaged
        for item in self.read(self._first, self._last):
            if isinstance(item, Gap) and item.reason not in _BY_INTENT:
                yield f"{named(item)}: {item.reason}"

    def _newest(self) -> int:
        query = f"{SELECT_EVENTS} ORDER BY sequence DESC LIMIT 1"
        row = self._connection.execute(query).fetchone()
        return row[0] if row and self._rows.intact(row) else 0


def named(gap: Gap) -> str:
    """Which events a gap is about."""
    if gap.first_sequence == gap.last_sequence:
        return f"event {gap.first_sequence}"
    return f"events {gap.first_sequence} to {gap.last_sequence}"
