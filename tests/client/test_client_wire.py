"""What a client says and understands beside messages: encryption, tokens, rich errors, deadlines.

Each against a server of the library's own that does just that.
"""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import lamproom
from gateway.serve.encode import delimited
from lamproom.v1 import history_pb2, mine_pb2, position_pb2
from tests.client.both import Either, both, connected
from tests.gateway.serve_rig import served
from tests.support.places import ENVIRONMENT
from tests.support.waiting import until

Handler = Callable[[Any, Any], Any]


@asynccontextmanager
async def serving(
    method: str, handler: Handler, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[int]:
    """One method, of bytes, by a handler of one answer or of several."""
    service, _, name = method.rpartition("/")
    make: Any = (
        grpc.unary_stream_rpc_method_handler
        if name in {"QueryTrack", "GetPositionsAt"}
        else grpc.unary_unary_rpc_method_handler
    )
    server = grpc.aio.server()
    handlers = grpc.method_handlers_generic_handler(service, {name: make(handler)})
    server.add_generic_rpc_handlers((handlers,))
    port = (
        server.add_secure_port("localhost:0", credentials)
        if credentials
        else server.add_insecure_port("127.0.0.1:0")
    )
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


GET_MAP = "lamproom.v1.MineService/GetMap"
MAP = mine_pb2.GetMapResponse(mine_name="一号煤矿").SerializeToString()


class Issued:
    """A certificate and its key, as PEM, signed by an issuer or by itself."""

    def __init__(self, name: str, issuer: Issued | None = None) -> None:
        self.secret = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = issuer or self
        now = datetime.now(UTC)
        is_ca = x509.BasicConstraints(ca=issuer is None, path_length=None)
        made = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.secret.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(is_ca, critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(signer.secret, hashes.SHA256())
        )
        self.cert = made.public_bytes(serialization.Encoding.PEM)
        self.key = self.secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


@both
async def test_both_sides_show_certificates(tmp_path: Path, kind: type[Either]) -> None:
    ca = Issued("the mine's own")
    gateway, screen = Issued("gateway.mine", ca), Issued("screen", ca)
    names: list[bytes] = []

    async def answer(_request: bytes, context: Any) -> bytes:
        names.extend(context.auth_context()["x509_common_name"])
        return MAP

    credentials = grpc.ssl_server_credentials(
        [(gateway.key, gateway.cert)], ca.cert, require_client_auth=True
    )
    async with serving(GET_MAP, answer, credentials) as port:
        (tmp_path / "ca.pem").write_bytes(ca.cert)
        (tmp_path / "screen.pem").write_bytes(screen.cert)
        options = {
            "ca": tmp_path / "ca.pem",
            "cert": str(tmp_path / "screen.pem"),
            "key": screen.key,
            "server_name": "gateway.mine",
        }
        async with connected(kind, port, **options) as client:
            assert (await client.ask("map")).mine_name == "一号煤矿"
        assert names == [b"screen"]
        options["server_name"] = "another.mine"
        async with connected(kind, port, **options) as client:
            with pytest.raises(lamproom.UnavailableError):
                await client.ask("map")


@both
async def test_a_token_goes_with_each_call(kind: type[Either]) -> None:
    heard: list[Any] = []

    async def answer(_request: bytes, context: Any) -> bytes:
        heard.append(dict(context.invocation_metadata())["authorization"])
        return MAP

    async with serving(GET_MAP, answer) as port, connected(kind, port, token="t0ken") as client:
        await client.ask("map")
    assert heard == ["Bearer t0ken"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ca": "no-such.pem"}, "ca: no-such.pem can't be read"),
        ({"cert": b"x"}, "cert and key go together"),
    ],
)
@both
async def test_options_that_can_not_be_used_are_told_at_once(
    kind: type[Either], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(lamproom.ConnectionOptionError, match=words):
        kind("127.0.0.1:1", **options)


def status_of(*details: tuple[str, bytes]) -> bytes:
    """A `google.rpc.Status` with details of such types."""
    inner = (
        delimited(1, b"type.googleapis.com/google.rpc." + name.encode()) + delimited(2, payload)
        for name, payload in details
    )
    return b"\x08\x09" + delimited(2, b"no") + b"".join(delimited(3, one) for one in inner)


INFO = delimited(1, b"NO_SUCH_ALARM") + delimited(2, b"lamproom")
TOLD = delimited(3, delimited(1, b"remedy") + delimited(2, b"list the alarms"))
HELP = delimited(1, delimited(1, b"see the guide") + delimited(2, b"docs"))
LOCAL = delimited(1, b"en") + delimited(2, b"ask for another")


@pytest.mark.parametrize(
    ("details", "reason", "remedy"),
    [
        (status_of(("ErrorInfo", INFO + TOLD), ("Help", HELP)), "NO_SUCH_ALARM", "list the alarms"),
        (status_of(("ErrorInfo", INFO), ("Help", HELP)), "NO_SUCH_ALARM", "see the guide"),
        (status_of(("LocalizedMessage", LOCAL)), "", "ask for another"),
        (status_of(("Unheard", b"\x08\x01")), "", ""),
        (b"\xff\xff no message", "", ""),
        (None, "", ""),
    ],
)
@both
async def test_errors_have_a_reason_and_a_remedy(
    kind: type[Either], details: bytes | None, reason: str, remedy: str
) -> None:
    async def refuse(_request: bytes, context: Any) -> bytes:
        metadata = (("grpc-status-details-bin", details),) if details else ()
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no such alarm", metadata)
        return b""

    async with serving(GET_MAP, refuse) as port, connected(kind, port) as client:
        with pytest.raises(lamproom.RefusedError, match="no such alarm") as refusal:
            await client.ask("map")
    error = refusal.value
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert (error.reason, error.remedy) == (reason, remedy)
    assert remedy in str(error)


@both
async def test_a_call_that_takes_too_long_ends(kind: type[Either]) -> None:
    async def never(_request: bytes, _context: Any) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with serving(GET_MAP, never) as port, connected(kind, port, timeout_s=0.1) as client:
        with pytest.raises(lamproom.UnavailableError) as failure:
            await client.ask("map")
    assert failure.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


def history(request: Any) -> list[bytes]:
    """A directory, two frames with a gap between them."""
    del request
    directory = position_pb2.PositionDirectory()
    directory.entries.add(tag_handle=4, card="1001")
    gap = history_pb2.HistoryGap(reason="damaged on the disk")
    frames = [
        history_pb2.QueryTrackResponse(frame=position_pb2.PositionFrame(tag_handles=[4], x_mm=[n]))
        for n in (1000, 2000)
    ]
    answers = [history_pb2.QueryTrackResponse(directory=directory), frames[0]]
    answers += [history_pb2.QueryTrackResponse(gap=gap), frames[1]]
    return [answer.SerializeToString() for answer in answers]


@both
@pytest.mark.parametrize("method", ["QueryTrack", "GetPositionsAt"])
async def test_histories_are_columns_and_gaps(kind: type[Either], method: str) -> None:
    asked: list[bytes] = []

    async def answer(request: bytes, _context: Any) -> AsyncIterator[bytes]:
        asked.append(request)
        for one in history(request):
            yield one

    at = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    path = f"lamproom.v1.HistoryService/{method}"
    async with serving(path, answer) as port, connected(kind, port) as client:
        if method == "QueryTrack":
            track = await client.ask("track", "1001", at, at + timedelta(hours=8))
            request = history_pb2.QueryTrackRequest.FromString(asked[0])
            assert (request.card, request.start_time.ToDatetime(UTC)) == ("1001", at)
        else:
            track = await client.ask("positions_at", at, ["1001"])
            asked_at = history_pb2.GetPositionsAtRequest.FromString(asked[0])
            assert (list(asked_at.cards), asked_at.time.ToDatetime(UTC)) == (["1001"], at)
    assert list(track.positions.cards) == ["1001", "1001"]
    assert list(track.positions.x_m) == [1.0, 2.0]
    assert [gap.reason for gap in track.gaps] == ["damaged on the disk"]


async def test_a_plain_client_leaves_no_thread_behind(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        before = set(threading.enumerate())

        def use() -> None:
            with lamproom.Client(f"127.0.0.1:{rig.port}") as client:
                with client.events() as events, client.positions() as positions:
                    assert isinstance(next(events), lamproom.Synced)
                    next(positions)
                alarms = client.follow_alarms()
                assert next(alarms) == []

        await asyncio.to_thread(use)
        # The event loop keeps the thread that waited for it.
        await until(
            lambda: (
                not [
                    one for one in set(threading.enumerate()) - before if "asyncio" not in one.name
                ]
            )
        )


def test_a_cursor_file_is_whole_or_refused(tmp_path: Path) -> None:
    file = lamproom.CursorFile(tmp_path / "cursor")
    assert file.load() == b""
    file.save(b"\x01\x02")
    file.save(b"\x03")
    assert lamproom.CursorFile(str(file.path)).load() == b"\x03"
    assert [path.name for path in tmp_path.iterdir()] == ["cursor"]
    assert base64.b64decode(file.path.read_text()) == b"\x03"
    file.path.write_text("no cursor!")
    with pytest.raises(lamproom.CursorFileError, match=r"cursor: it holds no cursor .* remove it"):
        file.load()
    beyond = lamproom.CursorFile(tmp_path / "nowhere" / "cursor")
    with pytest.raises(lamproom.CursorFileError, match=r"can't be kept \(No such file"):
        beyond.save(b"x")


def test_the_package_offers_what_it_names_and_imports_nothing_before() -> None:
    code = "import lamproom, sys; sys.exit(bool({'grpc', 'numpy', 'google'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=False).returncode == 0
    )
    assert set(lamproom.__all__) <= set(dir(lamproom))
    assert {name for name in lamproom.__all__ if getattr(lamproom, name) is None} == set()
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        lamproom.Nothing  # noqa: B018  the access is the test
