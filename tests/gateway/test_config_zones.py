"""Sections that overlap, refuges that nobody reaches, zones that nobody owns."""

import json
from pathlib import Path
from typing import Any

import pytest

from equipment.toml_source import ConfigurationError
from gateway.config.places import read_map
from gateway.config.zone_checks import refuge_mistakes, section_mistakes
from positioning.geojson import parse_map

MAIN = ("roadway", "main", [[0, 0, -400], [300, 0, -400]])


def feature(kind: str, name: str, points: Any, **more: Any) -> dict[str, Any]:
    shapes = {"roadway": "LineString", "anchor": "Point"}
    properties = {"kind": kind, "id": name, "name": name, **more}
    if kind == "anchor":
        del properties["name"]
    if kind == "roadway":
        properties["width_m"] = 5.0
    geometry = {"type": shapes.get(kind, "Polygon"), "coordinates": points}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def zone(name: str, kind: str, box: tuple[float, float, float, float], **more: Any) -> Any:
    x0, y0, x1, y1 = box
    ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
    return feature("zone", name, [ring], zone=kind, **more)


def text_of(*features: Any) -> str:
    everything = {"type": "FeatureCollection", "features": [feature(*MAIN), *features]}
    return json.dumps(everything, indent=1)


def told(*features: Any) -> list[str]:
    text = text_of(*features)
    mine_map = parse_map(text)
    return [
        f"{one.key}: {one.problem}"
        for one in (*section_mistakes(mine_map, text), *refuge_mistakes(mine_map, text))
    ]


def test_sections_that_overlap_are_told_and_neighbours_are_not() -> None:
    first, second = zone("a", "section", (0, -5, 50, 5)), zone("b", "section", (40, -5, 90, 5))
    assert told(first, second) == ["zone b: overlaps the section 'a' by 100 m2"]
    assert told(first, zone("c", "section", (50, -5, 90, 5))) == []
    assert told(first, zone("c", "key", (0, -5, 50, 5))) == []


def test_sections_above_one_another_do_not_overlap() -> None:
    low = zone("a", "section", (0, -5, 50, 5), z_band_m=[-410, -390])
    high = zone("b", "section", (0, -5, 50, 5), z_band_m=[-390, -380])
    assert told(low, high) == []
    assert len(told(low, zone("b", "section", (0, -5, 50, 5)))) == 1


def test_a_refuge_is_reached_through_it_beside_it_and_by_an_area() -> None:
    assert told(zone("r", "refuge", (100, -5, 110, 5))) == []
    assert told(zone("r", "refuge", (100, 10, 110, 20))) == []
    hall = feature("area", "hall", [[[100, 0], [120, 0], [120, 90], [100, 90], [100, 0]]])
    assert told(hall, zone("r", "refuge", (105, 80, 115, 88))) == []


@pytest.mark.parametrize(
    "more",
    [
        (),
        # A stub of its own, within the refuge, that joins nothing.
        (feature("roadway", "stub", [[105, 205, -400], [115, 205, -400]]),),
        # A hall that no roadway comes to.
        (feature("area", "hall", [[[90, 190], [130, 190], [130, 230], [90, 230], [90, 190]]]),),
    ],
)
def test_a_refuge_that_nobody_reaches_is_told(more: tuple[Any, ...]) -> None:
    refuge = zone("r", "refuge", (100, 200, 120, 210))
    (only,) = told(*more, refuge)
    assert only == "zone r: no way along the roadways and areas of the map leads to this refuge"


def test_a_stub_that_joins_the_others_leads_there() -> None:
    stub = feature("roadway", "stub", [[110, 0, -400], [110, 205, -400]])
    assert told(stub, zone("r", "refuge", (100, 200, 120, 210))) == []


def test_they_are_told_with_their_lines(tmp_path: Path) -> None:
    first, second = zone("a", "section", (0, -5, 50, 5)), zone("b", "section", (40, -5, 90, 5))
    text = text_of(first, second)
    (tmp_path / "map.geojson").write_text(text)
    with pytest.raises(ConfigurationError) as error:
        read_map(tmp_path)
    (mistake,) = error.value.mistakes
    assert text.splitlines()[mistake.line - 1].strip() == '"id": "b",'


def test_an_anchor_outside_of_any_roadway_is_told(tmp_path: Path) -> None:
    (tmp_path / "map.geojson").write_text(text_of(feature("anchor", "A1", [100, 300, -398])))
    with pytest.raises(ConfigurationError, match="300 m from the nearest roadway"):
        read_map(tmp_path)
