"""`map.geojson` to a map: roadways, areas, anchors, readers and zones; all mistakes told at once.

A FeatureCollection (RFC 7946) in the mine's own metres. The `properties` of a feature:

| kind    | geometry             | beside `kind`, `id` and (optional) `name`                  |
|---------|----------------------|------------------------------------------------------------|
| roadway | LineString [x, y, z] | `width_m`; optional `speed_max_m_s`; points lie on the floor |
| area    | Polygon [x, y]       |                                                            |
| anchor  | Point [x, y, z]      |                                                            |
| reader  | Point [x, y, z]      | `radius_m`: how far it sees cards; optional `heading_deg`  |
| zone    | Polygon [x, y]       | `zone`: one of `ZoneKind`; optional `z_band_m`, `quota`,   |
|         |                      | `stay_limit_min`, `owner`, and of a danger zone `near_m`   |
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from positioning.json_source import JsonError, Path, parse_json
from positioning.map_values import MapMistake, MapValues, RefusedError, shown, wrong
from positioning.mine_map import Anchor, Area, MineMap, Reader, Roadway, Zone, ZoneKind
from positioning.rings import holes_problem, ring_problem

#: Wider than any tunnel; a larger number is in another unit.
WIDTH_MAX_M: Final = 100.0
#: Farther than any reader sees; a larger number is in another unit.
RADIUS_MAX_M: Final = 1_000.0
#: Nothing underground is faster; a larger number is in another unit.
SPEED_MAX_M_S: Final = 30.0
#: A gateway serves 8,000 cards; a larger quota limits nothing.
QUOTA_MAX: Final = 100_000
#: Nobody stays underground for longer than three days; a larger number is in another unit.
STAY_LIMIT_MAX_MIN: Final = 4_320.0
#: Who is farther off than this is in no danger of that place; a larger number is in another unit.
NEAR_MAX_M: Final = 200.0
#: Positions are told in millimetres: a shorter piece of a centreline has no direction.
SEGMENT_MIN_M: Final = 0.001
#: A ring is checked edge against edge; this many take well under a second.
RING_POINTS_MAX: Final = 2_000
#: No mine lies within one metre; a map that lies within one unit is in degrees.
_DEGREES_EXTENT: Final = 1.0
_DEGREES_MAX: Final = (180.0, 90.0)

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME_LENGTH_MAX: Final = 128

Thing = Roadway | Area | Anchor | Reader | Zone


T = TypeVar("T")


class MapError(Exception):
    """A map can't be used; `mistakes` holds all that is wrong with it."""

    def __init__(self, mistakes: Iterable[MapMistake]) -> None:
        """Sorts the mistakes by line."""
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("\n".join(f"line {m.line}: {m.key}: {m.problem}" for m in self.mistakes))


def parse_map(text: str) -> MineMap:
    """The map of a `map.geojson`.

    Raises:
        MapError: it has mistakes, all of which are told.
    """
    try:
        values = MapValues(parse_json(text))
    except JsonError as error:
        raise MapError([MapMistake(error.line, "", error.problem)]) from None
    things = _things(values)
    _refuse_degrees(values, things)
    if values.mistakes:
        raise MapError(values.mistakes)
    return MineMap(
        roadways=tuple(thing for thing in things if isinstance(thing, Roadway)),
        anchors=tuple(thing for thing in things if isinstance(thing, Anchor)),
        readers=tuple(thing for thing in things if isinstance(thing, Reader)),
        zones=tuple(thing for thing in things if isinstance(thing, Zone)),
        areas=tuple(thing for thing in things if isinstance(thing, Area)),
    )


def line_of_id(text: str, kind: str, thing_id: str) -> int:
    """The line of the id of a thing in a text that `parse_map` takes; 1 where there is none."""
    source = parse_json(text)
    for number, feature in enumerate(source.data["features"]):
        properties = feature["properties"]
        if (properties["kind"], properties["id"]) == (kind, thing_id):
            return source.line_of(("features", number, "properties", "id"))
    return 1


def _things(values: MapValues) -> list[Thing]:
    """What could be read of the features; mistakes are in `values`."""
    things: list[Thing] = []
    first: dict[tuple[str, str], int] = {}
    try:
        features = _features(values)
    except RefusedError:
        return []
    for number, feature in enumerate(features):
        try:
            things.append(_thing(values, ("features", number), feature, first))
        except RefusedError:
            continue
    return things


