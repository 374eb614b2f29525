"""The database under the journal: its schema, how it is opened, and its errors in plain words.

Tables of events, of why some are not there, of the core's state, of what operators did and of
consumers' places, so that all change in one transaction. WAL with `synchronous=FULL`: a commit that
has returned is on the disk.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.journal import consumers

DATABASE_FILE: Final = "journal.sqlite3"

#: "lamp": tells a journal from any other SQLite database.
APPLICATION_ID: Final = 0x6C616D70
#: A journal of an older version gets at its opening what it lacks.
SCHEMA_VERSION: Final = 3
#: The version that brought the audit log, and that which brought gaps that are written down.
AUDIT_SINCE: Final = 2
GAPS_SINCE: Final = 3

#: Only a foreign tool (a backup) can hold the database; longer than it takes to copy a page.
BUSY_TIMEOUT_S: Final = 5.0
#: What a burst may leave the write-ahead log grown to; it is cut back to this at a checkpoint.
WAL_BYTES_MAX: Final = 64 << 20

_AUDIT: Final = (
    "CREATE TABLE IF NOT EXISTS audit (sequence INTEGER PRIMARY KEY, entry BLOB NOT NULL,"
    " previous BLOB NOT NULL, digest BLOB NOT NULL)"
)
_GAP: Final = (
    "CREATE TABLE IF NOT EXISTS gap (first INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
    " crc32 INTEGER NOT NULL, reason TEXT NOT NULL)"
)
_SCHEMA: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE event (sequence INTEGER PRIMARY KEY, record_t_ns INTEGER NOT NULL,"
    " crc32 INTEGER NOT NULL, payload BLOB NOT NULL)",
    "CREATE TABLE state (key TEXT PRIMARY KEY, crc32 INTEGER NOT NULL, value BLOB NOT NULL)",
    _AUDIT,
    _GAP,
    consumers.TABLE,
)


class JournalError(Exception):
    """The journal can't be used; the text is for an operator: what, where, what to do.

    `passing`: nothing is wrong with the connection, so that the same may be tried again on it.
    """

    def __init__(self, text: str, *, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing


#: After these a connection is as good as before; after any other error it can't be believed.
_PASSING: Final = ("SQLITE_FULL", "SQLITE_BUSY")
#: Of reading: what is asked for is damaged, or its place on the disk is.
_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

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
    passing = name.startswith(_PASSING)
    for prefix, problem, remedy in _REMEDIES:
        if name.startswith(prefix):
            text = f"{doing} {file}: {problem} ({name}: {error}); {remedy}"
            return JournalError(text, passing=passing)
    return JournalError(f"{doing} {file}: {name}: {error}", passing=passing)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the database itself is damaged, and not only out of reach."""
    return getattr(error, "sqlite_errorname", "").startswith("SQLITE_CORRUPT")


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


def open_read_only(file: Path) -> tuple[sqlite3.Connection, int]:
    """A connection that can't write, beside a gateway that may run, and the schema's version.

    Raises:
        JournalError: it is not there, can't be opened, is no journal, or of a newer lamproom.
    """
    if not file.is_file():
        msg = f"{file}: there is no journal; the gateway makes it when it first starts"
        raise JournalError(msg)
    uri = f"{file.absolute().as_uri()}?mode=ro"
    try:
        connection = _connect(uri, uri=True)
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            # Who may not write the folder can't make SQLite's shared memory. Without a log beside
            # it nobody writes the database, and none is needed.
            no_memory = error.sqlite_errorname.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN"))
            if not no_memory or file.with_name(f"{file.name}-wal").exists():
                raise
            connection = _connect(f"{uri}&immutable=1", uri=True)
        try:
            (_, version) = _known(connection, file)
        except (sqlite3.Error, JournalError):
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain(error, file, "opening") from error
    return connection, version


@contextmanager
def transaction(
    connection: sqlite3.Connection, file: Path, doing: str
) -> Iterator[sqlite3.Connection]:
    """All or nothing of what is written within a `with`.

    Raises:
        JournalError: it could not be written.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise explain(error, file, doing) from error


def rows_between(
    connection: sqlite3.Connection, select: str, first: int, last: int
) -> dict[int, Any]:
    """The rows of a stretch by sequence, which `select` puts first.

    A damaged page hides only its own rows. Raises sqlite3.Error where the whole disk can't be read:
    what is out of reach is not lost.
    """
    try:
        query = f"{select} WHERE sequence BETWEEN ? AND ?"
        rows = connection.execute(query, (first, last)).fetchall()
    except sqlite3.DatabaseError as error:
        _look_elsewhere(connection, error)
        rows = []
    found = {row[0]: row for row in rows}
    if len(found) == last - first + 1:
        return found
    for sequence in range(first, last + 1):
        if sequence not in found:
            try:
                row = connection.execute(f"{select} WHERE sequence = ?", (sequence,)).fetchone()
            except sqlite3.DatabaseError:
                continue
            if row:
                found[sequence] = row
    return found


def _look_elsewhere(connection: sqlite3.Connection, error: sqlite3.DatabaseError) -> None:
    """Raises sqlite3.Error unless only the place is bad that `error` was met at."""
    if not getattr(error, "sqlite_errorname", "").startswith(_DAMAGE):
        connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()


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


def _connect(file: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    # The journal guards each connection itself: one thread at a time, not always the same.
    return sqlite3.connect(
        file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=uri
    )


def _known(connection: sqlite3.Connection, file: Path) -> tuple[int, int]:
    """How many tables and which schema it has. Raises JournalError for what is no journal of us."""
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
    return tables, version


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    tables, version = _known(connection, file)
    # Of a new one only, and before anything is written: the space of dropped events can be given
    # back page by page. An older journal uses such space again, which is enough where it runs on.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        msg = f"{file}: its file system can't hold a write-ahead log; choose a local disk"
        raise JournalError(msg)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    if not tables:
        _create(connection)
    elif version < SCHEMA_VERSION:
        _upgrade(connection)


def _create(connection: sqlite3.Connection) -> None:
    """Makes the schema in one transaction: a journal is there whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_bytes(8),))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    # Out of the log: damage there must not lose the journal's number, by which all else is known.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _upgrade(connection: sqlite3.Connection) -> None:
    """Gives an older journal what it lacks, in one transaction; what it holds stays as it is."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_AUDIT)
    connection.execute(_GAP)
    connection.execute(consumers.TABLE)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
