"""The database under the journal: its schema, how it is opened, and its errors in plain words.

One table of events and one of the core's state, so that both change in one transaction. WAL with
`synchronous=FULL`: a commit that has returned is on the disk.
"""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path
from typing import Final

DATABASE_FILE: Final = "journal.sqlite3"

#: "lamp": tells a journal from any other SQLite database.
APPLICATION_ID: Final = 0x6C616D70
SCHEMA_VERSION: Final = 1

#: Only a foreign tool (a backup) can hold the database; longer than it takes to copy a page.
BUSY_TIMEOUT_S: Final = 5.0
#: What a burst may leave the write-ahead log grown to; it is cut back to this at a checkpoint.
WAL_BYTES_MAX: Final = 64 << 20

_SCHEMA: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE event (sequence INTEGER PRIMARY KEY, record_t_ns INTEGER NOT NULL,"
    " crc32 INTEGER NOT NULL, payload BLOB NOT NULL)",
    "CREATE TABLE state (key TEXT PRIMARY KEY, crc32 INTEGER NOT NULL, value BLOB NOT NULL)",
)


class JournalError(Exception):
    """The journal can't be used; the text is for an operator: what, where, what to do."""


_REMEDIES: Final = (
    ("SQLITE_FULL", "the disk is full", "free some space; nothing that was stored is lost"),
    ("SQLITE_READONLY", "it can't be written", "check the folder's rights and its file system"),
    ("SQLITE_CANTOPEN", "it can't be opened", "check the folder's rights and its file system"),
    ("SQLITE_NOTADB", "it is not a journal", "move that file away, or choose another folder"),
    ("SQLITE_CORRUPT", "it is damaged", "check the disk; move the folder away and keep it"),
    ("SQLITE_BUSY", "another program holds it", "end that program (a backup?)"),
    ("SQLITE_IOERR", "the disk does not take or give data", "check the disk and the system log"),
)


def explain(error: sqlite3.Error, file: Path, doing: str) -> JournalError:
    """What `error`, met while `doing`, means to an operator."""
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    for prefix, problem, remedy in _REMEDIES:
        if name.startswith(prefix):
            return JournalError(f"{doing} {file}: {problem} ({name}: {error}); {remedy}")
    return JournalError(f"{doing} {file}: {name}: {error}")


def open_writer(file: Path) -> sqlite3.Connection:
    """The one connection that writes; makes the database where there is none.

    Raises:
        JournalError: it can't be opened, is no journal, or was written by a newer lamproom.
    """
    try:
        connection = _connect(file)
    except sqlite3.Error as error:
        raise explain(error, file, "opening") from error
    try:
        _prepare(connection, file)
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, file, "opening") from error
    except JournalError:
        connection.close()
        raise
    return connection


def open_reader(file: Path) -> sqlite3.Connection:
    """A connection that only reads; it sees what was committed before each query."""
    try:
        connection = _connect(file)
        connection.execute("PRAGMA query_only = 1")
    except sqlite3.Error as error:
        raise explain(error, file, "opening") from error
    return connection


def epoch_of(connection: sqlite3.Connection, file: Path) -> int:
    """The journal's random number, given when it was made. Raises JournalError."""
    try:
        row = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    except sqlite3.Error as error:
        raise explain(error, file, "reading") from error
    if row is None or not isinstance(row[0], bytes) or len(row[0]) != 8:
        msg = f"{file}: it is damaged (no epoch); check the disk; move the folder away and keep it"
        raise JournalError(msg)
    return int.from_bytes(row[0], "big")


def _connect(file: Path) -> sqlite3.Connection:
    # The journal guards each connection itself: one thread at a time, not always the same.
    return sqlite3.connect(
        file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (tables or application) and application != APPLICATION_ID:
        msg = f"{file}: it is another program's database; move it away, or choose another folder"
        raise JournalError(msg)
    if version > SCHEMA_VERSION:
        msg = (
            f"{file}: it was written by a newer lamproom (schema {version}, this one knows"
            f" {SCHEMA_VERSION}); install that version again, or choose another folder"
        )
        raise JournalError(msg)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        msg = f"{file}: its file system can't hold a write-ahead log; choose a local disk"
        raise JournalError(msg)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    if not tables:
        _create(connection)


def _create(connection: sqlite3.Connection) -> None:
    """Makes the schema in one transaction: a journal is there whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_bytes(8),))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
