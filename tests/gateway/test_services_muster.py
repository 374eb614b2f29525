"""The muster service: acts, pages, and a stream that all clients share."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.mine.change import ActKind, Answer
from gateway.mine.muster.card import MusterState
from gateway.serve import muster as muster_module
from lamproom.v1 import alarm_pb2, mine_pb2, muster_pb2
from tests.gateway.muster_rig import MUSTER, card, mustered
from tests.gateway.serve_rig import T0_NS, Rig, S, code_of, served
from tests.gateway.stream_client import StreamClient
from tests.support.waiting import until


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with served(tmp_path) as running:
        yield running


def header(note: str = "smoke at the belt") -> alarm_pb2.ActHeader:
    return alarm_pb2.ActHeader(request_id="4a1c0d5e", operator="Zhao", note=note)


async def answered(rig: Rig, refusal: str = "") -> Answer:
    """Answers the act that comes next."""
    await until(lambda: rig.desk.waiting > 0)
    (act,) = rig.inbox.take().acts
    answer = Answer(act, refusal, T0_NS + 42)
    rig.desk.tell([answer])
    return answer


class Watch(StreamClient[muster_pb2.WatchMusterResponse]):
    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.muster().WatchMuster(muster_pb2.WatchMusterRequest()))

    async def cards(self) -> list[tuple[int, int]]:
        """The next cards: number and state."""
        cards = (await self.until("cards")).cards.cards
        return [(one.number, int(one.state)) for one in cards]


# Acts


@pytest.mark.parametrize(
    ("zones", "drill", "subject"),
    [((), False, "real"), (("Z3", "Z1", "Z3"), True, "drill/Z3/Z1")],
)
async def test_a_muster_is_opened_by_an_act(
    rig: Rig, zones: tuple[str, ...], *, drill: bool, subject: str
) -> None:
    request = muster_pb2.OpenMusterRequest(act=header(), zone_ids=zones, drill=drill)
    answer, response = await asyncio.gather(answered(rig), rig.muster().OpenMuster(request))
    act = answer.act
    assert (act.kind, act.subject) == (ActKind.MUSTER_OPEN, subject)
    assert (act.request_id, act.operator, act.note) == ("4a1c0d5e", "Zhao", "smoke at the belt")
    assert response.result.act_time.ToNanoseconds() == T0_NS + 42


async def test_a_muster_is_closed_by_an_act(rig: Rig) -> None:
    request = muster_pb2.CloseMusterRequest(act=header(""), muster_id="muster-7")
    answer, _ = await asyncio.gather(answered(rig), rig.muster().CloseMuster(request))
    assert (answer.act.kind, answer.act.subject) == (ActKind.MUSTER_CLOSE, "muster-7")


async def test_a_refusal_says_why(rig: Rig) -> None:
    request = muster_pb2.OpenMusterRequest(act=header())
    _, (code, text) = await asyncio.gather(
        answered(rig, "another one is open"), code_of(rig.muster().OpenMuster(request))
    )
    assert (code, text) == (grpc.StatusCode.FAILED_PRECONDITION, "another one is open")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (muster_pb2.OpenMusterRequest(act=header("")), "act.note, which says why, is missing"),
        (muster_pb2.OpenMusterRequest(act=header(), zone_ids=[""]), "zone_ids is missing"),
        (muster_pb2.OpenMusterRequest(act=header(), zone_ids=["a/b"]), "no zone's id"),
        (muster_pb2.OpenMusterRequest(act=header(), zone_ids=["a"] * 65), "at most 64"),
        (muster_pb2.CloseMusterRequest(act=header()), "muster_id is missing"),
        (muster_pb2.CloseMusterRequest(muster_id="muster-7"), "act.request_id is missing"),
    ],
)
async def test_a_wrong_act_is_refused_before_it_is_asked(
    rig: Rig, request_: Any, said: str
) -> None:
    is_open = isinstance(request_, muster_pb2.OpenMusterRequest)
    method = rig.muster().OpenMuster if is_open else rig.muster().CloseMuster
    code, text = await code_of(method(request_))
    assert (code, said in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert rig.inbox.take().acts == ()


# GetMuster


async def test_before_the_first_there_is_none(rig: Rig) -> None:
    code, text = await code_of(rig.muster().GetMuster(muster_pb2.GetMusterRequest()))
    assert (code, text) == (grpc.StatusCode.NOT_FOUND, "no muster has been opened yet")


async def test_all_is_told_of_whom_it_concerns(rig: Rig) -> None:
    cut_off = card(2, MusterState.UNACCOUNTED, way=None, cut_off="no way")
    strange = card(3, place=None, roadway="", chainage_m=None, heard_ns=0, card="9999")
    rig.server.publish(mustered(card(1), cut_off, strange, fresh=True))
    answer = await rig.muster().GetMuster(muster_pb2.GetMusterRequest())
    muster = answer.muster
    assert (muster.muster_id, muster.drill, muster.reason, muster.opened_by) == (
        "muster-7",
        False,
        "smoke",
        "Zhao",
    )
    assert list(muster.zone_ids) == ["Z3"]
    assert muster.open_time.ToNanoseconds() == T0_NS
    assert not muster.HasField("close_time")
    assert [(count.state, count.people, count.machines) for count in muster.counts] == [
        (muster_pb2.MUSTER_STATE_MUST_LEAVE, 2, 0),
        (muster_pb2.MUSTER_STATE_UNACCOUNTED, 1, 0),
    ]
    one, two, three = answer.cards
    assert (one.number, one.card, one.name, one.job, one.team) == (1, "1001", "王伟", "fitter", "A")
    assert (one.kind, one.state) == (mine_pb2.CARD_KIND_PERSON, muster_pb2.MUSTER_STATE_MUST_LEAVE)
    assert one.state_time.ToNanoseconds() == T0_NS - S
    assert [change.change_time.ToNanoseconds() for change in one.changes] == [
        T0_NS - 3 * S,
        T0_NS - S,
    ]
    assert (one.place.x_m, one.roadway_id, one.chainage_m) == (1.0, "main", 1.0)
    assert one.place.measure_time.ToNanoseconds() == T0_NS - 2 * S
    assert list(one.zone_ids) == ["Z3"]
    assert (one.way_out.length_m, one.way_out.zone_id) == (42.5, "Z4")
    assert list(one.way_out.roadway_ids) == ["main"]
    assert [(p.x_m, p.y_m, p.z_m) for p in one.way_out.points] == [
        (1.0, 2.0, -8.0),
        (40.0, 2.0, -8.0),
    ]
    assert (two.kind, two.cut_off, two.cut_off_reason) == (
        mine_pb2.CARD_KIND_VEHICLE,
        True,
        "no way",
    )
    assert not two.HasField("way_out")
    assert (three.name, three.kind) == ("", mine_pb2.CARD_KIND_UNSPECIFIED)
    assert not three.HasField("place")
    assert not three.HasField("chainage_m")
    assert not three.HasField("heard_time")


async def test_places_are_those_of_now_while_it_is_open(rig: Rig) -> None:
    rig.move((0, 55.0), t_ns=T0_NS)
    rig.server.publish(mustered(card(1), fresh=True))
    (one,) = (await rig.muster().GetMuster(muster_pb2.GetMusterRequest())).cards
    assert (one.place.x_m, one.chainage_m) == (55.0, 55.0)
    assert one.age_s > 0.0 or one.place.measure_time.ToNanoseconds() >= T0_NS
    closed = replace(MUSTER, close_t_ns=T0_NS + S, closed_by="Li", close_note="over")
    rig.server.publish(mustered(muster=closed, all_of=[card(1)]))
    answer = await rig.muster().GetMuster(muster_pb2.GetMusterRequest())
    assert answer.cards[0].place.x_m == 1.0
    assert answer.muster.close_time.ToNanoseconds() == T0_NS + S
    assert (answer.muster.closed_by, answer.muster.close_note) == ("Li", "over")


async def test_pages_are_of_one_muster(rig: Rig) -> None:
    rig.server.publish(mustered(*(card(n) for n in range(1, 6)), fresh=True))
    stub, seen, token = rig.muster(), [], ""
    for n in range(3):
        request = muster_pb2.GetMusterRequest(page_size=2, page_token=token)
        page = await stub.GetMuster(request)
        seen += [one.number for one in page.cards]
        token = page.next_page_token or token
        rig.server.publish(mustered(card(6 + n)))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert token
    rig.server.publish(mustered(card(1), muster=replace(MUSTER, id="muster-9"), fresh=True))
    for request in (
        muster_pb2.GetMusterRequest(page_token=token),
        muster_pb2.GetMusterRequest(page_size=-1),
    ):
        code, _ = await code_of(stub.GetMuster(request))
        assert code is grpc.StatusCode.INVALID_ARGUMENT


# WatchMuster


async def test_a_stream_begins_with_all_there_is(rig: Rig) -> None:
    rig.server.publish(mustered(card(1), card(2, MusterState.SAFE), fresh=True))
    watch = Watch(rig)
    assert (await watch.read()).muster.muster_id == "muster-7"
    assert await watch.cards() == [(1, 1), (2, 3)]
    assert await watch.kind() == "sync"
    assert await watch.kind() == "heartbeat"


async def test_without_a_muster_it_waits_for_one(rig: Rig) -> None:
    watch = Watch(rig)
    assert await watch.kind() == "sync"
    rig.server.publish(mustered(card(1), fresh=True))
    assert (await watch.until("muster")).muster.muster_id == "muster-7"
    assert await watch.cards() == [(1, 1)]


async def test_changes_follow_and_the_header_with_them(rig: Rig) -> None:
    rig.server.publish(mustered(card(1), card(2), fresh=True))
    watch = Watch(rig)
    await watch.until("sync")
    now = card(2, MusterState.ON_THE_WAY)
    rig.server.publish(mustered(now, all_of=[card(1), now]))
    counts = (await watch.until("muster")).muster.counts
    assert [(count.state, count.people) for count in counts] == [(1, 1), (2, 1)]
    assert await watch.cards() == [(2, 2)]


async def test_another_muster_starts_anew(rig: Rig) -> None:
    rig.server.publish(mustered(card(1), card(2), fresh=True))
    watch = Watch(rig)
    await watch.until("sync")
    rig.server.publish(mustered(card(1), muster=replace(MUSTER, id="muster-9"), fresh=True))
    assert (await watch.until("muster")).muster.muster_id == "muster-9"
    assert await watch.cards() == [(1, 1)]


async def test_many_cards_are_several_messages(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muster_module, "MESSAGE_CARDS_MOST", 2)
    rig.server.publish(mustered(*(card(n) for n in range(1, 6)), fresh=True))
    watch = Watch(rig)
    assert [await watch.cards() for _ in range(3)] == [
        [(1, 1), (2, 1)],
        [(3, 1), (4, 1)],
        [(5, 1)],
    ]
    assert await watch.kind() == "sync"


async def test_a_muster_that_begins_within_a_snapshot_starts_it_anew(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads slowly is never sent cards of two musters under one header."""
    monkeypatch.setattr(muster_module, "MESSAGE_CARDS_MOST", 1)
    hub = rig.server.services.muster
    rig.server.publish(mustered(card(1), card(2), fresh=True))
    told: list[muster_pb2.WatchMusterResponse] = []
    async for message in hub.watch(muster_pb2.WatchMusterRequest()):
        told.append(muster_pb2.WatchMusterResponse.FromString(message))
        if len(told) == 2:
            other = replace(MUSTER, id="muster-9")
            rig.server.publish(mustered(card(1), card(2), card(3), muster=other, fresh=True))
        if told[-1].HasField("sync"):
            break
    kinds = [message.WhichOneof("message") for message in told]
    assert kinds == ["muster", "cards", "muster", "cards", "cards", "cards", "sync"]
    assert told[2].muster.muster_id == "muster-9"


async def test_a_card_is_encoded_once_for_all_who_watch(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = rig.server.services.muster
    encoded: list[int] = []
    message = hub._message

    def counting(one: Any) -> muster_pb2.MusterCard:
        encoded.append(one.number)
        return message(one)

    monkeypatch.setattr(hub, "_message", counting)
    rig.server.publish(mustered(card(1), card(2), fresh=True))
    for watch in (Watch(rig), Watch(rig), Watch(rig)):
        assert await watch.cards() == [(1, 1), (2, 1)]
    assert encoded == [1, 2]


async def test_streams_end_when_the_gateway_stops(rig: Rig) -> None:
    watch = Watch(rig)
    await watch.until("sync")
    await rig.server.stop(0.5)
    assert (await watch.refusal()).code() is grpc.StatusCode.UNAVAILABLE