def _features(values: MapValues) -> list[Any]:
    root = values.object((), values.source.data)
    if "crs" in root:
        problem = "coordinates must be in the mine's own metres, not in a declared system"
        values.say(("crs",), problem, "convert them to local metres and delete `crs`")
    values.known_keys((), root, ("type", "name", "bbox", "features"), besides=("crs",))
    values.is_type((), root, "FeatureCollection")
    return values.array(("features",), root.get("features"))


def _thing(values: MapValues, path: Path, given: Any, first: dict[tuple[str, str], int]) -> Thing:
    feature = values.object(path, given)
    if "id" in feature:
        values.say((*path, "id"), "stands outside of `properties`", "move it into `properties`")
    known = ("type", "bbox", "geometry", "properties")
    values.known_keys(path, feature, known, besides=("id",))
    values.is_type(path, feature, "Feature")
    inner = (*path, "properties")
    properties = values.object(inner, feature.get("properties"))
    kind_name = values.choice((*inner, "kind"), properties.get("kind"), KINDS)
    kind = KINDS[kind_name]
    values.known_keys(inner, properties, ("kind", "id", "name", *kind.keys))
    _check_id(values, (*inner, "id"), properties.get("id"), kind_name, first)
    _check_name(values, (*inner, "name"), properties.get("name", "-"))
    place = (*path, "geometry")
    geometry = values.object(place, feature.get("geometry"))
    values.known_keys(place, geometry, ("type", "bbox", "coordinates"))
    if geometry.get("type") != kind.geometry:
        article = "an" if kind_name[0] in "aeiou" else "a"
        problem = f"the geometry of {article} {kind_name} is a {kind.geometry}, not "
        raise values.refuse((*place, "type"), problem + shown(geometry.get("type")))
    return kind.read(values, path, properties, geometry.get("coordinates"))


def _check_id(
    values: MapValues, path: Path, given: Any, kind: str, first: dict[tuple[str, str], int]
) -> None:
    if not isinstance(given, str) or not _ID.fullmatch(given):
        remedy = "write 1 to 64 letters, digits, '.', '_' or '-' in quotes"
        values.say(path, wrong(given, "an id"), remedy)
    elif (kind, given) in first:
        problem = f"{given!r} is already the id of the {kind} at line {first[kind, given]}"
        values.say(path, problem, "give it another")
    else:
        first[kind, given] = values.source.line_of(path)


def _check_name(values: MapValues, path: Path, given: Any) -> None:
    if not isinstance(given, str) or not 1 <= len(given.strip()) <= _NAME_LENGTH_MAX:
        values.say(path, wrong(given, f"a text of 1 to {_NAME_LENGTH_MAX} characters"))
    elif any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in given):
        values.say(path, f"has characters that can't be shown: {shown(given)}")


def _refuse_degrees(values: MapValues, things: list[Thing]) -> None:
    """A map is in degrees where all of it lies within one unit, in the range of degrees."""
    points = [_points_of(thing) for thing in things]
    if all(len(some) == 1 for some in points):
        return  # nothing that has an extent
    every = np.concatenate(points)
    in_range = (np.abs(every) <= _DEGREES_MAX).all()
    if in_range and (np.ptp(every, axis=0) < _DEGREES_EXTENT).all():
        problem = "coordinates look like longitude and latitude: all lie within one unit"
        values.say(("features",), problem, "write metres in the mine's own frame")


def _points_of(thing: Thing) -> NDArray[np.float64]:
    """Where a thing lies, (n, 2)."""
    if isinstance(thing, Roadway):
        return thing.centreline_m[:, :2]
    if isinstance(thing, Zone | Area):
        return thing.rings_m[0]
    return np.array([[thing.x_m, thing.y_m]])


def _roadway(values: MapValues, path: Path, properties: dict[str, Any], given: Any) -> Roadway:
    place = (*path, "geometry", "coordinates")
    width_m = _length_m(values, path, properties, "width_m", WIDTH_MAX_M)
    points = values.points(place, given, width=3, least=2)
    steps_m = np.hypot(*np.diff(points[:, :2], axis=0).T)
    short = np.flatnonzero(steps_m < SEGMENT_MIN_M)
    if short.size:
        problem = "lies on, above or below the point before it"
        raise values.refuse((*place, int(short[0]) + 1), problem, "a roadway runs along a floor")
    speed_max_m_s = None
    if "speed_max_m_s" in properties:
        key = (*path, "properties", "speed_max_m_s")
        given_m_s = properties["speed_max_m_s"]
        speed_max_m_s = _noted(lambda: values.speed_m_s(key, given_m_s, SPEED_MAX_M_S))
    return Roadway(*_words(properties), width_m, points, speed_max_m_s)


