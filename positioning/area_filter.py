"""The filter of an open area: prediction, and one scalar update for all that is measured. Compiled.

State: x, y, vx, vy with white-noise acceleration (Bar-Shalom, Li & Kirubarajan 2001, section 6.3.2)
and one Gauss–Markov bias for each anchor heard lately. Measurements enter one by one as scalar
updates (Bierman 1977), ranges linearised to second order. The gate weighs by Huber (1964).
"""

from __future__ import annotations

import math
from typing import Any, Final

from positioning.cards import CLONE_CROSS, Card, Floats
from positioning.jit import njit, njit_within
from positioning.site import Site

#: No variance falls below (1 mm)², so that a sum of roundings cannot make it negative.
VARIANCE_FLOOR: Final = 1e-6
#: No slant range is taken for shorter: its direction would be noise.
SLANT_FLOOR_M: Final = 0.05


@njit_within
def states_of(card: Card) -> int:
    """How many states of the card are in use: 4, and a bias for each anchor heard."""
    if len(card["mean"]) == 4:
        return 4
    return 4 + int(card["slots"])


@njit
def predict_with_biases(card: Card, site: Site, dt_s: float) -> None:
    """As `predict`, for any number of states."""
    mean, cov, s = card["mean"], card["cov"], site
    states = states_of(card)
    mean[0] += mean[2] * dt_s
    mean[1] += mean[3] * dt_s
    for j in range(states):
        cov[0, j] += dt_s * cov[2, j]
        cov[1, j] += dt_s * cov[3, j]
    for j in range(states):
        cov[j, 0] += dt_s * cov[j, 2]
        cov[j, 1] += dt_s * cov[j, 3]
    cov[1, 0] = cov[0, 1]  # the one pair whose roundings may differ
    q = s["acceleration_q"]
    for k in range(2):
        cov[k, k] += q * dt_s * dt_s * dt_s / 3.0
        cov[k, k + 2] += q * dt_s * dt_s / 2.0
        cov[k + 2, k] += q * dt_s * dt_s / 2.0
        cov[k + 2, k + 2] += q * dt_s
    keep = 1.0
    if states > 4:
        keep = math.exp(-dt_s / s["bias_tau_s"])
        for b in range(4, states):
            mean[b] *= keep
            for j in range(states):
                cov[b, j] *= keep
                cov[j, b] *= keep
            cov[b, b] += s["bias_var_m2"] * (1.0 - keep * keep)
    if s["lag_ns"] > 0:
        _predict_clones(card, states, dt_s, keep)


@njit
def _predict_clones(card: Card, states: int, dt_s: float, keep: float) -> None:
    """A past place does not move; what it has in common with the state of now does."""
    clones, width = card["clones"], len(card["mean"])
    for k in range(len(clones)):
        for row in range(CLONE_CROSS, CLONE_CROSS + 2 * width, width):
            clones[k, row] += dt_s * clones[k, row + 2]
            clones[k, row + 1] += dt_s * clones[k, row + 3]
            for b in range(4, states):
                clones[k, row + b] *= keep


@njit_within
def expect_range(
    card: Card, site: Site, anchor: int, lag_s: float
) -> tuple[float, float, float, float]:
    """The expected distance to an anchor, its gradient (x, y), and the variance of the bend.

    `lag_s` is how much older than the state the range is. To second order a range over a wide state
    is longer by the bend, half the trace of (Hessian × covariance): the circle's sagitta.
    """
    mean, cov = card["mean"], card["cov"]
    dx = mean[0] - lag_s * mean[2] - site["anchor_x_m"][anchor]
    dy = mean[1] - lag_s * mean[3] - site["anchor_y_m"][anchor]
    dz = site["anchor_z_m"][anchor] - site["anchor_card_z_m"][anchor]
    slant_m = max(math.sqrt(dx * dx + dy * dy + dz * dz), SLANT_FLOOR_M)
    nearness = 1.0 / slant_m
    ux, uy = dx * nearness, dy * nearness
    xx, xy, yy = cov[0, 0], cov[0, 1], cov[1, 1]
    across = xx * (1.0 - ux * ux) - 2.0 * xy * ux * uy + yy * (1.0 - uy * uy)
    bend = min(max(0.5 * across * nearness, 0.0), site["bend_max_m"])
    return slant_m + bend, ux, uy, 2.0 * bend * bend


