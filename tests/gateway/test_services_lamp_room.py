"""Cards, attendance and exposure over real gRPC: lists in pages, acts, and what is refused."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from gateway.config.bundle import Person
from gateway.config.people import CardKind
from gateway.mine.change import ActKind, Answer, Changes, Flow, Headcount
from gateway.mine.people.shift_exposure import Share, ShiftExposure
from gateway.mine.people.shifts import ShiftSpan
from gateway.mine.zones.visits import Visit
from lamproom.v1 import (
    alarm_pb2,
    attendance_pb2,
    attendance_pb2_grpc,
    exposure_pb2,
    exposure_pb2_grpc,
    mine_pb2,
    roster_pb2,
    roster_pb2_grpc,
)
from tests.gateway.serve_rig import T0_NS, Rig, S, bundle_of, changes, served
from tests.support.waiting import until

MIN = 60 * S
NOON_NS = 1_700_000_000 * S  # long ago: whoever is below then stays too long
EARLY = ShiftSpan("2023-11-15", "早班", NOON_NS - 480 * MIN, NOON_NS)
LATE = ShiftSpan("2023-11-15", "中班", NOON_NS, NOON_NS + 480 * MIN)
PEOPLE = (
    Person("1001", "王伟", "fitter", "A"),
    Person("1002", "Anna", "driver", "B", CardKind.VEHICLE),
    Person("1003", "李强", "", "B"),
)


def header(request_id: str = "request-1") -> alarm_pb2.ActHeader:
    return alarm_pb2.ActHeader(request_id=request_id, operator="Zhao", note="lost")


def visits_of(*visits: Visit, gone: tuple[tuple[int, str], ...] = ()) -> Changes:
    told: Mapping[tuple[int, str], Visit | None] = {
        **{visit.key: visit for visit in visits},
        **dict.fromkeys(gone),
    }
    return replace(changes(), visits=told)


def visit(
    card: str, in_min: float, out_min: float | None, shift: ShiftSpan, team: str = "A"
) -> Visit:
    """Times are minutes after the shift's start."""
    out_ns = None if out_min is None else shift.start_ns + round(out_min * MIN)
    in_ns = shift.start_ns + round(in_min * MIN)
    return Visit(card, in_ns, shift, out_ns, "王伟", team, leader=card == "1002", person=card)


async def answered(rig: Rig, refusal: str = "") -> Answer:
    await until(lambda: rig.desk.waiting > 0)
    (act,) = rig.inbox.take().acts
    answer = Answer(act, refusal, T0_NS + 42)
    rig.desk.tell([answer])
    return answer


async def test_who_has_which_card_in_pages(tmp_path: Path) -> None:
    async with served(tmp_path, bundle_of(people=PEOPLE), cards=0) as rig:
        stub = roster_pb2_grpc.RosterServiceStub(rig.channel())
        answer = await stub.ListCards(roster_pb2.ListCardsRequest(page_size=2))
        assert [(one.person_id, one.card) for one in answer.holders] == [
            ("1001", "1001"),
            ("1002", "1002"),
        ]
        rest = roster_pb2.ListCardsRequest(page_size=2, page_token=answer.next_page_token)
        answer = await stub.ListCards(rest)
        assert [one.name for one in answer.holders] == ["李强"]
        assert answer.next_page_token == ""
        rig.server.publish(replace(changes(), issued={"7001": "1001", "1003": "1003"}))
        answer = await stub.ListCards(roster_pb2.ListCardsRequest())
        assert [one.card for one in answer.holders] == ["7001", "", "1003"]
        people = (await rig.mine().ListPeople(mine_pb2.ListPeopleRequest())).people
        assert [(one.card, one.name) for one in people] == [("7001", "王伟"), ("1003", "李强")]
        with pytest.raises(grpc.aio.AioRpcError, match="page_token"):
            await stub.ListCards(roster_pb2.ListCardsRequest(page_token="made up"))


async def test_acts_are_asked_for_and_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        stub = roster_pb2_grpc.RosterServiceStub(rig.channel())
        issue = roster_pb2.IssueCardRequest(act=header(), card="7001", person_id="1001")
        take_back = roster_pb2.ReturnCardRequest(act=header(), card="1001")
        replace_ = roster_pb2.ReplaceCardRequest(act=header(), old_card="1001", new_card="7001")
        acts = []
        calls: list[Callable[[], Any]] = [
            lambda: stub.IssueCard(issue),
            lambda: stub.ReturnCard(take_back),
            lambda: stub.ReplaceCard(replace_),
        ]
        for call in calls:
            asked = asyncio.ensure_future(call())
            acts.append((await answered(rig)).act)
            assert (await asked).result.act_time.ToNanoseconds() == T0_NS + 42
    assert [(act.kind, act.subject) for act in acts] == [
        (ActKind.CARD_ISSUE, "7001/1001"),
        (ActKind.CARD_RETURN, "1001"),
        (ActKind.CARD_REPLACE, "1001/7001"),
    ]
    assert {(act.operator, act.note) for act in acts} == {("Zhao", "lost")}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (roster_pb2.ReplaceCardRequest(act=header(), old_card="1", new_card="1"), "are the same"),
        (roster_pb2.ReplaceCardRequest(act=header(), old_card="1"), "new_card is missing"),
        (roster_pb2.ReplaceCardRequest(act=header(), old_card="1/2", new_card="3"), "old_card"),
        (roster_pb2.ReplaceCardRequest(old_card="1", new_card="2"), "act.request_id is missing"),
    ],
)
async def test_wrong_requests_are_refused(
    tmp_path: Path, request_: roster_pb2.ReplaceCardRequest, said: str
) -> None:
    async with served(tmp_path) as rig:
        stub = roster_pb2_grpc.RosterServiceStub(rig.channel())
        with pytest.raises(grpc.aio.AioRpcError, match=said) as caught:
            await stub.ReplaceCard(request_)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert rig.desk.waiting == 0


