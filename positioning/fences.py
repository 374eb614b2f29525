"""Who is in the fence of a moving machine: areas that stand in the machine's own frame.

A fence goes where its machine goes; who is in it is told as of a zone, by the probability of the
card's place relative to the machine, with both uncertainties. In a roadway where a card's place
across is not known, it is on the centreline (`positioning.sections`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning import inside as inside_module
from positioning import membership, polygons, sections
from positioning.inside import SETTLED_SIGMAS, Spread, side_of, spread
from positioning.jit import njit, njit_cached, sources_stamp
from positioning.membership import DWELL_S, Book, Crossing, begins, settle
from positioning.mine_map import Roadway
from positioning.observation import FIX, FixClass, Records
from positioning.polygons import Floats, Integers, edges_of
from positioning.sections import AnySections, Sections, build_sections, lines_of, narrow

#: Where a machine is. `heading_deg`: anticlockwise from the x axis. `z_m`: NaN where unknown.
POSE: Final = np.dtype(
    [
        ("t_ns", np.int64),
        ("x_m", np.float64),
        ("y_m", np.float64),
        ("z_m", np.float64),
        ("heading_deg", np.float64),
        ("var_x_m2", np.float64),
        ("cov_xy_m2", np.float64),
        ("var_y_m2", np.float64),
    ]
)

#: A round border is drawn with so many corners, around the circle: nowhere nearer, and at most
#: 0.5 % farther.
_CORNERS: Final = 32
#: Cards are first looked up in a square of so many cells each way, which covers the plane again and
#: again; a power of two.
_CELLS: Final = 128
_LOST: Final = int(FixClass.LOST)


@dataclass(frozen=True, slots=True, eq=False)
class Fence:
    """An area around a machine.

    `rings_m` as of a `Zone`, in the machine's frame: x ahead, y to the left. Cards whose height
    differs from the machine's by more than `height_m` are on another level.
    """

    id: str
    rings_m: tuple[Floats, ...]
    height_m: float = 3.0


def disc(radius_m: float) -> Floats:
    """The ring, closed, of all that is nearer than `radius_m` to the machine."""
    return capsule(0.0, 0.0, radius_m)


def capsule(behind_m: float, ahead_m: float, radius_m: float) -> Floats:
    """The ring of all that is nearer than `radius_m` to the machine's axis.

    The axis goes from `behind_m` behind the machine's origin to `ahead_m` ahead of it.
    """
    turn = (np.arange(_CORNERS) + 0.5) * (2.0 * math.pi / _CORNERS) - 0.5 * math.pi
    out_m = radius_m / math.cos(math.pi / _CORNERS)
    centre_m = np.where(np.cos(turn) > 0.0, ahead_m, -behind_m)
    ring = np.column_stack([centre_m + out_m * np.cos(turn), out_m * np.sin(turn)])
    return np.vstack([ring, ring[:1]])


@njit
def _relative(fix: np.void, pose: np.void) -> Spread:
    """A card's place in a machine's frame, with the uncertainty of both."""
    turn = math.radians(pose["heading_deg"])
    c, s = math.cos(turn), math.sin(turn)
    dx, dy = fix["x_m"] - pose["x_m"], fix["y_m"] - pose["y_m"]
    var_x = fix["var_x_m2"] + pose["var_x_m2"]
    var_xy = fix["cov_xy_m2"] + pose["cov_xy_m2"]
    var_y = fix["var_y_m2"] + pose["var_y_m2"]
    return spread(
        c * dx + s * dy,
        c * dy - s * dx,
        c * c * var_x + 2.0 * c * s * var_xy + s * s * var_y,
        (c * c - s * s) * var_xy + c * s * (var_y - var_x),
        s * s * var_x - 2.0 * c * s * var_xy + c * c * var_y,
    )


@njit
def _side(edges_m: Floats, ends: _Ends, height_m: float, fix: np.void, pose: np.void) -> int:
    """How a card lies to a fence: 1 in, -1 out, 0 between."""
    if abs(fix["z_m"] - pose["z_m"]) > height_m:  # not where one is NaN
        return -1
    first, last, radius_m = ends
    place = _relative(fix, pose)
    beside_m = math.hypot(place[0], place[1]) - radius_m
    if beside_m > 0.0 and beside_m * beside_m > SETTLED_SIGMAS * SETTLED_SIGMAS * place[5]:
        return -1
    return side_of(edges_m, first, last, place)


@njit
def _is_finite(place: np.void) -> bool:
    variances = place["var_x_m2"] + place["cov_xy_m2"] + place["var_y_m2"]
    return math.isfinite(place["x_m"] + place["y_m"] + variances)


@njit
def _look(
    shapes: _Shapes, fix: np.void, poses: Records, found: _Found, slots: Records
) -> tuple[int, int]:
    """Looks how a card lies to all fences: how many it may enter anew, and the newest time.

    `poses` are in the order of `by_x`, of x; those that are not finite come last.
    """
    edges_m, first, radius_m, height_m, by_x = shapes
    sides, fresh, used = found
    count, x, y, t_ns = 0, fix["x_m"], fix["y_m"], fix["t_ns"]
    for k in range(used):
        fence = slots[k]["zone"]
        sides[k] = 0
        if _is_finite(poses[fence]):
            ends = (first[fence], first[fence + 1], radius_m[fence])
            sides[k] = _side(edges_m, ends, height_m[fence], fix, poses[fence])
            t_ns = max(t_ns, poses[fence]["t_ns"])
    most_m = radius_m[-1]  # of all
    low, high = 0, len(by_x)
    while low < high:
        middle = (low + high) // 2
        if poses[by_x[middle]]["x_m"] < x - most_m:
            low = middle + 1
        else:
            high = middle
    for k in range(low, len(by_x)):
        fence = by_x[k]
        pose = poses[fence]
        dx, dy = pose["x_m"] - x, pose["y_m"] - y
        if dx > most_m:
            break
        # Only a fence around the card can be entered: elsewhere it is less likely in than out.
        if dx * dx + dy * dy > radius_m[fence] * radius_m[fence]:
            continue
        if _has(slots, used, fence):
            continue
        ends = (first[fence], first[fence + 1], radius_m[fence])
        if _side(edges_m, ends, height_m[fence], fix, pose) > 0:
            fresh[count] = fence
            count += 1
            t_ns = max(t_ns, pose["t_ns"])
    return count, t_ns


@njit
def _has(slots: Records, used: int, fence: int) -> bool:
    has = False
    for k in range(used):
        has = has or slots[k]["zone"] == fence
    return has


@njit
def _cell(x_m: float, y_m: float, cell_m: float) -> int:
    """The cell of a point."""
    column, line = math.floor(x_m / cell_m), math.floor(y_m / cell_m)
    return (line & (_CELLS - 1)) * _CELLS + (column & (_CELLS - 1))


@njit
def _mark(near: NDArray[np.bool_], poses: Records, by_x: Integers, cell_m: float) -> None:
    """Marks the cells that fences may reach into; none reaches farther than a cell is wide."""
    for fence in by_x:
        x_m, y_m = poses[fence]["x_m"], poses[fence]["y_m"]
        for column in range(-1, 2):
            for line in range(-1, 2):
                near[_cell(x_m + column * cell_m, y_m + line * cell_m, cell_m)] = True


#: Where a fence's segments begin and end, and how far it reaches from its machine.
_Ends = tuple[int, int, float]
#: Segments (e, 4), where each fence's begin (fences + 1,), its reach (fences + 1,) with the largest
#: of all as the last, heights (fences,), and those that stand somewhere in the order of x.
_Shapes = tuple[Floats, Integers, Floats, Floats, Integers]
#: Sides of the slots' fences, fences to enter anew, and how many slots are used.
_Found = tuple[NDArray[np.int8], Integers, int]
_Flags = NDArray[np.bool_]
#: Tracks, slots, sides, fresh, crossings, cells that fences reach into, and room for a fix.
_State = tuple[Records, Records, NDArray[np.int8], Integers, Records, _Flags, Records]
#: All cards, and the rows of those that are to be looked at.
_Rows = tuple[Records, Integers]
_World = tuple[_Shapes, AnySections]
_Step = Callable[[_World, _Rows, Records, _State, tuple[int, int]], tuple[int, int, bool]]


def _entry(stamp: str) -> _Step:
    """What Python calls; `stamp` makes numba notice changes in the files beside this one."""

    @njit_cached
    def step_stamped(
        world: _World, looked: _Rows, poses: Records, state: _State, begin: tuple[int, int]
    ) -> tuple[int, int, bool]:
        _ = stamp
        shapes, lines = world[0], lines_of(Sections(*world[1]))
        cards, rows = looked
        tracks, all_slots, sides, fresh, crossings, near, own = state
        start, dwell_ns = begin
        written, cell_m = 0, max(shapes[2][-1], 1.0)
        near[:] = False
        _mark(near, poses, shapes[4], cell_m)
        for i in range(start, len(rows)):
            fix = cards[rows[i]]
            if not _is_finite(fix) or fix["fix_class"] == _LOST:
                continue
            track = tracks[fix["card"]]
            used = track["used"]
            if used == 0 and not near[_cell(fix["x_m"], fix["y_m"], cell_m)]:
                track["last_ns"] = max(track["last_ns"], fix["t_ns"])
                continue
            own[0] = fix
            fix = own[0]
            narrow(lines, fix)
            slots = all_slots[fix["card"]]
            count, t_ns = _look(shapes, fix, poses, (sides, fresh, used), slots)
            if written + used + count > len(crossings) or used + count > len(slots):
                return i, written, used + count > len(slots)
            dwell = begins(track, t_ns, dwell_ns)
            if dwell >= 0:
                moment = (rows[i], t_ns, dwell)
                written += settle(track, slots, (sides, fresh, count), moment, crossings[written:])
        return len(rows), written, False

    return step_stamped


#: `step(world, (cards, rows), poses, state, (start, dwell_ns))`, as that of `positioning.zones`.
_step = _entry(
    sources_stamp(inside_module.__file__, membership.__file__, polygons.__file__, sections.__file__)
)


class FenceMembership:
    """Which cards are in which machines' fences.

    As in `ZoneMembership`, a card comes in once it has been inside with P > 0.9 for a moment, and
    goes out once with P < 0.1, whether it was the card that moved or the machine; the time is the
    newer one of the two.
    """

    def __init__(
        self,
        fences: Sequence[Fence],
        roadways: Sequence[Roadway] = (),
        dwell_s: float = DWELL_S,
    ) -> None:
        """Starts with everyone outside; fences are known by their index in `fences`.

        `roadways` are those that fixes name by their index.

        Raises:
            ValueError: a fence has no area, or a coordinate is not finite, and the text names it;
                or `dwell_s` is not from 0 to below 5 s.
        """
        edges = [edges_of(fence.rings_m) for fence in fences]
        for fence, part in zip(fences, edges, strict=True):
            if not len(part):
                msg = f"fence {fence.id!r} needs a ring of three points or more, all finite"
                raise ValueError(msg)
        reach_m = [float(np.hypot(part[:, 0], part[:, 1]).max()) for part in edges]
        self._edges_m = np.vstack([np.empty((0, 4)), *edges])
        self._first = np.cumsum([0, *(len(part) for part in edges)]).astype(np.int64)
        self._reach_m = np.array([*reach_m, max(reach_m, default=0.0)])
        self._height_m = np.array([fence.height_m for fence in fences], np.float64)
        self._near = np.zeros(_CELLS * _CELLS, np.bool_)
        self._along: AnySections = tuple(build_sections(roadways, []))
        self._own = np.zeros(1, FIX)
        self._book = Book(len(fences), dwell_s)

    def update(
        self, cards: Records, poses: Records, rows: Integers | None = None
    ) -> list[Crossing]:
        """What changes where the cards and the machines are now.

        `cards`: (n,) FIX, the last of each card; silent ones stand where they were, lost or not
        finite ones change nothing. `rows` are those to look at, None: all of them. `poses`:
        (fences,) POSE, that of each fence's machine; where it is not finite, nobody enters or
        leaves its fence. In a `Crossing`, the zone is the fence.

        Raises:
            ValueError: there are more or fewer poses than fences.
        """
        if len(poses) != len(self._height_m):
            msg = f"{len(self._height_m)} fences need as many poses, not {len(poses)}"
            raise ValueError(msg)
        if rows is None:
            rows = np.arange(len(cards))
        if len(rows) == 0:
            return []
        owned = np.require(cards, FIX, ["C", "A", "W"])  # one type, so one compilation
        placed = np.require(poses, POSE, ["C", "A", "W"]).copy()
        placed["x_m"][~np.isfinite(placed["heading_deg"])] = np.nan
        spread_m2 = placed["var_x_m2"] + placed["cov_xy_m2"] + placed["var_y_m2"]
        stands = np.isfinite(placed["x_m"] + placed["y_m"] + spread_m2)
        by_x = np.argsort(placed["x_m"], kind="stable").astype(np.int64)
        shapes = (self._edges_m, self._first, self._reach_m, self._height_m, by_x[stands[by_x]])
        book = self._book
        book.make_room(int(owned["card"][rows].max()))
        crossings: list[Crossing] = []
        done = 0
        world, looked = (shapes, self._along), (owned, rows.astype(np.int64))
        while done < len(rows):
            scratch = (book.sides, book.fresh, book.crossings, self._near, self._own)
            state = (book.tracks, book.slots, *scratch)
            done, written, is_narrow = _step(world, looked, placed, state, (done, book.dwell_ns))
            crossings += book.told(written, owned["card"])
            if is_narrow:
                book.widen()
        return crossings

    def fences_of(self, card: int) -> tuple[int, ...]:
        """The fences a card is in, ascending."""
        return self._book.zones_of(card)

    def go_on(self, before: FenceMembership, index: Sequence[int]) -> None:
        """Has everyone where they were; `index` is the fence here of each one of before, or -1."""
        self._book.go_on(before._book, index)

    def restore(self, card: int, fences: Sequence[int]) -> None:
        """Puts a card into exactly these fences, as they were known last.

        Raises:
            IndexError: there is no such fence.
        """
        self._book.restore(card, fences)

    def counts(self) -> Integers:
        """How many cards are in each fence, (fences,)."""
        return self._book.counts()
