"""Where a card is by how strongly several readers hear it, in an open area: compiled.

A reader at distance d hears strength P - 10·n·log10(d) plus noise (log-distance path loss with
shadowing: Rappaport, Wireless Communications, 2nd edition, section 4.9). Neither the reference
power P nor the exponent n is known of a card and a mine, so both are integrated out: for every
place the strengths are a linear regression on log10(d) with a wide Gaussian prior of (P, n), whose
marginal likelihood is closed (Bishop 2006, section 3.5). The place is the mean of the posterior on
a grid, its covariance that of the grid.

All packets of one reader are one look: their noise is shadowing and the reader's own gain, which
do not change within seconds, and fading, which does not change within one. A reader that heard
nothing says nothing: silence is not absence.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning.jit import njit

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: No sighting older than this is taken; one of `FORGET_S` weighs 1/e in its reader's mean.
WINDOW_S: Final = 9.0
FORGET_S: Final = 3.0
#: Strengths that a receiver cannot have measured are faults of the report.
STRENGTH_MIN_DBM: Final = -130.0
STRENGTH_MAX_DBM: Final = 10.0
#: Noise of a reader's mean: shadowing, body and gain of the reader; fading of one look; how fast
#: the strength of a walking card changes.
SHADOWING_DB: Final = 6.0
FADING_DB: Final = 5.0
FADING_S: Final = 1.0
DRIFT_DB_S: Final = 1.0
#: Prior of the reference power at 1 m and of the path-loss exponent: mean and deviation.
POWER_DBM: Final = -60.0
POWER_SIGMA_DB: Final = 12.0
EXPONENT: Final = 2.2
EXPONENT_SIGMA: Final = 1.0
#: Readers used for one place, the strongest: more say little that is new.
HEARD_MAX: Final = 16
#: Cells of the grid along each of its sides, and deviations from the middle to the side.
CELLS: Final = 10
REACH_SIGMAS: Final = 2.5
#: A reader that is alone is taken to stand this far from its neighbours; none counts for more.
SPACING_MAX_M: Final = 20.0
#: No distance is taken for shorter: nearer by, the antenna's pattern rules.
DISTANCE_MIN_M: Final = 0.5
#: Within so much of the place the last figure of `strength_place` gives the probability.
SUPPORT_M: Final = 5.0

#: Columns of the rows of `hear`: reader, strength above `POWER_DBM`, weight (1 / variance).
READER: Final = 0
STRENGTH_DB: Final = 1
WEIGHT: Final = 2
#: Further columns: those of the place of the reader, while an area is searched; sums meanwhile.
_X, _Y, _HEIGHT2 = 3, 4, 5
_SUM_WW, _SUM_AGE, _YOUNGEST_S, _OLDEST_S = 3, 4, 5, 6
ROW_COLUMNS: Final = 7

_DB_PER_NEPER_2: Final = 5.0 / math.log(10.0)  # 10·log10(d) of log(d²)


#: Sightings of one card, in any order, (k,) each: reader, age in seconds at the time of the place,
#: strength in dBm.
Sightings = tuple[Integers, Floats, Floats]
#: Rows of `hear`, how many, and their `totals`.
Heard = tuple[Floats, int, tuple[float, float, float]]


@njit
def _sum_up(count: int, sightings: Sightings, rows: Floats) -> int:
    """Weighted sums of the sound sightings of each reader heard, one row each: how many rows."""
    readers, ages_s, rssi_dbm = sightings
    heard = 0
    for i in range(count):
        age_s, strength_dbm = max(ages_s[i], 0.0), rssi_dbm[i]
        sound = STRENGTH_MIN_DBM <= strength_dbm <= STRENGTH_MAX_DBM and age_s <= WINDOW_S
        if not sound or readers[i] < 0:
            continue
        k = 0
        while k < heard and rows[k, READER] != readers[i]:
            k += 1
        if k == len(rows):
            continue
        row = rows[k]
        if k == heard:
            heard += 1
            row[:] = 0.0
            row[READER] = readers[i]
            row[_YOUNGEST_S] = age_s
        u = math.exp(-age_s / FORGET_S)
        row[STRENGTH_DB] += u * strength_dbm
        row[WEIGHT] += u
        row[_SUM_WW] += u * u
        row[_SUM_AGE] += u * age_s
        row[_YOUNGEST_S] = min(row[_YOUNGEST_S], age_s)
        row[_OLDEST_S] = max(row[_OLDEST_S], age_s)
    return heard


@njit
def hear(count: int, sightings: Sightings, rows: Floats) -> int:
    """What each reader heard of a card, the strongest first: how many rows, at most `HEARD_MAX`.

    Of the sightings the first `count` are taken; those with a strength that is NaN or impossible, a
    negative reader or an age above `WINDOW_S` are left out. `rows` (m, ROW_COLUMNS): m is the
    number of readers that can be told apart; `READER`, `STRENGTH_DB` and `WEIGHT` are filled.
    """
    heard = _sum_up(count, sightings, rows)
    for k in range(heard):
        row = rows[k]
        u = row[WEIGHT]
        # Packets within a second share their fading: they are one look.
        span_s = row[_OLDEST_S] - row[_YOUNGEST_S]
        looks = min(u * u / row[_SUM_WW], 1.0 + span_s / FADING_S)
        drift_db = DRIFT_DB_S * row[_SUM_AGE] / u
        row[STRENGTH_DB] = row[STRENGTH_DB] / u - POWER_DBM
        variance = SHADOWING_DB * SHADOWING_DB + FADING_DB * FADING_DB / looks + drift_db * drift_db
        row[WEIGHT] = 1.0 / variance
    kept = min(heard, HEARD_MAX)
    for k in range(kept):
        best = k
        for j in range(k + 1, heard):
            louder = rows[j, STRENGTH_DB] - rows[best, STRENGTH_DB]
            if louder > 0.0 or (louder == 0.0 and rows[j, READER] < rows[best, READER]):
                best = j
        for c in range(WEIGHT + 1):
            rows[k, c], rows[best, c] = rows[best, c], rows[k, c]
    return kept


@njit
def level_db(distance2_m2: float) -> float:
    """10·log10 of a distance, of its square."""
    return _DB_PER_NEPER_2 * math.log(distance2_m2 + DISTANCE_MIN_M * DISTANCE_MIN_M)


@njit
def totals(rows: Floats, heard: int) -> tuple[float, float, float]:
    """Sums over the readers heard of w, w·y and w·y², y being the strength."""
    w, wy, wyy = 0.0, 0.0, 0.0
    for k in range(heard):
        y, weight = rows[k, STRENGTH_DB], rows[k, WEIGHT]
        w += weight
        wy += weight * y
        wyy += weight * y * y
    return w, wy, wyy


@njit
def log_evidence(total: tuple[float, float, float], wl: float, wll: float, wyl: float) -> float:
    """Log marginal likelihood of the strengths, up to a constant, with P and n integrated out.

    `total` as of `totals`; `wl`, `wll`, `wyl`: sums of w·l, w·l² and w·y·l, l being `level_db` of
    the distance to the reader. With e = y + n0·l the residual at the prior's mean, and A the
    precision of (P, n) after the strengths: -½·(eᵀ·W·e - bᵀ·A⁻¹·b) - ½·log|A|.
    """
    w, wy, wyy = total
    app = w + 1.0 / (POWER_SIGMA_DB * POWER_SIGMA_DB)
    ann = wll + 1.0 / (EXPONENT_SIGMA * EXPONENT_SIGMA)
    det = app * ann - wl * wl
    bp = wy + EXPONENT * wl
    bn = -(wyl + EXPONENT * wll)
    ee = wyy + 2.0 * EXPONENT * wyl + EXPONENT * EXPONENT * wll
    fitted = (ann * bp * bp + 2.0 * wl * bp * bn + app * bn * bn) / det
    return -0.5 * (ee - fitted + math.log(det))


@njit
def _prior(rows: Floats, heard: int, prior: Floats) -> None:
    """Where a card is that these readers hear, before their strengths.

    Among them: Gaussian with their mean and scatter, widened by half of their mean spacing, because
    readers stand where people are. `prior` (5,): x, y, xx, xy, yy.
    """
    prior[:] = 0.0
    spacing_m = 0.0
    for k in range(heard):
        nearest_m = SPACING_MAX_M
        for j in range(heard):
            if j != k:
                apart_m = math.hypot(rows[j, _X] - rows[k, _X], rows[j, _Y] - rows[k, _Y])
                nearest_m = min(nearest_m, apart_m)
        spacing_m += nearest_m / heard
        prior[0] += rows[k, _X] / heard
        prior[1] += rows[k, _Y] / heard
    widening_m2 = 0.25 * spacing_m * spacing_m + 1.0
    for k in range(heard):
        dx, dy = rows[k, _X] - prior[0], rows[k, _Y] - prior[1]
        prior[2] += dx * dx / heard
        prior[3] += dx * dy / heard
        prior[4] += dy * dy / heard
    prior[2] += widening_m2
    prior[4] += widening_m2


@njit
def _log_posterior(x: float, y: float, heard: Heard, prior: Floats) -> float:
    """Log probability density of a card's being at (x, y), up to a constant."""
    rows, count, total = heard
    wl, wll, wyl = 0.0, 0.0, 0.0
    for k in range(count):
        dx, dy = x - rows[k, _X], y - rows[k, _Y]
        level = level_db(dx * dx + dy * dy + rows[k, _HEIGHT2])
        weighted = rows[k, WEIGHT] * level
        wl += weighted
        wll += weighted * level
        wyl += weighted * rows[k, STRENGTH_DB]
    dx, dy = x - prior[0], y - prior[1]
    det = prior[2] * prior[4] - prior[3] * prior[3]
    off = (prior[4] * dx * dx - 2.0 * prior[3] * dx * dy + prior[2] * dy * dy) / det
    return float(log_evidence(total, wl, wll, wyl) - 0.5 * off)


