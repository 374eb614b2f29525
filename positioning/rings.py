"""Whether rings of points bound an area: closed, simple, holes inside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def ring_problem(ring_m: Points) -> str:
    """What is wrong with a ring, (n, 2) metres; empty where it is closed and simple.

    Points are counted from 1.
    """
    if len(ring_m) < 4:
        return f"a ring needs at least 4 points (the first again as the last), not {len(ring_m)}"
    if not np.array_equal(ring_m[0], ring_m[-1]):
        return "the ring is not closed: the last point must be the first one again"
    repeats = np.flatnonzero((ring_m[1:] == ring_m[:-1]).all(axis=1))
    if repeats.size:
        return f"point {repeats[0] + 2} of the ring is the same as the one before it"
    crossing = _self_crossing(ring_m)
    if crossing:
        return "the ring crosses or touches itself: edges from points {} and {}".format(*crossing)
    return ""


def holes_problem(rings_m: Sequence[Points]) -> str:
    """What is wrong between the outer ring and its holes, each of which is simple; else empty."""
    outer = rings_m[0]
    for number, hole in enumerate(rings_m[1:], start=2):
        for other_number, other in enumerate(rings_m[: number - 1], start=1):
            if any(_meets(a, b, other).any() for a, b in pairwise(hole)):
                return f"ring {number} crosses or touches ring {other_number}"
            if other_number > 1 and (contains(other, hole[0]) or contains(hole, other[0])):
                return f"rings {other_number} and {number} are holes one in another"
        if not contains(outer, hole[0]):
            return f"ring {number} is a hole outside of the outer ring"
    return ""


def contains(ring_m: Points, point_m: Points) -> bool:
    """Whether a closed ring, (n, 2), has the point, (2,), inside (even–odd rule)."""
    a, b = ring_m[:-1], ring_m[1:]
    spans = (a[:, 1] > point_m[1]) != (b[:, 1] > point_m[1])
    a, b = a[spans], b[spans]
    # The sign of the cross product says on which side of the edge the point lies: no division.
    left = _cross(a, b, point_m) > 0
    return bool(np.count_nonzero(left == (b[:, 1] > a[:, 1])) % 2)


def _self_crossing(ring_m: Points) -> tuple[int, int] | None:
    """The first two edges (by the number of their first points) that share more than an end."""
    edges = len(ring_m) - 1
    for first in range(edges):
        a, b = ring_m[first], ring_m[first + 1]
        after = ring_m[(first + 2) % edges]
        # The next edge shares point b; it overlaps where it runs straight back.
        if _cross(a, b, after) == 0 and np.dot(b - a, after - b) < 0:
            return first + 1, (first + 1) % edges + 1
        last = edges - 1 if first == 0 else edges
        rest = ring_m[first + 2 : last + 1]
        if len(rest) > 1:
            met = np.flatnonzero(_meets(a, b, rest))
            if met.size:
                return first + 1, first + 2 + int(met[0]) + 1
    return None


def _cross(a: Points, b: Points, c: Points) -> Points:
    """Twice the signed area of triangles a b c."""
    ab, ac = b - a, c - a
    area: Points = ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]
    return area


def _meets(a: Points, b: Points, chain: Points) -> NDArray[np.bool_]:
    """Which edges of `chain`, (n, 2), share a point with the edge a–b; (n - 1,)."""
    c, d = chain[:-1], chain[1:]
    apart = ((np.maximum(c, d) < np.minimum(a, b)) | (np.minimum(c, d) > np.maximum(a, b))).any(
        axis=1
    )
    c_side, d_side = np.sign(_cross(a, b, c)), np.sign(_cross(a, b, d))
    a_side, b_side = np.sign(_cross(c, d, a)), np.sign(_cross(c, d, b))
    return ~apart & (c_side * d_side <= 0) & (a_side * b_side <= 0)
