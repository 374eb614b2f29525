"""Errors: whatever goes wrong, of whatever method, a client is told in words and in details."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from gateway import desk
from gateway.mine.change import Answer
from gateway.security.roles import Role
from gateway.serve import consumers, guard, history, positions
from gateway.serve.access import Entry
from gateway.serve.caller import Caller
from gateway.serve.cursor import Kind, seal
from gateway.serve.limits import RateLimit
from gateway.serve.reasons import Reason
from lamproom.v1 import (
    alarm_pb2,
    configuration_pb2,
    equipment_pb2,
    event_pb2,
    hazard_pb2,
    history_pb2,
    mine_pb2,
    muster_pb2,
    position_pb2,
)
from positioning.anchor_health import assess
from positioning.anchor_stats import ANCHOR_STATS
from tests.gateway.serve_rig import T0_NS, Rig, changes, served
from tests.gateway.status_details import Details, details_of
from tests.support.waiting import LONG_S, until

ACT = alarm_pb2.ActHeader(request_id="12345678", operator="王")
MALFORMED = b"\xff"
POOL = descriptor_pool.Default()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


def methods(rig: Rig) -> dict[str, type[Message]]:
    """All that is served, with the types of their requests: `/package.Service/Method`."""
    found = {}
    for service, served_methods in rig.server.services.table().items():
        for name in served_methods:
            method = POOL.FindServiceByName(service).methods_by_name[name]
            found[f"/{service}/{name}"] = message_factory.GetMessageClass(method.input_type)
    return found


async def failure_of(rig: Rig, method: str, request: Message | bytes, token: str = "") -> Details:
    """The details of the error that the call must end with."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    raw: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = rig.channel().unary_stream(method)
    call = raw(data, metadata=(("authorization", f"Bearer {token}"),) if token else None)
    async with asyncio.timeout(LONG_S):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await _end_of(call)
    return details_of(failure.value)


