"""Power cuts: what clients were told is stored is there when power is back, and is whole."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal, Record
from tests.gateway import journal_writer
from tests.gateway.journal_rig import records, verified
from tests.support.disks import Ext4, ext4
from tests.system import disk_writer

CUTS = 5


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Ext4]:
    with ext4(tmp_path / "disk") as found:
        yield found


def told_until_a_cut(script: str, disk: Ext4, acks: int) -> list[int]:
    """All that a writer has told as stored, whose disk loses its power after so many times."""
    folder = disk.folder / "journal"
    with subprocess.Popen(
        [sys.executable, script, folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as writer:
        assert writer.stdout
        told = [int(writer.stdout.readline()) for _ in range(acks)]
        disk.cut()
        for line in writer.stdout:
            if not line.strip().isdigit():
                break
            told.append(int(line))
        writer.kill()
    return told


@pytest.mark.parametrize(
    "script",
    [journal_writer.__file__, disk_writer.__file__],
    ids=["each stored by itself", "by a thread of its own"],
)
def test_no_event_that_was_told_as_stored_is_lost_and_none_is_torn(script: str, disk: Ext4) -> None:
    chance = random.Random(7)
    last = 0
    for _ in range(CUTS):
        told = told_until_a_cut(script, disk, chance.randrange(5, 200))
        assert told[0] > last
        disk.unmount()
        disk.mount()
        with closing(Journal.open(disk.folder / "journal")) as journal:
            assert journal.damage == ()
            last = journal.last_sequence
            assert last >= told[-1]
            for first in range(1, last + 1, 1000):
                got = journal.read(first, 1000)
                assert all(isinstance(one, Record) for one in got)
                assert got == records(first, min(first + 999, last))
            # State and acts of the same transactions.
            assert journal.load_state()["last"] == str(last).encode()
            newest = journal.last_audit.sequence
            (act,) = journal.read_audit(newest, 1)
            assert isinstance(act, AuditEntry)
            assert act.detail["event"] == str(last)
        entries, findings = verified(disk.folder / "journal")
        assert (entries, findings) == (newest, [])
