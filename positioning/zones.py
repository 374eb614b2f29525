"""Who is in which zone: a probability from the fix's covariance, with dwell and hysteresis.

In the plane it is the integral of the fix's normal distribution over the zone. Of a fix that lies
in a roadway and does not know its place across, it is the part of the roadway, along its
centreline, that lies in the zone (`positioning.sections`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from positioning import inside as inside_module
from positioning import membership, polygons, sections
from positioning.inside import (
    SETTLED_SIGMAS,
    side_of,
    side_of_probability,
    sigma_most_m,
    spread,
)
from positioning.jit import njit, njit_cached, njit_within, sources_stamp
from positioning.membership import DWELL_S, Book, Crossing, begins, settle
from positioning.mine_map import Roadway, Zone
from positioning.observation import FIX, FixClass, Records
from positioning.polygons import (
    NEAR_M,
    AnyPolygons,
    Floats,
    Integers,
    Polygons,
    build_polygons,
    cell_of,
    distances_m,
    edges_of,
    near_side,
    pairs_of,
)
from positioning.sections import (
    AnySections,
    Sections,
    build_sections,
    clear_stretch,
    lines_of,
    share_within,
    sigma_along_m,
)

#: So far beyond a height band a card is not sure to be out: it may be worn on the helmet, or lie.
HEIGHT_MARGIN_M: Final = 1.0
_LOST: Final = int(FixClass.LOST)


#: Sides of the slots' zones, zones to enter anew, and how many slots are used.
_Found = tuple[NDArray[np.int8], Integers, int]
#: Tracks and slots of all cards.
_Cards = tuple[Records, Records]
#: Not yet known: beside -1 out, 0 between and 1 in.
_UNKNOWN: Final = 2

# What follows takes numbers where it can: an array that is passed on is counted, and eleven of them
# cost more than all that is done with them.


@njit_within
def _is_settled(slot: np.void, zone: int) -> bool:
    """Whether a slot is a zone's, and the card in it without a doubt."""
    return bool(slot["zone"] == zone and slot["member"] == 1 and slot["pending"] == 0)


@njit_within
def _is_within(bands_m: Floats, zone: int, z_m: float) -> bool:
    """Whether a height is in a zone's band; one that is not known (NaN) is in every band."""
    return not (z_m < bands_m[zone, 0] or z_m > bands_m[zone, 1])


@njit
def _pass_over(  # noqa: C901 the loop in parts would hand on arrays, which costs at every turn
    p: Polygons, s: Sections, bands_m: Floats, fixes: Records, start: int, cards: _Cards
) -> int:
    """The first fix from row `start` on that may change more than the time of its card.

    None does that lies so far from every border near it that there is no question, and is where
    it was before. It is nearly all of them.
    """
    tracks, slots = cards
    lines, first_stretch, from_m = lines_of(s), s.first_stretch, s.from_m
    first_held, held = s.first_held, s.held
    for i in range(start, len(fixes)):
        fix = fixes[i]
        card, roadway, z_m, t_ns = fix["card"], fix["roadway"], fix["z_m"], fix["t_ns"]
        used = tracks[card]["used"]
        if not _usable(fix) or begins(tracks[card], t_ns, 1) < 0:
            return i
        along_m = sigma_along_m(lines, fix) if roadway >= 0 else 0.0
        if along_m > 0.0:
            ends = first_stretch[roadway], first_stretch[roadway + 1]
            stretch = clear_stretch(from_m, ends[0], ends[1], fix["chainage_m"], along_m)
            if stretch < 0 or first_held[stretch + 1] - first_held[stretch] != used:
                return i
            first = first_held[stretch]
            for k in range(used):
                zone = held[first + k]
                if not (_is_settled(slots[card, k], zone) and _is_within(bands_m, zone, z_m)):
                    return i
            tracks[card]["last_ns"] = t_ns
            continue
        x, y = fix["x_m"], fix["y_m"]
        cell, off_m2 = cell_of((p.left_m, p.low_m, p.cell_m), p.columns, p.lines, x, y)
        first, last, is_far = p.cell_start[cell], p.cell_start[cell + 1], True
        if first < last or used:
            sigma_m = sigma_most_m(fix["var_x_m2"], fix["cov_xy_m2"], fix["var_y_m2"])
            clear_m, off_m = SETTLED_SIGMAS * sigma_m, math.sqrt(off_m2)
            slot = 0
            for k in range(first, last):
                side = 1 if p.cell_depth_m[k] > 0.0 else -1
                if abs(p.cell_depth_m[k]) <= clear_m + off_m:
                    is_far = is_far and clear_m < NEAR_M
                    if not is_far:
                        break
                    ends = (p.near_start[k], p.near_start[k + 1])
                    side = near_side(p.near_m, ends, p.far_odd[k], (x, y), clear_m)
                    is_far = side != 0
                if side > 0:
                    zone = p.cell_zones[k]
                    is_far = is_far and slot < used
                    is_far = is_far and _is_settled(slots[card, slot], zone)
                    is_far = is_far and _is_within(bands_m, zone, z_m)
                    slot += 1
            is_far = is_far and slot == used
        if not is_far:
            return i
        tracks[card]["last_ns"] = t_ns
    return len(fixes)


