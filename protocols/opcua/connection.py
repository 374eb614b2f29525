"""A connection that is watched and renewed by its owner, and always closed in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from protocols.driver import DeviceError
from protocols.opcua.gate import let_only_reads_out
from protocols.opcua.options import OpcUaOptions
from protocols.opcua.security import Identity, read_file, secure

#: A message holds 1,000 values at most (`MaxNotificationsPerPublish`); more is an attack.
MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
CHUNKS_MAX: Final = 256

#: A server keeps the session of a gateway that died so long, and has room for few.
SESSION_TIMEOUT_MS: Final = 60_000
CHANNEL_LIFETIME_MS: Final = 3_600_000

#: How long a server may take to say goodbye; then the connection is just dropped.
CLOSE_S: Final = 2.0
#: How long the library's cancelled task may take to end; it has nothing left to wait for.
TASK_END_S: Final = 0.5

_USER_REFUSED: Final = frozenset(
    {
        StatusCodes.BadUserAccessDenied,
        StatusCodes.BadIdentityTokenInvalid,
        StatusCodes.BadIdentityTokenRejected,
        StatusCodes.BadUserSignatureInvalid,
    }
)


def new_client(options: OpcUaOptions) -> Client:
    """A client for one session, which can only read.

    It opens nothing yet and never connects again by itself.
    """
    client = Client(options.url, timeout=options.timeout_s)
    client.name = client.description = "lamproom"
    client.product_uri = "urn:lamproom"
    client.application_uri = "urn:lamproom"
    client.session_timeout = SESSION_TIMEOUT_MS
    client.secure_channel_timeout = CHANNEL_LIFETIME_MS
    client.max_messagesize = MESSAGE_BYTES_MAX
    client.max_chunkcount = CHUNKS_MAX
    let_only_reads_out(client)
    return client


async def connect(client: Client, options: OpcUaOptions, identity: Identity | None) -> None:
    """Opens the channel and a session. Step by step: `Client.connect` starts watchdogs of its own.

    Raises:
        DeviceError: the configuration is refused, in words.
        OSError, TimeoutError, UaError: `explain` has the words.
    """
    password = await asyncio.to_thread(_password, options)
    if identity is not None:
        await secure(client, options, identity)
    await client.connect_socket()
    await client.send_hello()
    _bound_messages(client)
    await _open_channel(client, identity)
    await client.create_session()
    if options.user is not None:
        _refuse_clear_password(client, options)
    await client.activate_session(username=options.user, password=password)


async def _open_channel(client: Client, identity: Identity | None) -> None:
    try:
        await client.open_secure_channel()
    except (AssertionError, ConnectionError) as error:
        # A server that refuses a certificate hangs up, or answers with a fault in place of a
        # channel, which the library can't read.
        if identity is None:
            raise ConnectionError(str(error) or "the server opens no channel") from error
        msg = f"the server opens no secure channel; most likely it {_distrusts(identity)}"
        raise DeviceError(msg) from error


def _distrusts(identity: Identity) -> str:
    return (
        "refuses this gateway's certificate: trust it there "
        f"(thumbprint {identity.thumbprint}, {identity.application_uri})"
    )


def _password(options: OpcUaOptions) -> str | None:
    if options.password is not None:
        return options.password.get_secret_value()
    if options.password_file is None:
        return None
    return read_file(options.password_file).decode().rstrip("\r\n")


def _refuse_clear_password(client: Client, options: OpcUaOptions) -> None:
    uri = client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri or ""
    if options.security == "none" and uri.rpartition("#")[2] in ("", "None"):
        msg = "the server would take the password unencrypted: set security, here and there"
        raise DeviceError(msg)


def _bound_messages(client: Client) -> None:
    """The library takes over the server's limits for what it receives; ours must hold."""
    protocol = client.uaclient.protocol
    if protocol is not None:
        limits = protocol._connection._limits  # noqa: SLF001 - there is no other way to set them
        limits.max_message_size = MESSAGE_BYTES_MAX
        limits.max_chunk_count = CHUNKS_MAX


async def renew(client: Client) -> None:
    """Renews the secure channel; due `renew_after_s` after it was opened or last renewed."""
    try:
        await client.open_secure_channel(renew=True)
    except AssertionError as error:
        msg = "the server doesn't renew the secure channel"
        raise ConnectionError(msg) from error
    client.uaclient.revolve_security_token()


def renew_after_s(client: Client) -> float:
    """How long a channel goes on before it is renewed: 75 % of its life (OPC 10000-4, 5.5.2)."""
    return float(client.secure_channel_timeout) / 1000 * 0.75


async def close(client: Client) -> None:
    """Leaves no session, connection or task behind, within about `CLOSE_S`, whatever happens."""
    publishing = client.uaclient._publish_task  # noqa: SLF001 - cancelled but not awaited there
    protocol = client.uaclient.protocol
    transport = protocol.transport if protocol is not None else None
    try:
        if client.state is not UaClientState.DISCONNECTED:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await client.close_session()
                    await client.close_secure_channel()
    finally:
        client.disconnect_socket()
        if publishing is not None:
            publishing.cancel()
        if transport is not None:
            # Closing waits until all is sent, which a frozen server never takes.
            transport.abort()
    if publishing is not None:
        await asyncio.wait({publishing}, timeout=TASK_END_S)


def explain(error: BaseException, options: OpcUaOptions, identity: Identity | None) -> str:
    """What went wrong and what to do, in words for an operator."""
    if isinstance(error, UaStatusCodeError):
        return _explain_status(error.code, options, identity)
    if isinstance(error, TimeoutError):
        return f"no answer within {options.timeout_s:g} s: the server is down, frozen or overloaded"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: check that the server runs, and the port of url"
    if isinstance(error, OSError):
        return f"connection lost or not possible ({error}): check server, network and url"
    return f"the server's answer makes no sense ({type(error).__name__}: {error})"


def _explain_status(code: int, options: OpcUaOptions, identity: Identity | None) -> str:
    name = ua.StatusCode(ua.UInt32(code)).name
    if code in _USER_REFUSED:
        who = f"user {options.user!r}" if options.user else "a session without a user"
        return f"the server refuses {who} ({name}): check user and password"
    if identity is not None and ("Certificate" in name or "Security" in name):
        return f"the server says {name}: it {_distrusts(identity)}"
    if code == StatusCodes.BadTooManySessions:
        return f"the server has no session free ({name}): close other clients or allow it more"
    return f"the server says {name}: {ua.StatusCode(ua.UInt32(code)).doc}"
