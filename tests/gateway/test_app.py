"""The parts put together: what ends the gateway, how it ends, and what goes on meanwhile."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from equipment.report import Notice, NoticeKind, Quality, RecordBatch, Sample
from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal
from gateway.mine.core import Mine
from lamproom.v1 import (
    alarm_pb2,
    alarm_pb2_grpc,
    event_pb2,
    event_pb2_grpc,
    mine_pb2,
    mine_pb2_grpc,
)
from protocols.driver import Sink
from tests.gateway.app_rig import FakeDriver, quiet, running, stored
from tests.support.waiting import LONG_S, until

pytestmark = pytest.mark.usefixtures("scripts")


async def test_it_starts_and_ends_and_starts_again(tmp_path: Path) -> None:
    for _ in range(2):
        async with running(tmp_path) as run:
            await run.end()
    kinds = [event.kind for event in stored(tmp_path)]
    assert kinds == [event_pb2.EVENT_KIND_GATEWAY_STARTED] * 2


@pytest.mark.parametrize(
    ("fails", "error"),
    [("append", ValueError("a bug")), ("step", ZeroDivisionError("a bug"))],
)
async def test_a_pipeline_that_fails_ends_the_gateway_and_all_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, error: Exception
) -> None:
    async with running(tmp_path) as run:
        channel = await run.channel()
        watch = events_of(channel)
        await watch.read()

        def fail(*_: Any, **_more: Any) -> None:
            raise error

        monkeypatch.setattr(Journal if fails == "append" else Mine, fails, fail)
        FakeDriver.scripts["shearer-1"] = lambda sink: 1 / 0
        run.gateway._inbox.put_notice(notice())
        with pytest.raises(type(error), match=str(error)):
            async with asyncio.timeout(LONG_S):
                await run.task
        assert await watch.code() is grpc.StatusCode.UNAVAILABLE
        await channel.close()


def events_of(channel: grpc.aio.Channel) -> Any:
    """A stream of the events from now on."""
    return event_pb2_grpc.EventServiceStub(channel).WatchEvents(event_pb2.WatchEventsRequest())


def notice() -> Notice:
    return Notice("shearer-1", NoticeKind.DATA_LOST, 1, "something", time.time_ns())


async def test_a_stop_while_events_are_stored_stores_and_sends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as run:
        channel = await run.channel()
        watch = events_of(channel)
        assert (await watch.read()).WhichOneof("message") == "sync"
        appending, go_on = threading.Event(), threading.Event()
        append = Journal.append

        def slow(journal: Journal, events: Any, *rest: Any, **more: Any) -> None:
            if events:
                appending.set()
                assert go_on.wait(LONG_S)
            append(journal, events, *rest, **more)

        monkeypatch.setattr(Journal, "append", slow)
        run.gateway._inbox.put_notice(notice())
        await until(appending.is_set)
        run.stop.set()
        await asyncio.sleep(0.3)
        go_on.set()
        async with asyncio.timeout(LONG_S):
            message = await watch.read()
            while message.WhichOneof("message") == "heartbeat":
                message = await watch.read()
        assert message.event.kind == event_pb2.EVENT_KIND_DATA_LOST
        await run.task
        await channel.close()
    assert stored(tmp_path)[-1].kind == event_pb2.EVENT_KIND_DATA_LOST


async def test_what_was_grouped_is_told_at_the_end(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        for _ in range(3):
            run.gateway._inbox.put_notice(notice())
            await until(lambda: not run.gateway._inbox._notices)
        await run.end()
    told = [event.count for event in stored(tmp_path) if event.device_id]
    assert sum(told) == 3


async def test_a_gateway_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        run.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run.task
    Journal.open(tmp_path / "journal").close()


def silly(sink: Sink) -> None:
    msg = "not even a coroutine"
    raise RuntimeError(msg)


async def wrong_points(sink: Sink) -> None:
    sink.samples([Sample("no-such-device", "p", 1.0, Quality.GOOD, "", None, 0)])
    await quiet(sink)


async def wrong_records(sink: Sink) -> None:
    columns: dict[str, Any] = {"card": np.array([1, 2])}
    sink.records(RecordBatch("shearer-1", columns, time.time_ns()))
    await quiet(sink)


@pytest.mark.parametrize("bad", [silly, wrong_records, wrong_points])
async def test_a_driver_with_a_bug_stops_nothing_else(
    tmp_path: Path, scripts: dict[str, Callable[[Sink], Any]], bad: Callable[[Sink], Any]
) -> None:
    got = []

    async def good(sink: Sink) -> None:
        while True:
            got.append(1)
            sink.samples([Sample("shearer-2", "speed", 1.0, Quality.GOOD, "", None, 0)])
            await asyncio.sleep(0.02)

    scripts |= {"shearer-1": bad, "shearer-2": good}
    async with running(tmp_path) as run:
        await until(lambda: len(got) > 20)
        assert not run.task.done()
        await run.end()


async def test_steps_go_on_while_names_are_looked_up(tmp_path: Path) -> None:
    """Names that no server knows take the default executor's threads for a while."""
    go_on = threading.Event()
    async with running(tmp_path) as run:
        loop = asyncio.get_running_loop()
        waiting = [loop.run_in_executor(None, go_on.wait, LONG_S) for _ in range(64)]
        try:
            channel = await run.channel()
            mine = mine_pb2_grpc.MineServiceStub(channel)
            request = mine_pb2.GetHeadcountRequest()
            first = (await mine.GetHeadcount(request)).count_time.ToNanoseconds()
            async with asyncio.timeout(5):
                while (await mine.GetHeadcount(request)).count_time.ToNanoseconds() <= first:
                    await asyncio.sleep(0.05)
            await channel.close()
        finally:
            go_on.set()
            await asyncio.gather(*waiting)
        await run.end()


