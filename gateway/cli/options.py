"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
