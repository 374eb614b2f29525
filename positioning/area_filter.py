"""The filter of an open area: prediction, and one scalar update for all that is measured. Compiled.

State: x, y, vx, vy with white-noise acceleration (Bar-Shalom, Li & Kirubarajan 2001, section 6.3.2)
and one Gauss–Markov bias for each anchor heard lately. Measurements enter one by one as scalar
updates (Bierman 1977), ranges linearised to second order. The gate weighs by Huber (1964).

`c` is the card.
"""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.cards import CLONE_CROSS, USED_SLOTS, Cards, Floats, Site
from positioning.jit import njit

#: No variance falls below (1 mm)², so that a sum of roundings cannot make it negative.
VARIANCE_FLOOR: Final = 1e-6
#: No slant range is taken for shorter: its direction would be noise.
SLANT_FLOOR_M: Final = 0.05


@njit
def states_of(cards: Cards, c: int) -> int:
    """How many states of the card are in use: 4, and a bias for each anchor heard."""
    if cards.mean.shape[1] == 4:
        return 4
    return 4 + int(cards.marks[c, USED_SLOTS])


@njit
def predict(cards: Cards, site: Site, c: int, dt_s: float) -> None:
    """Moves a card's state on by `dt_s`."""
    mean, cov, s = cards.mean, cards.cov, site.settings[0]
    states = states_of(cards, c)
    mean[c, 0] += mean[c, 2] * dt_s
    mean[c, 1] += mean[c, 3] * dt_s
    for j in range(states):
        cov[c, 0, j] += dt_s * cov[c, 2, j]
        cov[c, 1, j] += dt_s * cov[c, 3, j]
    for j in range(states):
        cov[c, j, 0] += dt_s * cov[c, j, 2]
        cov[c, j, 1] += dt_s * cov[c, j, 3]
    cov[c, 1, 0] = cov[c, 0, 1]  # the one pair whose roundings may differ
    q = s["acceleration_q"]
    for k in range(2):
        cov[c, k, k] += q * dt_s * dt_s * dt_s / 3.0
        cov[c, k, k + 2] += q * dt_s * dt_s / 2.0
        cov[c, k + 2, k] += q * dt_s * dt_s / 2.0
        cov[c, k + 2, k + 2] += q * dt_s
    keep = 1.0
    if states > 4:
        keep = math.exp(-dt_s / s["bias_tau_s"])
        for b in range(4, states):
            mean[c, b] *= keep
            for j in range(states):
                cov[c, b, j] *= keep
                cov[c, j, b] *= keep
            cov[c, b, b] += s["bias_var_m2"] * (1.0 - keep * keep)
    if cards.clones.shape[1]:
        _predict_clones(cards, c, states, dt_s, keep)


@njit
def _predict_clones(cards: Cards, c: int, states: int, dt_s: float, keep: float) -> None:
    """A past place does not move; what it has in common with the state of now does."""
    width = cards.mean.shape[1]
    for k in range(cards.clones.shape[1]):
        for row in range(CLONE_CROSS, CLONE_CROSS + 2 * width, width):
            cards.clones[c, k, row] += dt_s * cards.clones[c, k, row + 2]
            cards.clones[c, k, row + 1] += dt_s * cards.clones[c, k, row + 3]
            for b in range(4, states):
                cards.clones[c, k, row + b] *= keep


@njit
def expect_range(
    cards: Cards, site: Site, c: int, anchor: int, lag_s: float
) -> tuple[float, float, float, float]:
    """The expected distance to an anchor, its gradient (x, y), and the variance of the bend.

    `lag_s` is how much older than the state the range is. To second order a range over a wide state
    is longer by the bend, half the trace of (Hessian × covariance): the circle's sagitta.
    """
    mean, cov = cards.mean, cards.cov
    dx = mean[c, 0] - lag_s * mean[c, 2] - site.anchors[anchor, 0]
    dy = mean[c, 1] - lag_s * mean[c, 3] - site.anchors[anchor, 1]
    dz = site.anchors[anchor, 2] - site.anchors[anchor, 3]
    slant_m = max(math.sqrt(dx * dx + dy * dy + dz * dz), SLANT_FLOOR_M)
    ux, uy = dx / slant_m, dy / slant_m
    xx, xy, yy = cov[c, 0, 0], cov[c, 0, 1], cov[c, 1, 1]
    across = xx * (1.0 - ux * ux) - 2.0 * xy * ux * uy + yy * (1.0 - uy * uy)
    bend = min(max(0.5 * across / slant_m, 0.0), site.settings[0]["bend_max_m"])
    return slant_m + bend, ux, uy, 2.0 * bend * bend


