"""The gRPC server: its services, health and reflection, over one picture and one journal."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from equipment.report import LinkChange, Sample
from gateway.clock import Clock
from gateway.config.bundle import Bundle
from gateway.config.grpc import REMEDY
from gateway.device_health import HealthBook
from gateway.journal.journal import Journal
from gateway.journal.tracks.keeper import Keeper
from gateway.mine.change import Changes
from gateway.security.folder import CertificateError
from gateway.serve.acting import Ask
from gateway.serve.admin import NO_SOURCES, AdminSources
from gateway.serve.configuration import AskReload
from gateway.serve.guard import Guard
from gateway.serve.keys import Keys
from gateway.serve.services import Services
from gateway.serve.subscribers import CallNames, Subscribers
from positioning.observation import IdTable

#: How often a stream without news says that it is alive.
HEARTBEAT_S: Final = 5.0
#: Requests are small; the largest names 10,000 cards.
REQUEST_BYTES_MAX: Final = 256 << 10
#: Of all clients together: a screen has four streams, so this serves 250 screens.
CALLS_MAX: Final = 1000
#: Of one connection, so that one client can't take all of the above.
STREAMS_PER_CONNECTION_MAX: Final = 100
#: A client that has vanished is found after 10 + 5 s.
KEEPALIVE_INTERVAL_MS: Final = 10_000
KEEPALIVE_TIMEOUT_MS: Final = 5_000
#: Clients may ask for signs of life this often; the default would break off the connection.
CLIENT_PING_INTERVAL_MS: Final = 5_000
#: Between connecting and the end of the handshakes, TLS's and HTTP/2's: a client that says nothing
#: is cut off. A slow link needs some seconds.
HANDSHAKE_MS: Final = 10_000
#: Of a request's metadata: a token, and what libraries add, are far below.
METADATA_BYTES_MAX: Final = 8 << 10
#: Saying "not serving" waits for health's watchers, of which one may be stalled.
HEALTH_CHANGE_S: Final = 0.5

_OPTIONS: Final = (
    # Two gateways must not share a port unnoticed.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", REQUEST_BYTES_MAX),
    ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX),
    ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_INTERVAL_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", CLIENT_PING_INTERVAL_MS),
)

log = structlog.get_logger(__name__)


class ServeError(Exception):
    """The services can't be offered; the text is for an operator: what, where, what to do."""


