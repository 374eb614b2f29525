"""A small certificate authority: its own certificate, servers' and clients', revocations. Pure.

Keys are ECDSA on P-256, which every TLS library takes (gRPC's offers no Ed25519 for
certificates). RFC 5280 has the fields.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.security.identity import Identity, subject_of

#: The authority outlives the machines that it names; a leaf is renewed once a year.
CA_DAYS: Final = 3650
LEAF_DAYS: Final = 365
#: Nobody remembers a certificate of more than two years when it ends.
LEAF_DAYS_MOST: Final = 825
#: The clocks of two computers are hardly further apart: a fresh certificate is valid at once.
_SKEW: Final = timedelta(minutes=5)

#: A server is always reached by these too, so that commands on its own computer find it.
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")

_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """PKCS #8 PEM, not encrypted: the gateway starts without anyone beside it."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def make_authority(name: str, now: datetime) -> Pair:
    """An authority that signs leaves only."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key, now, now + timedelta(days=CA_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_others=True), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue_client(authority: Pair, identity: Identity, days: int, now: datetime) -> Pair:
    """A certificate with which a client shows who it is."""
    subject, usage = subject_of(identity), ExtendedKeyUsageOID.CLIENT_AUTH
    return _leaf(authority, subject, usage, (), now=now, days=days)


def issue_server(
    authority: Pair, name: str, hosts: Sequence[str], days: int, now: datetime
) -> Pair:
    """A certificate for a gateway that is reached under `hosts`.

    Raises:
        ValueError: one of them is neither an address nor a host's name.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [_general_name(host) for host in dict.fromkeys((*hosts, *LOCAL_HOSTS))]
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    return _leaf(authority, subject, usage, names, now=now, days=days)


def hosts_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The hosts of a server's certificate; none for a client's."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(one.value) for one in found)


def is_server(certificate: x509.Certificate) -> bool:
    """Whether it is a server's and not a client's."""
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return ExtendedKeyUsageOID.SERVER_AUTH in usage


def revocations(
    authority: Pair, revoked: Mapping[int, datetime], now: datetime
) -> x509.CertificateRevocationList:
    """The list of what is revoked: serial numbers, and since when.

    It says that the next one comes when the authority ends: this one counts until it is replaced.
    """
    ends = authority.certificate.not_valid_after_utc
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.certificate.subject, last_update=now - _SKEW, next_update=ends
    )
    for serial, since in revoked.items():
        one = x509.RevokedCertificateBuilder(serial_number=serial, revocation_date=since)
        builder = builder.add_revoked_certificate(one.build())
    return builder.sign(authority.key, hashes.SHA256())


def revoked_serials(
    revoked_list: x509.CertificateRevocationList, authority: x509.Certificate
) -> dict[int, datetime]:
    """Serial numbers of a list, and since when. Raises ValueError: it is not the authority's."""
    key = authority.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not revoked_list.is_signature_valid(key):
        msg = "it is not signed by the authority"
        raise ValueError(msg)
    return {one.serial_number: one.revocation_date_utc for one in revoked_list}


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority has signed it."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _leaf(
    authority: Pair,
    subject: x509.Name,
    usage: x509.ObjectIdentifier,
    names: Iterable[x509.GeneralName],
    *,
    now: datetime,
    days: int,
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # No longer than the authority itself is believed.
    ends = min(now + timedelta(days=days), authority.certificate.not_valid_after_utc)
    builder = _builder(subject, authority.certificate.subject, key, now, ends)
    leaf = x509.BasicConstraints(ca=False, path_length=None)
    builder = builder.add_extension(leaf, critical=True)
    builder = builder.add_extension(_usage(signs_others=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(issuer, critical=False)
    hosts = list(names)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_others: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_others,
        key_cert_sign=signs_others,
        crl_sign=signs_others,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not _HOST.fullmatch(host) or ".." in host:
            msg = f"{host!r} is neither an IP address nor a host's name, without a port"
            raise ValueError(msg) from None
        return x509.DNSName(host)
