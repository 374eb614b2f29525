"""How texts and times are shown on a terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Final

import typer

_NS_PER_S: Final = 1_000_000_000


def show(text: str) -> None:
    """Prints `text`; what the terminal can't show appears as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    typer.echo(text.encode(encoding, "backslashreplace").decode(encoding))


def plain(text: str) -> str:
    """`text` on one line: nothing in it can move the cursor or look like another line."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def iso(t_ns: int) -> str:
    """A time in UTC, to the microsecond."""
    seconds, rest_ns = divmod(t_ns, _NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
