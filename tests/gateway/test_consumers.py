"""Consumers: the gateway remembers how far they are, on disk, and goes on there."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from gateway.journal.consumers import Place
from gateway.journal.journal import Journal
from gateway.journal.sqlite import SCHEMA_VERSION
from gateway.serve import consumers
from gateway.serve.cursor import Kind, seal
from lamproom.v1 import event_pb2_grpc
from lamproom.v1.event_pb2 import (
    AcknowledgeCursorRequest,
    DeleteConsumerRequest,
    ListConsumersRequest,
    WatchEventsRequest,
)
from tests.gateway.journal_rig import Open, edit, reopening, row_of
from tests.gateway.serve_rig import Rig, code_of, served
from tests.gateway.stream_client import StreamClient
from tests.support.waiting import LONG_S

Code = grpc.StatusCode


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[Open]:
    with reopening(tmp_path) as open_again:
        yield open_again


def cursor(rig: Rig, sequence: int) -> bytes:
    return seal(Kind.EVENTS, rig.journal.epoch, sequence)


def at(rig: Rig, sequence: int, name: str = "scada") -> AcknowledgeCursorRequest:
    return AcknowledgeCursorRequest(consumer=name, cursor=cursor(rig, sequence))


async def first_of(stub: "event_pb2_grpc.EventServiceAsyncStub", name: str) -> int:
    """The first event that a consumer is sent."""
    call = stub.WatchEvents(WatchEventsRequest(consumer=name))
    first = (await StreamClient(call).until("event")).event.sequence
    call.cancel()
    return first


async def test_a_consumer_goes_on_after_the_place_that_it_has_acknowledged(rig: Rig) -> None:
    await rig.happen(5)
    stub = rig.events()
    assert await first_of(stub, "scada") == 1
    answer = (await stub.AcknowledgeCursor(at(rig, 3))).consumer
    assert (answer.consumer, answer.sequence, answer.behind) == ("scada", 3, 2)
    assert answer.cursor == cursor(rig, 3)
    assert answer.acknowledge_time.seconds > 0
    assert await first_of(stub, "scada") == 4
    assert await first_of(stub, "other") == 1


async def test_a_place_outlives_the_gateway(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        await rig.happen(4)
        await rig.events().AcknowledgeCursor(at(rig, 2))
    async with served(tmp_path) as rig:
        assert await first_of(rig.events(), "scada") == 3
        await rig.events().DeleteConsumer(DeleteConsumerRequest(consumer="scada"))
    async with served(tmp_path) as rig:
        assert not (await rig.events().ListConsumers(ListConsumersRequest())).consumers


async def test_a_place_moves_only_forwards(rig: Rig) -> None:
    await rig.happen(5)
    stub = rig.events()
    await stub.AcknowledgeCursor(at(rig, 4))
    await stub.AcknowledgeCursor(at(rig, 4))
    code, text = await code_of(stub.AcknowledgeCursor(at(rig, 3)))
    assert (code, "event 3 lies before 4" in text) == (Code.FAILED_PRECONDITION, True)
    await stub.DeleteConsumer(DeleteConsumerRequest(consumer="scada"))
    assert (await stub.AcknowledgeCursor(at(rig, 1))).consumer.sequence == 1


async def test_wrong_places_and_names_are_refused(rig: Rig) -> None:
    await rig.happen(2)
    stub = rig.events()
    other = seal(Kind.EVENTS, rig.journal.epoch ^ 1, 1)
    asked = AcknowledgeCursorRequest
    for request, code in (
        (asked(consumer="scada", cursor=other), Code.FAILED_PRECONDITION),
        (asked(consumer="scada", cursor=b"made up"), Code.INVALID_ARGUMENT),
        (asked(consumer="scada"), Code.INVALID_ARGUMENT),
        (at(rig, 3), Code.OUT_OF_RANGE),
        (at(rig, 1, ""), Code.INVALID_ARGUMENT),
        (at(rig, 1, "a b"), Code.INVALID_ARGUMENT),
        (at(rig, 1, "n" * 65), Code.INVALID_ARGUMENT),
        (at(rig, 1, "矿"), Code.INVALID_ARGUMENT),
    ):
        assert (await code_of(stub.AcknowledgeCursor(request)))[0] is code, request
    gone = stub.DeleteConsumer(DeleteConsumerRequest(consumer="scada"))
    assert (await code_of(gone))[0] is Code.NOT_FOUND
    watch = StreamClient(stub.WatchEvents(WatchEventsRequest(consumer="a/b")))
    assert (await watch.refusal()).code() is Code.INVALID_ARGUMENT


async def test_consumers_come_by_name_in_pages(rig: Rig) -> None:
    await rig.happen(3)
    stub = rig.events()
    for n, name in enumerate(("c", "a", "b")):
        await stub.AcknowledgeCursor(at(rig, n, name))
    first = await stub.ListConsumers(ListConsumersRequest(page_size=2))
    rest = await stub.ListConsumers(ListConsumersRequest(page_token=first.next_page_token))
    found = [(one.consumer, one.behind) for one in (*first.consumers, *rest.consumers)]
    assert found == [("a", 2), ("b", 1), ("c", 3)]
    # Another place is no other list; another consumer is, which no page may leave out.
    again = ListConsumersRequest(page_token=first.next_page_token)
    await stub.AcknowledgeCursor(at(rig, 3, "a"))
    assert len((await stub.ListConsumers(again)).consumers) == 1
    await stub.AcknowledgeCursor(at(rig, 3, "aa"))
    assert (await code_of(stub.ListConsumers(again)))[0] is Code.INVALID_ARGUMENT


async def test_there_may_be_only_so_many(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "CONSUMERS_MAX", 3)
    stub = rig.events()
    # All at once, so that those that wait for the disk are counted as well.
    asked = [stub.AcknowledgeCursor(at(rig, 0, f"c{n}")) for n in range(5)]
    ends = await asyncio.gather(*asked, return_exceptions=True)
    failed = [one for one in ends if isinstance(one, grpc.aio.AioRpcError)]
    assert [one.code() for one in failed] == [Code.RESOURCE_EXHAUSTED] * 2
    (name, *_) = rig.journal.consumers.places
    await stub.AcknowledgeCursor(at(rig, 0, name))
    await stub.DeleteConsumer(DeleteConsumerRequest(consumer=name))
    await stub.AcknowledgeCursor(at(rig, 0, "next"))


async def test_many_acknowledgements_are_stored_together_and_each_is_on_disk_when_answered(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    store = rig.journal.store_places

    def counted(changes: Mapping[str, Place | None]) -> None:
        commits.append(len(changes))
        store(changes)

    monkeypatch.setattr(rig.journal, "store_places", counted)
    await rig.happen(300)
    stub = rig.events()
    # As many as one connection may have under way, with room to spare.
    under_way = asyncio.Semaphore(50)

    async def acknowledge(sequence: int) -> None:
        async with under_way:
            call = stub.AcknowledgeCursor(at(rig, sequence))
            if await call.code() is Code.FAILED_PRECONDITION:
                return  # a later one has overtaken it on the way
            await call
        assert rig.journal.consumers.places["scada"].sequence >= sequence

    async with asyncio.timeout(LONG_S):
        await asyncio.gather(*(acknowledge(n) for n in range(1, 301)))
    assert rig.journal.consumers.places["scada"].sequence == 300
    assert len(commits) <= 30


async def test_a_journal_that_takes_nothing_is_told_and_moves_no_place(rig: Rig) -> None:
    await rig.happen(3)
    stub = rig.events()
    await stub.AcknowledgeCursor(at(rig, 1))
    rig.journal.close()
    code, text = await code_of(stub.AcknowledgeCursor(at(rig, 2)))
    assert (code, "the journal is closed" in text) == (Code.UNAVAILABLE, True)
    listed = (await stub.ListConsumers(ListConsumersRequest())).consumers
    assert [one.sequence for one in listed] == [1]


async def test_who_waits_when_the_gateway_stops_is_told(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "COMMIT_INTERVAL_S", LONG_S)
    stub = rig.events()
    await stub.AcknowledgeCursor(at(rig, 0))
    # Within the interval after that commit, so that it is not under way yet.
    waiting = asyncio.create_task(code_of(stub.AcknowledgeCursor(at(rig, 0, "late"))))
    while rig.server.services.consumers._count() != 2:
        await asyncio.sleep(0)
    rig.server.services.consumers.close()
    assert (await waiting)[0] is Code.UNAVAILABLE
    assert (await code_of(stub.AcknowledgeCursor(at(rig, 0))))[0] is Code.UNAVAILABLE


def test_the_oldest_event_that_is_needed(open_journal: Open) -> None:
    journal = open_journal()
    assert journal.consumers.oldest_needed() is None
    journal.store_places({"a": Place(7, 1), "b": Place(4, 2)})
    assert journal.consumers.oldest_needed() == 5
    journal.store_places({"b": None, "c": Place(0, 3)})
    assert journal.consumers.oldest_needed() == 1
    assert open_journal().consumers.places == {"a": Place(7, 1), "c": Place(0, 3)}


def test_a_damaged_place_is_forgotten_and_told(open_journal: Open, tmp_path: Path) -> None:
    open_journal().store_places({"a": Place(7, 1), "b": Place(4, 2)})
    open_journal().close()
    edit(tmp_path, "UPDATE consumer SET sequence = 8 WHERE name = 'a'")
    journal = open_journal()
    assert journal.damage == ("the place of consumer 'a' is damaged and forgotten",)
    assert journal.consumers.places == {"b": Place(4, 2)}


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_journal_gets_its_table(version: int, open_journal: Open, tmp_path: Path) -> None:
    open_journal().append([(1, 1, b"event")], {})
    open_journal().close()
    edit(tmp_path, "DROP TABLE consumer")
    edit(tmp_path, f"PRAGMA user_version = {version}")
    journal = open_journal()
    assert (journal.last_sequence, journal.damage) == (1, ())
    journal.store_places({"a": Place(1, 1)})
    assert row_of(tmp_path, "PRAGMA user_version") == (SCHEMA_VERSION,)


def test_a_place_is_of_its_own_journal(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path / "a")) as one, closing(Journal.open(tmp_path / "b")) as two:
        one.store_places({"a": Place(1, 1)})
        row = row_of(tmp_path / "a", "SELECT * FROM consumer")
        two.store_places({"b": Place(1, 1)})
    edit(tmp_path / "b", "INSERT INTO consumer VALUES (?, ?, ?, ?)", *row)
    with closing(Journal.open(tmp_path / "b")) as two:
        assert list(two.consumers.places) == ["b"]
