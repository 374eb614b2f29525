"""Tokens: who has which, by the SHA-256 of each. The tokens themselves are kept by nobody here.

A token is 32 random bytes, so that its plain SHA-256 tells nothing: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from gateway.config.section import Section
from gateway.security.identity import Identity, check_name
from gateway.security.roles import role_of

#: What a token begins with, so that scanners for secrets find one that has got into a file.
PREFIX: Final = "lamproom_"
#: Random bytes of a token.
_RANDOM_BYTES: Final = 32
#: Each call compares with all of them: a mine has some dozens.
TOKENS_MOST: Final = 1000
#: What tokens.toml begins with.
_HEAD: Final = """\
# Tokens of callers: only their SHA-256 is kept. Written by `lamproom certs token` and `revoke`.
"""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept."""

    identity: Identity
    sha256: str
    ends: datetime


def _hex(text: str) -> str:
    if not _SHA256.fullmatch(text):
        msg = "must be a SHA-256, 64 hexadecimal digits"
        raise ValueError(msg)
    return text


def _role(word: str) -> str:
    return role_of(word).word


class _Entry(Section):
    """A `[[token]]`."""

    name: Annotated[str, AfterValidator(check_name)]
    role: Annotated[str, AfterValidator(_role)]
    on_behalf: bool = False
    sha256: Annotated[str, AfterValidator(_hex)]
    ends: AwareDatetime


class _File(Section):
    """All of tokens.toml."""

    token: Annotated[tuple[_Entry, ...], Field(strict=False, max_length=TOKENS_MOST)] = ()


def new_token() -> str:
    """A token that nobody has had before."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def find(tokens: Sequence[Token], given: str) -> Token | None:
    """The token that is given. Takes as long whichever it is, and whether it is there."""
    digest, found = digest_of(given), None
    for one in tokens:
        if hmac.compare_digest(one.sha256, digest):
            found = one
    return found


def parse(text: str) -> tuple[Token, ...]:
    """The tokens of a tokens.toml. Raises ValueError: what is wrong with it."""
    try:
        read = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{where}: {first['msg']}"
        raise ValueError(msg) from None
    return tuple(
        Token(Identity(one.name, role_of(one.role), one.on_behalf), one.sha256, one.ends)
        for one in read.token
    )


def write(tokens: Sequence[Token]) -> str:
    """A tokens.toml with these tokens."""
    return _HEAD + "".join(map(_entry, tokens))


def _entry(token: Token) -> str:
    who = token.identity
    lines = [
        "",
        "[[token]]",
        f'name = "{who.name}"',
        f'role = "{who.role.word}"',
        *["on_behalf = true"] * who.on_behalf,
        f'sha256 = "{token.sha256}"',
        f"ends = {token.ends.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    ]
    return "\n".join(lines) + "\n"
