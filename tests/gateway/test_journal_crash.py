"""The journal when its writer is killed, and when the disk is full or only for reading."""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway.journal.journal import Journal, JournalError, Record
from tests.gateway.journal_rig import killed_writer, records
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
        last = stored


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
    Journal.open(small_disk).close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(JournalError, match=r"Read-only file system; check the folder's rights"):
        Journal.open(small_disk)
