"""The hubs without a network: whoever comes back with a cursor, and whatever comes in bursts."""

import asyncio
import threading
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.journal.journal import READERS, Journal
from gateway.serve import position_view, positions
from gateway.serve.events import EventHub
from gateway.serve.failure import RequestError
from gateway.serve.positions import PositionHub
from lamproom.v1.event_pb2 import WatchEventsRequest
from lamproom.v1.position_pb2 import (
    SAMPLING_EVERY_FIX,
    SAMPLING_LATEST,
    Sampling,
    WatchPositionsRequest,
    WatchPositionsResponse,
)
from positioning.observation import FIX, IdTable, Records
from tests.gateway.serve_rig import T0_NS
from tests.support.waiting import LONG_S

CARDS = 5

#: Fixes are made (so many at once), the client reads until there is no more, or comes back with
#: its cursor after so many messages more.
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("make"), st.sampled_from([1, 2, 7, 40])),
        st.tuples(st.just("read"), st.just(0)),
        st.tuples(st.just("come back"), st.integers(0, 3)),
    ),
    max_size=30,
)


class Maker:
    """Makes fixes of which each has its own number as x, in metres."""

    def __init__(self, hub: PositionHub) -> None:
        self._hub = hub
        self.made = 0

    def make(self, count: int) -> None:
        fixes: Records = np.zeros(count, FIX)
        fixes["x_m"] = numbers = np.arange(self.made, self.made + count)
        fixes["card"] = numbers % CARDS
        fixes["t_ns"], fixes["fix_class"] = T0_NS + numbers, 1
        self.made += count
        self._hub.publish(fixes)


class Client:
    """Reads a hub's stream; keeps its cursor and all fixes that it was sent."""

    def __init__(self, hub: PositionHub, sampling: Sampling.ValueType) -> None:
        self._hub = hub
        self._sampling = sampling
        self.cursor = b""
        self.got: list[int] = []
        self.merged = 0
        self.begin()

    def begin(self) -> None:
        request = WatchPositionsRequest(cursor=self.cursor, sampling=self._sampling)
        self._messages = self._hub.watch(request)

    async def come_back(self) -> None:
        await self._messages.aclose()
        self.begin()

    async def read(self) -> str:
        message = WatchPositionsResponse.FromString(await anext(self._messages))
        kind = str(message.WhichOneof("message"))
        self.cursor = getattr(getattr(message, kind), "cursor", b"") or self.cursor
        if kind == "frame" and not message.frame.snapshot:
            self.got += [x // 1000 for x in message.frame.x_mm]
            self.merged += message.frame.coalesced_count
        return kind

    async def read_all(self) -> None:
        while await self.read() != "heartbeat":
            pass

    async def close(self) -> None:
        await self._messages.aclose()


def hub_of(heartbeat_s: float) -> PositionHub:
    return PositionHub(
        IdTable(tuple("abcde")),
        IdTable(),
        epoch=1,
        frame_interval_s=0.0,
        heartbeat_s=heartbeat_s,
        now_ns=lambda: T0_NS,
    )


async def play(actions: list[tuple[str, int]], sampling: Sampling.ValueType) -> tuple[Client, int]:
    hub = PositionHub(
        IdTable(tuple("abcde")),
        IdTable(),
        epoch=1,
        frame_interval_s=0.0,
        heartbeat_s=0.005,
        now_ns=lambda: T0_NS,
    )
    maker, client = Maker(hub), Client(hub, sampling)
    await client.read_all()
    for action, number in actions:
        if action == "make":
            maker.make(number)
            await asyncio.sleep(0.001)
        elif action == "read":
            await client.read_all()
        else:
            for _ in range(number):
                await client.read()
            await client.come_back()
    await client.read_all()
    await client.close()
    return client, maker.made


@settings(deadline=None, max_examples=60)
@given(ACTIONS)
def test_every_fix_comes_once_and_in_order_however_often_a_client_comes_back(
    actions: list[tuple[str, int]],
) -> None:
    client, made = asyncio.run(play(actions, SAMPLING_EVERY_FIX))
    assert client.got == list(range(made))
    assert client.merged == 0


@pytest.mark.parametrize("sampling", [SAMPLING_EVERY_FIX, SAMPLING_LATEST])
def test_a_client_that_is_behind_has_the_newest_of_each_card_and_a_true_count(
    monkeypatch: pytest.MonkeyPatch, sampling: Sampling.ValueType
) -> None:
    monkeypatch.setattr(positions, "RING_FRAMES_MAX", 3)
    monkeypatch.setattr(position_view, "FRAME_ROWS_MAX", 4)

    @settings(deadline=None, max_examples=60)
    @given(ACTIONS.map(lambda actions: [one for one in actions if one[0] != "come back"]))
    def check(actions: list[tuple[str, int]]) -> None:
        client, made = asyncio.run(play(actions, sampling))
        assert len(client.got) + client.merged == made
        newest = {number % CARDS: number for number in range(made)}
        assert {card: max(n for n in client.got if n % CARDS == card) for card in newest} == newest
        assert len(set(client.got)) == len(client.got)

    check()


async def test_a_burst_is_no_loss_for_who_keeps_up() -> None:
    """As when many readers come back at once, each with all of its ring."""
    hub = PositionHub(
        IdTable(tuple("abcde")),
        IdTable(),
        epoch=1,
        frame_interval_s=0.0,
        heartbeat_s=0.05,
        now_ns=lambda: T0_NS,
    )
    maker, client = Maker(hub), Client(hub, SAMPLING_EVERY_FIX)
    await client.read_all()
    for _ in range(20):
        maker.make(2048)
    maker.make(50_000)
    await asyncio.sleep(0.001)
    await client.read_all()
    await client.close()
    assert client.got == list(range(maker.made))


async def test_who_waits_for_the_journal_is_told_that_the_gateway_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, reading = threading.Event(), threading.Semaphore(0)
    read = Journal.read

    def slow(journal: Journal, first: int, limit: int) -> Any:
        reading.release()
        assert go_on.wait(20)
        return read(journal, first, limit)

    with closing(Journal.open(tmp_path)) as journal:
        journal.append([(n, 0, b"x") for n in range(1, 10)], {})
        hub = EventHub(journal, 5.0, lambda: T0_NS)
        monkeypatch.setattr(Journal, "read", slow)

        async def client() -> str:
            async with aclosing(hub.watch(WatchEventsRequest(sequence=1))) as messages:
                try:
                    async for _ in messages:
                        pass
                except RequestError as error:
                    return error.code.name
            return "ended"

        clients = [asyncio.create_task(client()) for _ in range(READERS + 3)]
        for _ in range(READERS):
            assert await asyncio.to_thread(reading.acquire, timeout=LONG_S)
        await asyncio.sleep(0.05)
        hub.close()
        go_on.set()
        async with asyncio.timeout(20):
            told = await asyncio.gather(*clients, return_exceptions=True)
        assert told == ["UNAVAILABLE"] * len(clients)