class Server:
    """The services of one gateway. All methods are called on the event loop."""

    def __init__(
        self,
        bundle: Bundle,
        cards: IdTable,
        journal: Journal,
        ask: Ask,
        device_health: HealthBook,
        *,
        reload: AskReload | None = None,
        admin: AdminSources = NO_SOURCES,
        heartbeat_s: float = HEARTBEAT_S,
        now_ns: Clock = time.time_ns,
        tracks: Keeper | None = None,
    ) -> None:
        """What is served.

        `reload` has the configuration read again; None: this gateway can't. `admin` is what other
        parts of the gateway know of how it does. `tracks` keeps positions; None: what is kept
        already is served.
        """
        self.subscribers = Subscribers(now_ns)
        self.services = Services(
            bundle,
            cards,
            journal,
            ask,
            device_health,
            reload=reload,
            admin=replace(admin, subscribers=self.subscribers.rows),
            heartbeat_s=heartbeat_s,
            now_ns=now_ns,
            tracks=tracks,
        )
        self._settings, self._folder = bundle.settings.grpc, bundle.folder
        self._host, self._port = self._settings.address, self._settings.port
        #: What stands before all methods.
        self.guard = Guard(bundle)
        self._watching: list[asyncio.Task[None]] = []
        #: Of clients with a token and no certificate; None where there is none.
        self.token_port: int | None = None
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Listens; returns the port.

        Raises:
            ServeError: the address is taken, or is not one of this machine.
        """
        check_free(self._host, self._port)
        keys = self._read_keys()
        server = grpc.aio.server(
            interceptors=[CallNames(self.subscribers), self.guard],
            options=_OPTIONS,
            maximum_concurrent_rpcs=CALLS_MAX,
        )
        services = self.services.table()
        for name, methods in services.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.reflects:
            names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        port = self._listen(server, keys)
        await server.start()
        self._server = server
        for name in services:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        for watch in (self.subscribers.end_who_do_not_read(), self._watch_keys(keys)):
            self._watching.append(asyncio.create_task(watch))
        if not self._settings.is_local and self._settings.secured is None:
            log.warning(
                "clients are neither encrypted nor checked: keep this port in a trusted network",
                address=self._host,
                port=port,
            )
        secured = self._settings.secured is not None
        log.info("serving gRPC", address=self._host, port=port, tls=secured)
        if self.token_port is not None:
            log.info("serving gRPC to clients with tokens", port=self.token_port)
        return port

    def _read_keys(self) -> Keys:
        try:
            keys = Keys(self._settings, self._folder)
        except CertificateError as error:
            msg = f"gRPC can't be served at {self._host}: {error}; {REMEDY}"
            raise ServeError(msg) from error
        self._use(keys)
        return keys

    def _use(self, keys: Keys) -> None:
        self.guard.access.use_revoked(keys.revoked)
        self.guard.access.use_tokens(keys.tokens)
        self.guard.look_again()

    async def _watch_keys(self, keys: Keys) -> None:
        await keys.follow(lambda: self._use(keys))

    def _listen(self, server: grpc.aio.Server, keys: Keys) -> int:
        """Opens the port, and the one for tokens where there is one; returns the first."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        tls, at = self._settings.secured, self._port
        try:
            if tls is None:
                return server.add_insecure_port(f"{host}:{at}")
            port = server.add_secure_port(f"{host}:{at}", keys.credentials(certificates=True))
            if tls.token_port is not None:
                at = tls.token_port
                check_free(self._host, at)
                credentials = keys.credentials(certificates=False)
                self.token_port = server.add_secure_port(f"{host}:{at}", credentials)
        except RuntimeError as error:
            raise _cannot_listen(self._host, at, str(error)) from error
        return port

    def publish(self, changes: Changes) -> None:
        """Sends what one step has changed; its events wait for `publish_events`."""
        self.services.publish(changes)

    def publish_devices(self, samples: Sequence[Sample], links: Sequence[LinkChange]) -> None:
        """Sends what has come of devices, which no step needs to have seen."""
        self.services.publish_devices(samples, links)

    def reload(self, bundle: Bundle) -> None:
        """Takes over a configuration that the core has taken over, before its changes."""
        self.guard.reload(bundle.people)
        self.services.reload(bundle)

    def publish_events(self, first_sequence: int, payloads: Sequence[bytes]) -> None:
        """Sends events that the journal has stored, as the bytes that it stored.

        Raises:
            ValueError: the first was published before.
        """
        self.services.publish_events(first_sequence, payloads)

    def publish_unstored(self, first_sequence: int, payloads: Sequence[bytes], reason: str) -> None:
        """Sends events that wait for a disk that does not take them, as such."""
        self.services.publish_unstored(first_sequence, payloads, reason)

    async def stop(self, grace_s: float) -> None:
        """Ends all streams at once, with UNAVAILABLE; other calls have `grace_s` to end."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self.services.close()
        if self._server:
            try:
                async with asyncio.timeout(HEALTH_CHANGE_S):
                    await self._health.enter_graceful_shutdown()
            except TimeoutError:
                log.warning("a client that watches health does not read")
        self.services.close_events()
        if self._server:
            await self._server.stop(grace_s)


def check_free(host: str, port: int) -> None:
    """Raises ServeError where nothing can listen, with the system's own reason."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise _cannot_listen(host, port, error.strerror or str(error)) from error


def _cannot_listen(host: str, port: int, reason: str) -> ServeError:
    return ServeError(
        f"gRPC can't listen at {host} port {port}: {reason};"
        " end the program that does, or change [grpc] address or port"
    )
