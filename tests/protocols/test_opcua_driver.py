"""The driver against a server in this process, which can be made to answer anything."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

import protocols.opcua.connection
import protocols.opcua.subscription
import protocols.opcua.watch
from equipment.catalogue import parse_profile
from equipment.opcua_profile import OpcUaProfile
from equipment.report import Quality
from protocols.driver import DeviceError
from protocols.opcua.driver import OpcUaDriver
from protocols.opcua.options import OpcUaOptions
from tests.protocols.modbus_peer import Serve, stream_server
from tests.support.ports import free_port
from tests.support.sink import failure_of, running
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SITE = "urn:lamproom:test:pump"
PROFILE = """
id = "pump"
title = { en = "Pump", zh = "水泵" }
kind = "machine"
protocol = "opcua"
scan = { period_s = 0.1, silence_s = 4.0 }
namespaces = { site = "urn:lamproom:test:pump" }
"""
POINT = """
[[point]]
name = "{name}"
meaning = {{ en = "{name}", zh = "{name}" }}
path = "site:{node}"
type = "{type}"
{more}
"""


def profile(*points: tuple[str, ...]) -> OpcUaProfile:
    text = PROFILE
    for name, node, kind, *more in points:
        text += POINT.format(name=name, node=node, type=kind, more="\n".join(more))
    parsed = parse_profile(text, "pump.toml")
    assert isinstance(parsed, OpcUaProfile)
    return parsed


@dataclass
class Pump:
    server: Server
    port: int
    index: int
    root: Node

    async def add(self, name: str, value: object, kind: ua.VariantType) -> Node:
        return await self.root.add_variable(self.index, name, value, kind)

    def driver(self, points: OpcUaProfile, **options: Any) -> OpcUaDriver:
        words = {"url": f"opc.tcp://127.0.0.1:{self.port}", "root": "site:Pump"} | options
        return OpcUaDriver("pump1", points, OpcUaOptions.model_validate(words))

    def change_unseen(self, node: Node, value: float) -> None:
        """A value that reads see and no monitored item is told of."""
        attributes = self.server.iserver.aspace._nodes[node.nodeid].attributes
        attributes[AttributeIds.Value].value = ua.DataValue(
            ua.Variant(value, ua.VariantType.Double), SourceTimestamp=ua.DateTime.now(UTC)
        )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pump() -> AsyncIterator[Pump]:
    server = Server()
    await server.init()
    port = free_port()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(SITE)
    root = await server.nodes.objects.add_object(index, "Pump")
    async with server:
        yield Pump(server, port, index, root)


async def test_status_becomes_quality(pump: Pump) -> None:
    stamp = ua.DateTime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    codes = {
        "good": StatusCodes.Good,
        "unsure": StatusCodes.UncertainLastUsableValue,
        "broken": StatusCodes.BadSensorFailure,
    }
    for name, code in codes.items():
        node = await pump.add(f"S_{name}", 1.5, ua.VariantType.Double)
        data = ua.DataValue(
            ua.Variant(1.5, ua.VariantType.Double),
            ua.StatusCode(ua.UInt32(code)),
            SourceTimestamp=stamp,
        )
        await pump.server.write_attribute_value(node.nodeid, data)
    points = profile(*((name, f"S_{name}", "number") for name in codes))
    async with running(pump.driver(points)) as (told, _):
        await until(lambda: all(told.last(name) for name in codes), "all points")
    found = {s.point: (s.value, s.quality, s.reason) for s in told.got}
    assert found == {
        "good": (1.5, Quality.GOOD, ""),
        "unsure": (1.5, Quality.UNCERTAIN, "UncertainLastUsableValue"),
        "broken": (None, Quality.BAD, "BadSensorFailure"),
    }
    good = told.last("good")
    assert good is not None
    assert good.source_t_ns == 1_772_366_400_250_000_000


async def test_each_type_and_each_wrong_type(pump: Pump) -> None:
    kinds = ua.VariantType
    await pump.add("T_run", True, kinds.Boolean)  # noqa: FBT003 - the library's order
    await pump.add("T_state", 1, kinds.Int32)
    await pump.add("T_odd_state", 0.5, kinds.Float)
    await pump.add("T_name", ua.LocalizedText("Pump 7"), kinds.LocalizedText)
    await pump.add("T_long", "x" * 2000, kinds.String)
    await pump.add("T_level", 250, kinds.UInt16)
    states = 'states = { 0 = "stopped", 1 = "running" }'
    points = profile(
        ("running", "T_run", "bool"),
        ("state", "T_state", "number", states),
        ("odd_state", "T_odd_state", "number", states),
        ("title", "T_name", "text"),
        ("long", "T_long", "text"),
        ("level", "T_level", "number", 'unit = "m"', "scale = 0.01", "range = [0.0, 10.0]"),
        ("high", "T_level", "number", 'unit = "m"', "range = [0.0, 10.0]"),
        ("not_number", "T_run", "number"),
        ("not_bool", "T_level", "bool"),
        ("not_text", "T_level", "text"),
    )
    async with running(pump.driver(points)) as (told, _):
        await until(lambda: len({s.point for s in told.got}) == 10, "all points")
    found = {s.point: (s.value, s.reason) for s in told.got}
    assert found == {
        "running": (True, ""),
        "state": ("running", ""),
        "odd_state": (None, "0.5 is not the number of a state"),
        "title": ("Pump 7", ""),
        "long": (None, "is a text of 2000 letters, more than 1024"),
        "level": (2.5, ""),
        "high": (None, "250 m is outside 0 to 10"),
        "not_number": (None, "is Boolean, the profile says number"),
        "not_bool": (None, "is UInt16, the profile says bool"),
        "not_text": (None, "is UInt16, the profile says text"),
    }
    assert all((s.quality is Quality.GOOD) == (s.value is not None) for s in told.got)


async def test_unchanged_values_are_confirmed(pump: Pump) -> None:
    await pump.add("Still", 3.0, ua.VariantType.Double)
    async with running(pump.driver(profile(("still", "Still", "number")))) as (told, _):
        await until(lambda: len(told.of("still")) > 1, "confirmed within silence_s")
        heard = told.heard_count
        await until(lambda: told.heard_count > heard, "a sign of life without a change")
    first, second = told.of("still")[:2]
    assert (first.value, first.source_t_ns) == (second.value, second.source_t_ns)
    assert second.receive_t_ns > first.receive_t_ns


async def test_the_servers_clock_is_told_with_how_long_its_answer_takes(pump: Pump) -> None:
    await pump.add("Still", 3.0, ua.VariantType.Double)
    async with running(pump.driver(profile(("still", "Still", "number")))) as (told, _):
        await until(lambda: bool(told.answers))
    (took_s, server_t_ns), *_ = told.answers
    assert took_s > 0
    assert server_t_ns is not None
    assert abs(server_t_ns - time.time_ns()) < 60 * 1_000_000_000


async def test_a_burst_arrives_in_order(pump: Pump) -> None:
    node = await pump.add("Burst", 0.0, ua.VariantType.Double)
    async with running(pump.driver(profile(("burst", "Burst", "number")))) as (told, _):
        await until(lambda: told.last("burst"), "the first value")
        for value in range(1, 6):
            await node.write_value(float(value))
        await until(lambda: (s := told.last("burst")) and s.value == 5.0, "the last value")
    values = [sample.value for sample in told.of("burst")]
    assert values == sorted(values, key=float)  # type: ignore[arg-type]  # all are numbers


async def test_many_points_take_several_requests(pump: Pump) -> None:
    count = 230
    folder = await pump.root.add_object(pump.index, "Many")
    for n in range(count):
        await folder.add_variable(pump.index, f"V{n}", float(n))
    points = profile(*((f"v{n}", f"Many/site:V{n}", "number") for n in range(count)))
    async with running(pump.driver(points)) as (told, _):
        await until(lambda: len({s.point for s in told.got}) == count, "all points")
    assert {s.point: s.value for s in told.got} == {f"v{n}": float(n) for n in range(count)}


async def test_two_nodes_of_one_name_are_not_guessed_between(pump: Pump) -> None:
    await pump.add("Twin", 1.0, ua.VariantType.Double)
    await pump.root.add_variable(
        ua.NodeId("twin2", pump.index),  # type: ignore[arg-type]  # plain types do
        ua.QualifiedName("Twin", pump.index),
        2.0,
    )
    async with running(pump.driver(profile(("twin", "Twin", "number")))) as (told, _):
        await until(lambda: told.last("twin"), "the point")
    twin = told.last("twin")
    assert twin is not None
    assert (
        twin.reason == "2 nodes have the path step site:Twin in Objects/site:Pump: it must be one"
    )


async def test_an_object_is_no_value_and_is_retried(
    pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.opcua.watch, "RETRY_S", 0.2)
    await pump.root.add_object(pump.index, "Thing")
    await pump.add("Beside", 1.0, ua.VariantType.Double)
    points = profile(("thing", "Thing", "number"), ("beside", "Beside", "number"))
    async with running(pump.driver(points)) as (told, _):
        await until(lambda: len(told.of("thing")) > 1 and told.good("beside"), "both")
    assert all(s.quality is Quality.BAD and s.reason for s in told.of("thing"))


async def test_a_change_that_is_never_sent_ends_the_session(
    pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.opcua.watch, "NOTIFY_SLACK_S", 0.2)
    monkeypatch.setattr(protocols.opcua.watch, "TICK_S", 0.1)
    node = await pump.add("Deaf", 1.0, ua.VariantType.Double)
    driver = pump.driver(profile(("deaf", "Deaf", "number")))
    driver._plan = dataclasses.replace(driver._plan, reread_s=0.3)
    async with running(driver) as (told, task):
        await until(lambda: told.good("deaf"), "the first value")
        pump.change_unseen(node, 2.0)
        await until(task.done, "the silence is noticed")
        assert "subscription is silent: deaf has changed" in str(task.exception())
    assert {sample.value for sample in told.of("deaf")} == {1.0}


async def test_a_subscription_without_keep_alive_ends_the_session(
    pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.opcua.subscription, "KEEP_ALIVE_S", 0.2)
    monkeypatch.setattr(protocols.opcua.subscription, "SLACK_S", 0.3)
    await pump.add("Quiet", 1.0, ua.VariantType.Double)
    driver = pump.driver(profile(("quiet", "Quiet", "number")))
    driver._plan = dataclasses.replace(driver._plan, probe_s=0.2)
    async with running(driver) as (told, task):
        await until(lambda: told.good("quiet"), "the first value")
        for subscription in pump.server.iserver.subscription_service.subscriptions.values():
            assert subscription._task is not None
            subscription._task.cancel()
        await until(task.done, "the silence is noticed")
        assert "has sent no change and no keep-alive" in str(task.exception())


async def test_moved_namespaces_end_the_session(
    pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.opcua.watch, "RETRY_S", 0.1)
    async with running(pump.driver(profile(("late", "NotYet", "number")))) as (told, task):
        await until(lambda: told.last("late"), "the point is missing")
        await pump.server.register_namespace("urn:lamproom:test:another")
        await until(task.done, "the change is noticed")
        assert "namespaces have changed" in str(task.exception())


async def test_nothing_listens(pump: Pump) -> None:
    port = free_port()
    options = OpcUaOptions(url=f"opc.tcp://127.0.0.1:{port}", root="site:Pump")
    text, _ = await failure_of(OpcUaDriver("pump1", profile(("a", "A", "number")), options))
    assert text.startswith(f"opc ua opc.tcp://127.0.0.1:{port} site:Pump: connection refused")


async def failure_at(serve: Serve) -> str:
    """What is said of a server that does `serve` with each connection."""
    async with stream_server(serve) as port:
        options = OpcUaOptions(url=f"opc.tcp://127.0.0.1:{port}", root="site:Pump", timeout_s=1.0)
        driver = OpcUaDriver("pump1", profile(("a", "A", "number")), options)
        return (await failure_of(driver))[0]


async def test_a_port_that_never_answers() -> None:
    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    text = await failure_at(say_nothing)
    assert "no answer within 1 s" in text


async def test_a_port_that_speaks_something_else() -> None:
    async def http(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert "opc.tcp://127.0.0.1" in await failure_at(http)


async def test_a_message_beyond_all_measure_is_refused(
    pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.opcua.connection, "MESSAGE_BYTES_MAX", 4000)
    for n in range(8):
        await pump.add(f"Big{n}", "x" * 900, ua.VariantType.String)
    points = profile(*((f"big{n}", f"Big{n}", "text") for n in range(8)))
    async with running(pump.driver(points)) as (told, task):
        await until(task.done, "the session ends")
        assert isinstance(task.exception(), DeviceError)
    assert not told.good("big0")


async def test_security_that_the_server_does_not_offer(pump: Pump) -> None:
    text, _ = await failure_of(pump.driver(profile(("a", "A", "number")), security="aes256"))
    assert "offers no endpoint with security aes256" in text
    assert "None None_" in text


async def test_a_password_is_not_sent_in_the_clear(pump: Pump) -> None:
    user = {"user": "reader", "password": "secret"}
    text, _ = await failure_of(pump.driver(profile(("a", "A", "number")), **user))
    assert "would take the password unencrypted" in text
