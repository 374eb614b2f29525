"""JSON Pointers (RFC 6901): where in a JSON document a value is."""

from __future__ import annotations

import re
from typing import Final

#: A `~` stands only for what `~0` and `~1` mean (clause 3).
_LONE_TILDE: Final = re.compile("~(?![01])")


def split_pointer(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a pointer, unescaped; none for "", the whole document.

    Raises:
        ValueError: it is no JSON Pointer.
    """
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        msg = f"{pointer!r} is no JSON Pointer: begin it with '/', as in \"/data/0/value\""
        raise ValueError(msg)
    if _LONE_TILDE.search(pointer):
        msg = f"{pointer!r} is no JSON Pointer: write ~0 for '~' and ~1 for '/' in a name"
        raise ValueError(msg)
    # In this order: "~01" is "~1" (clause 4).
    tokens = pointer[1:].split("/")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)


def check_pointer(pointer: str) -> str:
    """`pointer` as it is. Raises ValueError where it is no JSON Pointer."""
    split_pointer(pointer)
    return pointer
