"""AdminService and `lamproom status`: how the gateway, its journal and its disk do."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.status import status
from gateway.journal.consumers import Place
from gateway.journal.journal import Journal
from gateway.serve import admin
from gateway.serve.admin import AdminSources, NoTrouble, TracksState
from lamproom.v1 import admin_pb2, admin_pb2_grpc
from tests.gateway.journal_rig import edit
from tests.gateway.serve_rig import T0_NS, Rig, S, served


@dataclass(frozen=True)
class Row:
    subscriber_id: int
    peer: str
    identity: str
    role: str
    method: str
    begin_t_ns: int
    messages: int
    bytes: int
    message_t_ns: int
    blocked_s: float


ROW = Row(
    *(1, "ipv4:10.0.0.7:4711", "scada", "viewer", "/lamproom.v1.EventService/WatchEvents"),
    *(T0_NS, 12, 3_400_000, T0_NS + S, 0.0),
)
ROWS = [
    ROW,
    replace(ROW, subscriber_id=4, message_t_ns=0, blocked_s=7.5, identity=""),
    replace(ROW, subscriber_id=9),
]


def have_open(rig: Rig, rows: Sequence[Row]) -> None:
    """From here on these streams are open, and no others."""
    admin = rig.server.services.admin
    admin._sources = replace(admin._sources, subscribers=lambda: rows)


FULL = "the disk is full"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


def admin_of(rig: Rig) -> "admin_pb2_grpc.AdminServiceAsyncStub":
    return admin_pb2_grpc.AdminServiceStub(rig.channel())


def bytes_of(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.iterdir())


async def status_of(rig: Rig) -> admin_pb2.GetStatusResponse:
    return await admin_of(rig).GetStatus(admin_pb2.GetStatusRequest())


async def test_the_status_of_a_gateway_that_does_well(tmp_path: Path) -> None:
    now_ns = [T0_NS]
    async with served(tmp_path, now_ns=lambda: now_ns[0]) as rig:
        await rig.happen(3)
        now_ns[0] += 60 * S
        found = await status_of(rig)
        assert (found.version, found.mine_code) == (version("lamproom"), "620000000001")
        assert found.mine_name == "一号煤矿"
        assert found.time.ToNanoseconds() - found.begin_time.ToNanoseconds() == 60 * S
        assert found.configuration == rig.server.services.configuration.message
        journal = found.journal
        assert (journal.first_sequence, journal.last_sequence) == (1, 3)
        assert journal.epoch == rig.journal.epoch
        assert journal.bytes == bytes_of(tmp_path)
        assert journal.free_bytes > 0
        assert (journal.failure, journal.waiting_events, list(journal.damage)) == ("", 0, [])
        assert not journal.HasField("failure_time")
        assert not found.HasField("tracks")
        assert found.resident_bytes > 10_000_000
        assert found.processor_s > 0
        assert (found.subscribers, found.fixes_refused) == (0, 0)


async def test_a_journal_without_events_has_no_first_one(rig: Rig) -> None:
    journal = (await status_of(rig)).journal
    assert (journal.first_sequence, journal.last_sequence) == (0, 0)


async def test_what_the_other_parts_know_is_told(tmp_path: Path) -> None:
    trouble = NoTrouble(41, FULL, T0_NS)
    tracks = TracksState(T0_NS, T0_NS + S, 77, FULL, T0_NS + 2 * S, 5)
    sources = AdminSources(trouble=lambda: trouble, tracks=lambda: tracks)
    async with served(tmp_path, admin=sources) as rig:
        have_open(rig, ROWS)
        found = await status_of(rig)
    assert found.subscribers == len(ROWS)
    assert (found.journal.waiting_events, found.journal.failure) == (41, FULL)
    assert found.journal.failure_time.ToNanoseconds() == T0_NS
    assert (found.tracks.bytes, found.tracks.dropped, found.tracks.failure) == (77, 5, FULL)
    times = (found.tracks.oldest_time, found.tracks.newest_time, found.tracks.failure_time)
    assert [one.ToNanoseconds() for one in times] == [T0_NS, T0_NS + S, T0_NS + 2 * S]


async def test_damage_is_told(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path)) as journal:
        journal.store_places({"scada": Place(1, 2)})
    edit(tmp_path, "UPDATE consumer SET crc32 = crc32 + 1")
    async with served(tmp_path) as rig:
        (sentence,) = (await status_of(rig)).journal.damage
    assert "consumer 'scada'" in sentence


async def test_a_disk_that_does_not_answer_is_told_and_holds_up_nobody(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    looks: list[Any] = []
    real = os.statvfs

    def statvfs(folder: Any) -> os.statvfs_result:
        looks.append(folder)
        answers.wait()
        return real(folder)

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(admin, "DISK_ANSWERS_S", 0.05)
    try:
        found = await asyncio.gather(*(status_of(rig) for _ in range(5)))
        assert {one.journal.failure for one in found} == {
            "its file system does not answer: check the disk"
        }
        # However often it is asked, one look waits.
        assert len(looks) == 1
    finally:
        answers.set()
    monkeypatch.setattr(admin, "DISK_ANSWERS_S", 30.0)
    assert (await status_of(rig)).journal.failure == ""


async def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    async with served(tmp_path / "journal") as rig:
        (tmp_path / "journal").rename(tmp_path / "other")
        journal = (await status_of(rig)).journal
        assert "does not answer" in journal.failure


async def test_subscribers_come_in_pages_by_their_ids(tmp_path: Path) -> None:
    rows = list(ROWS)
    async with served(tmp_path) as rig:
        have_open(rig, rows)
        stub, asked = admin_of(rig), admin_pb2.ListSubscribersRequest
        first = await stub.ListSubscribers(asked(page_size=1))
        rows.pop(0)  # who has gone takes nobody else away
        rest = await stub.ListSubscribers(asked(page_token=first.next_page_token))
    (one,) = first.subscribers
    assert (one.subscriber_id, one.peer, one.identity) == (1, ROW.peer, "scada")
    assert (one.role, one.method, one.messages, one.bytes) == ("viewer", ROW.method, 12, 3_400_000)
    assert one.begin_time.ToNanoseconds() == T0_NS
    assert one.message_time.ToNanoseconds() == T0_NS + S
    four, nine = rest.subscribers
    assert (four.subscriber_id, four.HasField("message_time"), four.blocked_s) == (4, False, 7.5)
    assert (nine.subscriber_id, rest.next_page_token) == (9, "")


# The command


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(status)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


async def shown(rig: Rig, *arguments: str) -> tuple[int, str]:
    code, out, err = await asyncio.to_thread(run, f"127.0.0.1:{rig.port}", *arguments)
    assert err == ""
    return code, out


async def test_the_command_shows_it_at_a_glance(rig: Rig) -> None:
    await rig.happen(3)
    code, out = await shown(rig)
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert code == 0
    assert lines["lamproom"] == f"{version('lamproom')}  一号煤矿 (620000000001)"
    assert lines["journal"].startswith("ok: events 1 to 3, ")
    assert lines["positions"] == "none are kept"
    assert lines["streams"] == "0 open"
    assert lines["configuration"].startswith("number 1, version -, ")
    assert "s of processor time" in lines["process"]


async def test_the_command_ends_with_1_where_something_can_not_be_kept(tmp_path: Path) -> None:
    trouble = NoTrouble(41, FULL, T0_NS)
    tracks = TracksState(T0_NS, T0_NS + S, 77_000_000, dropped=5)
    sources = AdminSources(trouble=lambda: trouble, tracks=lambda: tracks)
    async with served(tmp_path, admin=sources) as rig:
        have_open(rig, ROWS)
        code, out = await shown(rig, "--subscribers")
        found = await shown(rig, "--json", "--subscribers")
    assert code == 1
    assert f"journal        FAILS since 2027-01-15 16:00:00+08:00: {FULL}; no events yet" in out
    assert "41 events wait for the disk" in out
    assert "77 MB, 5 not kept" in out
    table = out[out.index("blocked s") :].splitlines()[1:]
    assert [line.split()[0] for line in table] == ["1", "4", "9"]
    assert [line.split()[-1] for line in table] == ["-", "7.5", "-"]
    figures = json.loads(found[1])
    assert found[0] == 1
    assert figures["journal"]["failure_time"] == "2027-01-15T08:00:00.000000Z"
    assert figures["tracks"]["dropped"] == 5
    assert [row["subscriber_id"] for row in figures["subscriber_list"]] == [1, 4, 9]


async def test_without_tracks_the_figures_say_so(rig: Rig) -> None:
    code, out = await shown(rig, "--json")
    figures = json.loads(out)
    assert (code, figures["tracks"], figures["journal"]["failure"]) == (0, None, "")
    assert "subscriber_list" not in figures
