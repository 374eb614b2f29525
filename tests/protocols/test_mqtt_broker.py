"""Brokers that refuse, break, freeze, or are none: each in words, and back when it is back."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from equipment.report import LinkState, Quality
from protocols.mqtt.driver import MqttDriver
from protocols.supervise import Supervisor
from tests.protocols.modbus_peer import Serve, stream_server
from tests.protocols.mqtt_peer import (
    Authority,
    Broker,
    driver_for,
    machine,
    passwords,
    publishing,
)
from tests.support.ports import free_port
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import LONG_S, until

PUMP = machine('name="pressure"; pointer="/p"; range=[0.0, 60.0]')

#: Data must be back so soon after their cause of missing is gone.
BACK_S = 15


class Rooms:
    """One broker for each way to let clients in, with the files that it takes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.authority, self.stranger = Authority(folder), Authority(folder, "stranger")
        server = self.authority.sign("server", host="127.0.0.1")
        elsewhere = self.authority.sign("elsewhere", host="10.9.8.7")
        expired = self.authority.sign("expired", host="127.0.0.1", days=-1)
        self.certificate, self.key = self.authority.sign("gateway")
        ca = f"cafile {self.authority.file}"

        def broker(*lines: str) -> Broker:
            peer = Broker(folder, *lines)
            stack.callback(peer.end)
            return peer

        def tls(pair: tuple[Path, Path]) -> tuple[str, ...]:
            return ca, f"certfile {pair[0]}", f"keyfile {pair[1]}"

        self.plain = broker()
        self.password = broker(passwords(folder, reader="lamp-42"))
        self.tls = broker(*tls(server))
        self.mutual = broker(*tls(server), "require_certificate true")
        self.elsewhere = broker(*tls(elsewhere))
        self.expired = broker(*tls(expired))


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    with ExitStack() as stack:
        yield Rooms(tmp_path_factory.mktemp("rooms"), stack)


async def comes_in(driver: MqttDriver) -> None:
    async with running(driver) as (told, task):
        await until(lambda: told.waits or task.done(), "it listens")
        assert not task.done(), task.exception()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_all_ways_in(rooms: Rooms, version: str) -> None:
    secret = rooms.folder / "secret"
    secret.write_text("lamp-42\n")
    ca, own = str(rooms.authority.file), (str(rooms.certificate), str(rooms.key))
    pair = {"certificate": own[0], "private_key": own[1]}
    port = rooms.password.port
    for driver in (
        driver_for(PUMP, port, version=version, user="reader", password="lamp-42"),
        driver_for(PUMP, port, version=version, user="reader", password_file=str(secret)),
        driver_for(PUMP, rooms.tls.port, version=version, tls=True, ca_file=ca),
        driver_for(PUMP, rooms.mutual.port, version=version, tls=True, ca_file=ca, **pair),
    ):
        await comes_in(driver)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_what_is_wrong_with_the_way_in_is_told(rooms: Rooms, version: str) -> None:
    folder = rooms.folder
    ca, stranger = str(rooms.authority.file), str(rooms.stranger.file)
    wrong_key = {"certificate": str(rooms.certificate), "private_key": str(folder / "server.key")}
    cases: list[tuple[Broker, dict[str, Any], str]] = [
        (rooms.password, {"user": "reader", "password": "no"}, "check user"),
        (rooms.password, {}, "a client without a user"),
        (rooms.password, {"user": "r", "password_file": str(folder / "no")}, "can't be read"),
        (rooms.tls, {"tls": True, "ca_file": stranger}, "was not signed by ca_file"),
        (rooms.tls, {"tls": True}, "was not signed by a CA that this computer trusts"),
        (rooms.tls, {"tls": True, "ca_file": str(folder / "no")}, "can't be read"),
        (rooms.tls, {"tls": True, "ca_file": str(folder / "server.key")}, "no certificate of a CA"),
        (rooms.tls, {"tls": True, "ca_file": ca} | wrong_key, "no certificate and its private key"),
        (rooms.tls, {}, "closed the connection"),
        (rooms.plain, {"tls": True, "ca_file": ca}, "is the one for TLS"),
        (rooms.mutual, {"tls": True, "ca_file": ca}, "give certificate and private_key"),
        (rooms.elsewhere, {"tls": True, "ca_file": ca}, "is not for '127.0.0.1'"),
        (rooms.expired, {"tls": True, "ca_file": ca}, "is out of date"),
    ]
    for broker, options, words in cases:
        text, _ = await failure_of(driver_for(PUMP, broker.port, version=version, **options))
        assert words in text, (options, text)
        assert "lamp-42" not in text


