"""The folder of a mine's certificates: the authority, what it has issued, what is revoked, tokens.

| file | holds |
|---|---|
| `ca.pem`, `ca.key` | the authority; its key is needed to issue, renew and revoke only |
| `NAME.pem`, `NAME.key` | the newest certificate of a name; `server` is the gateway's |
| `issued/SERIAL.pem` | every certificate that was ever issued, to revoke and list it |
| `revoked.pem` | the revocation list, signed by the authority |
| `tokens.toml` | the SHA-256 of each token |

Keys and tokens are readable by their owner alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.security import tokens
from gateway.security.authority import (
    Pair,
    hosts_of,
    is_server,
    issue_client,
    issue_server,
    make_authority,
    revocations,
    revoked_serials,
)
from gateway.security.identity import Identity, check_name, identity_of, name_of
from gateway.security.tokens import Token

SERVER: Final = "server"
CA_FILE: Final = "ca.pem"
CA_KEY_FILE: Final = "ca.key"
REVOKED_FILE: Final = "revoked.pem"
TOKENS_FILE: Final = "tokens.toml"
_ISSUED: Final = "issued"

#: From so long before its end on a certificate is to be renewed, and is told.
RENEW_WITHIN: Final = timedelta(days=30)

_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644


class CertificateError(Exception):
    """What is wrong with certificates or their folder, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was issued."""

    certificate: x509.Certificate
    #: None while it counts.
    revoked_since: datetime | None
    #: It is the newest of its name.
    newest: bool

    @property
    def name(self) -> str:
        """Whose it is."""
        return name_of(self.certificate)

    @property
    def role(self) -> str:
        """The role, or `server`; with `on-behalf` where it speaks for others."""
        if is_server(self.certificate):
            return SERVER
        identity = identity_of(self.certificate)
        return identity.role.word + (" on-behalf" if identity.on_behalf else "")

    def state(self, now: datetime) -> str:
        """How it stands with it, in a word or two."""
        if self.revoked_since:
            return "revoked"
        ends = self.certificate.not_valid_after_utc
        if now >= ends:
            return "ended"
        if not self.newest:
            return "renewed"
        return "ends soon" if now >= ends - RENEW_WITHIN else "good"


class CertificateFolder:
    """The certificates of one mine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, mine: str, hosts: Sequence[str], days: int, now: datetime) -> None:
        """Makes the authority, the gateway's certificate and an empty revocation list.

        Raises:
            CertificateError: there is an authority already, a host is none, or it can't be written.
        """
        if (self.folder / CA_FILE).exists() or (self.folder / CA_KEY_FILE).exists():
            msg = (
                f"{self.folder}: there is an authority already; `lamproom certs issue` and `renew` "
                "go on with it. All clients would have to be given new certificates by another one"
            )
            raise CertificateError(msg)
        authority = make_authority(f"lamproom {mine}", now)
        try:
            server = issue_server(authority, SERVER, hosts, days, now)
        except ValueError as error:
            raise CertificateError(str(error)) from None
        self._write(CA_KEY_FILE, authority.key_pem, _PRIVATE)
        self._write(CA_FILE, authority.certificate_pem, _PUBLIC)
        self._keep(SERVER, server)
        self._write_revoked(authority, {}, now)
        self._write_tokens(())

    def issue(self, identity: Identity, days: int, now: datetime) -> Pair:
        """A certificate for a client.

        Raises:
            CertificateError: the name is taken or none, or the authority can't be used.
        """
        self._check_free(identity.name)
        pair = issue_client(self._authority(), identity, days, now)
        self._keep(identity.name, pair)
        return pair

    def issue_for_server(self, name: str, hosts: Sequence[str], days: int, now: datetime) -> Pair:
        """A certificate for a gateway. Raises CertificateError, as `issue` does."""
        self._check_free(name)
        try:
            pair = issue_server(self._authority(), name, hosts, days, now)
        except ValueError as error:
            raise CertificateError(str(error)) from None
        self._keep(name, pair)
        return pair

    def renew(self, name: str, days: int, now: datetime) -> Pair:
        """A new key and certificate for who has one: the same name, role and hosts.

        The old one counts until it ends or is revoked. Raises CertificateError.
        """
        old = self.newest(name)
        if self.revoked().get(old.serial_number):
            msg = f"{name}'s certificate is revoked: issue a new one with `lamproom certs issue`"
            raise CertificateError(msg)
        authority = self._authority()
        if is_server(old):
            pair = issue_server(authority, name, hosts_of(old), days, now)
        else:
            pair = issue_client(authority, identity_of(old), days, now)
        self._keep(name, pair)
        return pair

    def revoke(self, name: str, now: datetime) -> tuple[int, int]:
        """Takes back all certificates and tokens of a name: how many of each.

        Raises:
            CertificateError: it has none.
        """
        revoked = self.revoked()
        mine = [one.serial_number for one in self._all() if name_of(one) == name]
        fresh = [serial for serial in mine if serial not in revoked]
        kept = self.tokens()
        left = [one for one in kept if one.identity.name != name]
        if not fresh and len(left) == len(kept):
            had = "all that it had is revoked already" if mine else "nothing was issued to it"
            msg = f"{name}: {had}; `lamproom certs list` shows who has what"
            raise CertificateError(msg)
        if fresh:
            self._write_revoked(self._authority(), revoked | dict.fromkeys(fresh, now), now)
        if len(left) < len(kept):
            self._write_tokens(left)
        return len(fresh), len(kept) - len(left)

    def add_token(self, identity: Identity, ends: datetime) -> str:
        """A new token, which is told only here. Raises CertificateError."""
        _check(identity.name)
        kept = self.tokens()
        if len(kept) >= tokens.TOKENS_MOST:
            msg = f"there are {tokens.TOKENS_MOST} tokens already: revoke those of no use"
            raise CertificateError(msg)
        token = tokens.new_token()
        self._write_tokens((*kept, Token(identity, tokens.digest_of(token), ends)))
        return token

    def tokens(self) -> tuple[Token, ...]:
        """Those that are kept; none where there is no file. Raises CertificateError."""
        return tokens_in(self.folder / TOKENS_FILE)

    def newest(self, name: str) -> x509.Certificate:
        """The newest certificate of a name. Raises CertificateError where it has none."""
        file = self.folder / f"{_check(name)}.pem"
        if not file.exists():
            msg = f"{self.folder}: {name!r} has no certificate; `lamproom certs list` shows who has"
            raise CertificateError(msg)
        return read_certificate(file)

    def issued(self) -> list[Issued]:
        """All that were issued, the oldest first. Raises CertificateError."""
        revoked = self.revoked()
        found = sorted(self._all(), key=lambda one: one.not_valid_before_utc)
        newest = {name_of(one): one.serial_number for one in found}
        for name in newest:
            file = self.folder / f"{name}.pem"
            if file.exists():
                newest[name] = read_certificate(file).serial_number
        return [
            Issued(
                one,
                revoked.get(one.serial_number),
                newest=newest[name_of(one)] == one.serial_number,
            )
            for one in found
        ]

    def revoked(self) -> dict[int, datetime]:
        """Serial numbers, and since when. Raises CertificateError."""
        return read_revoked(self.folder / REVOKED_FILE, read_certificate(self.folder / CA_FILE))

    def _all(self) -> Iterator[x509.Certificate]:
        for file in sorted((self.folder / _ISSUED).glob("*.pem")):
            yield read_certificate(file)

    def _check_free(self, name: str) -> None:
        _check(name)
        file = self.folder / f"{name}.pem"
        if file.exists() and read_certificate(file).serial_number not in self.revoked():
            msg = (
                f"{name!r} has a certificate: renew it with `lamproom certs renew`, revoke it "
                "first, or take another name"
            )
            raise CertificateError(msg)

    def _authority(self) -> Pair:
        certificate = read_certificate(self.folder / CA_FILE)
        file = self.folder / CA_KEY_FILE
        try:
            key = serialization.load_pem_private_key(file.read_bytes(), None)
        except FileNotFoundError:
            msg = f"{file}: the authority's key is not here: bring it back for as long as you issue"
            raise CertificateError(msg) from None
        except (OSError, ValueError, TypeError) as error:
            raise _unreadable(file, error) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or (
            key.public_key() != certificate.public_key()
        ):
            msg = f"{file}: this is not the key of {CA_FILE}"
            raise CertificateError(msg)
        return Pair(certificate, key)

    def _keep(self, name: str, pair: Pair) -> None:
        """The key first: a gateway that looks between the two finds that they do not match yet."""
        self._write(f"{_ISSUED}/{pair.certificate.serial_number:x}.pem", pair.certificate_pem)
        self._write(f"{name}.key", pair.key_pem, _PRIVATE)
        self._write(f"{name}.pem", pair.certificate_pem)

    def _write_revoked(self, authority: Pair, revoked: dict[int, datetime], now: datetime) -> None:
        made = revocations(authority, revoked, now)
        self._write(REVOKED_FILE, made.public_bytes(serialization.Encoding.PEM))

    def _write_tokens(self, kept: Sequence[Token]) -> None:
        self._write(TOKENS_FILE, tokens.write(kept).encode(), _PRIVATE)

    def _write(self, name: str, content: bytes, mode: int = _PUBLIC) -> None:
        """Replaces a file as a whole; it never has a wider mode than at its end."""
        file = self.folder / name
        fresh = file.with_name(f".{file.name}.new")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            opened = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(opened, "wb") as out:
                os.fchmod(out.fileno(), mode)
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(file)
        except OSError as error:
            msg = f"{file}: it can't be written: {error.strerror}"
            raise CertificateError(msg) from error


def read_certificate(file: Path) -> x509.Certificate:
    """The certificate in a PEM file. Raises CertificateError where there is none."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except FileNotFoundError:
        msg = f"{file}: there is no such file"
        raise CertificateError(msg) from None
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def tokens_in(file: Path) -> tuple[Token, ...]:
    """The tokens of a file; none where there is no file. Raises CertificateError."""
    try:
        return tokens.parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def read_revoked(file: Path, authority: x509.Certificate) -> dict[int, datetime]:
    """The revoked serial numbers in a PEM file, and since when. Raises CertificateError."""
    try:
        return revoked_serials(x509.load_pem_x509_crl(file.read_bytes()), authority)
    except FileNotFoundError:
        msg = f"{file}: there is no revocation list: bring it back; without it nobody is let in"
        raise CertificateError(msg) from None
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def _check(name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        raise CertificateError(str(error)) from None


def _unreadable(file: Path, error: Exception) -> CertificateError:
    reason = error.strerror if isinstance(error, OSError) else str(error).split("\n", 1)[0]
    return CertificateError(f"{file}: it can't be read: {reason}")
