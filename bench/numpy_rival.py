"""The same filter batched in NumPy: all cards at once, range after range, each at its own time.

    ./run bench numpy_rival

States and covariances are (n, 4) and (n, 4, 4), a card's own together, as one usually writes it.
Beside it the same with the cards last, (4, n) and (4, 4, n), which suits NumPy better. The last
line is a JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

import numpy as np

from bench.kernel_scene import (
    CARD_Z_M,
    RANGE_SIGMA_M,
    STEPS_S,
    Floats,
    Scene,
    first_covariance,
    open_scene,
    process_noise,
    rmse_m,
)


def _predict(mean: Floats, cov: Floats, dt_s: float, q: Floats) -> None:
    """In place: F·x and F·P·Fᵀ + Q, with F's few entries written out."""
    mean[:, :2] += dt_s * mean[:, 2:]
    cov[:, :2] += dt_s * cov[:, 2:]
    cov[:, :, :2] += dt_s * cov[:, :, 2:]
    cov += q


def _take_range(mean: Floats, cov: Floats, anchor_m: Floats, range_m: Floats) -> None:
    """In place: one range of one anchor into each card's filter (Bierman 1977)."""
    dx, dy, rise_m = mean[:, 0] - anchor_m[0], mean[:, 1] - anchor_m[1], anchor_m[2]
    expected_m = np.sqrt(dx * dx + dy * dy + rise_m * rise_m)
    hx, hy = dx / expected_m, dy / expected_m
    ph = hx[:, None] * cov[:, 0] + hy[:, None] * cov[:, 1]
    variance = hx * ph[:, 0] + hy * ph[:, 1] + RANGE_SIGMA_M**2
    gain = ph / variance[:, None]
    mean += gain * (range_m - expected_m)[:, None]
    cov -= gain[:, :, None] * ph[:, None, :]


def rate(given: Scene) -> tuple[float, float]:
    """Fixes per second over all rounds of `given`, and the last round's RMSE in metres."""
    n = len(given.start_m)
    mean = np.zeros((n, 4))
    mean[:, :2] = given.start_m
    cov = np.tile(first_covariance(), (n, 1, 1))
    noise = [process_noise(dt_s) for dt_s in STEPS_S]
    anchors_m = given.anchors_m - [0.0, 0.0, CARD_Z_M]
    by_anchor = np.ascontiguousarray(given.ranges_m.transpose(0, 2, 1))
    begun_s = time.thread_time()
    for ranges_m in by_anchor:
        for dt_s, q, anchor_m, range_m in zip(STEPS_S, noise, anchors_m, ranges_m, strict=True):
            _predict(mean, cov, dt_s, q)
            _take_range(mean, cov, anchor_m, range_m)
    took_s = time.thread_time() - begun_s
    return given.fixes / took_s, rmse_m(mean[:, :2], given.truth_m[-1])


def rate_of_columns(given: Scene) -> tuple[float, float]:
    """The same with the cards last."""
    n = len(given.start_m)
    mean = np.zeros((4, n))
    mean[:2] = given.start_m.T
    cov = np.repeat(first_covariance()[:, :, None], n, axis=2)
    noise = [process_noise(dt_s)[:, :, None] for dt_s in STEPS_S]
    anchors_m = given.anchors_m - [0.0, 0.0, CARD_Z_M]
    by_anchor = np.ascontiguousarray(given.ranges_m.transpose(0, 2, 1))
    begun_s = time.thread_time()
    for ranges_m in by_anchor:
        for dt_s, q, (x_m, y_m, rise_m), range_m in zip(
            STEPS_S, noise, anchors_m, ranges_m, strict=True
        ):
            mean[:2] += dt_s * mean[2:]
            cov[:2] += dt_s * cov[2:]
            cov[:, :2] += dt_s * cov[:, 2:]
            cov += q
            dx, dy = mean[0] - x_m, mean[1] - y_m
            expected_m = np.sqrt(dx * dx + dy * dy + rise_m * rise_m)
            hx, hy = dx / expected_m, dy / expected_m
            ph = hx * cov[0] + hy * cov[1]
            gain = ph / (hx * ph[0] + hy * ph[1] + RANGE_SIGMA_M**2)
            mean += gain * (range_m - expected_m)
            cov -= gain[:, None] * ph
    took_s = time.thread_time() - begun_s
    return given.fixes / took_s, rmse_m(mean[:2].T, given.truth_m[-1])


if __name__ == "__main__":
    whole = open_scene(cards=2000, rounds=100)
    (rows_per_s, rows_rmse_m), (columns_per_s, columns_rmse_m) = rate(whole), rate_of_columns(whole)
    print(f"NumPy, (n, 4, 4): {rows_per_s:,.0f} fixes/s, RMSE {rows_rmse_m:.3f} m")
    print(f"NumPy, (4, 4, n): {columns_per_s:,.0f} fixes/s, RMSE {columns_rmse_m:.3f} m")
    print(json.dumps({"fixes_per_s": rows_per_s, "fixes_per_s_columns": columns_per_s}))
