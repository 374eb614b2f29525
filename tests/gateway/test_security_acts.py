"""Acts of callers that are known: under whose name, and what the audit log keeps of it."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.mine.change import Act, Answer
from gateway.security.roles import Role
from gateway.serve import caller as callers
from gateway.serve.caller import Caller, current
from lamproom.v1 import alarm_pb2, alarm_pb2_grpc
from tests.gateway.serve_rig import T0_NS, Rig, code_of, served
from tests.gateway.tls_rig import Secured
from tests.support.waiting import until


async def acted(rig: Rig, channel: grpc.aio.Channel, operator: str) -> Act:
    """The act that an acknowledgement becomes, which is then answered as done."""
    header = alarm_pb2.ActHeader(request_id="4a1c0d5e", operator=operator)
    request = alarm_pb2.AcknowledgeAlarmRequest(act=header, alarm_id="a-1")
    call: Any = alarm_pb2_grpc.AlarmServiceStub(channel).AcknowledgeAlarm(request)
    await until(lambda: rig.desk.waiting or call.done())
    if call.done():
        await call
    (act,) = rig.inbox.take().acts
    rig.desk.tell([Answer(act, "", T0_NS)])
    await call
    return act


@pytest.mark.parametrize("by_token", [False, True])
async def test_an_act_is_the_callers_own(tmp_path: Path, *, by_token: bool) -> None:
    mine = Secured(tmp_path)
    pair, token = mine.issue("张伟", Role.OPERATOR), mine.token("张伟", Role.OPERATOR)
    async with mine.serving() as rig:
        channel = mine.by_token(token) if by_token else mine.by_certificate(pair)
        for operator in ("", "张伟"):
            act = await acted(rig, channel, operator)
            assert (act.operator, act.detail) == ("张伟", (("caller", "张伟"),))
        code, words = await code_of(acted(rig, channel, "李四"))
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "act.operator is '李四', but you are '张伟'" in words


async def test_even_an_admin_acts_under_no_other_name(tmp_path: Path) -> None:
    mine = Secured(tmp_path)
    pair = mine.issue("chief", Role.ADMIN)
    async with mine.serving() as rig:
        code, _ = await code_of(acted(rig, mine.by_certificate(pair), "李四"))
        assert code is grpc.StatusCode.PERMISSION_DENIED


async def test_who_speaks_for_others_is_kept_beside_their_names(tmp_path: Path) -> None:
    mine = Secured(tmp_path)
    pair = mine.issue("control-room", Role.OPERATOR, on_behalf=True)
    async with mine.serving() as rig:
        channel = mine.by_certificate(pair)
        act = await acted(rig, channel, "李四")
        assert (act.operator, act.detail) == ("李四", (("caller", "control-room"),))
        assert (await acted(rig, channel, "")).operator == "control-room"


async def test_who_need_not_say_who_they_are_give_a_name_as_before(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        act = await acted(rig, rig.channel(), "李四")
        assert (act.operator, act.detail) == ("李四", ())
        code, words = await code_of(acted(rig, rig.channel(), ""))
        assert (code, words) == (grpc.StatusCode.INVALID_ARGUMENT, "act.operator is missing")


async def test_a_token_beside_a_certificate_says_who_calls(tmp_path: Path) -> None:
    mine = Secured(tmp_path)
    pair, token = mine.issue("proxy", Role.VIEWER), mine.token("张伟", Role.OPERATOR)
    async with mine.serving() as rig:
        channel = mine.by_certificate(pair)
        header = alarm_pb2.ActHeader(request_id="4a1c0d5e")
        request = alarm_pb2.AcknowledgeAlarmRequest(act=header, alarm_id="a-1")
        stub = alarm_pb2_grpc.AlarmServiceStub(channel)
        metadata = (("authorization", f"Bearer {token}"),)
        call: Any = stub.AcknowledgeAlarm(request, metadata=metadata)
        await until(lambda: rig.desk.waiting)
        (act,) = rig.inbox.take().acts
        rig.desk.tell([Answer(act, "", T0_NS)])
        await call
        assert act.operator == "张伟"
        mine.kept.revoke("proxy", pair.certificate.not_valid_before_utc)
        await until(lambda: rig.server.guard.access._revoked)
        wrong: Any = stub.AcknowledgeAlarm(request, metadata=metadata)
        assert (await code_of(wrong))[0] is grpc.StatusCode.UNAUTHENTICATED


def test_where_no_call_runs_nobody_calls() -> None:
    assert current() == Caller("", Role.VIEWER, "")


async def test_each_call_has_a_caller_of_its_own(tmp_path: Path) -> None:
    seen = []

    def spy(caller: Caller) -> None:
        seen.append(caller)
        begin(caller)

    begin = callers.begin
    mine = Secured(tmp_path)
    pairs = [mine.issue(f"op-{n}", Role.OPERATOR, on_behalf=True) for n in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callers, "begin", spy)
        async with mine.serving() as rig:
            for n, pair in enumerate(pairs):
                act = await acted(rig, mine.by_certificate(pair), "李四")
                assert act.detail == (("caller", f"op-{n}"),)
    assert [(one.name, one.role) for one in seen] == [(f"op-{n}", Role.OPERATOR) for n in range(3)]
    assert all(one.peer.startswith("ipv") for one in seen)
    assert current().name == ""
