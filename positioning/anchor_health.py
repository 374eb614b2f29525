"""What is the matter with each anchor: misplaced, biased, often blocked, silent; and what to do.

The sums of `positioning.anchor_stats` are normal equations of where the anchor stands: a range's
residual is b - u·d, for an anchor that stands d = (dx, dy) from its place on the map and whose
ranges are all b too long. They are solved with a prior (ridge, Hoerl & Kennard 1970): a surveyor's
error may be many metres, a bias is some decimetres. So a direction in which no card ever was
(sideways, in a roadway) stays unknown instead of making the equations singular.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.observation import Records

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: The time of an anchor that was never heard.
NEVER_NS: Final = int(np.iinfo(np.int64).min)

#: An anchor within whose reach a located card has been for so long, without a word, is silent: a
#: walker passes it once in that time, and a blocked path does not last so long.
SILENT_AFTER_S: Final = 120.0

#: Residuals follow each other for seconds (blocked paths last 4 s on average, a card ranges to an
#: anchor some 2 to 10 times a second): so many of them count as one independent one.
_CORRELATED: Final = 50
#: With fewer ranges nothing is said: four independent residuals for three unknowns.
HEARD_LEAST: Final = 4 * _CORRELATED

#: Prior standard deviations, metres: of a place (an exchanged digit, or an anchor moved to the next
#: bolt), and of a bias (antenna delay, what always stands in the way).
_PLACE_SIGMA_M: Final = 20.0
_BIAS_SIGMA_M: Final = 0.5
#: Residuals never tell a place more exactly than this; ranges are resolved to a few centimetres.
_SPREAD_LEAST_M: Final = 0.05

#: Misplaced is who stands so far away (ranges' own slow biases reach 0.3 m), with this
#: significance (4 sigma in two dimensions: by chance 3 in 10,000), and where this share of the
#: residuals' squares is explained by it: else it is blocked paths that pull. So it is where the
#: bias is more than half of it: a wall on one side makes ranges longer there, shorter nowhere.
MISPLACED_M: Final = 0.5
_SIGNIFICANT: Final = 4.0
_EXPLAINED_LEAST: Final = 0.5
_BIAS_SHARE: Final = 0.5
#: Who was called misplaced stays so until both are below these shares of the above.
_STILL: Final = 0.7

#: Ranges are too long or too short by more than any calibrated device's.
BIASED_M: Final = 0.5
#: More than this share of the ranges do not agree with the cards' places.
BLOCKED_SHARE: Final = 0.3

#: A direction in which the standard error is beyond this is unknown.
_UNKNOWN_M: Final = 1.0


class Verdict(IntEnum):
    """What is the matter; the numbers are those of the contract's `AnchorVerdict`."""

    GOOD = 1
    MISPLACED = 2
    BIASED = 3
    OFTEN_BLOCKED = 4
    SILENT = 5
    NEVER_HEARD = 6
    TOO_FEW = 7


#: What is known of one anchor. `heard`, `rejected`, `reach_m` as in ANCHOR_STATS; `heard_t_ns`:
#: `NEVER_NS` if never; `missed_s`: how long a located card was within its reach and nothing was
#: heard. `mean_m`, `spread_m`: of the residuals. `dx_m`, `dy_m`: how far it seems to stand from its
#: place on the map; `sigma_along_m`, `sigma_across_m`: standard errors in that direction and across
#: it; `significance`: how many standard errors it is away. NaN where nothing was heard. What is
#: not known (across a roadway) counts as no displacement.
ANCHOR_HEALTH: Final = np.dtype(
    [
        ("heard", np.int64),
        ("rejected", np.int64),
        ("heard_t_ns", np.int64),
        ("missed_s", np.float64),
        ("reach_m", np.float64),
        ("mean_m", np.float64),
        ("spread_m", np.float64),
        ("dx_m", np.float64),
        ("dy_m", np.float64),
        ("sigma_along_m", np.float64),
        ("sigma_across_m", np.float64),
        ("significance", np.float64),
        ("verdict", np.uint8),
    ]
)

#: Sums and counts that fade together.
_SUMS: Final = ("weight", "r", "rr", "x", "y", "xx", "xy", "yy", "rx", "ry")

#: Beyond so many ranges all sums are halved: what was long ago must not hide what is now.
HEARD_MOST: Final = 100_000

_DIRECTIONS: Final = (
    "east",
    "north-east",
    "north",
    "north-west",
    "west",
    "south-west",
    "south",
    "south-east",
)


