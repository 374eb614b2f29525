"""The audit log in the journal's database: goes on where it ended, and tells what it has lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.journal.audit import (
    AuditEntry,
    Fault,
    Head,
    StoredEntry,
    Verification,
    chain,
    origin,
)
from gateway.journal.audit_mark import read_mark, write_mark
from gateway.journal.gaps import Gap, told
from gateway.journal.sqlite import DATABASE_FILE, explain, is_damage, rows_between

SELECT: Final = "SELECT sequence, entry, previous, digest FROM audit"


class AuditStore:
    """The log of the journal that holds `folder`. Writes by the journal's own connection."""

    def __init__(
        self, folder: Path, epoch: int, writer: sqlite3.Connection, damage: list[str]
    ) -> None:
        """Finds where the log ends; adds to `damage` what is wrong there, a sentence each.

        Raises:
            JournalError: it can't be told where the log ends.
        """
        self._folder = folder
        self._epoch = epoch
        mark = read_mark(folder, epoch)
        self._head = self._find_head(writer, mark, damage)
        if self._head != mark:
            write_mark(folder, epoch, self._head)

    @property
    def head(self) -> Head:
        """The newest entry that was ever stored."""
        return self._head

    def chained(self, entries: Sequence[AuditEntry]) -> list[StoredEntry]:
        """The rows of the next entries. Raises ValueError where they are not the next."""
        return chain(self._head, entries)

    def store(self, write: sqlite3.Connection, rows: Sequence[StoredEntry]) -> None:
        """Writes `rows` within the transaction of `write`."""
        # "OR REPLACE": what lies beyond the last entry can only be a row whose number is damaged.
        write.executemany(
            "INSERT OR REPLACE INTO audit (sequence, entry, previous, digest) VALUES (?, ?, ?, ?)",
            [(row.sequence, row.raw, row.previous, row.digest) for row in rows],
        )

    def committed(self, rows: Sequence[StoredEntry]) -> None:
        """Goes on after `rows`, whose transaction has ended."""
        if rows:
            self._head = Head(rows[-1].sequence, rows[-1].digest)
            write_mark(self._folder, self._epoch, self._head)

    def read_back(self, read: sqlite3.Connection) -> None:
        """Takes up what is stored beyond what is known: a transaction whose end was not heard of.

        Raises sqlite3.Error.
        """
        found = newest_intact(read)
        if found and found.sequence > self._head.sequence:
            self._head = found
            write_mark(self._folder, self._epoch, found)

    def mark(self) -> None:
        """Writes the mark anew, where the folder is another one."""
        write_mark(self._folder, self._epoch, self._head)

    def _find_head(self, writer: sqlite3.Connection, mark: Head | None, damage: list[str]) -> Head:
        try:
            return _end_of(writer, self._epoch, mark, damage)
        except sqlite3.Error as error:
            found = explain(error, self._folder / DATABASE_FILE, "reading the audit log in")
            # People are located without it as well, so it does not keep the gateway from starting.
            if mark is None or not is_damage(error):
                raise found from error
            damage.append(str(found))
            return mark


def _end_of(
    connection: sqlite3.Connection, epoch: int, mark: Head | None, damage: list[str]
) -> Head:
    """What the next entry is chained to: what the database and the mark say together."""
    stored = newest_intact(connection) or origin(epoch)
    first = max(min(stored.sequence, mark.sequence if mark else stored.sequence), 1)
    tail = Verification(origin(epoch) if first == 1 else None, mark, first)
    with closing(connection.execute(f"{SELECT} WHERE sequence >= ? ORDER BY 1", (first,))) as rows:
        for row in rows:
            tail.take(StoredEntry(*row))
    findings = tail.end()
    damage += [finding.text for finding in findings]
    head = stored
    if mark and mark.sequence >= stored.sequence:
        head = mark
    elif mark and any(finding.fault is Fault.FOREIGN for finding in findings):
        # Never chained to what was put in: it is for ever to be seen that something was.
        head = Head(stored.sequence, mark.digest)
    # A damaged row that is the very next has its number of right: it is not given again.
    query = "SELECT digest FROM audit WHERE sequence = ?"
    while row := connection.execute(query, (head.sequence + 1,)).fetchone():
        head = Head(head.sequence + 1, head.digest)
    return head


def newest_intact(connection: sqlite3.Connection) -> Head | None:
    """The newest row that is whole. Raises sqlite3.Error."""
    with closing(connection.execute(f"{SELECT} ORDER BY sequence DESC")) as rows:
        for row in rows:
            stored = StoredEntry(*row)
            if stored.intact():
                return Head(stored.sequence, stored.digest)
    return None


def read_entries(connection: sqlite3.Connection, first: int, last: int) -> list[AuditEntry | Gap]:
    """Entries `first` to `last`; each sequence is in exactly one entry or gap."""
    found = rows_between(connection, SELECT, first, last)
    return list(told(found, first, last, lambda row: StoredEntry(*row).intact()))
