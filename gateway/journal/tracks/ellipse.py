"""A covariance in three bytes, rounded up: the ellipse is never smaller than it was.

A code is the standard deviation along the longer and the shorter axis, in quarters of an octave
from 1 cm on, and the direction of the longer axis in 64 steps of half a turn.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_LEAST_M: Final = 0.01
_LEVELS_PER_OCTAVE: Final = 4
_LEVEL_LAST: Final = 255
_DIRECTIONS: Final = 64
#: What single precision, in which variances travel, may round down.
_MARGIN: Final = 1.0 + 1e-6


def codes_of(var_x_m2: Floats, cov_xy_m2: Floats, var_y_m2: Floats) -> tuple[Bytes, Bytes, Bytes]:
    """Levels of the longer and shorter axis and the direction, (n,) each, of finite covariances.

    The covariance that `covariances_of` gives less the one given here is never negative.
    """
    mean = (var_x_m2 + var_y_m2) / 2
    half = np.hypot((var_x_m2 - var_y_m2) / 2, cov_xy_m2)
    major, minor = mean + half, np.maximum(mean - half, 0.0)
    angle = np.arctan2(2 * cov_xy_m2, var_x_m2 - var_y_m2) / 2
    direction = np.rint(angle * (_DIRECTIONS / np.pi))
    # The same ellipse along the axes that it is kept with; what is left between these two is
    # covered by making each longer by as much as the other needs.
    off = angle - direction * (np.pi / _DIRECTIONS)
    cross = np.abs(half * np.sin(2 * off))
    ratio = np.sqrt(np.maximum(major, _LEAST_M**2) / np.maximum(minor, _LEAST_M**2))
    turned_major = mean + half * np.cos(2 * off) + cross * ratio
    turned_minor = mean - half * np.cos(2 * off) + cross / ratio
    long, short = _levels(turned_major), _levels(turned_minor)
    # One level apart is a circle, whose direction would be noise.
    is_round = long.astype(np.int16) - short <= 1
    long = np.where(is_round, _levels(major), long)
    short = np.where(is_round, long, short)
    direction = np.where(is_round, 0, direction % _DIRECTIONS)
    return long, short, direction.astype(np.uint8)


def covariances_of(long: Bytes, short: Bytes, direction: Bytes) -> tuple[Floats, Floats, Floats]:
    """(n,) var_x_m2, cov_xy_m2 and var_y_m2 of codes."""
    major, minor = _variances(long), _variances(short)
    angle = direction.astype(np.float64) * (2 * np.pi / _DIRECTIONS)
    mean, half = (major + minor) / 2, (major - minor) / 2
    turned = half * np.cos(angle)
    return mean + turned, half * np.sin(angle), mean - turned


def _levels(variance_m2: Floats) -> Bytes:
    sigma = np.sqrt(np.maximum(variance_m2 * _MARGIN, _LEAST_M**2)) / _LEAST_M
    levels = np.ceil(_LEVELS_PER_OCTAVE * np.log2(sigma))
    codes: Bytes = np.clip(levels, 0, _LEVEL_LAST).astype(np.uint8)
    return codes


def _variances(levels: Bytes) -> Floats:
    variances: Floats = _LEAST_M**2 * 2.0 ** (levels.astype(np.float64) * (2 / _LEVELS_PER_OCTAVE))
    return variances
