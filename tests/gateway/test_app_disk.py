"""A whole gateway whose disk takes nothing for a while: it goes on, says so, and loses nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

import gateway.storing
from equipment.report import Notice, NoticeKind
from gateway.journal import writer
from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal
from lamproom.v1 import alarm_pb2, alarm_pb2_grpc, event_pb2, event_pb2_grpc
from lamproom.v1.event_pb2 import WatchEventsRequest, WatchEventsResponse
from tests.gateway.app_rig import Running, running, stored
from tests.gateway.stream_client import StreamClient
from tests.gateway.writer_rig import empty, fill
from tests.support.waiting import LONG_S, until

pytestmark = pytest.mark.usefixtures("scripts")

RAISED, CLEARED = event_pb2.EVENT_KIND_ALARM_RAISED, event_pb2.EVENT_KIND_ALARM_CLEARED


@pytest.fixture
def journals(monkeypatch: pytest.MonkeyPatch) -> list[Journal]:
    """Those that gateways have opened."""
    found: list[Journal] = []
    opens = Journal.open

    def opened(folder: Path) -> Journal:
        found.append(opens(folder))
        return found[-1]

    monkeypatch.setattr(Journal, "open", staticmethod(opened))
    monkeypatch.setattr(writer, "RETRY_LEAST_S", 0.01)
    monkeypatch.setattr(writer, "RETRY_MOST_S", 0.05)
    monkeypatch.setattr(gateway.storing, "ANSWER_MOST_S", 0.05)
    return found


class Client:
    """What a monitoring system asks."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.alarms = alarm_pb2_grpc.AlarmServiceStub(channel)
        self.events = event_pb2_grpc.EventServiceStub(channel)

    def watch(self, **start: Any) -> StreamClient[WatchEventsResponse]:
        return StreamClient(self.events.WatchEvents(WatchEventsRequest(**start)))

    async def open_alarms(self) -> dict[str, event_pb2.Alarm]:
        answer = await self.alarms.ListAlarms(alarm_pb2.ListAlarmsRequest())
        return {alarm.rule: alarm for alarm in answer.alarms}

    async def alarm(self, rule: str) -> event_pb2.Alarm:
        async with asyncio.timeout(LONG_S):
            while rule not in (alarms := await self.open_alarms()):
                await asyncio.sleep(0.01)
        return alarms[rule]


@asynccontextmanager
async def client_of(run: Running) -> AsyncIterator[Client]:
    channel = await run.channel()
    try:
        yield Client(channel)
    finally:
        await channel.close()


def happen(run: Running, device: str) -> None:
    """Something that is told at once."""
    notice = Notice(device, NoticeKind.DATA_LOST, 1, "x" * 9000, time.time_ns())
    run.gateway._inbox.put_notice(notice)


async def sequences(watch: StreamClient[WatchEventsResponse], last: int) -> list[int]:
    """The events that come as such, up to one."""
    found = [0]
    while found[-1] < last:
        found.append((await watch.until("event")).event.sequence)
    return found[1:]


async def unstored(watch: StreamClient[WatchEventsResponse], rule: str) -> list[event_pb2.Event]:
    """The events that are told as waiting, until an alarm of a family is among them."""
    found: list[event_pb2.Event] = []
    while all(event.alarm.rule != rule for event in found):
        found += (await watch.until("unstored")).unstored.events
    return found


async def test_a_full_disk_is_an_alarm_and_events_come_as_unstored_then_as_events(
    tmp_path: Path, journals: list[Journal]
) -> None:
    async with running(tmp_path) as run, client_of(run) as client:
        early = client.watch(sequence=1)
        await early.until("sync")
        fill(journals[0])
        happen(run, "shearer-1")
        alarm = await client.alarm("journal_failing")
        assert (alarm.level, alarm.category) == (event_pb2.ALARM_LEVEL_RED, "equipment")
        assert "the disk is full" in alarm.text

        told = await unstored(early, "journal_failing")
        assert [event.sequence for event in told] == [*range(2, 2 + len(told))]
        assert {event.cursor for event in told} == {b""}
        assert told[0].device_id == "shearer-1"

        late = client.watch()
        assert await late.kind() == "sync"
        message = await late.until("unstored")
        assert "the disk is full" in message.unstored.reason
        assert [event.sequence for event in message.unstored.events][: len(told)] == [
            event.sequence for event in told
        ]

        header = alarm_pb2.ActHeader(request_id="a-random-uuid", operator="Li", note="seen")
        request = alarm_pb2.AcknowledgeAlarmRequest(act=header, alarm_id=alarm.alarm_id)
        done = (await client.alarms.AcknowledgeAlarm(request)).result
        assert (done.unstored, done.repeated_request) == (True, False)
        alarm = await client.alarm("journal_failing")
        assert alarm.acknowledged_by == "Li"

        empty(journals[0])
        async with asyncio.timeout(LONG_S):
            while await client.open_alarms():
                await asyncio.sleep(0.01)
        again = (await client.alarms.AcknowledgeAlarm(request)).result
        assert (again.unstored, again.repeated_request) == (False, True)
        last = journals[0].last_sequence
        assert await sequences(early, last) == [*range(2, last + 1)]
        assert await sequences(late, last) == [*range(2, last + 1)]
        await run.end()
    events = stored(tmp_path)
    assert [event.sequence for event in events] == [*range(1, len(events) + 1)]
    about = [event.kind for event in events if event.alarm.rule == "journal_failing"]
    assert about == [RAISED, event_pb2.EVENT_KIND_ALARM_ACKNOWLEDGED, CLEARED]
    journal = Journal.open(tmp_path / "journal")
    acts = journal.read_audit(1, 9)
    journal.close()
    assert [one.request_id for one in acts if isinstance(one, AuditEntry)] == ["a-random-uuid"]


async def test_steps_and_alarms_go_on_while_the_disk_hangs(
    tmp_path: Path, journals: list[Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after events is seen though none of them is stored: nothing waits for the disk."""
    async with running(tmp_path) as run, client_of(run) as client:
        watch = client.watch()
        await watch.until("sync")
        held = journals[0]._writing
        assert await asyncio.to_thread(held.acquire, timeout=LONG_S)
        monkeypatch.setattr(writer, "STALL_S", 0.2)
        try:
            happen(run, "shearer-1")
            alarm = await client.alarm("journal_failing")
            assert "does not answer" in alarm.text
            assert await unstored(watch, "journal_failing")
        finally:
            held.release()
        assert (await watch.until("event")).event.device_id == "shearer-1"
        async with asyncio.timeout(LONG_S):
            while not (await client.alarm("journal_failing")).HasField("end_time"):
                await asyncio.sleep(0.01)
        await run.end()
    events = stored(tmp_path)
    assert [event.sequence for event in events] == [*range(1, len(events) + 1)]


async def test_an_alarm_about_the_journal_ends_with_a_start_that_works(
    tmp_path: Path, journals: list[Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as run, client_of(run) as client:
        run.gateway._inbox.put_journal("events", "the disk has little room")
        await client.alarm("journal_failing")
        await until(lambda: journals[0].last_sequence == 2)
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)
    async with running(tmp_path) as run, client_of(run) as client:
        watch = client.watch(sequence=3)
        started, ended = [(await watch.until("event")).event for _ in range(2)]
        assert started.kind == event_pb2.EVENT_KIND_GATEWAY_STARTED
        assert (ended.kind, ended.alarm.rule) == (CLEARED, "journal_failing")
        await run.end()
