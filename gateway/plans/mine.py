"""What the mine core needs of a configuration."""

from __future__ import annotations

from typing import Any

from equipment.profile import Kind
from gateway.config.bundle import Bundle, Limit, Person
from gateway.config.people import CardKind
from gateway.mine.machines.plan import FloodRule, NearRule
from gateway.mine.people.shifts import ShiftTime
from gateway.mine.plan import (
    AlarmRule,
    AttendancePlan,
    DualCard,
    DuplicateCard,
    Holder,
    MinePlan,
    Stop,
    ValueLimit,
)
from gateway.plans.machines import machine_plan_of
from gateway.plans.prevention import prevention_plan


def plan_of(bundle: Bundle) -> MinePlan:
    """What the mine core needs of a configuration."""
    alarm, positioning = bundle.settings.alarm, bundle.settings.positioning
    limits = positioning.speed_max_m_s.model_dump()
    return MinePlan(
        map=bundle.map,
        devices=tuple(setup.device.id for setup in bundle.devices),
        card_height_m=positioning.card_height_m,
        clock_tolerance_s=positioning.clock_tolerance_s,
        rules={name: AlarmRule.of(family) for name, family in alarm},
        lag_s=positioning.lag_s,
        speeds_max_m_s={person.card: limits[person.kind] for person in bundle.people},
        holders={person.card: _holder(person) for person in bundle.people},
        people_quota=bundle.settings.people.quota,
        below_most_s=bundle.settings.people.below_max_h * 3600.0,
        limits=tuple(map(_limit, bundle.limits)),
        routes={
            route.id: tuple(Stop(stop.zone, stop.start, stop.end) for stop in route.stop)
            for route in bundle.routes
        },
        timezone=bundle.timezone,
        configuration=bundle.label,
        uwb_readers=frozenset(
            setup.device.id for setup in bundle.devices if setup.profile.kind is Kind.UWB_READER
        ),
        engines=frozenset(
            setup.device.id
            for setup in bundle.devices
            if setup.profile.kind is Kind.POSITIONING_ENGINE
        ),
        **_attendance(bundle),
        prevention=prevention_plan(bundle),
        machines=tuple(map(machine_plan_of, bundle.machines)),
        near=NearRule(**dict(bundle.settings.nearness)),
        flood=FloodRule(**dict(bundle.settings.flood)),
    )


def _attendance(bundle: Bundle) -> dict[str, Any]:
    """What of the plan is about shifts, and about cards."""
    settings, alarm = bundle.settings.attendance, bundle.settings.alarm
    dual, duplicate = alarm.dual_card, alarm.duplicate_card
    return {
        "shifts": tuple(ShiftTime(one.name, one.start, one.end) for one in bundle.settings.shift),
        "attendance": AttendancePlan(
            settings.shifts_kept, settings.early_min * 60.0, settings.late_min * 60.0
        ),
        "dual_card": DualCard(dual.near_m, dual.apart_m, dual.way_m, dual.together_min * 60.0),
        "duplicate_card": DuplicateCard(duplicate.leaps, duplicate.within_s),
    }


def _holder(person: Person) -> Holder:
    return Holder(
        person.name,
        person.team,
        is_person=person.kind is CardKind.PERSON,
        is_vehicle=person.kind is CardKind.VEHICLE,
        leader=person.leader,
        zones=person.zones,
        route=person.route,
    )


def _limit(limit: Limit) -> ValueLimit:
    return ValueLimit(**{**dict(limit), "zone": limit.zone or ""})
