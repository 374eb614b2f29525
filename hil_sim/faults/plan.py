"""When which fault begins and ends: the timetable of a scenario and what its seed adds. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from hil_sim.faults.kinds import (
    Fault,
    FaultError,
    FaultKind,
    RandomFaults,
    Target,
    TimedFault,
    befallen,
    check,
    made,
    no_device,
    possible,
)

#: How long one of the random faults lasts, as shares of their mean.
_LENGTHS: Final = (0.5, 1.5)

#: How late, how far and how fast random faults are: seconds, seconds, seconds a second, and shares
#: of a point's range a second.
_DELAY_S: Final = (1.0, 10.0)
_JUMP_S: Final = (10.0, 3600.0)
_CLOCK_DRIFT: Final = (0.001, 0.1)
_DRIFT: Final = (0.001, 0.02)

#: Devices, each with the kinds of faults that may befall it.
_Chosen: TypeAlias = "list[tuple[Target, list[FaultKind]]]"

#: For ever, as a time.
NEVER_S: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault with its time, seconds of the world; `devices`: all that it befalls."""

    begin_s: float
    end_s: float
    fault: Fault
    devices: tuple[str, ...]


def plan(
    timetable: Sequence[TimedFault],
    by_chance: RandomFaults | None,
    targets: Mapping[str, Target],
) -> Iterator[Planned]:
    """All faults in the order of their beginnings; by chance there is no end of them.

    Raises:
        FaultError: one is not possible, or overlaps another of its kind; `key` says which.
    """
    table = [_timed(position, one, targets) for position, one in enumerate(timetable)]
    busy: dict[tuple[str, FaultKind], list[Planned]] = {}
    for position, planned in enumerate(table):
        for device in planned.devices:
            others = busy.setdefault((device, planned.fault.kind), [])
            if any(_overlap(planned, other) for other in others):
                what = f"{device!r} has another {planned.fault.kind.value!r} then"
                raise FaultError(f"fault[{position + 1}].at_s", f"{what}: let it begin later")
            others.append(planned)
    ordered = sorted(table, key=_begin_s)
    if by_chance is None:
        return iter(ordered)
    chosen = _chosen(by_chance, targets)
    return heapq.merge(ordered, _by_chance(by_chance, chosen, busy), key=_begin_s)


def _begin_s(planned: Planned) -> float:
    return planned.begin_s


def _timed(position: int, timed: TimedFault, targets: Mapping[str, Target]) -> Planned:
    try:
        target = check(timed, targets)
    except FaultError as error:
        key = f"fault[{position + 1}].{error.key}"
        raise FaultError(key, error.problem) from None
    end_s = NEVER_S if timed.for_s is None else timed.at_s + timed.for_s
    return Planned(timed.at_s, end_s, timed, befallen(timed, target))


def _overlap(one: Planned, other: Planned) -> bool:
    return one.begin_s < other.end_s and other.begin_s < one.end_s


def _chosen(settings: RandomFaults, targets: Mapping[str, Target]) -> _Chosen:
    """The devices that faults befall by chance, each with the kinds that are possible."""
    for device in settings.devices:
        if device not in targets:
            raise FaultError("random_faults.devices", no_device(device))
    kinds = settings.kinds or tuple(FaultKind)
    devices = [t for t in targets.values() if not settings.devices or t.device in settings.devices]
    chosen = [(one, [kind for kind in kinds if possible(kind, one)]) for one in devices]
    chosen = [(one, fitting) for one, fitting in chosen if fitting]
    missing = {kind for kind in settings.kinds if not any(possible(kind, one) for one in devices)}
    if missing or not chosen:
        names = ", ".join(sorted(repr(kind.value) for kind in missing)) or "any kind"
        problem = f"{names} is not possible for any of the devices: leave it out"
        raise FaultError("random_faults.kinds", problem)
    return chosen


def _by_chance(
    settings: RandomFaults,
    chosen: _Chosen,
    busy: Mapping[tuple[str, FaultKind], list[Planned]],
) -> Iterator[Planned]:
    rng = np.random.default_rng((settings.seed, 7))
    until: dict[tuple[str, FaultKind], float] = {}
    begin_s = 0.0
    while True:
        begin_s += float(rng.exponential(settings.mean_s))
        target, kinds = chosen[int(rng.integers(len(chosen)))]
        kind = kinds[int(rng.integers(len(kinds)))]
        fault = _fault_by_chance(rng, kind, target)
        end_s = begin_s + settings.for_s * float(rng.uniform(*_LENGTHS))
        planned = Planned(begin_s, end_s, fault, befallen(fault, target))
        keys = [(device, kind) for device in planned.devices]
        if any(_overlap(planned, other) for key in keys for other in busy.get(key, ())):
            continue
        if any(until.get(key, 0.0) > begin_s for key in keys):
            continue
        until.update(dict.fromkeys(keys, end_s))
        yield planned


def _fault_by_chance(rng: np.random.Generator, kind: FaultKind, target: Target) -> Fault:
    sign = 1 if rng.random() < 0.5 else -1
    details: dict[str, float | str] = {}
    if kind is FaultKind.SLOW:
        details["delay_s"] = float(rng.uniform(*_DELAY_S))
    elif kind is FaultKind.CLOCK_JUMP:
        details["by_s"] = sign * float(rng.uniform(*_JUMP_S))
    elif kind is FaultKind.CLOCK_DRIFT:
        details["per_s"] = sign * float(rng.uniform(*_CLOCK_DRIFT))
    elif kind is FaultKind.DRIFT and target.spans:
        point = sorted(target.spans)[int(rng.integers(len(target.spans)))]
        share = float(rng.uniform(*_DRIFT))
        details |= {"point": point, "per_s": sign * share * target.spans[point]}
    return made(device=target.device, kind=kind, **details)
