"""Names of tags in a Logix controller, as its programming software writes them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Letters of a tag with all its members: what a request can name, with room to spare.
TAG_LETTERS_MOST: Final = 400

#: Bits of the widest whole number (LINT).
BITS_MOST: Final = 64

#: A program's scope, a module's (`Local:1:I`), a tag or a member; with up to three indices.
_PART: Final = re.compile(
    r"([A-Za-z_][A-Za-z0-9_]{0,39}(?::[A-Za-z0-9_]{1,40})*)(?:\[(\d{1,9}(?:,\d{1,9}){0,2})\])?"
)


@dataclass(frozen=True, slots=True)
class LogixTag:
    """A tag, an element of an array, or a member of a structure; maybe one bit of it.

    `parts` are its names from the outside in, each with the indices that follow it.
    """

    parts: tuple[tuple[str, tuple[int, ...]], ...]
    bit: int | None = None


def parse_tag(text: str) -> LogixTag:
    """Reads `Program:Main.Drive[3].Status.5`.

    Raises:
        ValueError: it is no such name; the text says why.
    """
    if len(text) > TAG_LETTERS_MOST:
        msg = f"tag has {len(text)} letters; at most {TAG_LETTERS_MOST} can be asked for"
        raise ValueError(msg)
    *names, last = text.split(".")
    bit = int(last) if names and last.isascii() and last.isdigit() and len(last) <= 3 else None
    if bit is None:
        names.append(last)
    elif bit >= BITS_MOST:
        msg = f"tag {text!r}: there is no bit {bit}, 63 is the highest of the widest number"
        raise ValueError(msg)
    parts = []
    for name in names:
        found = _PART.fullmatch(name)
        if found is None:
            msg = (
                f"tag {text!r}: {name!r} is no name (write it as the controller's software does: "
                "Tag, Array[3], Tag.Member, Tag.5 for a bit, Program:Main.Tag)"
            )
            raise ValueError(msg)
        indices = tuple(map(int, found[2].split(","))) if found[2] else ()
        parts.append((found[1], indices))
    return LogixTag(tuple(parts), bit)
