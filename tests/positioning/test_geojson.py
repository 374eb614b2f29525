"""Maps from GeoJSON: what is taken, and what is said of what is not."""

import copy
import json
from typing import Any

import numpy as np
import pytest

from positioning.geojson import MapError, line_of_id, parse_map
from positioning.mine_map import ZoneKind


def feature(kind: str, geometry: str, coordinates: object, **properties: object) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"kind": kind, **properties},
        "geometry": {"type": geometry, "coordinates": coordinates},
    }


def collection(*features: object) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]]
ROADWAY = feature("roadway", "LineString", [[0, 0, -4], [90, 0, -5]], id="r", width_m=5)
BASE = feature("roadway", "LineString", [[0, 0, -4], [90, 0, -5]], id="base", width_m=5)
ANCHOR = feature("anchor", "Point", [1, 2, 3.5], id="a")
READER = feature("reader", "Point", [1, 2, 3], id="a", radius_m=12)
ZONE = feature("zone", "Polygon", [SQUARE, HOLE], id="z", name="硐室", zone="refuge")
AREA = feature("area", "Polygon", [SQUARE, HOLE], id="z", name="泵房")
ALL = collection(ROADWAY, ANCHOR, READER, ZONE, AREA)


def refused(given: object, indent: int | None = None) -> list[str]:
    """What is said of a map, `key: problem (remedy)`."""
    text = given if isinstance(given, str) else json.dumps(given, indent=indent)
    with pytest.raises(MapError) as error:
        parse_map(text)
    return [f"{m.key}: {m.problem} ({m.remedy})" for m in error.value.mistakes]


def changed(thing: dict[str, Any], *path: str | int, to: object) -> dict[str, Any]:
    """A map of a roadway and `thing`, with another value at a path of it."""
    thing = copy.deepcopy(thing)
    inner: Any = thing
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = to
    return collection(BASE, thing)


def test_all_kinds_are_read() -> None:
    mine = parse_map(json.dumps(ALL))
    (roadway,), (anchor,), (reader,), (zone,) = (
        mine.roadways, mine.anchors, mine.readers, mine.zones,
    )  # fmt: skip
    assert (roadway.id, roadway.name, roadway.width_m) == ("r", "r", 5.0)
    assert roadway.centreline_m.dtype == np.float64
    assert roadway.centreline_m.tolist() == [[0, 0, -4], [90, 0, -5]]
    assert (anchor.id, anchor.x_m, anchor.y_m, anchor.z_m) == ("a", 1.0, 2.0, 3.5)
    assert (reader.id, reader.z_m, reader.radius_m) == ("a", 3.0, 12.0)
    assert (zone.id, zone.name, zone.kind) == ("z", "硐室", ZoneKind.REFUGE)
    assert [ring.tolist() for ring in zone.rings_m] == [SQUARE, HOLE]
    assert zone.rings_m[0].dtype == np.float64
    (area,) = mine.areas
    assert (area.id, area.name) == ("z", "泵房")
    assert [ring.tolist() for ring in area.rings_m] == [SQUARE, HOLE]
    assert (reader.heading_deg, zone.z_band_m) == (None, None)


@pytest.mark.parametrize("heading", [0, -90, 359.5, 360])
def test_a_reader_may_have_a_heading(heading: float) -> None:
    reader = changed(READER, "properties", "heading_deg", to=heading)
    assert parse_map(json.dumps(reader)).readers[0].heading_deg == heading


@pytest.mark.parametrize("wrong", [None, "90", True, 361, -361, float("nan"), [90], 10**30])
def test_a_heading_is_degrees_and_mistakes_beside_it_are_told(wrong: object) -> None:
    reader = changed(READER, "properties", "heading_deg", to=wrong)
    reader["features"][1]["geometry"]["coordinates"] = [1, 2]
    heading, place = refused(reader, indent=1)
    assert heading.startswith("features[2].properties.heading_deg: ")
    assert place.startswith("features[2].geometry.coordinates: ")


