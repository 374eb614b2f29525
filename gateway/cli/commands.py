"""All commands. Heavy imports are inside them, so that `--help` is quick."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli.anchors import anchors
from gateway.cli.attendance import attendance, exposure
from gateway.cli.audit import audit
from gateway.cli.browse import browse
from gateway.cli.cards import cards
from gateway.cli.certs import certs
from gateway.cli.check import check
from gateway.cli.demo import demo
from gateway.cli.devices import devices
from gateway.cli.doctor import doctor
from gateway.cli.evaluate import evaluate
from gateway.cli.explain import explain
from gateway.cli.hazards import hazards
from gateway.cli.init import init
from gateway.cli.journal import journal
from gateway.cli.listen import listen
from gateway.cli.locate import locate
from gateway.cli.muster import muster
from gateway.cli.probe import probe
from gateway.cli.profile import profile
from gateway.cli.reload import reload
from gateway.cli.run import run
from gateway.cli.sim import sim
from gateway.cli.soak import soak
from gateway.cli.status import status
from gateway.cli.values import values
from gateway.cli.watch import watch

app = typer.Typer(
    name="lamproom",
    help="Underground personnel positioning and intelligent-mining gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"lamproom {version('lamproom')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Underground personnel positioning and intelligent-mining gateway."""


for command in (
    demo,
    init,
    check,
    doctor,
    explain,
    run,
    reload,
    status,
    sim,
    soak,
    watch,
    values,
    devices,
    anchors,
    muster,
    attendance,
    exposure,
    locate,
    evaluate,
):
    app.command()(command)
app.add_typer(audit, name="audit")
app.add_typer(browse, name="browse")
app.add_typer(cards, name="cards")
app.add_typer(certs, name="certs")
app.add_typer(hazards, name="hazards")
app.add_typer(journal, name="journal")
app.add_typer(listen, name="listen")
app.add_typer(profile, name="profile")
app.add_typer(probe, name="probe")
