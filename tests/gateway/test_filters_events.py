"""Streams and lists of some events."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from gateway.mine.change import Event, EventKind
from gateway.serve import event_filter, events
from gateway.serve.encode import encode_event
from lamproom.v1.event_pb2 import (
    EVENT_KIND_ALARM_RAISED,
    EVENT_KIND_ZONE_LEFT,
    EventFilter,
    ListEventsRequest,
    WatchEventsRequest,
    WatchEventsResponse,
)
from tests.gateway.serve_rig import Rig, event, served
from tests.gateway.stream_client import StreamClient


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


def watch(rig: Rig, wanted: EventFilter, **start: object) -> StreamClient[WatchEventsResponse]:
    request = WatchEventsRequest(filter=wanted, **start)  # type: ignore[arg-type]  # one of three
    return StreamClient(rig.events().WatchEvents(request))


async def happen(rig: Rig, *told: Event) -> None:
    """Stores and sends events as the gateway does."""
    first = rig.journal.last_sequence + 1
    numbered = [replace(one, sequence=n) for n, one in enumerate(told, first)]
    payloads = [encode_event(one, rig.journal.epoch) for one in numbered]
    rows = [(e.sequence, e.record_t_ns, p) for e, p in zip(numbered, payloads, strict=True)]
    await asyncio.to_thread(rig.journal.append, rows, {})
    rig.server.publish_events(first, payloads)


ALARM = event(1)
LEFT = replace(ALARM, kind=EventKind.ZONE_LEFT, zone="Z2", card="1002", alarm=None)
DOWN = replace(ALARM, zone="", card="", device="shearer-1")


@pytest.mark.parametrize(
    ("wanted", "sequences"),
    [
        (EventFilter(), [1, 2, 3]),
        (EventFilter(mine_codes=["620000000001"]), [1, 2, 3]),
        (EventFilter(zone_ids=["Z1", "gone"]), [1]),
        (EventFilter(kinds=[EVENT_KIND_ZONE_LEFT]), [2]),
        (EventFilter(cards=["1001", "1002"]), [1, 2]),
        (EventFilter(device_ids=["shearer-1"]), [3]),
        (EventFilter(cards=["1002"], kinds=[EVENT_KIND_ALARM_RAISED]), []),
    ],
)
async def test_events_fit_all_that_is_asked_for_stored_live_and_listed(
    rig: Rig, wanted: EventFilter, sequences: list[int]
) -> None:
    await happen(rig, ALARM, LEFT, DOWN)
    client = watch(rig, wanted, sequence=1)
    got = [(await client.read()).event.sequence for _ in sequences]
    assert got == sequences
    assert (await client.read()).sync.cursor
    await happen(rig, ALARM, LEFT, DOWN)
    live = [(await client.read()).event.sequence for _ in sequences]
    assert live == [n + 3 for n in sequences]
    page = await rig.events().ListEvents(ListEventsRequest(filter=wanted, page_size=100))
    assert [one.sequence for one in page.events] == got + live
    assert page.next_page_token == ""


async def test_events_that_wait_for_the_disk_are_filtered_too(rig: Rig) -> None:
    client = watch(rig, EventFilter(kinds=[EVENT_KIND_ZONE_LEFT]))
    await client.until("sync")
    told = [ALARM, LEFT, DOWN, LEFT]
    payloads = [
        encode_event(replace(one, sequence=n), rig.journal.epoch) for n, one in enumerate(told, 1)
    ]
    rig.server.publish_unstored(1, payloads[:1], "the disk is full")
    rig.server.publish_unstored(2, payloads[1:], "the disk is full")
    unstored = (await client.until("unstored")).unstored
    assert [one.sequence for one in unstored.events] == [2, 4]
    assert (unstored.reason, unstored.events[0].cursor) == ("the disk is full", b"")


async def test_a_heartbeat_goes_on_past_what_does_not_fit(rig: Rig) -> None:
    wanted = EventFilter(zone_ids=["Z2"])
    client = watch(rig, wanted)
    await client.until("sync")
    for _ in range(20):
        await happen(rig, ALARM)
    cursor = b""
    while cursor != (cursor := (await client.until("heartbeat")).heartbeat.cursor):
        pass
    # Nothing is left behind it but what comes now.
    client.call.cancel()
    await happen(rig, LEFT)
    everything = watch(rig, EventFilter(), cursor=cursor)
    assert (await everything.read()).event.sequence == 21


async def test_a_replay_of_what_does_not_fit_tells_how_far_it_is(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RECENT_EVENTS_MAX", 1)
    monkeypatch.setattr(events, "REPLAY_EVENTS_MAX", 2)
    await happen(rig, *[ALARM] * 40)
    rig.server.services.events._heartbeat_s = 0.0
    client = watch(rig, EventFilter(zone_ids=["Z2"]), sequence=1)
    cursors = []
    while (message := await client.read()).WhichOneof("message") == "heartbeat":
        cursors.append(message.heartbeat.cursor)
    assert message.WhichOneof("message") == "sync"
    assert len(set(cursors)) == len(cursors) > 1


async def test_an_event_is_parsed_once_for_all_who_filter(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []

    original = event_filter.EventFacts

    def facts(*given: object) -> event_filter.EventFacts:
        parsed.append(given)
        return original(*given)  # type: ignore[arg-type]  # what it was called with

    monkeypatch.setattr(event_filter, "EventFacts", facts)
    clients = [watch(rig, EventFilter(zone_ids=[f"Z{n}", "Z1"])) for n in range(2, 6)]
    for one in clients:
        await one.until("sync")
    await happen(rig, ALARM, LEFT)
    for one in clients:
        await one.until("event")
    await clients[0].until("event")
    assert len(parsed) == 2


async def test_a_page_of_what_is_rare_is_bounded_in_work_and_goes_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LIST_SCAN_MAX", 10)
    monkeypatch.setattr(events, "REPLAY_EVENTS_MAX", 4)
    await happen(rig, *[ALARM] * 25, LEFT, *[ALARM] * 5, LEFT, LEFT)
    stub, token, sizes, got = rig.events(), "", [], []
    while True:
        page = await stub.ListEvents(
            ListEventsRequest(filter=EventFilter(zone_ids=["Z2"]), page_size=2, page_token=token)
        )
        sizes.append(len(page.events))
        got += [one.sequence for one in page.events]
        token = page.next_page_token
        if not token:
            break
    assert got == [26, 32, 33]
    assert sizes == [0, 0, 1, 2]


async def test_a_token_is_only_good_for_the_same_filter(rig: Rig) -> None:
    await happen(rig, *[ALARM] * 5)
    stub = rig.events()
    wanted = EventFilter(zone_ids=["Z1"])
    token = (await stub.ListEvents(ListEventsRequest(filter=wanted, page_size=2))).next_page_token
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.ListEvents(ListEventsRequest(page_size=2, page_token=token))
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("wanted", "code", "text"),
    [
        (EventFilter(mine_codes=["x"]), grpc.StatusCode.NOT_FOUND, "serves '620000000001'"),
        (EventFilter(kinds=[999]), grpc.StatusCode.INVALID_ARGUMENT, "999 is no kind"),  # type: ignore[list-item]  # none
    ],
)
async def test_what_there_is_not_is_refused(
    rig: Rig, wanted: EventFilter, code: grpc.StatusCode, text: str
) -> None:
    refusal = await watch(rig, wanted).refusal()
    assert refusal.code() is code
    assert text in str(refusal.details())


def test_facts_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_filter, "FACTS_MAX", 3)
    book = event_filter.FactsBook()
    payload = encode_event(ALARM, 1)
    for n in range(10):
        assert book.of(n, payload) == (EVENT_KIND_ALARM_RAISED, "1001", "Z1", "")
        assert len(book._facts) <= 3