def test_a_zone_may_have_a_height_band() -> None:
    zone = changed(ZONE, "properties", "z_band_m", to=[-405, -395.5])
    assert parse_map(json.dumps(zone)).zones[0].z_band_m == (-405.0, -395.5)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (None, "is missing"),
        (-400, "must be [lowest, highest], not -400"),
        ([-400], "must be [lowest, highest], not [-400]"),
        ([-395, -405], "the lower height must come first: [-395, -405]"),
        ([-400, -400], "the lower height must come first"),
        (["-400", 0], "must be a finite number of metres"),
        ([-400, float("nan")], "must be a finite number of metres"),
        ([-4e9, 0], "is beyond ±1,000 km"),
    ],
)
def test_a_height_band_is_two_heights(wrong: object, problem: str) -> None:
    zone = changed(ZONE, "properties", "z_band_m", to=wrong)
    zone["features"][1]["geometry"]["coordinates"] = []
    band, rings = refused(zone, indent=1)
    assert problem in band
    assert "features[2].properties.z_band_m" in band
    assert "there is no outer ring" in rings


def test_an_empty_map_is_a_map() -> None:
    mine = parse_map(json.dumps(collection()))
    assert (mine.roadways, mine.anchors, mine.readers, mine.zones) == ((), (), (), ())


@pytest.mark.parametrize("kind", list(ZoneKind))
def test_every_kind_of_zone_is_taken(kind: ZoneKind) -> None:
    zone = changed(ZONE, "properties", "zone", to=kind.value)
    assert parse_map(json.dumps(zone)).zones[0].kind is kind


def test_names_bounds_and_order_are_free() -> None:
    given = {"bbox": [0, 0, 1, 1], "name": "export", **ALL}
    given["features"] = [ZONE, ANCHOR, READER, {"bbox": [], **ROADWAY}]
    assert len(parse_map(json.dumps(given)).roadways) == 1


def test_mistakes_have_the_line_of_the_value() -> None:
    bad = collection(
        ROADWAY, changed(ANCHOR, "geometry", "coordinates", 1, to="2")["features"][1], READER,
        changed(ZONE, "properties", "zone", to="refuges")["features"][1],
    )  # fmt: skip
    text = json.dumps(bad, indent=1)
    with pytest.raises(MapError) as error:
        parse_map(text)
    lines = text.splitlines()
    said = [(lines[m.line - 1].strip(" ,"), m.key) for m in error.value.mistakes]
    assert said == [
        ('"2"', "features[2].geometry.coordinates[2]"),
        ('"zone": "refuges"', "features[4].properties.zone"),
    ]
    assert "line" in str(error.value)


def test_the_line_of_a_thing_is_found() -> None:
    text = json.dumps(ALL, indent=1)
    assert text.splitlines()[line_of_id(text, "reader", "a") - 1].strip() == '"id": "a",'
    assert line_of_id(text, "anchor", "a") < line_of_id(text, "reader", "a")
    assert line_of_id(text, "anchor", "none") == 1


def test_ids_are_unique_within_a_kind_even_on_one_line() -> None:
    told = refused(collection(ROADWAY, ANCHOR, READER, ANCHOR, ANCHOR))
    assert told == [
        f"features[{n}].properties.id: 'a' is already the id of the anchor at line 1 "
        "(give it another)"
        for n in (4, 5)
    ]


@pytest.mark.parametrize("wrong", ["", "a b", "-a", "a" * 65, "中", 12, None, True, ["a"], "a\n"])
def test_an_id_is_short_plain_text(wrong: object) -> None:
    (told,) = refused(changed(ANCHOR, "properties", "id", to=wrong))
    assert told.startswith("features[2].properties.id: ")
    assert told.endswith("(write 1 to 64 letters, digits, '.', '_' or '-' in quotes)")


@pytest.mark.parametrize("wrong", ["", "  ", "n" * 129, "a\x00b", "a\x1b[2J", "\ud800", 7, None])
def test_a_name_can_be_shown(wrong: object) -> None:
    (told,) = refused(changed(ZONE, "properties", "name", to=wrong))
    assert told.startswith("features[2].properties.name: ")
    assert told.isprintable()


