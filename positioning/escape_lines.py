"""The lines that people walk along to safety, cut at the borders of dangerous and of safe zones.

Lines are the edges of the roadways' graph, and the straight ways between two doors of an open area.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final, NamedTuple

import numpy as np

from positioning.graph import Graph
from positioning.mine_map import Area, Zone
from positioning.observation import Records
from positioning.polygons import Floats, distances_m, edges_of
from positioning.sections import sections_of

#: Borders nearer to one another than this are one: no step of a way has no length.
APART_LEAST_M: Final = 1e-3
#: A dangerous zone closes what is so far above or below it too, as a card so far is not surely out.
DANGER_MARGIN_M: Final = 1.0
#: A safe place beside the roadways, such as a niche, is reached from the nearest one if that is no
#: farther away than this; farther ones are not drawn as what people walk along.
BESIDE_MOST_M: Final = 50.0
#: Of its corners, those count that are no farther than this from the nearest one.
CORNER_MOST_M: Final = 5.0

Point = tuple[float, float, float]
Stretch = tuple[float, float]


class Door(NamedTuple):
    """Where on a line one turns off to a corner of a zone, how far away, and the corner."""

    line: int
    s_m: float
    off_m: float
    corner: Point


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """`points_m` (n, 3); `s_m` (n,) the way to each; `roadway` its index, -1 across an area.

    `points` and `s` are the same as plain numbers, quick to take one by one; `box_m` are the lowest
    and the highest x, y.
    """

    points_m: Floats
    s_m: Floats
    roadway: int
    points: tuple[Point, ...]
    s: tuple[float, ...]
    box_m: tuple[tuple[float, float], tuple[float, float]]

    def at(self, s_m: float) -> Point:
        """The point so far along the line; beyond an end, the end."""
        k = min(max(bisect_right(self.s, s_m) - 1, 0), len(self.s) - 2)
        share = min(max((s_m - self.s[k]) / (self.s[k + 1] - self.s[k]), 0.0), 1.0)
        (ax, ay, az), (bx, by, bz) = self.points[k], self.points[k + 1]
        return ax + share * (bx - ax), ay + share * (by - ay), az + share * (bz - az)

    def between(self, low_m: float, high_m: float) -> tuple[Point, ...]:
        """The bends strictly between two places on the line."""
        return self.points[bisect_right(self.s, low_m) : bisect_left(self.s, high_m)]


def line_of(points_m: Floats, roadway: int) -> Line:
    """A line through `points_m`, (n, 3)."""
    steps_m = np.linalg.norm(np.diff(points_m, axis=0), axis=1)
    s_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    points = tuple((x, y, z) for x, y, z in points_m.tolist())
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    box_m = ((min(xs), min(ys)), (max(xs), max(ys)))
    return Line(points_m, s_m, roadway, points, tuple(s_m.tolist()), box_m)


def lines_of(graph: Graph) -> list[Line]:
    """The edges of a graph, in their order."""
    lines = []
    for edge, (first, last) in enumerate(pairwise(graph.first_piece.tolist())):
        end_m = graph.piece_m[last - 1] + graph.piece_length_m[last - 1] * graph.along[last - 1]
        points_m = np.vstack([graph.piece_m[first:last], end_m])
        lines.append(line_of(points_m, int(graph.roadway[edge])))
    return lines


def links_of(lines: Sequence[Line], doors: Records) -> list[tuple[int, int, Line]]:
    """The straight ways between two doors, (d,) SPOT, of one area: both doors' rows, and the line.

    Doors that are at one place need none.
    """
    at_m = [lines[int(door["edge"])].at(float(door["s_m"])) for door in doors]
    found = []
    for area in np.unique(doors["area"]).tolist():
        for a, b in combinations(np.flatnonzero(doors["area"] == area).tolist(), 2):
            line = line_of(np.array([at_m[a], at_m[b]]), -1)
            if line.s_m[-1] > APART_LEAST_M:
                found.append((a, b, line))
    return found


class Shape(NamedTuple):
    """A zone's segments (e, 4), their box as lowest and highest x, y, and its heights."""

    zone: str
    edges_m: Floats
    low_m: tuple[float, float]
    high_m: tuple[float, float]
    band_m: Stretch | None


def shape_of(zone: Zone, margin_m: float = 0.0) -> Shape:
    """The shape of a zone, `margin_m` higher and lower than it is."""
    edges_m = edges_of(zone.rings_m)
    (low_x, low_y), (high_x, high_y) = edges_m[:, :2].min(axis=0), edges_m[:, :2].max(axis=0)
    band = zone.z_band_m
    return Shape(
        zone=zone.id,
        edges_m=edges_m,
        low_m=(float(low_x), float(low_y)),
        high_m=(float(high_x), float(high_y)),
        band_m=(band[0] - margin_m, band[1] + margin_m) if band else None,
    )


