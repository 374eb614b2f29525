"""Polygons as arrays for kernels: distance to the border, and which of them hold a point.

Whether a point is inside is told by the crossing number (Shimrat 1962), so holes are rings like any
other. Signs of areas are exact (Shewchuk 1997), so the border is where the coordinates say, as in
GEOS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from positioning.jit import njit, njit_cached

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Point = tuple[float, float]
#: The outer ring, then holes; closed or not, (n, 2) metres each.
Rings = Sequence[NDArray[np.float64]]

#: Polygons are looked up in square cells this wide, or wider where the map is too large for
#: `_CELLS_MAX` of them.
_CELL_M: Final = 8.0
_CELLS_MAX: Final = 1 << 17
#: Distances are taken for this much shorter, which is far more than they are wrong by rounding
#: where coordinates are below 1,000 km.
_ROUNDING_M: Final = 1e-6
#: The segments near a cell are all those within this distance of it: of most fixes, all that
#: matter.
NEAR_M: Final = 1.0
#: Room for pairs at first; doubled when it is used up.
_FIRST_PAIRS: Final = 1 << 14
#: A determinant of rounded numbers above this share of its terms has the right sign, and what
#: splits a number in halves (Shewchuk 1997, `ccwerrboundA` and `splitter`).
_SURE: Final = 3.3306690738754716e-16
_SPLITTER: Final = 134217729.0


class Polygons(NamedTuple):
    """Polygons' borders as segments, and a grid of cells over them.

    `edges_m` (e, 4): x, y of the one end and of the other, with the inside on the left; those of
    polygon z are `edge_start[z]` to `edge_start[z + 1]`. `box_m` (z, 4): left, low, right, high.
    The polygons whose box meets cell i are `cell_zones[cell_start[i]:cell_start[i + 1]]`,
    ascending, with i = line × columns + column; the last cell is empty. For such an entry k,
    `cell_depth_m[k]` is how far the middle of the cell is from the polygon's border, inside
    positive. Segments within `NEAR_M` of a point of the cell are among
    `near_m[near_start[k]:near_start[k + 1]]`. A ray from it towards +x may meet some of these, and
    besides an odd number of others where `far_odd[k]`, else an even one.
    """

    edges_m: Floats
    edge_start: Integers
    box_m: Floats
    cell_zones: Integers
    cell_depth_m: Floats
    cell_start: Integers
    far_odd: NDArray[np.bool_]
    near_start: Integers
    near_m: Floats
    columns: int
    lines: int
    left_m: float
    low_m: float
    cell_m: float


#: The same as a plain tuple, because numba keeps the types of what it is called with on disk, and
#: fails where a class of ours there has changed its name since.
AnyPolygons = tuple[Any, ...]


@njit
def border_m(edges_m: Floats, first: int, last: int, x: float, y: float) -> float:
    """Distance of a point to a border, rows of (e, 4), metres, inside positive."""
    inside = False
    nearest_m2 = math.inf
    for e in range(first, last):
        ax, ay = edges_m[e, 0] - x, edges_m[e, 1] - y
        bx, by = edges_m[e, 2] - x, edges_m[e, 3] - y
        ex, ey = bx - ax, by - ay
        if (ay > 0.0) != (by > 0.0) and (ax * ey - ay * ex > 0.0) == (ey > 0.0):
            inside = not inside
        along = min(max(-(ax * ex + ay * ey) / (ex * ex + ey * ey), 0.0), 1.0)
        cx, cy = ax + along * ex, ay + along * ey
        nearest_m2 = min(nearest_m2, cx * cx + cy * cy)
    distance_m = math.sqrt(nearest_m2)
    return distance_m if inside else -distance_m


@njit
def cell_of(
    grid: tuple[float, float, float], columns: int, lines: int, x: float, y: float
) -> tuple[int, float]:
    """The cell of a point and how far it is from the cell's middle, squared.

    `grid`: left, low, and the width of a cell. Beside it the answer is the last cell, which is
    empty. Takes numbers, because arrays that are passed on are counted, which costs more than this.
    """
    left_m, low_m, cell_m = grid
    across, up = (x - left_m) / cell_m, (y - low_m) / cell_m
    if not (0.0 <= across < columns and 0.0 <= up < lines):
        return columns * lines, 0.0
    column, line = int(across), int(up)
    across -= column + 0.5
    up -= line + 0.5
    return line * columns + column, (across * across + up * up) * cell_m * cell_m


@njit
def _two_product(a: float, b: float) -> tuple[float, float]:
    """A product and its rounding error, exact (Dekker 1971)."""
    product = a * b
    c = _SPLITTER * a
    a_high = c - (c - a)
    c = _SPLITTER * b
    b_high = c - (c - b)
    a_low, b_low = a - a_high, b - b_high
    return product, a_low * b_low - (
        ((product - a_high * b_high) - a_low * b_high) - a_high * b_low
    )


@njit
def _exact_turn(a: Point, b: Point, c: Point) -> int:
    """Sign of the area of the triangle a b c: sums six exact products (Shewchuk 1997)."""
    partials = np.zeros(16)
    size = 0
    products = (
        (a[0], b[1]),
        (-a[1], b[0]),
        (b[0], c[1]),
        (-b[1], c[0]),
        (c[0], a[1]),
        (-c[1], a[0]),
    )
    for product in products:
        for term in _two_product(product[0], product[1]):
            kept, carry = 0, term
            for i in range(size):
                total = carry + partials[i]
                part = total - carry
                error = (carry - (total - part)) + (partials[i] - part)
                carry = total
                if error != 0.0:
                    partials[kept] = error
                    kept += 1
            partials[kept] = carry
            size = kept + 1
    for i in range(size - 1, -1, -1):  # the largest part decides
        if partials[i] != 0.0:
            return 1 if partials[i] > 0.0 else -1
    return 0


@njit
def _holds(edges_m: Floats, odd: int, x: float, y: float) -> bool:
    """Whether a polygon, border and all, holds a point; exact.

    `odd`: whether a ray from it towards +x meets an odd number of segments beside these rows.
    """
    inside = bool(odd)
    for e in range(len(edges_m)):
        ay, by = edges_m[e, 1], edges_m[e, 3]
        if (ay > y) == (by > y):
            if ay == y and (edges_m[e, 0] == x or _lies_level(edges_m[e], x, y)):
                return True
            continue
        ax, bx = edges_m[e, 0], edges_m[e, 2]
        left, right = (ax - x) * (by - y), (ay - y) * (bx - x)
        turn = left - right
        if abs(turn) <= _SURE * (abs(left) + abs(right)):
            turn = float(_exact_turn((ax, ay), (bx, by), (x, y)))
            if turn == 0.0:
                return True
        if (turn > 0.0) == (by > ay):
            inside = not inside
    return inside


@njit
def _lies_level(edge_m: Floats, x: float, y: float) -> bool:
    """Whether a level edge, (4,), holds a point."""
    return bool(edge_m[3] == y and (edge_m[0] < x) != (edge_m[2] < x))


@njit
def near_side(near_m: Floats, ends: tuple[int, int], odd: int, place: Point, clear_m: float) -> int:
    """1 where a place is inside and its border farther than `clear_m`, -1 where outside, else 0.

    `near_m`, `ends`, `odd`: what a cell knows of a polygon; `clear_m` is at most `NEAR_M`.
    """
    x, y = place
    inside = bool(odd)
    nearest_m2 = math.inf
    for e in range(ends[0], ends[1]):
        ax, ay = near_m[e, 0] - x, near_m[e, 1] - y
        ex, ey = near_m[e, 2] - near_m[e, 0], near_m[e, 3] - near_m[e, 1]
        inside ^= ((ay > 0.0) != (ay + ey > 0.0)) & ((ax * ey > ay * ex) == (ey > 0.0))
        along = min(max(-(ax * ex + ay * ey) / (ex * ex + ey * ey), 0.0), 1.0)
        cx, cy = ax + along * ex, ay + along * ey
        nearest_m2 = min(nearest_m2, cx * cx + cy * cy)
    if nearest_m2 <= clear_m * clear_m:
        return 0
    return 1 if inside else -1


@njit_cached
def _pairs(polygons: AnyPolygons, points_m: Floats, start: int, pairs: Integers) -> tuple[int, int]:
    """Pairs of points from row `start` on: (points done, pairs written)."""
    p = Polygons(*polygons)
    written = 0
    for i in range(start, len(points_m)):
        x, y = points_m[i, 0], points_m[i, 1]
        cell, _ = cell_of((p.left_m, p.low_m, p.cell_m), p.columns, p.lines, x, y)
        first, last = p.cell_start[cell], p.cell_start[cell + 1]
        if written + last - first > len(pairs):
            return i, written
        for k in range(first, last):
            # Without a branch: which segments are met cannot be foretold, and a wrong guess costs
            # more than the sum.
            inside, unsure = p.far_odd[k], False
            for e in range(p.near_start[k], p.near_start[k + 1]):
                ax, ay, bx, by = p.near_m[e, 0], p.near_m[e, 1], p.near_m[e, 2], p.near_m[e, 3]
                left, right = (ax - x) * (by - y), (ay - y) * (bx - x)
                unsure |= abs(left - right) <= _SURE * (abs(left) + abs(right))
                inside ^= ((ay > y) != (by > y)) & ((left > right) == (by > ay))
            if unsure:
                inside = _holds(p.near_m[p.near_start[k] : p.near_start[k + 1]], p.far_odd[k], x, y)
            pairs[written, 0], pairs[written, 1] = i, p.cell_zones[k]
            written += inside
    return len(points_m), written


@njit_cached
def _distances(edges_m: Floats, points_m: Floats, out: Floats) -> None:
    for i in range(len(points_m)):
        out[i] = border_m(edges_m, 0, len(edges_m), points_m[i, 0], points_m[i, 1])


def distances_m(edges_m: Floats, points_m: Floats) -> Floats:
    """Distance of points (n, 2) to a border (e, 4), metres, inside positive: (n,)."""
    points = np.ascontiguousarray(points_m, np.float64)
    distances = np.empty(len(points))
    _distances(edges_m, points, distances)
    return distances


def edges_of(rings_m: Rings) -> Floats:
    """The segments of an outer ring and holes, (e, 4), with the inside on their left.

    Repeated points are left out. Empty where there are fewer than three segments, or a coordinate
    is not finite.
    """
    parts = []
    for number, ring in enumerate(rings_m):
        points = np.asarray(ring, np.float64)
        if not np.isfinite(points).all():
            return np.empty((0, 4))
        edges = np.hstack([points, np.roll(points, -1, axis=0)])
        edges = edges[(edges[:, :2] != edges[:, 2:]).any(axis=1)]
        middle = points.mean(axis=0) if len(points) else points
        ax, ay, bx, by = (edges - np.tile(middle, 2)).T
        if ((ax * by - ay * bx).sum() < 0.0) != (number > 0):
            edges = edges[:, [2, 3, 0, 1]]
        parts.append(edges)
    edges = np.vstack(parts) if parts else np.empty((0, 4))
    if len(edges) < 3:
        return np.empty((0, 4))
    return np.ascontiguousarray(edges)


def build_polygons(edges: Sequence[Floats]) -> Polygons:
    """The arrays of polygons, each given by its segments as of `edges_of`."""
    corners = [[*part[:, :2].min(axis=0), *part[:, :2].max(axis=0)] for part in edges]
    box_m = np.array(corners, np.float64).reshape(-1, 4)
    low = box_m[:, :2].min(axis=0, initial=np.inf) if len(box_m) else np.zeros(2)
    size = box_m[:, 2:].max(axis=0) - low if len(box_m) else np.zeros(2)
    cell_m = _CELL_M
    while (size[0] / cell_m + 1.0) * (size[1] / cell_m + 1.0) > _CELLS_MAX:
        cell_m *= 1.25
    columns, lines = (int(number) + 1 for number in size // cell_m)
    grid = _Grid(float(low[0]), float(low[1]), cell_m, columns)
    entries = [_entries(grid, part, box) for part, box in zip(edges, box_m, strict=True)]
    cell = _joined([entry.cell for entry in entries], np.int64)
    order = np.argsort(cell, kind="stable")
    near_count = _joined([entry.near_count for entry in entries], np.int64)
    near_m = np.vstack([np.empty((0, 4)), *(entry.near_m for entry in entries)])
    near_order = np.argsort(np.repeat(cell, near_count), kind="stable")
    return Polygons(
        edges_m=np.vstack(edges) if len(edges) else np.empty((0, 4)),
        edge_start=np.cumsum([0, *(len(part) for part in edges)]).astype(np.int64),
        box_m=box_m,
        cell_zones=np.repeat(np.arange(len(edges)), [len(e.cell) for e in entries])[order],
        cell_depth_m=_joined([entry.depth_m for entry in entries], np.float64)[order],
        cell_start=np.searchsorted(cell[order], np.arange(columns * lines + 2)).astype(np.int64),
        far_odd=_joined([entry.far_odd for entry in entries], np.bool_)[order],
        near_start=np.concatenate([[0], np.cumsum(near_count[order])]).astype(np.int64),
        near_m=near_m[near_order],
        columns=columns,
        lines=lines,
        left_m=grid.left_m,
        low_m=grid.low_m,
        cell_m=cell_m,
    )


class _Grid(NamedTuple):
    left_m: float
    low_m: float
    cell_m: float
    columns: int


class _Entries(NamedTuple):
    """What the cells that meet a polygon's box know of it, (c,) each.

    `near_m`: the segments near each of them, one cell after the other, as many as `near_count`.
    """

    cell: Integers
    depth_m: Floats
    far_odd: NDArray[np.bool_]
    near_count: Integers
    near_m: Floats


def _entries(grid: _Grid, edges_m: Floats, box_m: Floats) -> _Entries:
    # The same expression as in `cell_of`, so that rounding loses no point.
    first, last = (
        (np.floor((x - grid.left_m) / grid.cell_m), np.floor((y - grid.low_m) / grid.cell_m))
        for x, y in (box_m[:2], box_m[2:])
    )
    across, up = np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(first, last, strict=True)))
    corner_m = np.column_stack([across.ravel(), up.ravel()]) * grid.cell_m
    corner_m += (grid.left_m, grid.low_m)
    depth_m = distances_m(edges_m, corner_m + 0.5 * grid.cell_m)
    depth_m = np.copysign(np.maximum(np.abs(depth_m) - _ROUNDING_M, 0.0), depth_m)
    far_odd = depth_m > 0.0
    near_border = np.abs(depth_m) <= math.sqrt(0.5) * grid.cell_m + NEAR_M
    x0, y0 = corner_m[near_border].T[:, :, None] - NEAR_M
    x1, y1 = corner_m[near_border].T[:, :, None] + grid.cell_m + NEAR_M
    ax, ay, bx, by = edges_m.T
    beyond = (np.minimum(ay, by) <= y0) & (np.maximum(ay, by) > y1) & (np.minimum(ax, bx) > x1)
    beside = (np.minimum(ay, by) > y1) | (np.maximum(ay, by) < y0) | (np.maximum(ax, bx) < x0)
    far_odd[near_border] = beyond.sum(axis=1) % 2 > 0
    near_of, near = np.nonzero(~beyond & ~beside)
    counts = np.zeros(len(depth_m), np.int64)
    counts[near_border] = np.bincount(near_of, minlength=np.count_nonzero(near_border))
    cell = (up.ravel() * grid.columns + across.ravel()).astype(np.int64)
    return _Entries(cell, depth_m, far_odd, counts, edges_m[near])


def _joined(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts])


def pairs_of(polygons: AnyPolygons, points_m: Floats) -> Integers:
    """Which points lie in which polygons, border and all: (k, 2), the point's row and the polygon.

    In order of points, then of polygons. `points_m`: (n, 2); one that is not finite is in none.
    """
    points = np.ascontiguousarray(points_m, np.float64)
    pairs = np.empty((max(_FIRST_PAIRS, 2 * len(points)), 2), np.int64)
    done, written = _pairs(polygons, points, 0, pairs)
    parts = [pairs[:written]]
    while done < len(points):
        pairs = np.empty((max(2 * len(pairs), len(polygons[2]) + 1), 2), np.int64)
        done, written = _pairs(polygons, points, done, pairs)
        parts.append(pairs[:written])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
