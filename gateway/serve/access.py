"""Who makes a call: by certificate, by token, or by being on this computer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from gateway.config.grpc import GrpcSettings
from gateway.security.identity import Identity, identity_of
from gateway.security.material import load_client
from gateway.security.roles import role_of
from gateway.security.tokens import Token, find
from gateway.serve.caller import Caller
from gateway.serve.failure import RequestError
from gateway.serve.limits import RateLimit
from gateway.serve.reasons import Reason

#: Certificates whose subjects are remembered; a mine has some dozens.
CERTIFICATES_MOST: Final = 1024
#: Wrong tokens of one address: a program that is set up wrongly tries again and again.
WRONG_TOKENS_PER_S: Final = 0.2
WRONG_TOKENS_AT_ONCE: Final = 10
#: Right ones that are remembered by address.
SHOWN_MOST: Final = 4096
#: Real ones have 52; the header of a longer one is not looked at.
TOKEN_BYTES_MOST: Final = 256

_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Entry:
    """A caller that is let in, and by what: to be looked at again while a stream runs."""

    caller: Caller
    #: Of its certificate; 0 where it has none.
    serial: int = 0
    #: SHA-256 of its token; empty where it has none.
    token: str = ""
    #: When the first of them ends.
    ends: datetime | None = None
    #: It is on this computer and need not say who it is.
    is_local: bool = False


class Access:
    """Knows callers. What it knows them by may be changed at any time."""

    def __init__(self, grpc_settings: GrpcSettings) -> None:
        self._local_role = role_of(grpc_settings.local_role)
        self._plaintext_role = role_of(grpc_settings.plaintext_role)
        self._revoked: frozenset[int] = frozenset()
        self._tokens: Sequence[Token] = ()
        self._wrong = RateLimit(WRONG_TOKENS_PER_S, WRONG_TOKENS_AT_ONCE)
        #: Right tokens, by the address that has shown them.
        self._shown: dict[tuple[str, str], None] = {}
        self._known: dict[bytes, tuple[int, Identity, datetime]] = {}

    def use_revoked(self, serials: frozenset[int]) -> None:
        """Takes over which certificates are revoked."""
        self._revoked = serials

    def use_tokens(self, tokens: Sequence[Token]) -> None:
        """Takes over which tokens there are."""
        self._tokens = tokens

    def enter(
        self,
        peer: str,
        auth: Mapping[str, Iterable[bytes]],
        metadata: Sequence[tuple[str, Any]],
        now: datetime,
        now_s: float,
    ) -> Entry:
        """Who calls. A token, where one is sent, says who it is, also beside a certificate.

        Raises:
            RequestError: UNAUTHENTICATED, or RESOURCE_EXHAUSTED after too many wrong tokens.
        """
        is_secure = _first(auth, "transport_security_type") == b"ssl"
        certificate = _first(auth, "x509_pem_cert")
        entry = self._of_certificate(peer, certificate, now) if certificate else None
        token = _token_of(metadata)
        if token is not None:
            if not is_secure and not _is_local(peer):
                raise _refused("tokens are taken over TLS only: nobody may read them on their way")
            return self._of_token(peer, token, entry, now, now_s)
        if entry:
            return entry
        if is_secure:
            raise _refused(
                "a token is missing: send it as metadata, `authorization: Bearer TOKEN`; "
                "`lamproom certs token` makes one"
            )
        local = _is_local(peer)
        role = self._local_role if local else self._plaintext_role
        return Entry(Caller("", role, peer), is_local=local)

    def trouble(self, entry: Entry, now: datetime) -> str:
        """Why a caller that was let in may no longer stay; empty while it may."""
        if entry.serial in self._revoked:
            return "your certificate is revoked: ask for another one"
        if entry.ends is not None and now >= entry.ends:
            return "your certificate or token has ended: have it renewed"
        if entry.token and not any(one.sha256 == entry.token for one in self._tokens):
            return "your token is revoked: ask for another one"
        return ""

    def _of_certificate(self, peer: str, pem: bytes, now: datetime) -> Entry:
        known = self._known.get(pem)
        if known is None:
            try:
                read = load_client(pem)
                known = read.serial_number, identity_of(read), read.not_valid_after_utc
            except ValueError as error:
                raise _refused(str(error)) from None
            if len(self._known) >= CERTIFICATES_MOST:
                del self._known[next(iter(self._known))]
            self._known[pem] = known
        serial, who, ends = known
        entry = Entry(_caller(who, peer), serial, ends=ends)
        trouble = self.trouble(entry, now)
        if trouble:
            raise _refused(trouble)
        return entry

    def _of_token(
        self, peer: str, given: str, certificate: Entry | None, now: datetime, now_s: float
    ) -> Entry:
        host = host_of(peer)
        wait_s = self._wrong.wait_s(host, now_s)
        token = find(self._tokens, given) if len(given) <= TOKEN_BYTES_MOST else None
        # Who guesses learns nothing while they have to wait, and shuts out nobody else there.
        if wait_s and (token is None or (host, token.sha256) not in self._shown):
            msg = f"too many wrong tokens from {host}: wait {wait_s:.1f} s"
            raise RequestError(Reason.TOO_MANY_WRONG_TOKENS, msg)
        if token is None or now >= token.ends:
            self._wrong.take(host, now_s)
            raise _refused("the token is wrong, revoked, or has ended: ask for another one")
        self._shown[host, token.sha256] = None
        if len(self._shown) > SHOWN_MOST:
            del self._shown[next(iter(self._shown))]
        ends, serial = token.ends, 0
        if certificate:
            ends, serial = min(ends, certificate.ends or ends), certificate.serial
        return Entry(_caller(token.identity, peer), serial, token.sha256, ends)


def host_of(peer: str) -> str:
    """The address of a peer, without its port: `ipv6:%5B::1%5D:50051` is `::1`."""
    rest = unquote(peer).partition(":")[2]
    return rest.rpartition(":")[0].strip("[]") or peer


def _first(auth: Mapping[str, Iterable[bytes]], key: str) -> bytes:
    return next(iter(auth.get(key, ())), b"")


def _is_local(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(host_of(peer))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _caller(who: Identity, peer: str) -> Caller:
    return Caller(who.name, who.role, peer, who.on_behalf)


def _token_of(metadata: Sequence[tuple[str, Any]]) -> str | None:
    """What is sent as a bearer's token (RFC 6750, 2.1); None: nothing is."""
    for key, value in metadata:
        if key == "authorization":
            text = str(value)
            # Of another scheme: a token that is none.
            return text[len(_BEARER) :].strip() if text.lower().startswith(_BEARER) else ""
    return None


def _refused(text: str) -> RequestError:
    return RequestError(Reason.NOT_LET_IN, text)
