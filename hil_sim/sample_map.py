"""The map of the sample mine: an incline, two longwall faces, a heading, and what hangs on them.

Local metres: x east, y north, z up, the portal at (0, 0, 0). About 2.7 km of roadways.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

Point = tuple[float, float, float]

#: (id, name, width in metres, centreline on the floor). Junctions are points of both roadways.
ROADWAYS: Final[tuple[tuple[str, str, float, tuple[Point, ...]], ...]] = (
    ("main_incline", "主斜井", 5.0, ((0, 0, 0), (30, 0, -3), (200, 0, -24))),
    ("pit_bottom", "井底车场", 5.5, ((200, 0, -24), (300, 0, -26))),
    (
        "haulage",
        "运输大巷",
        5.0,
        (
            (300, 0, -26), (400, 0, -27), (520, 0, -28), (600, 0, -29), (670, 0, -30),
            (740, 0, -31),
        ),
    ),
    (
        "return_airway",
        "回风大巷",
        4.5,
        ((300, 60, -25), (400, 60, -26), (550, 60, -27), (640, 60, -28), (740, 60, -30)),
    ),
    ("crosscut_1", "一号联络巷", 4.5, ((300, 0, -26), (300, 60, -25))),
    ("crosscut_2", "二号联络巷", 4.5, ((600, 0, -29), (640, 60, -28))),
    ("crosscut_3", "三号联络巷", 4.5, ((740, 0, -31), (740, 60, -30))),
    ("main_gate_3101", "3101运输顺槽", 5.0, ((520, 0, -28), (524, -120, -31), (520, -240, -34))),
    ("face_3101", "3101综采工作面", 6.0, ((520, -240, -34), (670, -240, -36))),
    ("tail_gate_3101", "3101回风顺槽", 4.5, ((670, 0, -30), (667, -120, -33), (670, -240, -36))),
    ("main_gate_3103", "3103运输顺槽", 5.0, ((400, 60, -26), (400, 260, -22))),
    ("face_3103", "3103综采工作面", 6.0, ((400, 260, -22), (550, 260, -23))),
    ("tail_gate_3103", "3103回风顺槽", 4.5, ((550, 60, -27), (550, 260, -23))),
    ("heading_3105", "3105掘进巷", 5.0, ((740, 0, -31), (740, -130, -33))),
    ("old_stub", "旧巷（已封闭）", 4.0, ((640, 60, -28), (640, 120, -27))),
    ("refuge_1", "一号避难硐室", 4.0, ((400, 0, -27), (400, -22, -27))),
)  # fmt: skip

#: (id, name, kind, (x low, y low, x high, y high)).
ZONES: Final[tuple[tuple[str, str, str, tuple[float, float, float, float]], ...]] = (
    ("wellhead", "井口", "wellhead", (-6, -6, 30, 6)),
    ("face_3101", "3101综采工作面", "face", (516, -246, 674, -234)),
    ("face_3103", "3103综采工作面", "face", (396, 254, 554, 266)),
    ("heading_3105", "3105掘进工作面", "face", (735, -112, 745, -70)),
    ("roadheader_3105", "掘进机作业区", "danger", (735, -134, 745, -113)),
    ("old_stub", "旧巷（已封闭）", "restricted", (636, 70, 644, 124)),
    ("refuge_1", "一号避难硐室", "refuge", (396, -26, 404, -4)),
    ("substation", "中央变电所", "key", (230, -5, 270, 5)),
)

#: What some zones have besides. A quota is more than the simulated people of the demo need.
ZONE_LIMITS: Final[Mapping[str, Mapping[str, object]]] = {
    "wellhead": {"owner": "运输队"},
    "face_3101": {"quota": 60, "owner": "综采一队"},
    "face_3103": {"quota": 60, "owner": "综采二队"},
    "heading_3105": {"quota": 60, "owner": "掘进一队"},
    "roadheader_3105": {"owner": "掘进一队"},
    "old_stub": {"owner": "通风队"},
    "refuge_1": {"quota": 100, "owner": "通风队"},
    "substation": {"owner": "机电队"},
}

#: Readers of RFID cards: (place, radius in metres).
READERS: Final[tuple[tuple[Point, float], ...]] = (
    ((12.0, 2.0, 0.5), 12.0),
    ((300.0, 2.0, -23.5), 15.0),
)

#: Between two anchors of a roadway, at most; and how far the first and last are from its ends.
ANCHOR_SPACING_M: Final = 40.0
ANCHOR_END_M: Final = 4.0

#: How high anchors hang above the floor, and how far from the wall.
ANCHOR_HEIGHT_M: Final = 2.2
ANCHOR_WALL_M: Final = 0.2


@dataclass(frozen=True, slots=True)
class MapPlan:
    """A map before it is written; each field is like the constant above that it is named after."""

    roadways: tuple[tuple[str, str, float, tuple[Point, ...]], ...] = ROADWAYS
    zones: tuple[tuple[str, str, str, tuple[float, float, float, float]], ...] = ZONES
    zone_limits: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: ZONE_LIMITS)
    readers: tuple[tuple[Point, float], ...] = READERS
    anchor_spacing_m: float = ANCHOR_SPACING_M


def map_text(reader_ids: tuple[str, ...]) -> str:
    """The sample mine's `map.geojson`; `reader_ids` are the devices at READERS, in that order."""
    return plan_text(MapPlan(), reader_ids)


