"""Who a certificate is for: a name, a role, and whether it speaks for others.

The subject says so: CN is the name, the first OU the role, and a second OU `on-behalf` marks a
program that acts for people who have logged in at it, whose names it sends. In the subject and not
in an extension of our own, so that every tool shows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.security.roles import Role, role_of

ON_BEHALF: Final = "on-behalf"
#: X.509 takes no longer common name.
NAME_MOST: Final = 64
#: Letters of any script, so that people can be called as they are. A name is a file's name too.
_NAME: Final = re.compile(rf"\w[\w.-]{{0,{NAME_MOST - 1}}}")
#: Files of the folder of certificates that are no one's own.
RESERVED: Final = frozenset({"ca", "issued", "revoked", "tokens"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Someone, or a program, that is known."""

    name: str
    role: Role
    #: It may act under other names than its own.
    on_behalf: bool = False


def check_name(name: str) -> str:
    """The name. Raises ValueError where nobody can be called so."""
    if not _NAME.fullmatch(name):
        msg = (
            f"{name!r} is no name: write 1 to {NAME_MOST} letters, digits, '_', '.' and '-', "
            "of which the first is a letter or digit"
        )
        raise ValueError(msg)
    if name.lower() in RESERVED:
        msg = f"{name!r} is the name of a file of the authority's own: take another"
        raise ValueError(msg)
    return name


def subject_of(identity: Identity) -> x509.Name:
    """The subject of a client's certificate."""
    units = [identity.role.word, *[ON_BEHALF] * identity.on_behalf]
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, identity.name),
            *(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units),
        ]
    )


def identity_of(certificate: x509.Certificate) -> Identity:
    """Whom a client's certificate is for. Raises ValueError where it says no name or role."""
    names = _values(certificate, NameOID.COMMON_NAME)
    units = _values(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME)
    if len(names) != 1 or not units:
        msg = "the certificate's subject has no name (CN) and role (OU): it is no client's"
        raise ValueError(msg)
    # Of another authority: any name that can be shown on one line.
    if not names[0].strip() or not names[0].isprintable():
        msg = f"the certificate's name (CN) {names[0]!r} can't be shown"
        raise ValueError(msg)
    return Identity(names[0], role_of(units[0]), ON_BEHALF in units[1:])


def name_of(certificate: x509.Certificate) -> str:
    """The common name, of a server's certificate as well."""
    return (_values(certificate, NameOID.COMMON_NAME) or ("",))[0]


def _values(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    found = certificate.subject.get_attributes_for_oid(oid)
    return tuple(str(one.value) for one in found)
