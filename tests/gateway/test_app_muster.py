"""A muster in a running gateway: done once, stored, audited, watched, and over a restart."""

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from gateway.journal.audit import AuditEntry
from gateway.journal.journal import Journal
from lamproom.v1 import alarm_pb2, event_pb2, mine_pb2, mine_pb2_grpc, muster_pb2, muster_pb2_grpc
from positioning.observation import PLACE, Records, measurements
from protocols.driver import Sink
from tests.gateway.app_rig import Running, running, stored
from tests.gateway.stream_client import StreamClient

CARD = "1001"


def place_at(run: Running, x_m: float) -> Records:
    """Another engine has located the card in the roadway, just now."""
    card = run.gateway._cards.handle(CARD)
    row = (card, time.time_ns(), x_m, 0.0, 0.04, 0.0, 0.04)
    return measurements(np.array([row], PLACE))


def header(request_id: str, note: str = "") -> alarm_pb2.ActHeader:
    return alarm_pb2.ActHeader(request_id=request_id, operator="Zhao", note=note)


async def test_a_drill_from_its_opening_over_a_restart_to_its_end(
    tmp_path: Path, scripts: dict[str, Callable[[Sink], Any]]
) -> None:
    opening = muster_pb2.OpenMusterRequest(act=header("request-open", "exercise"), drill=True)
    async with running(tmp_path) as run:
        channel = await run.channel()
        mine = mine_pb2_grpc.MineServiceStub(channel)
        async with asyncio.timeout(20):
            while not (await mine.GetHeadcount(mine_pb2.GetHeadcountRequest())).underground:
                run.gateway._inbox.put_measured(place_at(run, 55.0))
                await asyncio.sleep(0.05)
        stub = muster_pb2_grpc.MusterServiceStub(channel)
        watch = StreamClient(stub.WatchMuster(muster_pb2.WatchMusterRequest()))
        assert await watch.kind() == "sync"
        first, second = await stub.OpenMuster(opening), await stub.OpenMuster(opening)
        assert (first.result.repeated_request, second.result.repeated_request) == (False, True)
        muster = (await watch.until("muster")).muster
        assert (muster.drill, muster.reason, muster.opened_by) == (True, "exercise", "Zhao")
        (card,) = (await watch.until("cards")).cards.cards
        assert (card.card, card.name) == (CARD, "王伟")
        assert card.state == muster_pb2.MUSTER_STATE_MUST_LEAVE
        assert card.way_out.length_m == pytest.approx(45.0, abs=5.0)
        other = muster_pb2.OpenMusterRequest(act=header("request-other", "again"), drill=True)
        with pytest.raises(grpc.aio.AioRpcError, match=f"drill {muster.muster_id} of Zhao is open"):
            await stub.OpenMuster(other)
        await channel.close()
        await run.end()
    async with running(tmp_path) as run:
        channel = await run.channel()
        stub = muster_pb2_grpc.MusterServiceStub(channel)
        answer = await stub.GetMuster(muster_pb2.GetMusterRequest())
        assert answer.muster.muster_id == muster.muster_id
        assert not answer.muster.HasField("close_time")
        assert [(one.card, one.state) for one in answer.cards] == [(CARD, card.state)]
        assert answer.cards[0].way_out.zone_id == card.way_out.zone_id
        end = muster_pb2.CloseMusterRequest(act=header("request-end"), muster_id=muster.muster_id)
        await stub.CloseMuster(end)
        answer = await stub.GetMuster(muster_pb2.GetMusterRequest())
        assert answer.muster.closed_by == "Zhao"
        await channel.close()
        await run.end()
    told = [(one.kind, one.drill, one.count) for one in stored(tmp_path) if "muster" in one.text]
    assert told == [
        (event_pb2.EVENT_KIND_MUSTER_OPENED, True, 1),
        (event_pb2.EVENT_KIND_MUSTER_CLOSED, True, 1),
    ]
    with closing(Journal.open(tmp_path / "journal")) as journal:
        entries = [one for one in journal.read_audit(1, 10) if isinstance(one, AuditEntry)]
    assert [(one.act, one.subject, one.request_id, one.detail) for one in entries] == [
        ("muster.open", "drill", "request-open", {"note": "exercise"}),
        ("muster.open", "drill", "request-other", {"note": "again"}),
        ("muster.close", muster.muster_id, "request-end", {}),
    ]
    assert [one.outcome for one in entries] == [
        "done",
        f"drill {muster.muster_id} of Zhao is open: close it first",
        "done",
    ]
