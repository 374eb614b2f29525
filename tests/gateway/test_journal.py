import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.journal.guard import GUARD_FILE
from gateway.journal.journal import DAMAGED, MISSING, Gap, Journal, JournalError, Record
from gateway.journal.sqlite import APPLICATION_ID, DATABASE_FILE, SCHEMA_VERSION
from tests.gateway.journal_rig import killed_writer, records
from tests.gateway.journal_writer import payload_of

Open = Callable[[], Journal]


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Journal] = []

    def open_again() -> Journal:
        for journal in opened:
            journal.close()
        opened.append(Journal.open(tmp_path / "journal"))
        return opened[-1]

    yield open_again
    for journal in opened:
        journal.close()


def store(journal: Journal, count: int) -> None:
    first = journal.last_sequence + 1
    journal.append([(n, n * 1000, payload_of(n)) for n in range(first, first + count)], {})


def edit(journal: Journal, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(journal._file)) as connection, connection:
        connection.execute(statement, values)


def test_a_new_journal_is_empty(open_journal: Open) -> None:
    journal = open_journal()
    assert (journal.first_sequence, journal.last_sequence) == (1, 0)
    assert journal.read(1, 10) == []
    assert journal.load_state() == {}
    assert journal.damage == ()


def test_what_was_stored_is_there_after_opening_again(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 5)
    journal.append([(6, 6000, payload_of(6))], {"a": b"1", "b": b"2", "c": b"3"})
    journal.append([], {"b": None, "c": b"4"})
    epoch = journal.epoch
    journal = open_journal()
    assert journal.read(1, 100) == records(1, 6)
    assert journal.load_state() == {"a": b"1", "c": b"4"}
    assert (journal.epoch, journal.last_sequence, journal.damage) == (epoch, 6, ())


def test_reads_a_stretch(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 10)
    assert journal.read(3, 4) == records(3, 6)
    assert journal.read(9, 4) == records(9, 10)
    assert journal.read(11, 4) == []
    assert journal.read(0, 2) == records(1, 2)
    assert journal.read(3, 0) == []


def test_two_journals_have_different_epochs(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path / "a")) as a, closing(Journal.open(tmp_path / "b")) as b:
        assert a.epoch != b.epoch


@pytest.mark.parametrize("sequences", [(5,), (3,), (0,), (4, 6), (4, 4)])
def test_a_sequence_that_does_not_follow_is_refused(
    open_journal: Open, sequences: tuple[int, ...]
) -> None:
    journal = open_journal()
    store(journal, 3)
    with pytest.raises(ValueError, match=r"is the next"):
        journal.append([(n, 0, b"x") for n in sequences], {"a": b"1"})
    assert journal.last_sequence == 3
    store(journal, 1)
    assert open_journal().load_state() == {}


def test_a_failed_append_leaves_nothing_and_can_be_tried_again(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 1)
    (pages,) = journal._writer.execute("PRAGMA page_count").fetchone()
    journal._writer.execute(f"PRAGMA max_page_count = {pages}")
    big = [(2, 0, bytes(100_000))]
    with pytest.raises(JournalError, match=r"disk is full .*free some space") as failure:
        journal.append(big, {"a": b"1"})
    assert str(journal._file) in str(failure.value)
    assert (journal.last_sequence, journal.read(2, 1)) == (1, [])
    journal._writer.execute("PRAGMA max_page_count = 1000000")
    journal.append(big, {"a": b"1"})
    assert journal.last_sequence == 2
    assert open_journal().load_state() == {"a": b"1"}


def test_a_mistake_of_the_caller_leaves_no_transaction_open(open_journal: Open) -> None:
    journal = open_journal()
    with pytest.raises(TypeError):
        journal.append([(1, 0, b"x"), (2, 0, "text")], {})  # type: ignore[list-item]  # the mistake
    store(journal, 2)
    assert journal.read(1, 2) == records(1, 2)


def test_a_second_gateway_is_told_so(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    with pytest.raises(JournalError, match=r"another gateway has this journal open") as failure:
        Journal.open(tmp_path / "journal")
    assert str(tmp_path / "journal") in str(failure.value)
    store(journal, 1)
    assert open_journal().last_sequence == 1


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("x")
    with pytest.raises(JournalError, match=r"can't be made"):
        Journal.open(tmp_path / "journal")


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"not a database, but long enough to be one" * 100)
    with pytest.raises(JournalError, match=r"it is not a journal .*move that file away"):
        Journal.open(tmp_path)
    # The folder is free again.
    (tmp_path / DATABASE_FILE).unlink()
    Journal.open(tmp_path).close()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection, connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = (tmp_path / DATABASE_FILE).read_bytes()
    with pytest.raises(JournalError, match=r"another program's database"):
        Journal.open(tmp_path)
    assert (tmp_path / DATABASE_FILE).read_bytes() == before