@njit_within
def project(
    card: Card, site: Site, ux: float, uy: float, plus: int, minus: int, lag_s: float
) -> float:
    """Covariance × gradient into the scratch `gain`; gives gradient' × covariance × gradient.

    The gradient is (ux, uy) in x and y of `lag_s` ago, 1 in the bias of slot `plus` and -1 in that
    of slot `minus` (-1 for none).
    """
    cov, gain = card["cov"], site["gain"]
    states = states_of(card)
    for i in range(states):
        value = cov[i, 0] * ux + cov[i, 1] * uy
        if lag_s != 0.0:
            value -= lag_s * (cov[i, 2] * ux + cov[i, 3] * uy)
        if plus >= 0:
            value += cov[i, 4 + plus]
        if minus >= 0:
            value -= cov[i, 4 + minus]
        gain[i] = value
    spread = ux * gain[0] + uy * gain[1] - lag_s * (ux * gain[2] + uy * gain[3])
    if plus >= 0:
        spread += gain[4 + plus]
    if minus >= 0:
        spread -= gain[4 + minus]
    return float(spread)


@njit_within
def absorb(card: Card, site: Site, innovation: float, total: float) -> None:
    """The scalar update, with the scratch `gain` of `project` and the innovation's variance."""
    mean, cov, gain = card["mean"], card["cov"], site["gain"]
    states = states_of(card)
    weight = 1.0 / total
    step = innovation * weight
    for i in range(states):
        mean[i] += gain[i] * step
    for i in range(states):
        share = gain[i] * weight
        for j in range(i, states):
            cov[i, j] -= share * gain[j]
            cov[j, i] = cov[i, j]
        cov[i, i] = max(cov[i, i], VARIANCE_FLOOR)


@njit
def _absorb_in_clones(
    card: Card, site: Site, gradient: Any, innovation: float, total: float
) -> None:
    """The same update for past places: the fixed-point smoother (Anderson & Moore 1979, 7.3).

    Comes after `absorb`, with the same scratch `gain`.
    """
    gain, clones = site["gain"], card["clones"]
    states, width = states_of(card), len(card["mean"])
    for k in range(len(clones)):
        own_x = _in_common(clones, k, CLONE_CROSS, gradient)
        own_y = _in_common(clones, k, CLONE_CROSS + width, gradient)
        clones[k, 0] += own_x / total * innovation
        clones[k, 1] += own_y / total * innovation
        clones[k, 4] -= own_x * own_x / total
        clones[k, 5] -= own_x * own_y / total
        clones[k, 6] -= own_y * own_y / total
        for i in range(states):
            clones[k, CLONE_CROSS + i] -= own_x / total * gain[i]
            clones[k, CLONE_CROSS + width + i] -= own_y / total * gain[i]


@njit
def _in_common(clones: Floats, k: int, row: int, gradient: Any) -> float:
    """Covariance of a past coordinate with what is measured."""
    ux, uy, plus, minus, lag_s = gradient
    value = clones[k, row] * ux + clones[k, row + 1] * uy
    value -= lag_s * (clones[k, row + 2] * ux + clones[k, row + 3] * uy)
    if plus >= 0:
        value += clones[k, row + 4 + plus]
    if minus >= 0:
        value -= clones[k, row + 4 + minus]
    return float(value)


@njit_within
def limit_speed(card: Card, site: Site) -> None:
    """No card is faster than its limit: else the filter has followed an error."""
    mean = card["mean"]
    most_m_s = card["speed_max_m_s"]
    if most_m_s <= 0.0:
        most_m_s = site["speed_max_m_s"]
    m2 = mean[2] * mean[2] + mean[3] * mean[3]
    if m2 > most_m_s * most_m_s:
        shrink = most_m_s / math.sqrt(m2)
        mean[2] *= shrink
        mean[3] *= shrink


@njit_within
def weigh_innovation(
    innovation: float, spread: float, noise_m2: float, gates: tuple[float, float]
) -> tuple[bool, float, float]:
    """Huber's weight of an innovation: (accepted, NIS, the innovation's variance to be used).

    `gates`: how many sigmas too long and too short it keeps its whole weight; beyond 2·gate + 1 it
    is dropped.
    """
    total = spread + noise_m2
    nis = innovation * innovation / total
    gate = gates[0] if innovation > 0.0 else gates[1]
    if nis > gate * gate:
        if nis > (2.0 * gate + 1.0) ** 2:
            return False, nis, total
        total = spread + noise_m2 * math.sqrt(nis) / gate
    return True, nis, total


@njit
def update_with_biases(card: Card, site: Site, told: Any) -> tuple[bool, float, float]:
    """As `update`, for any number of states."""
    ux, uy, plus, minus, lag_s, innovation, noise_m2, long, short = told
    spread = project(card, site, ux, uy, plus, minus, lag_s)
    accepted, nis, total = weigh_innovation(innovation, spread, noise_m2, (long, short))
    gain = site["gain"]
    slope_m2 = (gain[0] * gain[0] + gain[1] * gain[1]) / total
    if accepted:
        absorb(card, site, innovation, total)
        if site["lag_ns"] > 0:
            gradient = (ux, uy, plus, minus, lag_s)
            _absorb_in_clones(card, site, gradient, innovation, total)
        limit_speed(card, site)
    return accepted, nis, slope_m2