#: Middle x, y, unit vector of the first side, and the steps along both sides.
_Frame = tuple[float, float, float, float, float, float]


@njit
def _frame(around: Floats) -> _Frame:
    """The grid that covers a Gaussian (x, y, xx, xy, yy) along its axes."""
    angle = 0.5 * math.atan2(2.0 * around[3], around[2] - around[4])
    mean = 0.5 * (around[2] + around[4])
    gap = math.hypot(0.5 * (around[2] - around[4]), around[3])
    step_a = 2.0 * REACH_SIGMAS / CELLS * math.sqrt(mean + gap)
    step_b = 2.0 * REACH_SIGMAS / CELLS * math.sqrt(max(mean - gap, 1e-6))
    return around[0], around[1], math.cos(angle), math.sin(angle), step_a, step_b


@njit
def _cell(c: int, frame: _Frame) -> tuple[float, float]:
    """How far from the grid's middle, along its sides, cell `c` is."""
    a = (c // CELLS - 0.5 * (CELLS - 1)) * frame[4]
    b = (c % CELLS - 0.5 * (CELLS - 1)) * frame[5]
    return a, b


@njit
def _moments(frame: _Frame, cells: Floats, out: Floats) -> None:
    """Mean, covariance and support of the probabilities of the grid's cells, as `out` (6,)."""
    s, sa, sb, saa, sab, sbb = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for c in range(CELLS * CELLS):
        a, b = _cell(c, frame)
        p = cells[c]
        s += p
        sa += p * a
        sb += p * b
        saa += p * a * a
        sab += p * a * b
        sbb += p * b * b
    sa, sb = sa / s, sb / s
    # A cell's own extent is part of the variance, so that it cannot vanish.
    saa = saa / s - sa * sa + frame[4] * frame[4] / 12.0
    sbb = sbb / s - sb * sb + frame[5] * frame[5] / 12.0
    sab = sab / s - sa * sb
    near = 0.0
    for c in range(CELLS * CELLS):
        a, b = _cell(c, frame)
        if (a - sa) * (a - sa) + (b - sb) * (b - sb) <= SUPPORT_M * SUPPORT_M:
            near += cells[c]
    ux, uy = frame[2], frame[3]
    out[0], out[1] = frame[0] + sa * ux - sb * uy, frame[1] + sa * uy + sb * ux
    out[2] = ux * ux * saa - 2.0 * ux * uy * sab + uy * uy * sbb
    out[3] = ux * uy * (saa - sbb) + (ux * ux - uy * uy) * sab
    out[4] = uy * uy * saa + 2.0 * ux * uy * sab + ux * ux * sbb
    out[5] = near / s


@njit
def _search(around: Floats, heard: Heard, prior: Floats, scratch: Floats) -> None:
    """Replaces a Gaussian by the moments of the posterior on a grid that covers it.

    `around` (6,) as of `_moments`; `scratch`: at least CELLS² places.
    """
    frame = _frame(around)
    best = -math.inf
    for c in range(CELLS * CELLS):
        a, b = _cell(c, frame)
        x = frame[0] + a * frame[2] - b * frame[3]
        y = frame[1] + a * frame[3] + b * frame[2]
        scratch[c] = _log_posterior(x, y, heard, prior)
        best = max(best, scratch[c])
    for c in range(CELLS * CELLS):
        scratch[c] = math.exp(scratch[c] - best)
    _moments(frame, scratch, around)


#: Places of `scratch` for `strength_place`: the grid, then the prior.
SCRATCH: Final = CELLS * CELLS + 5
#: What `strength_place` fills: x, y, xx, xy, yy, probability within `SUPPORT_M`.
PLACE_FIGURES: Final = 6


@njit
def strength_place(
    sites_m: Floats, count: int, sightings: Sightings, work: tuple[Floats, Floats], out: Floats
) -> int:
    """Where a card is by the first `count` sightings: how many readers support it, or 0.

    `sites_m` (n, 4): x, y, z of each reader, and the height of a card near it. `work`: the rows of
    `hear`, and (SCRATCH,); overwritten. `out` (PLACE_FIGURES,): x, y, their covariance xx, xy, yy,
    and the probability of the card's being within `SUPPORT_M` of the place. It is left as it was
    where no reader is heard.
    """
    rows, scratch = work
    kept = hear(count, sightings, rows)
    if kept == 0:
        return 0
    for k in range(kept):
        site = sites_m[int(rows[k, READER])]
        rows[k, _X], rows[k, _Y] = site[0], site[1]
        rows[k, _HEIGHT2] = (site[2] - site[3]) * (site[2] - site[3])
    prior = scratch[CELLS * CELLS : SCRATCH]
    _prior(rows, kept, prior)
    for i in range(5):  # a slice's assignment would compile its error message for seconds
        out[i] = prior[i]
    heard = (rows, kept, totals(rows, kept))
    # First where the card may be at all, then finely where it may be by the strengths.
    _search(out, heard, prior, scratch)
    _search(out, heard, prior, scratch)
    return kept
