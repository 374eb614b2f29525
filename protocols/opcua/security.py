"""The gateway's certificate, and a secure channel with it."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import cert_gen, security_policies, uacrypto
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from protocols.driver import DeviceError
from protocols.opcua.options import OpcUaOptions

#: Policies of OPC 10000-7 that are not withdrawn, by the word for them in `devices.toml`.
POLICIES: Final = {
    "basic256sha256": security_policies.SecurityPolicyBasic256Sha256,
    "aes128": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "aes256": security_policies.SecurityPolicyAes256Sha256RsaPss,
}

#: A self-signed certificate is trusted by hand, on each server; it should outlive the machine.
CERTIFICATE_DAYS: Final = 20 * 365

CERTIFICATE_FILE: Final = "lamproom.der"
KEY_FILE: Final = "lamproom.pem"


@dataclass(frozen=True, slots=True)
class Identity:
    """The certificate (DER) and private key (PEM or DER) that the gateway shows to a server.

    `application_uri` is the one in the certificate: a server compares them.
    """

    certificate: bytes
    private_key: bytes
    application_uri: str

    @property
    def thumbprint(self) -> str:
        """How servers show a certificate to those who are to trust it (SHA-1, OPC 10000-6)."""
        return hashlib.sha1(self.certificate, usedforsecurity=False).hexdigest()


def load_identity(options: OpcUaOptions) -> Identity:
    """The configured certificate, or a self-signed one: kept in its folder, if one is given.

    Reads and writes files and may take a second to make a key: not for the event loop.

    Raises:
        DeviceError: a file can't be read or written, or is no certificate.
    """
    if options.certificate is not None and options.private_key is not None:
        return _read_identity(options.certificate, options.private_key)
    folder = options.certificate_folder
    if folder is None:
        return _make_identity()
    certificate_file, key_file = folder / CERTIFICATE_FILE, folder / KEY_FILE
    if certificate_file.exists() and key_file.exists():
        return _read_identity(certificate_file, key_file)
    identity = _make_identity()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_bytes(identity.private_key)
        certificate_file.write_bytes(identity.certificate)
    except OSError as error:
        msg = f"the self-signed certificate can't be kept in {folder}: {error}"
        raise DeviceError(msg) from error
    return identity


def _make_identity() -> Identity:
    host = socket.gethostname()
    uri = f"urn:{host}:lamproom"
    key = cert_gen.generate_private_key()
    certificate = cert_gen.generate_self_signed_app_certificate(
        key,
        f"lamproom@{host}",
        {},
        [x509.UniformResourceIdentifier(uri), x509.DNSName(host)],
        [ExtendedKeyUsageOID.CLIENT_AUTH],
        CERTIFICATE_DAYS,
    )
    return Identity(
        certificate.public_bytes(Encoding.DER), cert_gen.dump_private_key_as_pem(key), uri
    )


def _read_identity(certificate_file: Path, key_file: Path) -> Identity:
    certificate = read_certificate(certificate_file)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    if not uris:
        msg = (
            f"the certificate {certificate_file} names no application URI (subjectAltName URI), "
            "which OPC UA asks for: make one that does"
        )
        raise DeviceError(msg)
    return Identity(certificate.public_bytes(Encoding.DER), read_file(key_file), uris[0])


def read_certificate(file: Path) -> x509.Certificate:
    """The certificate in `file`, DER or PEM. Raises DeviceError where there is none."""
    content = read_file(file)
    try:
        if content.startswith(b"-----"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        msg = f"{file} is not a certificate (DER or PEM): {error}"
        raise DeviceError(msg) from error


def read_file(file: Path) -> bytes:
    """The bytes of a configured file. Raises DeviceError where it can't be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        msg = f"{file} can't be read: {error.strerror}"
        raise DeviceError(msg) from error


async def secure(client: Client, options: OpcUaOptions, identity: Identity) -> None:
    """Sets up signing and encryption on a client that isn't connected yet.

    Asks the server for its certificate, over a connection of its own.

    Raises:
        DeviceError: the server doesn't offer the wanted security, or is not the expected one.
        OSError, TimeoutError, UaError: it can't be asked.
    """
    policy = POLICIES[options.security]
    mode = ua.MessageSecurityMode.SignAndEncrypt
    endpoints = await client.connect_and_get_server_endpoints()
    fitting = [e for e in endpoints if (e.SecurityMode, e.SecurityPolicyUri) == (mode, policy.URI)]
    if not fitting:
        names = sorted({_endpoint_name(endpoint) for endpoint in endpoints})
        msg = (
            f"the server offers no endpoint with security {options.security} (SignAndEncrypt); "
            f"it offers {', '.join(names) or 'none'}: enable it there or change security"
        )
        raise DeviceError(msg)
    shown = _first_certificate(fitting[0].ServerCertificate)
    if options.server_certificate is not None:
        expected = read_certificate(options.server_certificate).public_bytes(Encoding.DER)
        if shown != expected:
            found = hashlib.sha1(shown, usedforsecurity=False).hexdigest()
            msg = (
                f"the server shows another certificate (thumbprint {found}) than "
                f"{options.server_certificate}: it is another server, or got a new certificate"
            )
            raise DeviceError(msg)
    client.application_uri = identity.application_uri
    pem = identity.private_key.startswith(b"-----")
    await client.set_security(
        policy,  # type: ignore[type-abstract]  # it isn't: the base class is marked by mistake
        uacrypto.CertProperties(identity.certificate, extension="der"),
        uacrypto.CertProperties(identity.private_key, extension="pem" if pem else "der"),
        server_certificate=uacrypto.CertProperties(shown, extension="der"),
        mode=mode,
    )


def _first_certificate(chain: bytes | None) -> bytes:
    """The server's own certificate; some send those of its issuers behind it."""
    certificate = uacrypto.x509_from_der(chain)  # type: ignore[no-untyped-call]  # the library's
    if certificate is None:
        msg = "the server offers security but shows no certificate: give it one"
        raise DeviceError(msg)
    return bytes(certificate.public_bytes(Encoding.DER))


def _endpoint_name(endpoint: ua.EndpointDescription) -> str:
    return f"{endpoint.SecurityPolicyUri.rpartition('#')[2]} {endpoint.SecurityMode.name}"