def stretches(line: Line, shape: Shape) -> list[Stretch]:
    """Where on a line a zone is, in plan and in height."""
    (low_x, low_y), (high_x, high_y) = line.box_m
    if (
        shape.high_m[0] < low_x
        or shape.high_m[1] < low_y
        or shape.low_m[0] > high_x
        or shape.low_m[1] > high_y
    ):
        return []
    inside = sections_of(line.points_m, shape.edges_m)
    if shape.band_m is None or not inside:
        return inside
    return [
        (max(a, c), min(b, d))
        for a, b in inside
        for c, d in _heights(line, shape.band_m)
        if min(b, d) - max(a, c) > 0.0
    ]


def _heights(line: Line, band: Stretch) -> list[Stretch]:
    """Where a line is within a band of heights."""
    found: list[Stretch] = []
    for k in range(len(line.s_m) - 1):
        z_m, rise_m = (
            float(line.points_m[k, 2]),
            float(line.points_m[k + 1, 2] - line.points_m[k, 2]),
        )
        if rise_m:
            ends = sorted(((band[0] - z_m) / rise_m, (band[1] - z_m) / rise_m))
            low, high = max(ends[0], 0.0), min(ends[1], 1.0)
        else:
            low, high = (0.0, 1.0) if band[0] <= z_m <= band[1] else (1.0, 0.0)
        if low >= high:
            continue
        start_m, length_m = float(line.s_m[k]), float(line.s_m[k + 1] - line.s_m[k])
        low_m, high_m = start_m + low * length_m, start_m + high * length_m
        if found and low_m - found[-1][1] < APART_LEAST_M:
            low_m = found.pop()[0]
        found.append((low_m, high_m))
    return found


def beside(lines: Sequence[Line], zone: Zone) -> list[Door]:
    """From where a zone beside the lines is reached, by those of its corners that are near.

    None where all lines are too far away. Heights count where the zone has any.
    """
    corners_m = edges_of(zone.rings_m)[:, :2]
    best: list[Door | None] = [None] * len(corners_m)
    for index, line in enumerate(lines):
        start_m, way_m = line.points_m[:-1], np.diff(line.points_m, axis=0)
        plan_m2 = (way_m[:, :2] ** 2).sum(axis=1)
        off_m = corners_m[:, None, :] - start_m[:, :2]
        share = np.clip((off_m * way_m[:, :2]).sum(axis=2) / np.maximum(plan_m2, 1e-12), 0.0, 1.0)
        at_m = start_m + share[..., None] * way_m
        z_m = at_m[..., 2]
        to_z_m = np.clip(z_m, *zone.z_band_m) if zone.z_band_m else z_m
        apart_m = np.linalg.norm(at_m[..., :2] - corners_m[:, None, :], axis=2)
        apart_m = np.hypot(apart_m, z_m - to_z_m)
        for corner, piece in enumerate(apart_m.argmin(axis=1).tolist()):
            least_m, before = float(apart_m[corner, piece]), best[corner]
            if before is None or least_m < before.off_m:
                s_m = float(np.interp(share[corner, piece], (0, 1), line.s_m[piece : piece + 2]))
                x_m, y_m = corners_m[corner].tolist()
                point = (x_m, y_m, float(to_z_m[corner, piece]))
                best[corner] = Door(index, s_m, least_m, point)
    doors = [door for door in best if door]
    nearest_m = min((door.off_m for door in doors), default=np.inf)
    if nearest_m > BESIDE_MOST_M:
        return []
    return [door for door in doors if door.off_m <= nearest_m + CORNER_MOST_M]


def overlap(zone: Zone, area: Area) -> bool:
    """Whether a zone and an open area have a place in common, by their corners."""
    ours, theirs = edges_of(zone.rings_m), edges_of(area.rings_m)
    return bool(
        (distances_m(theirs, ours[:, :2]) >= 0.0).any()
        or (distances_m(ours, theirs[:, :2]) >= 0.0).any()
    )


def nearest_border(zone: Zone, place: Point) -> tuple[float, Point]:
    """How far in plan a zone's border is from a place in an area, and its nearest point."""
    edges_m = edges_of(zone.rings_m)
    start_m, way_m = edges_m[:, :2], edges_m[:, 2:] - edges_m[:, :2]
    off_m = np.array(place[:2]) - start_m
    share = np.clip((off_m * way_m).sum(axis=1) / (way_m**2).sum(axis=1), 0.0, 1.0)
    at_m = start_m + share[:, None] * way_m
    apart_m = np.linalg.norm(at_m - place[:2], axis=1)
    k = int(apart_m.argmin())
    z_m = zone.z_band_m[0] if np.isnan(place[2]) and zone.z_band_m else place[2]
    return float(apart_m[k]), (float(at_m[k, 0]), float(at_m[k, 1]), z_m)
