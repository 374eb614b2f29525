"""The journal's writer on disks that are full, fail, hang, or lose their files."""

import asyncio
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.journal import waiting, writer
from gateway.journal.audit import AuditEntry
from gateway.journal.consumers import Place
from gateway.journal.gaps import UNSTORED
from gateway.journal.journal import Gap, Journal, JournalError
from gateway.journal.sqlite import DATABASE_FILE
from tests.gateway.journal_rig import records
from tests.gateway.journal_writer import act_of, payload_of
from tests.gateway.writer_rig import WriterRig, empty, fill, writing
from tests.support.waiting import LONG_S, until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY_LEAST_S", 0.01)
    monkeypatch.setattr(writer, "RETRY_MOST_S", 0.05)
    monkeypatch.setattr(writer, "LOOK_EVERY_S", 0.05)


async def test_what_gathers_while_the_disk_works_is_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, sizes = threading.Event(), threading.Event(), list[int]()
    append = Journal.append

    def slow(journal: Journal, events: Any, *rest: Any, **more: Any) -> None:
        sizes.append(len(events))
        begun.set()
        assert go_on.wait(LONG_S)
        append(journal, events, *rest, **more)

    monkeypatch.setattr(Journal, "append", slow)
    async with writing(tmp_path) as rig:
        rig.put(1, {"a": b"1"})
        await until(begun.is_set)
        for n in range(2, 12):
            rig.put(2, {"a": str(n).encode()}, [act_of(n - 1)])
        assert rig.told.events == []
        go_on.set()
        await rig.stored()
        assert sizes == [1, 20]
        assert rig.told.events == [*range(1, 22)]
        assert rig.done == [1, *range(3, 22, 2)]
        assert rig.told.waiting == []
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.read(1, 99) == records(1, 21)
        assert journal.load_state() == {"a": b"11"}
        assert journal.last_audit.sequence == 10


async def test_events_must_follow_one_another(tmp_path: Path) -> None:
    async with writing(tmp_path) as rig:
        rig.put()
        with pytest.raises(ValueError, match="event 3 does not follow: 2 is the next"):
            rig.writer.put(waiting.Portion([(3, 0, b"x")]))


async def test_a_full_disk_is_told_and_what_waits_is_stored_once_there_is_room(
    tmp_path: Path,
) -> None:
    async with writing(tmp_path) as rig:
        rig.put(3, {"a": b"1"})
        await rig.stored()
        fill(rig.journal)
        rig.put(2, {"a": b"2"}, [act_of(1)], size=100_000)
        await rig.fails()
        assert "the disk is full" in rig.told.healths[-1]
        rig.put(2, {"a": b"3", "b": b"1"}, [act_of(2)])
        assert rig.told.waiting == [4, 5, 6, 7]
        assert rig.told.events == [1, 2, 3]
        status = rig.writer.status()
        assert (status.waiting_events, status.last_sequence) == (4, 3)
        assert "the disk is full" in status.failure
        assert status.failure_t_ns
        empty(rig.journal)
        await rig.stored()
        await rig.works()
        assert rig.told.events == [*range(1, 8)]
        assert rig.told.waiting == [4, 5, 6, 7]
        status = rig.writer.status()
        assert (status.waiting_events, status.failure, status.failure_t_ns) == (0, "", None)
    with closing(Journal.open(tmp_path)) as journal:
        assert len([one for one in journal.read(1, 99) if not isinstance(one, Gap)]) == 7
        assert journal.load_state() == {"a": b"3", "b": b"1"}
        assert journal.last_audit.sequence == 2


async def test_too_many_that_wait_leave_a_gap_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        waiting.Waiting.__init__, "__kwdefaults__", {"events_most": 3, "bytes_most": 1 << 20}
    )
    async with writing(tmp_path) as rig:
        rig.put(2)
        await rig.stored()
        fill(rig.journal)
        rig.put(1, size=100_000)
        await rig.fails()
        for _ in range(7):
            rig.put()
        assert rig.told.waiting == [*range(3, 11)]
        empty(rig.journal)
        await rig.stored()
        assert rig.told.events == [1, 2, 8, 9, 10]
        rig.put()
        await rig.stored()
    with closing(Journal.open(tmp_path)) as journal:
        expected = [*records(1, 2), Gap(3, 7, UNSTORED), *records(8, 11)]
        assert (journal.damage, journal.last_sequence) == ((), 11)
        assert journal.read(1, 99) == expected
        assert journal.read(4, 2) == [Gap(4, 5, UNSTORED)]


