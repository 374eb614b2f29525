"""What a gateway needs to speak TLS and to know its callers, as it is read from files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.security.folder import (
    RENEW_WITHIN,
    CertificateError,
    read_certificate,
    read_revoked,
)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where they are."""

    certificate: Path
    key: Path
    ca: Path
    revoked: Path

    @property
    def all(self) -> tuple[Path, ...]:
        """Each of them."""
        return self.certificate, self.key, self.ca, self.revoked


@dataclass(frozen=True, slots=True)
class Material:
    """What is in them."""

    certificate_pem: bytes
    key_pem: bytes
    ca_pem: bytes
    revoked: frozenset[int]
    #: When the gateway's certificate and the authority's end.
    ends: datetime
    ca_ends: datetime

    def warnings(self, now: datetime) -> list[str]:
        """What is to be done soon, a sentence each."""
        found = []
        if now >= self.ends - RENEW_WITHIN:
            found.append(
                f"the gateway's certificate {ending(self.ends, now)}: renew it with "
                "`lamproom certs renew DIR server`"
            )
        if now >= self.ca_ends - RENEW_WITHIN:
            found.append(
                f"the authority's certificate {ending(self.ca_ends, now)}: make a new folder of "
                "certificates with `lamproom certs init`, and give all clients new ones"
            )
        return found


def ending(ends: datetime, now: datetime) -> str:
    """When it ends, or ended, in words."""
    days = abs(ends - now).days
    many = f"{days} day{'' if days == 1 else 's'}"
    return f"ended {many} ago" if now >= ends else f"ends in {many}, on {ends:%Y-%m-%d}"


def read_material(files: TlsFiles) -> Material:
    """All of it. Raises CertificateError: a file is missing or wrong, or they do not match."""
    certificate, authority = read_certificate(files.certificate), read_certificate(files.ca)
    key_pem = _read(files.key)
    try:
        key = serialization.load_pem_private_key(key_pem, None)
    except (ValueError, TypeError) as error:
        msg = f"{files.key}: it holds no private key that can be read without a password"
        raise CertificateError(msg) from error
    if key.public_key() != certificate.public_key():
        msg = f"{files.key}: this is not the key of {files.certificate.name}"
        raise CertificateError(msg)
    return Material(
        _read(files.certificate),
        key_pem,
        _read(files.ca),
        frozenset(read_revoked(files.revoked, authority)),
        certificate.not_valid_after_utc,
        authority.not_valid_after_utc,
    )


def load_client(pem: bytes) -> x509.Certificate:
    """A caller's certificate, as gRPC gives it. Raises ValueError."""
    return x509.load_pem_x509_certificate(pem)


def now() -> datetime:
    """What the computer's clock shows: certificates are judged by it, not by the gateway's own."""
    return datetime.now(UTC)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        msg = f"{file}: there is no such file"
        raise CertificateError(msg) from None
    except OSError as error:
        msg = f"{file}: it can't be read: {error.strerror}"
        raise CertificateError(msg) from error
