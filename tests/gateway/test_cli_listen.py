"""`lamproom listen mqtt`: what is published, by the names that a profile gives it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app
from tests.protocols.mqtt_peer import Broker, passwords, publishing
from tests.protocols.sparkplug_messages import payload
from tests.support.ports import free_port


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    process = Broker(tmp_path)
    try:
        yield process
    finally:
        process.end()


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["listen", "mqtt", "127.0.0.1", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


async def listened(broker: Broker, *arguments: str) -> tuple[int, str, str]:
    return await asyncio.to_thread(run, "--port", str(broker.port), *arguments)


@asynccontextmanager
async def again_and_again(
    client: aiomqtt.Client, topic: str, data: bytes | str
) -> AsyncIterator[None]:
    """Publishes until whoever listens has heard enough."""

    async def publish() -> None:
        while True:
            await client.publish(topic, data)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_value_stands_under_its_pointer(broker: Broker) -> None:
    document = {"motor": {"current": 12.5, "on": True}, "a/b~": ["x\ny", None], "none": {}}
    async with publishing(broker.port) as client:
        await client.publish("mine/pump1", json.dumps(document), retain=True)
        status, out, err = await listened(broker, "--count", "1")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "mine/pump1 (retained: old by an unknown time)",
        "  /motor/current = 12.5",
        "  /motor/on = true",
        "  /a~1b~0/0 = x\\ny",
        "  /a~1b~0/1 = null",
        "  /none = {}",
    ]


async def test_sparkplug_metrics_stand_by_their_names(broker: Broker) -> None:
    birth = payload(0, {"name": "Motor/Current", "alias": 7, "double": 12.5})
    data = payload(1, {"alias": 7, "double": 13.0})
    async with publishing(broker.port) as client:
        await client.publish("spBv1.0/mine/DBIRTH/node/pump1", birth, retain=True)
        await client.publish("spBv1.0/mine/DDATA/node/pump1", data, retain=True)
        await client.publish("spBv1.0/mine/DDATA/node/pump2", b"\xff", retain=True)
        _, out, _ = await listened(broker, "--topic", "spBv1.0/#", "--count", "3", "--json")
    shown = {one["topic"]: one["values"] for one in map(json.loads, out.splitlines())}
    assert shown["spBv1.0/mine/DBIRTH/node/pump1"] == {"Motor/Current": 12.5}
    assert shown["spBv1.0/mine/DDATA/node/pump1"] == {"alias 7": 13.0}
    (wrong,) = shown["spBv1.0/mine/DDATA/node/pump2"].values()
    assert wrong.startswith("no Sparkplug B payload (")


async def test_what_is_live_is_told_from_what_was_kept(broker: Broker) -> None:
    async with (
        publishing(broker.port) as client,
        again_and_again(client, "mine/raw", b"\xffnot json"),
    ):
        status, out, _ = await listened(broker, "--topic", "mine/+", "--count", "2")
    assert status == 0
    assert out.splitlines() == ["mine/raw", "   = \\xffnot json"] * 2


async def test_what_is_wrong_is_told_in_words(tmp_path: Path) -> None:
    status, out, err = await asyncio.to_thread(run, "--port", str(free_port()))
    assert (status, out) == (1, "")
    assert err == "127.0.0.1: connection refused: check that the broker runs, and port\n"
    status, _, err = await asyncio.to_thread(run, "--user", "reader")
    assert (status, err) == (1, "user goes with password or password_file\n")
    broker = Broker(tmp_path, passwords(tmp_path, reader="lamp"))
    try:
        status, _, err = await listened(broker, "--seconds", "30")
        assert status == 1
        assert "user" in err
    finally:
        broker.end()


async def test_nothing_is_status_1(broker: Broker) -> None:
    status, out, err = await listened(broker, "--seconds", "0.2", "--topic", "mine/none")
    assert (status, out, err) == (1, "", "127.0.0.1: nothing came on mine/none\n")
