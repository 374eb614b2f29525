"""Polygons for tests."""

import math

import numpy as np
from numpy.typing import NDArray


def star(seed: int, points: int = 16) -> NDArray[np.float64]:
    """A simple polygon around the origin, (points, 2), concave, its radii between 8 and 20 m."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0.0, 2.0 * math.pi, points))
    radius = rng.uniform(8.0, 20.0, points)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def square_m(x: float, y: float, side: float) -> NDArray[np.float64]:
    """A closed ring."""
    corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side), (x, y)]
    return np.array(corners, np.float64)
