"""`limits.toml`: which values of devices are too much, too little or a fault. Optional."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from equipment.limit import Bounds
from equipment.strict import Strict
from equipment.toml_source import Mistake, suggest
from gateway.config.devices import Devices, DeviceSetup
from gateway.config.listed import Listed, read_listed
from gateway.config.section import Plain, Section
from positioning.mine_map import MAP_FILE, MineMap

LIMITS_FILE: Final = "limits.toml"

#: Some for each point of a large mine's machines and sensors.
LIMITS_MAX: Final = 10_000

LimitId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]


class Limit(Section, Bounds):
    """A `[[limit]]`: what value of a device's point is not good."""

    id: LimitId
    #: Shown to operators.
    name: Annotated[Plain, Field(max_length=64)]
    device: _Name
    point: _Name
    #: The zone that it is about, a zone of the map.
    zone: _Name | None = None
    #: The zones that people must leave then, zones of the map: a muster is opened for them.
    muster: Annotated[tuple[_Name, ...], Field(strict=False, max_length=64)] = ()


class LimitsFile(Strict):
    """All of `limits.toml`."""

    limit: Annotated[tuple[Limit, ...], Field(max_length=LIMITS_MAX)] = ()


Limits = Listed[Limit]


def read_limits(folder: Path) -> Limits:
    """The limits of a mine's folder, with everything that is wrong with them."""
    return read_listed(folder, LIMITS_FILE, "limit", Limit, LimitsFile)


def limit_mistakes(limits: Limits, devices: Devices, mine_map: MineMap | None) -> Iterator[Mistake]:
    """Devices, points and zones that limits name and that there are not."""
    if limits.source is None:
        return
    setups = {setup.device.id: setup for setup in devices.setups.values()}
    zones = None if mine_map is None else [zone.id for zone in mine_map.zones]
    for position, limit in limits.items.items():
        for key, problem, remedy in _problems(limit, setups, zones, devices):
            yield limits.source.mistake(("limit", position, key), problem, remedy)


def _problems(
    limit: Limit,
    setups: dict[str, DeviceSetup],
    zones: Sequence[str] | None,
    devices: Devices,
) -> Iterator[tuple[str, str, str]]:
    """(key, problem, remedy) of each."""
    setup = setups.get(limit.device)
    if setup is None:
        if not devices.mistakes:  # else it may be one that could not be read
            remedy = suggest(limit.device, sorted(setups)) or "write it into devices.toml"
            yield "device", f"there is no device {limit.device!r} in devices.toml", remedy
    else:
        points: dict[str, Any] = {one.name: one for one in setup.profile.point}
        if limit.point not in points:
            problem = f"{limit.device} has no point {limit.point!r}"
            yield "point", problem, suggest(limit.point, sorted(points))
        elif limit.equals is None and points[limit.point].type in ("bool", "text"):
            problem = f"{limit.point} is of type {points[limit.point].type}: nothing is above it"
            yield "point", problem, "use equals"
    named = [("zone", limit.zone)] if limit.zone else []
    for key, zone in [*named, *(("muster", zone) for zone in limit.muster)]:
        if zones is not None and zone not in zones:
            remedy = suggest(zone, zones) or "draw it as a Polygon with kind 'zone'"
            yield key, f"there is no zone {zone!r} in {MAP_FILE}", remedy
