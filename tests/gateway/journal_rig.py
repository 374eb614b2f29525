"""What the journal's tests share: what a writer stores, and one that is killed."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.journal.audit import AuditEntry, Finding
from gateway.journal.audit_reader import AuditReader
from gateway.journal.journal import Gap, Journal, Record
from gateway.journal.sqlite import DATABASE_FILE
from tests.gateway.journal_writer import act_of, payload_of

#: Opens the journal, after closing it where it was open.
Open = Callable[[], Journal]

WRITER = Path(__file__).with_name("journal_writer.py")


@contextmanager
def reopening(folder: Path) -> Iterator[Open]:
    """A journal that is opened again and again, and closed at the end."""
    opened: list[Journal] = []

    def open_again() -> Journal:
        for journal in opened:
            journal.close()
        opened.append(Journal.open(folder))
        return opened[-1]

    yield open_again
    for journal in opened:
        journal.close()


def records(first: int, last: int) -> list[Record | Gap]:
    return [Record(n, payload_of(n)) for n in range(first, last + 1)]


def killed_writer(folder: Path, acks: int) -> list[int]:
    """Runs a writer, kills it after so many acknowledgements; returns all that it gave."""
    with subprocess.Popen(
        [sys.executable, WRITER, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout
        assert writer.stderr
        given = [int(writer.stdout.readline()) for _ in range(acks)]
        writer.kill()
        given += [int(line) for line in writer.stdout if line.endswith("\n")]
        assert writer.stderr.read() == ""
    return given


def acts(first: int, last: int) -> list[AuditEntry]:
    return [act_of(n) for n in range(first, last + 1)]


def store_acts(journal: Journal, count: int) -> None:
    first = journal.last_audit.sequence + 1
    journal.append([], {}, acts(first, first + count - 1))


def edit(folder: Path, statement: str, *values: object) -> None:
    """Changes the database behind the journal's back."""
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as connection, connection:
        connection.execute(statement, values)


def verified(folder: Path) -> tuple[int, list[Finding]]:
    """How many entries are sound, and what is wrong."""
    with AuditReader.open(folder) as reader:
        verification, findings = reader.verify()
        return verification.entries, findings


def texts(folder: Path) -> list[str]:
    return [finding.text for finding in verified(folder)[1]]


def row_of(folder: Path, query: str) -> tuple[object, ...]:
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as connection:
        row: tuple[object, ...] = connection.execute(query).fetchone()
        return row
