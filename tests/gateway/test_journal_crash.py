"""The journal when its writer is killed, and when the disk is full or only for reading."""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway.journal.audit import AuditEntry
from gateway.journal.audit_reader import AuditReader
from gateway.journal.journal import Journal, JournalError, Record
from gateway.journal.sqlite import DATABASE_FILE
from tests.gateway.journal_rig import killed_writer, records
from tests.gateway.journal_writer import act_of
from tests.support.waiting import blocked_until


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(11)
    last = 0
    for _ in range(12):
        given = killed_writer(tmp_path, acks=chance.randrange(1, 40))
        assert given[0] > last
        last = given[-1]
        with closing(Journal.open(tmp_path)) as journal:
            assert journal.damage == ()
            assert journal.last_sequence >= last
            stored = journal.last_sequence
            # Everything once, in order, and the state of the same transaction.
            assert journal.read(1, stored) == records(1, stored)
            assert journal.load_state() == {"last": str(stored).encode()}
            assert last <= journal.consumers.places["scada"].sequence <= stored
            newest = journal.last_audit.sequence
            acts = journal.read_audit(1, newest)
            assert [act.sequence for act in acts if isinstance(act, AuditEntry)] == [
                *range(1, newest + 1)
            ]
            # As many as there were appends: each names the last event of its own.
            named = [int(act.detail["event"]) for act in acts if isinstance(act, AuditEntry)]
            assert named == last_events(stored)
        last = stored


def last_events(stored: int) -> list[int]:
    """The last event of each append of the writer, until `stored`."""
    lasts = [0]
    while lasts[-1] < stored:
        first = lasts[-1] + 1
        lasts.append(first + first % 3)
    return lasts[1:]


def test_a_flipped_bit_in_the_log_loses_acts_and_that_is_told(tmp_path: Path) -> None:
    killed_writer(tmp_path, acks=40)
    with AuditReader.open(tmp_path) as reader:
        whole, findings = reader.verify()
        assert (findings, whole.entries >= 40) == ([], True)
    log_file = tmp_path / f"{DATABASE_FILE}-wal"
    damaged = bytearray(log_file.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    log_file.write_bytes(damaged)
    # What indexes the log is made anew, as after a power cut.
    (tmp_path / f"{DATABASE_FILE}-shm").unlink()
    with AuditReader.open(tmp_path) as reader:
        left, findings = reader.verify()
        # The kill may have come between the last commit and its mark.
        assert reader._mark
        first, last = left.entries + 1, reader._mark.sequence
    assert last in (whole.entries - 1, whole.entries)
    assert 1 < first < last
    (text,) = [finding.text for finding in findings]
    assert text == f"audit entries {first} to {last} were stored and are lost"
    with closing(Journal.open(tmp_path)) as journal:
        assert text in journal.damage
        assert journal.last_audit.sequence == last


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs can't be mounted here")
    yield tmp_path
    unmount = ["umount", str(tmp_path)]
    blocked_until(lambda: not subprocess.run(unmount, capture_output=True, check=False).returncode)


def test_a_full_disk_is_told_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    with closing(Journal.open(small_disk)) as journal:
        journal.append([(1, 0, b"x" * 1000)], {})
        filler = small_disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            for _ in range(1000):
                file.write(bytes(4096))
        with pytest.raises(JournalError, match="disk is full"):
            journal.append([(2, 0, b"y" * 100_000)], {"a": b"1"})
        assert journal.last_sequence == 1
        filler.unlink()
        journal.append([(2, 0, b"y" * 100_000)], {"a": b"1"})
    with closing(Journal.open(small_disk)) as journal:
        assert journal.read(1, 9) == [Record(1, b"x" * 1000), Record(2, b"y" * 100_000)]


def test_a_disk_that_is_only_for_reading_is_told(small_disk: Path) -> None:
    with closing(Journal.open(small_disk)) as journal:
        journal.append([], {}, [act_of(1), act_of(2)])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(JournalError, match=r"Read-only file system; check the folder's rights"):
        Journal.open(small_disk)
    # Its audit log can be read all the same.
    with AuditReader.open(small_disk) as reader:
        verification, findings = reader.verify()
        assert (verification.entries, findings) == (2, [])
