"""The rival of the roadway filter: a textbook extended Kalman filter in the plane, in NumPy.

State x, y, vx, vy with white-noise acceleration (Bar-Shalom, Li & Kirubarajan 2001, 6.2.2), each
range a scalar update (ibid. 10.3). It starts where the circles of the first two anchors meet. It
believes every range, knows nothing of roadways, and has no gate. It is told the true height of the
card at every range, which is more than a deployment knows.
"""

import numpy as np
from numpy.typing import NDArray

from positioning.observation import Records

Floats = NDArray[np.float64]

#: Standard deviation of a range and spectral density of the acceleration: of 0.1, 0.3 and 1 m with
#: 0.01, 0.03, 0.1, 0.3 and 1 m²/s³, the pair that gives the rival its least errors at 20 %.
SIGMA_M = 0.1
ACCELERATION_Q_M2_S3 = 0.1
#: Standard deviations of the start.
START_M, START_M_S = 3.0, 1.0
#: Ranges to two anchors within so long are one place.
START_WITHIN_NS = 2_500_000_000


def plain_ekf(
    anchors_m: Floats,
    ranges: Records,
    height_m: Floats,
    *,
    sigma_m: float = SIGMA_M,
    q_m2_s3: float = ACCELERATION_Q_M2_S3,
) -> Floats:
    """Where the filter takes each card to be after each range, (n, 2); NaN before it has started.

    `ranges`: (n,) RANGE by time. `height_m`: (n,), z of the card at each of them.
    """
    places_m = np.full((len(ranges), 2), np.nan)
    cards = ranges["card"]
    for card in np.unique(cards):
        rows = np.flatnonzero(cards == card)
        first, place_m = _start(anchors_m, ranges[rows], height_m[rows])
        state = np.array([*place_m, 0.0, 0.0])
        cov = np.diag([START_M**2, START_M**2, START_M_S**2, START_M_S**2])
        before_ns = int(ranges["t_ns"][rows[first]]) if first < len(rows) else 0
        for row in rows[first:]:
            measured = ranges[row]
            dt_s = (int(measured["t_ns"]) - before_ns) * 1e-9
            before_ns = int(measured["t_ns"])
            state, cov = _predicted(state, cov, dt_s, q_m2_s3)
            from_m = np.array([*state[:2], height_m[row]]) - anchors_m[measured["anchor"]]
            away_m = max(float(np.linalg.norm(from_m)), 1e-6)
            h = np.array([from_m[0] / away_m, from_m[1] / away_m, 0.0, 0.0])
            gain = cov @ h / (h @ cov @ h + sigma_m**2)
            state = state + gain * (measured["range_m"] - away_m)
            cov = _joseph(cov, gain, h, sigma_m)
            places_m[row] = state[:2]
    return places_m


def _start(anchors_m: Floats, own: Records, height_m: Floats) -> tuple[int, Floats]:
    """The row of one card's ranges at which a second anchor is heard, and the place there.

    The two circles meet twice; that to the left of the line between the anchors is taken. Where
    they don't meet it is the point between them on that line. The row is len(own) if there is none.
    """
    for i in range(1, len(own)):
        a, b = own[i - 1], own[i]
        if a["anchor"] == b["anchor"] or b["t_ns"] - a["t_ns"] > START_WITHIN_NS:
            continue
        first_m, second_m = anchors_m[a["anchor"]], anchors_m[b["anchor"]]
        step_m = second_m[:2] - first_m[:2]
        apart_m = float(np.linalg.norm(step_m))
        to_first_m2 = max(a["range_m"] ** 2 - (height_m[i - 1] - first_m[2]) ** 2, 0.0)
        to_second_m2 = max(b["range_m"] ** 2 - (height_m[i] - second_m[2]) ** 2, 0.0)
        along_m = (to_first_m2 - to_second_m2 + apart_m**2) / (2 * apart_m)
        aside_m = np.sqrt(max(to_first_m2 - along_m**2, 0.0))
        unit = step_m / apart_m
        place_m = first_m[:2] + unit * along_m + np.array([-unit[1], unit[0]]) * aside_m
        return i, place_m
    return len(own), np.zeros(2)


def _predicted(state: Floats, cov: Floats, dt_s: float, q_m2_s3: float) -> tuple[Floats, Floats]:
    f = np.eye(4)
    f[0, 2] = f[1, 3] = dt_s
    q = np.zeros((4, 4))
    q[0, 0] = q[1, 1] = dt_s**3 / 3
    q[0, 2] = q[2, 0] = q[1, 3] = q[3, 1] = dt_s**2 / 2
    q[2, 2] = q[3, 3] = dt_s
    return f @ state, f @ cov @ f.T + q_m2_s3 * q


def _joseph(cov: Floats, gain: Floats, h: Floats, sigma_m: float) -> Floats:
    """The covariance after an update, in the form that stays symmetric and positive."""
    keep = np.eye(4) - np.outer(gain, h)
    updated: Floats = keep @ cov @ keep.T + sigma_m**2 * np.outer(gain, gain)
    return updated