@pytest.mark.parametrize("took", ["none of it", "all of it"])
async def test_after_an_error_of_the_disk_what_is_really_there_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, took: str
) -> None:
    """A commit whose end was not heard of may be there, or not: it is stored once, either way."""
    append, reopen = Journal.append, Journal.reopen
    calls = list[str]()

    def fails(journal: Journal, *given: Any, **more: Any) -> None:
        if calls:
            append(journal, *given, **more)
            return
        if took == "all of it":
            other = Journal.__new__(Journal)
            other.__dict__ |= journal.__dict__
            # On a copy: the one that goes on does not know.
            other._audit = type(journal._audit).__new__(type(journal._audit))
            other._audit.__dict__ |= journal._audit.__dict__
            append(other, *given, **more)
        calls.append("failed")
        msg = "writing: the disk does not take or give data (SQLITE_IOERR_FSYNC)"
        raise JournalError(msg)

    def reopens(journal: Journal) -> None:
        calls.append("reopened")
        reopen(journal)

    async with writing(tmp_path) as rig:
        rig.put(2, {"a": b"1"}, [act_of(1)])
        await rig.stored()
        monkeypatch.setattr(Journal, "append", fails)
        monkeypatch.setattr(Journal, "reopen", reopens)
        rig.put(3, {"a": b"2"}, [act_of(2), act_of(3)])
        await rig.stored()
        assert calls == ["failed", "reopened"]
        rig.put(1, {}, [act_of(4)])
        await rig.stored()
        assert rig.told.events == [*range(1, 7)]
        assert rig.told.waiting == [3, 4, 5]
    with closing(Journal.open(tmp_path)) as journal:
        assert (journal.damage, journal.load_state()) == ((), {"a": b"2"})
        assert journal.read(1, 99) == records(1, 6)
        acts = journal.read_audit(1, 99)
        assert [one.sequence for one in acts if isinstance(one, AuditEntry)] == [1, 2, 3, 4]


async def test_a_disk_that_does_not_answer_is_told_before_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    append = Journal.append

    def hangs(journal: Journal, *given: Any, **more: Any) -> None:
        assert go_on.wait(LONG_S)
        append(journal, *given, **more)

    monkeypatch.setattr(writer, "STALL_S", 0.05)
    async with writing(tmp_path) as rig:
        monkeypatch.setattr(Journal, "append", hangs)
        rig.put(2)

        def told() -> bool:
            rig.writer.tick()
            return bool(rig.told.healths and rig.told.healths[-1])

        await until(told)
        assert "does not answer" in rig.told.healths[-1]
        rig.put(1)
        assert rig.told.waiting == [1, 2, 3]
        go_on.set()
        await rig.stored()
        await rig.works()
        assert rig.told.events == [1, 2, 3]


def _remove_database(folder: Path) -> None:
    (folder / DATABASE_FILE).unlink()


def _remove_log(folder: Path) -> None:
    (folder / f"{DATABASE_FILE}-wal").unlink()


def _remove_all(folder: Path) -> None:
    shutil.rmtree(folder)


