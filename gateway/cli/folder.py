"""A mine's folder as commands take it: its configuration, its mistakes, its gateway's address."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from gateway.cli.fail import fail
from gateway.cli.show import show
from gateway.cli.watch import ADDRESS

if TYPE_CHECKING:
    from equipment.toml_source import Mistake
    from gateway.config.bundle import Bundle


def loaded(folder: Path) -> Bundle:
    """The configuration of a folder; where it has mistakes they are told, and the command ends."""
    from equipment.toml_source import ConfigurationError
    from gateway.config.bundle import load

    try:
        return load(folder)
    except ConfigurationError as error:
        end_with(error.mistakes)


def end_with(mistakes: Iterable[Mistake]) -> NoReturn:
    """Prints the mistakes, one a line, and ends the command with status 1."""
    for mistake in mistakes:
        show(str(mistake))
    raise typer.Exit(1)


def address_of(where: str) -> str:
    """Where the gateway is reached that `where` names, by its address or the mine's folder."""
    if ADDRESS.fullmatch(where):
        return where
    if not where or not Path(where).is_dir():
        fail(
            f"{where!r} is neither an address nor a mine's folder: write HOST:PORT, such as "
            "127.0.0.1:50051"
        )
    from equipment.toml_source import ConfigurationError
    from gateway.config.bundle import grpc_address_of

    try:
        return grpc_address_of(Path(where))
    except ConfigurationError as error:
        fail(str(error))
