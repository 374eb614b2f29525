"""The ellipse that a fix's covariance draws on the map, and how far a place is in its measure."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from positioning.observation import Records

Floats = NDArray[np.float64]


class Ellipses(NamedTuple):
    """Ellipses around fixes, each (n,) float64.

    `direction_deg` is that of the longer axis, anticlockwise from the x axis, in [-90, 90].
    """

    semi_major_m: Floats
    semi_minor_m: Floats
    direction_deg: Floats


def squared_radius(probability: float) -> float:
    """The squared Mahalanobis distance within which a plane's normal law has `probability`.

    The quantile of chi square with two degrees of freedom: -2·ln(1 - p); 5.991 for 95 %.
    """
    return -2.0 * math.log1p(-probability)


def ellipses(fixes: Records, probability: float = 0.95) -> Ellipses:
    """The ellipse around each of `fixes` (n,) FIX that holds the card with `probability`.

    The axes are the eigenvectors of the covariance, stretched by the root of its eigenvalues and of
    `squared_radius`. A covariance that is not finite gives NaN.
    """
    xx, xy, yy = fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"]
    mean, apart = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    radius = math.sqrt(squared_radius(probability))
    return Ellipses(
        semi_major_m=radius * np.sqrt(mean + apart),
        # Rounding may leave a line's width just below zero.
        semi_minor_m=radius * np.sqrt(np.maximum(mean - apart, 0.0)),
        direction_deg=np.degrees(0.5 * np.arctan2(2.0 * xy, xx - yy)),
    )


def squared_distance(fixes: Records, dx_m: Floats, dy_m: Floats) -> Floats:
    """The squared Mahalanobis distance of a place (dx, dy) beside each of `fixes` (n,) FIX.

    With the fix's own error as the distance this is the normalised estimation error squared, NEES
    (Bar-Shalom, Li & Kirubarajan 2001, 5.4.2): 2 on average, if the covariance is right. Infinite
    where the covariance is not positive definite.
    """
    xx, xy, yy = fixes["var_x_m2"], fixes["cov_xy_m2"], fixes["var_y_m2"]
    determinant = xx * yy - xy * xy
    definite = (determinant > 0.0) & (xx > 0.0)
    squared = yy * dx_m * dx_m - 2.0 * xy * dx_m * dy_m + xx * dy_m * dy_m
    apart: Floats = np.full(len(fixes), np.inf)
    np.divide(squared, determinant, out=apart, where=definite)
    return apart
