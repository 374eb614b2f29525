"""`lamproom explain`: what an alarm family does in a mine, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.fail import fail
from gateway.cli.folder import loaded
from gateway.cli.show import show


def explain(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The mine's folder.")],
    rule: Annotated[
        str, typer.Argument(metavar="[RULE]", help="The alarm family; all of them without.")
    ] = "",
) -> None:
    """Say when an alarm is raised, and who is told."""
    from equipment.toml_source import suggest
    from gateway.config.explain import explain as explain_rule
    from gateway.mine.alarms.families import FAMILIES

    if rule and rule not in FAMILIES:
        hint = suggest(rule, tuple(FAMILIES)) or f"one of {', '.join(FAMILIES)}"
        fail(f"there is no alarm family {rule!r}: {hint}")
    bundle = loaded(folder)
    for name in [rule] if rule else FAMILIES:
        show(explain_rule(bundle, name))
