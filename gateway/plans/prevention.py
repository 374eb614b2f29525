"""What the mine core needs of a configuration to judge hazards and risk."""

from __future__ import annotations

from typing import Protocol

from gateway.config.bundle import Bundle
from gateway.mine.prevention.plan import ByLevel, PreventionPlan, RiskPoint, RiskWeights


class _Levels(Protocol):
    @property
    def red(self) -> float: ...
    @property
    def orange(self) -> float: ...
    @property
    def yellow(self) -> float: ...
    @property
    def blue(self) -> float: ...


def prevention_plan(bundle: Bundle) -> PreventionPlan:
    """The risk points and settings of a mine."""
    risk = bundle.settings.risk
    return PreventionPlan(
        points=tuple(
            RiskPoint(
                id=point.id,
                name=point.name,
                level=point.level,
                owner=point.owner,
                zone=point.zone or "",
                device=point.device or "",
            )
            for point in bundle.risk_points
        ),
        mend_h=_by_level(bundle.settings.hazard.mend_h),
        weights=RiskWeights(
            point=_by_level(risk.point),
            hazard=_by_level(risk.hazard),
            alarm=_by_level(risk.alarm),
            points_most=risk.points_most,
            machine=risk.machine,
            person=risk.person,
            people_most=risk.people_most,
            half_life_s=risk.half_life_min * 60.0,
            thresholds=(risk.grade.red, risk.grade.orange, risk.grade.yellow),
            deadband=risk.grade.deadband,
        ),
    )


def _by_level(levels: _Levels) -> ByLevel:
    return levels.red, levels.orange, levels.yellow, levels.blue