def _anchor(values: MapValues, path: Path, properties: dict[str, Any], given: Any) -> Anchor:
    x_m, y_m, z_m = values.point((*path, "geometry", "coordinates"), given, width=3)
    return Anchor(_words(properties)[0], x_m, y_m, z_m)


def _reader(values: MapValues, path: Path, properties: dict[str, Any], given: Any) -> Reader:
    radius_m = _length_m(values, path, properties, "radius_m", RADIUS_MAX_M)
    heading_deg = None
    if "heading_deg" in properties:
        key = (*path, "properties", "heading_deg")
        heading_deg = _noted(lambda: values.heading_deg(key, properties["heading_deg"]))
    x_m, y_m, z_m = values.point((*path, "geometry", "coordinates"), given, width=3)
    return Reader(_words(properties)[0], x_m, y_m, z_m, radius_m, heading_deg)


def _zone(values: MapValues, path: Path, properties: dict[str, Any], given: Any) -> Zone:
    kinds = [kind.value for kind in ZoneKind]
    kind = values.choice((*path, "properties", "zone"), properties.get("zone"), kinds)
    limits = _limits(values, path, properties, ZoneKind(kind))
    return Zone(*_words(properties), ZoneKind(kind), _rings(values, path, given), **limits)


def _limits(
    values: MapValues, path: Path, properties: dict[str, Any], kind: ZoneKind
) -> dict[str, Any]:
    """What stands of a zone's optional properties, by the name that each has as a field."""
    readers: dict[str, Callable[[Path, Any], object]] = {
        "z_band_m": values.band_m,
        "quota": lambda key, given: values.count(key, given, QUOTA_MAX),
        "stay_limit_min": lambda key, given: values.minutes(key, given, STAY_LIMIT_MAX_MIN),
        "near_m": lambda key, given: values.length_m(key, given, NEAR_MAX_M),
    }
    inner = (*path, "properties")
    limits = {}
    for name, read in readers.items():
        if name in properties:
            limits[name] = _noted(partial(read, (*inner, name), properties[name]))
    if "owner" in properties:
        _check_name(values, (*inner, "owner"), properties["owner"])
        limits["owner"] = properties["owner"]
    if "near_m" in properties and kind is not ZoneKind.DANGER:
        problem = f"only a danger zone has it, and this is {kind.value!r}"
        values.say((*inner, "near_m"), problem, "delete it, or make the zone 'danger'")
    return limits


def _area(values: MapValues, path: Path, properties: dict[str, Any], given: Any) -> Area:
    return Area(*_words(properties), _rings(values, path, given))


def _rings(values: MapValues, path: Path, given: Any) -> tuple[NDArray[np.float64], ...]:
    """The rings of a Polygon: the outer one, then its holes."""
    place = (*path, "geometry", "coordinates")
    rings = []
    for number, ring in enumerate(values.array(place, given)):
        points = values.points((*place, number), ring, width=2, least=1)
        too_many = f"has {len(points)} points; at most {RING_POINTS_MAX} are taken"
        problem = too_many if len(points) > RING_POINTS_MAX else ring_problem(points)
        if problem:
            raise values.refuse((*place, number), problem)
        rings.append(points)
    problem = holes_problem(rings) if rings else "there is no outer ring"
    if problem:
        raise values.refuse(place, problem)
    return tuple(rings)


def _words(properties: dict[str, Any]) -> tuple[str, str]:
    """Id and name."""
    ident = str(properties.get("id"))
    return ident, str(properties.get("name", ident))


def _length_m(
    values: MapValues, path: Path, properties: dict[str, Any], key: str, most_m: float
) -> float:
    given = properties.get(key)
    length_m = _noted(lambda: values.length_m((*path, "properties", key), given, most_m))
    return most_m if length_m is None else length_m


def _noted(read: Callable[[], T]) -> T | None:
    """What is read; None where it is refused: that is noted, so go on, for other mistakes."""
    try:
        return read()
    except RefusedError:
        return None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a feature of one kind is made of."""

    geometry: str
    keys: tuple[str, ...]
    read: Callable[[MapValues, Path, dict[str, Any], Any], Thing]


ZONE_KEYS: Final = ("zone", "z_band_m", "quota", "stay_limit_min", "owner", "near_m")

#: What may stand on a map, by the name of its kind.
KINDS: Final = {
    "roadway": Kind("LineString", ("width_m", "speed_max_m_s"), _roadway),
    "anchor": Kind("Point", (), _anchor),
    "reader": Kind("Point", ("radius_m", "heading_deg"), _reader),
    "zone": Kind("Polygon", ZONE_KEYS, _zone),
    "area": Kind("Polygon", (), _area),
}
