"""The driver against mosquitto: values, records, retained ones, what is lost, both versions."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

import protocols.losses
import protocols.mqtt.client
from equipment.report import LinkState, NoticeKind, Quality
from protocols.supervise import Supervisor
from tests.protocols.mqtt_peer import UWB, Broker, driver_for, machine, parsed, publishing
from tests.support.ports import free_port
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import until

pytestmark = pytest.mark.parametrize("version", ["3.1.1", "5"])

PRESSURE = 'name="pressure"; pointer="/pressure"; unit="MPa"; range=[0.0, 60.0]'
RUNNING = 'name="running"; pointer="/on"; type="bool"'
#: Of the profile that `machine` makes.
SILENCE_S = 2.0

LEVEL = 'name="level"; topic="tank/1"; pointer="/values/0"'


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    peer = Broker(tmp_path_factory.mktemp("mosquitto"))
    try:
        yield peer
    finally:
        peer.end()


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A root of its own for each test."""
    return f"mine/{request.node.originalname}/{request.node.callspec.id}"


async def subscribed(broker: Broker, topic: str) -> None:
    await until(lambda: f"{topic} (QoS" in broker.err, "subscribed")


async def test_one_message_serves_many_points(broker: Broker, topic: str, version: str) -> None:
    profile = machine(PRESSURE, RUNNING, LEVEL, more='time={ pointer = "/t", unit = "ms" }')
    driver = driver_for(profile, broker.port, topic=topic, version=version)
    async with running(driver) as (told, _), publishing(broker.port) as device:
        await subscribed(broker, f"{topic}/tank/1")
        await until(lambda: told.waits, "it says that it waits")
        assert told.heard_count == 0
        await device.publish(topic, '{"pressure": 31.5, "on": true, "t": 1772366400250}')
        await device.publish(f"{topic}/tank/1", '{"values": [2.5], "t": 1772366400251}')
        await until(lambda: len(told.got) == 3, "three values")
        assert told.heard_count == 2
    found = {s.point: (s.value, s.quality, s.source_t_ns) for s in told.got}
    assert found == {
        "pressure": (31.5, Quality.GOOD, 1_772_366_400_250_000_000),
        "running": (True, Quality.GOOD, 1_772_366_400_250_000_000),
        "level": (2.5, Quality.GOOD, 1_772_366_400_251_000_000),
    }
    assert told.lively == [True] * 3
    # The device's clock is what it sends; of what the broker kept it is not known.
    assert told.clocks == [1_772_366_400_250_000_000, 1_772_366_400_251_000_000]


async def test_a_kept_value_is_old_and_no_sign_of_life(
    broker: Broker, topic: str, version: str
) -> None:
    now_ms = time.time_ns() // 1_000_000
    kept = {
        "undated": '{"v": 1}',
        "old": json.dumps({"v": 2, "t": now_ms - 60_000}),
        "fresh": json.dumps({"v": 3, "t": now_ms + 1000}),
    }
    async with publishing(broker.port) as device:
        for name, payload in kept.items():
            await device.publish(f"{topic}/{name}", payload, qos=1, retain=True)
        points = [f'name="{name}"; topic="{name}"; pointer="/v"' for name in kept]
        profile = machine(*points, more='time={ pointer = "/t", unit = "ms" }')
        driver = driver_for(profile, broker.port, topic=topic, version=version)
        async with running(driver) as (told, _):
            await until(lambda: len(told.got) == 3, "what was kept")
            assert (told.lively, told.clocks) == ([False] * 3, [])
            assert told.heard_count == 0
            found = {s.point: (s.value, s.quality) for s in told.got}
            assert found == {
                "undated": (1.0, Quality.UNCERTAIN),
                "old": (2.0, Quality.UNCERTAIN),
                "fresh": (3.0, Quality.GOOD),
            }
            old = told.last("old")
            assert old is not None
            assert old.reason.startswith("kept by the broker: it is 6")
            payload = json.dumps({"v": 4, "t": now_ms})
            await device.publish(f"{topic}/old", payload, retain=True)
            await until(lambda: told.good("old"), "a live value")
            assert (told.heard_count, told.lively[-1]) == (1, True)


