"""`map.geojson`, and whether its things and the devices are where they can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from equipment.profile import Kind
from equipment.toml_source import ConfigurationError, Mistake, suggest
from gateway.config.devices import Devices
from gateway.config.files import read_text
from gateway.config.zone_checks import refuge_mistakes, section_mistakes
from positioning.geojson import MapError, line_of_id, parse_map
from positioning.mine_map import MAP_FILE, Anchor, Area, MineMap, Reader, Roadway, Zone
from positioning.polygons import edges_of
from positioning.rings import contains
from positioning.roadway import Roadways
from positioning.sections import sections_of

#: What hangs farther than this from every centreline is in no tunnel: even large chambers are
#: narrower. Its coordinates have a typing error.
GAP_MAX_M: Final = 20.0
#: No card is carried higher above the floor: the limit of `card_height_m`.
CARD_HEIGHT_MAX_M: Final = 3.0


def read_map(folder: Path) -> MineMap:
    """The map of a mine's folder.

    Raises:
        ConfigurationError: it has mistakes, or things that lie outside of the mine.
    """
    text = read_text(folder, MAP_FILE)
    try:
        mine_map = parse_map(text)
    except MapError as error:
        raise ConfigurationError(
            Mistake(MAP_FILE, m.line, m.key, m.problem, m.remedy) for m in error.mistakes
        ) from None
    mistakes = [*_stray(mine_map, text), *_off_floor(mine_map, text)]
    mistakes += [*section_mistakes(mine_map, text), *refuge_mistakes(mine_map, text)]
    if not mine_map.roadways and not mine_map.areas:
        remedy = "cards are followed along roadways and in areas, and heights are those of floors"
        mistakes.append(Mistake(MAP_FILE, 0, "", "there is neither roadway nor area", remedy))
    if mistakes:
        raise ConfigurationError(mistakes)
    return mine_map


def _stray(mine_map: MineMap, text: str) -> Iterator[Mistake]:
    """Anchors and readers that are neither near a roadway nor in an open area or a zone."""
    places: list[Area | Zone] = [*mine_map.areas, *mine_map.zones]
    things: list[Anchor | Reader] = [*mine_map.anchors, *mine_map.readers]
    if not things or not mine_map.roadways:
        return
    points_m = np.array([(thing.x_m, thing.y_m, thing.z_m) for thing in things])
    roadways = Roadways(mine_map.roadways)
    beside_m = roadways.nearest(points_m[:, :2]).distance_m
    gap_m = roadways.gap_m(points_m)
    for number in np.flatnonzero(gap_m > GAP_MAX_M):
        thing = things[number]
        kind = "anchor" if isinstance(thing, Anchor) else "reader"
        if beside_m[number] <= GAP_MAX_M:
            problem = f"{gap_m[number]:.0f} m above or below the floor of every roadway near it"
            remedy = "is z right, with its sign?"
        elif any(_is_in(place.rings_m, thing) for place in places):
            continue
        else:
            problem = f"{beside_m[number]:.0f} m from the nearest roadway and in no area or zone"
            remedy = "are x and y right?"
        line = line_of_id(text, kind, thing.id)
        yield Mistake(MAP_FILE, line, f"{kind} {thing.id}", problem, remedy)


def _is_in(rings_m: Sequence[NDArray[np.float64]], thing: Anchor | Reader) -> bool:
    point_m = np.array([thing.x_m, thing.y_m])
    outer, *holes = (contains(ring_m, point_m) for ring_m in rings_m)
    return outer and not any(holes)


def _off_floor(mine_map: MineMap, text: str) -> Iterator[Mistake]:
    """Zones whose height band holds none of the floors that run through them."""
    for zone in mine_map.zones:
        floors_m = _floors_m(zone, mine_map.roadways) if zone.z_band_m else []
        low_m, high_m = zone.z_band_m or (0.0, 0.0)
        if any(low <= high_m and high >= low_m - CARD_HEIGHT_MAX_M for low, high in floors_m):
            continue
        if floors_m:
            low, high = min(low for low, _ in floors_m), max(high for _, high in floors_m)
            problem = f"no roadway in it lies at this height: floors are at {low:g} to {high:g} m"
            line = line_of_id(text, "zone", zone.id)
            remedy = "are both heights right, with their sign?"
            yield Mistake(MAP_FILE, line, f"zone {zone.id}: z_band_m", problem, remedy)


def _floors_m(zone: Zone, roadways: Sequence[Roadway]) -> list[tuple[float, float]]:
    """The lowest and the highest point of each section of a roadway in a zone."""
    edges_m = edges_of(zone.rings_m)
    found = []
    for roadway in roadways:
        line_m = roadway.centreline_m
        s_m = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line_m, axis=0), axis=1))])
        for low_m, high_m in sections_of(line_m, edges_m):
            at_m = [low_m, *s_m[(s_m > low_m) & (s_m < high_m)], high_m]
            z_m = np.interp(at_m, s_m, line_m[:, 2])
            found.append((float(z_m.min()), float(z_m.max())))
    return found


def note_misplaced(devices: Devices, mine_map: MineMap) -> None:
    """Notes readers among the devices for which the map has no place or no anchors."""
    places = [reader.id for reader in mine_map.readers]
    for position, setup in devices.setups.items():
        name = setup.device.id
        if setup.profile.kind is Kind.RFID_READER and name not in places:
            problem = f"there is no reader {name!r} in {MAP_FILE}"
            devices.mistake(position, "id", problem, _suggest_place(name, places))
        if setup.profile.kind is Kind.UWB_READER and not mine_map.anchors:
            problem = f"a UWB reader measures ranges to anchors, and {MAP_FILE} has none"
            devices.mistake(position, "profile", problem, "draw its anchors on the map")


def _suggest_place(name: str, places: Sequence[str]) -> str:
    return suggest(name, places) or "draw it as a Point with kind 'reader' and radius_m"
