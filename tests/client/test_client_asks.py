"""What clients ask for and do, by both clients, of a real server and a real gateway."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

import lamproom
from gateway.mine.change import Alarm, Headcount
from tests.client.both import Either, both, connected
from tests.gateway import app_rig
from tests.gateway.app_rig import FakeDriver, quiet, running
from tests.gateway.serve_rig import T0_NS, bundle_of, changes, changes_with, served
from tests.support.ports import free_port
from tests.support.waiting import until


@both
async def test_the_mine_is_asked_for(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        assert [person.name for person in await client.ask("people")] == ["王伟", "Anna"]
        assert len(await client.ask("zones")) == 9
        assert (await client.ask("map")).mine_name == "一号煤矿"
        rig.server.publish(changes(headcount=Headcount(2, 1, {"Z1": 1})))
        assert (await client.ask("headcount")).underground == 2
        rig.move((0, 1.5), (1, 2.5))
        assert [place.x_m for place in await client.ask("places")] == [1.5, 2.5]
        assert [place.card for place in await client.ask("places", ["1002"])] == ["1002"]


@both
async def test_all_pages_are_asked_for(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path, cards=2500) as rig, connected(kind, rig.port) as client:
        rig.move(*((card, float(card)) for card in range(2500)))
        assert len(await client.ask("places")) == 2500
        await rig.happen(2500)
        stored = await client.all("stored_events")
        assert [item.sequence for item in stored] == list(range(1, 2501))


@both
async def test_alarms_are_listed_and_followed(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        rig.server.publish(changes_with(Alarm("a-7", "restricted_entry", 2, T0_NS)))
        assert [alarm.alarm_id for alarm in await client.ask("alarms")] == ["a-7"]
        alarms = client.client.follow_alarms()
        assert [one.alarm_id for one in await client.next(alarms)] == ["a-7"]
        await rig.happen(1)
        assert [one.alarm_id for one in await client.next(alarms)] == ["a-1", "a-7"]


@both
async def test_what_is_not_there_is_refused_in_words(tmp_path: Path, kind: type[Either]) -> None:
    async with served(tmp_path) as rig, connected(kind, rig.port) as client:
        with pytest.raises(lamproom.RefusedError) as refusal:
            await client.ask("muster")
        assert refusal.value.code is grpc.StatusCode.NOT_FOUND
        assert str(refusal.value)


@pytest.fixture
def quiet_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeDriver, "scripts", {"shearer-1": quiet, "shearer-2": quiet})


@both
async def test_an_act_is_done_and_told(
    tmp_path: Path, kind: type[Either], quiet_devices: None
) -> None:
    async with running(tmp_path) as run, connected(kind, await run.ready) as client:
        with pytest.raises(lamproom.RefusedError, match="alarm") as refusal:
            await client.ask("acknowledge_alarm", "none", operator="王伟")
        assert refusal.value.code is grpc.StatusCode.FAILED_PRECONDITION
        soon = datetime.now(UTC) + timedelta(hours=1)
        with pytest.raises(lamproom.RefusedError):
            await client.ask("shelve_alarm", "none", soon, operator="王伟")
        for act in ("unshelve_alarm", "reset_alarm"):
            with pytest.raises(lamproom.RefusedError):
                await client.ask(act, "none", operator="王伟")

        done = await client.ask("open_muster", operator="王伟", note="a drill", drill=True)
        assert not done.repeated_request
        roll = await client.ask("muster")
        assert (roll.muster.drill, roll.muster.opened_by) == (True, "王伟")
        assert len(roll.cards) == len({card.card for card in roll.cards})
        closing = {"operator": "王伟", "request_id": "closed-once"}
        assert not (await client.ask("close_muster", roll.muster.muster_id, **closing)).unstored
        again = await client.ask("close_muster", roll.muster.muster_id, **closing)
        assert again.repeated_request


@both
async def test_an_act_is_sent_again_until_the_gateway_is_there_and_is_done_once(
    tmp_path: Path,
    kind: type[Either],
    quiet_devices: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    monkeypatch.setattr(app_rig, "bundle_of", lambda: bundle_of(port=port))
    drill = {"operator": "王伟", "note": "a drill", "drill": True, "request_id": "drill-of-today"}
    async with connected(kind, port) as client:
        stream = client.client.events(sequence=1)
        waiting = asyncio.ensure_future(client.next(stream))
        act = asyncio.ensure_future(client.ask("open_muster", **drill))
        await until(lambda: "trying again" in caplog.text)
        async with running(tmp_path):
            assert not (await act).repeated_request
        await waiting
        async with running(tmp_path):
            roll = await client.ask("muster")
            assert (await client.ask("open_muster", **drill)).repeated_request
            assert (await client.ask("muster")).muster.muster_id == roll.muster.muster_id
