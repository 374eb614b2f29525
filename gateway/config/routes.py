"""`routes.toml`: the ways that special workers have to go, and when. A mine may do without it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from equipment.strict import Strict
from gateway.config.listed import Listed, read_listed
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


Routes = Listed[Route]


def read_routes(folder: Path) -> Routes:
    """The routes of a mine's folder, with everything that is wrong with them."""
    return read_listed(folder, ROUTES_FILE, "route", Route, RoutesFile)
