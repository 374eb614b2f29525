"""Nothing leaves the gateway over MQTT that could change anything, whatever a broker does."""

import ast
import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

import protocols.mqtt
import protocols.mqtt.client
from protocols.mqtt.client import Login, ReadOnlyClient, ReadOnlyError
from tests.protocols.mqtt_peer import UWB, driver_for, machine, parsed
from tests.protocols.mqtt_recorder import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBREL,
    SUBSCRIBE,
    Recorder,
    packet,
    publish,
    recording,
)
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import until

pytestmark = pytest.mark.parametrize("version", ["3.1.1", "5"])

READ_ONLY = {CONNECT, SUBSCRIBE, PUBACK, PINGREQ, DISCONNECT}
PUMP = machine('name="p"; pointer="/p"')
SPARKPLUG = machine('name="p"; metric="P"', more='format = "sparkplug"')


def check(recorder: Recorder) -> None:
    """Only what reads; a CONNECT without a will."""
    assert set(recorder.kinds) <= READ_ONLY
    for kind, body in recorder.got:
        if kind == CONNECT:
            name_length = int.from_bytes(body[:2], "big")
            assert not body[3 + name_length] & 0x04, "a will"


async def test_all_that_a_session_sends_only_reads(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.mqtt.client, "KEEP_ALIVE_S", 1)
    five = version == "5"
    births = [
        publish(f"spBv1.0/g/{kind}/n{of}", b"\x08\x01", properties=five)
        for kind, of in (("NBIRTH", ""), ("DBIRTH", "/d"), ("DDATA", "/d"), ("DDEATH", "/d"))
    ]
    says = [publish("mine/pump1", b'{"p": 1}', qos, properties=five) for qos in (0, 1)]
    says.append(packet(PUBREL, b"\0\7", 2))  # of a message that there never was
    for profile, topic, said in (
        (PUMP, "mine/pump1", says),
        (parsed(UWB, "uwb_mqtt.toml"), "mine/pump1", says),
        (SPARKPLUG, "g/n/d", births),
    ):
        async with recording(Recorder(five, says=said)) as (recorder, port):
            async with running(driver_for(profile, port, topic=topic, version=version)):
                await until(lambda: recorder.kinds.count(PINGREQ) > 1, "pings")
            await until(lambda: recorder.kinds[-1] == DISCONNECT, "a goodbye")
        check(recorder)
        assert recorder.kinds[:2] == [CONNECT, SUBSCRIBE]
        if said is says:
            assert PUBACK in recorder.kinds


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"connack": 5}, "refuses"),
        ({"connack": 1}, "speak MQTT|speaks MQTT"),
        ({"connack": 3}, "no room"),
        ({"granted": 0x80}, "refuses the subscription of mine/pump1"),
        ({"says": ["qos 2"]}, "this gateway only reads"),
        ({"says": [packet(PINGREQ)]}, "this gateway only reads"),
        ({"says": [packet(3, b"\xff\xff")]}, "closed|no sense"),
        ({"says": [b"\xf0\xff\xff\xff\xff\xff"]}, "closed|no sense"),
        ({"answers_pings": False}, "no answer to a ping"),
    ],
)
async def test_whatever_a_broker_does_nothing_else_is_sent(
    version: str, answers: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.mqtt.client, "KEEP_ALIVE_S", 1)
    five = version == "5"
    if answers.get("says") == ["qos 2"]:
        answers = {"says": [publish("mine/pump1", b"{}", 2, properties=five)]}
    async with recording(Recorder(five, **answers)) as (recorder, port):
        text, _ = await failure_of(driver_for(PUMP, port, version=version, timeout_s=2.0))
    check(recorder)
    assert any(word in text for word in words.split("|")), text


async def test_a_client_that_is_told_to_publish_does_not(version: str) -> None:
    async with recording(Recorder(version == "5")) as (recorder, port):
        connected = socket.create_connection(("127.0.0.1", port))
        connected.settimeout(0)
        client = ReadOnlyClient(
            connected, Login("x", version, None, None, persistent=False, timeout_s=5.0)
        )
        await client.connect()
        for qos in (0, 1, 2):
            with pytest.raises(ReadOnlyError, match="only reads"):
                await client.publish("mine/pump1/set", "1", qos=qos)
        with pytest.raises(ReadOnlyError):
            await client.unsubscribe("mine/pump1")
        await client.close()
        await until(lambda: recorder.kinds[-1] == DISCONNECT, "a goodbye")
    assert recorder.kinds == [CONNECT, DISCONNECT]


def test_no_line_of_the_driver_publishes(version: str) -> None:
    del version
    forbidden = ("publish", "will_set", "unsubscribe", "send")
    names = {
        node.attr
        for file in Path(protocols.mqtt.__path__[0]).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert {name for name in names if name.startswith(forbidden)} == set()


async def test_a_session_can_be_cancelled_at_any_moment(version: str) -> None:
    """Also where the answer of the broker comes at the same moment."""
    for steps in range(60):
        async with recording(Recorder(version == "5")) as (recorder, port):
            task = asyncio.create_task(driver_for(PUMP, port, version=version).session(Told()))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await until(task.done, f"ended, when cancelled after {steps} steps")
            assert task.cancelled()
        check(recorder)
