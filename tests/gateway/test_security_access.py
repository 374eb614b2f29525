"""Who a caller is taken for: by where it is, by a certificate, by a token. No network."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.config.grpc import GrpcSettings
from gateway.security.authority import Pair, issue_client, issue_server, make_authority
from gateway.security.identity import Identity
from gateway.security.material import now
from gateway.security.roles import Role
from gateway.security.tokens import Token, digest_of
from gateway.serve.access import Access, Entry
from gateway.serve.failure import RequestError

NOW = now()
DAY = timedelta(days=1)
HERE, THERE = "ipv4:127.0.0.1:41234", "ipv4:10.1.0.7:41234"
PLAIN = {"transport_security_type": [b"insecure"]}
AUTHORITY = make_authority("test", NOW)
TOKEN = "lamproom_abc"


@pytest.fixture
def access() -> Access:
    return Access(GrpcSettings(local_role="engineer"))


def secure(pair: Pair | None = None) -> dict[str, list[bytes]]:
    shown = {"x509_pem_cert": [pair.certificate_pem]} if pair else {}
    return {"transport_security_type": [b"ssl"], **shown}


def enter(access: Access, peer: str, auth: Any, token: str = "", at: Any = NOW) -> Entry:
    metadata = [("user-agent", "x"), *[("authorization", f"Bearer {token}")] * bool(token)]
    return access.enter(peer, auth, metadata, at, 0.0)


def refused(access: Access, peer: str, auth: Any, token: str = "", at: Any = NOW) -> str:
    with pytest.raises(RequestError) as caught:
        enter(access, peer, auth, token, at)
    assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED
    return caught.value.text


def tokens(*names: str, ends: Any = NOW + DAY) -> list[Token]:
    return [
        Token(Identity(name, Role.OPERATOR), digest_of(f"{TOKEN}{name}"), ends) for name in names
    ]


@pytest.mark.parametrize(
    ("peer", "role"),
    [
        (HERE, Role.ENGINEER),
        ("ipv6:%5B::1%5D:41234", Role.ENGINEER),
        ("ipv6:%5B::ffff:127.0.0.1%5D:41234", Role.ENGINEER),
        (THERE, Role.VIEWER),
        ("ipv6:%5B::ffff:10.1.0.7%5D:41234", Role.VIEWER),
        ("ipv6:%5Bfe80::1%25eth0%5D:41234", Role.VIEWER),
        ("unix:", Role.VIEWER),
        ("", Role.VIEWER),
    ],
)
def test_without_tls_it_counts_whether_a_caller_is_on_this_computer(
    access: Access, peer: str, role: Role
) -> None:
    entry = enter(access, peer, PLAIN)
    assert (entry.caller.name, entry.caller.role) == ("", role)
    assert entry.is_local is (role is Role.ENGINEER)
    assert access.trouble(entry, NOW + 100 * DAY) == ""


def test_a_certificate_says_who_it_is_until_it_ends_or_is_revoked(access: Access) -> None:
    pair = issue_client(AUTHORITY, Identity("张伟", Role.OPERATOR, on_behalf=True), 2, NOW)
    for _ in range(2):  # read anew, and remembered
        entry = enter(access, THERE, secure(pair))
        caller = entry.caller
        assert (caller.name, caller.role, caller.on_behalf) == ("张伟", Role.OPERATOR, True)
        assert not entry.is_local
    assert access.trouble(entry, NOW + DAY) == ""
    assert "has ended" in access.trouble(entry, NOW + 3 * DAY)
    assert "has ended" in refused(access, THERE, secure(pair), at=NOW + 3 * DAY)
    access.use_revoked(frozenset({pair.certificate.serial_number}))
    assert "is revoked" in access.trouble(entry, NOW)
    assert "is revoked" in refused(access, THERE, secure(pair))


def test_a_certificate_that_is_no_clients_is_refused(access: Access) -> None:
    server = issue_server(AUTHORITY, "gw", [], 9, NOW)
    assert "it is no client's" in refused(access, THERE, secure(server))
    assert "'root' is no role" in refused(access, THERE, secure(_of("a", "root")))
    assert "can't be shown" in refused(access, THERE, secure(_of("a\nb", "admin")))
    broken = {"transport_security_type": [b"ssl"], "x509_pem_cert": [b"nothing"]}
    assert refused(access, THERE, broken)


def _of(name: str, unit: str) -> Pair:
    """Another authority's, which takes any subject."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        ]
    )
    builder = x509.CertificateBuilder(
        AUTHORITY.certificate.subject, subject, key.public_key(), 1, NOW - DAY, NOW + DAY
    )
    return Pair(builder.sign(AUTHORITY.key, hashes.SHA256()), key)


def test_over_tls_someone_has_to_say_who_they_are(access: Access) -> None:
    for peer in (HERE, THERE):
        assert "a token is missing" in refused(access, peer, secure())


def test_a_token_says_who_it_is_until_it_ends_or_is_revoked(access: Access) -> None:
    access.use_tokens(tokens("a", "b"))
    entry = enter(access, THERE, secure(), f"{TOKEN}b")
    assert (entry.caller.name, entry.caller.role) == ("b", Role.OPERATOR)
    assert "wrong" in refused(access, THERE, secure(), TOKEN)
    assert "wrong" in refused(access, THERE, secure(), "x" * 10_000)
    assert "has ended" in refused(access, THERE, secure(), f"{TOKEN}b", NOW + 2 * DAY)
    assert "has ended" in access.trouble(entry, NOW + 2 * DAY)
    access.use_tokens(tokens("a"))
    assert "your token is revoked" in access.trouble(entry, NOW)
    assert "wrong, revoked" in refused(access, THERE, secure(), f"{TOKEN}b")


def test_a_token_is_taken_in_plaintext_on_this_computer_alone(access: Access) -> None:
    access.use_tokens(tokens("a"))
    assert enter(access, HERE, PLAIN, f"{TOKEN}a").caller.name == "a"
    assert "over TLS only" in refused(access, THERE, PLAIN, f"{TOKEN}a")


def test_of_another_scheme_is_no_token(access: Access) -> None:
    with pytest.raises(RequestError, match="the token is wrong"):
        access.enter(HERE, PLAIN, [("authorization", "Basic abc")], NOW, 0.0)


def test_a_token_beside_a_certificate_counts_and_both_have_to_be_good(access: Access) -> None:
    pair = issue_client(AUTHORITY, Identity("proxy", Role.VIEWER), 9, NOW)
    access.use_tokens(tokens("a"))
    entry = enter(access, THERE, secure(pair), f"{TOKEN}a")
    assert entry.caller.name == "a"
    assert "wrong" in refused(access, THERE, secure(pair), TOKEN)
    access.use_revoked(frozenset({pair.certificate.serial_number}))
    assert "certificate is revoked" in access.trouble(entry, NOW)
    assert "certificate is revoked" in refused(access, THERE, secure(pair), f"{TOKEN}a")
