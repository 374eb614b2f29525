"""Errors along and across a roadway, where the truth knows its roadway and chainage."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from positioning.observation import Records
from positioning.recording import Truth

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: A fix so near the truth is in no wrong roadway: where roadways meet, both are right.
MEETING_M: Final = 3.0


class RoadwayErrors(NamedTuple):
    """Errors of fixes, (n,): NaN and False where the truth is in no roadway.

    `along_m`: the difference of the chainages; where the fix names no roadway, the part of the
    error in the direction in which the truth goes; where it names another one, the whole error.
    `across_m`: the part of the error sideways to that direction. `wrong`: the fix names another
    roadway, and is more than `MEETING_M` away from the truth.
    """

    along_m: Floats
    across_m: Floats
    wrong: NDArray[np.bool_]


def roadway_errors(
    truth: Truth, rows: NDArray[np.bool_], fixes: Records, ex_m: Floats, ey_m: Floats
) -> RoadwayErrors:
    """The errors (ex, ey), each (n,), of one card's `fixes` (n,) FIX along and across its roadway.

    `rows` (k,) picks the card's part of the truth, k >= 1.
    """
    if truth.roadway is None or truth.chainage_m is None or not len(fixes):
        unknown = np.full(len(fixes), np.nan)
        return RoadwayErrors(unknown, unknown, np.zeros(len(fixes), np.bool_))
    t_ns, roadway, chainage_m = truth.t_ns[rows], truth.roadway[rows], truth.chainage_m[rows]
    before = np.clip(np.searchsorted(t_ns, fixes["t_ns"], "right") - 1, 0, len(t_ns) - 1)
    after = np.minimum(before + 1, len(t_ns) - 1)
    span_ns = np.maximum(t_ns[after] - t_ns[before], 1)
    part = np.clip((fixes["t_ns"] - t_ns[before]) / span_ns, 0.0, 1.0)
    nearest = np.where(part < 0.5, before, after)
    between = roadway[before] == roadway[after]
    step_m = chainage_m[after] - chainage_m[before]
    true_m = np.where(between, chainage_m[before] + part * step_m, chainage_m[nearest])
    true_roadway = roadway[nearest]

    ux, uy = _directions(truth.place_m[rows, :2], roadway, chainage_m)[before].T
    error_m = np.hypot(ex_m, ey_m)
    same = fixes["roadway"] == true_roadway
    along_m = np.where(same, np.abs(fixes["chainage_m"] - true_m), error_m)
    along_m = np.where(fixes["roadway"] < 0, np.abs(ex_m * ux + ey_m * uy), along_m)
    inside = true_roadway >= 0
    return RoadwayErrors(
        along_m=np.where(inside, along_m, np.nan),
        across_m=np.where(inside, np.abs(ex_m * uy - ey_m * ux), np.nan),
        wrong=inside & (fixes["roadway"] >= 0) & ~same & (error_m > MEETING_M),
    )


def _directions(place_m: Floats, roadway: Integers, chainage_m: Floats) -> Floats:
    """The direction in which the truth goes from each of its points on, (k, 2) unit vectors.

    Where it stands, that of its last step before, at first that of the first one; NaN if it never
    goes.
    """
    step_m = np.diff(place_m, axis=0, append=place_m[-1:])
    length_m = np.hypot(step_m[:, 0], step_m[:, 1])
    goes = length_m > 0.0
    goes[:-1] &= (np.diff(roadway) == 0) & (np.diff(chainage_m) != 0.0)
    if not goes.any():
        return np.full(place_m.shape, np.nan)
    last = np.maximum.accumulate(np.where(goes, np.arange(len(goes)), -1))
    step = np.where(last >= 0, last, int(np.argmax(goes)))
    units: Floats = step_m[step] / length_m[step, None]
    return units