@njit
def _look_along(s: Sections, fix: np.void, sigma_m: float, found: _Found, slots: Records) -> int:
    """Looks how a fix in a roadway lies to the zones: how many it may enter anew."""
    sides, fresh, used = found
    roadway, chainage_m = fix["roadway"], fix["chainage_m"]
    sides[:used] = -1
    count, k = 0, 0
    first, last = s.first_section[roadway], s.first_section[roadway + 1]
    while first < last:
        zone = s.polygon[first]
        share = 0.0
        while first < last and s.polygon[first] == zone:
            share += share_within(s.low_m[first], s.high_m[first], chainage_m, sigma_m)
            first += 1
        while k < used and slots[k]["zone"] < zone:
            k += 1
        side = side_of_probability(share)
        if k < used and slots[k]["zone"] == zone:
            sides[k] = side
        elif side > 0:
            fresh[count] = zone
            count += 1
    return count


@njit
def _look_in_plane(p: Polygons, fix: np.void, found: _Found, slots: Records) -> int:
    """The same of a fix in the plane.

    Only a zone whose box holds the fix can be entered: elsewhere it is less likely in than out.
    """
    sides, fresh, used = found
    sides[:used] = _UNKNOWN
    place = spread(fix["x_m"], fix["y_m"], fix["var_x_m2"], fix["cov_xy_m2"], fix["var_y_m2"])
    cell, off_m2 = cell_of((p.left_m, p.low_m, p.cell_m), p.columns, p.lines, place[0], place[1])
    reach_m, off_m = SETTLED_SIGMAS * math.sqrt(place[5]), math.sqrt(off_m2)
    count, slot = 0, 0
    first, last = p.cell_start[cell], p.cell_start[cell + 1]
    for k in range(first, last + used):
        # First the zones of the cell, then those of the slots that are not among them.
        is_slot = k >= last
        if is_slot:
            slot = k - last
            if sides[slot] != _UNKNOWN:
                continue
            zone = slots[slot]["zone"]
            depth_m = -_beside_m(p.box_m, zone, place[0], place[1])
        else:
            zone = p.cell_zones[k]
            while slot < used and slots[slot]["zone"] < zone:
                slot += 1
            is_slot = slot < used and slots[slot]["zone"] == zone
            # The distance to the border changes by no more than the way.
            depth_m = p.cell_depth_m[k]
            depth_m = math.copysign(max(abs(depth_m) - off_m, 0.0), depth_m)
        if abs(depth_m) > reach_m:
            side = 1 if depth_m > 0.0 else -1
        else:
            side = side_of(p.edges_m, p.edge_start[zone], p.edge_start[zone + 1], place)
        if is_slot:
            sides[slot] = side
        elif side > 0:
            fresh[count] = zone
            count += 1
    return count


@njit
def _beside_m(box_m: Floats, zone: int, x: float, y: float) -> float:
    """How far a point is beside a zone's box, at least."""
    across_m = max(box_m[zone, 0] - x, x - box_m[zone, 2])
    up_m = max(box_m[zone, 1] - y, y - box_m[zone, 3])
    return float(max(across_m, up_m, 0.0))


@njit
def _apply_heights(bands_m: Floats, z_m: float, found: _Found, slots: Records, count: int) -> int:
    """Takes height bands into account: how many zones are left to enter anew.

    A height that is not known (NaN) is in every band.
    """
    sides, fresh, used = found
    for k in range(used):
        zone = slots[k]["zone"]
        low_m, high_m = bands_m[zone, 0], bands_m[zone, 1]
        if z_m < low_m - HEIGHT_MARGIN_M or z_m > high_m + HEIGHT_MARGIN_M:
            sides[k] = -1
        elif z_m < low_m or z_m > high_m:
            sides[k] = min(sides[k], 0)
    kept = 0
    for k in range(count):
        zone = fresh[k]
        if _is_within(bands_m, zone, z_m):
            fresh[kept] = zone
            kept += 1
    return kept


@njit_within
def _usable(fix: np.void) -> bool:
    spread = fix["var_x_m2"] + fix["var_y_m2"] + fix["cov_xy_m2"]
    return math.isfinite(fix["x_m"] + fix["y_m"] + spread) and fix["fix_class"] != _LOST


#: Polygons, sections, height bands (zones, 2): what a kernel knows of the map. The fixes, and the
#: state of the cards: tracks, slots, sides, fresh, crossings. The row to begin with, and the dwell.
_World = tuple[AnyPolygons, AnySections, Floats]
_State = tuple[Records, Records, NDArray[np.int8], Integers, Records]
_Step = Callable[[_World, Records, _State, int, int], tuple[int, int, bool]]


