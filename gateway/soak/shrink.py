"""Makes a run that failed shorter: fewer cards, fewer kinds of faults, no longer than needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from gateway.soak.faults import KINDS
from gateway.soak.plan import SoakSettings
from gateway.soak.run import Outcome

#: How much is tried at most, as a multiple of the run that failed.
EFFORT_MOST: Final = 3.0
#: What goes on after the step that failed, seconds.
REST_S: Final = 2


def shrink(failed: Outcome, run: Callable[[SoakSettings], Outcome]) -> SoakSettings:
    """The smallest settings found with which the same law is broken still."""
    law = failed.violations[0].complaint.law
    best = _cut(failed.settings, failed, law)
    left_s = failed.seconds * EFFORT_MOST
    for change in _changes(failed):
        trial = change(best)
        left_s -= trial.hours * 3600.0
        if left_s < 0.0:
            break
        outcome = run(trial)
        if any(violation.complaint.law == law for violation in outcome.violations):
            best = _cut(trial, outcome, law)
    return best


def _cut(settings: SoakSettings, outcome: Outcome, law: str) -> SoakSettings:
    """No longer than until the law was broken."""
    seconds = (v.second for v in outcome.violations if v.complaint.law == law)
    return replace(settings, hours=min((next(seconds) + REST_S) / 3600.0, settings.hours))


def _changes(failed: Outcome) -> Iterator[Callable[[SoakSettings], SoakSettings]]:
    card = failed.violations[0].complaint.card
    if card:
        yield lambda best: replace(best, only=(card,))
    cards = failed.settings.only or failed.settings.cards
    for part in () if card else (cards[: len(cards) // 2], cards[len(cards) // 2 :]):
        yield lambda best, part=part: replace(best, only=part)  # type: ignore[misc] # a default
    yield lambda best: replace(best, without=frozenset(KINDS))
    for kind in KINDS:
        yield lambda best, kind=kind: replace(  # type: ignore[misc] # a default binds it
            best, without=best.without | {kind}
        )
