"""Flipped bits anywhere in the journal's files: named and told as gaps, and never served."""

import random
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from gateway.journal.audit import AuditEntry
from gateway.journal.guard import GUARD_FILE
from gateway.journal.journal import Gap, Journal, JournalError, Record
from gateway.journal.sqlite import DATABASE_FILE
from tests.gateway.journal_rig import edit, killed_writer, verified
from tests.gateway.journal_writer import act_of, payload_of

FLIPS: Final = 150
EVENTS: Final = 300
ACTS: Final = 40


def make(folder: Path) -> None:
    with closing(Journal.open(folder)) as journal:
        for first in range(1, EVENTS + 1, 10):
            events = [(n, n * 1000, payload_of(n)) for n in range(first, first + 10)]
            journal.append(events, {f"k{first}": payload_of(first), "last": b"%d" % first})
        journal.append([], {}, [act_of(n) for n in range(1, ACTS + 1)])


STATE: Final = {f"k{n}": payload_of(n) for n in range(1, EVENTS + 1, 10)} | {
    "last": b"%d" % (EVENTS - 9)
}


def flipped(data: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(data)
    damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def look(folder: Path) -> tuple[bool, bool]:
    """Whether all is served as it was, and whether anything was said to be wrong.

    Nothing that is served may differ from what was stored.
    """
    try:
        journal = Journal.open(folder)
    except JournalError:
        return False, True
    with closing(journal):
        try:
            got = journal.read(1, EVENTS)
            acts = journal.read_audit(1, ACTS)
        except JournalError:
            return False, True
        state = journal.load_state()
        assert all(
            one.payload == payload_of(one.sequence) for one in got if isinstance(one, Record)
        )
        assert all(one == act_of(one.sequence) for one in acts if isinstance(one, AuditEntry))
        assert all(STATE.get(key) == value for key, value in state.items() if key != "last")
        gaps = [one for one in (*got, *acts) if isinstance(one, Gap)]
        covered = sum(1 if isinstance(one, Record) else _length(one) for one in got)
        whole = not gaps and (covered, len(acts), state) == (EVENTS, ACTS, STATE)
        return whole, bool(gaps or journal.damage)


def _length(one: Record | Gap) -> int:
    assert isinstance(one, Gap)
    return one.last_sequence + 1 - one.first_sequence


def test_a_bit_that_flips_in_the_database_is_harmless_or_named(tmp_path: Path) -> None:
    make(tmp_path / "whole")
    data = (tmp_path / "whole" / DATABASE_FILE).read_bytes()
    chance = random.Random(29)
    harmed = 0
    for number in range(FLIPS):
        folder = tmp_path / f"{number}"
        shutil.copytree(tmp_path / "whole", folder)
        (folder / DATABASE_FILE).write_bytes(flipped(data, chance))
        whole, named = look(folder)
        assert whole or named, f"flip {number} was not noticed"
        harmed += not whole
        shutil.rmtree(folder)
    assert harmed > FLIPS / 3


def test_a_bit_that_flips_in_the_log_is_harmless_or_named(tmp_path: Path) -> None:
    """A log that a kill has left: SQLite drops what is behind damage, without a word."""
    whole = tmp_path / "whole"
    code = (
        "import os, sys; from pathlib import Path; from tests.gateway.test_journal_rot import make;"
        "from gateway.journal.journal import Journal;"
        "Journal.close = lambda _: os._exit(0); make(Path(sys.argv[1]))"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, whole], cwd=root, check=True)
    data = (whole / f"{DATABASE_FILE}-wal").read_bytes()
    assert len(data) > 100_000
    chance = random.Random(31)
    harmed = 0
    for number in range(FLIPS):
        folder = tmp_path / f"{number}"
        shutil.copytree(whole, folder)
        (folder / f"{DATABASE_FILE}-shm").unlink()
        (folder / f"{DATABASE_FILE}-wal").write_bytes(flipped(data, chance))
        is_whole, named = look(folder)
        assert is_whole or named, f"flip {number} was not noticed"
        harmed += not is_whole
        shutil.rmtree(folder)
    assert harmed > FLIPS / 3


def test_state_that_the_disk_hides_is_told(tmp_path: Path) -> None:
    make(tmp_path)
    edit(tmp_path, "DELETE FROM state WHERE key = 'k11'")
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.damage == ("some of the state is lost: the disk hides rows of it",)
        journal.append([], {"more": b"1"})
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.damage == ()  # it is told once: what is there is all that there is now


def test_changes_of_the_state_that_a_damaged_log_has_lost_are_told(tmp_path: Path) -> None:
    killed_writer(tmp_path, acks=3)
    with closing(Journal.open(tmp_path)) as journal:
        for n in range(5):
            journal.append([], {"later": b"%d" % n})
        guard = (tmp_path / GUARD_FILE).read_bytes()
    # As if the last transactions, without events, were not there.
    edit(tmp_path, "DELETE FROM state WHERE key = 'later'")
    edit(tmp_path, "DELETE FROM meta WHERE key = 'state'")
    (tmp_path / GUARD_FILE).write_bytes(guard)
    with closing(Journal.open(tmp_path)) as journal:
        (text,) = journal.damage
        assert "changes of the state are lost" in text


def test_a_journal_of_before_says_nothing_of_its_state(tmp_path: Path) -> None:
    make(tmp_path)
    edit(tmp_path, "DELETE FROM meta WHERE key = 'state'")
    (tmp_path / GUARD_FILE).unlink()
    with closing(Journal.open(tmp_path)) as journal:
        assert (journal.damage, journal.load_state()) == ((), STATE)


@pytest.mark.parametrize("part", ["event", "state", "audit", "gap", "meta"])
def test_no_table_is_without_a_check(tmp_path: Path, part: str) -> None:
    """Each value of each column of each row, changed by one, is seen."""
    with closing(Journal.open(tmp_path)) as journal:
        rows = [(n, n * 1000, payload_of(n)) for n in range(1, 31)]
        journal.append(rows, {"a": b"1", "b": b"2"}, [act_of(1)])
        journal.append([(41, 0, b"x"), (42, 0, b"y")], {}, hole="dropped")
        journal.drop(5, 5)
        columns = [row[1] for row in journal._writer.execute(f"PRAGMA table_info({part})")]
        before = everything(journal)
    for column in columns:
        folder = tmp_path / column
        folder.mkdir()
        for file in tmp_path.glob("*.*"):
            if file.is_file():
                shutil.copy(file, folder)
        change = (
            "CASE typeof(v) WHEN 'integer' THEN v + 1000 WHEN 'text' THEN v || 'x' ELSE x'00' END"
        )
        edit(
            folder,
            f"UPDATE {part} SET {column} = {change.replace('v', column, 1)}".replace(
                "THEN v", f"THEN {column}"
            ),
        )
        try:
            journal = Journal.open(folder)
        except JournalError:
            continue
        with closing(journal):
            assert everything(journal) != before or journal.damage
            told = journal.damage or [one for one in everything(journal)[0] if isinstance(one, Gap)]
            assert told or verified(folder)[1], column


def everything(journal: Journal) -> tuple[list[object], dict[str, bytes], list[object]]:
    """All that it serves."""
    events: list[object] = []
    following = 1
    while following <= journal.last_sequence:
        for one in journal.read(following, 500):
            events.append(one)
            following = (one.sequence if isinstance(one, Record) else one.last_sequence) + 1
    return events, journal.load_state(), list(journal.read_audit(1, 99))
