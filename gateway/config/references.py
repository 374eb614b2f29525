"""Whether the zones and routes that `people.csv` and `routes.toml` name are there."""

from __future__ import annotations

from collections.abc import Iterator

from equipment.toml_source import Mistake, suggest
from gateway.config.people import PEOPLE_FILE, Roster
from gateway.config.routes import ROUTES_FILE, Routes
from positioning.mine_map import MAP_FILE, MineMap, ZoneKind


def permit_mistakes(roster: Roster, mine_map: MineMap) -> Iterator[Mistake]:
    """Zones that someone may enter and that are not on the map, or not controlled."""
    kinds = {zone.id: zone.kind for zone in mine_map.zones}
    controlled = [zone for zone, kind in kinds.items() if kind is ZoneKind.CONTROLLED]
    told: dict[str, tuple[str, str]] = {}  # one renamed zone may stand in each of 100,000 lines
    for person, line in zip(roster.people, roster.lines, strict=True):
        for zone in sorted(person.zones):
            if zone in kinds and kinds[zone] is ZoneKind.CONTROLLED:
                continue
            if zone not in told:
                told[zone] = _permit_mistake(zone, kinds.get(zone), controlled)
            yield Mistake(PEOPLE_FILE, line, "zones", *told[zone])


def _permit_mistake(zone: str, kind: ZoneKind | None, controlled: list[str]) -> tuple[str, str]:
    if kind is not None:
        problem = f"the zone {zone!r} is {kind.value!r}; leave is given for controlled zones only"
        return problem, f"delete it here, or make it 'controlled' in {MAP_FILE}"
    remedy = suggest(zone, controlled) or "draw it as a Polygon with zone 'controlled'"
    return f"there is no zone {zone!r} in {MAP_FILE}", remedy


def route_mistakes(roster: Roster, routes: Routes) -> Iterator[Mistake]:
    """Routes that someone has to go and that there are not."""
    if routes.ids is None:
        return
    told: dict[str, tuple[str, str]] = {}
    for person, line in zip(roster.people, roster.lines, strict=True):
        route = person.route
        if not route or route in routes.ids:
            continue
        if route not in told:
            remedy = suggest(route, sorted(routes.ids)) or f"write it into {ROUTES_FILE}"
            told[route] = f"there is no route {route!r} in {ROUTES_FILE}", remedy
        yield Mistake(PEOPLE_FILE, line, "route", *told[route])


def stop_mistakes(routes: Routes, mine_map: MineMap) -> Iterator[Mistake]:
    """Stops in zones that are not on the map."""
    if routes.source is None:
        return
    zones = [zone.id for zone in mine_map.zones]
    for position, route in routes.items.items():
        for number, stop in enumerate(route.stop):
            if stop.zone not in zones:
                problem = f"there is no zone {stop.zone!r} in {MAP_FILE}"
                remedy = suggest(stop.zone, zones) or "draw it as a Polygon with kind 'zone'"
                path = ("route", position, "stop", number, "zone")
                yield routes.source.mistake(path, problem, remedy)
