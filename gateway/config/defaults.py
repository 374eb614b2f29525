"""What the profiles of a mine's devices say where the mine's own files say nothing.

A machine of `machines.toml` that names its `device` has from that device's profile what it does
not say itself, table by table. The limits of a profile's points stand for every device with that
profile, but for points of which `limits.toml` says something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from equipment.limit import Bounds
from equipment.machine import MachineDefaults
from equipment.profile import Point
from equipment.toml_source import Mistake, suggest
from gateway.config.devices import Devices, DeviceSetup
from gateway.config.limits import Limit, Limits
from gateway.config.machines import Active, Machine, Machines

#: The longest name of a limit.
_NAME_MOST: Final = 64

#: Of a mistake: the keys below the machine, what is wrong and what would do.
_Problem = tuple[tuple[str, ...], str, str]


def fill_machines(machines: Machines, devices: Devices) -> Iterator[Mistake]:
    """Fills up the machines in place; yields what is missing or can't be had even so."""
    if machines.source is None:
        return
    setups = {setup.device.id: setup for setup in devices.setups.values()}
    for position, machine in machines.items.items():
        setup = setups.get(machine.device or "")
        problems = list(_device_problems(machine, setup, setups, devices))
        defaults = setup.profile.machine if setup else None
        machines.items[position] = filled = _filled(machine, defaults)
        if machine.device is None or defaults is not None:
            problems += _missing(filled)
        for keys, problem, remedy in problems:
            yield machines.source.mistake(("machine", position, *keys), problem, remedy)


def _device_problems(
    machine: Machine, setup: DeviceSetup | None, setups: dict[str, DeviceSetup], devices: Devices
) -> Iterator[_Problem]:
    if machine.device is None:
        return
    if setup is None:
        if not devices.mistakes:  # else it may be one that could not be read
            remedy = suggest(machine.device, sorted(setups)) or "write it into devices.toml"
            yield ("device",), f"there is no device {machine.device!r} in devices.toml", remedy
    elif setup.profile.machine is None:
        problem = f"the profile {setup.profile.id!r} of {machine.device} is none of a machine"
        yield ("device",), problem, "leave it out, or give the profile a [machine]"


def _filled(machine: Machine, defaults: MachineDefaults | None) -> Machine:
    """The machine with what its profile says, and with its own device where none is named."""
    own: dict[str, Any] = {}
    if machine.along is not None and machine.along.device is None:
        point = machine.along.point or (defaults.along if defaults else None)
        changes = {"device": machine.device, "point": point}
        own["along"] = machine.along.model_copy(update=changes)
    if machine.active is not None and machine.active.device is None:
        own["active"] = machine.active.model_copy(update={"device": machine.device})
    if defaults is not None:
        own |= {
            key: getattr(defaults, key)
            for key in ("kind", "fence", "cutter")
            if getattr(machine, key) is None
        }
        if machine.active is None and defaults.active is not None:
            own["active"] = Active(device=machine.device, **dict(defaults.active))
    return machine.model_copy(update=own)


def _missing(machine: Machine) -> Iterator[_Problem]:
    """What a machine must have and has neither of itself nor from a profile."""
    or_device = "or name the machine's device, if its profile says it"
    if machine.kind is None:
        yield ("kind",), "is missing", or_device
    if machine.along is not None and machine.along.device is None:
        yield ("along", "device"), "is missing", "or name the machine's device"
    if machine.along is not None and machine.along.point is None:
        yield ("along", "point"), "is missing", or_device
    if machine.active is not None and machine.active.device is None:
        yield ("active", "device"), "is missing", "or name the machine's device"
    if machine.fence is None and machine.cutter is None:
        problem = "give a fence, a cutter or both: else nothing is to be done with it"
        yield (), problem, or_device
    elif machine.fence is None and (machine.active is not None or machine.crew):
        yield (), "active and crew go with a fence", ""


def profile_limits(limits: Limits, devices: Devices) -> Iterator[Limit]:
    """The limits that profiles say of the points of which `limits.toml` says nothing."""
    own = {(limit.device, limit.point) for limit in limits.items.values()}
    taken = {limit.id for limit in limits.items.values()}
    for setup in devices.setups.values():
        device = setup.device
        for point in setup.profile.point if device.limits else ():
            if (device.id, point.name) in own:
                continue
            for number, bounds in enumerate(point.limit, start=1):
                its_id = f"{device.id}.{point.name}" + (f".{number}" if number > 1 else "")
                if its_id not in taken:
                    yield _limit_of(its_id, device.id, point, bounds)


def _limit_of(its_id: str, device: str, point: Point, bounds: Bounds) -> Limit:
    """A profile's limit as one of the mine; its id may be longer than what is written by hand."""
    name = point.meaning.zh[:_NAME_MOST]
    return Limit.model_construct(
        id=its_id, name=name, device=device, point=point.name, **dict(bounds)
    )
