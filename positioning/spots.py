"""Where fixes are on the map: on the graph of the roadways, or in an open area and its doors.

Doors are where centrelines cross the border of an area, or end just beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from positioning.graph import Graph
from positioning.jit import njit_cached
from positioning.mine_map import Area, Roadway
from positioning.observation import Records
from positioning.polygons import (
    AnyPolygons,
    Floats,
    Integers,
    build_polygons,
    distances_m,
    edges_of,
    pairs_of,
)
from positioning.sections import sections_of

#: A place on the map. `edge`, `s_m`: on the graph of the roadways; -1, NaN for one that is only in
#: an open area, and for one that is nowhere. `area`: the open area it is in, -1 for none.
#: `sigma_m`: along the roadway; in an area the largest of any direction.
SPOT: Final = np.dtype(
    [
        ("edge", np.int64),
        ("s_m", np.float64),
        ("area", np.int64),
        ("x_m", np.float64),
        ("y_m", np.float64),
        ("sigma_m", np.float64),
    ]
)

#: A roadway that ends so near an area, and not in it, leads into it all the same.
_DOOR_M: Final = 5.0


class Places:
    """The graph of the roadways and the open areas, on which fixes are placed.

    `doors`: (d,) SPOT, the doors of all areas, those of one together; on an edge each.
    """

    def __init__(self, roadways: Sequence[Roadway], graph: Graph, areas: Sequence[Area]) -> None:
        """`graph` is that of `roadways`; areas are known by their index.

        Raises:
            ValueError: an area has no extent, or a coordinate is not finite; the text names it.
        """
        edges = [edges_of(area.rings_m) for area in areas]
        for area, part in zip(areas, edges, strict=True):
            if not len(part):
                msg = f"area {area.id!r} needs a ring of three points or more, all finite"
                raise ValueError(msg)
        self.graph = graph
        self._areas: AnyPolygons = tuple(build_polygons(edges))
        # Edges are laid one after the other, as they stand on their roadways.
        self._start_m = np.cumsum(graph.length_m) - graph.length_m
        self._first_edge = np.searchsorted(graph.roadway, np.arange(len(roadways) + 1))
        doors = [self._doors(roadways, part) for part in edges]
        self.doors: Records = np.concatenate([np.zeros(0, SPOT), *doors])
        self.doors["area"] = np.repeat(np.arange(len(areas)), [len(part) for part in doors])

    def place(self, fixes: Records) -> Records:
        """The places, (n,) SPOT, of (n,) FIX: by roadway and chainage where a fix names them.

        Else, a fix in an open area is in that area alone, and any other one is on the nearest
        centreline, in space where its height is known. A fix that is not finite is nowhere.
        """
        spots = np.zeros(len(fixes), SPOT)
        spots["edge"], spots["s_m"], spots["area"] = -1, np.nan, -1
        spots["x_m"], spots["y_m"] = fixes["x_m"], fixes["y_m"]
        places_m = np.column_stack([fixes["x_m"], fixes["y_m"]])
        within = pairs_of(self._areas, places_m)
        spots["area"][within[::-1, 0]] = within[::-1, 1]  # the first of several
        variances = [np.asarray(fixes[name]) for name in ("var_x_m2", "cov_xy_m2", "var_y_m2")]
        is_known = np.isfinite(places_m).all(axis=1) & np.isfinite(np.sum(variances, axis=0))
        spots["area"][~is_known] = -1
        has_chainage = is_known & (fixes["roadway"] >= 0) & np.isfinite(fixes["chainage_m"])
        has_chainage &= fixes["roadway"] < len(self._first_edge) - 1
        named, rest = np.flatnonzero(has_chainage), np.flatnonzero(is_known & ~has_chainage)
        edge, s_m = self._by_chainage(fixes["roadway"][named], fixes["chainage_m"][named])
        spots["edge"][named], spots["s_m"][named] = edge, s_m
        rest = rest[spots["area"][rest] < 0]
        if len(self._start_m):
            edge, s_m = _nearest(self.graph, np.column_stack([places_m, fixes["z_m"]])[rest])
            spots["edge"][rest], spots["s_m"][rest] = edge, s_m
        spots["sigma_m"] = self._sigma_m(spots, *variances)
        return spots

    def _by_chainage(self, roadway: Integers, chainage_m: Floats) -> tuple[Integers, Floats]:
        """Edges and places on them of chainages on roadways; beyond an end, the end."""
        graph = self.graph
        if not len(graph.length_m):
            return np.full(len(roadway), -1), np.full(len(roadway), np.nan)
        first, last = self._first_edge[roadway], self._first_edge[roadway + 1] - 1
        at_m = self._start_m[first] + np.maximum(chainage_m, 0.0)
        edge = np.clip(np.searchsorted(self._start_m, at_m, side="right") - 1, first, last)
        s_m = np.clip(chainage_m - graph.chainage_m[edge], 0.0, graph.length_m[edge])
        return edge.astype(np.int64), s_m

    def _sigma_m(self, spots: Records, var_x: Floats, var_xy: Floats, var_y: Floats) -> Floats:
        graph = self.graph
        middle, half = 0.5 * (var_x + var_y), 0.5 * (var_x - var_y)
        variance = middle + np.hypot(half, var_xy)
        rows = np.flatnonzero(spots["edge"] >= 0)
        if rows.size:
            edge, s_m = spots["edge"][rows], spots["s_m"][rows]
            piece_at_m = graph.piece_s_m + self._start_m[graph.piece_edge]
            piece = np.searchsorted(piece_at_m, self._start_m[edge] + s_m, side="right") - 1
            piece = np.clip(piece, graph.first_piece[edge], graph.first_piece[edge + 1] - 1)
            ux, uy = graph.along[piece, 0], graph.along[piece, 1]
            along = ux * ux * var_x[rows] + 2.0 * ux * uy * var_xy[rows] + uy * uy * var_y[rows]
            variance[rows] = along / (ux * ux + uy * uy) ** 2
        sigma_m: Floats = np.sqrt(np.maximum(variance, 0.0))
        return sigma_m

    def _doors(self, roadways: Sequence[Roadway], edges_m: Floats) -> Records:
        """Where roadways lead into an area, as spots on the graph.

        Where none does, those places on the centrelines that are nearest to its corners.
        """
        graph = self.graph
        rows: list[tuple[int, float]] = []
        ends_m = []
        for r, roadway in enumerate(roadways):
            line_m = roadway.centreline_m
            length_m = float(np.linalg.norm(np.diff(line_m, axis=0), axis=1).sum())
            inner = [at for section in sections_of(line_m, edges_m) for at in section]
            rows += [(r, at) for at in inner]
            off_m = -distances_m(edges_m, line_m[[0, -1], :2])
            ends_m += [(float(off_m[0]), r, 0.0), (float(off_m[1]), r, length_m)]
        rows += [(r, at) for off_m, r, at in ends_m if 0.0 <= off_m <= _DOOR_M]
        if not rows and len(graph.piece_m):
            corners = np.column_stack([edges_m[:, :2], np.full(len(edges_m), np.nan)])
            edge, s_m = _nearest(graph, corners)
            rows = [
                (int(graph.roadway[e]), float(graph.chainage_m[e] + s))
                for e, s in zip(edge, s_m, strict=True)
            ]
        rows = sorted(set(rows))
        chosen = np.array(rows, np.float64).reshape(-1, 2)
        spots = np.zeros(len(rows), SPOT)
        if rows:
            edge, s_m = self._by_chainage(chosen[:, 0].astype(np.int64), chosen[:, 1])
            spots["edge"], spots["s_m"] = edge, s_m
            points = np.array([_point(graph, int(e), s) for e, s in zip(edge, s_m, strict=True)])
            spots["x_m"], spots["y_m"] = points.T
        return spots


def _point(graph: Graph, edge: int, s_m: float) -> tuple[float, float]:
    """Where in plan a place on the graph is."""
    first, last = graph.first_piece[edge], graph.first_piece[edge + 1]
    piece = first + int(np.searchsorted(graph.piece_s_m[first + 1 : last], s_m, side="right"))
    x_m, y_m, _ = graph.piece_m[piece] + (s_m - graph.piece_s_m[piece]) * graph.along[piece]
    return float(x_m), float(y_m)


def _nearest(graph: Graph, places_m: Floats) -> tuple[Integers, Floats]:
    """The nearest places on the graph, edge and s, of places (n, 3); z may be NaN."""
    edge, s_m = np.empty(len(places_m), np.int64), np.empty(len(places_m))
    pieces = (graph.piece_m, graph.along, graph.piece_length_m)
    _nearest_piece(pieces, np.ascontiguousarray(places_m), edge, s_m)
    return graph.piece_edge[edge], graph.piece_s_m[edge] + s_m


@njit_cached
def _nearest_piece(
    pieces: tuple[Floats, Floats, Floats], places_m: Floats, piece: Integers, way_m: Floats
) -> None:
    """The nearest piece of each place and how far along it; in plan where z is NaN."""
    start_m, along, length_m = pieces
    for i in range(len(places_m)):
        x, y, z = places_m[i, 0], places_m[i, 1], places_m[i, 2]
        has_z, best_m2 = math.isfinite(z), math.inf
        for k in range(len(start_m)):
            dx, dy, dz = x - start_m[k, 0], y - start_m[k, 1], 0.0
            way, plan = dx * along[k, 0] + dy * along[k, 1], 1.0
            if has_z:
                dz = z - start_m[k, 2]
                way += dz * along[k, 2]
            else:
                plan = along[k, 0] * along[k, 0] + along[k, 1] * along[k, 1]
            way = min(max(way / plan, 0.0), length_m[k])
            dx -= way * along[k, 0]
            dy -= way * along[k, 1]
            dz = dz - way * along[k, 2] if has_z else 0.0
            off_m2 = dx * dx + dy * dy + dz * dz
            if off_m2 < best_m2:
                best_m2, piece[i], way_m[i] = off_m2, k, way