async def _end_of(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


def of(name: str, **fields: Any) -> tuple[str, Message]:
    """A method of any service, and a request to it."""
    files = (
        *(alarm_pb2, configuration_pb2, equipment_pb2, event_pb2),
        *(hazard_pb2, history_pb2, mine_pb2, muster_pb2, position_pb2),
    )
    (file,) = [one for one in files if f"{name}Request" in one.DESCRIPTOR.message_types_by_name]
    (service,) = [
        one for one in file.DESCRIPTOR.services_by_name.values() if name in one.methods_by_name
    ]
    return f"/{service.full_name}/{name}", getattr(file, f"{name}Request")(**fields)


async def test_what_any_method_may_be_asked_wrongly(rig: Rig) -> None:
    """Each field that many requests have, wrong in each that has it."""
    bad: dict[str, tuple[Any, Reason]] = {
        "page_size": (-1, Reason.PAGE_SIZE_INVALID),
        "page_token": ("made up", Reason.PAGE_TOKEN_INVALID),
        "cursor": (b"made up", Reason.CURSOR_INVALID),
        "consumer": ("a b", Reason.CONSUMER_INVALID),
        "read_mask": ({"paths": ["no_such"]}, Reason.READ_MASK_INVALID),
    }
    # What has only just started refuses whatever it is asked.
    rig.server.publish(changes(anchors=assess(np.zeros(1, ANCHOR_STATS))))
    asked = 0
    for method, kind in methods(rig).items():
        malformed = await failure_of(rig, method, MALFORMED)
        assert malformed.reason is Reason.REQUEST_MALFORMED
        assert malformed.metadata["method"] == method.rpartition("/")[2]
        for field, (value, reason) in bad.items():
            unread = field == "read_mask" and "/Watch" in method
            # There is no muster whose page could be asked for.
            unread |= "GetMuster" in method and field.startswith("page")
            if field in kind.DESCRIPTOR.fields_by_name and not unread:
                fields = {"consumer": "scada", field: value}
                known = {k: v for k, v in fields.items() if k in kind.DESCRIPTOR.fields_by_name}
                # Of alternatives, the last that is set counts.
                found = await failure_of(rig, method, kind(**known))
                assert (found.reason, found.metadata["field"]) == (reason, field), method
                (violation,) = found.others["BadRequest"].field_violations
                assert (violation.field, violation.reason) == (field, reason.name)
                asked += 1
    assert asked > 50


async def test_every_act_without_its_fields_is_told_which_is_missing(rig: Rig) -> None:
    asked = 0
    for method, kind in methods(rig).items():
        if "act" in kind.DESCRIPTOR.fields_by_name:
            found = await failure_of(rig, method, kind())
            assert found.reason is Reason.FIELD_MISSING, method
            assert found.metadata["field"].partition(".")[0] in kind.DESCRIPTOR.fields_by_name
            asked += 1
    assert asked > 15


# The other reasons, each provoked

Provoke = Callable[[Rig, pytest.MonkeyPatch], Any]


async def _of_other_journal(rig: Rig, _patch: pytest.MonkeyPatch) -> Details:
    other = seal(Kind.EVENTS, rig.journal.epoch ^ 1, 0)
    return await failure_of(rig, *of("AcknowledgeCursor", consumer="scada", cursor=other))


async def _behind(rig: Rig, _patch: pytest.MonkeyPatch) -> Details:
    await rig.happen(2)
    cursors = [seal(Kind.EVENTS, rig.journal.epoch, n) for n in (1, 2)]
    request = event_pb2.AcknowledgeCursorRequest(consumer="scada", cursor=cursors[1])
    await rig.events().AcknowledgeCursor(request)
    found = await failure_of(rig, *of("AcknowledgeCursor", consumer="scada", cursor=cursors[0]))
    assert found.metadata["acknowledged"] == "2"
    return found


async def _too_many_consumers(rig: Rig, patch: pytest.MonkeyPatch) -> Details:
    patch.setattr(consumers, "CONSUMERS_MAX", 0)
    cursor = seal(Kind.EVENTS, rig.journal.epoch, 0)
    return await failure_of(rig, *of("AcknowledgeCursor", consumer="scada", cursor=cursor))


async def _refused_act(rig: Rig, _patch: pytest.MonkeyPatch) -> Details:
    asked = failure_of(rig, *of("ResetAlarm", act=ACT, alarm_id="a-1"))
    waiting = asyncio.create_task(asked)
    await until(lambda: rig.desk.waiting)
    (act,) = rig.inbox.take().acts
    rig.desk.tell([Answer(act, "what raised it still lasts", T0_NS)])
    return await waiting


async def _too_many_acts(rig: Rig, patch: pytest.MonkeyPatch) -> Details:
    patch.setattr(desk, "WAITING_MOST", 0)
    found = await failure_of(rig, *of("ResetAlarm", act=ACT, alarm_id="a-1"))
    assert found.others["RetryInfo"].retry_delay.seconds == 1
    return found


async def _stopping(rig: Rig, _patch: pytest.MonkeyPatch) -> Details:
    rig.server.services.close()
    return await failure_of(rig, *of("WatchPositions"))


async def _unreadable(rig: Rig, _patch: pytest.MonkeyPatch) -> Details:
    await rig.happen(1)
    rig.journal.close()
    return await failure_of(rig, *of("ListEvents"))


async def _broken(rig: Rig, patch: pytest.MonkeyPatch) -> Details:
    patch.setattr(rig.server.services.alarms, "_picture", None)
    return await failure_of(rig, *of("ListAlarms"))


def _enters(rig: Rig, patch: pytest.MonkeyPatch, **other: Any) -> None:
    """From here on callers are known otherwise than they are."""
    access = rig.server.guard.access
    enter = access.enter

    def known(*given: Any) -> Entry:
        return replace(enter(*given), **other)

    patch.setattr(access, "enter", known)


async def _other_operator(rig: Rig, patch: pytest.MonkeyPatch) -> Details:
    _enters(rig, patch, caller=Caller("li", Role.OPERATOR, ""))
    return await failure_of(rig, *of("ResetAlarm", act=ACT, alarm_id="a-1"))


async def _role_too_low(rig: Rig, patch: pytest.MonkeyPatch) -> Details:
    _enters(rig, patch, caller=Caller("li", Role.VIEWER, ""))
    return await failure_of(rig, *of("ResetAlarm", act=ACT, alarm_id="a-1"))


async def _too_many_calls(rig: Rig, patch: pytest.MonkeyPatch) -> Details:
    _enters(rig, patch, is_local=False)
    patch.setattr(rig.server.guard, "_calls", RateLimit(1e-9, 1.0))
    await rig.mine().ListZones(mine_pb2.ListZonesRequest())
    return await failure_of(rig, *of("ListZones"))


async def _too_many_streams(rig: Rig, patch: pytest.MonkeyPatch) -> Details:
    _enters(rig, patch, is_local=False)
    patch.setattr(guard, "STREAMS_MOST", 0)
    return await failure_of(rig, *of("WatchEvents"))


async def _wrong_token(rig: Rig, _patch: pytest.MonkeyPatch) -> Details:
    return await failure_of(rig, *of("ListZones"), token="made up")


async def _too_many_wrong_tokens(rig: Rig, _patch: pytest.MonkeyPatch) -> Details:
    for _ in range(100):
        found = await _wrong_token(rig, _patch)
        if found.reason is not Reason.NOT_LET_IN:
            return found
    pytest.fail("anyone may guess for ever")


async def _too_many_filters(rig: Rig, patch: pytest.MonkeyPatch) -> Details:
    patch.setattr(positions, "FILTERS_MAX", 0)
    return await failure_of(rig, *of("WatchPositions", filter={"cards": ["1001"]}))


async def _too_many_queries(rig: Rig, patch: pytest.MonkeyPatch) -> Details:
    patch.setattr(history, "REQUESTS_MAX", 0)
    return await failure_of(rig, *of("GetPositionsAt", time={"seconds": 1}))


def _asked(method: str, **fields: Any) -> Provoke:
    async def provoke(rig: Rig, _patch: pytest.MonkeyPatch) -> Details:
        return await failure_of(rig, *of(method, **fields))

    return provoke


#: What is the same of many methods is asked of all of them, above.
OF_MANY = {
    Reason.REQUEST_MALFORMED,
    Reason.FIELD_MISSING,
    Reason.PAGE_SIZE_INVALID,
    Reason.PAGE_TOKEN_INVALID,
    Reason.CURSOR_INVALID,
    Reason.CONSUMER_INVALID,
    Reason.READ_MASK_INVALID,
}
PROVOKED: dict[Reason, Provoke] = {
    Reason.FIELD_INVALID: _asked("WatchPositions", sampling=99),
    Reason.FIELD_UNFIT: _asked("ResetAlarm", act=ACT, alarm_id="a" * 1000),
    Reason.BEYOND_NEWEST: _asked("WatchEvents", sequence=10),
    Reason.DEVICE_NOT_FOUND: _asked("WatchEquipment", device_ids=["no-such"]),
    Reason.HAZARD_NOT_FOUND: _asked("GetHazard", hazard_id="hazard-7"),
    Reason.MUSTER_NOT_FOUND: _asked("GetMuster"),
    Reason.CONSUMER_NOT_FOUND: _asked("DeleteConsumer", consumer="scada"),
    Reason.ACT_REFUSED: _refused_act,
    Reason.NOT_SMOOTHED: _asked("WatchPositions", sampling=position_pb2.SAMPLING_SMOOTHED),
    Reason.OTHER_JOURNAL: _of_other_journal,
    Reason.BEHIND_PLACE: _behind,
    Reason.TOO_MANY_ACTS: _too_many_acts,
    Reason.TOO_MANY_CONSUMERS: _too_many_consumers,
    Reason.STOPPING: _stopping,
    Reason.JUST_STARTED: _asked("GetHeadcount"),
    Reason.JOURNAL_UNAVAILABLE: _unreadable,
    Reason.RELOAD_UNSUPPORTED: _asked("Reload", act=ACT),
    Reason.INTERNAL_ERROR: _broken,
    Reason.MINE_NOT_SERVED: _asked("WatchEvents", filter={"mine_codes": ["1"]}),
    Reason.ZONE_NOT_FOUND: _asked("WatchPositions", filter={"zone_ids": ["no-such"]}),
    Reason.CARD_NOT_FOUND: _asked("GetPositionsAt", time={"seconds": 1}, cards=["no-such"]),
    Reason.TOO_MANY_FILTERS: _too_many_filters,
    Reason.TOO_MANY_QUERIES: _too_many_queries,
    Reason.OTHER_OPERATOR: _other_operator,
    Reason.ROLE_TOO_LOW: _role_too_low,
    Reason.TOO_MANY_CALLS: _too_many_calls,
    Reason.TOO_MANY_STREAMS: _too_many_streams,
    Reason.NOT_LET_IN: _wrong_token,
    Reason.TOO_MANY_WRONG_TOKENS: _too_many_wrong_tokens,
}


@pytest.mark.parametrize("reason", PROVOKED, ids=lambda reason: reason.name)
async def test_each_reason_is_told_with_its_details(
    reason: Reason, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await PROVOKED[reason](rig, monkeypatch)).reason is reason


@pytest.mark.parametrize("letter", ["x", "矿", "\n"])
async def test_an_error_of_a_huge_request_reaches_its_client_whole(rig: Rig, letter: str) -> None:
    """What is told again of a request is cut: clients take only so much beside an answer."""
    huge = f"a{letter * 50_000}"
    for method, reason in (
        (of("WatchEquipment", device_ids=[huge]), Reason.DEVICE_NOT_FOUND),
        (of("GetHazard", hazard_id=huge), Reason.HAZARD_NOT_FOUND),
        (of("ListEvents", page_token=huge), Reason.PAGE_TOKEN_INVALID),
        (of("ListEvents", read_mask={"paths": [huge]}), Reason.READ_MASK_INVALID),
        (of("ListEvents", read_mask={"paths": [f"alarm.{huge}.x"]}), Reason.READ_MASK_INVALID),
        (of("ListEvents", read_mask={"paths": [f"text.{huge}"]}), Reason.READ_MASK_INVALID),
        (of("DeleteConsumer", consumer=huge), Reason.CONSUMER_INVALID),
        (of("ResetAlarm", act=ACT, alarm_id=huge), Reason.FIELD_UNFIT),
    ):
        assert (await failure_of(rig, *method)).reason is reason


async def test_a_stream_that_the_gateway_fails_at_ends_with_details(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.server.services.equipment, "_picture", None)
    failed = await failure_of(rig, *of("WatchEquipment"))
    assert failed.reason is Reason.INTERNAL_ERROR


def test_every_reason_is_provoked_by_a_test() -> None:
    assert OF_MANY.isdisjoint(PROVOKED)
    assert OF_MANY | PROVOKED.keys() == set(Reason)
