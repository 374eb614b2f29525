"""The map of a mine: roadways, anchors, readers and zones, in the mine's own metres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAP_FILE: Final = "map.geojson"


class ZoneKind(StrEnum):
    """What a zone is for."""

    KEY = "key"
    RESTRICTED = "restricted"
    CONTROLLED = "controlled"
    DANGER = "danger"
    REFUGE = "refuge"
    FACE = "face"
    WELLHEAD = "wellhead"
    LICENCE = "licence"


@dataclass(frozen=True, slots=True, eq=False)
class Roadway:
    """A tunnel: its centreline along the floor, (n, 3) float64, metres, n >= 2."""

    id: str
    name: str
    width_m: float
    centreline_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A UWB device at a surveyed point; it ranges to cards."""

    id: str
    x_m: float
    y_m: float
    z_m: float


@dataclass(frozen=True, slots=True)
class Reader:
    """A device that says "card seen here", and how far it sees."""

    id: str
    x_m: float
    y_m: float
    z_m: float
    radius_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """A named area.

    `rings_m` are closed (first point = last), (n, 2) float64 metres: the outer ring, then holes.
    """

    id: str
    name: str
    kind: ZoneKind
    rings_m: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True, eq=False)
class MineMap:
    """All of a `map.geojson`. Ids are unique within each kind."""

    roadways: tuple[Roadway, ...]
    anchors: tuple[Anchor, ...]
    readers: tuple[Reader, ...]
    zones: tuple[Zone, ...]
