"""Where points are with respect to the roadways: nearest one, chainage, height of the floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from positioning.jit import njit
from positioning.mine_map import Roadway

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The nearest roadway of each point, (n,) each.

    `roadway`: its index, -1 where there is none. `chainage_m`: how far along its centreline,
    by its length in space. `distance_m`: horizontal, from the centreline. `floor_z_m`: height of
    the floor there. The three are NaN where there is no roadway.
    """

    roadway: NDArray[np.int32]
    chainage_m: Floats
    distance_m: Floats
    floor_z_m: Floats


class Roadways:
    """The centrelines of all roadways as straight pieces.

    Nearness is horizontal, as positions are: where roadways cross at different heights, a point
    belongs to the one whose centreline is nearer in plan, and to the first of them at equal
    distance.
    """

    def __init__(self, roadways: Sequence[Roadway]) -> None:
        """Takes the roadways of a map; no piece of theirs is vertical."""
        pieces = [
            np.column_stack(
                [
                    roadway.centreline_m[:-1],
                    np.diff(roadway.centreline_m, axis=0),
                    np.full(len(roadway.centreline_m) - 1, number),
                ]
            )
            for number, roadway in enumerate(roadways)
        ]
        whole = np.concatenate(pieces) if pieces else np.empty((0, 7))
        self._pieces = np.ascontiguousarray(whole[:, :6])
        self._roadway = whole[:, 6].astype(np.int32)
        length_m = np.sqrt((self._pieces[:, 3:] ** 2).sum(axis=1))
        total_m = np.cumsum(length_m) - length_m
        first = np.searchsorted(self._roadway, self._roadway)
        self._start_m = total_m - total_m[first]

    def nearest(self, places_m: Floats) -> Nearest:
        """The nearest roadway of `places_m`, (n, 2) metres; none for a place that isn't finite."""
        places_m = np.ascontiguousarray(places_m, np.float64)
        finite = np.logical_and(*np.isfinite(places_m).T)
        piece, share = _nearest(np.where(finite[:, None], places_m, 0.0), self._pieces)
        piece[~finite] = -1
        # Where there is none, a last row of NaN makes all that follows NaN.
        x_m, y_m, z_m, dx_m, dy_m, dz_m = np.append(self._pieces, [[np.nan] * 6], axis=0)[piece].T
        length_m = np.sqrt(dx_m**2 + dy_m**2 + dz_m**2)
        return Nearest(
            roadway=np.append(self._roadway, np.int32(-1))[piece],
            chainage_m=np.append(self._start_m, np.nan)[piece] + share * length_m,
            distance_m=np.hypot(
                places_m[:, 0] - x_m - share * dx_m, places_m[:, 1] - y_m - share * dy_m
            ),
            floor_z_m=z_m + share * dz_m,
        )

    def gap_m(self, points_m: Floats) -> Floats:
        """How far in space, (n,), `points_m`, (n, 3) metres, are from the nearest centreline.

        Infinite where there are no roadways. For use at load: needs memory for n × pieces.
        """
        start_m, way_m = self._pieces[:, :3], self._pieces[:, 3:]
        from_start_m = points_m[:, None, :] - start_m
        share = (from_start_m * way_m).sum(axis=2) / (way_m**2).sum(axis=1)
        off_m = from_start_m - np.clip(share, 0.0, 1.0)[..., None] * way_m
        gaps_m: Floats = np.sqrt((off_m**2).sum(axis=2)).min(axis=1, initial=np.inf)
        return gaps_m

    def floor_z_m(self, places_m: Floats) -> Floats:
        """Height of the floor, (n,), at `places_m`, (n, 2) metres.

        That of the nearest centreline, interpolated along it; beyond its ends that of the end.
        0 where there are no roadways at all, NaN for a place that isn't finite.
        """
        if len(self._pieces) == 0:
            return np.zeros(len(places_m))
        return self.nearest(places_m).floor_z_m


@njit
def _nearest(places_m: Floats, pieces: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Of each place, (n, 2), the nearest piece, (n,), -1 for none, and how far along it, 0 to 1.

    `pieces`, (k, 6): the first point and the way from it to the second.
    """
    nearest = np.full(len(places_m), -1, np.int64)
    shares = np.zeros(len(places_m))
    for i in range(len(places_m)):
        best_m2 = np.inf
        for k in range(len(pieces)):
            dx_m, dy_m = pieces[k, 3], pieces[k, 4]
            ox_m, oy_m = places_m[i, 0] - pieces[k, 0], places_m[i, 1] - pieces[k, 1]
            along = (ox_m * dx_m + oy_m * dy_m) / (dx_m * dx_m + dy_m * dy_m)
            share = min(max(along, 0.0), 1.0)
            ox_m -= share * dx_m
            oy_m -= share * dy_m
            m2 = ox_m * ox_m + oy_m * oy_m
            if m2 < best_m2:
                best_m2, nearest[i], shares[i] = m2, k, share
    return nearest, shares