def test_a_newer_journal_is_refused(open_journal: Open) -> None:
    journal = open_journal()
    edit(journal, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(JournalError, match=r"written by a newer lamproom \(schema 4"):
        open_journal()


def test_a_journal_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    with closing(Journal.open(tmp_path)) as journal:
        store(journal, 1)
        assert journal.read(1, 1) == records(1, 1)


def test_a_damaged_record_is_a_gap(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 6)
    edit(journal, "UPDATE event SET payload = ? WHERE sequence = 2", b"event X ")
    edit(journal, "UPDATE event SET record_t_ns = 7 WHERE sequence = 3")
    edit(journal, "DELETE FROM event WHERE sequence = 4")
    edit(journal, "UPDATE event SET payload = 'text' WHERE sequence = 6")
    assert journal.read(1, 10) == [
        *records(1, 1),
        Gap(2, 3, DAMAGED),
        Gap(4, 4, MISSING),
        *records(5, 5),
        Gap(6, 6, DAMAGED),
    ]


def test_records_that_changed_places_are_gaps(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 3)
    edit(journal, "UPDATE event SET sequence = -sequence WHERE sequence < 3")
    edit(journal, "UPDATE event SET sequence = 3 + sequence WHERE sequence < 0")
    assert journal.read(1, 3) == [Gap(1, 2, DAMAGED), *records(3, 3)]


def test_flipped_bits_in_the_file_are_never_served(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 400)
    journal = open_journal()
    journal.close()
    file = journal._file
    whole = file.read_bytes()
    chance = random.Random(5)
    noticed = 0
    for _ in range(60):
        damaged = bytearray(whole)
        # Beyond the schema's page and its roots: there SQLite itself refuses the file.
        damaged[chance.randrange(8 * 4096, len(whole))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        journal = open_journal()
        try:
            got = journal.read(1, 400)
        finally:
            journal.close()
        served = [item for item in got if isinstance(item, Record)]
        assert all(item.payload == payload_of(item.sequence) for item in served)
        gaps = [item for item in got if isinstance(item, Gap)]
        covered = len(served) + sum(gap.last_sequence - gap.first_sequence + 1 for gap in gaps)
        assert covered == 400
        noticed += bool(gaps)
    assert noticed > 0


def test_a_lost_tail_is_noticed_and_its_numbers_are_not_given_again(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 5)
    edit(journal, "DELETE FROM event WHERE sequence > 3")
    journal = open_journal()
    assert journal.damage == ("events 4 to 5 were stored and are lost",)
    assert journal.last_sequence == 5
    store(journal, 1)
    assert journal.read(3, 5) == [*records(3, 3), Gap(4, 5, MISSING), *records(6, 6)]


def test_a_flipped_bit_in_the_write_ahead_log_is_noticed(tmp_path: Path) -> None:
    # A killed writer leaves its log behind; damage in it hides all that follows it.
    done = killed_writer(tmp_path, acks=40)
    log_file = tmp_path / f"{DATABASE_FILE}-wal"
    damaged = bytearray(log_file.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    log_file.write_bytes(damaged)
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.last_sequence >= done[-1]
        assert "were stored and are lost" in journal.damage[0]
        got = journal.read(1, journal.last_sequence)
        assert isinstance(got[-1], Gap)
        assert got[-1].last_sequence == journal.last_sequence


def test_a_damaged_last_record_is_a_gap_and_numbers_go_on(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 3)
    edit(journal, "UPDATE event SET payload = x'00' WHERE sequence = 3")
    edit(journal, "INSERT INTO event VALUES (9000, 1, 2, x'00')")
    journal = open_journal()
    assert journal.last_sequence == 3
    assert journal.read(1, 10) == [*records(1, 2), Gap(3, 3, DAMAGED)]


def test_a_torn_mark_is_ignored(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store(journal, 3)
    journal.close()
    guard = tmp_path / "journal" / GUARD_FILE
    guard.write_bytes(guard.read_bytes()[:-1] + b"?")
    journal = open_journal()
    assert (journal.last_sequence, journal.damage) == (3, ())


def test_a_new_journal_in_an_old_folder_begins_at_1(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    store(journal, 3)
    journal.close()
    for file in (tmp_path / "journal").glob(f"{DATABASE_FILE}*"):
        file.unlink()
    journal = open_journal()
    assert (journal.last_sequence, journal.damage) == (0, ())


def test_damaged_state_is_left_out_and_told(open_journal: Open) -> None:
    journal = open_journal()
    journal.append([], {"a": b"1", "b": b"2"})
    edit(journal, "UPDATE state SET value = x'00' WHERE key = 'b'")
    journal = open_journal()
    assert journal.load_state() == {"a": b"1"}
    assert journal.damage == ("the state of 'b' is damaged and left out",)


def test_a_reader_in_the_middle_does_not_hold_up_the_writer(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 100)
    with journal._readers.one() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM event").fetchone()
        store(journal, 100)
        assert journal.read(200, 1) == records(200, 200)
        reader.execute("ROLLBACK")


def test_many_threads_read_while_one_writes(open_journal: Open) -> None:
    journal = open_journal()
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            last = journal.last_sequence
            if journal.read(1, 1000)[:last] != records(1, last):
                wrong.append(last)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        store(journal, 2)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_closed_journal_says_so(open_journal: Open) -> None:
    journal = open_journal()
    store(journal, 1)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.read(1, 1)
