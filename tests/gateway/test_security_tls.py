"""The server over TLS: who gets a connection, what becomes of certificates while it runs."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.security.authority import Pair, issue_client, make_authority
from gateway.security.folder import CertificateFolder
from gateway.security.identity import Identity
from gateway.security.material import now
from gateway.security.roles import Role
from gateway.serve import server as server_module
from gateway.serve.server import ServeError
from lamproom.v1 import event_pb2, event_pb2_grpc, mine_pb2, mine_pb2_grpc
from tests.gateway.serve_rig import bundle_of, code_of, served
from tests.gateway.tls_rig import Secured, outcome
from tests.support.waiting import LONG_S, until

ZONES = "/lamproom.v1.MineService/ListZones"
EVENTS = "/lamproom.v1.EventService/WatchEvents"


@pytest.fixture
def mine(tmp_path: Path) -> Secured:
    return Secured(tmp_path)


@pytest.fixture
async def serving(mine: Secured) -> AsyncIterator[Secured]:
    async with mine.serving():
        yield mine


async def test_a_client_with_a_certificate_is_answered(serving: Secured) -> None:
    channel = serving.by_certificate(serving.issue("张伟", Role.VIEWER))
    zones = await mine_pb2_grpc.MineServiceStub(channel).ListZones(mine_pb2.ListZonesRequest())
    assert zones.zones


async def test_who_shows_no_certificate_of_the_authority_gets_no_connection(
    serving: Secured,
) -> None:
    other = make_authority("other", now())
    server = Pair(serving.kept.newest("server"), _key(serving.kept, "server"))
    strangers = {
        "none": None,
        "of another authority": issue_client(other, Identity("chief", Role.ADMIN), 9, now()),
        "ended": serving.ended("late", Role.ADMIN),
        "a server's": server,
    }
    for what, pair in strangers.items():
        code, _ = await outcome(serving.by_certificate(pair), ZONES)
        assert code is grpc.StatusCode.UNAVAILABLE, what


async def test_a_client_that_speaks_plaintext_gets_no_connection(serving: Secured) -> None:
    assert serving.rig
    code, _ = await outcome(serving.rig.channel(), ZONES)
    assert code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("minor", [1, 2], ids=["TLS 1.0", "TLS 1.1"])
async def test_older_versions_of_tls_are_refused(serving: Secured, minor: int) -> None:
    assert serving.rig
    with pytest.raises(ConnectionError):
        await asyncio.to_thread(_old_hello, serving.rig.port, minor)


async def test_tls_1_2_and_1_3_are_taken(serving: Secured) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert await asyncio.to_thread(_handshake, serving, version) == version.name.replace(
            "_", "."
        )


async def test_a_connection_that_says_nothing_is_cut_off(
    mine: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = dict(server_module._OPTIONS)
    assert options["grpc.server_handshake_timeout_ms"] == server_module.HANDSHAKE_MS
    options["grpc.server_handshake_timeout_ms"] = 200
    monkeypatch.setattr(server_module, "_OPTIONS", tuple(options.items()))
    async with mine.serving() as rig:
        assert await asyncio.to_thread(_silent, rig.port) == b""


async def test_a_revoked_callers_stream_ends_and_it_is_let_in_no_more(serving: Secured) -> None:
    pair = serving.issue("gone", Role.OPERATOR)
    channel = serving.by_certificate(pair)
    other = serving.by_certificate(serving.issue("stays", Role.OPERATOR))
    watching, stays = _events(channel), _events(other)
    await watching.read()
    await stays.read()
    serving.kept.revoke("gone", now())
    code, words = await code_of(_all(watching))
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert words == "your certificate is revoked: ask for another one"
    code, words = await outcome(channel, ZONES)
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert "revoked" in words
    assert serving.rig
    await serving.rig.happen(1)
    assert await _next_event(stays)


async def test_a_stream_ends_with_the_certificate_that_it_began_with(mine: Secured) -> None:
    pair = mine.kept.issue(Identity("brief", Role.VIEWER), 1, now() - timedelta(days=1, seconds=-3))
    async with mine.serving():
        watching = _events(mine.by_certificate(pair))
        await watching.read()
        code, words = await code_of(_all(watching))
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert "has ended" in words


async def test_a_renewed_certificate_is_taken_over_while_it_runs(serving: Secured) -> None:
    client = serving.issue("chief", Role.ADMIN)
    watching = _events(serving.by_certificate(client))
    await watching.read()
    fresh = serving.kept.renew("server", 90, now()).certificate.serial_number

    def shown() -> bool:
        return _serial(serving) == fresh

    while not await asyncio.to_thread(shown):  # until pytest's own limit
        await asyncio.sleep(0.05)
    assert serving.rig
    await serving.rig.happen(1)
    assert await _next_event(watching)
    code, _ = await outcome(serving.by_certificate(client), ZONES)
    assert code is grpc.StatusCode.OK


async def test_grpc_is_told_of_a_certificate_only_when_there_is_another(
    mine: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It makes all anew of what it is told, and breaks what shakes hands with it at that moment.
    asked: list[Callable[[], object]] = []
    make = grpc.dynamic_ssl_server_credentials

    def note(first: Any, newer: Any, certificates: Any) -> Any:
        asked.append(newer)
        return make(first, newer, certificates)

    monkeypatch.setattr(grpc, "dynamic_ssl_server_credentials", note)
    async with mine.serving():
        assert len(asked) == 2, "a port for certificates and one for tokens"
        assert [newer() for newer in asked] == [None, None]
        mine.kept.renew("server", 90, now())
        newest: object = None
        while newest is None:  # until pytest's own limit
            await asyncio.sleep(0.05)
            newest = asked[0]()
        assert asked[1]() is newest
        assert [newer() for newer in asked] == [None, None]


async def test_a_revocation_list_that_is_torn_changes_nothing(serving: Secured) -> None:
    channel = serving.by_certificate(serving.issue("stays", Role.VIEWER))
    gone = serving.by_certificate(serving.issue("gone", Role.VIEWER))
    file = serving.kept.folder / "revoked.pem"
    with structlog.testing.capture_logs() as logs:
        whole = file.read_bytes()
        file.write_bytes(whole[:100])
        await until(lambda: any("stay as they were" in one["event"] for one in logs))
    assert (await outcome(channel, ZONES))[0] is grpc.StatusCode.OK
    file.write_bytes(whole)
    serving.kept.revoke("gone", now())
    watching = event_pb2_grpc.EventServiceStub(gone).WatchEvents(event_pb2.WatchEventsRequest())
    code, _ = await code_of(_all(watching))
    assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_nothing_is_served_beyond_loopback_without_certificates(tmp_path: Path) -> None:
    with pytest.raises(ServeError, match="beyond loopback clients need TLS") as error:
        async with served(tmp_path / "journal", bundle_of(address="0.0.0.0", folder=tmp_path)):
            pass
    assert "lamproom certs init" in str(error.value)


async def test_beyond_loopback_certificates_are_asked_for_without_being_told(
    tmp_path: Path,
) -> None:
    mine = Secured(tmp_path)
    bundle = bundle_of(address="0.0.0.0", folder=tmp_path)
    async with mine.serving(bundle):
        channel = mine.by_certificate(mine.issue("chief", Role.ADMIN))
        assert (await outcome(channel, ZONES))[0] is grpc.StatusCode.OK
        assert (await outcome(channel, REFLECTION))[0] is grpc.StatusCode.UNIMPLEMENTED
        assert (await outcome(mine.by_certificate(None), ZONES))[0] is grpc.StatusCode.UNAVAILABLE


REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def _events(channel: grpc.aio.Channel) -> Any:
    return event_pb2_grpc.EventServiceStub(channel).WatchEvents(event_pb2.WatchEventsRequest())


async def _next_event(call: Any) -> bool:
    async with asyncio.timeout(LONG_S):
        while not (await call.read()).HasField("event"):
            pass
    return True


async def _all(call: Any, seen: list[Any] | None = None) -> None:
    """Reads to the end, into `seen` where it is given."""
    async with asyncio.timeout(LONG_S):
        while (answer := await call.read()) is not grpc.aio.EOF:
            if seen is not None:
                seen.append(answer)


def _key(kept: CertificateFolder, name: str) -> Any:
    return load_pem_private_key((kept.folder / f"{name}.key").read_bytes(), None)


def _old_hello(port: int, minor: int) -> bytes:
    """A ClientHello of an older version (RFC 4346, 7.4.1.2); what is answered."""
    suites, compression = b"\x00\x04\xc0\x09\xc0\x13", b"\x01\x00"
    body = bytes([3, minor]) + bytes(32) + b"\x00" + suites + compression
    hello = b"\x01" + len(body).to_bytes(3, "big") + body
    with socket.create_connection(("127.0.0.1", port), LONG_S) as connection:
        connection.sendall(b"\x16\x03\x01" + len(hello).to_bytes(2, "big") + hello)
        answer = connection.recv(100)
    if not answer or answer[0] == 21:  # an alert
        msg = "refused"
        raise ConnectionError(msg)
    return answer


def _context(mine: Secured) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=mine.ca.decode())
    context.set_alpn_protocols(["h2"])
    return context


def _handshake(mine: Secured, version: ssl.TLSVersion) -> str | None:
    """With the port for tokens, which asks for no certificate."""
    context = _context(mine)
    context.minimum_version = context.maximum_version = version
    assert mine.rig
    at = ("127.0.0.1", mine.rig.server.token_port)
    with (
        socket.create_connection(at, LONG_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.version()


def _serial(mine: Secured) -> int:
    assert mine.rig
    at = ("127.0.0.1", mine.rig.server.token_port)
    with (
        socket.create_connection(at, LONG_S) as plain,
        _context(mine).wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        shown: Any = secure.getpeercert()
        return int(shown["serialNumber"], 16)


def _silent(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), LONG_S) as connection:
        return connection.recv(1)


async def test_a_revoked_caller_that_does_not_read_gets_only_what_was_under_way(
    serving: Secured,
) -> None:
    pair = serving.issue("gone", Role.VIEWER)
    channel = serving.by_certificate(pair, [("grpc.http2.bdp_probe", 0)])
    rig = serving.rig
    assert rig
    request = event_pb2.WatchEventsRequest(sequence=1)
    watching: Any = event_pb2_grpc.EventServiceStub(channel).WatchEvents(request)
    await watching.read()
    for _ in range(8):
        await rig.happen(1000, "x" * 500)
    serving.kept.revoke("gone", now())
    streams = rig.server.guard._streams
    await until(lambda: all(call.ended for call in streams))
    seen: list[Any] = []
    code, _ = await code_of(_all(watching, seen))
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert len(seen) < 4000
    await until(lambda: not streams)
