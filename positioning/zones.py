"""Who is in which zone: a probability from the distance to the border, with hysteresis.

Whether a point is inside a polygon is told by the crossing number (Shimrat 1962), so holes are
rings like any other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from positioning.jit import njit, njit_cached
from positioning.mine_map import Zone
from positioning.observation import FIX, FixClass, Records

#: A card enters when it is inside with more than this probability, and leaves below the other.
ENTER_PROBABILITY: Final = 0.9
LEAVE_PROBABILITY: Final = 0.1
#: No fix is taken for surer than this across a border.
_SIGMA_FLOOR_M: Final = 0.05
#: Zones are looked up in square cells this wide, or wider where the map is too large for
#: `_CELLS_MAX` of them.
_CELL_M: Final = 50.0
_CELLS_MAX: Final = 1 << 16
#: Room for cards at first; doubled when it is used up.
_FIRST_CAPACITY: Final = 64
_LOST: Final = int(FixClass.LOST)

_CROSSING: Final = np.dtype(
    [("row", np.int64), ("card", np.int64), ("zone", np.int64), ("entered", np.bool_)]
)


class Crossing(NamedTuple):
    """A change of membership: the fix's row, the card, the zone's index, and which way."""

    row: int
    card: int
    zone: int
    entered: bool


class Shapes(NamedTuple):
    """All zones' borders as segments, and a grid of cells over them.

    `edges_m` (e, 4): x, y of the one end and of the other; those of zone z are `edge_start[z]` to
    `edge_start[z + 1]`. The zones whose bounding box meets a cell are `cell_zones[cell_start[i]:
    cell_start[i + 1]]`, ascending, with i = line × columns + column.
    """

    edges_m: NDArray[np.float64]
    edge_start: NDArray[np.int64]
    box_m: NDArray[np.float64]
    cell_zones: NDArray[np.int64]
    cell_start: NDArray[np.int64]
    columns: int
    lines: int
    left_m: float
    low_m: float
    cell_m: float


#: The same as a plain tuple, because numba keeps the types of what it is called with on disk, and
#: fails where a class of ours there has changed its name since.
AnyShapes = tuple[Any, ...]

Flags = NDArray[np.bool_]


@njit
def _border(edges_m: NDArray[np.float64], x: float, y: float) -> tuple[float, float, float]:
    """Distance of a point to the border (e, 4), inside positive, and the unit normal there."""
    inside = False
    nearest_m2 = math.inf
    nx, ny = 1.0, 0.0
    for e in range(len(edges_m)):
        ax, ay = edges_m[e, 0] - x, edges_m[e, 1] - y
        bx, by = edges_m[e, 2] - x, edges_m[e, 3] - y
        ex, ey = bx - ax, by - ay
        if (ay > 0.0) != (by > 0.0) and (ax * ey - ay * ex > 0.0) == (ey > 0.0):
            inside = not inside
        length_m2 = ex * ex + ey * ey
        along = 0.0
        if length_m2 > 0.0:
            along = min(max(-(ax * ex + ay * ey) / length_m2, 0.0), 1.0)
        cx, cy = ax + along * ex, ay + along * ey
        apart_m2 = cx * cx + cy * cy
        if apart_m2 < nearest_m2:
            nearest_m2 = apart_m2
            nx, ny = cx, cy
            if apart_m2 < 1e-18 and length_m2 > 0.0:  # on the border: the segment's own normal
                nx, ny = -ey, ex
    size = math.hypot(nx, ny)
    distance_m = math.sqrt(nearest_m2)
    return (distance_m if inside else -distance_m), nx / size, ny / size


@njit
def _probability(edges_m: NDArray[np.float64], fix: np.void) -> float:
    """How likely the card is in the zone, taking the border there for straight."""
    distance_m, nx, ny = _border(edges_m, fix["x_m"], fix["y_m"])
    variance = (
        nx * nx * fix["var_x_m2"] + 2.0 * nx * ny * fix["cov_xy_m2"] + ny * ny * fix["var_y_m2"]
    )
    sigma_m = max(math.sqrt(max(variance, 0.0)), _SIGMA_FLOOR_M)
    return 0.5 * math.erfc(-distance_m / (sigma_m * math.sqrt(2.0)))


@njit
def _write(crossing: np.void, row: int, card: int, zone: int, entered: int) -> None:
    crossing["row"] = row
    crossing["card"] = card
    crossing["zone"] = zone
    crossing["entered"] = entered


@njit
def _leave(s: Shapes, row: int, fix: np.void, member: Flags, crossings: Records) -> int:
    """Takes a card out of the zones that it has left: how many crossings were written."""
    words = member.view(np.uint64)
    written = 0
    for word in range(len(words)):
        if words[word] == 0:  # in none of eight zones
            continue
        for zone in range(8 * word, 8 * word + 8):
            if not member[zone]:
                continue
            edges_m = s.edges_m[s.edge_start[zone] : s.edge_start[zone + 1]]
            if _probability(edges_m, fix) < LEAVE_PROBABILITY:
                member[zone] = False
                _write(crossings[written], row, fix["card"], zone, 0)
                written += 1
    return written


@njit
def _enter(s: Shapes, row: int, fix: np.void, member: Flags, crossings: Records) -> int:
    """Puts a card into the zones that it has entered: how many crossings were written.

    Only a zone whose box holds the fix can be entered: elsewhere it is less likely in than out.
    """
    x, y = fix["x_m"], fix["y_m"]
    column, line = math.floor((x - s.left_m) / s.cell_m), math.floor((y - s.low_m) / s.cell_m)
    if column < 0 or line < 0 or column >= s.columns or line >= s.lines:
        return 0
    cell = line * s.columns + column
    written = 0
    for k in range(s.cell_start[cell], s.cell_start[cell + 1]):
        zone = s.cell_zones[k]
        left, low, right, high = s.box_m[zone]
        if member[zone] or not (left <= x <= right and low <= y <= high):
            continue
        edges_m = s.edges_m[s.edge_start[zone] : s.edge_start[zone + 1]]
        if _probability(edges_m, fix) > ENTER_PROBABILITY:
            member[zone] = True
            _write(crossings[written], row, fix["card"], zone, 1)
            written += 1
    return written


@njit_cached
def _step(
    shapes: AnyShapes, fixes: Records, members: Flags, crossings: Records, start: int
) -> tuple[int, int]:
    """Takes fixes from row `start`, in order: (rows done, crossings written).

    Stops before a fix that might have more crossings than there is room for.
    """
    s = Shapes(*shapes)
    written = 0
    for i in range(start, len(fixes)):
        if written + 2 * len(s.box_m) > len(crossings):
            return i, written
        fix = fixes[i]
        spread = fix["var_x_m2"] + fix["var_y_m2"] + fix["cov_xy_m2"]
        if not math.isfinite(fix["x_m"] + fix["y_m"] + spread) or fix["fix_class"] == _LOST:
            continue
        member = members[fix["card"]]
        written += _leave(s, i, fix, member, crossings[written:])
        written += _enter(s, i, fix, member, crossings[written:])
    return len(fixes), written


@njit_cached
def _distances(
    edges_m: NDArray[np.float64], points_m: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    for i in range(len(points_m)):
        out[i] = _border(edges_m, points_m[i, 0], points_m[i, 1])[0]


def _edges(zone: Zone) -> NDArray[np.float64]:
    """A zone's segments, (e, 4) float64; repeated points are left out."""
    parts = []
    for ring in zone.rings_m:
        points = np.asarray(ring, np.float64)
        edges = np.hstack([points, np.roll(points, -1, axis=0)])
        parts.append(edges[(edges[:, :2] != edges[:, 2:]).any(axis=1)])
    edges = np.vstack(parts) if parts else np.empty((0, 4))
    if len(edges) < 3 or not np.isfinite(edges).all():
        msg = f"zone {zone.id!r} needs a ring of three points or more, all finite"
        raise ValueError(msg)
    return edges


