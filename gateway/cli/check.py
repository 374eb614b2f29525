"""`lamproom check`: is a mine's folder right, and what would the gateway do with it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.show import show


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
            show(str(mistake))
        raise typer.Exit(1) from None
    show(summary(bundle))