@pytest.mark.parametrize("wrong", [0, -1, 1e308, "5", None, True, float("nan"), 10**30, [5]])
@pytest.mark.parametrize(
    ("thing", "key"), [(ROADWAY, "width_m"), (READER, "radius_m")], ids=["roadway", "reader"]
)
def test_lengths_are_above_0_and_sane(thing: dict[str, Any], key: str, wrong: object) -> None:
    (told, *_) = refused(changed(thing, "properties", key, to=wrong), indent=1)
    assert f"properties.{key}: " in told


@pytest.mark.parametrize(
    "wrong",
    [
        1e308,
        -1e308,
        1e6 + 1,
        float("inf"),
        float("nan"),
        10**30,
        pytest.param(10**400, id="e400"),
        "1",
        None,
        True,
        [1],
    ],
)
def test_coordinates_are_finite_metres_of_a_mine(wrong: object) -> None:
    (told,) = refused(changed(ANCHOR, "geometry", "coordinates", 0, to=wrong))
    assert told.startswith("features[2].geometry.coordinates[1]: ")
    assert len(told) < 200


@pytest.mark.parametrize("wrong", [[], [1], [1, 2], [1, 2, 3, 4], {}, "1,2,3", None, [[1, 2, 3]]])
def test_a_point_has_three_coordinates(wrong: object) -> None:
    assert (
        "features[2].geometry.coordinates"
        in refused(changed(ANCHOR, "geometry", "coordinates", to=wrong))[0]
    )


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ([], "needs at least 2 points, not 0"),
        ([[0, 0, 0]], "needs at least 2 points, not 1"),
        ([[0, 0, 0], [0, 0, 0]], "lies on, above or below the point before it"),
        ([[0, 0, 0], [50, 0, 0], [50, 0, -90]], "lies on, above or below the point before it"),
        ([[0, 0, 0], [1e-5, 0, 0]], "lies on, above or below the point before it"),
        ([[0, 0], [50, 0]], "must be a point [x, y, z], not [0, 0]"),
        (None, "is missing"),
    ],
)
def test_a_roadway_runs_along_a_floor(points: object, problem: str) -> None:
    told = refused(changed(ROADWAY, "geometry", "coordinates", to=points))
    assert any(problem in line and "features[2].geometry.coordinates" in line for line in told)


@pytest.mark.parametrize(
    ("rings", "problem"),
    [
        ([], "there is no outer ring"),
        ([[]], "needs at least 1 points, not 0"),
        ([SQUARE[:3]], "a ring needs at least 4 points"),
        ([SQUARE[:-1]], "the ring is not closed"),
        ([[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]], "edges from points 1 and 3"),
        ([[[0, 0], [10, 0], [5, 0], [5, 9], [0, 0]]], "edges from points 1 and 2"),
        ([[[0, 0], [10, 0], [10, 0], [5, 9], [0, 0]]], "point 3 of the ring is the same"),
        ([[[0, 0], [10, 0], [20, 0], [0, 0]]], "crosses or touches itself"),
        ([SQUARE, [[x + 20, y] for x, y in HOLE]], "ring 2 is a hole outside of the outer ring"),
        ([SQUARE, [[x + 7, y] for x, y in HOLE]], "ring 2 crosses or touches ring 1"),
        ([SQUARE, SQUARE], "ring 2 crosses or touches ring 1"),
        ([SQUARE, HOLE, [[x / 2 + 1.5, y / 2 + 1.5] for x, y in HOLE]], "one in another"),
        ([SQUARE, [[x / 2 + 1.5, y / 2 + 1.5] for x, y in HOLE], HOLE], "one in another"),
        ([[[*point, 0] for point in SQUARE]], "must be a point [x, y], not [0, 0, 0]"),
        ([[[0, n] for n in range(2001)]], "has 2001 points; at most 2000 are taken"),
        (None, "is missing"),
    ],
)  # fmt: skip
def test_rings_bound_an_area(rings: object, problem: str) -> None:
    for thing in (ZONE, AREA):
        told = refused(changed(thing, "geometry", "coordinates", to=rings))
        assert any(problem in line and "features[2].geometry.coordinates" in line for line in told)


