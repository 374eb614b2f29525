"""The gateway's certificate: made once, kept, read back, and told apart from what is none."""

from pathlib import Path

import pytest
from asyncua.crypto import cert_gen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from protocols.driver import DeviceError
from protocols.opcua.options import OpcUaOptions
from protocols.opcua.security import CERTIFICATE_FILE, KEY_FILE, load_identity


def options(**files: Path) -> OpcUaOptions:
    words = {"url": "opc.tcp://10.0.0.5", "root": "a", "security": "aes256"}
    return OpcUaOptions.model_validate(words | files)


def test_a_pair_is_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "pki"
    first = load_identity(options(certificate_folder=folder))
    assert load_identity(options(certificate_folder=folder)) == first
    assert (folder / KEY_FILE).stat().st_mode & 0o077 == 0
    certificate = x509.load_der_x509_certificate((folder / CERTIFICATE_FILE).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [first.application_uri]
    assert len(first.thumbprint) == 40


def test_a_pair_without_a_folder_lasts_as_long_as_its_owner() -> None:
    assert load_identity(options()) != load_identity(options())


def test_a_pem_certificate_of_the_site_is_used(tmp_path: Path) -> None:
    made = load_identity(options())
    certificate = x509.load_der_x509_certificate(made.certificate)
    (tmp_path / "site.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "site.key").write_bytes(made.private_key)
    read = load_identity(
        options(certificate=tmp_path / "site.pem", private_key=tmp_path / "site.key")
    )
    assert read == made


def test_a_certificate_without_application_uri_is_refused(tmp_path: Path) -> None:
    key = cert_gen.generate_private_key()
    certificate = cert_gen.generate_self_signed_app_certificate(
        key, "site", {}, [x509.DNSName("site")], [ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    (tmp_path / "site.der").write_bytes(certificate.public_bytes(Encoding.DER))
    (tmp_path / "site.key").write_bytes(cert_gen.dump_private_key_as_pem(key))
    with pytest.raises(DeviceError, match="names no application URI"):
        load_identity(options(certificate=tmp_path / "site.der", private_key=tmp_path / "site.key"))


def test_what_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "site.der").write_bytes(b"not one")
    with pytest.raises(DeviceError, match=r"site\.der is not a certificate"):
        load_identity(options(certificate=tmp_path / "site.der", private_key=tmp_path / "x"))
    with pytest.raises(DeviceError, match=r"none\.der can't be read: No such file"):
        load_identity(options(certificate=tmp_path / "none.der", private_key=tmp_path / "x"))


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeviceError, match="can't be kept in"):
        load_identity(options(certificate_folder=tmp_path / "file" / "pki"))
