"""The configuration of a running gateway is read again: by signal, by call, by file."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.config.bundle import load
from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal
from lamproom.v1 import (
    configuration_pb2,
    equipment_pb2,
    event_pb2,
    mine_pb2,
    position_pb2,
)
from tests.gateway.app_rig import stored
from tests.gateway.reload_rig import LI, WANG, Folder, Pumps, roadway, running, zone
from tests.gateway.stream_client import StreamClient
from tests.protocols.modbus_peer import stream_server
from tests.support.ports import free_port
from tests.support.processes import Process, gateway, lamproom
from tests.support.processes import running as process
from tests.support.waiting import blocked_until, until

CHANGED = event_pb2.EVENT_KIND_CONFIGURATION_CHANGED
REFUSED = event_pb2.EVENT_KIND_CONFIGURATION_REFUSED


@pytest.fixture
async def pumps() -> AsyncIterator[Pumps]:
    pumps = Pumps()
    async with stream_server(pumps.serve) as pumps.port:
        yield pumps


@pytest.fixture
async def other_pumps() -> AsyncIterator[Pumps]:
    pumps = Pumps()
    async with stream_server(pumps.serve) as pumps.port:
        yield pumps


async def test_rules_people_and_devices_change_and_nobody_moves(
    tmp_path: Path, pumps: Pumps, other_pumps: Pumps
) -> None:
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    async with running(folder) as run:
        stranger = "14010000000200099"
        await run.place(WANG, 125.0)
        await run.place(stranger, 130.0)
        await until(lambda: pumps.connections == 1)
        before = await run.open_alarms()
        assert set(before) == {("unknown_card", stranger)}
        watch = StreamClient(
            run.configuration.WatchConfiguration(configuration_pb2.WatchConfigurationRequest())
        )
        assert (await watch.until("configuration")).configuration.number == 1
        machines = StreamClient(run.equipment.WatchEquipment(equipment_pb2.WatchEquipmentRequest()))
        await machines.until("sync")
        headcount = await run.mine.GetHeadcount(mine_pb2.GetHeadcountRequest())

        folder.people(WANG, LI, stranger)
        folder.mine(quota=0)
        folder.devices({"pump_1": pumps.port, "pump_2": other_pumps.port})
        face = zone("face", "restricted", 100, 150)
        folder.map(roadway("main", 0.0), zone("pit_top", "wellhead", -10, 15), face)
        answer = await run.reload()
        assert answer.accepted
        assert [f"{one.file}: {', '.join(one.changes)}" for one in answer.changes] == [
            "devices.toml: device pump_2 added",
            "map.geojson: zone face changed (zone)",
            "mine.toml: people.quota 10 → 0",
            "people.csv: 1 added",
        ]
        assert answer.configuration.number == 2
        assert answer.configuration.digest == load(folder.path).digest
        told = (await watch.until("configuration")).configuration
        assert told == answer.configuration
        after = await run.open_alarms()
        assert {("restricted_entry", WANG), ("restricted_entry", stranger)} <= set(after)
        assert ("unknown_card", stranger) not in {
            key for key, one in after.items() if not one.HasField("end_time")
        }
        again = await run.mine.GetHeadcount(mine_pb2.GetHeadcountRequest())
        assert again.underground == headcount.underground == 2
        assert await run.zones_of(WANG) == ["face"]
        people = (await run.mine.ListPeople(mine_pb2.ListPeopleRequest())).people
        assert [one.on_roster for one in people] == [True] * 3
        zones = (await run.mine.GetMap(mine_pb2.GetMapRequest())).zones
        assert zones[1].kind == mine_pb2.ZONE_KIND_RESTRICTED
        while (await machines.until("equipment")).equipment.device_id != "pump_2":
            pass
        await until(lambda: other_pumps.connections == 1)
        assert pumps.connections == 1, "an unchanged device keeps its session"

        folder.devices({"pump_1": pumps.port})
        assert (await run.reload("request-2")).accepted
        assert (await machines.until("removed_device_id")).removed_device_id == "pump_2"
        folder.devices({"pump_1": other_pumps.port})
        assert (await run.reload("request-3")).accepted
        await until(lambda: other_pumps.connections == 2)
        assert pumps.connections == 1
    events = stored(folder.path)
    assert next(one.text.partition(": ")[2] for one in events if one.kind == CHANGED) == (
        "devices.toml: device pump_2 added; map.geojson: zone face changed (zone); "
        "mine.toml: people.quota 10 → 0; people.csv: 1 added"
    )
    assert sum(one.kind == event_pb2.EVENT_KIND_ZONE_LEFT for one in events) == 0
    with closing(Journal.open(folder.path / "journal")) as journal:
        entries = [one for one in journal.read_audit(1, 10) if isinstance(one, AuditEntry)]
    assert [(one.act, one.operator, one.request_id, one.outcome) for one in entries] == [
        ("configuration.reload", "Zhao", f"request-{n}", "done") for n in (1, 2, 3)
    ]


async def test_what_is_wrong_is_refused_whole(tmp_path: Path, pumps: Pumps) -> None:
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    async with running(folder) as run:
        await run.place(WANG, 125.0)
        folder.mine(quota=0, more='typo = 1\n[alarm.distress]\nlevel = "x"\n')
        folder.people(WANG, "no card")
        answer = await run.reload()
        assert not answer.accepted
        assert not answer.changes
        found = [(one.file, one.line, one.key) for one in answer.mistakes]
        assert ("people.csv", 3, "card") in found
        assert {file for file, _, _ in found} == {"mine.toml", "people.csv"}
        assert all(one.problem for one in answer.mistakes)
        assert answer.configuration.number == 1
        assert await run.open_alarms() == {}
        repeated = await run.reload()
        assert repeated.result.repeated_request
        assert list(repeated.mistakes) == list(answer.mistakes)

        folder.people(WANG, LI)
        folder.mine(code="140100000003", more='[journal]\nfolder = "other"\n')
        fixed = await run.reload("request-2")
        assert [one.problem.partition(" can't")[0] for one in fixed.mistakes] == [
            "journal.folder",
            "mine.code",
        ]
        assert all("start it anew" in one.problem for one in fixed.mistakes)

        folder.mine()
        same = await run.reload("request-3")
        assert same.accepted
        assert not same.changes
        assert pumps.connections == 1
    events = stored(folder.path)
    refused = [one.text for one in events if one.kind == REFUSED]
    assert len(refused) == 2
    assert "people.csv:3: card: " in refused[0]
    assert CHANGED not in {one.kind for one in events}


async def test_another_map_keeps_people_and_tells_clients(tmp_path: Path, pumps: Pumps) -> None:
    """Roadways come and go; a stream that was begun before names them all rightly."""
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    async with running(folder) as run:
        await run.place(WANG, 125.0)
        request = position_pb2.WatchPositionsRequest()
        stream = StreamClient(run.positions.WatchPositions(request))
        first = (await stream.until("directory")).directory
        assert list(first.roadway_ids) == ["main"]
        await stream.until("sync")

        moved = zone("face", "face", 200, 250)
        top = zone("pit_top", "wellhead", -10, 15)
        folder.map(roadway("new", 60.0), roadway("main", 0.0), top, moved)
        assert (await run.reload()).accepted
        assert await run.zones_of(WANG) == [], "a zone that has moved away is left at once"
        directory = (await stream.until("directory")).directory
        assert list(directory.roadway_ids) == ["main", "new"]
        names = dict(enumerate(directory.roadway_ids, 1))
        await run.place(WANG, 126.0)
        await run.place(LI, 50.0, 60.0)
        told: dict[int, str] = {}
        while len(set(told.values())) < 2:
            frame = (await stream.until("frame")).frame
            rows = zip(frame.tag_handles, frame.roadways, strict=True)
            told |= {card: names[road] for card, road in rows if road}
        handles = run.gateway._cards
        assert told == {handles.handle(WANG): "main", handles.handle(LI): "new"}
        position = position_pb2.ListPositionsRequest(cards=[WANG, LI])
        found = (await run.positions.ListPositions(position)).positions
        assert [one.roadway_id for one in found] == ["main", "new"]
    events = stored(folder.path)
    (left,) = [one for one in events if one.kind == event_pb2.EVENT_KIND_ZONE_LEFT]
    assert (left.card, left.zone_id) == (WANG, "face")
    assert "the map has changed" in left.text
    entered = [one.card for one in events if one.kind == event_pb2.EVENT_KIND_MINE_ENTERED]
    assert len(entered) == len(set(entered))


async def test_files_that_change_are_read_where_the_mine_wants_it(
    tmp_path: Path, pumps: Pumps
) -> None:
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    folder.mine(more="[reload]\non_change = true\n")
    request = configuration_pb2.GetConfigurationRequest()
    async with running(folder) as run:

        async def number(least: int) -> int:
            async with asyncio.timeout(20):
                while True:
                    found = (await run.configuration.GetConfiguration(request)).configuration
                    if found.number >= least:
                        return found.number
                    await asyncio.sleep(0.05)

        folder.people(WANG)
        await number(2)
        folder.mine(quota=3)  # without [reload]: from now on files are left alone
        await number(3)
        folder.people(WANG, LI)
        run.again.set()  # as SIGHUP does
        assert await number(4) == 4
    texts = [one.text.partition(": ")[2] for one in stored(folder.path) if one.kind == CHANGED]
    assert texts == [
        "people.csv: 1 removed",
        "mine.toml: people.quota 10 → 3, reload removed",
        "people.csv: 1 added",
    ]


@pytest.fixture
def still_mine(tmp_path: Path) -> Folder:
    """A mine whose device nobody answers for."""
    return Folder(tmp_path / "mine", {"pump_1": free_port()})


def test_a_signal_the_command_and_kill_9(tmp_path: Path, still_mine: Folder) -> None:
    port = free_port()

    def reload(name: str) -> Process:
        command = lamproom("reload", f"127.0.0.1:{port}", "--operator", "Zhao")
        with process(command, tmp_path, name) as asking:
            asking.popen.wait(60)
            return asking

    with gateway(still_mine.path, port, tmp_path) as running_one:
        still_mine.people(WANG)
        running_one.popen.send_signal(signal.SIGHUP)
        blocked_until(lambda: "people.csv: 1 removed" in running_one.err)
        still_mine.mine(quota=-1)
        refused = reload("refused")
        assert refused.popen.returncode == 1
        assert "mine.toml:" in refused.out
        assert "people.quota" in refused.out
        still_mine.mine(quota=5, more="")
        done = reload("done")
        assert done.popen.returncode == 0
        assert "mine.toml: people.quota 10 → 5" in done.out
        running_one.kill()
    with gateway(still_mine.path, port, tmp_path, name="again"):
        same = reload("same")
        assert "is as it was" in same.out
    texts = [one.text for one in stored(still_mine.path) if one.kind in (CHANGED, REFUSED)]
    assert len(texts) == 3
    assert texts[1].startswith("the configuration is refused and that of before goes on: mine.toml")
