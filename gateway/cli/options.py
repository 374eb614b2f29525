"""Options that several commands share, and those of a device that a command is given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gateway.cli.fail import fail

if TYPE_CHECKING:
    from protocols.driver import DriverOptions

_Options = TypeVar("_Options", bound="DriverOptions")

Height = Annotated[
    float | None,
    typer.Option(
        "--height-m",
        help="Height of the cards (z), metres.  [default: 1.0, or 0 where all anchors have z 0]",
    ),
]
Settings = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The filter's settings, a TOML file; else the defaults."),
]
Lag = Annotated[
    float | None,
    typer.Option(metavar="S", help="Smooth with what is heard up to so many seconds later."),
]


def checked(kind: type[_Options], names: Mapping[str, str], **given: object) -> _Options:
    """A device's options, checked as in `devices.toml`; what is None was not given.

    `names` says what a key is called on the command line, where that is not `--key`. Mistakes end
    the command, each on a line.
    """
    from pydantic import ValidationError

    from equipment.wording import problem_of

    try:
        return kind.model_validate({key: one for key, one in given.items() if one is not None})
    except ValidationError as error:
        lines = []
        for item in error.errors():
            key = str(item["loc"][0]) if item["loc"] else ""
            name = names.get(key, f"--{key.replace('_', '-')}") if key else ""
            lines.append(f"{name}: {problem_of(item)}" if name else problem_of(item))
        fail("\n".join(lines))
