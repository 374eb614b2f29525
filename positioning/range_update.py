"""One range into one card's state: prediction and update of the filter, compiled.

Model of an open area: x, y, vx, vy with white-noise acceleration (Bar-Shalom, Li & Kirubarajan
2001, section 6.3.2) and one Gauss–Markov bias for each anchor heard lately. Ranges enter one by one
as scalar updates (Bierman 1977), linearised to second order. The gate weighs by Huber (1964).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from positioning.cards import Card, Floats, Site
from positioning.jit import njit

#: No variance falls below (1 mm)², so that a sum of roundings cannot make it negative.
VARIANCE_FLOOR: Final = 1e-6
#: No slant range is taken for shorter: its direction would be noise.
SLANT_FLOOR_M: Final = 0.05


@njit
def predict(card: Card, site: Site, dt_s: float) -> None:
    """Moves a card's state on by `dt_s`."""
    mean, cov, s = card["mean"], card["cov"], site.settings
    states = 4 + card["slots"]
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
    keep = math.exp(-dt_s / s["bias_tau_s"])
    for b in range(4, states):
        mean[b] *= keep
        for j in range(states):
            cov[b, j] *= keep
            cov[j, b] *= keep
        cov[b, b] += s["bias_var_m2"] * (1.0 - keep * keep)


@njit
def _innovation(
    card: Card, site: Site, slot: int, lag_s: float, near: Floats
) -> tuple[float, float, float, Floats]:
    """What a range says that the state did not.

    Gives the innovation, the variance of the state's part in it, the variance of the range's own
    noise, and covariance × gradient (states,). `near` is a row as of `search.gather`; `lag_s` is
    how much older than the state the range is. To second order a range over a wide state is longer
    by `bend`, half the trace of (Hessian × covariance): the circle's sagitta.
    """
    mean, cov, s = card["mean"], card["cov"], site.settings
    dx = mean[0] - lag_s * mean[2] - near[0]
    dy = mean[1] - lag_s * mean[3] - near[1]
    slant_m = max(math.sqrt(dx * dx + dy * dy + near[2]), SLANT_FLOOR_M)
    ux, uy = dx / slant_m, dy / slant_m
    b = 4 + slot
    states = 4 + card["slots"]
    ph = np.empty(states)
    for i in range(states):
        at_now = cov[i, 0] * ux + cov[i, 1] * uy
        ph[i] = at_now - lag_s * (cov[i, 2] * ux + cov[i, 3] * uy) + cov[i, b]
    spread = ux * ph[0] + uy * ph[1] - lag_s * (ux * ph[2] + uy * ph[3]) + ph[b]
    across = cov[0, 0] * (1.0 - ux * ux) - 2.0 * cov[0, 1] * ux * uy + cov[1, 1] * (1.0 - uy * uy)
    bend = min(max(0.5 * across / slant_m, 0.0), s["bend_max_m"])
    innovation = near[3] - slant_m - mean[b] - bend
    return innovation, spread, s["range_var_m2"] + 2.0 * bend * bend, ph


@njit
def update(card: Card, site: Site, slot: int, lag_s: float, near: Floats) -> tuple[bool, float]:
    """Takes one range into a card's state: (accepted, normalised innovation squared)."""
    mean, cov, s = card["mean"], card["cov"], site.settings
    innovation, spread, noise, ph = _innovation(card, site, slot, lag_s, near)
    nis = innovation * innovation / (spread + noise)
    score = math.sqrt(nis)
    gate = s["gate_long"] if innovation > 0.0 else s["gate_short"]
    if score > 2.0 * gate + 1.0:
        return False, nis
    if score > gate:
        noise *= score / gate
    total = spread + noise
    states = 4 + card["slots"]
    for i in range(states):
        mean[i] += ph[i] / total * innovation
    for i in range(states):
        for j in range(i, states):
            cov[i, j] -= ph[i] * ph[j] / total
            cov[j, i] = cov[i, j]
        cov[i, i] = max(cov[i, i], VARIANCE_FLOOR)
    speed_m_s = math.hypot(mean[2], mean[3])
    if speed_m_s > s["speed_max_m_s"]:  # no card is so fast: the filter has followed an error
        mean[2] *= s["speed_max_m_s"] / speed_m_s
        mean[3] *= s["speed_max_m_s"] / speed_m_s
    return True, nis


@njit
def describe(site: Site, near: Floats, anchor: int, range_m: float) -> None:
    """Writes a range as a row of `positioning.search.gather`, but for its variance."""
    dz_m = site.anchors[anchor, 2] - site.anchors[anchor, 3]
    near[0] = site.anchors[anchor, 0]
    near[1] = site.anchors[anchor, 1]
    near[2] = dz_m * dz_m
    near[3] = range_m
    near[5] = anchor