def faded(stats: Records) -> Records:
    """(n,) ANCHOR_STATS: a copy, with all sums halved where more than `HEARD_MOST` were heard."""
    faded = stats.copy()
    full = stats["heard"] > HEARD_MOST
    for name in _SUMS:
        faded[name][full] *= 0.5
    for name in ("heard", "rejected"):
        faded[name][full] //= 2
    return faded


def assess(
    stats: Records,
    heard_t_ns: NDArray[np.int64] | None = None,
    missed_s: Floats | None = None,
    was_misplaced: Bools | None = None,
) -> Records:
    """The health of each anchor, (n,) ANCHOR_HEALTH.

    Args:
        stats: (n,) ANCHOR_STATS.
        heard_t_ns: (n,) when each was last heard, `NEVER_NS` if never; None: as `stats` say.
        missed_s: (n,) how long each has been missed, seconds; None: not at all.
        was_misplaced: (n,) which were called misplaced before: they stay so for longer.
    """
    count = len(stats)
    health = np.zeros(count, ANCHOR_HEALTH)
    for name in ("heard", "rejected"):
        health[name] = stats[name]
    health["heard_t_ns"] = (
        np.where(stats["heard"] > 0, stats["heard_t_ns"], NEVER_NS)
        if heard_t_ns is None
        else heard_t_ns
    )
    health["missed_s"] = 0.0 if missed_s is None else missed_s
    health["reach_m"] = np.where(stats["heard"] > 0, stats["reach_m"], np.nan)
    for name in ("mean_m", "spread_m", "dx_m", "dy_m"):
        health[name] = np.nan
    for name in ("sigma_along_m", "sigma_across_m", "significance"):
        health[name] = np.nan
    explained = np.zeros(count)
    some = np.flatnonzero((stats["weight"] > 0.0) & (stats["heard"] > 0))
    if len(some):
        explained[some] = _fit(stats[some], health, some)
    before = np.zeros(count, np.bool_) if was_misplaced is None else was_misplaced
    health["verdict"] = _verdicts(health, explained, before)
    return health


def _fit(stats: Records, health: Records, rows: NDArray[np.intp]) -> Floats:
    """Fills `health[rows]` from the sums, (k,) ANCHOR_STATS.

    Returns which share of the residuals' squares the displacement explains, (k,); 0 where a bias
    explains as much.
    """
    w = stats["weight"]
    mean_m, square_m2 = stats["r"] / w, stats["rr"] / w
    xx, xy, yy = stats["xx"] / w, stats["xy"] / w, stats["yy"] / w
    x, y = stats["x"] / w, stats["y"] / w
    # A residual is g·(dx, dy, b) with g = (-ux, -uy, 1): the means of g·gᵀ and of g·r.
    normal = np.stack([xx, xy, -x, xy, yy, -y, -x, -y, np.ones(len(w))], -1).reshape(-1, 3, 3)
    right = np.stack([-stats["rx"] / w, -stats["ry"] / w, mean_m], -1)
    prior = np.diag([_PLACE_SIGMA_M**-2, _PLACE_SIGMA_M**-2, _BIAS_SIGMA_M**-2])
    independent = np.maximum(stats["heard"] / _CORRELATED, 1.0)
    left_m2 = np.full(len(w), _SPREAD_LEAST_M**2)
    # First the spread about the fit, then the fit with the weight that this spread gives it.
    for _ in range(2):
        gain = independent / left_m2
        covariance = np.linalg.inv(gain[:, None, None] * normal + prior)
        found = (covariance @ (gain[:, None] * right)[..., None])[..., 0]
        squares = square_m2 - 2.0 * (found * right).sum(-1)
        squares += (found[:, None, :] @ normal @ found[..., None])[:, 0, 0]
        left_m2 = np.maximum(squares, _SPREAD_LEAST_M**2)
    place = covariance[:, :2, :2]
    d, significance = _known_part(found[:, :2], place)
    size_m = np.hypot(d[:, 0], d[:, 1])
    along = np.where(size_m[:, None] > 0.0, d / np.maximum(size_m, 1e-12)[:, None], (1.0, 0.0))
    across = np.stack([-along[:, 1], along[:, 0]], -1)
    health["mean_m"][rows] = mean_m
    health["spread_m"][rows] = np.sqrt(np.maximum(square_m2 - mean_m**2, 0.0))
    health["dx_m"][rows], health["dy_m"][rows] = d[:, 0], d[:, 1]
    for name, way in (("sigma_along_m", along), ("sigma_across_m", across)):
        health[name][rows] = np.sqrt((way[:, None, :] @ place @ way[..., None])[:, 0, 0])
    health["significance"][rows] = significance
    one_sided = np.abs(found[:, 2]) > _BIAS_SHARE * size_m
    return np.where(one_sided, 0.0, 1.0 - squares / np.maximum(square_m2, 1e-12))