async def test_attendance_in_pages_by_shift_and_team(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        stub = attendance_pb2_grpc.AttendanceServiceStub(rig.channel())
        with pytest.raises(grpc.aio.AioRpcError, match="only just started"):
            await stub.ListShifts(attendance_pb2.ListShiftsRequest())
        first = visit("1001", -20, 480, EARLY)
        rig.server.publish(
            visits_of(
                first,
                visit("1002", 10.5, None, EARLY, "B"),
                visit("1003", 0, 100, EARLY, "B"),
                visit("1001", 5, None, LATE),
            )
        )
        found: list[attendance_pb2.Visit] = []
        token = ""
        while True:
            request = attendance_pb2.ListAttendanceRequest(page_size=3, page_token=token)
            answer = await stub.ListAttendance(request)
            found += answer.visits
            token = answer.next_page_token
            if not token:
                break
        flags = [(one.card, one.late, one.left_early, one.overstaying) for one in found]
        assert flags == [
            ("1001", False, False, False),
            ("1002", True, False, True),
            ("1003", False, True, False),
            ("1001", False, False, True),
        ]
        assert (found[0].minutes, found[2].minutes) == (500.0, 100.0)
        assert (found[0].shift.shift_id, found[0].person_id) == ("2023-11-15/早班", "1001")
        assert not found[1].HasField("out_time")
        request = attendance_pb2.ListAttendanceRequest(shift="早班", team="B", day="2023-11-15")
        some = (await stub.ListAttendance(request)).visits
        assert [one.card for one in some] == ["1002", "1003"]
        shifts = (await stub.ListShifts(attendance_pb2.ListShiftsRequest())).shifts
        assert [(one.shift.name, one.visits, one.late, one.below) for one in shifts] == [
            ("中班", 1, 0, 1),
            ("早班", 3, 1, 1),
        ]
        assert [(one.leader_visits, one.leaders_below) for one in shifts] == [(0, 0), (1, 1)]
        rig.server.publish(visits_of(gone=(first.key,)))
        rest = (await stub.ListAttendance(attendance_pb2.ListAttendanceRequest())).visits
        assert [one.card for one in rest] == ["1002", "1003", "1001"]


def exposed(shift: ShiftSpan, minutes: dict[tuple[int, int, Share], float]) -> ShiftExposure:
    spent = np.zeros((3, 2, len(Share)), np.int64)
    for cell, one in minutes.items():
        spent[cell] = round(one * MIN)
    return ShiftExposure(shift, ("Z1", "Z2", ""), ("A", "B"), spent, T0_NS)


async def test_exposure_in_pages_by_shift_zone_and_team(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        stub = exposure_pb2_grpc.ExposureServiceStub(rig.channel())
        assert not (await stub.ListExposure(exposure_pb2.ListExposureRequest())).rows
        early = exposed(EARLY, {(0, 0, Share.BESIDE_ROBOT): 30.0, (2, 0, Share.ALONE): 45.0})
        late = exposed(LATE, {(1, 1, Share.SILENT): 5.0, (1, 1, Share.ROBOT): 60.0})
        rig.server.publish(replace(changes(), exposure=(late,)))
        rig.server.publish(replace(changes(), exposure=(early,)))
        found: list[exposure_pb2.Exposure] = []
        token = ""
        for _ in range(3):
            request = exposure_pb2.ListExposureRequest(page_size=1, page_token=token)
            answer = await stub.ListExposure(request)
            found += answer.rows
            token = answer.next_page_token
        assert token == ""
        assert [(one.shift.name, one.zone_id, one.team) for one in found] == [
            ("早班", "Z1", "A"),
            ("早班", "", "A"),
            ("中班", "Z2", "B"),
        ]
        assert (found[0].person_min_with_robot, found[1].person_min_without_robot) == (30.0, 45.0)
        assert (found[2].person_min_silent, found[2].robot_min) == (5.0, 60.0)
        assert found[2].count_time.ToNanoseconds() == T0_NS
        for request, rows in (
            (exposure_pb2.ListExposureRequest(zone_id="Z2"), 1),
            (exposure_pb2.ListExposureRequest(team="A"), 2),
            (exposure_pb2.ListExposureRequest(shift="早班"), 2),
        ):
            assert len((await stub.ListExposure(request)).rows) == rows


async def test_ways_in_and_out_are_in_the_headcount(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        count = Headcount(
            3, 0, {"Z1": 2}, shift="早班", attending=3, flows={"": Flow(9, 6), "Z1": Flow(4, 2)}
        )
        rig.server.publish(changes(headcount=count))
        answer = await rig.mine().GetHeadcount(mine_pb2.GetHeadcountRequest())
        assert (answer.entered, answer.left, answer.attending, answer.shift) == (9, 6, 3, "早班")
        flows = {one.zone_id: (one.count, one.entered, one.left) for one in answer.zones}
        assert flows["Z1"] == (2, 4, 2)
        assert flows["Z2"] == (0, 0, 0)