def records(first: int, count: int, *, sent_ms: int | None = None) -> str:
    t_us = time.time_ns() // 1000
    rows = [
        {
            "t": t_us,
            "card": f"1401{n:05d}",
            "anchor": "A1",
            "mm": 1000 + n,
            "rssi": -70.5,
            "flags": 0,
        }
        for n in range(first, first + count)
    ]
    return json.dumps({"sent": sent_ms or t_us // 1000, "records": rows})


def cards(told: Told) -> list[str]:
    return [str(card) for batch in told.batches for card in batch.columns["card"]]


def expected(first: int, count: int) -> list[str]:
    return [f"1401{n:05d}" for n in range(first, first + count)]


def reader(broker: Broker, topic: str, version: str, **options: Any) -> Any:
    profile = parsed(UWB, "uwb_mqtt.toml")
    options |= {"topic": topic, "version": version, "client_id": topic.replace("/", "-")}
    return driver_for(profile, broker.port, **options)


async def test_records_come_once_though_they_are_sent_twice(
    broker: Broker, topic: str, version: str
) -> None:
    driver = reader(broker, topic, version)
    async with running(driver) as (told, _), publishing(broker.port) as device:
        await subscribed(broker, f"{topic}/ranges")
        payload = records(0, 200)
        for again in (payload, payload, records(200, 1)):
            await device.publish(f"{topic}/ranges", again, qos=1)
        await until(lambda: len(cards(told)) >= 201, "all records")
    assert cards(told) == expected(0, 201)
    columns = told.batches[0].columns
    assert columns["range_m"].tolist()[:2] == pytest.approx([1.0, 1.001])
    assert {name: str(column.dtype) for name, column in columns.items()} == {
        "t_us": "int64",
        "card": "object",
        "anchor": "object",
        "range_m": "float64",
        "rssi_dbm": "float64",
        "flags": "int64",
    }


async def test_records_wait_at_the_broker_while_the_gateway_is_away(
    broker: Broker, topic: str, version: str
) -> None:
    driver = reader(broker, topic, version)
    async with publishing(broker.port) as device:
        async with running(driver) as (told, _):
            await subscribed(broker, f"{topic}/ranges")
            await device.publish(f"{topic}/ranges", records(0, 2), qos=1)
            await until(lambda: len(cards(told)) == 2, "the first")
        for n in range(2, 60):
            await device.publish(f"{topic}/ranges", records(n, 1), qos=1)
        async with running(driver) as (later, _):
            await until(lambda: len(cards(later)) >= 58, "what came meanwhile")
    assert cards(later) == expected(2, 58)
    # What was kept says nothing of the reader's clock now.
    assert {batch.device_t_ns for batch in later.batches} == {None}


async def test_what_was_not_taken_in_comes_again_and_is_given_once(
    broker: Broker, topic: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = protocols.mqtt.client.ReadOnlyClient
    driver = reader(broker, topic, version)
    async with publishing(broker.port) as device:
        with monkeypatch.context() as patch:
            # A gateway that dies before the broker knows what it has taken in.
            patch.setattr(client, "done", lambda _client, _message: None)
            async with running(driver) as (told, _):
                await subscribed(broker, f"{topic}/ranges")
                await device.publish(f"{topic}/ranges", records(0, 3), qos=1)
                await until(lambda: len(cards(told)) == 3, "the first")
        sent_again = broker.err.count(f"(d1, q1, r0, m1, '{topic}/ranges'")
        async with running(driver) as (again, _):
            await until(
                lambda: broker.err.count(f"(d1, q1, r0, m1, '{topic}/ranges'") > sent_again, "DUP"
            )
            await device.publish(f"{topic}/ranges", records(3, 1), qos=1)
            await until(lambda: cards(again), "what is new")
    assert cards(again) == expected(3, 1)


async def test_what_can_not_be_used_is_refused_and_told_and_the_rest_goes_on(
    broker: Broker, topic: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.losses, "LOSSES_S", 0.1)
    monkeypatch.setattr(protocols.mqtt.client, "PAYLOAD_BYTES_MAX", 5000)
    driver = driver_for(machine(PRESSURE), broker.port, topic=topic, version=version)
    wrong: list[str | bytes] = [
        "{",
        "",
        '"text"',
        '{"pressure": "31.5"}',
        '{"pressure": 1e999}',
        "x" * 6000,
    ]
    wrong += [
        "[" * 3000,
        '{"pressure": null}',
        '{"pressure": 61}',
        '{"pressure": true}',
        b"\xff\xfe",
    ]
    async with running(driver) as (told, task), publishing(broker.port) as device:
        await subscribed(broker, topic)
        for payload in wrong:
            await device.publish(topic, payload, qos=1)
        await device.publish(topic, '{"pressure": 31.5}', qos=1)
        await until(lambda: told.good("pressure"), "the good one")
        reasons = ("longer than 5000", "no JSON", "empty", "is text", "no finite", "true or false")

        def told_of(reason: str) -> bool:
            return any(reason in text for _, _, text in told.notices)

        await until(lambda: all(map(told_of, reasons)), "each reason")
        assert not task.done()
    assert all(topic in text for _, _, text in told.notices)
    assert all(kind is NoticeKind.DATA_REFUSED for kind, _, _ in told.notices)
    assert [s.value for s in told.got if s.quality is Quality.GOOD] == [31.5]


async def test_what_the_gateway_can_not_take_in_is_counted(
    broker: Broker, topic: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.losses, "LOSSES_S", 0.1)
    monkeypatch.setattr(protocols.mqtt.client, "WAITING_MOST", 0)
    driver = driver_for(machine(PRESSURE), broker.port, topic=topic, version=version)
    async with running(driver) as (told, _), publishing(broker.port) as device:
        await subscribed(broker, topic)
        for _ in range(150):
            await device.publish(topic, '{"pressure": 31.5}', qos=1)
        await until(lambda: told.lost() == 150, "all are counted")
        monkeypatch.setattr(protocols.mqtt.client, "WAITING_MOST", 10)
        await device.publish(topic, '{"pressure": 31.5}', qos=1)
        await until(lambda: told.good("pressure"), "those after it come")
    assert {text for _, _, text in told.notices} == {
        "lost: messages: more came than the gateway could take in"
    }


async def test_a_silent_device_is_down_its_session_goes_on_and_its_first_word_counts(
    broker: Broker, topic: str, version: str
) -> None:
    driver = driver_for(machine(PRESSURE), broker.port, topic=topic, version=version)
    told = Told()
    task = asyncio.create_task(Supervisor(driver, told, silence_s=SILENCE_S).run())
    try:
        async with publishing(broker.port) as device:
            await until(lambda: told.count(LinkState.DOWN), "silent from the start")
            await device.publish(topic, '{"pressure": 31.5}')
            await until(lambda: told.links[-1][0] is LinkState.UP, "up by its first word")
            await until(lambda: told.count(LinkState.DOWN) == 2, "silent again")
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert all(topic in reason for state, reason in told.links if state is LinkState.DOWN)
    assert broker.err.count(f"{topic} (QoS") == 1


async def test_a_second_gateway_of_the_same_name_is_told(
    broker: Broker, topic: str, version: str
) -> None:
    driver = driver_for(machine(PRESSURE), broker.port, topic=topic, version=version)
    other = driver_for(machine(PRESSURE), broker.port, topic=f"{topic}/other", version=version)
    async with running(driver) as (_, task):
        await subscribed(broker, topic)
        async with running(other):
            await until(task.done, "the first is thrown out")
        assert "client_id 'lamproom-dev': is there a second gateway?" in str(task.exception())


async def test_nothing_listens(version: str) -> None:
    text, _ = await failure_of(driver_for(machine(PRESSURE), free_port(), version=version))
    assert text.startswith("mqtt 127.0.0.1:")
    assert "connection refused: check that the broker runs" in text