def _move_away(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def _replace(folder: Path) -> None:
    other = folder.with_name("other")
    Journal.open(other).close()
    (other / DATABASE_FILE).replace(folder / DATABASE_FILE)


@pytest.mark.parametrize("lose", [_remove_database, _remove_log, _remove_all, _move_away, _replace])
async def test_a_journal_whose_files_are_gone_is_made_anew_and_nothing_is_lost(
    tmp_path: Path, lose: Any
) -> None:
    folder = tmp_path / "journal"
    async with writing(folder) as rig:
        rig.put(300, {"a": b"1"}, [act_of(1)])
        await rig.stored()
        epoch = rig.journal.epoch
        lose(folder)
        rig.put(2, {"a": b"2"}, [act_of(2)])
        await until(lambda: len(rig.told.healths) >= 2)
        assert "deleted or replaced while the gateway ran" in rig.told.healths[0]
        assert rig.told.healths[1] == ""
        rig.put(2)
        await rig.stored()
        assert rig.told.events == [*range(1, 305)]
        assert rig.told.waiting == []
        assert rig.journal.read(1, 999) == records(1, 304)
        with pytest.raises(JournalError, match="another gateway has this journal open"):
            Journal.open(folder)
    with closing(Journal.open(folder)) as journal:
        assert (journal.epoch, journal.damage) == (epoch, ())
        assert journal.read(1, 999) == records(1, 304)
        assert journal.load_state() == {"a": b"2"}
        assert journal.last_audit.sequence == 2


async def test_a_foreign_file_in_its_place_is_put_aside_and_kept(tmp_path: Path) -> None:
    async with writing(tmp_path) as rig:
        rig.put()
        await rig.stored()
        other = tmp_path / "other"
        other.write_text("someone's")
        other.replace(tmp_path / DATABASE_FILE)
        await until(lambda: len(rig.told.healths) >= 2)
    assert (tmp_path / f"{DATABASE_FILE}.aside-1").read_text() == "someone's"


async def test_little_room_is_told_while_events_are_still_stored(tmp_path: Path) -> None:
    async with writing(tmp_path, reserve_bytes=1 << 60) as rig:
        await rig.fails()
        assert "MB are free" in rig.told.healths[-1]
        assert "reserve_mb" in rig.told.healths[-1]
        rig.put(2)
        await rig.stored()
        assert (rig.told.events, rig.told.waiting) == ([1, 2], [])
        assert rig.writer.status().free_bytes > 0
        assert rig.writer.status().bytes > 0
        rig.writer.use(0, rig.writer._retention._keep)
        await rig.works()


async def test_the_end_says_what_is_not_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with writing(tmp_path) as rig:
        rig.put()
        await rig.stored()
        fill(rig.journal)
        rig.put(3, size=100_000)
        await rig.fails()
    log = capsys.readouterr().out
    assert "ends with events that are not stored" in log
    assert "first=2" in log
    assert "last=4" in log
    assert rig.done == [1]


async def test_what_waits_at_the_end_is_stored(tmp_path: Path) -> None:
    async with writing(tmp_path) as rig:
        for _ in range(50):
            rig.put(3)
    assert rig.told.events == [*range(1, 151)]


async def test_acts_are_refused_before_they_are_too_many_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "AUDIT_MOST", 2)
    async with writing(tmp_path) as rig:
        fill(rig.journal)
        rig.put(1, {}, [act_of(1)], size=100_000)
        assert not rig.writer.is_full
        rig.put(0, {}, [act_of(2)])
        assert rig.writer.is_full
        empty(rig.journal)
        await rig.stored()
        assert not rig.writer.is_full


async def test_a_mistake_of_ours_is_told_to_who_runs_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        rig = WriterRig(journal)
        monkeypatch.setattr(Journal, "append", lambda *_, **__: 1 // 0)
        rig.put()
        async with asyncio.timeout(LONG_S):
            await asyncio.wait([rig.writer.failed])
        await rig.writer.close()
        with pytest.raises(ZeroDivisionError):
            rig.writer.check()


def test_after_an_error_of_the_disk_nothing_is_stored_until_it_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever met the error: what the system's cache holds is not what the disk does."""

    def fails(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise error

    with closing(Journal.open(tmp_path)) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(journal.consumers, "store", fails)
            with pytest.raises(JournalError, match="IOERR_FSYNC"):
                journal.store_places({"screen": Place(0, 1)})
        rows = [(1, 1000, payload_of(1))]
        with pytest.raises(JournalError, match="opened anew") as failure:
            journal.append(rows, {})
        assert not failure.value.passing
        journal.reopen()
        journal.append(rows, {})
        journal.store_places({"screen": Place(1, 1)})
        assert journal.read(1, 9) == records(1, 1)