async def test_a_computer_clock_that_is_set_is_told_and_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as run:
        now_ns = time.time_ns
        monkeypatch.setattr(run.gateway._clock, "_wall_ns", lambda: now_ns() - 3600 * 10**9)
        await until(lambda: run.gateway._clock._told_ns != 0)
        await run.end()
    events = stored(tmp_path)
    told = [event for event in events if "clock" in event.text]
    assert [event.kind for event in told] == [event_pb2.EVENT_KIND_DATA_REFUSED]
    assert "-3600.0 s" in told[0].text
    times = [event.record_time.ToNanoseconds() for event in events]
    assert times == sorted(times)


async def test_an_alarm_is_acknowledged_once_stored_and_audited(
    tmp_path: Path, scripts: dict[str, Callable[[Sink], Any]]
) -> None:
    async def fail(sink: Sink) -> None:
        raise OSError(113, "No route to host")

    scripts["shearer-2"] = fail
    async with running(tmp_path) as run:
        channel = await run.channel()
        stub = alarm_pb2_grpc.AlarmServiceStub(channel)

        async def listed() -> list[event_pb2.Alarm]:
            return list((await stub.ListAlarms(alarm_pb2.ListAlarmsRequest())).alarms)

        async with asyncio.timeout(LONG_S):
            while not (alarms := await listed()):
                await asyncio.sleep(0.02)
        (alarm,) = alarms
        assert (alarm.rule, alarm.device_id) == ("device_down", "shearer-2")
        header = alarm_pb2.ActHeader(request_id="a-random-uuid", operator="Li", note="on my way")
        request = alarm_pb2.AcknowledgeAlarmRequest(act=header, alarm_id=alarm.alarm_id)
        first = await stub.AcknowledgeAlarm(request)
        second = await stub.AcknowledgeAlarm(request)
        assert (first.result.repeated_request, second.result.repeated_request) == (False, True)
        assert first.result.act_time == second.result.act_time
        header.request_id = "another-random-uuid"
        request.act.CopyFrom(header)
        with pytest.raises(grpc.aio.AioRpcError, match="Li has acknowledged it already"):
            await stub.AcknowledgeAlarm(request)
        (alarm,) = await listed()
        assert alarm.state == event_pb2.ALARM_STATE_ACKNOWLEDGED
        await channel.close()
        await run.end()
    told = [event for event in stored(tmp_path) if event.alarm.alarm_id]
    assert [event.kind for event in told] == [
        event_pb2.EVENT_KIND_ALARM_RAISED,
        event_pb2.EVENT_KIND_ALARM_ACKNOWLEDGED,
    ]
    with closing(Journal.open(tmp_path / "journal")) as journal:
        entries = journal.read_audit(1, 10)
    assert [
        (entry.act, entry.subject, entry.request_id, entry.outcome)
        for entry in entries
        if isinstance(entry, AuditEntry)
    ] == [
        ("alarm.acknowledge", alarm.alarm_id, "a-random-uuid", "done"),
        (
            "alarm.acknowledge",
            alarm.alarm_id,
            "another-random-uuid",
            "Li has acknowledged it already",
        ),
    ]
