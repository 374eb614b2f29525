"""`lamproom soak`: the core against a simulated mine in virtual time, checked at every step."""

from __future__ import annotations

import gc
import json
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.fail import fail

if TYPE_CHECKING:
    from gateway.soak.plan import SoakSettings
    from gateway.soak.run import Outcome

#: So rarely it is looked for cycles: events and alarms have none, and of those that live there are
#: more and more.
_GC_RARELY: Final = (100_000, 50, 50)


def soak(
    hours: Annotated[float, typer.Option(min=0.01, help="How long, in the mine's time.")] = 1.0,
    people: Annotated[int, typer.Option(min=1, max=8000, help="How many carry a card.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other days and faults.")] = 1,
    shift_h: Annotated[
        float, typer.Option(min=0.2, max=8, help="How long a shift is; shorter: more ways.")
    ] = 8.0,
    *,
    borders: Annotated[
        bool, typer.Option("--borders", help="Everyone walks to and fro at zones' borders.")
    ] = False,
    only: Annotated[
        str, typer.Option(metavar="CARDS", help="The core hears only these, comma between.")
    ] = "",
    without: Annotated[
        str, typer.Option(metavar="KINDS", help="Kinds of faults to leave out, or `all`.")
    ] = "",
    shadow_every: Annotated[
        int, typer.Option(min=0, metavar="S", help="New second cores go along every S steps.")
    ] = 0,
    expect: Annotated[
        str,
        typer.Option(metavar="DIGEST", help="Of a run of before: nothing may be told otherwise."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="End with a line of JSON.")] = False,
) -> None:
    """Run the core for hours of a simulated mine.

    What it tells is compared with what must always hold, and with where everyone truly is.
    Status 1 where anything is wrong; then the command that repeats it is shown. Who changes the
    core and means to change nothing that it tells gives the digest of a run of before.
    """
    from gateway.soak.plan import SoakSettings

    settings = SoakSettings(
        hours=hours,
        people=people,
        seed=seed,
        shift_h=shift_h,
        borders=borders,
        only=tuple(filter(None, only.split(","))),
        without=_left_out(without),
        shadow_every=shadow_every,
    )
    if set(settings.only) - set(settings.cards):
        fail(f"--only: the cards are {settings.cards[0]} to {settings.cards[-1]}")
    outcome, wall_s = _timed(settings)
    _show(outcome, wall_s)
    if outcome.violations:
        _show_violations(outcome)
    if as_json:
        typer.echo(json.dumps(_summary(outcome, wall_s)))
    is_same = not expect or outcome.digest == expect
    if not is_same:
        typer.echo(f"expected the digest {expect}: something is told otherwise", err=True)
    if outcome.violations or not is_same:
        raise typer.Exit(1)


def _timed(settings: SoakSettings) -> tuple[Outcome, float]:
    """What comes of a run, and how long it takes, seconds."""
    from gateway.soak.run import run

    gc.set_threshold(*_GC_RARELY)
    start_s = time.perf_counter()
    return run(settings), time.perf_counter() - start_s


def _left_out(without: str) -> frozenset[str]:
    from gateway.soak.faults import KINDS

    off = frozenset(KINDS) if without == "all" else frozenset(filter(None, without.split(",")))
    if off - KINDS.keys():
        fail(f"--without {', '.join(sorted(off - KINDS.keys()))}: choose of {', '.join(KINDS)}")
    return off


def _show(outcome: Outcome, wall_s: float) -> None:
    hours = outcome.seconds / 3600
    typer.echo(
        f"{hours:g} h of {outcome.settings.people} people, {outcome.below_mean:.0f} below on "
        f"average, in {wall_s:.0f} s: {outcome.steps} steps, {outcome.restarts} restarts, "
        f"{outcome.events} events, {outcome.false_pairs} false pairs"
    )
    raised = ", ".join(f"{count} {rule}" for rule, count in sorted(outcome.raised.items()))
    typer.echo(f"alarms: {raised or 'none'}")
    typer.echo(f"places compared with the truth: {outcome.judged_share:.0%} of all")
    typer.echo(f"digest of all events: {outcome.digest}")


def _show_violations(outcome: Outcome) -> None:
    from gateway.soak.run import run
    from gateway.soak.shrink import shrink

    typer.echo(f"seed {outcome.settings.seed}: {len(outcome.violations)} laws broken", err=True)
    for violation in outcome.violations:
        typer.echo(violation.text(), err=True)
    typer.echo(f"repeat it:  {outcome.settings.command()}", err=True)
    shorter = shrink(outcome, run)
    typer.echo(f"in short:   {shorter.command()}", err=True)


def _summary(outcome: Outcome, wall_s: float) -> dict[str, object]:
    return {
        "violations": len(outcome.violations),
        "false_pairs": outcome.false_pairs,
        "hours": outcome.seconds / 3600,
        "people": outcome.settings.people,
        "below_mean": round(outcome.below_mean, 1),
        "seed": outcome.settings.seed,
        "wall_s": round(wall_s, 1),
        "steps": outcome.steps,
        "events": outcome.events,
        "restarts": outcome.restarts,
        "reloads": outcome.reloads,
        "judged": round(outcome.judged_share, 3),
        "raised": dict(sorted(outcome.raised.items())),
        "told": dict(sorted(outcome.told.items())),
        "acts": dict(sorted(outcome.acts.items())),
        "digest": outcome.digest,
    }