def _entry(stamp: str) -> _Step:
    """What Python calls; `stamp` makes numba notice changes in the files beside this one."""

    @njit_cached
    def step_stamped(
        world: _World, fixes: Records, state: _State, start: int, dwell_ns: int
    ) -> tuple[int, int, bool]:
        _ = stamp
        p, s, bands_m = Polygons(*world[0]), Sections(*world[1]), world[2]
        tracks, all_slots, sides, fresh, crossings = state
        written = 0
        i = start - 1
        while True:
            i = _pass_over(p, s, bands_m, fixes, i + 1, (tracks, all_slots))
            if i == len(fixes):
                return i, written, False
            fix = fixes[i]
            if not _usable(fix):
                continue
            card, t_ns = fix["card"], fix["t_ns"]
            track = tracks[card]
            dwell, used, count = begins(track, t_ns, dwell_ns), track["used"], 0
            if dwell < 0:
                continue
            sigma_m = sigma_along_m(lines_of(s), fix) if fix["roadway"] >= 0 else 0.0
            slots, found = all_slots[card], (sides, fresh, used)
            if sigma_m > 0.0:
                count = _look_along(s, fix, sigma_m, found, slots)
            else:
                count = _look_in_plane(p, fix, found, slots)
            if used + count == 0:
                track["last_ns"] = t_ns
                continue
            count = _apply_heights(bands_m, fix["z_m"], found, slots, count)
            if written + used + count > len(crossings) or used + count > len(slots):
                return i, written, used + count > len(slots)
            moment = (i, t_ns, dwell)
            written += settle(track, slots, (sides, fresh, count), moment, crossings[written:])

    return step_stamped


#: `step(world, fixes, state, start, dwell_ns)` takes fixes from row `start`, in order: rows done,
#: crossings written, and whether it stopped for want of slots. It stops before a fix that may have
#: more crossings than there is room for.
_step = _entry(
    sources_stamp(inside_module.__file__, membership.__file__, polygons.__file__, sections.__file__)
)


def _edges(zone: Zone) -> Floats:
    edges = edges_of(zone.rings_m)
    if not len(edges):
        msg = f"zone {zone.id!r} needs a ring of three points or more, all finite"
        raise ValueError(msg)
    return edges


class ZoneMembership:
    """Which cards are in which zones.

    A card comes in once it has been inside with P > 0.9 for a moment, by the times of its fixes,
    and goes out once it has been with P < 0.1. In between nothing changes, so someone who walks
    along a border raises no storm. The first fix of a card of which nothing was known for five
    seconds counts at once. A fix that is lost, late or not finite changes nothing.

    A zone with a height band holds whose height is within it; who is up to a metre above or below
    stays but does not come in.
    """

    def __init__(
        self, zones: tuple[Zone, ...], roadways: Sequence[Roadway] = (), dwell_s: float = DWELL_S
    ) -> None:
        """Starts with everyone outside; zones are known by their index in `zones`.

        `roadways` are those that fixes name by their index.

        Raises:
            ValueError: a zone has no area, or a coordinate is not finite, and the text names it; or
                `dwell_s` is not from 0 to below 5 s.
        """
        edges = [_edges(zone) for zone in zones]
        self._polygons = build_polygons(edges)
        bands = [zone.z_band_m or (-math.inf, math.inf) for zone in zones]
        self._plain: AnyPolygons = tuple(self._polygons)
        self._world = (
            self._plain,
            tuple(build_sections(roadways, edges)),
            np.array(bands, np.float64).reshape(-1, 2),
        )
        self._book = Book(len(zones), dwell_s)

    def update(self, fixes: Records) -> list[Crossing]:
        """What changes by `fixes` (n,) FIX, taken one by one in order.

        A card that crosses several borders with one fix leaves before it enters, each by ascending
        zone.
        """
        if len(fixes) == 0:
            return []
        owned = np.require(fixes, FIX, ["C", "A", "W"])  # one type, so one compilation
        book = self._book
        book.make_room(int(owned["card"].max()))
        crossings: list[Crossing] = []
        done = 0
        while done < len(owned):
            state = (book.tracks, book.slots, book.sides, book.fresh, book.crossings)
            done, written, is_narrow = _step(self._world, owned, state, done, book.dwell_ns)
            crossings += book.told(written, owned["card"])
            if is_narrow:
                book.widen()
        return crossings

    def zones_of(self, card: int) -> tuple[int, ...]:
        """The zones a card is in, ascending."""
        return self._book.zones_of(card)

    def counts(self) -> NDArray[np.int64]:
        """How many cards are in each zone, (zones,)."""
        return self._book.counts()

    def restore(self, card: int, zones: Sequence[int]) -> None:
        """Puts a card into exactly these zones, as they were known last.

        Raises:
            IndexError: there is no such zone.
        """
        self._book.restore(card, zones)

    def distance_m(self, zone: int, points_m: Floats) -> Floats:
        """Distance of points (n, 2) to a zone's border, metres, inside positive: (n,)."""
        first, last = self._polygons.edge_start[zone : zone + 2]
        return distances_m(self._polygons.edges_m[first:last], points_m)

    def pairs(self, points_m: Floats) -> Integers:
        """Which points (n, 2) lie in which zones, border and all: (k, 2), point and zone.

        In order of points, then of zones; heights and uncertainty are not looked at.
        """
        return pairs_of(self._plain, points_m)
