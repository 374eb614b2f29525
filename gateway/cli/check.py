"""`lamproom check`: is a mine's folder right, and what would the gateway do with it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.folder import loaded
from gateway.cli.show import show


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")],
) -> None:
    """Tell every mistake in a mine's folder.

    Each with file, line, key and what would do. Status 1 when there is one, else
    what the gateway would do, in words.
    """
    bundle = loaded(folder)
    from gateway.config.summary import summary

    show(summary(bundle))
