"""What an alarm family does in a mine, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.config.alarms import AlarmFamily
from gateway.config.bundle import Bundle
from gateway.mine.alarms.families import FAMILIES
from positioning.mine_map import Zone, ZoneKind


def explain(bundle: Bundle, rule: str) -> str:
    """Some sentences about the family `rule`, which must be one of `FAMILIES`."""
    return " ".join(_sentences(bundle, rule))


def _sentences(bundle: Bundle, rule: str) -> Iterator[str]:
    family, settings = FAMILIES[rule], getattr(bundle.settings.alarm, rule)
    yield f"{rule} ({family.zh}), level {settings.level}, about {family.category}."
    lasts = f" for {settings.after_s:g} s" if settings.after_s else ""
    yield f"It is raised when {family.begins}{lasts}."
    yield from _limits(bundle, rule)
    yield from _end(settings, family.ends)
    yield from _told(settings)


def _end(settings: AlarmFamily, ends: str) -> Iterator[str]:
    lasts = f" for {settings.clear_after_s:g} s" if settings.clear_after_s else ""
    if settings.latch:
        yield f"It stays until an operator resets it, once {ends}{lasts}."
    else:
        yield f"It is cleared when {ends}{lasts}."


def _told(settings: AlarmFamily) -> Iterator[str]:
    if settings.tell:
        yield f"Told to: {', '.join(settings.tell)}."
    if settings.escalate_after_s is not None:
        who = ", ".join(settings.escalate_to)
        yield f"Not acknowledged for {settings.escalate_after_s:g} s, it is told to {who} too."
    if settings.suppressed_by:
        others = " or ".join(settings.suppressed_by)
        yield f"It is recorded and not shown while {others} is open."


def _limits(bundle: Bundle, rule: str) -> Iterator[str]:
    """What the map and the settings say of it."""
    zones, people = bundle.map.zones, bundle.settings.people
    if rule == "overcrowded":
        quotas = [f"{zone.id} {zone.quota}" for zone in zones if zone.quota is not None]
        if people.quota is not None:
            quotas.insert(0, f"the mine {people.quota}")
        yield f"Quotas: {_listed(quotas)}."
    elif rule == "overtime":
        stays = [f"{z.id} {z.stay_limit_min:g} min" for z in zones if z.stay_limit_min is not None]
        yield f"Limits: {_listed([f'the mine {people.below_max_h:g} h', *stays])}."
    elif rule == "danger_proximity":
        around = [_with_distance(z) for z in zones if z.kind is ZoneKind.DANGER]
        around += [f"the fence of {one.id}" for one in bundle.machines if one.fence]
        around += _near(bundle.settings.nearness.person_vehicle_m, "vehicles")
        yield f"Zones: {_listed(around)}."
    elif rule == "vehicle_proximity":
        pairs = _near(bundle.settings.nearness.vehicle_vehicle_m, "one another")
        yield f"Limits: {_listed(pairs)}."
    elif rule == "machine_uncertain":
        yield f"Machines: {_listed([one.id for one in bundle.machines])}."
    elif rule in ("limit_exceeded", "machine_fault"):
        mine = [one for one in bundle.limits if one.fault == (rule == "machine_fault")]
        yield f"Limits: {_listed([f'{one.id} ({one.name})' for one in mine])}."
    elif rule == "overspeed":
        limits = [
            f"{one.id} {one.speed_max_m_s:g} m/s"
            for one in bundle.map.roadways
            if one.speed_max_m_s is not None
        ]
        yield f"Limits: {_listed(limits)}."
    elif rule == "route_deviation":
        yield f"Routes: {_listed([route.id for route in bundle.routes])}."
    elif rule == "hazard_overdue":
        times = bundle.settings.hazard.mend_h
        hours = ", ".join(f"{level} {time_h:g} h" for level, time_h in times)
        yield f"Times by level, where no other was given: {hours}."
        yield "A hazard's own level stands where it is more severe."
    elif rule in _KINDS:
        yield f"Zones: {_listed([zone.id for zone in zones if zone.kind is _KINDS[rule]])}."


_KINDS: Final = {
    "restricted_entry": ZoneKind.RESTRICTED,
    "unauthorised_entry": ZoneKind.CONTROLLED,
    "out_of_boundary": ZoneKind.LICENCE,
    "section_occupied": ZoneKind.SECTION,
}


def _near(limit_m: float | None, what: str) -> list[str]:
    return [] if limit_m is None else [f"{limit_m:g} m to {what}"]


def _with_distance(zone: Zone) -> str:
    return f"{zone.id} and {zone.near_m:g} m around" if zone.near_m else zone.id


def _listed(items: list[str]) -> str:
    return ", ".join(items) or "none, so that it is never raised"
