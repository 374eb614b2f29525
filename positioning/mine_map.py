"""The map of a mine: roadways, open areas, anchors, readers and zones, in the mine's own metres."""

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
    SECTION = "section"


@dataclass(frozen=True, slots=True, eq=False)
class Roadway:
    """A tunnel: its centreline along the floor, (n, 3) float64, metres, n >= 2.

    `speed_max_m_s` is how fast vehicles may be in it; None where that is not said.
    """

    id: str
    name: str
    width_m: float
    centreline_m: NDArray[np.float64]
    speed_max_m_s: float | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A UWB device at a surveyed point; it ranges to cards."""

    id: str
    x_m: float
    y_m: float
    z_m: float


@dataclass(frozen=True, slots=True)
class Reader:
    """A device that says "card seen here", and how far it sees.

    A directional reader tells on which side of it a card is: ahead is the direction `heading_deg`,
    anticlockwise from the x axis. None where it does not tell.
    """

    id: str
    x_m: float
    y_m: float
    z_m: float
    radius_m: float
    heading_deg: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """A named area.

    `rings_m` are closed (first point = last), (n, 2) float64 metres: the outer ring, then holes.
    `z_band_m` is the height of its lowest and highest point; None where it has no limits, as where
    all floors that lie above one another belong to it.

    `quota`: most people allowed in it; `stay_limit_min`: the longest stay, minutes; `near_m`: who
    is nearer than this to a danger zone is too near. None: no quota, no limit, inside counts.
    `owner`: who is responsible for it.
    """

    id: str
    name: str
    kind: ZoneKind
    rings_m: tuple[NDArray[np.float64], ...]
    z_band_m: tuple[float, float] | None = None
    quota: int | None = None
    stay_limit_min: float | None = None
    owner: str = ""
    near_m: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """A chamber, a face or a piece of surface in which cards move freely, not along a centreline.

    `rings_m` as of a `Zone`.
    """

    id: str
    name: str
    rings_m: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True, eq=False)
class MineMap:
    """All of a `map.geojson`. Ids are unique within each kind."""

    roadways: tuple[Roadway, ...]
    anchors: tuple[Anchor, ...]
    readers: tuple[Reader, ...]
    zones: tuple[Zone, ...]
    areas: tuple[Area, ...] = ()
