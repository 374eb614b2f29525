"""Zones beside shapely's tree, in one run: which of 8,000 points lie in which of 500 polygons.

    ./run bench zones

Polygons have 10 to 30 corners and lie over one another, as zones of a mine of 3 × 3 km. The rival
is the faster one of the tree's predicates for points, `intersects` and `within`, with the points
made beforehand. Prints also how it is with the tree built of the points, what a step of the
membership of as many cards costs, that of 100 fences, and who is near 100 machines. The last line
is a JSON object.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

sys.path[:0] = [str(Path(__file__).parents[1])]  # the packages need not be installed

from positioning.fences import POSE, Fence, FenceMembership, capsule
from positioning.graph import build_graph
from positioning.mine_map import Roadway, Zone, ZoneKind
from positioning.nearness import Nearness
from positioning.observation import FixClass, Records, new_fixes
from positioning.zones import ZoneMembership

POINTS, ZONES, MACHINES, SIZE_M = 8_000, 500, 100, 3_000.0
ROUNDS = 40
S = 1_000_000_000


def quickest_us(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The least time of several: what else runs on the machine only makes it longer."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) * 1e6


def polygons(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Closed rings."""
    rings: list[NDArray[np.float64]] = []
    while len(rings) < ZONES:
        corners = int(rng.integers(10, 31))
        angle = np.sort(rng.uniform(0.0, 2.0 * math.pi, corners))
        radius = rng.uniform(0.4, 1.0, corners) * rng.uniform(20.0, 150.0)
        ring = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
        ring += rng.uniform(0.0, SIZE_M, 2)
        if shapely.Polygon(ring).is_valid:
            rings.append(np.vstack([ring, ring[:1]]))
    return rings


def cards_at(places_m: NDArray[np.float64]) -> Records:
    """A precise fix of each card."""
    fixes = new_fixes(len(places_m))
    fixes["card"] = np.arange(len(places_m))
    fixes["x_m"], fixes["y_m"] = places_m.T
    fixes["var_x_m2"] = fixes["var_y_m2"] = 0.3**2
    fixes["fix_class"] = FixClass.PRECISE
    return fixes


def step_us(update: Callable[[], object], cards: Records, rng: np.random.Generator) -> float:
    """A step of the membership while everyone walks: the median."""
    times = []
    for _ in range(ROUNDS):
        cards["t_ns"] += S // 5
        cards["x_m"] += rng.normal(0.0, 0.3, len(cards))
        cards["y_m"] += rng.normal(0.0, 0.3, len(cards))
        start = time.perf_counter()
        update()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def fence_us(cards: Records, rng: np.random.Generator) -> float:
    """A step of 100 moving fences around all cards."""
    fences = FenceMembership([Fence(str(k), (capsule(3, 8, 10.0),)) for k in range(MACHINES)])
    poses = np.zeros(MACHINES, POSE)
    poses["x_m"], poses["y_m"] = rng.uniform(0.0, SIZE_M, (2, MACHINES))
    poses["var_x_m2"] = poses["var_y_m2"] = 0.3**2
    poses["z_m"] = np.nan
    fences.update(cards, poses)

    def update() -> None:
        poses["t_ns"] += S // 5
        poses["x_m"] += 0.4
        poses["heading_deg"] += 2.0
        fences.update(cards, poses)

    return step_us(update, cards, rng)


def near_us(rng: np.random.Generator) -> float:
    """Who is within 50 m of 100 machines in a net of roadways of 2 × 2 km."""
    steps = np.linspace(0.0, 2000.0, 21)
    level = [Roadway(f"x{y:g}", "", 5.0, np.array([(x, y, 0.0) for x in steps])) for y in steps]
    rise = [Roadway(f"y{x:g}", "", 5.0, np.array([(x, y, 0.0) for y in steps])) for x in steps]
    roadways = (*level, *rise)
    near = Nearness(roadways, build_graph(roadways), ())
    fixes = cards_at(rng.uniform(0.0, 2000.0, (POINTS, 2)))
    fixes["roadway"] = rng.integers(0, len(roadways), POINTS)
    fixes["chainage_m"] = fixes["x_m"]
    spots = near.place(fixes)
    return quickest_us(lambda: near.near(spots[:MACHINES], spots, 50.0))


def main() -> None:
    """Measures and prints."""
    rng = np.random.default_rng(5)
    rings = polygons(rng)
    places_m = rng.uniform(0.0, SIZE_M, (POINTS, 2))
    zones = tuple(Zone(str(k), "", ZoneKind.KEY, (ring,)) for k, ring in enumerate(rings))
    membership = ZoneMembership(zones)
    membership.pairs(places_m[:1])  # compiled
    shapes = [shapely.Polygon(ring) for ring in rings]
    tree, points = shapely.STRtree(shapes), np.array([shapely.Point(*xy) for xy in places_m])
    rivals = {
        "intersects": quickest_us(lambda: tree.query(points, predicate="intersects")),
        "within": quickest_us(lambda: tree.query(points, predicate="within")),
    }
    of_points = shapely.STRtree(list(points))
    turned_us = quickest_us(lambda: of_points.query(shapes, predicate="intersects"))
    ours_us = quickest_us(lambda: membership.pairs(places_m))
    found = {tuple(pair) for pair in membership.pairs(places_m).tolist()}
    expected = {tuple(pair) for pair in tree.query(points, predicate="intersects").T.tolist()}
    cards = cards_at(places_m)
    membership.update(cards)
    membership_us = step_us(lambda: membership.update(cards), cards, rng)
    rival_us = min(rivals.values())
    print(f"{POINTS} points, {ZONES} polygons, {len(expected)} pairs")
    print(f"pairs                    {ours_us:9.0f} µs")
    for name, us in rivals.items():
        print(f"STRtree, {name:15} {us:9.0f} µs")
    print(f"STRtree of the points    {turned_us:9.0f} µs")
    print(f"membership, a step       {membership_us:9.0f} µs")
    result = {
        "vs_strtree": round(rival_us / ours_us, 2),
        "same_pairs": found == expected,
        "pairs": len(expected),
        "us": round(ours_us),
        "strtree_us": round(rival_us),
        "vs_strtree_of_points": round(turned_us / ours_us, 2),
        "membership_us": round(membership_us),
        "membership_vs_strtree": round(rival_us / membership_us, 2),
        "fences_us": round(fence_us(cards, rng)),
        "near_us": round(near_us(rng)),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