def _known_part(d: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """What is known of displacements (k, 2) with `covariance` (k, 2, 2), and how significant it is.

    Along the axis of the covariance that is known better, and along the other where its error is
    no more than `_UNKNOWN_M`: a guess sideways of a roadway would only mislead who looks for it.
    """
    variances, axes = np.linalg.eigh(covariance)
    parts = (axes.transpose(0, 2, 1) @ d[..., None])[..., 0]
    parts[variances[:, 1] > _UNKNOWN_M**2, 1] = 0.0
    return (axes @ parts[..., None])[..., 0], np.sqrt((parts**2 / variances).sum(-1))


def _verdicts(health: Records, explained: Floats, was_misplaced: Bools) -> NDArray[np.uint8]:
    """What is worst of each, (n,). A comparison with NaN is false."""
    ease = np.where(was_misplaced, _STILL, 1.0)
    heard = np.maximum(health["heard"], 1)
    mean_sigma_m = health["spread_m"] / np.sqrt(np.maximum(heard / _CORRELATED, 1.0))
    mean_sigma_m = np.maximum(mean_sigma_m, _SPREAD_LEAST_M)
    misplaced = np.hypot(health["dx_m"], health["dy_m"]) >= MISPLACED_M * ease
    misplaced &= health["significance"] >= _SIGNIFICANT * ease
    misplaced &= explained >= _EXPLAINED_LEAST * ease
    biased = np.abs(health["mean_m"]) >= np.maximum(BIASED_M, _SIGNIFICANT * mean_sigma_m)
    never = health["heard_t_ns"] == NEVER_NS
    return np.select(
        [
            never,
            health["missed_s"] >= SILENT_AFTER_S,
            health["heard"] < HEARD_LEAST,
            misplaced,
            health["rejected"] > BLOCKED_SHARE * heard,
            biased,
        ],
        [
            Verdict.NEVER_HEARD,
            Verdict.SILENT,
            Verdict.TOO_FEW,
            Verdict.MISPLACED,
            Verdict.OFTEN_BLOCKED,
            Verdict.BIASED,
        ],
        Verdict.GOOD,
    ).astype(np.uint8)


def advice(name: str, health: np.void) -> str:
    """One sentence for an engineer about an anchor: what seems to be the matter, what to do.

    `health` is a record of ANCHOR_HEALTH. The mine's x axis counts as east, y as north.
    """
    missed_s = float(health["missed_s"])
    match Verdict(int(health["verdict"])):
        case Verdict.MISPLACED:
            return _misplaced(name, health)
        case Verdict.BIASED:
            mean_m = float(health["mean_m"])
            wrong = "long" if mean_m > 0 else "short"
            return (
                f"{name}'s ranges are {abs(mean_m):.1f} m too {wrong} in every direction: "
                "check its antenna delay, and its height on the map"
            )
        case Verdict.OFTEN_BLOCKED:
            share = int(health["rejected"]) / max(int(health["heard"]), 1)
            return (
                f"{share:.0%} of {name}'s ranges do not agree with where the cards are: "
                "look for what stands in its way, and hang it where it sees more"
            )
        case Verdict.SILENT:
            return (
                f"{name} has not been heard while located cards were near it for {missed_s:.0f} s: "
                "check its power and its cable"
            )
        case Verdict.NEVER_HEARD if missed_s >= SILENT_AFTER_S:
            return (
                f"{name} was never heard, though located cards were near it for {missed_s:.0f} s: "
                "check its power, and that its id on the map is the one that readers report"
            )
        case Verdict.NEVER_HEARD:
            return f"{name} was never heard; no located card was near it for long enough to judge"
        case Verdict.TOO_FEW:
            few = f"{int(health['heard'])} ranges of located cards"
            return f"{name} gave {few}: {HEARD_LEAST} are needed to judge"
    return f"{name} is fine"


def _misplaced(name: str, health: np.void) -> str:
    dx_m, dy_m = float(health["dx_m"]), float(health["dy_m"])
    eighth = round(math.atan2(dy_m, dx_m) / (math.pi / 4)) % len(_DIRECTIONS)
    error = f"± {float(health['sigma_along_m']):.1f} m"
    if float(health["sigma_across_m"]) > _UNKNOWN_M:
        error += " along this line; across it nothing is known"
    return (
        f"{name} seems to stand {math.hypot(dx_m, dy_m):.1f} m {_DIRECTIONS[eighth]} of where the "
        f"map says ({error}; x {dx_m:+.1f} m, y {dy_m:+.1f} m): survey it"
    )
