"""Events and state of a journal that a gateway may hold: read and looked at from outside."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.journal.event_reader import PAGE_ROWS, EventReader
from gateway.journal.gaps import DAMAGED, MISSING, NOT_KEPT, UNSTORED, Gap
from gateway.journal.journal import Journal
from gateway.journal.records import Record
from gateway.journal.sqlite import DATABASE_FILE, JournalError
from tests.gateway.journal_rig import edit, records, reopening
from tests.gateway.journal_writer import payload_of


def store(journal: Journal, count: int, *, leaving_out: int = 0) -> None:
    first = journal.last_sequence + 1 + leaving_out
    rows = [(n, n * 1000, payload_of(n)) for n in range(first, first + count)]
    journal.append(rows, {"a": b"1"}, hole=UNSTORED if leaving_out else "")


def read(folder: Path, first: int = 1, last: int = 1 << 60) -> list[Record | Gap]:
    with EventReader.open(folder) as reader:
        return list(reader.read(first, last))


def said(folder: Path) -> list[str]:
    with EventReader.open(folder) as reader:
        return list(reader.verify())


def test_it_reads_beside_a_gateway_and_without_one(tmp_path: Path) -> None:
    with reopening(tmp_path) as open_again:
        store(open_again(), 3)
        assert read(tmp_path) == records(1, 3)
        assert read(tmp_path, 2, 2) == records(2, 2)
    assert read(tmp_path) == records(1, 3)
    assert said(tmp_path) == []
    with EventReader.open(tmp_path) as reader:
        assert (reader.first_sequence, reader.last_sequence) == (1, 3)


def test_many_pages_are_read_in_order(tmp_path: Path) -> None:
    with reopening(tmp_path) as open_again:
        store(open_again(), 2 * PAGE_ROWS + 1)
    assert read(tmp_path) == records(1, 2 * PAGE_ROWS + 1)


def test_gaps_by_intent_are_told_and_are_no_damage(tmp_path: Path) -> None:
    with reopening(tmp_path) as open_again:
        journal = open_again()
        store(journal, 5)
        store(journal, 2, leaving_out=3)
        journal.drop(2, 5)
    expected = [Gap(1, 2, NOT_KEPT), *records(3, 5), Gap(6, 8, UNSTORED), *records(9, 10)]
    assert read(tmp_path) == expected
    assert read(tmp_path, 2, 3) == [Gap(2, 2, NOT_KEPT), *records(3, 3)]
    assert said(tmp_path) == []


def test_damage_is_named_and_never_given(tmp_path: Path) -> None:
    last = PAGE_ROWS + 5
    with reopening(tmp_path) as open_again:
        store(open_again(), last)
    edit(tmp_path, "UPDATE event SET payload = ? WHERE sequence = 2", payload_of(3))
    edit(tmp_path, "DELETE FROM event WHERE sequence BETWEEN ? AND ?", PAGE_ROWS - 1, PAGE_ROWS + 2)
    edit(tmp_path, "UPDATE state SET value = ?", b"2")
    lost = Gap(PAGE_ROWS - 1, PAGE_ROWS + 2, MISSING)
    assert read(tmp_path) == [
        *records(1, 1),
        Gap(2, 2, DAMAGED),
        *records(3, PAGE_ROWS - 2),
        lost,
        *records(PAGE_ROWS + 3, last),
    ]
    assert said(tmp_path) == [
        "the state of 'a' is damaged and left out",
        "event 2: damaged on the disk",
        f"events {lost.first_sequence} to {lost.last_sequence}: missing on the disk",
    ]


def test_a_lost_end_is_known_from_the_mark(tmp_path: Path) -> None:
    with reopening(tmp_path) as open_again:
        store(open_again(), 5)
    edit(tmp_path, "DELETE FROM event WHERE sequence > 3")
    assert read(tmp_path) == [*records(1, 3), Gap(4, 5, MISSING)]


def test_a_flipped_bit_is_found_or_harms_nothing(tmp_path: Path) -> None:
    with reopening(tmp_path / "whole") as open_again:
        store(open_again(), 60)
    whole = {file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()}
    picked = random.Random(7)
    for number in range(150):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in whole.items():
            (folder / name).write_bytes(content)
        data = bytearray(whole[DATABASE_FILE])
        data[picked.randrange(len(data))] ^= 1 << picked.randrange(8)
        (folder / DATABASE_FILE).write_bytes(data)
        try:
            found, told = read(folder), said(folder)
        except JournalError:
            continue  # all of it is unreadable, and that is said
        given = [one for one in found if isinstance(one, Record)]
        assert given == [one for one in records(1, 60) if one in given]
        assert len(given) == 60 or told


def test_a_folder_without_a_journal_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        EventReader.open(tmp_path)
