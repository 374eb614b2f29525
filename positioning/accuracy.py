"""How far fixes are from where the cards truly were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.observation import FixClass, Records
from positioning.recording import Run, Truth

#: The filter may settle for so long before it is scored.
SETTLE_NS: Final = 3_000_000_000
#: A late range has its fix at the card's newest time; no later than this counts as its own.
_ANSWER_NS: Final = 250_000_000
#: Squared Mahalanobis distance that holds 95 % of a plane's normal distribution.
_CHI2_95: Final = 5.991

#: Which times (n,) int64 are scored: (n,) bool.
Window = Callable[[NDArray[np.int64]], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """What was scored.

    `error_m` (n,) metres, `covered` (n,): whether the 95 % ellipse held the truth, and how many
    `ranges` were scored and how many of them were `answered` by a fix.
    """

    error_m: NDArray[np.float64]
    covered: NDArray[np.bool_]
    ranges: int
    answered: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Figures over the scored fixes; NaN where nothing was scored.

    `availability`: the share of the scored ranges for which the card had a fix better than lost, at
    the range's time or, for one that came late, at most 0.25 s after. `coverage_95`: the share of
    fixes whose 95 % ellipse held the truth.
    """

    scored: int
    rmse_m: float
    p50_m: float
    p90_m: float
    p95_m: float
    max_m: float
    availability: float
    coverage_95: float


def _covered(fixes: Records, ex: NDArray[np.float64], ey: NDArray[np.float64]) -> NDArray[np.bool_]:
    xx, xy, yy = fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"]
    squared = (yy * ex * ex - 2.0 * xy * ex * ey + xx * ey * ey) / (xx * yy - xy * xy)
    covered: NDArray[np.bool_] = squared <= _CHI2_95
    return covered


def _answered(ranges_t_ns: NDArray[np.int64], fixes_t_ns: NDArray[np.int64]) -> int:
    """How many of the times have a fix at them or shortly after; `fixes_t_ns` ascend."""
    if not len(fixes_t_ns):
        return 0
    following = np.searchsorted(fixes_t_ns, ranges_t_ns)
    exists = following < len(fixes_t_ns)
    nearest = fixes_t_ns[np.minimum(following, len(fixes_t_ns) - 1)]
    return int((exists & (nearest - ranges_t_ns <= _ANSWER_NS)).sum())


def _errors_of_card(run: Run, truth: Truth, fixes: Records, card: int, window: Window) -> Errors:
    mine = truth.card == card
    t_ns, place_m = truth.t_ns[mine], truth.place_m[mine]
    ranges = run.ranges[run.ranges["card"] == card]
    own = fixes[fixes["card"] == card]
    if not len(t_ns):
        return Errors(np.empty(0), np.empty(0, np.bool_), 0, 0)

    def scored(times: NDArray[np.int64]) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (times >= t_ns[0]) & (times <= t_ns[-1]) & window(times)
        return inside

    own = own[scored(own["t_ns"])]
    since_s = (own["t_ns"] - t_ns[0]) * 1e-9
    truth_s = (t_ns - t_ns[0]) * 1e-9
    ex = own["x_m"] - np.interp(since_s, truth_s, place_m[:, 0])
    ey = own["y_m"] - np.interp(since_s, truth_s, place_m[:, 1])
    found = np.sort(fixes["t_ns"][(fixes["card"] == card) & (fixes["fix_class"] < FixClass.LOST)])
    asked = ranges["t_ns"][scored(ranges["t_ns"])]
    return Errors(np.hypot(ex, ey), _covered(own, ex, ey), len(asked), _answered(asked, found))


def errors_of_run(run: Run, fixes: Records, window: Window | None = None) -> Errors | None:
    """Horizontal errors of `fixes` (n,) FIX against the run's truth, interpolated in time.

    Only times within the card's truth are scored, and of those the ones in `window`: by default
    all but the first 3 s after the run's first range. None where the run has no truth.
    """
    if run.truth is None:
        return None
    settled_ns = int(run.ranges["t_ns"].min()) + SETTLE_NS

    def settled(times: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.greater_equal(times, settled_ns)

    return joined(
        [
            _errors_of_card(run, run.truth, fixes, card, window or settled)
            for card in range(len(run.tags))
        ]
    )


def joined(parts: list[Errors]) -> Errors:
    """The errors of several cards or runs as one."""
    return Errors(
        error_m=np.concatenate([np.empty(0), *(part.error_m for part in parts)]),
        covered=np.concatenate([np.empty(0, np.bool_), *(part.covered for part in parts)]),
        ranges=sum(part.ranges for part in parts),
        answered=sum(part.answered for part in parts),
    )


def accuracy(errors: Errors) -> Accuracy:
    """The figures over what was scored."""
    e = errors.error_m
    if not len(e):
        nan = float("nan")
        available = 0.0 if errors.ranges else nan
        return Accuracy(0, nan, nan, nan, nan, nan, available, nan)
    p50, p90, p95 = (float(p) for p in np.percentile(e, [50, 90, 95]))
    return Accuracy(
        scored=len(e),
        rmse_m=float(np.sqrt(np.mean(e * e))),
        p50_m=p50,
        p90_m=p90,
        p95_m=p95,
        max_m=float(e.max()),
        availability=errors.answered / errors.ranges if errors.ranges else float("nan"),
        coverage_95=float(errors.covered.mean()),
    )
