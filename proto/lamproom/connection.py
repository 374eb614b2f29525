"""How a client connects: options of the channel, encryption, who it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import grpc

from lamproom.errors import LamproomError

#: PEM text as bytes, or the file that holds it.
Pem: TypeAlias = bytes | str | os.PathLike[str]

#: Of one answer: frames have 1.3 MB at most, the map of a large mine more.
_ANSWER_BYTES_MOST: Final = 64 << 20

#: How long a call may take, unless the client says otherwise.
TIMEOUT_S: Final = 10.0

#: How long a day of history may take: of one card half a second, on a busy disk more.
HISTORY_TIMEOUT_S: Final = 120.0

_OPTIONS: Final = (
    # A gateway that has vanished is found after 10 + 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Keeps the receive window small, so that positions which are read are never long out of date.
    ("grpc.http2.bdp_probe", 0),
    # A connection of its own: no other channel of the process makes it wait.
    ("grpc.use_local_subchannel_pool", 1),
    # The library's own pauses between attempts to connect would grow to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # For so long an attempt may take; the name is historical.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_receive_message_length", _ANSWER_BYTES_MOST),
)


class ConnectionOptionError(LamproomError):
    """What was said about the connection can't be used; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the gateway is and how to talk to it."""

    address: str
    ca: Pem | None = None
    cert: Pem | None = None
    key: Pem | None = None
    token: str = ""
    tls: bool = False
    server_name: str = ""

    def options(self) -> list[tuple[str, int | str]]:
        """Options of the channel."""
        named = [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []
        return [*_OPTIONS, *named]

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What each call says about who makes it."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def credentials(self) -> grpc.ChannelCredentials | None:
        """What the channel is encrypted with; None: it is not.

        Raises:
            ConnectionOptionError: a file can't be read, or a part is missing.
        """
        if (self.cert is None) != (self.key is None):
            msg = "cert and key go together: give both, or neither"
            raise ConnectionOptionError(msg)
        if not (self.tls or self.ca or self.cert):
            return None
        return grpc.ssl_channel_credentials(
            root_certificates=_pem("ca", self.ca),
            private_key=_pem("key", self.key),
            certificate_chain=_pem("cert", self.cert),
        )


def _pem(name: str, given: Pem | None) -> bytes | None:
    if given is None or isinstance(given, bytes):
        return given
    try:
        return Path(given).read_bytes()
    except OSError as error:
        msg = f"{name}: {given} can't be read ({error.strerror})"
        raise ConnectionOptionError(msg) from error