def test_unknown_keys_are_told_with_the_nearest() -> None:
    anchor = copy.deepcopy(ANCHOR) | {"proprties": 1, "id": "a"}
    anchor["properties"]["nmae"] = "x"
    anchor["geometry"]["coordinate"] = []
    assert refused({**collection(ROADWAY, anchor), "feature": []}, indent=1) == [
        "features[2].properties.nmae: unknown key (did you mean 'name'?)",
        "features[2].geometry.coordinate: unknown key (did you mean 'coordinates'?)",
        "features[2].proprties: unknown key (did you mean 'properties'?)",
        "features[2].id: stands outside of `properties` (move it into `properties`)",
        "feature: unknown key (did you mean 'features'?)",
    ]


def test_a_key_that_stands_twice_is_told() -> None:
    text = json.dumps(ALL, indent=1).replace('"width_m": 5', '"width_m": 5,\n"width_m": 6')
    (told,) = refused(text)
    assert told == "features[1].properties.width_m: stands twice (keep one of the two)"


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("anchr", "did you mean 'anchor'?"),
        (None, "known: roadway, anchor, reader, zone, area"),
        ([], ""),
    ],
)
def test_the_kind_must_be_known(kind: object, hint: str) -> None:
    (told,) = refused(changed(ANCHOR, "properties", "kind", to=kind))
    assert told.startswith("features[2].properties.kind: ")
    assert hint in told


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"', "{}", '{"type": "FeatureCollection"}'])
def test_what_is_no_collection_is_told(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("wrong", [None, [], 1, "x", {"type": "Feature"}])
def test_what_is_no_feature_is_told(wrong: object) -> None:
    assert all("features[2]" in told for told in refused(collection(ROADWAY, wrong)))


@pytest.mark.parametrize("text", ["", "{", "{,}", "[1 2]", '{"a": 1} x', "\x00", "[" * 100_000])
def test_what_is_not_json_is_told(text: str) -> None:
    (told,) = refused(text)
    assert "not valid JSON" in told or "nested too deeply" in told


def test_a_declared_system_of_coordinates_is_refused() -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    (told,) = refused({**ALL, "crs": crs})
    assert told.startswith("crs: coordinates must be in the mine's own metres")


DEGREES = [[112.45, 37.86, -400], [112.47, 37.87, -410]]


def test_degrees_are_refused() -> None:
    roadway = feature("roadway", "LineString", DEGREES, id="r", width_m=5)
    anchor = feature("anchor", "Point", DEGREES[0], id="a")
    ring = [[x + 112, y + 37] for x, y in np.array(SQUARE) / 1000]
    zone = feature("zone", "Polygon", [ring], id="z", zone="face")
    area = feature("area", "Polygon", [ring], id="a")
    for features in ([roadway, anchor], [zone], [area], [roadway]):
        (told,) = refused(collection(*features))
        assert "look like longitude and latitude" in told


def test_a_small_mine_near_its_origin_is_not_taken_for_degrees() -> None:
    short = feature(
        "roadway", "LineString", [[112.4, 37.8, 0], [112.4, 39.9, 0]], id="r", width_m=2
    )
    assert parse_map(json.dumps(collection(short))).roadways
    assert parse_map(json.dumps(collection(ANCHOR))).anchors


def test_a_large_map_is_read() -> None:
    """20 km of roadways in pieces of 4 m, 2,000 anchors, 200 zones of 40 points."""
    line = [[4.0 * n, 10 * np.sin(n / 9), -400 - n / 100] for n in range(5000)]
    turn = np.linspace(0, 2 * np.pi, 40)[:-1]
    disc = np.column_stack([np.cos(turn), np.sin(turn)]) * 9
    ring = [*disc.tolist(), disc[0].tolist()]
    features = [feature("roadway", "LineString", line, id="r", width_m=5)]
    features += [feature("anchor", "Point", line[n], id=f"A{n}") for n in range(2000)]
    features += [feature("zone", "Polygon", [ring], id=f"Z{n}", zone="face") for n in range(200)]
    text = json.dumps(collection(*features), indent=1)
    mine = parse_map(text)
    found = len(mine.roadways[0].centreline_m), len(mine.anchors), len(mine.zones)
    assert found == (5000, 2000, 200)
