"""What a mine would do with its configuration, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from equipment.profile import Kind
from gateway.config.bundle import Bundle
from gateway.config.grpc import material_of
from gateway.config.people import CardKind
from gateway.security.material import now

#: Names that one note lists.
NAMES_MOST: Final = 8


def summary(bundle: Bundle) -> str:
    """One paragraph: the mine, who and what is in it, its alarms, where it listens."""
    return " ".join(_sentences(bundle))


def _sentences(bundle: Bundle) -> Iterator[str]:
    mine, grpc, alarm = bundle.settings.mine, bundle.settings.grpc, bundle.settings.alarm
    yield f"{mine.name} ({mine.code}) is fine: configuration {bundle.label}."
    driven = sum(one.kind is not CardKind.PERSON for one in bundle.people)
    vehicles = f", {_many(driven, 'vehicle or robot', 'vehicles and robots')}" if driven else ""
    yield f"{_many(len(bundle.people) - driven, 'person', 'people')}{vehicles} on the roster."
    yield from _roles(bundle)
    kinds = _counted(setup.profile.kind.value for setup in bundle.devices)
    yield f"{_many(len(bundle.devices), 'device')}: {kinds}."
    length_m = sum(
        float(np.sqrt((np.diff(roadway.centreline_m, axis=0) ** 2).sum(axis=1)).sum())
        for roadway in bundle.map.roadways
    )
    roadways = _many(len(bundle.map.roadways), "roadway")
    anchors = _many(len(bundle.map.anchors), "anchor")
    readers = _many(len(bundle.map.readers), "reader")
    areas = f", {_many(len(bundle.map.areas), 'open area')}" if bundle.map.areas else ""
    yield f"{roadways} of {length_m:,.0f} m{areas}, with {anchors} and {readers}."
    zones = _counted(zone.kind.value for zone in bundle.map.zones)
    yield f"{_many(len(bundle.map.zones), 'zone')}{': ' if zones else ''}{zones}."
    yield from _rules(bundle)
    yield from _machines(bundle)
    yield f"{len(type(alarm).model_fields)} alarm families, each as `lamproom explain` says;"
    yield f"a card is lost after {alarm.signal_lost.after_s:g} s,"
    yield f"a device after {alarm.device_down.after_s:g} s."
    how = "with TLS" if grpc.secured else "in plaintext"
    yield f"gRPC {how} at {grpc.address}:{grpc.port or '(a free port)'}, journal in"
    yield f"{bundle.journal_folder}."
    yield from _doubts(bundle)
    for text in _ending(bundle):
        yield f"Note: {text}."


def _ending(bundle: Bundle) -> list[str]:
    """Certificates that end soon. Read already, without a mistake, when the bundle was loaded."""
    material = material_of(bundle.settings.grpc, bundle.folder)
    return material.warnings(now()) if material else []


def _roles(bundle: Bundle) -> Iterator[str]:
    """Who of the roster is more than a name; nothing where the roster does not say."""
    leaders = sum(one.leader for one in bundle.people)
    special = sum(one.special for one in bundle.people)
    permitted = sum(bool(one.zones) for one in bundle.people)
    parts = [_many(leaders, "shift leader")] * bool(leaders)
    parts += [_many(special, "special worker")] * bool(special)
    parts += [f"{permitted:,} who may enter controlled zones"] * bool(permitted)
    if parts:
        yield f"Among them: {', '.join(parts)}."
    if bundle.routes:
        planned = sum(bool(one.route) for one in bundle.people)
        routes, people = _many(len(bundle.routes), "route"), _many(planned, "person", "people")
        yield f"{routes} planned, for {people}."


def _rules(bundle: Bundle) -> Iterator[str]:
    """How many may be where and how long, and the shifts; nothing where no file says it."""
    people, zones = bundle.settings.people, bundle.map.zones
    if people.model_fields_set:
        quota = "any number of" if people.quota is None else f"at most {people.quota:,}"
        yield f"Underground {quota} people, for at most {people.below_max_h:g} h."
    quotas = sum(zone.quota is not None for zone in zones)
    stays = sum(zone.stay_limit_min is not None for zone in zones)
    limits = [f"a quota in {_many(quotas, 'zone')}"] * bool(quotas)
    limits += [f"a longest stay in {_many(stays, 'zone')}"] * bool(stays)
    if limits:
        yield f"There is {', '.join(limits)}."
    if bundle.settings.shift:
        shifts = ", ".join(f"{shift.name} {shift}" for shift in bundle.settings.shift)
        yield f"Shifts, time of {bundle.settings.mine.timezone}: {shifts}."
    if bundle.risk_points:
        points = _many(len(bundle.risk_points), "risk point")
        levels = _counted(f"of level {point.level}" for point in bundle.risk_points)
        yield f"{points}: {levels}."


def _machines(bundle: Bundle) -> Iterator[str]:
    """Machines with fences and cutters; nothing where there are none."""
    if bundle.machines:
        fences = sum(one.fence is not None for one in bundle.machines)
        cutters = sum(one.cutter is not None for one in bundle.machines)
        yield f"{_many(len(bundle.machines), 'machine')}, with {_many(fences, 'fence')} and"
        yield f"{_many(cutters, 'cutter')}."


def _doubts(bundle: Bundle) -> Iterator[str]:
    """What is no mistake and may still not be meant."""
    devices = {setup.device.id for setup in bundle.devices}
    idle = [reader.id for reader in bundle.map.readers if reader.id not in devices]
    if idle:
        yield f"Note: no device reads {', '.join(idle)}, which the map shows."
    has_uwb = any(setup.profile.kind is Kind.UWB_READER for setup in bundle.devices)
    if bundle.map.anchors and not has_uwb:
        yield "Note: there are anchors, and no UWB reader."
    used = {one.route for one in bundle.people}
    unused = [route.id for route in bundle.routes if route.id not in used]
    if unused:
        yield f"Note: nobody has the route {', '.join(unused)}."
    open_to = {zone for one in bundle.people for zone in one.zones}
    controlled = [z.id for z in bundle.map.zones if z.kind.value == "controlled"]
    shut = [zone for zone in controlled if zone not in open_to]
    if shut:
        yield f"Note: nobody may enter {', '.join(shut)}, which is controlled."
    ownerless = [zone.id for zone in bundle.map.zones if not zone.owner]
    if ownerless:
        more = f" and {len(ownerless) - NAMES_MOST} more" if len(ownerless) > NAMES_MOST else ""
        yield f"Note: nobody is named as owner of {', '.join(ownerless[:NAMES_MOST])}{more}."
    if not any(zone.kind.value == "wellhead" for zone in bundle.map.zones):
        yield "Note: there is no wellhead zone, so who leaves the mine still counts as below."


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _counted(kinds: Iterable[str]) -> str:
    """`2 face, 1 refuge`: the most frequent first, then by name."""
    counts = Counter(kinds)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {kind}" for kind, count in ordered)
