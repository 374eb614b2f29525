"""The driver against node-opcua with the official nodesets: another make, other habits."""

import asyncio
import dataclasses
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import protocols.opcua.connection
import protocols.opcua.watch
from equipment import catalogue
from equipment.opcua_profile import OpcUaProfile
from equipment.report import LinkState, NoticeKind, Quality
from protocols.opcua.driver import OpcUaDriver
from protocols.opcua.options import OpcUaOptions
from protocols.opcua.security import load_identity
from protocols.supervise import Supervisor
from tests.protocols.opcua_peer import NodeServer, shearer
from tests.support.ports import free_port
from tests.support.sink import Told, failure_of, running
from tests.support.waiting import LONG_S, until

SHEARER = catalogue.load("shearer_opc40560")
POINTS = {
    "driving_direction": "right",
    "max_length": 14.5,
    "manufacturer": "Example Works",
    "model": "SL 900",
    "serial_number": "SL-0042",
}
USER = {"user": "reader", "password": "lamp-42"}
#: Nothing that changes anything on a server.
READ_ONLY = {
    "GetEndpointsRequest",
    "CreateSessionRequest",
    "ActivateSessionRequest",
    "CloseSessionRequest",
    "ReadRequest",
    "TranslateBrowsePathsToNodeIdsRequest",
    "CreateSubscriptionRequest",
    "CreateMonitoredItemsRequest",
    "DeleteMonitoredItemsRequest",
    "PublishRequest",
}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pki")


@pytest.fixture(scope="module")
def server(pki: Path) -> Iterator[NodeServer]:
    peer = NodeServer(pki)
    try:
        yield peer
    finally:
        peer.end()


@pytest.mark.parametrize("security", ["none", "basic256sha256", "aes128", "aes256"])
async def test_reads_every_point_of_the_profile(server: NodeServer, security: str) -> None:
    options = {"security": security} | (USER if security != "none" else {})
    async with running(shearer(SHEARER, server.port, **options)) as (told, _):
        await until(lambda: len(told.of("position")) > 3, "position moves")
    for name, value in POINTS.items():
        sample = told.last(name)
        assert sample is not None
        assert (sample.value, sample.quality) == (value, Quality.GOOD), sample
    positions = told.of("position")
    assert len({sample.value for sample in positions}) > 1
    assert all(s.source_t_ns is not None for s in positions)
    ages_ms = [(s.receive_t_ns - (s.source_t_ns or 0)) / 1e6 for s in positions]
    assert -50 < min(ages_ms) < 2000
    assert server.requests <= READ_ONLY


async def test_wrong_password_is_refused_in_words(server: NodeServer) -> None:
    wrong = {"user": "reader", "password": "wrong", "security": "basic256sha256"}
    text, _ = await failure_of(shearer(SHEARER, server.port, **wrong))
    assert f"opc.tcp://127.0.0.1:{server.port}" in text
    assert "refuses user 'reader'" in text
    assert "check user and password" in text
    assert "wrong" not in text.replace("what is wrong", "")


async def test_only_the_expected_server_is_spoken_to(
    server: NodeServer, pki: Path, tmp_path: Path
) -> None:
    own = pki / "own" / "certs" / "certificate.pem"
    secure = {"security": "basic256sha256"} | USER
    expected = shearer(SHEARER, server.port, server_certificate=str(own), **secure)
    async with running(expected) as (told, _):
        await until(lambda: told.good("position"), "position")
    other = tmp_path / "other.der"
    pair = OpcUaOptions.model_validate({"url": "opc.tcp://h", "root": "a", "security": "aes256"})
    other.write_bytes(load_identity(pair).certificate)
    text, _ = await failure_of(
        shearer(SHEARER, server.port, server_certificate=str(other), **secure)
    )
    assert "the server shows another certificate" in text


async def test_a_missing_namespace_is_named(server: NodeServer) -> None:
    driver = shearer(SHEARER, server.port, namespaces={"app": "urn:elsewhere"})
    text, _ = await failure_of(driver)
    assert "doesn't offer the namespace urn:elsewhere" in text
    assert "http://opcfoundation.org/UA/DI/" in text


async def test_a_path_that_leads_nowhere_is_bad_while_the_rest_flows(server: NodeServer) -> None:
    profile = with_point("di:ParameterSet/sl:Speed")
    async with running(shearer(profile, server.port)) as (told, _):
        await until(lambda: told.good("position") and told.last("extra"), "values")
    extra = told.last("extra")
    assert extra is not None
    assert extra.quality is Quality.BAD
    place = "Objects/di:DeviceSet/app:Shearer1/di:ParameterSet"
    assert extra.reason == f"node not found: path step sl:Speed in {place}"


async def test_an_array_is_bad_and_says_so(server: NodeServer) -> None:
    profile = with_point("di:ParameterSet/sl:FloorOffset")
    async with running(shearer(profile, server.port)) as (told, _):
        await until(lambda: told.last("extra"), "the array")
    extra = told.last("extra")
    assert extra is not None
    assert extra.quality is Quality.BAD
    assert extra.reason