@njit
def project(
    cards: Cards, site: Site, c: int, ux: float, uy: float, plus: int, minus: int, lag_s: float
) -> float:
    """Covariance × gradient into the scratch `gain`; gives gradient' × covariance × gradient.

    The gradient is (ux, uy) in x and y of `lag_s` ago, 1 in the bias of slot `plus` and -1 in that
    of slot `minus` (-1 for none).
    """
    cov, gain = cards.cov, site.scratch.gain
    states = states_of(cards, c)
    for i in range(states):
        value = cov[c, i, 0] * ux + cov[c, i, 1] * uy
        if lag_s != 0.0:
            value -= lag_s * (cov[c, i, 2] * ux + cov[c, i, 3] * uy)
        if plus >= 0:
            value += cov[c, i, 4 + plus]
        if minus >= 0:
            value -= cov[c, i, 4 + minus]
        gain[i] = value
    spread = ux * gain[0] + uy * gain[1] - lag_s * (ux * gain[2] + uy * gain[3])
    if plus >= 0:
        spread += gain[4 + plus]
    if minus >= 0:
        spread -= gain[4 + minus]
    return spread


@njit
def absorb(cards: Cards, site: Site, c: int, innovation: float, total: float) -> None:
    """The scalar update, with the scratch `gain` of `project` and the innovation's variance."""
    mean, cov, gain = cards.mean, cards.cov, site.scratch.gain
    states = states_of(cards, c)
    step = innovation / total
    for i in range(states):
        mean[c, i] += gain[i] * step
    for i in range(states):
        share = gain[i] / total
        for j in range(i, states):
            cov[c, i, j] -= share * gain[j]
            cov[c, j, i] = cov[c, i, j]
        cov[c, i, i] = max(cov[c, i, i], VARIANCE_FLOOR)


@njit
def _absorb_in_clones(
    cards: Cards, site: Site, c: int, gradient: Any, innovation: float, total: float
) -> None:
    """The same update for past places: the fixed-point smoother (Anderson & Moore 1979, 7.3).

    Comes after `absorb`, with the same scratch `gain`.
    """
    gain, clones = site.scratch.gain, cards.clones
    states, width = states_of(cards, c), cards.mean.shape[1]
    for k in range(clones.shape[1]):
        own_x = _in_common(clones, c, k, CLONE_CROSS, gradient)
        own_y = _in_common(clones, c, k, CLONE_CROSS + width, gradient)
        clones[c, k, 0] += own_x / total * innovation
        clones[c, k, 1] += own_y / total * innovation
        clones[c, k, 4] -= own_x * own_x / total
        clones[c, k, 5] -= own_x * own_y / total
        clones[c, k, 6] -= own_y * own_y / total
        for i in range(states):
            clones[c, k, CLONE_CROSS + i] -= own_x / total * gain[i]
            clones[c, k, CLONE_CROSS + width + i] -= own_y / total * gain[i]


@njit
def _in_common(clones: Floats, c: int, k: int, row: int, gradient: Any) -> float:
    """Covariance of a past coordinate with what is measured."""
    ux, uy, plus, minus, lag_s = gradient
    value = clones[c, k, row] * ux + clones[c, k, row + 1] * uy
    value -= lag_s * (clones[c, k, row + 2] * ux + clones[c, k, row + 3] * uy)
    if plus >= 0:
        value += clones[c, k, row + 4 + plus]
    if minus >= 0:
        value -= clones[c, k, row + 4 + minus]
    return float(value)


@njit
def limit_speed(cards: Cards, site: Site, c: int) -> None:
    """No card is faster than its limit: else the filter has followed an error."""
    mean = cards.mean
    most_m_s = cards.speed_max_m_s[c]
    if most_m_s <= 0.0:
        most_m_s = site.settings[0]["speed_max_m_s"]
    m2 = mean[c, 2] * mean[c, 2] + mean[c, 3] * mean[c, 3]
    if m2 > most_m_s * most_m_s:
        shrink = most_m_s / math.sqrt(m2)
        mean[c, 2] *= shrink
        mean[c, 3] *= shrink


@njit
def update(
    cards: Cards,
    site: Site,
    c: int,
    gradient: Any,
    innovation: float,
    noise_m2: float,
    gates: tuple[float, float],
) -> tuple[bool, float, float]:
    """Takes one scalar measurement into a card's state: (accepted, NIS, slope).

    `gradient` as of `project`: (ux, uy, plus, minus, lag_s). `gates`: how many sigmas too long and
    too short a measurement keeps its whole weight; beyond 2·gate + 1 it is dropped. The slope is
    how many metres the place moves for an innovation of one sigma.
    """
    ux, uy, plus, minus, lag_s = gradient
    spread = project(cards, site, c, ux, uy, plus, minus, lag_s)
    gain = site.scratch.gain
    total = spread + noise_m2
    sigma_m = math.sqrt(total)
    slope_m = math.sqrt(gain[0] * gain[0] + gain[1] * gain[1]) / sigma_m
    score = abs(innovation) / sigma_m
    gate = gates[0] if innovation > 0.0 else gates[1]
    if score > 2.0 * gate + 1.0:
        return False, score * score, slope_m
    if score > gate:
        total = spread + noise_m2 * score / gate
    absorb(cards, site, c, innovation, total)
    if cards.clones.shape[1]:
        _absorb_in_clones(cards, site, c, gradient, innovation, total)
    limit_speed(cards, site, c)
    return True, score * score, slope_m
