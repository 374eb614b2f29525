"""What another configuration needs that takes time to make: made while the old one runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.mine.change import Act
from gateway.mine.devices.anchors import AnchorBook
from gateway.mine.machines.watch import MachineParts
from gateway.mine.muster.ways import MusterWays
from gateway.mine.plan import MinePlan
from gateway.mine.sameness import same
from gateway.mine.zones.occupancy import JudgedZones
from positioning.locator import Locator


@dataclass(frozen=True, slots=True)
class Prepared:
    """Another plan, with the new parts of the core where the old ones do not fit it; else None."""

    plan: MinePlan
    locator: Locator | None = None
    zones: JudgedZones | None = None
    ways: MusterWays | None = None
    anchors: AnchorBook | None = None
    machines: MachineParts = field(default_factory=MachineParts)


@dataclass(frozen=True, slots=True)
class Reload:
    """A configuration that was read again: what is to be taken over, or why it is refused.

    `prepared` None: it is refused. `text` says what has changed, or what is wrong. `act` is there
    where an operator has asked for it.
    """

    text: str
    prepared: Prepared | None = None
    act: Act | None = None


def prepare(before: MinePlan, plan: MinePlan) -> Prepared:
    """Makes what `plan` needs anew; `before` is what runs. Pure, and may take seconds.

    Raises:
        ValueError: a zone or an area has no extent; the text names it.
    """
    old, new = before.map, plan.map
    rock = same(old.roadways, new.roadways)
    height = before.card_height_m == plan.card_height_m
    where = rock and same((old.anchors, old.readers, old.areas), _placed(plan))
    is_located = where and height and before.tracker == plan.tracker
    zones = None if rock and same(_outlines(before), _outlines(plan)) else JudgedZones(new)
    return Prepared(
        plan,
        locator=None if is_located else Locator(new, plan.card_height_m, plan.tracker),
        zones=zones,
        ways=None if height and same(old, new) else MusterWays(new, plan.card_height_m),
        anchors=None if rock and same(old.anchors, new.anchors) else AnchorBook(new),
        machines=MachineParts.of(before, plan),
    )


def _placed(plan: MinePlan) -> tuple[object, ...]:
    return plan.map.anchors, plan.map.readers, plan.map.areas


def _outlines(plan: MinePlan) -> tuple[object, ...]:
    """What of the zones says who is in them."""
    return tuple((zone.id, zone.rings_m, zone.z_band_m, zone.near_m) for zone in plan.map.zones)