async def failure_at(serve: Serve) -> str:
    async with stream_server(serve) as port:
        return (await failure_of(driver_for(PUMP, port, timeout_s=1.0)))[0]


async def test_a_port_that_never_answers() -> None:
    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass

    assert "gives no answer within 1 s" in await failure_at(say_nothing)


async def test_a_port_that_speaks_something_else() -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert "mqtt 127.0.0.1" in await failure_at(http)


async def test_a_host_that_is_not_known() -> None:
    text, _ = await failure_of(driver_for(PUMP, 1883, host="no-such-host.invalid"))
    assert "host 'no-such-host.invalid' is not known" in text


@asynccontextmanager
async def supervised(driver: MqttDriver) -> AsyncIterator[Told]:
    told = Told()
    task = asyncio.create_task(Supervisor(driver, told, silence_s=2.0).run())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=LONG_S)


async def publish_on(port: int) -> None:
    """A device that publishes on and on, and connects again when its broker has gone."""
    value = 0
    while True:
        try:
            async with publishing(port, timeout=2) as device:
                while True:
                    value = (value + 1) % 50
                    await device.publish("mine/pump1", f'{{"p": {value}}}')
                    await asyncio.sleep(0.05)
        except Exception:  # noqa: BLE001 - a device goes on whatever happens to its broker
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_comes_back_after_the_broker_was_killed(tmp_path: Path, version: str) -> None:
    port = free_port()
    device = asyncio.create_task(publish_on(port))
    with ExitStack() as stack:
        first = Broker(tmp_path, port=port)
        stack.callback(first.end)
        async with supervised(driver_for(PUMP, port, version=version)) as told:
            await until(lambda: told.good("pressure"), "pressure")
            first.kill()
            await until(lambda: told.count(LinkState.DOWN), "it is noticed")
            assert "the broker has closed the connection" in told.links[-1][1]
            second = Broker(tmp_path, port=port)
            stack.callback(second.end)
            seen = len(told.got)
            async with asyncio.timeout(BACK_S):
                took_s = await until(lambda: told.good("pressure", seen), "pressure again")
            print(f"again after {took_s:.1f} s")
        device.cancel()
        await asyncio.wait({device})
    values = {sample.value for sample in told.got if sample.quality is Quality.GOOD}
    assert values <= {float(value) for value in range(50)}


async def test_comes_back_after_the_broker_was_frozen(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    device = asyncio.create_task(publish_on(broker.port))
    try:
        async with supervised(driver_for(PUMP, broker.port, timeout_s=2.0)) as told:
            await until(lambda: told.good("pressure"), "pressure")
            broker.popen.send_signal(signal.SIGSTOP)
            await until(lambda: told.count(LinkState.DOWN) > 1, "silent first, then no answer")
            broker.popen.send_signal(signal.SIGCONT)
            seen = len(told.got)
            async with asyncio.timeout(BACK_S):
                took_s = await until(lambda: told.good("pressure", seen), "pressure again")
            print(f"again after {took_s:.1f} s")
    finally:
        broker.popen.send_signal(signal.SIGCONT)
        device.cancel()
        await asyncio.wait({device})
        broker.end()
    reasons = [reason for state, reason in told.links if state is LinkState.DOWN]
    assert "nothing that can be used comes" in reasons[0]
    assert any("it is frozen, or the network is broken" in reason for reason in reasons)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_session_that_is_cancelled_while_it_connects_leaves_nothing(*, tls: bool) -> None:
    came, over = asyncio.Event(), asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        came.set()
        await over.wait()

    async with stream_server(say_nothing) as port:
        async with running(driver_for(PUMP, port, tls=tls)) as (_, task):
            await came.wait()
            await asyncio.sleep(0)
            assert not task.done()
        assert task.cancelled()
        over.set()
