"""How a command ends when its user has made a mistake: what is wrong, status 1, no traceback."""

from __future__ import annotations

from typing import NoReturn

import typer


def fail(text: str) -> NoReturn:
    """Prints `text` on standard error and ends the command with status 1."""
    typer.echo(text, err=True)
    raise typer.Exit(1)
