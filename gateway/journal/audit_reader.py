"""The audit log of a journal that a gateway may hold: only read, and verified as a whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from gateway.journal.audit import (
    AuditEntry,
    Fault,
    Finding,
    StoredEntry,
    Verification,
    verify,
)
from gateway.journal.audit_mark import read_mark
from gateway.journal.audit_store import SELECT, newest_intact, read_entries
from gateway.journal.gaps import Gap
from gateway.journal.sqlite import (
    AUDIT_SINCE,
    DATABASE_FILE,
    JournalError,
    epoch_of,
    explain,
    is_damage,
    open_read_only,
    rows_between,
)

#: Rows taken into memory at a time: 16 MB where each is as large as an entry may be.
PAGE_ROWS: Final = 256

#: SQLite's smallest number: a row that someone gave such a one is seen as well.
_NUMBER_LEAST: Final = -(1 << 63)


class AuditReader:
    """Made by `open`, closed by `with`."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, *, has_log: bool) -> None:
        self._file = folder / DATABASE_FILE
        self._connection = connection
        self._has_log = has_log
        self._epoch = epoch_of(connection, self._file)
        # Before any row: what a gateway stores in between only lies beyond the mark.
        self._mark = read_mark(folder, self._epoch)
        self._unread: list[Finding] = []

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens the journal in `folder`, whether a gateway runs or not; changes nothing there.

        Raises:
            JournalError: there is none, it can't be read, or a newer lamproom wrote it.
        """
        connection, version = open_read_only(folder / DATABASE_FILE)
        try:
            return cls(folder, connection, has_log=version >= AUDIT_SINCE)
        except JournalError:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def verify(self) -> tuple[Verification, list[Finding]]:
        """Looks at every row; what was seen, and all that is wrong.

        Raises:
            JournalError: the database can't be read.
        """
        self._unread.clear()
        verification = verify(self._rows(), self._epoch, self._mark)
        return verification, verification.end() + self._unread

    def last_sequence(self) -> int:
        """The newest entry that was ever stored. Raises JournalError."""
        marked = self._marked
        if not self._has_log:
            return marked
        try:
            stored = newest_intact(self._connection)
        except sqlite3.Error as error:
            self._raise_unless_damaged(error)
            return marked
        return max(marked, stored.sequence if stored else 0)

    def read(self, first: int, last: int) -> Iterator[AuditEntry | Gap]:
        """Entries `first` to `last`; each sequence is in exactly one entry or gap.

        Raises:
            JournalError: the database can't be read.
        """
        for begin in range(first, last + 1, PAGE_ROWS):
            end = min(begin + PAGE_ROWS - 1, last)
            if self._has_log:
                try:
                    entries = read_entries(self._connection, begin, end)
                except sqlite3.Error as error:
                    raise explain(error, self._file, "reading") from error
                yield from entries

    @property
    def _marked(self) -> int:
        return self._mark.sequence if self._mark else 0

    def _rows(self) -> Iterator[StoredEntry]:
        """All rows that can be read, by ascending sequence."""
        query = f"{SELECT} WHERE sequence >= ? ORDER BY sequence LIMIT {PAGE_ROWS}"
        following = _NUMBER_LEAST
        while self._has_log:
            try:
                rows = self._connection.execute(query, (following,)).fetchall()
            except sqlite3.Error as error:
                self._raise_unless_damaged(error)
                following = max(following, 1)
                last = following + PAGE_ROWS - 1
                try:
                    found = rows_between(self._connection, SELECT, following, last)
                except sqlite3.Error as unread:
                    raise explain(unread, self._file, "reading") from unread
                rows = [found[number] for number in sorted(found)]
                if not rows and following > self._marked:
                    self._unread.append(_unreadable(following))
                    return
                following = last + 1
            else:
                if not rows:
                    return
                following = rows[-1][0] + 1
            yield from (StoredEntry(*row) for row in rows)

    def _raise_unless_damaged(self, error: sqlite3.Error) -> None:
        if not is_damage(error):
            raise explain(error, self._file, "reading") from error


def _unreadable(first: int) -> Finding:
    text = f"audit entries from {first} on, if there are any, can't be read: the disk has damage"
    return Finding(Fault.CHANGED, first, first, text)
