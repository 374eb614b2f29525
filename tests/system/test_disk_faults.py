"""A real gateway whose journal's disk fails: people are located all the same, nothing is lost."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.journal.journal import Gap, Journal
from gateway.journal.sqlite import DATABASE_FILE
from hil_sim.sample_mine import Ports, write_sample_mine
from tests.support.disks import ext4, grow, injected, tmpfs
from tests.support.ports import free_port
from tests.support.processes import Process, gateway, simulator, watcher
from tests.support.waiting import blocked_until as until
from tests.system import answers

RULE = "journal_failing"
#: What a journal syncs by, and writes by.
SYNCS = "fsync,fdatasync"
WRITES = "pwrite64"


@dataclass
class Mine:
    """A gateway on the sample mine, with its journal on a disk of its own, and who watches it."""

    port: int
    gateway: Process
    watch: Process

    def positions(self) -> int:
        return self.watch.count('"kind": "position"')

    def told(self, kind: str) -> list[int]:
        """The sequences of events that were told as `event` or `unstored`."""
        return [line["sequence"] for line in self.watch.lines() if line["kind"] == kind]

    def located(self) -> None:
        """Waits until positions have come for a while longer."""
        seen = self.positions()
        until(lambda: self.positions() > seen + 200, "positions stream on")

    def told_more(self, events: int) -> None:
        """Waits until more events were told as stored than so many."""
        until(lambda: len(self.told("event")) > events, "events are stored")

    def fails(self, reason: str) -> None:
        """Waits until the alarm and waiting events are told."""
        until(lambda: self.changes()[-1:] == ["raised"], "the alarm is raised")
        until(lambda: self.told("unstored"), "events are told as unstored")
        assert reason in self.gateway.err

    def works(self) -> None:
        """Waits until the alarm is cleared, and all that waited has come as events."""
        until(lambda: self.changes()[-1:] == ["cleared"], "the alarm is cleared")
        waited = set(self.told("unstored"))
        until(lambda: waited <= set(self.told("event")), "what waited is stored")

    def changes(self) -> list[str]:
        """What became of the alarm, stored or not."""
        kinds = {"alarm_raised": "raised", "alarm_cleared": "cleared"}
        first = {
            line["sequence"]: kinds[line["event"]]
            for line in self.watch.lines()
            if line["kind"] in ("event", "unstored")
            and (line["alarm"] or {}).get("rule") == RULE
            and line["event"] in kinds
        }
        return [first[sequence] for sequence in sorted(first)]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def begin(tmp_path: Path, stack: ExitStack, disk: Path) -> Mine:
    folder = tmp_path / "mine"
    write_sample_mine(folder, people=60, ports=Ports.free())
    with (folder / "mine.toml").open("a") as file:
        file.write(f'\n[journal]\nfolder = "{disk / "journal"}"\nreserve_mb = 0\n')
    port = free_port()
    stack.enter_context(simulator(folder, tmp_path))
    process = stack.enter_context(gateway(folder, port, tmp_path))
    mine = Mine(port, process, stack.enter_context(watcher(port, tmp_path, "--from-sequence", "1")))
    until(lambda: mine.positions() > 100, "positions before")
    until(lambda: len(mine.told("event")) > 3, "events before")
    return mine


def ended(mine: Mine, disk: Path) -> None:
    """Stops it; each event was told once, in order, and each is in the journal."""
    assert mine.gateway.stop() == 0
    told = mine.told("event")
    assert told == [*range(1, len(told) + 1)]
    with closing(Journal.open(disk / "journal")) as journal:
        assert journal.damage == ()
        assert journal.last_sequence >= told[-1]
        for first in range(1, journal.last_sequence + 1, 1000):
            assert not [one for one in journal.read(first, 1000) if isinstance(one, Gap)]


def test_a_disk_that_is_full_until_it_has_room(tmp_path: Path, stack: ExitStack) -> None:
    disk = stack.enter_context(tmpfs(tmp_path / "disk", "4m"))
    mine = begin(tmp_path, stack, disk)
    with closing(sqlite3.connect(disk / "journal" / DATABASE_FILE)) as reader:
        # What someone reads is not written over: so the log must grow, and soon can't.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        mine.fails("the disk is full")
    mine.located()
    until(lambda: RULE in {alarm.rule for alarm in answers.open_alarms(mine.port)}, "it is listed")
    grow(disk, "64m")
    mine.works()
    mine.located()
    ended(mine, disk)


@pytest.mark.parametrize("calls", [SYNCS, WRITES])
def test_a_disk_that_does_not_sync_or_write_until_it_does(
    tmp_path: Path, stack: ExitStack, calls: str
) -> None:
    disk = tmp_path / "disk"
    mine = begin(tmp_path, stack, disk)
    with injected(mine.gateway.popen.pid, f"{calls}:error=EIO"):
        mine.fails("the disk does not take or give data")
        mine.located()
    mine.works()
    ended(mine, disk)


def test_a_slow_disk_slows_only_events(tmp_path: Path, stack: ExitStack) -> None:
    """Positions go on between two events that are told: nothing but events waits for the disk."""
    disk = tmp_path / "disk"
    mine = begin(tmp_path, stack, disk)
    with injected(mine.gateway.popen.pid, f"{SYNCS}:delay_enter=500000"):
        for _ in range(3):
            events = len(mine.told("event"))
            mine.located()
            mine.told_more(events)
    assert mine.changes() == []
    ended(mine, disk)


def test_a_disk_that_becomes_read_only(tmp_path: Path, stack: ExitStack) -> None:
    """Such an ext4 stays so until it is mounted anew: the gateway goes on for as long."""
    disk = stack.enter_context(ext4(tmp_path / "disk"))
    mine = begin(tmp_path, stack, disk.folder)
    disk.fail()
    mine.fails("")
    mine.located()
    told = mine.told("event")
    assert mine.gateway.stop() == 0
    assert "the gateway ends with events that are not stored" in mine.gateway.err
    assert told == [*range(1, len(told) + 1)]
    disk.unmount()
    disk.mount()
    with closing(Journal.open(disk.folder / "journal")) as journal:
        assert journal.damage == ()
        assert journal.last_sequence >= told[-1]
        assert not [one for one in journal.read(1, 1000) if isinstance(one, Gap)]


def test_a_journal_that_is_deleted_while_it_is_used(tmp_path: Path, stack: ExitStack) -> None:
    disk = tmp_path / "disk"
    mine = begin(tmp_path, stack, disk)
    shutil.rmtree(disk / "journal")
    until(lambda: mine.changes() == ["raised", "cleared"], "it is noticed, and made anew")
    assert "deleted or replaced while the gateway ran" in mine.gateway.err
    assert mine.told("unstored") == []
    mine.located()
    ended(mine, disk)
