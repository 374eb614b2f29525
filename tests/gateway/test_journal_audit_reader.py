"""The audit log read and verified from outside: older, newer and damaged journals."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.journal.audit import AuditEntry
from gateway.journal.audit_mark import MARK_FILE
from gateway.journal.audit_reader import PAGE_ROWS, AuditReader
from gateway.journal.journal import MISSING, Gap, JournalError
from gateway.journal.sqlite import DATABASE_FILE, SCHEMA_VERSION
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
    store_acts(journal, 2)
    assert verified(tmp_path) == (2, [])
    assert row_of(tmp_path, "PRAGMA user_version") == (SCHEMA_VERSION,)


def test_a_log_that_was_taken_out_of_the_database_is_missed(
    open_journal: Open, tmp_path: Path
) -> None:
    journal = open_journal()
    store_acts(journal, 2)
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
    store_acts(journal, 3)
    with AuditReader.open(tmp_path) as reader:
        store_acts(journal, 2)
        verification, findings = reader.verify()
        assert (verification.entries, findings) == (5, [])
        # It holds nothing up.
        store_acts(journal, 1)


def test_many_pages_of_rows_are_verified_and_read(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    count = 2 * PAGE_ROWS + 3
    store_acts(journal, count)
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
    store_acts(journal, count)
    journal.close()
    (root,) = row_of(tmp_path, "SELECT rootpage FROM sqlite_schema WHERE name = 'audit'")
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
    (root,) = row_of(tmp_path, "SELECT rootpage FROM sqlite_schema WHERE name = 'audit'")
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
