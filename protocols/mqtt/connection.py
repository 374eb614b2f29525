"""Opens a connection to a broker without blocking, and has words for what goes wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from protocols.driver import DeviceError
from protocols.mqtt.client import (
    CLOSED_EARLY,
    NO_ANSWER,
    Login,
    NonsenseError,
    ReadOnlyClient,
    ReadOnlyError,
)
from protocols.mqtt.options import MqttOptions
from protocols.tcp import connect, unknown_host

#: What a session may raise besides DeviceError; `explain` has words for each.
FAILURES: Final = (OSError, aiomqtt.MqttError, ReadOnlyError, NonsenseError)

#: Reason codes of version 5 (2.4); the library gives those of 3.1.1 as these.
_VERSION, _CLIENT_ID, _PASSWORD, _FORBIDDEN = 0x84, 0x85, 0x86, 0x87
_BUSY: Final = frozenset({0x88, 0x89, 0x97, 0x9F})
_SHUTTING_DOWN, _TIMEOUT, _TAKEN_OVER = 0x8B, 0x8D, 0x8E

#: Why OpenSSL does not trust a certificate (X509_V_ERR_*).
_EXPIRED, _NOT_YET, _OTHER_HOST, _OTHER_ADDRESS = 10, 9, 62, 64


async def open_client(options: MqttOptions, client_id: str, *, persistent: bool) -> ReadOnlyClient:
    """A client over an open socket, with TLS if that is asked for; nothing of MQTT is said yet.

    Raises:
        DeviceError: a file can't be read or used.
        OSError, TimeoutError: the broker can't be reached, or does not agree on TLS.
    """
    password = await asyncio.to_thread(_password, options)
    context = await asyncio.to_thread(_tls, options) if options.tls else None
    async with asyncio.timeout(options.timeout_s):
        connected = await connect(options.host, options.port)
        try:
            if context is not None:
                connected = await _handshake(context, connected, options.host)
        except BaseException:
            connected.close()
            raise
    login = Login(client_id, options.version, options.user, password, persistent, options.timeout_s)
    return ReadOnlyClient(connected, login)


async def _handshake(context: ssl.SSLContext, connected: socket.socket, host: str) -> ssl.SSLSocket:
    wrapped = context.wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                wrapped.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(wrapped, loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(wrapped, loop.add_writer, loop.remove_writer)
            else:
                return wrapped
    except ConnectionError as error:
        wrapped.close()
        # A port that knows no TLS hangs up at its first bytes.
        msg = "it hangs up"
        raise ssl.SSLError(msg) from error
    except BaseException:
        wrapped.close()
        raise


async def _ready(
    of: socket.socket, watch: Callable[..., Any], unwatch: Callable[[int], Any]
) -> None:
    """Waits until the socket can be read, or written."""
    ready = asyncio.Event()
    descriptor = of.fileno()
    watch(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        unwatch(descriptor)


def _password(options: MqttOptions) -> str | None:
    if options.password is not None:
        return options.password.get_secret_value()
    if options.password_file is None:
        return None
    try:
        return options.password_file.read_bytes().decode().rstrip("\r\n")
    except OSError as error:
        msg = f"{options.password_file} can't be read: {error.strerror}"
        raise DeviceError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{options.password_file} holds no text in UTF-8"
        raise DeviceError(msg) from error


def _tls(options: MqttOptions) -> ssl.SSLContext:
    for file in (options.ca_file, options.certificate, options.private_key):
        _check_readable(file)
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except (ssl.SSLError, OSError) as error:
        msg = f"{options.ca_file} is no certificate of a CA (PEM): {error}"
        raise DeviceError(msg) from error
    if options.certificate is not None:
        try:
            # Without a password of its own the library would ask for one at the terminal.
            context.load_cert_chain(options.certificate, options.private_key, password=_refuse)
        except (ssl.SSLError, OSError, ValueError) as error:
            msg = (
                f"{options.certificate} and {options.private_key} are no certificate and its "
                f"private key (PEM, the key without a password): {error}"
            )
            raise DeviceError(msg) from error
    return context


def _refuse() -> str:
    msg = "the key has a password"
    raise ValueError(msg)


def _check_readable(file: Path | None) -> None:
    try:
        if file is not None:
            file.read_bytes()
    except OSError as error:
        msg = f"{file} can't be read: {error.strerror}"
        raise DeviceError(msg) from error


def explain(error: BaseException, options: MqttOptions, client_id: str, complaint: str = "") -> str:
    """What went wrong and what to do, in words for an operator.

    Args:
        error: one of `FAILURES`.
        options: those of the device.
        client_id: by what the broker knows the gateway.
        complaint: what the library last said of the connection.
    """
    if isinstance(error, aiomqtt.MqttCodeError) and isinstance(error.rc, ReasonCode):
        return _explain_code(error.rc.value, str(error.rc), options, client_id)
    if isinstance(error, aiomqtt.MqttError):
        return _explain_close(str(error), options, client_id, complaint)
    if isinstance(error, TimeoutError):
        return (
            f"no answer within {options.timeout_s:g} s: the broker is down, frozen or not reached"
        )
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: check that the broker runs, and port"
    if isinstance(error, socket.gaierror):
        return unknown_host(error, options.host)
    if isinstance(error, ssl.SSLError):
        return _explain_tls(error, options)
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        return f"connection lost or not possible ({what}): check broker, network, host and port"
    return f"the broker's answer makes no sense ({error}): check that it is one, and port"


def _explain_tls(error: ssl.SSLError, options: MqttOptions) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        # Only what OpenSSL raises itself has a reason.
        reason = getattr(error, "reason", None) or str(error)
        return (
            f"no TLS ({reason}): check that port {options.port} is the one for TLS, "
            "and whether the broker asks for a certificate (certificate, private_key)"
        )
    if error.verify_code in (_OTHER_HOST, _OTHER_ADDRESS):
        return (
            f"the broker's certificate is not for {options.host!r}: write host as it is named there"
        )
    if error.verify_code in (_EXPIRED, _NOT_YET):
        return "the broker's certificate is out of date: renew it, and check this computer's clock"
    who = f"ca_file {options.ca_file}" if options.ca_file else "a CA that this computer trusts"
    return (
        f"the broker's certificate was not signed by {who} ({error.verify_message}): give the "
        "broker's CA as ca_file"
    )


def _explain_close(text: str, options: MqttOptions, client_id: str, complaint: str) -> str:
    if text == NO_ANSWER:
        return (
            f"the broker takes the connection, but gives no answer within {options.timeout_s:g} s"
        )
    if text == CLOSED_EARLY and options.tls:
        said = complaint.partition(": ")[2] or "it says nothing more"
        return (
            f"the broker ends TLS before an answer ({said}): it refuses the gateway's certificate, "
            "or asks for one: give certificate and private_key of a CA that it trusts"
        )
    if text == CLOSED_EARLY:
        return (
            f"the broker has closed the connection before an answer: check that it speaks MQTT "
            f"{options.version} at port {options.port}, and whether it wants TLS there"
        )
    hint = f"another client may have taken client_id {client_id!r}: is there a second gateway?"
    return f"the broker has closed the connection: check its log; {hint}"


def _explain_code(code: int, name: str, options: MqttOptions, client_id: str) -> str:
    who = f"user {options.user!r}" if options.user else "a client without a user"
    other = f"another client has taken client_id {client_id!r}: is there a second gateway?"
    words = {
        _VERSION: f'the broker does not speak MQTT {options.version}: write version = "3.1.1"',
        _CLIENT_ID: f"the broker refuses client_id {client_id!r}: give another as client_id",
        _PASSWORD: f"the broker refuses {who}: check user and password",
        _FORBIDDEN: f"the broker refuses {who}: check user, password and its rules for them",
        _SHUTTING_DOWN: "the broker is shutting down",
        _TIMEOUT: "the broker gave no answer to a ping: it is frozen, or the network is broken",
        _TAKEN_OVER: other,
    }
    if code in words:
        return f"{words[code]} ({name})"
    if code in _BUSY:
        return f"the broker has no room ({name}): raise its limits, or close other clients"
    return _explain_close(name, options, client_id, "")
