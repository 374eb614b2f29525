"""How texts and times are shown on a terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name; UTC where this computer does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def local(t_ns: int, zone: tzinfo) -> str:
    """A time in a zone, with how far that is from UTC, to the second."""
    return datetime.fromtimestamp(t_ns // _NS_PER_S, zone).isoformat(sep=" ")


def iso(t_ns: int) -> str:
    """A time in UTC, to the microsecond."""
    seconds, rest_ns = divmod(t_ns, _NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def size(count: float) -> str:
    """Bytes as people say them: 1.2 GB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
