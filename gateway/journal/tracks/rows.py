"""What is kept of a fix: whole centimetres and milliseconds, and how good it is."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.journal.tracks.ellipse import codes_of
from positioning.observation import FixClass, Records

#: `card` and `roadway` are handles of the file that a row is in, `roadway` from 1 on, 0 for none.
#: `chainage_cm` is `NO_CHAINAGE_CM` where there is none. `age_ds`: from the last measurement that
#: supports the place to `t_ms`, tenths of a second, rounded up. `long`, `short` and `direction` are
#: the codes of `ellipse.py`.
KEPT: Final = np.dtype(
    [
        ("t_ms", np.int64),
        ("card", np.uint32),
        ("x_cm", np.int32),
        ("y_cm", np.int32),
        ("z_cm", np.int32),
        ("chainage_cm", np.int32),
        ("age_ds", np.uint32),
        ("roadway", np.uint32),
        ("fix_class", np.uint8),
        ("long", np.uint8),
        ("short", np.uint8),
        ("direction", np.uint8),
    ],
    align=True,
)

#: No roadway reaches so far.
NO_CHAINAGE_CM: Final = -(1 << 31)

#: Lengths are whole centimetres in 32 bits, and travel as millimetres in 32 bits.
COORDINATE_MAX_M: Final = 2_147_483.0
_MS_NS: Final = 1_000_000
_AGE_MAX_DS: Final = (1 << 32) - 1


def kept_of(fixes: Records, now_ns: int) -> Records:
    """(k,) KEPT of those of (n,) FIX that can be kept; handles of cards and roadways are theirs.

    The last place of a card that has fallen silent (LOST) is told anew: it is of `now_ns`, and its
    age says how old it is.
    """
    lengths = [np.abs(fixes[name]) <= COORDINATE_MAX_M for name in ("x_m", "y_m", "z_m")]
    spread = [np.isfinite(fixes[name]) for name in ("var_x_m2", "cov_xy_m2", "var_y_m2")]
    good = np.logical_and.reduce([*lengths, *spread, fixes["t_ns"] >= 0])
    if not good.all():
        fixes = fixes[good]
    rows = np.zeros(len(fixes), KEPT)
    is_lost = (fixes["fix_class"] == FixClass.LOST) & (fixes["t_ns"] < now_ns)
    t_ns = np.where(is_lost, now_ns, fixes["t_ns"])
    rows["t_ms"] = t_ns // _MS_NS
    age_s = np.nan_to_num(fixes["age_s"].astype(np.float64)) + (t_ns - fixes["t_ns"]) / 1e9
    # A thousandth of a second is not worth another tenth.
    rows["age_ds"] = np.clip(np.ceil(age_s * 10 - 0.01), 0, _AGE_MAX_DS)
    rows["card"], rows["roadway"] = fixes["card"], fixes["roadway"] + 1
    for axis in ("x", "y", "z"):
        rows[f"{axis}_cm"] = np.rint(fixes[f"{axis}_m"] * 100)
    there = np.abs(fixes["chainage_m"]) <= COORDINATE_MAX_M  # a comparison with NaN is false
    rows["chainage_cm"] = np.where(there, np.rint(fixes["chainage_m"] * 100), NO_CHAINAGE_CM)
    rows["fix_class"] = fixes["fix_class"]
    codes = codes_of(fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"])
    rows["long"], rows["short"], rows["direction"] = codes
    return rows


def newest_of_each(rows: Records, group: NDArray[np.int64] | None = None) -> Records:
    """(k,) of (n,) KEPT in the order of writing: the last in time of each card, or card and group.

    Of two of the same time the later one counts. Sorted by card, then time.
    """
    if group is None:
        group = np.zeros(len(rows), np.int64)
    order = np.lexsort((rows["t_ms"], group, rows["card"]))
    rows, group = rows[order], group[order]
    if not len(rows):
        return rows
    last = np.ones(len(rows), np.bool_)
    last[:-1] = (rows["card"][1:] != rows["card"][:-1]) | (group[1:] != group[:-1])
    return rows[last]


def empty() -> Records:
    """(0,) KEPT."""
    return np.empty(0, KEPT)
