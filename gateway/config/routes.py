"""`routes.toml`: the ways that special workers have to go, and when. A mine may do without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from equipment.profile import Strict
from equipment.toml_source import ConfigurationError, Mistake, TomlSource, mistakes_of, parse_toml
from gateway.config.files import read_text
from gateway.config.section import Plain
from gateway.config.times import DaySpan

ROUTES_FILE: Final = "routes.toml"

#: One for each special worker of the largest mine, and some.
ROUTES_MAX: Final = 10_000
#: A place every quarter of an hour, all day.
STOPS_MAX: Final = 96

RouteId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]


class Stop(DaySpan):
    """A `[[route.stop]]`: which zone to be in, and from when to when."""

    #: The id of a zone of the map.
    zone: Annotated[str, Field(min_length=1, max_length=64)]


class Route(Strict):
    """A `[[route]]`; its stops are in the order of the file."""

    id: RouteId
    #: Shown to operators.
    name: Annotated[Plain, Field(max_length=64)] = ""
    stop: Annotated[tuple[Stop, ...], Field(min_length=1, max_length=STOPS_MAX)]


class RoutesFile(Strict):
    """All of `routes.toml`."""

    route: Annotated[tuple[Route, ...], Field(max_length=ROUTES_MAX)] = ()


@dataclass(slots=True)
class Routes:
    """What could be read of the routes, and what was wrong.

    `ids` are those of all routes, also of those with mistakes; None where they can't be known.
    """

    routes: dict[int, Route] = field(default_factory=dict)  # by the position in the file
    mistakes: list[Mistake] = field(default_factory=list)
    ids: frozenset[str] | None = frozenset()
    source: TomlSource | None = None


def read_routes(folder: Path) -> Routes:
    """The routes of a mine's folder, with everything that is wrong with them."""
    found = Routes()
    try:
        if (folder / ROUTES_FILE).exists():
            found.source = parse_toml(read_text(folder, ROUTES_FILE), ROUTES_FILE)
    except ConfigurationError as error:
        found.mistakes += error.mistakes
        found.ids = None
    except OSError as error:
        found.mistakes.append(Mistake(ROUTES_FILE, 0, "", f"can't be read: {error.strerror}"))
        found.ids = None
    if found.source is not None:
        _read(found, found.source)
    return found


def _read(found: Routes, source: TomlSource) -> None:
    try:
        RoutesFile.model_validate(source.data)
    except ValidationError as error:
        found.mistakes += mistakes_of(error, source, RoutesFile)
    listed: Any = source.data.get("route", ())
    first: dict[str, int] = {}
    for position, given in enumerate(listed if isinstance(listed, list) else ()):
        route_id = given.get("id") if isinstance(given, dict) else None
        if not isinstance(route_id, str):
            continue  # told above
        path = ("route", position, "id")
        if route_id in first:
            problem = f"{route_id!r} is already the id of the route at line {first[route_id]}"
            found.mistakes.append(source.mistake(path, problem, "give it another"))
        first.setdefault(route_id, source.line_of(path))
        try:
            found.routes[position] = Route.model_validate(given)
        except ValidationError:
            continue  # told above
    found.ids = frozenset(first)
