"""`lamproom check`: is a mine's folder right, and what would the gateway do with it?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")],
) -> None:
    """Tell every mistake in a mine's folder.

    Each with file, line, key and what would do. Status 1 when there is one, else
    what the gateway would do, in words.
    """
    from equipment.toml_source import ConfigurationError
    from gateway.config.bundle import load
    from gateway.config.summary import summary

    try:
        bundle = load(folder)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            _show(str(mistake))
        raise typer.Exit(1) from None
    _show(summary(bundle))


def _show(text: str) -> None:
    """Prints `text`; what the terminal can't show appears as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    typer.echo(text.encode(encoding, "backslashreplace").decode(encoding))
