"""Another configuration reaches every part of a running gateway, and all of its services."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from lamproom.v1 import (
    alarm_pb2,
    attendance_pb2,
    attendance_pb2_grpc,
    mine_pb2,
    muster_pb2,
    muster_pb2_grpc,
    risk_pb2,
    risk_pb2_grpc,
    roster_pb2,
    roster_pb2_grpc,
)
from tests.gateway.reload_rig import LI, WANG, Folder, Pumps, Run, roadway, running, zone
from tests.protocols.modbus_peer import stream_server

NEW = "14010000000207001"
LATER = "14010000000200003"
RIG = """\
[[machine]]
id = "rig"
name = "1号钻机"
kind = "drill_rig"
fixed = { x_m = 125.0, y_m = 0.0 }
fence = { radius_m = 12.0 }
"""
POINT = '[[risk_point]]\nid = "roof"\nname = "冒顶"\nlevel = 2\nowner = "采煤队"\nzone = "face"\n'


@pytest.fixture
async def pumps() -> AsyncIterator[Pumps]:
    pumps = Pumps()
    async with stream_server(pumps.serve) as pumps.port:
        yield pumps


async def changes_of(run: Run, request_id: str) -> list[str]:
    answer = await run.reload(request_id)
    assert answer.accepted
    return [f"{one.file}: {', '.join(one.changes)}" for one in answer.changes]


async def test_machines_and_risk_points_come_and_go(tmp_path: Path, pumps: Pumps) -> None:
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    async with running(folder) as run:
        risks = risk_pb2_grpc.RiskServiceStub(run.channel)
        await run.place(WANG, 125.0)
        assert await run.open_alarms() == {}
        (folder.path / "machines.toml").write_text(RIG)
        (folder.path / "risk_points.toml").write_text(POINT)
        assert await changes_of(run, "request-1") == [
            "machines.toml: the file is new",
            "risk_points.toml: the file is new",
        ]

        async def in_fence() -> bool:
            await run.place(WANG, 125.0)
            return ("danger_proximity", WANG) in await run.open_alarms()

        async with asyncio.timeout(30):
            while not await in_fence():
                await asyncio.sleep(0.2)
        points = await risks.ListRiskPoints(risk_pb2.ListRiskPointsRequest())
        assert [one.risk_point_id for one in points.risk_points] == ["roof"]
        async with asyncio.timeout(30):
            while not (await risks.ListRisks(risk_pb2.ListRisksRequest())).risks:
                await asyncio.sleep(0.1)
        (folder.path / "machines.toml").write_text(RIG.replace("12.0", "11.0"))
        (folder.path / "risk_points.toml").write_text(POINT.replace("level = 2", "level = 1"))
        assert await changes_of(run, "request-2") == [
            "machines.toml: machine rig changed (fence)",
            "risk_points.toml: risk_point roof changed (level)",
        ]
        (folder.path / "machines.toml").unlink()
        assert await changes_of(run, "request-3") == ["machines.toml: the file is gone"]
        open_ = await run.open_alarms()
        alarm = open_.get(("danger_proximity", WANG))
        assert alarm is None or alarm.HasField("end_time")


async def test_who_has_which_card_is_right_after_another_people_csv(
    tmp_path: Path, pumps: Pumps
) -> None:
    folder = Folder(tmp_path / "mine", {"pump_1": pumps.port})
    async with running(folder) as run:
        roster = roster_pb2_grpc.RosterServiceStub(run.channel)
        musters = muster_pb2_grpc.MusterServiceStub(run.channel)
        attendance = attendance_pb2_grpc.AttendanceServiceStub(run.channel)
        header = alarm_pb2.ActHeader(request_id="request-swap", operator="Zhao")
        swap = roster_pb2.ReplaceCardRequest(act=header, old_card=WANG, new_card=NEW)
        await roster.ReplaceCard(swap)
        await run.place(NEW, 125.0)
        listed = await roster.ListCards(roster_pb2.ListCardsRequest(page_size=1))

        folder.people(LI, WANG, LATER)
        shift = '[[shift]]\nname = "早班"\nfrom = "00:00"\nto = "12:00"\n'
        shift += '[[shift]]\nname = "晚班"\nfrom = "12:00"\nto = "00:00"\n'
        folder.mine(more=f"{shift}[attendance]\nlate_min = 30\n")
        assert await changes_of(run, "request-1") == [
            "mine.toml: shift added, attendance added",
            "people.csv: 1 added",
        ]
        cards = await roster.ListCards(roster_pb2.ListCardsRequest())
        assert {one.person_id: one.card for one in cards.holders} == {
            LI: LI,
            WANG: NEW,
            LATER: LATER,
        }
        stale = roster_pb2.ListCardsRequest(page_size=1, page_token=listed.next_page_token)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await roster.ListCards(stale)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        people = (await run.mine.ListPeople(mine_pb2.ListPeopleRequest())).people
        assert {one.card for one in people} == {LI, NEW, LATER}
        note = alarm_pb2.ActHeader(request_id="request-muster", operator="Zhao", note="smoke")
        await musters.OpenMuster(muster_pb2.OpenMusterRequest(act=note))
        (one,) = (await musters.GetMuster(muster_pb2.GetMusterRequest())).cards
        assert (one.card, one.name) == (NEW, f"name {WANG[-2:]}")

        text = (folder.path / "people.csv").read_text().replace(f"name {WANG[-2:]}", "老王")
        (folder.path / "people.csv").write_text(text)
        folder.map(
            roadway("main", 0.0),
            zone("pit_top", "wellhead", -10, 15),
            zone("face", "face", 100, 150),
            zone("bend", "section", 20, 40),
        )
        await changes_of(run, "request-2")
        (one,) = (await musters.GetMuster(muster_pb2.GetMusterRequest())).cards
        assert (one.card, one.name) == (NEW, "老王")
        shifts = await attendance.ListShifts(attendance_pb2.ListShiftsRequest())
        assert {one.shift.name for one in shifts.shifts} <= {"", "早班", "晚班"}
        count = await run.mine.GetHeadcount(mine_pb2.GetHeadcountRequest())
        assert {one.zone_id for one in count.zones} == {"pit_top", "face", "bend"}
