"""Which faults there are now. Pure: it is told what time it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from hil_sim.faults.kinds import Fault, FaultKind
from hil_sim.faults.plan import NEVER_S, Planned


@dataclass(frozen=True, slots=True)
class Active:
    """A fault that has begun.

    `number`: counts faults from 1. `begin_s`, `end_s`: by the world's time, infinite where it has
    no end yet; `begin_t_ns`: by an exact clock of a device, nanoseconds since the Unix epoch.
    """

    number: int
    fault: Fault
    devices: tuple[str, ...]
    begin_s: float
    end_s: float
    begin_t_ns: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A fault that is over, and when it ended by an exact clock of a device."""

    active: Active
    end_t_ns: int


#: The faults of one device now, one of a kind at most.
Faults: TypeAlias = Mapping[FaultKind, Active]

#: Of a device that is well.
NONE: Final[Faults] = {}


class FaultBook:
    """Begins faults by plan or by wish, and ends them."""

    def __init__(self, planned: Iterable[Planned] = ()) -> None:
        """`planned`: in the order of their beginnings."""
        self._planned = iter(planned)
        self._next = next(self._planned, None)
        self._of: dict[str, dict[FaultKind, Active]] = {}
        self._active: dict[int, Active] = {}
        self._count = 0
        self._ended: list[Ended] = []

    def of(self, device: str) -> Faults:
        """The faults of a device: always those of now."""
        return self._of.setdefault(device, {})

    @property
    def active(self) -> tuple[Active, ...]:
        """All faults of now, the oldest first."""
        return tuple(self._active.values())

    def advance(self, world_s: float, t_ns: int) -> bool:
        """Ends and begins what is due; whether there was any.

        A planned fault whose device has one of its kind by wish is left out.
        """
        over = [active for active in self.active if active.end_s <= world_s]
        for active in sorted(over, key=lambda one: one.end_s):
            self._end(active, t_ns)
        changed = bool(over)
        while self._next is not None and self._next.begin_s <= world_s:
            planned, self._next = self._next, next(self._planned, None)
            if planned.end_s > world_s and not self._is_busy(planned.fault.kind, planned.devices):
                self._begin(planned.fault, planned.devices, planned.begin_s, planned.end_s, t_ns)
                changed = True
        return changed

    def inject(
        self, fault: Fault, devices: tuple[str, ...], world_s: float, for_s: float | None, t_ns: int
    ) -> Active:
        """Begins a fault now; `for_s`: how long it lasts; None: until it is ended.

        Raises:
            ValueError: a device has one of its kind already.
        """
        if self._is_busy(fault.kind, devices):
            msg = f"{fault.device!r} has a fault {fault.kind.value!r} already: end it first"
            raise ValueError(msg)
        end_s = NEVER_S if for_s is None else world_s + for_s
        return self._begin(fault, devices, world_s, end_s, t_ns)

    def end(self, number: int, t_ns: int) -> Active | None:
        """Ends a fault before its time; None where there is none of that number."""
        active = self._active.get(number)
        if active is not None:
            self._end(active, t_ns)
        return active

    def take_ended(self) -> list[Ended]:
        """The faults that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def _is_busy(self, kind: FaultKind, devices: tuple[str, ...]) -> bool:
        return any(kind in self.of(device) for device in devices)

    def _begin(
        self, fault: Fault, devices: tuple[str, ...], begin_s: float, end_s: float, t_ns: int
    ) -> Active:
        self._count += 1
        active = Active(self._count, fault, devices, begin_s, end_s, t_ns)
        self._active[active.number] = active
        for device in devices:
            self._of.setdefault(device, {})[fault.kind] = active
        return active

    def _end(self, active: Active, t_ns: int) -> None:
        del self._active[active.number]
        for device in active.devices:
            del self._of[device][active.fault.kind]
        self._ended.append(Ended(active, t_ns))


def clock_offset_ns(faults: Faults, t_ns: int) -> int:
    """What a reader's clock is ahead of an exact one that shows `t_ns`."""
    offset_ns = 0
    if jump := faults.get(FaultKind.CLOCK_JUMP):
        offset_ns += round(jump.fault.by_s * 1e9)
    if drift := faults.get(FaultKind.CLOCK_DRIFT):
        offset_ns += round(drift.fault.per_s * max(0, t_ns - drift.begin_t_ns))
    return offset_ns // 1000 * 1000


def is_endless(active: Active) -> bool:
    """Whether a fault lasts until it is ended."""
    return math.isinf(active.end_s)
