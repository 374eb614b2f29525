"""The audit log in the journal: stored with its events, continued, and its damage told at start."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.journal.audit import AuditEntry, Fault, Finding, StoredEntry, origin
from gateway.journal.audit_mark import MARK_FILE, read_mark
from gateway.journal.audit_reader import PAGE_ROWS, AuditReader
from gateway.journal.journal import DAMAGED, MISSING, Gap, Journal, JournalError
from gateway.journal.sqlite import DATABASE_FILE, SCHEMA_VERSION
from tests.gateway.journal_rig import records
from tests.gateway.journal_writer import act_of, payload_of

Open = Callable[[], Journal]


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Journal] = []

    def open_again() -> Journal:
        for journal in opened:
            journal.close()
        opened.append(Journal.open(tmp_path))
        return opened[-1]

    yield open_again
    for journal in opened:
        journal.close()


def acts(first: int, last: int) -> list[AuditEntry]:
    return [act_of(n) for n in range(first, last + 1)]


def store(journal: Journal, count: int) -> None:
    first = journal.last_audit.sequence + 1
    journal.append([], {}, acts(first, first + count - 1))


def edit(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as connection, connection:
        connection.execute(statement, values)


def verified(folder: Path) -> tuple[int, list[Finding]]:
    """How many entries are sound, and what is wrong."""
    with AuditReader.open(folder) as reader:
        verification, findings = reader.verify()
        return verification.entries, findings


def texts(folder: Path) -> list[str]:
    return [finding.text for finding in verified(folder)[1]]


def test_a_new_log_is_empty(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    assert journal.last_audit == origin(journal.epoch)
    assert journal.read_audit(1, 10) == []
    assert read_mark(tmp_path, journal.epoch) == origin(journal.epoch)
    assert verified(tmp_path) == (0, [])


def test_what_was_stored_is_there_after_opening_again(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    journal.append([(1, 1000, payload_of(1))], {"a": b"1"}, acts(1, 2))
    store(journal, 3)
    head = journal.last_audit
    journal = open_journal()
    assert (journal.last_audit, journal.damage) == (head, ())
    assert journal.read_audit(1, 100) == acts(1, 5)
    assert journal.read_audit(2, 2) == acts(2, 3)
    assert journal.read_audit(0, 2) == acts(1, 2)
    assert journal.read_audit(6, 2) == []
    assert (journal.read(1, 9), journal.load_state()) == (records(1, 1), {"a": b"1"})
    store(journal, 1)
    assert verified(tmp_path) == (6, [])


@pytest.mark.parametrize("sequences", [(5,), (3,), (4, 6)])
def test_an_act_that_does_not_follow_is_refused_with_all_else(
    open_journal: Open, sequences: tuple[int, ...]
) -> None:
    journal = open_journal()
    store(journal, 3)
    with pytest.raises(ValueError, match="is the next"):
        journal.append([(1, 0, b"x")], {"a": b"1"}, [act_of(n) for n in sequences])
    assert (journal.last_sequence, journal.last_audit.sequence) == (0, 3)
    journal = open_journal()
    assert (journal.last_sequence, journal.load_state()) == (0, {})


def test_an_append_that_fails_stores_neither_events_nor_acts(
    open_journal: Open, tmp_path: Path
) -> None:
    journal = open_journal()
    store(journal, 1)
    head = journal.last_audit
    (pages,) = journal._writer.execute("PRAGMA page_count").fetchone()
    journal._writer.execute(f"PRAGMA max_page_count = {pages}")
    note = {"note": "x" * 50_000}
    big = AuditEntry(2, 0, "wang", "alarm.shelve", "r", "alarm-1", note, "done")
    with pytest.raises(JournalError, match=r"disk is full"):
        journal.append([(1, 0, b"x")], {"a": b"1"}, [big])
    assert (journal.last_sequence, journal.last_audit) == (0, head)
    assert read_mark(tmp_path, journal.epoch) == head
    journal._writer.execute("PRAGMA max_page_count = 1000000")
    journal.append([(1, 0, b"x")], {"a": b"1"}, [big])
    journal = open_journal()
    assert (journal.last_sequence, journal.read_audit(2, 1)) == (1, [big])


def test_a_damaged_or_lost_act_is_a_gap(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store(journal, 6)
    edit(tmp_path, "UPDATE audit SET entry = replace(entry, 'wang', 'li') WHERE sequence = 2")
    edit(tmp_path, "DELETE FROM audit WHERE sequence = 4")
    edit(tmp_path, "UPDATE audit SET digest = 7 WHERE sequence = 6")
    assert journal.read_audit(1, 9) == [
        act_of(1),
        Gap(2, 2, DAMAGED),
        act_of(3),
        Gap(4, 4, MISSING),
        act_of(5),
        Gap(6, 6, DAMAGED),
    ]


def test_a_lost_tail_is_told_and_stays_to_be_seen(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store(journal, 5)
    head = journal.last_audit
    edit(tmp_path, "DELETE FROM audit WHERE sequence > 3")
    lost = "audit entries 4 to 5 were stored and are lost"
    assert texts(tmp_path) == [lost]
    journal = open_journal()
    assert (journal.damage, journal.last_audit) == ((lost,), head)
    store(journal, 2)
    assert journal.read_audit(3, 5) == [act_of(3), Gap(4, 5, MISSING), *acts(6, 7)]
    assert texts(tmp_path) == [lost]
    # It is told once at a start; to `verify` it is for ever to be seen.
    assert open_journal().damage == ()
    assert verified(tmp_path)[0] == 5
    (previous,) = journal_row(tmp_path, "SELECT previous FROM audit WHERE sequence = 6")
    assert previous == head.digest


def journal_row(folder: Path, query: str) -> tuple[object, ...]:
    with closing(sqlite3.connect(folder / DATABASE_FILE)) as connection:
        row: tuple[object, ...] = connection.execute(query).fetchone()
        return row


def test_all_acts_may_be_lost(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store(journal, 1)
    edit(tmp_path, "DELETE FROM audit")
    journal = open_journal()
    assert journal.damage == ("audit entry 1 was stored and is lost",)
    store(journal, 1)
    assert (verified(tmp_path)[0], texts(tmp_path)) == (1, list(journal.damage))


def test_a_damaged_newest_act_keeps_its_number(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store(journal, 3)
    edit(tmp_path, "UPDATE audit SET entry = x'00' WHERE sequence = 3")
    changed = "audit entry 3 was changed: it does not fit its digest"
    journal = open_journal()
    assert journal.damage == (changed,)
    store(journal, 1)
    assert journal.read_audit(2, 3) == [act_of(2), Gap(3, 3, DAMAGED), act_of(4)]
    assert texts(tmp_path) == [changed]


def test_a_damaged_act_beyond_the_mark_keeps_its_number(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store(journal, 2)
    old_mark = (tmp_path / MARK_FILE).read_bytes()
    store(journal, 2)
    journal.close()
    # As after a kill between the commit and the mark, and a bit that flipped.
    (tmp_path / MARK_FILE).write_bytes(old_mark)
    edit(tmp_path, "UPDATE audit SET previous = x'00' WHERE sequence = 4")
    journal = open_journal()
    assert journal.damage == ("audit entry 4 was changed: it does not fit its digest",)
    assert journal.last_audit.sequence == 4
    store(journal, 1)
    assert journal.read_audit(3, 3) == [act_of(3), Gap(4, 4, DAMAGED), act_of(5)]
    assert texts(tmp_path) == list(journal.damage)


def test_a_row_with_a_wrong_number_is_not_followed(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store(journal, 3)
    edit(tmp_path, "UPDATE audit SET sequence = 9000 WHERE sequence = 2")
    journal = open_journal()
    assert journal.damage == ("audit entry 2 is out of order: it is stored as 9000",)
    assert journal.last_audit.sequence == 3
    assert texts(tmp_path) == ["audit entry 2 was stored and is lost", *journal.damage]


@pytest.mark.parametrize("later", [0, 2])
def test_a_log_written_anew_is_told_and_never_followed(
    open_journal: Open, tmp_path: Path, later: int
) -> None:
    journal = open_journal()
    store(journal, 3)
    mark = (tmp_path / MARK_FILE).read_bytes()
    edit(tmp_path, "DELETE FROM audit WHERE sequence = 3")
    (tmp_path / MARK_FILE).unlink()
    journal = open_journal()
    forged = [act_of(n, event=7) for n in range(3, 4 + later)]
    journal.append([], {}, forged)
    journal.close()
    (tmp_path / MARK_FILE).write_bytes(mark)
    journal = open_journal()
    told = "audit entry 3 is not the one that the mark outside the database names"
    assert [text.partition(":")[0] for text in journal.damage] == [told]
    assert [finding.fault for finding in verified(tmp_path)[1]] == [Fault.FOREIGN]
    store(journal, 1)
    # The mark has gone on; what was put in is still to be seen.
    (finding,) = verified(tmp_path)[1]
    assert (finding.fault, finding.first) == (Fault.FOREIGN, 4 + later)


@pytest.mark.parametrize("damage", ["gone", "torn", "foreign"])
def test_without_its_mark_a_log_is_not_trusted(
    open_journal: Open, tmp_path: Path, damage: str
) -> None:
    journal = open_journal()
    store(journal, 3)
    journal.close()
    mark = tmp_path / MARK_FILE
    if damage == "gone":
        mark.unlink()
    elif damage == "torn":
        mark.write_bytes(mark.read_bytes()[:-1] + b"?")
    else:
        Journal.open(tmp_path / "other").close()
        mark.write_bytes((tmp_path / "other" / MARK_FILE).read_bytes())
    (text,) = texts(tmp_path)
    assert "whether audit entries after 3 are lost can't be told" in text
    journal = open_journal()
    assert journal.damage == (text,)
    assert journal.last_audit.sequence == 3
    assert verified(tmp_path) == (3, [])


def test_a_mark_that_cant_be_written_is_only_logged(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    (tmp_path / MARK_FILE).unlink()
    (tmp_path / MARK_FILE).mkdir()
    store(journal, 2)
    assert journal.read_audit(1, 2) == acts(1, 2)
    with pytest.raises(JournalError, match=r"audit\.mark: Is a directory; check the folder"):
        open_journal()
    with pytest.raises(JournalError, match=r"audit\.mark: Is a directory; check the folder"):
        AuditReader.open(tmp_path)


def as_version_1(folder: Path) -> None:
    edit(folder, "DROP TABLE audit")
    edit(folder, "PRAGMA user_version = 1")
    (folder / MARK_FILE).unlink()


def test_an_older_journal_gets_its_log_and_keeps_its_events(
    open_journal: Open, tmp_path: Path
) -> None:
    journal = open_journal()
    journal.append([(1, 1000, payload_of(1))], {"a": b"1"})
    epoch = journal.epoch
    journal.close()
    as_version_1(tmp_path)
    # Not yet opened by this version: there is nothing to verify, and nothing is wrong.
    assert verified(tmp_path) == (0, [])
    with AuditReader.open(tmp_path) as reader:
        assert (reader.last_sequence(), list(reader.read(1, 3))) == (0, [])
    journal = open_journal()
    assert (journal.epoch, journal.damage) == (epoch, ())
    assert (journal.read(1, 9), journal.load_state()) == (records(1, 1), {"a": b"1"})
    store(journal, 2)
    assert verified(tmp_path) == (2, [])
    assert journal_row(tmp_path, "PRAGMA user_version") == (SCHEMA_VERSION,)


def test_a_log_that_was_taken_out_of_the_database_is_missed(
    open_journal: Open, tmp_path: Path
) -> None:
    journal = open_journal()
    store(journal, 2)
    journal.close()
    edit(tmp_path, "DROP TABLE audit")
    with pytest.raises(JournalError, match="no such table"):
        verified(tmp_path)
    edit(tmp_path, "PRAGMA user_version = 1")
    assert texts(tmp_path) == ["audit entries 1 to 2 were stored and are lost"]
    assert open_journal().damage == ("audit entries 1 to 2 were stored and are lost",)


def test_a_newer_or_foreign_database_is_not_verified(open_journal: Open, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal; the gateway makes it"):
        AuditReader.open(tmp_path)
    assert list(tmp_path.iterdir()) == []
    open_journal().close()
    edit(tmp_path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(JournalError, match="written by a newer lamproom"):
        AuditReader.open(tmp_path)
    edit(tmp_path, "PRAGMA application_id = 7")
    with pytest.raises(JournalError, match="another program's database"):
        AuditReader.open(tmp_path)
    (tmp_path / DATABASE_FILE).write_bytes(b"no database, but long enough to be one" * 100)
    with pytest.raises(JournalError, match="it is not a journal"):
        AuditReader.open(tmp_path)


def test_what_is_stored_while_it_is_verified_is_no_finding(
    open_journal: Open, tmp_path: Path
) -> None:
    journal = open_journal()
    store(journal, 3)
    with AuditReader.open(tmp_path) as reader:
        store(journal, 2)
        verification, findings = reader.verify()
        assert (verification.entries, findings) == (5, [])
        # It holds nothing up.
        store(journal, 1)


def test_many_pages_of_rows_are_verified_and_read(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    count = 2 * PAGE_ROWS + 3
    store(journal, count)
    assert verified(tmp_path) == (count, [])
    with AuditReader.open(tmp_path) as reader:
        assert reader.last_sequence() == count
        assert list(reader.read(1, count)) == acts(1, count)
        assert list(reader.read(count, count)) == acts(count, count)


def test_any_flipped_bit_of_the_file_is_found_or_harms_nothing(
    open_journal: Open, tmp_path: Path
) -> None:
    journal = open_journal()
    count = 400
    store(journal, count)
    journal.close()
    (root,) = journal_row(tmp_path, "SELECT rootpage FROM sqlite_schema WHERE name = 'audit'")
    assert isinstance(root, int)
    file = tmp_path / DATABASE_FILE
    whole = file.read_bytes()
    chance = random.Random(7)
    noticed = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[chance.randrange((root - 1) * 4096, len(whole))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        with AuditReader.open(tmp_path) as reader:
            verification, findings = reader.verify()
            got = list(reader.read(1, count))
            newest = reader.last_sequence()
        assert newest == count
        sound = [item for item in got if isinstance(item, AuditEntry)]
        assert all(item == act_of(item.sequence) for item in sound)
        assert len(sound) <= verification.entries
        # Beside the entries there is only room that nothing uses.
        assert bool(findings) == (len(sound) < count)
        named = {n for one in findings for n in range(one.first, one.last + 1)}
        assert set(range(1, count + 1)) - {item.sequence for item in sound} <= named
        noticed += bool(findings)
    assert noticed > 100


def test_a_log_that_cant_be_read_does_not_keep_the_gateway_from_starting(
    open_journal: Open, tmp_path: Path
) -> None:
    journal = open_journal()
    journal.append([(1, 1000, payload_of(1))], {}, acts(1, 3))
    head = journal.last_audit
    journal.close()
    (root,) = journal_row(tmp_path, "SELECT rootpage FROM sqlite_schema WHERE name = 'audit'")
    assert isinstance(root, int)
    file = tmp_path / DATABASE_FILE
    damaged = bytearray(file.read_bytes())
    damaged[(root - 1) * 4096] = 0xFF
    file.write_bytes(damaged)
    journal = open_journal()
    (sentence,) = journal.damage
    assert sentence.startswith(f"reading the audit log in {file}: it is damaged")
    assert (journal.last_audit, journal.read(1, 9)) == (head, records(1, 1))
    assert texts(tmp_path) == [
        "audit entries 1 to 3 were stored and are lost",
        "audit entries from 257 on, if there are any, can't be read: the disk has damage",
    ]
    with AuditReader.open(tmp_path) as reader:
        assert reader.last_sequence() == 3
        assert list(reader.read(1, 3)) == [Gap(1, 3, MISSING)]
    journal.close()
    # Without a mark nobody knows what the next entry is chained to.
    (tmp_path / MARK_FILE).unlink()
    with pytest.raises(JournalError, match="reading the audit log in"):
        open_journal()


def test_rows_are_what_the_chain_says(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store(journal, 2)
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        rows = connection.execute("SELECT sequence, entry, previous, digest FROM audit").fetchall()
    first, second = (StoredEntry(*row) for row in rows)
    assert first.previous == origin(journal.epoch).digest
    assert second.previous == first.digest
    assert second.digest == journal.last_audit.digest
