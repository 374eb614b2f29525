"""How likely a place with a normally distributed error is in a polygon.

The integral of the normal distribution over the polygon, exact to 1e-5: with the covariance made
the unit matrix it is a sum over the segments of Owen's T function (Owen 1956; DiDonato & Hageman
1982). So it is right at corners, in holes, and in zones that are narrower than the uncertainty.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from positioning.jit import njit
from positioning.polygons import Floats, border_m

#: A card enters when it is inside with more than this probability, and leaves below the other.
ENTER_PROBABILITY: Final = 0.9
LEAVE_PROBABILITY: Final = 0.1
#: No fix is taken for surer than this in any direction.
SIGMA_FLOOR_M: Final = 0.05
#: A disc of so many sigmas around the place holds more than 0.9 (Rayleigh): where the border is
#: farther than that, the question is settled.
SETTLED_SIGMAS: Final = math.sqrt(-2.0 * math.log(1.0 - ENTER_PROBABILITY))
#: What lies farther out than this is less than 1e-10.
_FAR_SIGMAS: Final = 6.5
#: A place at a corner would be on neither side of two segments: it is moved aside by this.
_ASIDE_M: Final = 1e-7
_SQRT_2: Final = math.sqrt(2.0)

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_NODE: Final = tuple(float(node) for node in 0.5 * (_NODES + 1.0))
_WEIGHT: Final = tuple(float(weight) for weight in _WEIGHTS / (4.0 * math.pi))


@njit
def _above(z: float) -> float:
    """How much of a normal distribution lies above z."""
    return 0.5 * math.erfc(z / _SQRT_2)


@njit
def owen_t(h: float, a: float) -> float:
    """Owen's T function, h >= 0, a >= 0: by Gauss–Legendre, where a > 1 by its reflection."""
    whole, sign = 0.0, 1.0
    if a > 1.0:
        above_h, above_ah = _above(h), _above(a * h)
        whole = 0.5 * ((1.0 - above_h) * above_ah + (1.0 - above_ah) * above_h)
        if a * h > _FAR_SIGMAS:
            return whole
        h, a, sign = a * h, 1.0 / a, -1.0
    total = 0.0
    for node, weight in zip(_NODE, _WEIGHT):  # noqa: B905  # numba knows no `strict`
        square = 1.0 + (a * node) ** 2
        total += weight * math.exp(-0.5 * h * h * square) / square
    return whole + sign * a * total


#: x, y, variance of x, covariance, variance of y, largest variance of any direction.
Spread = tuple[float, float, float, float, float, float]


@njit
def sigma_most_m(var_x: float, var_xy: float, var_y: float) -> float:
    """The largest standard deviation of any direction, not below the floor."""
    half = 0.5 * (var_x - var_y)
    largest = 0.5 * (var_x + var_y) + math.sqrt(half * half + var_xy * var_xy)
    return math.sqrt(max(largest, SIGMA_FLOOR_M * SIGMA_FLOOR_M))


@njit
def spread(x: float, y: float, var_x: float, var_xy: float, var_y: float) -> Spread:
    """A place with its covariance, made such that no direction is below the floor."""
    middle, half = 0.5 * (var_x + var_y), 0.5 * (var_x - var_y)
    radius = math.sqrt(half * half + var_xy * var_xy)
    more = max(SIGMA_FLOOR_M * SIGMA_FLOOR_M - (middle - radius), 0.0)
    return x, y, var_x + more, var_xy, var_y + more, middle + radius + more


@njit
def probability(edges_m: Floats, first: int, last: int, place: Spread) -> float:
    """How likely a place is in a polygon: rows of edges (e, 4) with the inside on the left."""
    x, y, var_x, var_xy, var_y, _ = place
    x, y = x + _ASIDE_M, y + 2.3 * _ASIDE_M
    sigma_x = math.sqrt(var_x)
    lean = var_xy / sigma_x
    sigma_y = math.sqrt(max(var_y - lean * lean, 1e-12))
    total = 0.0
    for e in range(first, last):
        ax, bx = (edges_m[e, 0] - x) / sigma_x, (edges_m[e, 2] - x) / sigma_x
        ay = (edges_m[e, 1] - y - lean * ax) / sigma_y
        by = (edges_m[e, 3] - y - lean * bx) / sigma_y
        ex, ey = bx - ax, by - ay
        double_area = ax * ey - ay * ex
        if (ay > 0.0) != (by > 0.0) and (double_area > 0.0) == (ey > 0.0):
            total += 1.0 if ey > 0.0 else -1.0
        length = math.sqrt(ex * ex + ey * ey)
        off = abs(double_area) / length
        if off > _FAR_SIGMAS:
            continue
        start, end = (ax * ex + ay * ey) / length, (bx * ex + by * ey) / length
        if start > _FAR_SIGMAS or end < -_FAR_SIGMAS:
            continue
        off = max(off, 1e-12)
        angle = math.copysign(owen_t(off, abs(end) / off), end)
        angle -= math.copysign(owen_t(off, abs(start) / off), start)
        total -= angle if double_area > 0.0 else -angle
    return min(max(total, 0.0), 1.0)


@njit
def side_of(edges_m: Floats, first: int, last: int, place: Spread) -> int:
    """1 where a place is in a polygon with P > 0.9, -1 where with P < 0.1, else 0."""
    depth_m = border_m(edges_m, first, last, place[0], place[1])
    if depth_m * depth_m > SETTLED_SIGMAS * SETTLED_SIGMAS * place[5]:
        return 1 if depth_m > 0.0 else -1
    return side_of_probability(probability(edges_m, first, last, place))


@njit
def side_of_probability(inside: float) -> int:
    """1 for P > 0.9, -1 for P < 0.1, else 0."""
    if inside > ENTER_PROBABILITY:
        return 1
    return -1 if inside < LEAVE_PROBABILITY else 0