def with_point(path: str) -> OpcUaProfile:
    assert isinstance(SHEARER, OpcUaProfile)
    extra = SHEARER.point[0].model_copy(update={"name": "extra", "path": path})
    return SHEARER.model_copy(update={"point": (*SHEARER.point, extra)})


async def test_a_node_that_goes_and_comes_back_is_found_again(
    server: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.opcua.watch, "RETRY_S", 0.3)
    async with running(shearer(SHEARER, server.port)) as (told, _):
        await until(lambda: told.good("position"), "position")
        server.tell("remove")
        gone = "node not found: path step app:Shearer1 in Objects/di:DeviceSet"
        await until(lambda: (s := told.last("position")) and s.reason == gone, "it goes")
        await until(lambda: told.notices, "that is told")
        assert {kind for kind, _, _ in told.notices} == {NoticeKind.DATA_REFUSED}
        assert any(gone in text for _, _, text in told.notices)
        server.tell("add")
        seen = len(told.got)
        await until(lambda: told.good("position", after=seen), "it comes back")
    assert server.requests <= READ_ONLY


async def test_the_channel_is_renewed(server: NodeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = []
    renew = protocols.opcua.connection.renew

    async def counted(client: Any) -> None:
        await renew(client)
        renewed.append(client)

    monkeypatch.setattr(protocols.opcua.connection, "renew_after_s", lambda _client: 0.3)
    monkeypatch.setattr(protocols.opcua.connection, "renew", counted)
    driver = shearer(SHEARER, server.port, security="basic256sha256", **USER)
    async with running(driver) as (told, _):
        await until(lambda: len(renewed) > 2, "three renewals")
        seen = len(told.got)
        await until(lambda: told.good("position", after=seen), "values after the renewals")


async def test_all_that_a_session_does_from_time_to_time_only_reads(
    server: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols.opcua.watch, "RETRY_S", 0.2)
    monkeypatch.setattr(protocols.opcua.watch, "TICK_S", 0.1)
    monkeypatch.setattr(protocols.opcua.connection, "renew_after_s", lambda _client: 0.4)
    done: Counter[str] = Counter()
    # What `Watch.run` does again and again, and a point that it goes on looking for.
    for job in ("_probe", "_look_again", "_reread", "_confirm_suspects", "_renew"):
        original = getattr(protocols.opcua.watch.Watch, job)

        async def counted(watch: Any, job: str = job, original: Any = original) -> None:
            await original(watch)
            done[job] += 1

        monkeypatch.setattr(protocols.opcua.watch.Watch, job, counted)
    profile = with_point("di:ParameterSet/sl:Speed")
    driver = shearer(profile, server.port, security="basic256sha256", **USER)
    driver._plan = dataclasses.replace(driver._plan, probe_s=0.2, reread_s=0.3)
    async with running(driver):
        await until(lambda: len(done) == 5 and min(done.values()) > 1, "all jobs, twice")
    assert server.requests <= READ_ONLY


async def test_an_untrusted_certificate_is_refused_in_words(tmp_path: Path) -> None:
    peer = NodeServer(tmp_path / "pki", trust="none")
    try:
        driver = shearer(
            SHEARER,
            peer.port,
            security="basic256sha256",
            certificate_folder=str(tmp_path / "own"),
            **USER,
        )
        text, _ = await failure_of(driver)
    finally:
        peer.end()
    assert "refuses this gateway's certificate" in text
    assert "thumbprint" in text


@asynccontextmanager
async def supervised(driver: OpcUaDriver) -> AsyncIterator[Told]:
    told = Told()
    supervisor = Supervisor(driver, told, silence_s=SHEARER.scan.silence_s)
    task = asyncio.create_task(supervisor.run())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=LONG_S)


async def test_comes_back_after_a_kill_with_other_namespaces_and_late_nodes(pki: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        first = NodeServer(pki, port=port)
        stack.callback(first.end)
        assert first.port == port
        async with supervised(shearer(SHEARER, port, security="basic256sha256", **USER)) as told:
            await until(lambda: told.good("position"), "position")
            first.kill()
            second = NodeServer(pki, port=port, shift=2, late_s=5)
            stack.callback(second.end)
            await until(lambda: second.ready, "the peer is back")
            seen = len(told.got)
            took_s = await until(lambda: told.good("position", seen), "position again")
            print(f"again after {took_s:.1f} s")
    assert any("shearer1" not in reason and reason for _, reason in told.links)


async def test_comes_back_after_a_freeze(pki: Path) -> None:
    peer = NodeServer(pki)
    try:
        async with supervised(shearer(SHEARER, peer.port, timeout_s=2.0)) as told:
            await until(lambda: told.good("position"), "position")
            peer.popen.send_signal(signal.SIGSTOP)
            await until(lambda: told.count(LinkState.DOWN), "the silence is noticed")
            peer.popen.send_signal(signal.SIGCONT)
            seen = len(told.got)
            took_s = await until(lambda: told.good("position", seen), "position again")
            print(f"again after {took_s:.1f} s")
    finally:
        peer.popen.send_signal(signal.SIGCONT)
        peer.end()
    assert any("no answer within 2 s" in reason for _, reason in told.links)
