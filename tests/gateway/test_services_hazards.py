"""The services of hazards and risk: acts, filters, pages, and the stream of scores."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.config.bundle import Bundle
from gateway.config.risks import RiskPoint
from gateway.mine.change import ActKind, Answer, Changes
from gateway.mine.prevention.book import PreventionChange
from gateway.mine.prevention.hazard import Hazard, HazardInput, HazardState, HazardStep
from gateway.mine.prevention.risk import RISK
from gateway.serve import hazards as hazards_module
from gateway.serve import risk as risk_module
from lamproom.v1 import alarm_pb2, event_pb2, hazard_pb2, hazard_pb2_grpc, risk_pb2, risk_pb2_grpc
from tests.gateway.serve_rig import MAP, T0_NS, Rig, S, bundle_of, changes, code_of, served
from tests.gateway.stream_client import StreamClient
from tests.support.waiting import until

POINTS = tuple(
    RiskPoint(id=f"p{n}", name=f"P{n}", level=n, owner="Li", zone="Z1", device="shearer-1")
    for n in (1, 2, 3)
)


def bundle() -> Bundle:
    return replace(bundle_of(), risk_points=POINTS)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path, bundle()) as running:
        yield running


def hazards_of(rig: Rig) -> "hazard_pb2_grpc.HazardServiceAsyncStub":
    return hazard_pb2_grpc.HazardServiceStub(rig.channel())


def risk_of(rig: Rig) -> "risk_pb2_grpc.RiskServiceAsyncStub":
    return risk_pb2_grpc.RiskServiceStub(rig.channel())


def hazard(number: int, state: HazardState = HazardState.FOUND, **fields: Any) -> Hazard:
    step = HazardStep(T0_NS, "Wang", HazardInput.REPORT, state, "seen")
    given = {"level": 2, "zone": "Z1", "found_by": "Wang", "found_t_ns": T0_NS, **fields}
    return Hazard(
        f"hazard-{number}", "loose roof", due_t_ns=T0_NS + S, steps=(step,),
        request_id=f"request-{number}", **given,
    )  # fmt: skip


def told(*hazards: Hazard, gone: str = "", risk: Any = None) -> Changes:
    by_id: dict[str, Hazard | None] = {one.id: one for one in hazards}
    if gone:
        by_id[gone] = None
    return replace(changes(), prevention=PreventionChange(by_id, risk))


def scores(*score: float) -> Any:
    risk = np.zeros(len(MAP.zones), RISK)
    risk["t_ns"], risk["grade"] = T0_NS, 4
    risk["score"][: len(score)] = risk["points"][: len(score)] = score
    return risk


def header(note: str = "", request_id: str = "4a1c0d5e") -> alarm_pb2.ActHeader:
    return alarm_pb2.ActHeader(request_id=request_id, operator="Zhao", note=note)


async def answered(rig: Rig, refusal: str = "", *made: Hazard) -> Answer:
    """Answers the act that comes next, after what it has made was told."""
    await until(lambda: rig.desk.waiting > 0)
    (act,) = rig.inbox.take().acts
    rig.server.publish(told(*made))
    answer = Answer(act, refusal, T0_NS + 42)
    rig.desk.tell([answer])
    return answer


DUE = Timestamp()
DUE.FromNanoseconds(T0_NS + 3600 * S)
DUE_TEXT = ("due_t_ns", str(T0_NS + 3600 * S))


async def test_a_report_gives_the_new_hazards_id(rig: Rig) -> None:
    request = hazard_pb2.ReportHazardRequest(
        act=header("wet"), title="loose roof", risk_point_id="p1", zone_id="Z2",
        level=event_pb2.ALARM_LEVEL_RED, due_time=DUE,
    )  # fmt: skip
    made = replace(hazard(7), request_id="4a1c0d5e")
    answer, response = await asyncio.gather(
        answered(rig, "", made), hazards_of(rig).ReportHazard(request)
    )
    act = answer.act
    assert (act.kind, act.subject, act.note) == (ActKind.HAZARD_REPORT, "p1", "wet")
    assert act.detail == (
        DUE_TEXT, ("level", "1"), ("risk_point", "p1"), ("title", "loose roof"), ("zone", "Z2"),
    )  # fmt: skip
    assert response.hazard_id == "hazard-7"
    assert response.result.act_time.ToNanoseconds() == T0_NS + 42


@pytest.mark.parametrize(
    ("method", "request_", "kind", "detail"),
    [
        (
            "AssignHazard",
            hazard_pb2.AssignHazardRequest(assignee="Li", due_time=DUE),
            ActKind.HAZARD_ASSIGN,
            (("assignee", "Li"), DUE_TEXT),
        ),
        ("MendHazard", hazard_pb2.MendHazardRequest(), ActKind.HAZARD_MEND, ()),
        (
            "CheckHazard",
            hazard_pb2.CheckHazardRequest(passed=True),
            ActKind.HAZARD_CHECK,
            (("result", "passed"),),
        ),
        (
            "CheckHazard",
            hazard_pb2.CheckHazardRequest(due_time=DUE),
            ActKind.HAZARD_CHECK,
            (DUE_TEXT, ("result", "rejected")),
        ),
        (
            "SuperviseHazard",
            hazard_pb2.SuperviseHazardRequest(supervisor="Sun"),
            ActKind.HAZARD_SUPERVISE,
            (("supervisor", "Sun"),),
        ),
        ("ClearHazard", hazard_pb2.ClearHazardRequest(), ActKind.HAZARD_CLEAR, ()),
        (
            "ClearHazard",
            hazard_pb2.ClearHazardRequest(as_supervisor=True),
            ActKind.HAZARD_CLEAR,
            (("as_supervisor", "yes"),),
        ),
    ],
)
async def test_each_step_is_an_act(
    rig: Rig, method: str, request_: Any, kind: ActKind, detail: tuple[tuple[str, str], ...]
) -> None:
    request_.act.CopyFrom(header("because"))
    request_.hazard_id = "hazard-7"
    answer, response = await asyncio.gather(
        answered(rig), getattr(hazards_of(rig), method)(request_)
    )
    act = answer.act
    assert (act.kind, act.subject, act.operator, act.detail) == (kind, "hazard-7", "Zhao", detail)
    assert response.result.act_time.ToNanoseconds() == T0_NS + 42
    _, (code, text) = await asyncio.gather(
        answered(rig, "it is cleared"), code_of(getattr(hazards_of(rig), method)(request_))
    )
    assert (code, text) == (grpc.StatusCode.FAILED_PRECONDITION, "it is cleared")


@pytest.mark.parametrize(
    ("method", "request_", "said"),
    [
        ("ReportHazard", hazard_pb2.ReportHazardRequest(title="x"), "say where the hazard is"),
        ("ReportHazard", hazard_pb2.ReportHazardRequest(zone_id="Z1"), "title is missing"),
        ("ReportHazard", hazard_pb2.ReportHazardRequest(zone_id="Z1", level=9), "level is 9"),  # type: ignore[arg-type]  # a wrong one
        ("AssignHazard", hazard_pb2.AssignHazardRequest(hazard_id="h-1"), "assignee is missing"),
        ("MendHazard", hazard_pb2.MendHazardRequest(), "hazard_id is missing"),
        ("CheckHazard", hazard_pb2.CheckHazardRequest(hazard_id="h-1"), "why it is sent back"),
        (
            "CheckHazard",
            hazard_pb2.CheckHazardRequest(hazard_id="h-1", passed=True, due_time=DUE),
            "due_time goes with a hazard that is sent back",
        ),
        ("SuperviseHazard", hazard_pb2.SuperviseHazardRequest(hazard_id="h-1"), "supervisor is"),
    ],
)
async def test_a_wrong_act_is_refused_before_it_is_asked(
    rig: Rig, method: str, request_: Any, said: str
) -> None:
    request_.act.CopyFrom(header())
    code, text = await code_of(getattr(hazards_of(rig), method)(request_))
    assert (code, said in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert rig.inbox.take().acts == ()


async def test_the_list_has_what_its_filters_leave(rig: Rig) -> None:
    rig.server.publish(
        told(
            hazard(3),
            hazard(11, HazardState.CLEARED, zone="Z2", risk_point="p1"),
            hazard(5, HazardState.ASSIGNED, assignee="Li", overdue=True, level=1),
        )
    )

    async def listed(**filters: Any) -> list[str]:
        request = hazard_pb2.ListHazardsRequest(**filters)
        answer = await hazards_of(rig).ListHazards(request)
        return [one.hazard_id for one in answer.hazards]

    assert await listed() == ["hazard-3", "hazard-5", "hazard-11"]
    assert await listed(states=[1, 2]) == ["hazard-3", "hazard-5"]
    assert await listed(zone_id="Z2") == ["hazard-11"]
    assert await listed(risk_point_id="p1") == ["hazard-11"]
    assert await listed(assignee="Li") == ["hazard-5"]
    assert await listed(level=2) == ["hazard-3", "hazard-11"]
    assert await listed(only_overdue=True) == ["hazard-5"]
    rig.server.publish(told(gone="hazard-11"))
    assert await listed() == ["hazard-3", "hazard-5"]


async def test_pages_are_of_one_list(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hazards_module, "PAGE_HAZARDS_MOST", 2)
    rig.server.publish(told(*(hazard(n) for n in range(1, 6))))
    stub, seen, token = hazards_of(rig), [], ""
    while True:
        answer = await stub.ListHazards(hazard_pb2.ListHazardsRequest(page_token=token))
        seen += [one.hazard_id for one in answer.hazards]
        token = answer.next_page_token or token
        if not answer.next_page_token:
            break
    assert seen == [f"hazard-{n}" for n in range(1, 6)]
    other = hazard_pb2.ListHazardsRequest(page_token=token, zone_id="Z1")
    code, text = await code_of(stub.ListHazards(other))
    assert (code, "belongs to another request" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    code, _ = await code_of(stub.ListHazards(hazard_pb2.ListHazardsRequest(page_size=-1)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_all_is_told_of_a_hazard(rig: Rig) -> None:
    rig.server.publish(told(hazard(3, assignee="Li", supervisor="Sun", device="shearer-1")))
    request = hazard_pb2.GetHazardRequest(hazard_id="hazard-3")
    one = (await hazards_of(rig).GetHazard(request)).hazard
    assert (one.title, one.level, one.state) == ("loose roof", 2, hazard_pb2.HAZARD_STATE_FOUND)
    assert (one.assignee, one.supervisor, one.device_id) == ("Li", "Sun", "shearer-1")
    assert one.due_time.ToNanoseconds() == T0_NS + S
    (step,) = one.steps
    assert (step.kind, step.operator, step.note) == (
        hazard_pb2.HAZARD_STEP_KIND_REPORT, "Wang", "seen",
    )  # fmt: skip
    for wrong in ("hazard-4", "alarm-3", "", "hazard-" + "9" * 70):
        asked = hazards_of(rig).GetHazard(hazard_pb2.GetHazardRequest(hazard_id=wrong))
        assert (await code_of(asked))[0] is grpc.StatusCode.NOT_FOUND


# Risk


async def test_risks_are_listed_with_their_parts_and_time(rig: Rig) -> None:
    stub = risk_of(rig)
    assert not (await stub.ListRisks(risk_pb2.ListRisksRequest())).risks
    rig.server.publish(told(risk=scores(0.0, 42.5)))
    answer = await stub.ListRisks(risk_pb2.ListRisksRequest(page_size=2))
    assert [one.zone_id for one in answer.risks] == ["Z0", "Z1"]
    second = answer.risks[1]
    assert (second.score, second.points, second.people, second.grade) == (42.5, 42.5, 0.0, 4)
    assert second.risk_time.ToNanoseconds() == T0_NS
    rest = risk_pb2.ListRisksRequest(page_token=answer.next_page_token)
    assert len((await stub.ListRisks(rest)).risks) == len(MAP.zones) - 2


async def test_risk_points_are_listed(rig: Rig) -> None:
    answer = await risk_of(rig).ListRiskPoints(risk_pb2.ListRiskPointsRequest(page_size=2))
    first, _ = answer.risk_points
    assert (first.risk_point_id, first.name, first.level, first.owner) == ("p1", "P1", 1, "Li")
    assert (first.zone_id, first.device_id) == ("Z1", "shearer-1")
    assert answer.next_page_token


async def test_a_watch_tells_all_and_then_what_changes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(risk_module, "MESSAGE_ZONES_MOST", 5)
    rig.server.publish(told(risk=scores(1.0, 2.0)))
    watch = StreamClient(risk_of(rig).WatchRisks(risk_pb2.WatchRisksRequest()))
    seen = 0
    while seen < len(MAP.zones):
        seen += len((await watch.until("risks")).risks.risks)
    assert await watch.kind() == "sync"
    assert await watch.kind() == "heartbeat"
    rig.server.publish(told(risk=scores(1.0, 2.0)))  # nothing new
    rig.server.publish(told(risk=scores(1.0, 3.0)))
    (changed,) = (await watch.until("risks")).risks.risks
    assert (changed.zone_id, changed.score) == ("Z1", 3.0)
    await rig.server.stop(0.5)
    assert (await watch.refusal()).code() is grpc.StatusCode.UNAVAILABLE