def plan_text(plan: MapPlan, reader_ids: tuple[str, ...]) -> str:
    """The `map.geojson` of a plan; `reader_ids` are the devices at its readers, in that order."""
    features = [
        *_roadways(plan), *_anchors(plan), *_readers(plan, reader_ids), *_zones(plan)
    ]  # fmt: skip
    lines = ",\n".join("    " + json.dumps(f, ensure_ascii=False) for f in features)
    return f'{{\n  "type": "FeatureCollection",\n  "features": [\n{lines}\n  ]\n}}\n'


def feature(kind: str, geometry: str, coordinates: object, **properties: object) -> dict[str, Any]:
    """One feature of a map."""
    return {
        "type": "Feature",
        "properties": {"kind": kind, **properties},
        "geometry": {"type": geometry, "coordinates": coordinates},
    }


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[list[list[float]]]:
    """The rings of a polygon with these sides, anticlockwise."""
    return [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]


def _roadways(plan: MapPlan) -> Iterator[dict[str, Any]]:
    for roadway, name, width_m, line in plan.roadways:
        points = [list(point) for point in line]
        yield feature("roadway", "LineString", points, id=roadway, name=name, width_m=width_m)


def _zones(plan: MapPlan) -> Iterator[dict[str, Any]]:
    for zone, name, kind, sides in plan.zones:
        words = {"id": zone, "name": name, "zone": kind, **plan.zone_limits.get(zone, {})}
        yield feature("zone", "Polygon", rectangle(*sides), **words)


def _readers(plan: MapPlan, reader_ids: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for reader, (place, radius_m) in zip(reader_ids, plan.readers, strict=True):
        yield feature("reader", "Point", list(place), id=reader, radius_m=radius_m)


def _anchors(plan: MapPlan) -> Iterator[dict[str, Any]]:
    """Along every roadway, on alternating walls, so that three or four are heard everywhere."""
    number = 0
    for _, _, width_m, line in plan.roadways:
        length_m = sum(math.dist(a, b) for a, b in pairwise(line))
        gaps = max(2, math.ceil((length_m - 2 * ANCHOR_END_M) / plan.anchor_spacing_m))
        for i in range(gaps + 1):
            s_m = ANCHOR_END_M + (length_m - 2 * ANCHOR_END_M) * i / gaps
            offset_m = (width_m / 2 - ANCHOR_WALL_M) * (1 if i % 2 else -1)
            number += 1
            place = _on_the_wall(line, s_m, offset_m)
            yield feature("anchor", "Point", place, id=f"A{number:03d}")


def _on_the_wall(line: tuple[Point, ...], s_m: float, offset_m: float) -> list[float]:
    for a, b in pairwise(line):
        length_m = math.dist(a, b)
        if s_m <= length_m or b is line[-1]:
            break
        s_m -= length_m
    x, y, z = (p + (q - p) * s_m / length_m for p, q in zip(a, b, strict=True))
    flat_m = math.hypot(b[0] - a[0], b[1] - a[1])
    x -= (b[1] - a[1]) / flat_m * offset_m
    y += (b[0] - a[0]) / flat_m * offset_m
    return [round(x, 3), round(y, 3), round(z + ANCHOR_HEIGHT_M, 3)]
