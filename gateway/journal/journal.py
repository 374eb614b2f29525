"""The journal: every event, in order, the core's state and what operators did, before it is told.

Each record carries its own CRC-32, because SQLite does not notice a flipped bit. A record that is
damaged or missing is told as a gap and never served.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import structlog

from gateway.journal.audit import AuditEntry, Head
from gateway.journal.audit_store import AuditStore, read_entries
from gateway.journal.consumers import ConsumerStore, Place
from gateway.journal.disk import sync_folder
from gateway.journal.gaps import DAMAGED, MISSING, NOT_KEPT, Gap, told
from gateway.journal.guard import Guard
from gateway.journal.kept_state import KeptState
from gateway.journal.place import identity_of, make_folder
from gateway.journal.readers import READERS, Readers
from gateway.journal.records import SELECT_EVENTS, EventRow, Record, Rows
from gateway.journal.rescue import rescue
from gateway.journal.sqlite import (
    DATABASE_FILE,
    JournalError,
    epoch_of,
    explain,
    open_writer,
    rows_between,
    transaction,
)

__all__ = ["DAMAGED", "MISSING", "READERS", "Gap", "Journal", "JournalError", "Record"]

#: A disk that takes longer to end what it does is dead; the process's end closes all.
CLOSE_MOST_S: Final = 10.0
#: SQLite's own, of every journal.
PAGE_BYTES: Final = 4096

log = structlog.get_logger(__name__)


class Journal:
    """One folder with one journal, held by one gateway. Made by `open`.

    All methods block; they may be called from any thread, those that write from one at a time.
    """

    def __init__(self, folder: Path, guard: Guard, writer: sqlite3.Connection) -> None:
        #: Where all its files are.
        self.folder: Final = folder
        self._file = folder / DATABASE_FILE
        self._guard = guard
        self._writer = writer
        self._writing = threading.Lock()
        self._readers = Readers(self._file)
        self._closed = self._suspect = False
        #: A random number of 64 bits, given when the journal was made: tells journals apart.
        self.epoch: Final = epoch_of(writer, self._file)
        self._rows = Rows(self.epoch)
        self._kept = KeptState(self._rows)
        damage: list[str] = []
        try:
            self._gaps, self._first = self._rows.first(writer, damage)
            marked, changes = guard.newest(self.epoch)
            self._last = self._find_last(marked, damage)
            self._state = self._kept.read(writer, changes, damage)
            #: How far each consumer is.
            self.consumers: Final = ConsumerStore(self.epoch, writer, damage)
        except sqlite3.Error as error:
            raise explain(error, self._file, "reading") from error
        self._audit = AuditStore(folder, self.epoch, writer, damage)
        self._identity = identity_of(folder)
        #: What was found to be lost when the journal was opened, a sentence each.
        self.damage: Final = tuple(damage)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens the journal in `folder`; makes both where they are not there.

        Raises:
            JournalError: another gateway has it, it can't be written, it is no journal, or a newer
                lamproom wrote it.
        """
        with ExitStack() as undo:
            make_folder(folder)
            guard = Guard(folder)
            undo.callback(guard.close)
            writer = open_writer(folder / DATABASE_FILE)
            undo.callback(writer.close)
            journal = cls(folder, guard, writer)
            sync_folder(folder)
            journal._readers.open()
            undo.pop_all()
        for sentence in journal.damage:
            log.error("journal is damaged", folder=str(folder), what=sentence)
        return journal

    @property
    def file(self) -> Path:
        """The database; its log is beside it."""
        return self._file

    @property
    def first_sequence(self) -> int:
        """The oldest event that is kept, or was never dropped; 1 where nothing was."""
        return self._first

    @property
    def last_sequence(self) -> int:
        """The newest event that was ever stored; 0 where there is none."""
        return self._last

    @property
    def last_audit(self) -> Head:
        """The newest entry of the audit log that was ever stored: sequence (0: none) and digest."""
        return self._audit.head

    def append(
        self,
        events: Sequence[EventRow],
        state: Mapping[str, bytes | None],
        audit: Sequence[AuditEntry] = (),
        *,
        hole: str = "",
    ) -> None:
        """Stores events (sequence, record time in ns, payload), state and audit, all or nothing.

        They are on the disk when this returns. A state of None forgets the key. With `hole`, a
        reason, the first event may leave numbers out after the newest one: a gap for ever.

        Raises:
            ValueError: the sequences do not go on from `last_sequence` and `last_audit`, or an
                entry of the audit log has no canonical form.
            JournalError: it could not be stored. Where the error is `passing`, nothing was and it
                may be tried again; after any other one `reopen` comes first, and tells what was.
        """
        if not events and not state and not audit:
            return
        with self._writing:
            gap = self._hole(events, hole)
            for expected, (sequence, _, _) in enumerate(events, gap.last_sequence + 1):
                if sequence != expected:
                    msg = f"event {sequence} does not follow: {expected} is the next"
                    raise ValueError(msg)
            acts = self._audit.chained(audit)
            missing = gap.first_sequence <= gap.last_sequence
            with self._transaction("writing to") as write:
                if missing:
                    self._rows.store_gap(write, gap)
                self._rows.store_events(write, events)
                self._kept.store(write, state)
                self._audit.store(write, acts)
            self._kept.committed()
            if missing:
                self._gaps = [*self._gaps, gap]
            if events:
                self._last = events[-1][0]
            self._guard.write(self.epoch, self._last, self._kept.changes)
            self._audit.committed(acts)

    def _hole(self, events: Sequence[EventRow], reason: str) -> Gap:
        """What is left out before `events`: nothing where its last number is before its first."""
        last = events[0][0] - 1 if events and reason else self._last
        return Gap(self._last + 1, max(last, self._last), reason)

    def drop(self, count: int, until: int) -> int:
        """Drops the oldest events, at most `count`, none beyond `until`; returns how many.

        The newest of all stays: it tells when the gateway ran last.

        Raises:
            JournalError: as `append` does.
        """
        with self._writing:
            last = min(self._first + count - 1, until, self._last - 1)
            if last < self._first:
                return 0
            gap = Gap(1, last, NOT_KEPT)
            with self._transaction("dropping old events from") as write:
                write.execute("DELETE FROM event WHERE sequence <= ?", (last,))
                write.execute("DELETE FROM gap WHERE last <= ?", (last,))
                self._rows.store_gap(write, gap)
            dropped = last + 1 - self._first
            self._gaps = [gap, *(one for one in self._gaps if one.last_sequence > last)]
            self._first = last + 1
            return dropped

    def store_places(self, changes: Mapping[str, Place | None]) -> None:
        """Stores consumers' places, all or none; None forgets one. They are then on the disk.

        Raises:
            JournalError: as `append` does.
        """
        with self._writing:
            if self._closed:
                msg = f"writing to {self._file}: the journal is closed"
                raise JournalError(msg)
            with self._transaction("writing to") as write:
                self.consumers.store(write, changes)
            self.consumers.committed(changes)

    @contextmanager
    def _transaction(self, doing: str) -> Iterator[sqlite3.Connection]:
        """After an error that is not passing whoever writes next has to `reopen` first."""
        if self._suspect:
            raise JournalError(f"{doing} {self._file}: after an error it has to be opened anew")
        try:
            with transaction(self._writer, self._file, doing) as write:
                yield write
        except JournalError as error:
            self._suspect = not error.passing
            raise

    def read(self, first: int, limit: int) -> list[Record | Gap]:
        """Events `first` to `first + limit - 1`, as far as there are any, in order.

        Every sequence of that stretch is in exactly one record or gap. What was dropped is one
        gap, however long it is.

        Raises:
            JournalError: the journal can't be read at all.
        """
        first = max(first, 1)
        last = min(first + limit - 1, self._last)
        if first > last:
            return []
        if first < (kept_from := self._first):
            return [Gap(first, kept_from - 1, NOT_KEPT)]
        with self._readers.one() as reader:
            found = rows_between(reader, SELECT_EVENTS, first, last)
        return list(told(found, first, last, self._rows.record, self._gaps))

    def read_audit(self, first: int, limit: int) -> list[AuditEntry | Gap]:
        """Entries `first` to `first + limit - 1` of the audit log, as far as there are any.

        Every sequence of that stretch is in exactly one entry or gap. Each entry is checked by
        itself; whether all are there and in their places, `verify` tells.

        Raises:
            JournalError: the journal can't be read at all.
        """
        first = max(first, 1)
        last = min(first + limit - 1, self._audit.head.sequence)
        if first > last:
            return []
        with self._readers.one() as reader:
            return read_entries(reader, first, last)

    def times(self, count: int) -> list[tuple[int, int]]:
        """Sequence and record time (ns) of some `count` events, spread over all that are kept.

        Raises:
            JournalError: the journal can't be read.
        """
        step = max((self._last - self._first) // max(count - 1, 1), 1)
        picked = [*range(self._first, self._last, step), self._last]
        query = f"{SELECT_EVENTS} WHERE sequence = ?"
        with self._readers.one() as reader:
            rows = [reader.execute(query, (number,)).fetchone() for number in picked]
        return [(row[0], row[1]) for row in rows if row and self._rows.intact(row)]

    def load_state(self) -> dict[str, bytes]:
        """The core's state as it was when the journal was opened; damaged keys are left out."""
        return dict(self._state)

    def reopen(self) -> None:
        """Opens the database anew for writing, and takes up what is really there.

        After a failed `fsync` the system's cache may hold what the disk does not: so all that the
        log holds is written into the database once more before it is believed.

        Raises:
            JournalError: it can't be had, or another journal is in its place.
        """
        with self._writing:
            with suppress(sqlite3.Error):
                self._writer.close()
            self._writer = writer = open_writer(self._file)
            try:
                if epoch_of(writer, self._file) != self.epoch:
                    msg = f"{self._file}: another journal is in its place; move that one away"
                    raise JournalError(msg)
                self._take_up(writer)
            except sqlite3.Error as error:
                raise explain(error, self._file, "opening") from error
            self._identity = identity_of(self.folder)
            self._suspect = False

    def _take_up(self, writer: sqlite3.Connection) -> None:
        (busy, _, _) = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            msg = f"opening {self._file}: another program holds it; end that program (a backup?)"
            raise JournalError(msg, passing=True)
        row = writer.execute(f"{SELECT_EVENTS} ORDER BY sequence DESC LIMIT 1").fetchone()
        if row and row[0] > self._last and self._rows.intact(row):
            self._last = row[0]
        self._kept.read(writer, 0, [])
        self._guard.write(self.epoch, self._last, self._kept.changes)
        self._gaps, self._first = self._rows.first(writer, [])
        self._audit.read_back(writer)

    def rescue(self) -> None:
        """Makes the files anew under their names from what is still open, and goes on in them.

        For a journal whose files were deleted: what is open can be read until it is closed.

        Raises:
            JournalError: that can't be done now; it may be tried again.
        """
        with self._writing:
            make_folder(self.folder)
            self._guard.renew()
            try:
                ours = identity_of(self.folder)[0] == self._identity[0]
                rescue(self._writer, self._file, ours=ours)
            except (sqlite3.Error, OSError) as error:
                msg = f"making {self._file} anew: {error}; check the folder and its disk"
                raise JournalError(msg) from error
            self._guard.write(self.epoch, self._last, self._kept.changes)
            self._audit.mark()
        self.reopen()
        self._readers.open_again()

    def is_in_place(self) -> bool:
        """Whether its files still have their names. Raises JournalError: that can't be told."""
        try:
            return identity_of(self.folder) == self._identity
        except OSError as error:
            msg = f"looking at {self.folder}: {error.strerror}; check the disk"
            raise JournalError(msg) from error

    def checkpoint(self) -> None:
        """Moves what is in the log into the database, so that a commit need not.

        Raises:
            JournalError: the disk does not take it.
        """
        with self._writing:
            self._pragma("wal_checkpoint(PASSIVE)")

    def used_bytes(self) -> int:
        """How much of the database is in use: without what dropped events have left free."""
        with self._writing:
            return (self._pragma("page_count") - self._pragma("freelist_count")) * PAGE_BYTES

    def give_back(self, pages: int, free_most: int) -> None:
        """Gives so many pages back to the disk, where more than `free_most` are free.

        Raises:
            JournalError: the disk does not take it.
        """
        with self._writing:
            if self._pragma("freelist_count") <= free_most:
                return
            try:
                # As a script: it is stepped to its end, which is a step for each page.
                self._writer.executescript(f"PRAGMA incremental_vacuum({pages})")
            except sqlite3.Error as error:
                raise explain(error, self._file, "writing to") from error

    def _pragma(self, pragma: str) -> int:
        try:
            rows = self._writer.execute(f"PRAGMA {pragma}").fetchall()
        except sqlite3.Error as error:
            raise explain(error, self._file, "writing to") from error
        return int(rows[0][0]) if rows else 0

    def close(self) -> None:
        """Ends all use of the folder. May be called twice."""
        if not self._writing.acquire(timeout=CLOSE_MOST_S):
            log.error("the disk does not answer: the journal is left open", file=str(self._file))
            return
        try:
            if not self._closed:
                self._closed = True
                self._readers.close()
                with suppress(sqlite3.Error):
                    self._writer.close()
                self._guard.close()
        finally:
            self._writing.release()

    def _find_last(self, marked: int, damage: list[str]) -> int:
        """The newest event: what the database and the guard's file say together."""
        query = f"{SELECT_EVENTS} ORDER BY sequence DESC LIMIT 1"
        row = self._writer.execute(query).fetchone()
        stored = row[0] if row else self._first - 1
        if marked and row and not self._rows.intact(row):
            # Its number may be what is damaged: only the mark can be believed.
            stored = min(stored, marked)
        if stored < marked:
            damage.append(f"events {stored + 1} to {marked} were stored and are lost")
        return max(stored, marked)
