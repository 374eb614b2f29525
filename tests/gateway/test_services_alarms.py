"""The alarm service: the list, and acts that are answered when they are stored."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.mine.alarms.states import AlarmMode, AlarmState
from gateway.mine.change import ActKind, Alarm, Answer, Place
from lamproom.v1 import alarm_pb2
from tests.gateway.serve_rig import T0_NS, Rig, changes_with, code_of, served
from tests.support.waiting import until


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


def alarm(number: int, **fields: Any) -> Alarm:
    given = {"card": "1001", "zone": "sealed", "text": "card 1001 entered", **fields}
    return Alarm(f"restricted_entry-{number}", "restricted_entry", 1, T0_NS, **given)


def header(
    request_id: str = "4a1c0d5e", operator: str = "Li", note: str = ""
) -> alarm_pb2.ActHeader:
    return alarm_pb2.ActHeader(request_id=request_id, operator=operator, note=note)


async def test_the_list_is_what_is_open_or_not_acknowledged(rig: Rig) -> None:
    first = alarm(3, place=Place(1.0, 2.0, 3.0, T0_NS), tell=("dispatcher",), raised_t_ns=T0_NS + 5)
    over = alarm(12, end_t_ns=T0_NS + 9, state=AlarmState.RETURNED_UNACKNOWLEDGED)
    rig.server.publish(changes_with(first, over, alarm(7)))
    rig.server.publish(changes_with(alarm(7, state=AlarmState.NORMAL)))
    listed = await rig.alarms().ListAlarms(alarm_pb2.ListAlarmsRequest())
    assert [one.alarm_id for one in listed.alarms] == ["restricted_entry-3", "restricted_entry-12"]
    one, two = listed.alarms
    assert (one.card, one.zone_id, one.text, list(one.tell)) == (
        "1001",
        "sealed",
        "card 1001 entered",
        ["dispatcher"],
    )
    assert one.place.x_m == 1.0
    assert one.raise_time.ToNanoseconds() == T0_NS + 5
    assert not one.HasField("end_time")
    assert (int(one.state), int(one.mode)) == (AlarmState.UNACKNOWLEDGED, AlarmMode.IN_SERVICE)
    assert two.end_time.ToNanoseconds() == T0_NS + 9


async def test_pages_tell_each_alarm_once_though_others_come_and_go(rig: Rig) -> None:
    rig.server.publish(changes_with(*(alarm(n) for n in range(1, 8))))
    stub, seen, token = rig.alarms(), [], ""
    for n in range(4):
        request = alarm_pb2.ListAlarmsRequest(page_size=2, page_token=token)
        page = await stub.ListAlarms(request)
        seen += [one.alarm_id for one in page.alarms]
        token = page.next_page_token
        rig.server.publish(changes_with(alarm(n + 1, state=AlarmState.NORMAL), alarm(20 + n)))
        if not token:
            break
    assert seen[:7] == [f"restricted_entry-{n}" for n in range(1, 8)]
    assert len(seen) == len(set(seen))


async def answered(rig: Rig, refusal: str = "", *, again: bool = False) -> Answer:
    """Answers the act that comes next."""
    await until(lambda: rig.desk.waiting > 0)
    (act,) = rig.inbox.take().acts
    answer = Answer(act, refusal, T0_NS + 42, again)
    rig.desk.tell([answer])
    return answer


@pytest.mark.parametrize(
    ("method", "request_", "kind", "subject"),
    [
        (
            "AcknowledgeAlarm",
            alarm_pb2.AcknowledgeAlarmRequest(alarm_id="a-1"),
            ActKind.ACKNOWLEDGE,
            "a-1",
        ),
        ("ResetAlarm", alarm_pb2.ResetAlarmRequest(alarm_id="a-1"), ActKind.RESET, "a-1"),
        ("UnshelveAlarm", alarm_pb2.UnshelveAlarmRequest(alarm_id="a-1"), ActKind.UNSHELVE, "a-1"),
        (
            "SetAlarmService",
            alarm_pb2.SetAlarmServiceRequest(rule="signal_lost", card="1001", in_service=True),
            ActKind.IN_SERVICE,
            "signal_lost/1001//",
        ),
        (
            "SetAlarmService",
            alarm_pb2.SetAlarmServiceRequest(rule="signal_lost"),
            ActKind.OUT_OF_SERVICE,
            "signal_lost///",
        ),
    ],
)
async def test_an_act_is_answered_when_it_is_stored(
    rig: Rig, method: str, request_: alarm_pb2.ResetAlarmRequest, kind: ActKind, subject: str
) -> None:
    request_.act.CopyFrom(header(note="why"))
    answer, response = await asyncio.gather(
        answered(rig, again=True), getattr(rig.alarms(), method)(request_)
    )
    assert (answer.act.kind, answer.act.subject) == (kind, subject)
    assert (answer.act.request_id, answer.act.operator, answer.act.note) == (
        "4a1c0d5e",
        "Li",
        "why",
    )
    assert response.result.act_time.ToNanoseconds() == T0_NS + 42
    assert response.result.repeated_request


async def test_an_alarm_is_shelved_until_a_time(rig: Rig) -> None:
    request = alarm_pb2.ShelveAlarmRequest(act=header(), alarm_id="a-1")
    code, text = await code_of(rig.alarms().ShelveAlarm(request))
    assert (code, "until_time" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    request.until_time.FromNanoseconds(T0_NS)
    answer, _ = await asyncio.gather(answered(rig), rig.alarms().ShelveAlarm(request))
    assert answer.act.until_t_ns == T0_NS


async def test_a_refusal_says_why(rig: Rig) -> None:
    request = alarm_pb2.ResetAlarmRequest(act=header(), alarm_id="a-1")
    _, (code, text) = await asyncio.gather(
        answered(rig, "what raised it still lasts"), code_of(rig.alarms().ResetAlarm(request))
    )
    assert (code, text) == (grpc.StatusCode.FAILED_PRECONDITION, "what raised it still lasts")


@pytest.mark.parametrize(
    ("act", "alarm_id", "said"),
    [
        (header(request_id=""), "a-1", "act.request_id is missing"),
        (header(request_id="short"), "a-1", "too short"),
        (header(request_id="x" * 65), "a-1", "at most 64"),
        (header(operator=" "), "a-1", "act.operator is missing"),
        (header(operator="Li\n"), "a-1", "control characters"),
        (header(note="x" * 501), "a-1", "at most 500"),
        (header(), "", "alarm_id is missing"),
    ],
)
async def test_a_wrong_act_is_refused_before_it_is_asked(
    rig: Rig, act: alarm_pb2.ActHeader, alarm_id: str, said: str
) -> None:
    request = alarm_pb2.AcknowledgeAlarmRequest(act=act, alarm_id=alarm_id)
    code, text = await code_of(rig.alarms().AcknowledgeAlarm(request))
    assert (code, said in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert rig.inbox.take().acts == ()


async def test_who_waits_when_the_gateway_stops_is_told_to_come_again(rig: Rig) -> None:
    request = alarm_pb2.ResetAlarmRequest(act=header(), alarm_id="a-1")
    waiting = asyncio.ensure_future(code_of(rig.alarms().ResetAlarm(request)))
    await until(lambda: rig.desk.waiting > 0)
    rig.desk.close()
    for code, text in (await waiting, await code_of(rig.alarms().ResetAlarm(request))):
        assert (code, "same request_id" in text) == (grpc.StatusCode.UNAVAILABLE, True)
