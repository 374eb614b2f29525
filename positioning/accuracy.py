"""How far fixes are from where the cards truly were, and whether they know it.

`errors_of_run` gathers what is scored, `accuracy` makes the figures of it. The figures are those
of ISO/IEC 18305 where it has one: CE50, CE90 and CE95 are `p50_m`, `p90_m` and `p95_m`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.along import roadway_errors
from positioning.consistency import independent_count, mean_nees_interval
from positioning.ellipse import squared_distance, squared_radius
from positioning.observation import FixClass, Records
from positioning.recording import Run, Truth

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: The filter may settle for so long before it is scored.
SETTLE_NS: Final = 3_000_000_000
#: A late range has its fix at the card's newest time; no later than this counts as its own.
_ANSWER_NS: Final = 250_000_000
#: An error that no fix should have unless it says that it may: in another part of the mine.
FAR_M: Final = 50.0
#: Classes that claim to know the place.
_SURE: Final = (int(FixClass.PRECISE), int(FixClass.ROADWAY))
_NAN: Final = float("nan")

#: Which times (n,) int64 are scored: (n,) bool.
Window = Callable[[Integers], Flags]


#: One scored fix. `card`, `t_ns`, `fix_class` are its own; `error_m` is horizontal; `nees` is the
#: error's squared Mahalanobis distance; the others are as in `positioning.along.RoadwayErrors`.
SCORED: Final = np.dtype(
    [
        ("card", np.int64),
        ("t_ns", np.int64),
        ("fix_class", np.int64),
        ("error_m", np.float64),
        ("nees", np.float64),
        ("along_m", np.float64),
        ("across_m", np.float64),
        ("wrong_roadway", np.bool_),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """What was scored.

    `fixes` (n,) SCORED; `independent`: how many independent samples they are worth; how many
    `ranges` were scored and how many of them were `answered` by a fix.
    """

    fixes: Records
    independent: float
    ranges: int
    answered: int

    @property
    def error_m(self) -> Floats:
        """(n,) horizontal errors, metres."""
        errors: Floats = self.fixes["error_m"]
        return errors

    @property
    def covered(self) -> Flags:
        """(n,): whether the fix's 95 % ellipse held the truth."""
        inside: Flags = self.fixes["nees"] <= squared_radius(0.95)
        return inside


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Of the fixes of one class: how many, which share of all they are, and their errors' p95."""

    fixes: int
    share: float
    p95_m: float


