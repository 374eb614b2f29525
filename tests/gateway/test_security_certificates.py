"""The folder of certificates: what is issued, who may read it, what is renewed and revoked."""

import ipaddress
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.security.authority import CA_DAYS, hosts_of, is_issued_by, make_authority
from gateway.security.folder import CertificateError, CertificateFolder
from gateway.security.identity import Identity, check_name, identity_of, subject_of
from gateway.security.material import TlsFiles, now, read_material
from gateway.security.roles import Role, role_of
from gateway.security.tokens import PREFIX, Token, digest_of, find, parse, write

NOW = now()


@pytest.fixture
def kept(tmp_path: Path) -> CertificateFolder:
    kept = CertificateFolder(tmp_path / "certs")
    kept.begin("140100000001", ["gw.mine.example", "10.1.0.2"], 365, NOW)
    return kept


def files_of(kept: CertificateFolder) -> TlsFiles:
    names = ("server.pem", "server.key", "ca.pem", "revoked.pem")
    return TlsFiles(*(kept.folder / name for name in names))


def test_an_authority_signs_leaves_and_no_other_authority(kept: CertificateFolder) -> None:
    ca = x509.load_pem_x509_certificate((kept.folder / "ca.pem").read_bytes())
    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    assert ca.not_valid_after_utc - NOW.replace(microsecond=0) == timedelta(days=CA_DAYS)


def test_a_servers_certificate_names_its_hosts_and_this_computer(kept: CertificateFolder) -> None:
    server = kept.newest("server")
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gw.mine.example", "localhost"]
    addresses = [ipaddress.ip_address(one) for one in ("10.1.0.2", "127.0.0.1", "::1")]
    assert names.get_values_for_type(x509.IPAddress) == addresses
    usage = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    with pytest.raises(ValueError, match="it is no client's"):
        identity_of(server)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("on_behalf", [False, True])
def test_a_clients_certificate_says_who_it_is(
    kept: CertificateFolder, role: Role, *, on_behalf: bool
) -> None:
    who = Identity("张伟", role, on_behalf)
    pair = kept.issue(who, 90, NOW)
    assert identity_of(pair.certificate) == who
    assert is_issued_by(pair.certificate, kept_ca(kept))
    assert not is_issued_by(pair.certificate, make_authority("other", NOW).certificate)
    key = pair.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    usage = pair.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert pair.certificate.subject == subject_of(who)


def kept_ca(kept: CertificateFolder) -> x509.Certificate:
    return x509.load_pem_x509_certificate((kept.folder / "ca.pem").read_bytes())


def test_serial_numbers_are_random(kept: CertificateFolder) -> None:
    serials = {kept.renew("server", 30, NOW).certificate.serial_number for _ in range(20)}
    assert len(serials) == 20
    assert min(one.bit_length() for one in serials) > 100


def test_keys_and_tokens_are_their_owners_alone(kept: CertificateFolder) -> None:
    kept.issue(Identity("chief", Role.ADMIN), 30, NOW)
    kept.add_token(Identity("screen", Role.VIEWER), NOW + timedelta(days=1))
    for file in (*kept.folder.glob("*.key"), kept.folder / "tokens.toml"):
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert not list(kept.folder.glob(".*"))


def test_no_leaf_outlives_its_authority(kept: CertificateFolder) -> None:
    late = NOW + timedelta(days=CA_DAYS - 10)
    pair = kept.issue(Identity("chief", Role.ADMIN), 365, late)
    assert pair.certificate.not_valid_after_utc == kept_ca(kept).not_valid_after_utc


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b",
        "../a",
        ".a",
        "-a",
        "a b",
        "a\n",
        "ca",
        "CA",
        "tokens",
        "revoked",
        "issued",
        "x" * 65,
    ],
)
def test_what_is_no_name_is_refused(kept: CertificateFolder, name: str) -> None:
    with pytest.raises(CertificateError, match=r"take another|is no name"):
        kept.issue(Identity(name, Role.VIEWER), 30, NOW)


@pytest.mark.parametrize("host", ["", "a b", "a:1", "gw..example", "-a", "http://a", "10.1.0.2:5"])
def test_what_is_no_host_is_refused(tmp_path: Path, host: str) -> None:
    kept = CertificateFolder(tmp_path / "certs")
    with pytest.raises(CertificateError, match="neither an IP address nor a host's name"):
        kept.begin("140100000001", [host], 365, NOW)
    assert not kept.folder.exists()


def test_a_second_authority_is_refused(kept: CertificateFolder) -> None:
    before = (kept.folder / "ca.pem").read_bytes()
    with pytest.raises(CertificateError, match="there is an authority already"):
        kept.begin("140100000001", [], 365, NOW)
    assert (kept.folder / "ca.pem").read_bytes() == before


def test_a_name_has_one_certificate_until_it_is_revoked(kept: CertificateFolder) -> None:
    who = Identity("chief", Role.ADMIN)
    kept.issue(who, 30, NOW)
    with pytest.raises(CertificateError, match="has a certificate: renew it"):
        kept.issue(who, 30, NOW)
    kept.revoke("chief", NOW)
    assert kept.issue(who, 30, NOW).certificate.serial_number not in kept.revoked()


