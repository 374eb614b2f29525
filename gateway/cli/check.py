"""`lamproom check`: is a mine's folder right, and what would the gateway do with it?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def check(
    folder: Annotated[Path, typer.Argument(help="The mine's configuration folder.")],
) -> None:
    """Check the mine in FOLDER: tell every mistake, with file, line, key and what would do."""
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
