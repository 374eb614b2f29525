"""The mine of the roadway trial: five roadways, a loop among them, anchors far apart.

Local metres: x east, y north, z up. 2.4 km of roadways between three dead ends and two junctions.
Haulage and return airway run side by side, 60 m apart, so that a filter can be in the wrong one;
a bend in either, and one in the gate, let it take a place for its mirror image. The return airway
leaves the first junction by a corner round which no radio goes: for a while one anchor is heard
alone.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Final

import numpy as np

from hil_sim.roadgraph import Floats
from hil_sim.sample_map import feature
from positioning.mine_map import Anchor, MineMap, Reader, Roadway

Point = tuple[float, float, float]

#: (id, width in metres, centreline on the floor). Each is one edge between its two ends.
ROADWAYS: Final[tuple[tuple[str, float, tuple[Point, ...]], ...]] = (
    ("incline", 5.0, ((0, 0, 0), (480, 0, -48))),
    ("haulage", 5.0, ((480, 0, -48), (780, 0, -51), (1060, -75, -54))),
    (
        "return_airway",
        4.5,
        ((480, 0, -48), (500, 60, -47.5), (790, 60, -50), (1075, -16, -53.5), (1060, -75, -54)),
    ),
    ("gate", 4.0, ((1060, -75, -54), (1060, -225, -57), (1160, -335, -59))),
    ("heading", 5.5, ((1060, -75, -54), (1375, -100, -60))),
)

#: Between two anchors of a roadway, at most, and how far the last is from a dead end.
ANCHOR_SPACING_M: Final = 200.0
ANCHOR_END_M: Final = 4.0

#: How high anchors and readers hang above the floor, and how far from the wall.
ANCHOR_HEIGHT_M: Final = 2.2
ANCHOR_WALL_M: Final = 0.2

#: How far the readers at junctions see cards.
READER_RADIUS_M: Final = 12.0

#: The junctions, and the roadway that starts there in the direction of which a reader looks.
READERS: Final = (("R1", "haulage"), ("R2", "heading"))


def trial_mine(*, readers: bool = True) -> MineMap:
    """The map; with a directional reader at each junction if `readers`."""
    roadways = tuple(
        Roadway(name, name, width_m, np.array(line, np.float64)) for name, width_m, line in ROADWAYS
    )
    return MineMap(roadways, _anchors(), _readers() if readers else (), ())


def map_text(mine: MineMap) -> str:
    """The `map.geojson` of a map without zones and areas."""
    features = [
        feature(
            "roadway",
            "LineString",
            roadway.centreline_m.tolist(),
            id=roadway.id,
            name=roadway.name,
            width_m=roadway.width_m,
        )
        for roadway in mine.roadways
    ]
    features += [feature("anchor", "Point", [a.x_m, a.y_m, a.z_m], id=a.id) for a in mine.anchors]
    for reader in mine.readers:
        heading = {} if reader.heading_deg is None else {"heading_deg": reader.heading_deg}
        place = [reader.x_m, reader.y_m, reader.z_m]
        features.append(
            feature("reader", "Point", place, id=reader.id, radius_m=reader.radius_m, **heading)
        )
    lines = ",\n".join("    " + json.dumps(each, ensure_ascii=False) for each in features)
    return f'{{\n  "type": "FeatureCollection",\n  "features": [\n{lines}\n  ]\n}}\n'


def _anchors() -> tuple[Anchor, ...]:
    """On alternating walls: one at each junction, one at each dead end, the others evenly between.

    The anchor of a junction belongs to the first roadway that has an end there.
    """
    ends = [line[i] for _, _, line in ROADWAYS for i in (0, -1)]
    served: set[Point] = set()
    places: list[Floats] = []
    for _, width_m, line in ROADWAYS:
        length_m = sum(math.dist(a, b) for a, b in pairwise(line))
        gaps = math.ceil(length_m / ANCHOR_SPACING_M)
        along_m = list(np.linspace(0.0, length_m, gaps + 1))
        for end, last_m in ((0, ANCHOR_END_M), (-1, length_m - ANCHOR_END_M)):
            if ends.count(line[end]) == 1:
                along_m[end] = last_m
        if line[-1] in served:
            along_m.pop()
        if line[0] in served:
            along_m.pop(0)
        served |= {line[0], line[-1]}
        wall_m = width_m / 2 - ANCHOR_WALL_M
        for s_m in along_m:
            aside_m = wall_m if len(places) % 2 else -wall_m
            places.append(_beside(np.array(line, np.float64), float(s_m), aside_m))
    return tuple(
        Anchor(f"A{i:02d}", *(round(float(value), 3) for value in place))
        for i, place in enumerate(places, 1)
    )


def _beside(line_m: Floats, s_m: float, aside_m: float) -> Floats:
    """A point under the roof: `s_m` along a centreline, `aside_m` to the left of it."""
    lengths_m = np.linalg.norm(np.diff(line_m, axis=0), axis=1)
    starts_m = np.concatenate([[0.0], np.cumsum(lengths_m)[:-1]])
    piece = int(np.searchsorted(starts_m, s_m, "right")) - 1
    along = (line_m[piece + 1] - line_m[piece]) / lengths_m[piece]
    left = np.array([-along[1], along[0], 0.0]) / math.hypot(along[0], along[1])
    up = np.array([0.0, 0.0, ANCHOR_HEIGHT_M])
    place: Floats = line_m[piece] + along * (s_m - starts_m[piece]) + left * aside_m + up
    return place


def _readers() -> tuple[Reader, ...]:
    lines = {name: line for name, _, line in ROADWAYS}
    readers = []
    for reader, roadway in READERS:
        (x_m, y_m, z_m), (to_x_m, to_y_m, _) = lines[roadway][:2]
        heading_deg = round(math.degrees(math.atan2(to_y_m - y_m, to_x_m - x_m)), 1)
        readers.append(
            Reader(reader, x_m, y_m, z_m + ANCHOR_HEIGHT_M, READER_RADIUS_M, heading_deg)
        )
    return tuple(readers)