def _grid(box_m: NDArray[np.float64]) -> tuple[list[list[int]], int, int, float]:
    """Zones by cell, columns, rows and the width of a cell."""
    if not len(box_m):
        return [[]], 1, 1, _CELL_M
    low, high = box_m[:, :2].min(axis=0), box_m[:, 2:].max(axis=0)
    width, height = (float(size) for size in high - low)
    cell_m = _CELL_M
    while (width / cell_m + 1.0) * (height / cell_m + 1.0) > _CELLS_MAX:
        cell_m *= 2.0
    columns, rows = int(width // cell_m) + 1, int(height // cell_m) + 1
    cells: list[list[int]] = [[] for _ in range(columns * rows)]
    for zone, box in enumerate(box_m):
        first = np.floor((box[:2] - low) / cell_m).astype(int)
        last = np.floor((box[2:] - low) / cell_m).astype(int)
        for row in range(first[1], last[1] + 1):
            for column in range(first[0], last[0] + 1):
                cells[row * columns + column].append(zone)
    return cells, columns, rows, cell_m


def _shapes(zones: tuple[Zone, ...]) -> Shapes:
    edges = [_edges(zone) for zone in zones]
    corners = [[*part[:, :2].min(axis=0), *part[:, :2].max(axis=0)] for part in edges]
    box_m = np.array(corners, np.float64).reshape(-1, 4)
    cells, columns, rows, cell_m = _grid(box_m)
    low = box_m[:, :2].min(axis=0) if len(box_m) else np.zeros(2)
    return Shapes(
        edges_m=np.vstack(edges) if edges else np.empty((0, 4)),
        edge_start=np.cumsum([0, *(len(part) for part in edges)]).astype(np.int64),
        box_m=box_m,
        cell_zones=np.array([zone for cell in cells for zone in cell], np.int64),
        cell_start=np.cumsum([0, *(len(cell) for cell in cells)]).astype(np.int64),
        columns=columns,
        lines=rows,
        left_m=float(low[0]),
        low_m=float(low[1]),
        cell_m=cell_m,
    )


class ZoneMembership:
    """Which cards are in which zones.

    A card comes in when it is inside with a probability above 0.9 and goes out when below 0.1; in
    between nothing changes, so someone who walks along a border raises no storm. A fix that is lost
    or not finite changes nothing either.
    """

    def __init__(self, zones: tuple[Zone, ...]) -> None:
        """Starts with everyone outside; zones are known by their index in `zones`.

        Raises:
            ValueError: a zone has no area, or a coordinate is not finite; the text names it.
        """
        self._shapes = _shapes(zones)
        self._plain_shapes = tuple(self._shapes)
        columns = -(-len(zones) // 8) * 8  # eight at a time can be seen to be empty
        self._member = np.zeros((_FIRST_CAPACITY, columns), np.bool_)
        self._counts = np.zeros(len(zones), np.int64)
        self._crossings = np.zeros(max(1024, 2 * len(zones)), _CROSSING)

    def update(self, fixes: Records) -> list[Crossing]:
        """What changes by `fixes` (n,) FIX, taken one by one in order.

        A card that crosses several borders with one fix leaves before it enters, each by ascending
        zone.
        """
        if len(fixes) == 0:
            return []
        owned = np.require(fixes, FIX, ["C", "A", "W"])  # one type, so one compilation
        self._make_room(int(owned["card"].max()))
        crossings: list[Crossing] = []
        done = 0
        while done < len(owned):
            done, written = _step(self._plain_shapes, owned, self._member, self._crossings, done)
            crossings += [Crossing(*row) for row in self._crossings[:written].tolist()]
        for crossing in crossings:
            self._counts[crossing.zone] += 1 if crossing.entered else -1
        return crossings

    def zones_of(self, card: int) -> tuple[int, ...]:
        """The zones a card is in, ascending."""
        if card >= len(self._member):
            return ()
        return tuple(int(zone) for zone in np.flatnonzero(self._member[card]))

    def counts(self) -> NDArray[np.int64]:
        """How many cards are in each zone, (zones,)."""
        return self._counts.copy()

    def restore(self, card: int, zones: Sequence[int]) -> None:
        """Puts a card into exactly these zones, as they were known last.

        Raises:
            IndexError: there is no such zone.
        """
        for zone in zones:
            if not 0 <= zone < len(self._counts):
                msg = f"there is no zone {zone}, only {len(self._counts)}"
                raise IndexError(msg)
        self._make_room(card)
        self._counts -= self._member[card, : len(self._counts)]
        self._member[card] = False
        self._member[card, list(zones)] = True
        self._counts += self._member[card, : len(self._counts)]

    def distance_m(self, zone: int, points_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of points (n, 2) to a zone's border, metres, inside positive: (n,)."""
        points = np.ascontiguousarray(points_m, np.float64)
        distances = np.empty(len(points))
        first, last = self._shapes.edge_start[zone : zone + 2]
        _distances(self._shapes.edges_m[first:last], points, distances)
        return distances

    def _make_room(self, card: int) -> None:
        capacity = len(self._member)
        if card < capacity:
            return
        while capacity <= card:
            capacity *= 2
        grown = np.zeros((capacity, self._member.shape[1]), np.bool_)
        grown[: len(self._member)] = self._member
        self._member = grown