@dataclass(frozen=True, slots=True)
class RoadwayFigures:
    """Errors along and across the roadway that the truth was in, and the share in a wrong one."""

    scored: int
    along_p50_m: float
    along_p95_m: float
    across_p95_m: float
    wrong_roadway: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Figures over the scored fixes; NaN where nothing was scored.

    `availability`: the share of the scored ranges for which the card had a fix better than lost, at
    the range's time or, for one that came late, at most 0.25 s after. `coverage_95`: the share of
    fixes whose 95 % ellipse held the truth. `mean_nees`: 2 if the covariances are right; the mean
    over as many independent samples as the fixes are worth is then in [`nees_low`, `nees_high`] in
    95 of 100 cases: below, the filter is too modest, above, too sure. `far`: fixes that claim to
    know the place (precise, roadway) and are more than 50 m wrong. `classes`: by the names of
    `FixClass` that occur. `roadway`: None where the truth knows no roadway.
    """

    scored: int
    rmse_m: float
    mean_m: float
    p50_m: float
    p90_m: float
    p95_m: float
    max_m: float
    availability: float
    coverage_95: float
    mean_nees: float
    nees_low: float
    nees_high: float
    far: int
    classes: Mapping[str, ClassFigures]
    roadway: RoadwayFigures | None


def _answered(ranges_t_ns: Integers, fixes_t_ns: Integers) -> int:
    """How many of the times have a fix at them or shortly after; `fixes_t_ns` ascend."""
    if not len(fixes_t_ns):
        return 0
    following = np.searchsorted(fixes_t_ns, ranges_t_ns)
    exists = following < len(fixes_t_ns)
    nearest = fixes_t_ns[np.minimum(following, len(fixes_t_ns) - 1)]
    return int((exists & (nearest - ranges_t_ns <= _ANSWER_NS)).sum())


def _errors_of_card(
    observed: Records, truth: Truth, fixes: Records, card: int, window: Window
) -> Errors:
    mine = truth.card == card
    t_ns, place_m = truth.t_ns[mine], truth.place_m[mine]
    own = fixes[fixes["card"] == card]
    if not len(t_ns):
        return joined([])

    def scored(times: Integers) -> Flags:
        inside: Flags = (times >= t_ns[0]) & (times <= t_ns[-1]) & window(times)
        return inside

    own = own[scored(own["t_ns"])]
    since_s = (own["t_ns"] - t_ns[0]) * 1e-9
    truth_s = (t_ns - t_ns[0]) * 1e-9
    ex = own["x_m"] - np.interp(since_s, truth_s, place_m[:, 0])
    ey = own["y_m"] - np.interp(since_s, truth_s, place_m[:, 1])
    found = np.sort(fixes["t_ns"][(fixes["card"] == card) & (fixes["fix_class"] < FixClass.LOST)])
    heard_ns = observed["t_ns"][observed["card"] == card]
    asked = heard_ns[scored(heard_ns)]
    in_roadway = roadway_errors(truth, mine, own, ex, ey)
    rows = np.zeros(len(own), SCORED)
    for name in ("card", "t_ns", "fix_class"):
        rows[name] = own[name]
    rows["error_m"] = np.hypot(ex, ey)
    rows["nees"] = squared_distance(own, ex, ey)
    rows["along_m"], rows["across_m"] = in_roadway.along_m, in_roadway.across_m
    rows["wrong_roadway"] = in_roadway.wrong
    return Errors(rows, independent_count(rows["nees"]), len(asked), _answered(asked, found))


def errors_of_run(
    run: Run, fixes: Records, window: Window | Sequence[Window] | None = None
) -> Errors | None:
    """Horizontal errors of `fixes` (n,) FIX against the run's truth, interpolated in time.

    Only times within the card's truth are scored, and of those the ones in `window`, which may be
    one for each card: by default all but the first 3 s of the run. Where a run has no ranges, its
    other measurements stand for them. None where the run has no truth.
    """
    if run.truth is None:
        return None
    observed = run.ranges if len(run.ranges) else run.measurements
    settled_ns = int(observed["t_ns"].min()) + SETTLE_NS

    def settled(times: Integers) -> Flags:
        return np.greater_equal(times, settled_ns)

    window = window or settled
    windows = [window] * len(run.tags) if callable(window) else window
    return joined(
        [
            _errors_of_card(observed, run.truth, fixes, card, of_card)
            for card, of_card in enumerate(windows)
        ]
    )


def joined(parts: Sequence[Errors]) -> Errors:
    """The errors of several cards or runs as one."""
    return Errors(
        fixes=np.concatenate([np.empty(0, SCORED), *(part.fixes for part in parts)]),
        independent=sum(part.independent for part in parts),
        ranges=sum(part.ranges for part in parts),
        answered=sum(part.answered for part in parts),
    )


def accuracy(errors: Errors) -> Accuracy:
    """The figures over what was scored."""
    e, fixes = errors.error_m, errors.fixes
    low, high = mean_nees_interval(errors.independent)
    p50, p90, p95 = _percentiles(e, 50, 90, 95)
    available = errors.answered / errors.ranges if errors.ranges else _NAN
    return Accuracy(
        scored=len(e),
        rmse_m=float(np.sqrt(np.mean(e * e))) if len(e) else _NAN,
        mean_m=float(e.mean()) if len(e) else _NAN,
        p50_m=p50,
        p90_m=p90,
        p95_m=p95,
        max_m=float(e.max()) if len(e) else _NAN,
        availability=available,
        coverage_95=float(errors.covered.mean()) if len(e) else _NAN,
        mean_nees=float(fixes["nees"].mean()) if len(e) else _NAN,
        nees_low=low,
        nees_high=high,
        far=int(((e > FAR_M) & np.isin(fixes["fix_class"], _SURE)).sum()),
        classes=_by_class(errors),
        roadway=_in_roadways(errors),
    )


def _percentiles(values: Floats, *percents: float) -> list[float]:
    if not len(values):
        return [_NAN] * len(percents)
    return [float(p) for p in np.percentile(values, percents)]


def _by_class(errors: Errors) -> dict[str, ClassFigures]:
    figures = {}
    for kind in FixClass:
        e = errors.error_m[errors.fixes["fix_class"] == kind]
        if len(e):
            (p95,) = _percentiles(e, 95)
            figures[kind.name.lower()] = ClassFigures(len(e), len(e) / len(errors.error_m), p95)
    return figures


def _in_roadways(errors: Errors) -> RoadwayFigures | None:
    fixes = errors.fixes[np.isfinite(errors.fixes["along_m"])]
    if not len(fixes):
        return None
    along_p50_m, along_p95_m = _percentiles(fixes["along_m"], 50, 95)
    (across_p95_m,) = _percentiles(fixes["across_m"][np.isfinite(fixes["across_m"])], 95)
    return RoadwayFigures(
        scored=len(fixes),
        along_p50_m=along_p50_m,
        along_p95_m=along_p95_m,
        across_p95_m=across_p95_m,
        wrong_roadway=float(fixes["wrong_roadway"].mean()),
    )


def distribution(error_m: Floats, points: int = 1000) -> tuple[Floats, Floats]:
    """The distribution function of errors (n,): sorted errors and the share not above each.

    At most `points` of it, (m,) each, among them the least and the largest error.
    """
    ordered = np.sort(error_m)
    n = len(ordered)
    rows = np.unique(np.linspace(0, n - 1, min(n, points)).round().astype(np.int64))
    return ordered[rows], (rows + 1.0) / max(n, 1)
