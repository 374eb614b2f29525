"""What the mine core needs of `machines.toml`."""

from __future__ import annotations

import numpy as np

from equipment.machine import FenceShape
from gateway.config.machines import Machine
from gateway.mine.machines import plan
from gateway.mine.plan import ValueLimit
from positioning.fences import capsule
from positioning.polygons import Floats


def machine_plan_of(machine: Machine) -> plan.Machine:
    """A machine as the core sees it."""
    fence, cutter = machine.fence or FenceShape(radius_m=1.0), machine.cutter
    return plan.Machine(
        id=machine.id,
        name=machine.name,
        pose=_pose(machine),
        ring_m=_ring(fence) if machine.fence else None,
        height_m=fence.height_m,
        active=_active(machine),
        active_unless=machine.active is not None and machine.active.unlike is not None,
        stale_s=machine.stale_s,
        margin_m=fence.margin_m,
        crew=frozenset(machine.crew),
        cutter_m=(cutter.ahead_m, cutter.left_m, cutter.up_m) if cutter else None,
    )


def _pose(machine: Machine) -> plan.AlongRoadway | plan.OnCards | plan.Fixed:
    if machine.along:
        given = dict(machine.along)
        from_end = given.pop("count_from") == "end"
        return plan.AlongRoadway(**given, from_end=from_end)
    if machine.cards:
        return plan.OnCards(**{**dict(machine.cards), "rear": machine.cards.rear or ""})
    assert machine.fixed is not None
    return plan.Fixed(**dict(machine.fixed))


def _ring(fence: FenceShape) -> Floats:
    if fence.polygon_m is not None:
        ring: Floats = np.array([*fence.polygon_m, fence.polygon_m[0]], np.float64)
        return ring
    return capsule(fence.behind_m, fence.ahead_m, fence.radius_m or 0.0)


def _active(machine: Machine) -> ValueLimit | None:
    if machine.active is None:
        return None
    given = dict(machine.active)
    unlike = given.pop("unlike")
    if unlike is not None:
        given["equals"] = unlike
    return ValueLimit(machine.id, machine.name, **given)
