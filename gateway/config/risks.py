"""Hazards and risk: `risk_points.toml`, and the tables `[hazard]` and `[risk]` of `mine.toml`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from equipment.limit import Level
from equipment.strict import Strict
from equipment.toml_source import Mistake, suggest
from gateway.config.devices import Devices
from gateway.config.listed import Listed, read_listed
from gateway.config.section import Plain, Section
from positioning.mine_map import MAP_FILE, MineMap

RISK_POINTS_FILE: Final = "risk_points.toml"

#: Some for each of 500 zones; a list that is longer is not looked after by anyone.
RISK_POINTS_MAX: Final = 10_000
#: Nobody may leave a hazard for longer than a year.
MEND_MOST_H: Final = 8_760.0
#: The score goes up to this: a larger weight says no more.
POINTS_MOST: Final = 100.0
#: What was a day ago is no part of a rolling score; below a minute nothing rolls.
HALF_LIFE_MOST_MIN: Final = 1_440.0

RiskPointId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]
_Hours = Annotated[float, Field(gt=0, le=MEND_MOST_H)]
_Points = Annotated[float, Field(ge=0, le=POINTS_MOST)]


class RiskPoint(Section):
    """A `[[risk_point]]`: what may go wrong at a zone or a machine, how badly, and who answers."""

    id: RiskPointId
    #: Shown to operators.
    name: Annotated[Plain, Field(max_length=64)]
    #: 1 is the most severe, 4 the least.
    level: Level
    #: Who answers for it: a team or a person.
    owner: Annotated[Plain, Field(max_length=64)]
    #: A zone of the map.
    zone: _Name | None = None
    #: A device of `devices.toml`.
    device: _Name | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.zone is None and self.device is None:
            msg = "say where it is: give a zone, a device or both"
            raise ValueError(msg)
        return self


class RiskPointsFile(Strict):
    """All of `risk_points.toml`."""

    risk_point: Annotated[tuple[RiskPoint, ...], Field(max_length=RISK_POINTS_MAX)] = ()


RiskPoints = Listed[RiskPoint]


class MendHours(Section):
    """`[hazard.mend_h]`: how long a hazard of each level may take to be mended, hours."""

    red: _Hours = 8.0
    orange: _Hours = 72.0
    yellow: _Hours = 168.0
    blue: _Hours = 360.0


class HazardSettings(Section):
    """`[hazard]`: how hazards are followed."""

    mend_h: MendHours = MendHours()


class PointWeights(Section):
    """`[risk.point]`: what a risk point of each level adds to its zone's score."""

    red: _Points = 20.0
    orange: _Points = 12.0
    yellow: _Points = 6.0
    blue: _Points = 2.0


class HazardWeights(Section):
    """`[risk.hazard]`: what a hazard of each level adds until it is cleared."""

    red: _Points = 40.0
    orange: _Points = 20.0
    yellow: _Points = 8.0
    blue: _Points = 3.0


class AlarmWeights(Section):
    """`[risk.alarm]`: what an open alarm of each level adds."""

    red: _Points = 50.0
    orange: _Points = 30.0
    yellow: _Points = 15.0
    blue: _Points = 5.0


class GradeSettings(Section):
    """`[risk.grade]`: from which score on a zone is of a grade; below all of them it is blue."""

    red: _Points = 70.0
    orange: _Points = 50.0
    yellow: _Points = 30.0
    #: A grade is left once the score is lower than its threshold by this.
    deadband: float = Field(default=2.0, ge=0, le=20)

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if not self.red > self.orange > self.yellow > 0:
            msg = "red, orange and yellow must fall, and be above 0"
            raise ValueError(msg)
        return self


class RiskSettings(Section):
    """`[risk]`: what the score of a zone is made of."""

    point: PointWeights = PointWeights()
    hazard: HazardWeights = HazardWeights()
    alarm: AlarmWeights = AlarmWeights()
    #: All risk points of a zone add no more than this: what may go wrong is not what does.
    points_most: _Points = 40.0
    #: A machine that is down or has a fault adds so much.
    machine: _Points = 15.0
    #: Each person in a zone where anything else counts adds so much …
    person: _Points = 0.5
    #: … and all of them no more than this.
    people_most: _Points = 15.0
    #: In so many minutes half of what is over is forgotten.
    half_life_min: float = Field(default=30.0, ge=1, le=HALF_LIFE_MOST_MIN)
    grade: GradeSettings = GradeSettings()


def read_risk_points(folder: Path) -> RiskPoints:
    """The risk points of a mine's folder, with everything that is wrong with them."""
    return read_listed(folder, RISK_POINTS_FILE, "risk_point", RiskPoint, RiskPointsFile)


def risk_point_mistakes(
    points: RiskPoints, devices: Devices, mine_map: MineMap | None
) -> Iterator[Mistake]:
    """Zones and devices that risk points name and that there are not."""
    if points.source is None:
        return
    # Where either could not be read whole, what is missing may be there.
    names = [setup.device.id for setup in devices.setups.values()]
    known = None if devices.mistakes else sorted(names)
    zones = None if mine_map is None else [zone.id for zone in mine_map.zones]
    for position, point in points.items.items():
        for key, problem, remedy in _problems(point, known, zones):
            yield points.source.mistake(("risk_point", position, key), problem, remedy)


def _problems(
    point: RiskPoint, devices: Sequence[str] | None, zones: Sequence[str] | None
) -> Iterator[tuple[str, str, str]]:
    """(key, problem, remedy) of each."""
    if point.zone and zones is not None and point.zone not in zones:
        remedy = suggest(point.zone, zones) or "draw it as a Polygon with kind 'zone'"
        yield "zone", f"there is no zone {point.zone!r} in {MAP_FILE}", remedy
    if point.device and devices is not None and point.device not in devices:
        remedy = suggest(point.device, devices) or "write it into devices.toml"
        yield "device", f"there is no device {point.device!r} in devices.toml", remedy
