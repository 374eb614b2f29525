"""The lamp room in a running gateway: a card is replaced below, stored, audited, kept."""

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal
from lamproom.v1 import (
    alarm_pb2,
    attendance_pb2,
    attendance_pb2_grpc,
    event_pb2,
    exposure_pb2,
    exposure_pb2_grpc,
    mine_pb2,
    mine_pb2_grpc,
    roster_pb2,
    roster_pb2_grpc,
)
from positioning.observation import PLACE, Records, measurements
from protocols.driver import Sink
from tests.gateway.app_rig import Running, running, stored


def place_at(run: Running, card: str, x_m: float) -> Records:
    handle = run.gateway._cards.handle(card)
    row = (handle, time.time_ns(), x_m, 0.0, 0.04, 0.0, 0.04)
    return measurements(np.array([row], PLACE))


async def test_a_card_is_replaced_below_over_a_restart(
    tmp_path: Path, scripts: dict[str, Callable[[Sink], Any]]
) -> None:
    header = alarm_pb2.ActHeader(request_id="request-new", operator="Zhao", note="broken")
    request = roster_pb2.ReplaceCardRequest(act=header, old_card="1001", new_card="7001")
    async with running(tmp_path) as run:
        channel = await run.channel()
        mine = mine_pb2_grpc.MineServiceStub(channel)
        async with asyncio.timeout(40):
            while not (await mine.GetHeadcount(mine_pb2.GetHeadcountRequest())).attending:
                run.gateway._inbox.put_measured(place_at(run, "1001", 55.0))
                await asyncio.sleep(0.1)
        stub = roster_pb2_grpc.RosterServiceStub(channel)
        first, second = await stub.ReplaceCard(request), await stub.ReplaceCard(request)
        assert (first.result.repeated_request, second.result.repeated_request) == (False, True)
        await channel.close()
        await run.end()
    async with running(tmp_path) as run:
        channel = await run.channel()
        holders = (
            await roster_pb2_grpc.RosterServiceStub(channel).ListCards(
                roster_pb2.ListCardsRequest()
            )
        ).holders
        assert [(one.person_id, one.card) for one in holders] == [
            ("1001", "7001"),
            ("1002", "1002"),
        ]
        attendance = attendance_pb2_grpc.AttendanceServiceStub(channel)
        (visit,) = (await attendance.ListAttendance(attendance_pb2.ListAttendanceRequest())).visits
        assert (visit.card, visit.person_id, visit.name) == ("7001", "1001", "王伟")
        assert not visit.HasField("out_time")
        exposure = exposure_pb2_grpc.ExposureServiceStub(channel)
        rows = (await exposure.ListExposure(exposure_pb2.ListExposureRequest())).rows
        (row,) = [row for row in rows if not row.zone_id]
        spent_min = row.person_min_with_robot + row.person_min_without_robot
        assert row.team == "A"
        assert 9.0 / 60 < spent_min + row.person_min_silent <= visit.minutes + 0.1
        count = await mine_pb2_grpc.MineServiceStub(channel).GetHeadcount(
            mine_pb2.GetHeadcountRequest()
        )
        assert (count.entered, count.left, count.attending) == (1, 0, 1)
        await channel.close()
        await run.end()
    kind = event_pb2.EVENT_KIND_CARD_REPLACED
    (told,) = [one for one in stored(tmp_path) if one.kind == kind]
    assert (told.card, told.text) == (
        "7001",
        "card 1001 of 王伟 was replaced by 7001, as Zhao says: broken",
    )
    with closing(Journal.open(tmp_path / "journal")) as journal:
        entries = [one for one in journal.read_audit(1, 10) if isinstance(one, AuditEntry)]
    assert [(one.act, one.subject, one.outcome) for one in entries] == [
        ("card.replace", "1001/7001", "done")
    ]
