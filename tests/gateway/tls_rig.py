"""A server with TLS: a folder of certificates, and callers of every role."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc

from gateway.config.bundle import Bundle
from gateway.security.authority import Pair
from gateway.security.folder import CertificateFolder
from gateway.security.identity import Identity
from gateway.security.material import now
from gateway.security.roles import Role
from tests.gateway.serve_rig import Rig, bundle_of, served
from tests.support.waiting import LONG_S


def certificates_in(folder: Path) -> CertificateFolder:
    """An authority, and the gateway's certificate."""
    kept = CertificateFolder(folder / "certs")
    kept.begin("620000000001", [], 365, now())
    return kept


class Secured:
    """The certificates and tokens of a mine, and the server that knows callers by them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = certificates_in(folder)
        self.ca = (self.kept.folder / "ca.pem").read_bytes()
        self.rig: Rig | None = None

    def issue(self, name: str, role: Role, *, on_behalf: bool = False) -> Pair:
        return self.kept.issue(Identity(name, role, on_behalf), 90, now())

    def ended(self, name: str, role: Role) -> Pair:
        return self.kept.issue(Identity(name, role), 1, now() - timedelta(days=2))

    def token(self, name: str, role: Role, *, ended: bool = False, on_behalf: bool = False) -> str:
        ends = now() + timedelta(days=-1 if ended else 1)
        return self.kept.add_token(Identity(name, role, on_behalf), ends)

    @asynccontextmanager
    async def serving(
        self, bundle: Bundle | None = None, **grpc_settings: Any
    ) -> AsyncIterator[Rig]:
        """Serves at one port those with certificates, at another those with tokens."""
        given = {"tls": {"token_port": 0}, **grpc_settings}
        told = bundle or bundle_of(folder=self.folder, **given)
        async with served(self.folder / "journal", told) as rig:
            self.rig = rig
            yield rig

    def by_certificate(self, pair: Pair | None, options: Sequence[Any] = ()) -> grpc.aio.Channel:
        pem = (pair.key_pem, pair.certificate_pem) if pair else (None, None)
        assert self.rig is not None
        return self._keep(self.rig.port, grpc.ssl_channel_credentials(self.ca, *pem), options)

    def by_token(self, token: str = "") -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(self.ca)
        if token:
            calls = grpc.access_token_call_credentials(token)
            credentials = grpc.composite_channel_credentials(credentials, calls)
        assert self.rig is not None
        assert self.rig.server.token_port is not None
        return self._keep(self.rig.server.token_port, credentials, ())

    def _keep(self, port: int, credentials: Any, options: Sequence[Any]) -> grpc.aio.Channel:
        assert self.rig is not None
        at = f"localhost:{port}"
        # Each with a connection of its own, as clients in other processes have.
        own = ("grpc.use_local_subchannel_pool", 1)
        channel = grpc.aio.secure_channel(at, credentials, [own, *options])
        self.rig.channels.append(channel)
        return channel


async def outcome(channel: grpc.aio.Channel, method: str, request: bytes = b"") -> Any:
    """The status of a call and its words, whatever kind of method it is; OK once it answers."""
    ask: Any = channel.stream_stream(method)
    call = ask(iter([request]), timeout=LONG_S)
    try:
        async for _ in call:
            break
        code, words = grpc.StatusCode.OK, ""
    except grpc.aio.AioRpcError as error:
        code, words = error.code(), str(error.details())
    call.cancel()
    return code, words
