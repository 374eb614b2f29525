"""The journal: every event, in order, the core's state and what operators did, before it is told.

Each record carries its own CRC-32, because SQLite does not notice a flipped bit. A record that is
damaged or missing is told as a gap and never served.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import structlog

from gateway.journal.audit import AuditEntry, Head
from gateway.journal.audit_store import AuditStore, read_entries
from gateway.journal.consumers import ConsumerStore, Place
from gateway.journal.gaps import DAMAGED, MISSING, Gap, told
from gateway.journal.guard import Guard
from gateway.journal.sqlite import (
    DATABASE_FILE,
    JournalError,
    epoch_of,
    explain,
    open_reader,
    open_writer,
    rows_between,
)

__all__ = ["DAMAGED", "MISSING", "READERS", "Gap", "Journal", "JournalError", "Record"]

#: As many as there are threads that read for slow clients; each holds a page cache of 2 MB.
READERS: Final = 2
#: Reads are short; one that has to wait this long for another to end means a dead disk.
READER_WAIT_S: Final = 30.0

_HEADER: Final = struct.Struct(">QQq")
_SELECT: Final = "SELECT sequence, record_t_ns, crc32, payload FROM event"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """One stored event; `payload` is the bytes that were given to `append`."""

    sequence: int
    payload: bytes


class Journal:
    """One folder with one journal, held by one gateway. Made by `open`.

    `append` and `read` block; they may be called from any thread, `append` from one at a time.
    """

    def __init__(self, folder: Path, guard: Guard, writer: sqlite3.Connection) -> None:
        #: Where all its files are.
        self.folder: Final = folder
        self._file = folder / DATABASE_FILE
        self._guard = guard
        self._writer = writer
        self._writing = threading.Lock()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._closed = False
        #: A random number of 64 bits, given when the journal was made: tells journals apart.
        self.epoch: Final = epoch_of(writer, self._file)
        damage: list[str] = []
        self._last = self._find_last(damage)
        self._state = self._read_state(damage)
        self._audit = AuditStore(folder, self.epoch, writer, damage)
        try:
            #: How far each consumer is.
            self.consumers: Final = ConsumerStore(self.epoch, writer, damage)
        except sqlite3.Error as error:
            raise explain(error, self._file, "reading the consumers' places in") from error
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
            try:
                # Where people were is nobody else's business.
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            except OSError as error:
                msg = f"{folder}: can't be made ({error.strerror}); choose a folder for the journal"
                raise JournalError(msg) from error
            guard = Guard(folder)
            undo.callback(guard.close)
            writer = open_writer(folder / DATABASE_FILE)
            undo.callback(writer.close)
            journal = cls(folder, guard, writer)
            _sync_folder(folder)
            for _ in range(READERS):
                reader = open_reader(folder / DATABASE_FILE)
                undo.callback(reader.close)
                journal._readers.put(reader)
            undo.pop_all()
        for sentence in journal.damage:
            log.error("journal is damaged", folder=str(folder), what=sentence)
        return journal

    @property
    def first_sequence(self) -> int:
        """The oldest event that is kept: nothing is dropped, so it is 1."""
        return 1

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
        events: Sequence[tuple[int, int, bytes]],
        state: Mapping[str, bytes | None],
        audit: Sequence[AuditEntry] = (),
    ) -> None:
        """Stores events (sequence, record time in ns, payload), state and audit, all or nothing.

        They are on the disk when this returns. A state of None forgets the key.

        Raises:
            ValueError: the sequences do not go on from `last_sequence` and `last_audit`, or an
                entry of the audit log has no canonical form.
            JournalError: it could not be stored; nothing was, and it may be tried again.
        """
        if not events and not state and not audit:
            return
        with self._writing:
            for expected, (sequence, _, _) in enumerate(events, self._last + 1):
                if sequence != expected:
                    msg = f"event {sequence} does not follow: {expected} is the next"
                    raise ValueError(msg)
            acts = self._audit.chained(audit)
            try:
                with self._transaction() as write:
                    self._store(write, events, state)
                    self._audit.store(write, acts)
            except sqlite3.Error as error:
                raise explain(error, self._file, "writing to") from error
            if events:
                self._last += len(events)
                self._guard.write(self.epoch, self._last)
            self._audit.committed(acts)

    def store_places(self, changes: Mapping[str, Place | None]) -> None:
        """Stores consumers' places, all or none; None forgets one. They are then on the disk.

        Raises:
            JournalError: they could not be stored; none was, and it may be tried again.
        """
        with self._writing:
            if self._closed:
                msg = f"writing to {self._file}: the journal is closed"
                raise JournalError(msg)
            try:
                with self._transaction() as write:
                    self.consumers.store(write, changes)
            except sqlite3.Error as error:
                raise explain(error, self._file, "writing to") from error
            self.consumers.committed(changes)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
            self._writer.execute("COMMIT")
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def _store(
        self,
        write: sqlite3.Connection,
        events: Sequence[tuple[int, int, bytes]],
        state: Mapping[str, bytes | None],
    ) -> None:
        # "OR REPLACE": what lies beyond the last event can only be a damaged record.
        write.executemany(
            "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?)",
            [(n, t_ns, self._crc(n, t_ns, payload), payload) for n, t_ns, payload in events],
        )
        write.executemany(
            "INSERT OR REPLACE INTO state VALUES (?, ?, ?)",
            [(k, self._state_crc(k, v), v) for k, v in state.items() if v is not None],
        )
        write.executemany(
            "DELETE FROM state WHERE key = ?", [(k,) for k, v in state.items() if v is None]
        )

    def read(self, first: int, limit: int) -> list[Record | Gap]:
        """Events `first` to `first + limit - 1`, as far as there are any, in order.

        Every sequence of that stretch is in exactly one record or gap.

        Raises:
            JournalError: the journal can't be read at all.
        """
        first = max(first, self.first_sequence)
        last = min(first + limit - 1, self._last)
        if first > last:
            return []
        with self._reader() as reader:
            found = rows_between(reader, _SELECT, first, last)
        return list(told(found, first, last, self._record))

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
        with self._reader() as reader:
            return read_entries(reader, first, last)

    def load_state(self) -> dict[str, bytes]:
        """The core's state as it was when the journal was opened; damaged keys are left out."""
        return dict(self._state)

    def close(self) -> None:
        """Ends all use of the folder. May be called twice."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
            with suppress(queue.Empty):
                for _ in range(READERS):
                    self._readers.get(timeout=READER_WAIT_S).close()
            self._writer.close()
            self._guard.close()

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            msg = f"reading {self._file}: the journal is closed"
            raise JournalError(msg)
        try:
            reader = self._readers.get(timeout=READER_WAIT_S)
        except queue.Empty:
            msg = f"reading {self._file}: the disk does not answer; check it and the system log"
            raise JournalError(msg) from None
        try:
            yield reader
        finally:
            self._readers.put(reader)

    def _record(self, row: Any) -> Record | None:
        return Record(row[0], row[3]) if self._intact(row) else None

    def _intact(self, row: Any) -> bool:
        sequence, record_t_ns, crc, payload = row
        if not isinstance(record_t_ns, int) or not isinstance(payload, bytes):
            return False
        return bool(crc == self._crc(sequence, record_t_ns, payload))

    def _crc(self, sequence: int, record_t_ns: int, payload: bytes) -> int:
        return zlib.crc32(payload, zlib.crc32(_HEADER.pack(self.epoch, sequence, record_t_ns)))

    def _state_crc(self, key: str, value: bytes) -> int:
        return zlib.crc32(value, zlib.crc32(key.encode() + b"\0" + self.epoch.to_bytes(8, "big")))

    def _find_last(self, damage: list[str]) -> int:
        """The newest event: what the database and the guard's file say together."""
        try:
            row = self._writer.execute(f"{_SELECT} ORDER BY sequence DESC LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise explain(error, self._file, "reading") from error
        stored = row[0] if row else 0
        marked = self._guard.newest(self.epoch)
        if marked and row and not self._intact(row):
            # Its number may be what is damaged: only the mark can be believed.
            stored = min(stored, marked)
        if stored < marked:
            damage.append(f"events {stored + 1} to {marked} were stored and are lost")
        return max(stored, marked)

    def _read_state(self, damage: list[str]) -> dict[str, bytes]:
        try:
            rows = self._writer.execute("SELECT key, crc32, value FROM state").fetchall()
        except sqlite3.Error as error:
            raise explain(error, self._file, "reading the state in") from error
        state = {}
        for key, crc, value in rows:
            whole = isinstance(value, bytes) and isinstance(key, str)
            if whole and crc == self._state_crc(key, value):
                state[key] = value
            else:
                damage.append(f"the state of {key!r} is damaged and left out")
        return state


def _sync_folder(folder: Path) -> None:
    """Makes the names of new files durable; SQLite does so for its own log only."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
