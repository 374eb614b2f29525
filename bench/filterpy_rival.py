"""FilterPy's extended Kalman filter in its ordinary loop, one filter object a card.

    ./run bench filterpy_rival

Ranges come one by one, each with its own time, as a reader gives them and as the tracker takes
them: the filter is predicted to the range's time and updated with the range. Beside it what a user
gets whose four ranges always come together, as one measurement of four values at a fixed rate.
The last line is a JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

import numpy as np
from filterpy.common import Q_continuous_white_noise
from filterpy.kalman import ExtendedKalmanFilter

from bench.kernel_scene import (
    ACCELERATION_Q,
    CARD_Z_M,
    RANGE_SIGMA_M,
    ROUND_S,
    Floats,
    Scene,
    first_covariance,
    open_scene,
    process_noise,
    rmse_m,
)


def _new_filter(place_m: Floats, values: int) -> ExtendedKalmanFilter:
    ekf = ExtendedKalmanFilter(dim_x=4, dim_z=values)
    ekf.x = np.array([place_m[0], place_m[1], 0.0, 0.0])
    ekf.P = first_covariance()
    ekf.R = np.eye(values) * RANGE_SIGMA_M**2
    ekf.F[0, 2] = ekf.F[1, 3] = ROUND_S
    ekf.Q = process_noise(ROUND_S)
    return ekf


def _expected(x: Floats, anchor_m: Floats) -> Floats:
    """One range."""
    level_m2 = ((x[:2] - anchor_m[:2]) ** 2).sum(keepdims=True)
    apart_m: Floats = np.sqrt(level_m2 + (anchor_m[2] - CARD_Z_M) ** 2)
    return apart_m


def _jacobian(x: Floats, anchor_m: Floats) -> Floats:
    h = np.zeros((1, 4))
    h[0, :2] = (x[:2] - anchor_m[:2]) / _expected(x, anchor_m)
    return h


def rate(given: Scene) -> tuple[float, float]:
    """Fixes per second over all rounds of `given`, and the last round's RMSE in metres."""
    filters = [_new_filter(place_m, 1) for place_m in given.start_m]
    last_ns = [round(-ROUND_S * 1e9)] * len(filters)
    rounds = [ranges.tolist() for ranges in given.rounds()]
    begun_s = time.thread_time()
    for ranges in rounds:
        for card, anchor, t_ns, range_m, _rssi_dbm, _first_path_dbm in ranges:
            ekf = filters[card]
            if t_ns > last_ns[card]:
                dt_s = (t_ns - last_ns[card]) * 1e-9
                last_ns[card] = t_ns
                ekf.F[0, 2] = ekf.F[1, 3] = dt_s
                ekf.Q = Q_continuous_white_noise(2, dt_s, ACCELERATION_Q, 2, order_by_dim=False)
                ekf.predict()
            around = (given.anchors_m[anchor],)
            ekf.update(range_m, _jacobian, _expected, args=around, hx_args=around)
    took_s = time.thread_time() - begun_s
    places_m = np.array([ekf.x[:2] for ekf in filters])
    return given.fixes / took_s, rmse_m(places_m, given.truth_m[-1])


def rate_of_epochs(given: Scene) -> tuple[float, float]:
    """The same where all four ranges of a card are one measurement, at a fixed rate."""
    filters = [_new_filter(place_m, 4) for place_m in given.start_m]
    anchors_m, rise2_m2 = given.anchors_m[:, :2], (given.anchors_m[:, 2] - CARD_Z_M) ** 2

    def expected(x: Floats) -> Floats:
        apart: Floats = np.sqrt(((x[:2] - anchors_m) ** 2).sum(axis=1) + rise2_m2)
        return apart

    def jacobian(x: Floats) -> Floats:
        h = np.zeros((4, 4))
        h[:, :2] = (x[:2] - anchors_m) / expected(x)[:, None]
        return h

    begun_s = time.thread_time()
    for ranges_m in given.ranges_m:
        for ekf, z in zip(filters, ranges_m, strict=True):
            ekf.predict()
            ekf.update(z, jacobian, expected)
    took_s = time.thread_time() - begun_s
    places_m = np.array([ekf.x[:2] for ekf in filters])
    return given.fixes / took_s, rmse_m(places_m, given.truth_m[-1])


if __name__ == "__main__":
    scene = open_scene(cards=100, rounds=50)
    (ranges_per_s, ranges_rmse_m), (epochs_per_s, epochs_rmse_m) = (
        rate(scene),
        rate_of_epochs(scene),
    )
    print(f"FilterPy, range by range: {ranges_per_s:,.0f} fixes/s, RMSE {ranges_rmse_m:.3f} m")
    print(f"FilterPy, four at once:   {epochs_per_s:,.0f} fixes/s, RMSE {epochs_rmse_m:.3f} m")
    print(json.dumps({"fixes_per_s": ranges_per_s, "fixes_per_s_epochs": epochs_per_s}))
