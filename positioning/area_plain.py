"""The filter of an open area with four states and no more, unrolled. Compiled.

The same as `positioning.area_filter`, which is for any number of states: what stays in registers
need not be stored and read again, which makes it several times as fast.
"""

from __future__ import annotations

from typing import Any

from positioning.area_filter import (
    VARIANCE_FLOOR,
    limit_speed,
    predict_with_biases,
    update_with_biases,
    weigh_innovation,
)
from positioning.cards import Card
from positioning.jit import njit_within
from positioning.site import Site


@njit_within
def predict_plain(card: Card, site: Site, dt_s: float) -> None:
    """As `predict`, for four states."""
    mean, cov, q = card["mean"], card["cov"], site["acceleration_q"]
    mean[0] += mean[2] * dt_s
    mean[1] += mean[3] * dt_s
    c02, c03, c12, c13 = cov[0, 2], cov[0, 3], cov[1, 2], cov[1, 3]
    c22, c23, c33 = cov[2, 2], cov[2, 3], cov[3, 3]
    half, third = 0.5 * q * dt_s * dt_s, q * dt_s * dt_s * dt_s / 3.0
    cov[0, 0] += dt_s * (2.0 * c02 + dt_s * c22) + third
    cov[0, 1] += dt_s * (c12 + c03 + dt_s * c23)
    cov[1, 1] += dt_s * (2.0 * c13 + dt_s * c33) + third
    cov[1, 0] = cov[0, 1]
    _set_pair(cov, 0, 2, c02 + dt_s * c22 + half)
    _set_pair(cov, 0, 3, c03 + dt_s * c23)
    _set_pair(cov, 1, 2, c12 + dt_s * c23)
    _set_pair(cov, 1, 3, c13 + dt_s * c33 + half)
    cov[2, 2] = c22 + q * dt_s
    cov[3, 3] = c33 + q * dt_s


@njit_within
def _set_pair(cov: Any, i: int, j: int, value: float) -> None:
    cov[i, j] = value
    cov[j, i] = value


@njit_within
def _update_plain(card: Card, site: Site, told: Any) -> tuple[bool, float, float]:
    ux, uy, _, _, lag_s, innovation, noise_m2, long, short = told
    mean, cov = card["mean"], card["cov"]
    c00, c01, c02, c03 = cov[0, 0], cov[0, 1], cov[0, 2], cov[0, 3]
    c11, c12, c13 = cov[1, 1], cov[1, 2], cov[1, 3]
    c22, c23, c33 = cov[2, 2], cov[2, 3], cov[3, 3]
    wx, wy = -lag_s * ux, -lag_s * uy
    g0 = c00 * ux + c01 * uy + c02 * wx + c03 * wy
    g1 = c01 * ux + c11 * uy + c12 * wx + c13 * wy
    g2 = c02 * ux + c12 * uy + c22 * wx + c23 * wy
    g3 = c03 * ux + c13 * uy + c23 * wx + c33 * wy
    spread = ux * g0 + uy * g1 + wx * g2 + wy * g3
    accepted, nis, total = weigh_innovation(innovation, spread, noise_m2, (long, short))
    weight = 1.0 / total
    slope_m2 = (g0 * g0 + g1 * g1) * weight
    if not accepted:
        return False, nis, slope_m2
    step = innovation * weight
    mean[0] += g0 * step
    mean[1] += g1 * step
    mean[2] += g2 * step
    mean[3] += g3 * step
    s0, s1, s2, s3 = g0 * weight, g1 * weight, g2 * weight, g3 * weight
    cov[0, 0] = max(c00 - s0 * g0, VARIANCE_FLOOR)
    cov[1, 1] = max(c11 - s1 * g1, VARIANCE_FLOOR)
    cov[2, 2] = max(c22 - s2 * g2, VARIANCE_FLOOR)
    cov[3, 3] = max(c33 - s3 * g3, VARIANCE_FLOOR)
    _set_pair(cov, 0, 1, c01 - s0 * g1)
    _set_pair(cov, 0, 2, c02 - s0 * g2)
    _set_pair(cov, 0, 3, c03 - s0 * g3)
    _set_pair(cov, 1, 2, c12 - s1 * g2)
    _set_pair(cov, 1, 3, c13 - s1 * g3)
    _set_pair(cov, 2, 3, c23 - s2 * g3)
    limit_speed(card, site)
    return True, nis, slope_m2


@njit_within
def predict(card: Card, site: Site, dt_s: float) -> None:
    """Moves a card's state on by `dt_s`."""
    if _is_plain(card, site):
        predict_plain(card, site, dt_s)
    else:
        predict_with_biases(card, site, dt_s)


@njit_within
def update(card: Card, site: Site, told: Any) -> tuple[bool, float, float]:
    """Takes one scalar measurement into a card's state: (accepted, NIS, slope²).

    `told`: (ux, uy, plus, minus, lag_s, innovation, noise_m2, long, short). The gradient is
    (ux, uy) in x and y of `lag_s` ago, 1 in the bias of slot `plus` and -1 in that of `minus`
    (-1 for none); `long` and `short` are the gates of `weigh_innovation`. The slope is how many
    metres the place moves for an innovation of one sigma.
    """
    if _is_plain(card, site):
        return _update_plain(card, site, told)
    return update_with_biases(card, site, told)


@njit_within
def _is_plain(card: Card, site: Site) -> bool:
    """Four states, known when the kernel is compiled, and no past places to be smoothed."""
    return len(card["mean"]) == 4 and site["lag_ns"] == 0
