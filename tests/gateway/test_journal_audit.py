"""The audit log in the journal: stored with its events, continued, and its damage told at start."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.journal.audit import AuditEntry, Fault, StoredEntry, origin
from gateway.journal.audit_mark import MARK_FILE, read_mark
from gateway.journal.audit_reader import AuditReader
from gateway.journal.journal import DAMAGED, MISSING, Gap, Journal, JournalError
from gateway.journal.sqlite import DATABASE_FILE
from tests.gateway.journal_rig import (
    Open,
    acts,
    edit,
    records,
    reopening,
    row_of,
    store_acts,
    texts,
    verified,
)
from tests.gateway.journal_writer import act_of, payload_of


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[Open]:
    with reopening(tmp_path) as open_again:
        yield open_again


def test_a_new_log_is_empty(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    assert journal.last_audit == origin(journal.epoch)
    assert journal.read_audit(1, 10) == []
    assert read_mark(tmp_path, journal.epoch) == origin(journal.epoch)
    assert verified(tmp_path) == (0, [])


def test_what_was_stored_is_there_after_opening_again(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    journal.append([(1, 1000, payload_of(1))], {"a": b"1"}, acts(1, 2))
    store_acts(journal, 3)
    head = journal.last_audit
    journal = open_journal()
    assert (journal.last_audit, journal.damage) == (head, ())
    assert journal.read_audit(1, 100) == acts(1, 5)
    assert journal.read_audit(2, 2) == acts(2, 3)
    assert journal.read_audit(0, 2) == acts(1, 2)
    assert journal.read_audit(6, 2) == []
    assert (journal.read(1, 9), journal.load_state()) == (records(1, 1), {"a": b"1"})
    store_acts(journal, 1)
    assert verified(tmp_path) == (6, [])


@pytest.mark.parametrize("sequences", [(5,), (3,), (4, 6)])
def test_an_act_that_does_not_follow_is_refused_with_all_else(
    open_journal: Open, sequences: tuple[int, ...]
) -> None:
    journal = open_journal()
    store_acts(journal, 3)
    with pytest.raises(ValueError, match="is the next"):
        journal.append([(1, 0, b"x")], {"a": b"1"}, [act_of(n) for n in sequences])
    assert (journal.last_sequence, journal.last_audit.sequence) == (0, 3)
    journal = open_journal()
    assert (journal.last_sequence, journal.load_state()) == (0, {})


def test_an_append_that_fails_stores_neither_events_nor_acts(
    open_journal: Open, tmp_path: Path
) -> None:
    journal = open_journal()
    store_acts(journal, 1)
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
    store_acts(journal, 6)
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
    store_acts(journal, 5)
    head = journal.last_audit
    edit(tmp_path, "DELETE FROM audit WHERE sequence > 3")
    lost = "audit entries 4 to 5 were stored and are lost"
    assert texts(tmp_path) == [lost]
    journal = open_journal()
    assert (journal.damage, journal.last_audit) == ((lost,), head)
    store_acts(journal, 2)
    assert journal.read_audit(3, 5) == [act_of(3), Gap(4, 5, MISSING), *acts(6, 7)]
    assert texts(tmp_path) == [lost]
    # It is told once at a start; to `verify` it is for ever to be seen.
    assert open_journal().damage == ()
    assert verified(tmp_path)[0] == 5
    (previous,) = row_of(tmp_path, "SELECT previous FROM audit WHERE sequence = 6")
    assert previous == head.digest


def test_all_acts_may_be_lost(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store_acts(journal, 1)
    edit(tmp_path, "DELETE FROM audit")
    journal = open_journal()
    assert journal.damage == ("audit entry 1 was stored and is lost",)
    store_acts(journal, 1)
    assert (verified(tmp_path)[0], texts(tmp_path)) == (1, list(journal.damage))


def test_a_damaged_newest_act_keeps_its_number(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store_acts(journal, 3)
    edit(tmp_path, "UPDATE audit SET entry = x'00' WHERE sequence = 3")
    changed = "audit entry 3 was changed: it does not fit its digest"
    journal = open_journal()
    assert journal.damage == (changed,)
    store_acts(journal, 1)
    assert journal.read_audit(2, 3) == [act_of(2), Gap(3, 3, DAMAGED), act_of(4)]
    assert texts(tmp_path) == [changed]


def test_a_damaged_act_beyond_the_mark_keeps_its_number(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store_acts(journal, 2)
    old_mark = (tmp_path / MARK_FILE).read_bytes()
    store_acts(journal, 2)
    journal.close()
    # As after a kill between the commit and the mark, and a bit that flipped.
    (tmp_path / MARK_FILE).write_bytes(old_mark)
    edit(tmp_path, "UPDATE audit SET previous = x'00' WHERE sequence = 4")
    journal = open_journal()
    assert journal.damage == ("audit entry 4 was changed: it does not fit its digest",)
    assert journal.last_audit.sequence == 4
    store_acts(journal, 1)
    assert journal.read_audit(3, 3) == [act_of(3), Gap(4, 4, DAMAGED), act_of(5)]
    assert texts(tmp_path) == list(journal.damage)


def test_a_row_with_a_wrong_number_is_not_followed(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store_acts(journal, 3)
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
    store_acts(journal, 3)
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
    store_acts(journal, 1)
    # The mark has gone on; what was put in is still to be seen.
    (finding,) = verified(tmp_path)[1]
    assert (finding.fault, finding.first) == (Fault.FOREIGN, 4 + later)


@pytest.mark.parametrize("damage", ["gone", "torn", "foreign"])
def test_without_its_mark_a_log_is_not_trusted(
    open_journal: Open, tmp_path: Path, damage: str
) -> None:
    journal = open_journal()
    store_acts(journal, 3)
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
    store_acts(journal, 2)
    assert journal.read_audit(1, 2) == acts(1, 2)
    with pytest.raises(JournalError, match=r"audit\.mark: Is a directory; check the folder"):
        open_journal()
    with pytest.raises(JournalError, match=r"audit\.mark: Is a directory; check the folder"):
        AuditReader.open(tmp_path)


def test_rows_are_what_the_chain_says(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store_acts(journal, 2)
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        rows = connection.execute("SELECT sequence, entry, previous, digest FROM audit").fetchall()
    first, second = (StoredEntry(*row) for row in rows)
    assert first.previous == origin(journal.epoch).digest
    assert second.previous == first.digest
    assert second.digest == journal.last_audit.digest
