"""Ways to safety: the shortest ones, around dangers, out of them first, and none through rock."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from positioning.escape import Escape, Way, WayMap
from positioning.mine_map import Area, MineMap, Roadway, Zone, ZoneKind
from positioning.observation import Records, new_fixes
from positioning.polygons import distances_m, edges_of


def roadway(name: str, *points: tuple[float, float, float]) -> Roadway:
    return Roadway(name, name, 5.0, np.array(points, np.float64))


def zone(
    name: str,
    x: tuple[float, float],
    y: tuple[float, float],
    kind: ZoneKind = ZoneKind.KEY,
    band: tuple[float, float] | None = None,
) -> Zone:
    ring = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1]), (x[0], y[0])]
    return Zone(name, name, kind, (np.array(ring, np.float64),), band)


#: A ladder: two long roadways, joined at x = 0, 100 and 300.
LADDER = MineMap(
    roadways=(
        roadway("south", (0, 0, 0), (100, 0, 0), (300, 0, 0)),
        roadway("north", (0, 50, 0), (100, 50, 0), (300, 50, 0)),
        roadway("west", (0, 0, 0), (0, 50, 0)),
        roadway("middle", (100, 0, 0), (100, 50, 0)),
        roadway("east", (300, 0, 0), (300, 50, 0)),
    ),
    anchors=(),
    readers=(),
    zones=(),
)
GATE = zone("gate", (-10, 10), (-10, 10), ZoneKind.WELLHEAD)
SHELTER = zone("shelter", (290, 310), (45, 60), ZoneKind.REFUGE)


def on(*places: tuple[int, float]) -> Records:
    """Fixes that name a roadway and a chainage."""
    fixes = new_fixes(len(places))
    fixes["roadway"], fixes["chainage_m"] = np.array(places).T
    return fixes


def at(*places: tuple[float, float]) -> Records:
    """Fixes in the plane."""
    fixes = new_fixes(len(places))
    fixes["x_m"], fixes["y_m"] = np.array(places, np.float64).T
    fixes["z_m"] = 0.0
    return fixes


def way_of(escape: Escape, fixes: Records, *, inside: bool = False) -> Way | None:
    (way,) = escape.ways(fixes, np.array([inside]))
    if way:  # its length is that of what is drawn
        drawn_m = sum(math.dist(a, b) for a, b in pairwise(way.points_m))
        assert way.length_m == pytest.approx(drawn_m)
    return way


def summary(way: Way | None) -> tuple[float, str, tuple[str, ...]] | None:
    return (round(way.length_m, 6), way.zone, way.roadways) if way else None


def test_the_nearest_safe_place_by_the_shortest_way() -> None:
    escape = WayMap(LADDER).escape([], [GATE, SHELTER])
    assert summary(way_of(escape, on((0, 60.0)))) == (50.0, "gate", ("south",))
    way = way_of(escape, on((4, 10.0)))
    assert summary(way) == (35.0, "shelter", ("east",))
    assert way is not None
    assert way.points_m == ((300.0, 10.0, 0.0), (300.0, 45.0, 0.0))
    bent = way_of(escape, on((3, 40.0)))
    assert summary(bent) == (130.0, "gate", ("middle", "south"))
    assert bent is not None
    assert bent.points_m == (
        (100.0, 40.0, 0.0),
        (100.0, 0.0, 0.0),
        (10.0, 0.0, 0.0),
    )


def test_the_way_goes_round_a_danger() -> None:
    fire = zone("fire", (40, 60), (-5, 5))
    escape = WayMap(LADDER).escape([fire], [GATE])
    way = way_of(escape, on((0, 90.0)))
    assert summary(way) == (200.0, "gate", ("south", "middle", "north", "west"))
    assert way is not None
    assert not any(40 < x < 60 and y < 5 for x, y, _ in way.points_m)


def test_who_is_in_a_danger_leaves_it_first_by_the_shortest_way() -> None:
    fire = zone("fire", (40, 80), (-5, 5))
    escape = WayMap(LADDER).escape([fire], [GATE])
    assert summary(way_of(escape, on((0, 50.0)), inside=True)) == (40.0, "gate", ("south",))
    away = way_of(escape, on((0, 75.0)), inside=True)
    assert summary(away) == (215.0, "gate", ("south", "middle", "north", "west"))


def test_a_longer_way_out_is_taken_where_the_shorter_leads_nowhere() -> None:
    fires = [zone("fire", (20, 80), (-5, 5)), zone("other", (95, 105), (-10, 10))]
    escape = WayMap(LADDER).escape(fires, [GATE])
    assert summary(way_of(escape, on((0, 78.0)), inside=True)) == (68.0, "gate", ("south",))
    assert way_of(escape, on((0, 90.0))) is None


def test_a_refuge_within_the_danger_is_for_those_within() -> None:
    fire = zone("fire", (200, 400), (-50, 100))
    escape = WayMap(LADDER).escape([fire], [GATE, SHELTER])
    assert summary(way_of(escape, on((0, 290.0)), inside=True)) == (
        55.0,
        "shelter",
        ("south", "east"),
    )
    assert summary(way_of(escape, on((0, 190.0)))) == (180.0, "gate", ("south",))


def test_a_danger_above_or_below_closes_nothing() -> None:
    for band, length_m in (((20.0, 30.0), 80.0), ((-1.0, 3.0), 200.0), ((0.5, 3.0), 200.0)):
        fire = zone("fire", (40, 60), (-5, 5), band=band)
        escape = WayMap(LADDER).escape([fire], [GATE])
        way = way_of(escape, on((0, 90.0)))
        assert way is not None
        assert way.length_m == pytest.approx(length_m)


def test_heights_along_a_slope() -> None:
    slope = MineMap((roadway("slope", (0, 0, 0), (100, 0, -100)),), (), (), ())
    deep = zone("deep", (-10, 200), (-10, 10), ZoneKind.REFUGE, band=(-200.0, -50.0))
    way = way_of(WayMap(slope).escape([], [deep]), on((0, 10.0)))
    assert way is not None
    assert way.points_m[-1] == pytest.approx((50.0, 0.0, -50.0))


def test_a_niche_beside_the_roadway_is_reached_from_it() -> None:
    niche = zone("niche", (150, 156), (8, 14), ZoneKind.REFUGE)
    escape = WayMap(LADDER).escape([], [niche])
    way = way_of(escape, on((0, 120.0)))
    assert summary(way) == (38.0, "niche", ("south",))
    far = zone("far", (150, 156), (200, 210), ZoneKind.REFUGE)
    assert way_of(WayMap(LADDER).escape([], [far]), on((0, 120.0))) is None
    high = zone("high", (150, 156), (8, 14), ZoneKind.REFUGE, band=(6.0, 9.0))
    way = way_of(WayMap(LADDER).escape([], [high]), on((0, 120.0)))
    assert way is not None
    assert way.length_m == pytest.approx(40.0)


FACE = Area(
    "face", "face", (np.array([(190, -1), (210, -1), (210, 51), (190, 51), (190, -1)], np.float64),)
)


def test_ways_lead_across_open_areas_unless_danger_lies_there() -> None:
    face = MineMap(LADDER.roadways, (), (), (), (FACE,))
    outlet = zone("outlet", (215, 235), (40, 60), ZoneKind.REFUGE)
    escape = WayMap(face).escape([], [outlet])
    way = way_of(escape, on((0, 240.0)))  # along the face, not around by the east
    assert way is not None
    assert way.length_m == pytest.approx(30.0 + math.hypot(50.0, 0.0) + 5.0)
    assert way.roadways == ("south", "north")
    in_face = way_of(escape, at((200.0, 30.0)))
    assert in_face is not None
    assert in_face.length_m == pytest.approx(math.hypot(10.0, 20.0) + 5.0)
    fire = zone("fire", (180, 220), (38, 42))
    escape = WayMap(face).escape([fire], [outlet])
    round_m = way_of(escape, on((0, 240.0)))
    assert round_m is not None
    assert round_m.length_m == pytest.approx(60.0 + 50.0 + 65.0)
    below = way_of(escape, at((200.0, 30.0)))
    assert below is not None
    assert below.points_m[1][1] == 0.0  # out by the south
    burning = way_of(escape, at((200.0, 40.0)), inside=True)
    assert burning is not None
    assert burning.points_m[1][1] == 50.0


def test_without_a_place_a_roadway_or_a_safe_place_there_is_no_way() -> None:
    lost = new_fixes(1)
    lost["x_m"] = math.nan
    assert way_of(WayMap(LADDER).escape([], [GATE]), lost) is None
    assert way_of(WayMap(LADDER).escape([], []), on((0, 10.0))) is None
    hall = MineMap((), (), (), (), (FACE,))
    corner = zone("corner", (205, 210), (45, 60), ZoneKind.REFUGE)
    straight = way_of(WayMap(hall).escape([], [corner]), at((200.0, 48.0)))
    assert straight == Way(5.0, "corner", ((200.0, 48.0, 0.0), (205.0, 48.0, 0.0)), ())
    fire = zone("fire", (201, 204), (0, 60))
    assert way_of(WayMap(hall).escape([fire], [corner]), at((200.0, 48.0))) is None
    assert way_of(WayMap(hall).escape([], [GATE]), at((200.0, 30.0))) is None


def grid(side: int) -> MineMap:
    """A mine of `side` by `side` crossing roadways, 50 m apart."""
    span = [float(50 * k) for k in range(side)]
    rows = [roadway(f"r{y}", *((x, y, 0.0) for x in span)) for y in span]
    columns = [roadway(f"c{x}", *((x, y, 0.0) for y in span)) for x in span]
    return MineMap((*rows, *columns), (), (), ())


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(*(st.floats(0, 150),) * 2, *(st.floats(5, 90),) * 2), min_size=1, max_size=3
    ),
    st.lists(st.tuples(st.integers(0, 7), st.floats(0, 150)), min_size=1, max_size=20),
)
def test_no_way_leads_back_into_a_danger(
    corners: list[tuple[float, float, float, float]], places: list[tuple[int, float]]
) -> None:
    fires = [
        zone(f"fire{n}", (x, x + width), (y, y + height))
        for n, (x, y, width, height) in enumerate(corners)
    ]
    burning = [edges_of(fire.rings_m) for fire in fires]

    def burns(points_m: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points are in a danger, and not just on its border."""
        depths_m = [distances_m(edges, points_m[:, :2]) for edges in burning]
        hot: NDArray[np.bool_] = np.array(depths_m).max(axis=0) > 1e-2
        return hot

    escape = WayMap(grid(4)).escape(fires, [GATE])
    free = WayMap(grid(4)).escape([], [GATE])
    nobody = np.zeros(len(places), np.bool_)
    ways = escape.ways(on(*places), nobody)
    for way, short in zip(ways, free.ways(on(*places), nobody), strict=True):
        assert short is not None
        if way is None:
            continue
        assert way.length_m >= short.length_m - 1e-6
        drawn = np.array(way.points_m)
        parts = [np.linspace(a, b, 50) for a, b in pairwise(drawn)]
        hot = burns(np.concatenate([drawn[:1], *parts]))
        cool = np.flatnonzero(~hot)
        assert not len(cool) or not hot[cool[0] :].any()


def test_thousands_of_ways_are_found() -> None:
    side = 20
    ways = WayMap(grid(side))
    random = np.random.default_rng(1)
    fixes = on(
        *(
            (int(random.integers(2 * side)), float(random.uniform(0, 50 * (side - 1))))
            for _ in range(8000)
        )
    )
    fire = zone("fire", (200, 420), (200, 420))
    escape = ways.escape([fire], [GATE])
    found = escape.ways(fixes, np.zeros(8000, np.bool_))
    assert sum(way is not None for way in found) == 8000
