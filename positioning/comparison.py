"""Two outputs for the same cards and times, fix by fix: did a change make them better?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.accuracy import Errors
from positioning.consistency import Z_95, independent_count

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_NAN: Final = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Errors of two outputs at the same times of the same cards: `difference_m` (n,), new less old.

    `independent`: how many independent samples the differences are worth.
    """

    difference_m: Floats
    independent: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a change did, fix by fix; NaN where there are no pairs.

    `better`, `worse`: the shares of fixes that came nearer to the truth, and less near.
    `difference_m`: the mean change of the error, negative where it is better, and `margin_m` how
    much of that may be chance (95 %, over as many independent samples as the pairs are worth).
    """

    pairs: int
    better: float
    worse: float
    difference_m: float
    margin_m: float


def pairs_of_run(new: Errors, old: Errors) -> Pairs:
    """Pairs the errors of one run by card and time; of several at one time the last one counts."""
    parts, independent = [], 0.0
    for card in np.intersect1d(new.fixes["card"], old.fixes["card"]):
        (new_ns, new_m), (old_ns, old_m) = (_last_errors(side, card) for side in (new, old))
        _, in_new, in_old = np.intersect1d(new_ns, old_ns, assume_unique=True, return_indices=True)
        parts.append(new_m[in_new] - old_m[in_old])
        independent += independent_count(parts[-1])
    return Pairs(np.concatenate([np.empty(0), *parts]), independent)


def _last_errors(errors: Errors, card: int) -> tuple[Integers, Floats]:
    """Times, each once, and the error of the last fix at each."""
    mine = errors.fixes[errors.fixes["card"] == card][::-1]
    times, first = np.unique(mine["t_ns"], return_index=True)
    return times, mine["error_m"][first]


def comparison(parts: Sequence[Pairs]) -> Comparison:
    """The figures over the pairs of one run or of several."""
    d = np.concatenate([np.empty(0), *(part.difference_m for part in parts)])
    if not len(d):
        return Comparison(0, _NAN, _NAN, _NAN, _NAN)
    independent = sum(part.independent for part in parts)
    return Comparison(
        pairs=len(d),
        better=float((d < 0.0).mean()),
        worse=float((d > 0.0).mean()),
        difference_m=float(d.mean()),
        margin_m=Z_95 * float(d.std()) / independent**0.5,
    )
