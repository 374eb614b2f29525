"""Whether the zones of a map make sense together: sections side by side, refuges within reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import shapely

from equipment.toml_source import Mistake
from positioning.escape_lines import Line, beside, lines_of, shape_of, stretches
from positioning.geojson import line_of_id
from positioning.graph import build_graph
from positioning.mine_map import MAP_FILE, Area, MineMap, Roadway, Zone, ZoneKind

#: Sections that share less than this, square metres, only touch: borders are drawn by hand.
SHARED_MOST_M2: Final = 1.0

#: A roadway that goes on for less than this outside of a refuge leads nowhere, metres.
OUTSIDE_LEAST_M: Final = 1.0


def section_mistakes(mine_map: MineMap, text: str) -> Iterator[Mistake]:
    """Sections that overlap: a vehicle would be in both of them. `text` is that of the map."""
    sections = [zone for zone in mine_map.zones if zone.kind is ZoneKind.SECTION]
    shapes = [_polygon(zone) for zone in sections]
    if not shapes:
        return
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    for one, other in sorted(zip(first.tolist(), second.tolist(), strict=True)):
        if one >= other or _apart_in_height(sections[one], sections[other]):
            continue
        shared_m2 = shapes[one].intersection(shapes[other]).area
        if shared_m2 > SHARED_MOST_M2:
            names = sections[other].id, sections[one].id
            problem = f"overlaps the section {names[1]!r} by {shared_m2:.0f} m2"
            line = line_of_id(text, "zone", names[0])
            remedy = "draw them side by side: a vehicle would be in both"
            yield Mistake(MAP_FILE, line, f"zone {names[0]}", problem, remedy)


def refuge_mistakes(mine_map: MineMap, text: str) -> Iterator[Mistake]:
    """Refuges that no way along the map leads to. `text` is that of the map."""
    refuges = [zone for zone in mine_map.zones if zone.kind is ZoneKind.REFUGE]
    if not refuges or not mine_map.roadways:
        return  # without roadways, all is one open area
    graph = build_graph(mine_map.roadways)
    lines, ends = lines_of(graph), graph.ends.tolist()
    for refuge in refuges:
        if not _is_reached(refuge, lines, ends, mine_map):
            problem = "no way along the roadways and areas of the map leads to this refuge"
            remedy = "does a roadway run to it, and join the others?"
            line = line_of_id(text, "zone", refuge.id)
            yield Mistake(MAP_FILE, line, f"zone {refuge.id}", problem, remedy)


def _is_reached(
    refuge: Zone, lines: Sequence[Line], ends: Sequence[Sequence[int]], mine_map: MineMap
) -> bool:
    """As the ways out of a muster have it: by a line through it or beside it, or by an area."""
    shape = shape_of(refuge)
    within = [sum(high - low for low, high in stretches(line, shape)) for line in lines]
    if not any(within):
        halls = [area for area in mine_map.areas if _polygon(area).intersects(_polygon(refuge))]
        by_hall = any(_meet(hall, roadway) for hall in halls for roadway in mine_map.roadways)
        return by_hall or bool(beside(lines, refuge))
    # What lies wholly in the refuge leads there only together with what it joins.
    inner = {index for index, length_m in enumerate(within) if length_m}
    nodes = {node for index in inner for node in ends[index]}
    goes_on = any(lines[index].s[-1] - within[index] > OUTSIDE_LEAST_M for index in inner)
    return goes_on or any(
        not nodes.isdisjoint(both) for index, both in enumerate(ends) if index not in inner
    )


def _polygon(place: Zone | Area) -> shapely.Polygon:
    outer, *holes = place.rings_m
    return shapely.Polygon(outer, holes)


def _meet(area: Area, roadway: Roadway) -> bool:
    line = shapely.LineString(roadway.centreline_m[:, :2])
    return bool(_polygon(area).distance(line) <= roadway.width_m / 2)


def _apart_in_height(one: Zone, other: Zone) -> bool:
    if one.z_band_m is None or other.z_band_m is None:
        return False
    return one.z_band_m[1] <= other.z_band_m[0] or other.z_band_m[1] <= one.z_band_m[0]