def test_a_renewed_certificate_is_of_the_same_with_another_key(kept: CertificateFolder) -> None:
    who = Identity("control-room", Role.OPERATOR, on_behalf=True)
    old = kept.issue(who, 30, NOW)
    new = kept.renew("control-room", 90, NOW)
    assert identity_of(new.certificate) == who
    assert new.key.public_key() != old.key.public_key()
    assert hosts_of(kept.renew("server", 30, NOW).certificate) == (
        "gw.mine.example", "10.1.0.2", "localhost", "127.0.0.1", "::1",
    )  # fmt: skip
    states = [(one.name, one.state(NOW)) for one in kept.issued()]
    assert sorted(states) == [
        ("control-room", "good"), ("control-room", "renewed"),
        ("server", "ends soon"), ("server", "renewed"),
    ]  # fmt: skip
    assert (
        read_material(files_of(kept)).certificate_pem == (kept.folder / "server.pem").read_bytes()
    )


def test_what_a_name_ever_had_is_revoked(kept: CertificateFolder) -> None:
    who = Identity("chief", Role.ADMIN)
    had = [kept.issue(who, 30, NOW), kept.renew("chief", 30, NOW)]
    kept.add_token(who, NOW + timedelta(days=1))
    kept.add_token(Identity("screen", Role.VIEWER), NOW + timedelta(days=1))
    assert kept.revoke("chief", NOW) == (2, 1)
    assert set(kept.revoked()) == {one.certificate.serial_number for one in had}
    assert [one.identity.name for one in kept.tokens()] == ["screen"]
    with pytest.raises(CertificateError, match="all that it had is revoked already"):
        kept.revoke("chief", NOW)
    with pytest.raises(CertificateError, match="nothing was issued to it"):
        kept.revoke("chieff", NOW)
    with pytest.raises(CertificateError, match="is revoked: issue a new one"):
        kept.renew("chief", 30, NOW)


def test_issuing_needs_the_authoritys_own_key(kept: CertificateFolder, tmp_path: Path) -> None:
    other = CertificateFolder(tmp_path / "other")
    other.begin("140100000001", [], 365, NOW)
    key = kept.folder / "ca.key"
    key.write_bytes((other.folder / "ca.key").read_bytes())
    with pytest.raises(CertificateError, match=r"not the key of ca\.pem"):
        kept.issue(Identity("chief", Role.ADMIN), 30, NOW)
    key.unlink()
    with pytest.raises(CertificateError, match="the authority's key is not here"):
        kept.issue(Identity("chief", Role.ADMIN), 30, NOW)
    assert kept.issued()  # the rest goes on without it


def test_a_revocation_list_of_another_authority_is_refused(
    kept: CertificateFolder, tmp_path: Path
) -> None:
    other = CertificateFolder(tmp_path / "other")
    other.begin("140100000001", [], 365, NOW)
    (kept.folder / "revoked.pem").write_bytes((other.folder / "revoked.pem").read_bytes())
    with pytest.raises(CertificateError, match="not signed by the authority"):
        read_material(files_of(kept))


@pytest.mark.parametrize("name", ["server.pem", "server.key", "ca.pem", "revoked.pem"])
def test_what_is_missing_or_torn_is_named(kept: CertificateFolder, name: str) -> None:
    file = kept.folder / name
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(CertificateError, match=name):
        read_material(files_of(kept))
    file.unlink()
    with pytest.raises(CertificateError, match=name):
        read_material(files_of(kept))


def test_the_end_of_a_certificate_is_told_30_days_ahead(kept: CertificateFolder) -> None:
    material = read_material(files_of(kept))
    assert material.warnings(NOW) == []
    (warning,) = material.warnings(NOW + timedelta(days=340))
    assert "ends in 24 days" in warning or "ends in 25 days" in warning
    assert "lamproom certs renew DIR server" in warning
    assert len(material.warnings(NOW + timedelta(days=CA_DAYS))) == 2


def test_tokens_are_kept_by_their_sha_256_alone(kept: CertificateFolder) -> None:
    who = Identity("screen", Role.VIEWER)
    token = kept.add_token(who, NOW + timedelta(days=1))
    assert token.startswith(PREFIX)
    assert len(token) > 50
    text = (kept.folder / "tokens.toml").read_text()
    assert token not in text
    assert digest_of(token) in text
    (one,) = kept.tokens()
    assert one.identity == who
    assert find(kept.tokens(), token) == one
    assert find(kept.tokens(), token + "x") is None
    assert find(kept.tokens(), "") is None


def _is_name(name: str) -> bool:
    try:
        return bool(check_name(name))
    except ValueError:
        return False


@given(
    st.lists(
        st.builds(
            Token,
            st.builds(
                Identity,
                st.text("ab9张_.-", min_size=1).filter(_is_name),
                st.sampled_from(Role),
                st.booleans(),
            ),
            st.binary(min_size=32, max_size=32).map(bytes.hex),
            st.just(NOW.replace(microsecond=0)),
        )
    )
)
def test_tokens_that_are_written_are_read(tokens: list[Token]) -> None:
    assert list(parse(write(tokens))) == tokens


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("token = 1", "token"),
        ('[[token]]\nname = "a"', "role"),
        ('[[token]]\nname = "a"\nrole = "boss"', "is no role: write viewer, operator"),
        ("[[token]", "Expected"),
    ],
)
def test_a_file_of_tokens_with_mistakes_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(text)


def test_roles_are_said_in_words() -> None:
    assert [role_of(role.word) for role in Role] == list(Role)
    with pytest.raises(ValueError, match="is no role: write viewer, operator, engineer or admin"):
        role_of("root")
