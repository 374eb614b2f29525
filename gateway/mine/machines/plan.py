"""What the core must know of machines, of nearness to vehicles, and of floods of alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from positioning.polygons import Floats

if TYPE_CHECKING:
    from gateway.mine.plan import ValueLimit


@dataclass(frozen=True, slots=True)
class AlongRoadway:
    """A machine that a value of a device places along a roadway, metres.

    The value counts from the end of the centreline that is `from_end`, or else from its start, and
    `offset_m` is added to it. The machine looks away from that end, or to it where it is
    `reversed`. `sigma_m` is how far off the value may be.
    """

    device: str
    point: str
    roadway: str
    from_end: bool = False
    offset_m: float = 0.0
    reversed: bool = False
    sigma_m: float = 1.0


@dataclass(frozen=True, slots=True)
class OnCards:
    """A machine that carries one card, or two: at its front and at its rear.

    With two its place is midway between them, and it looks from the rear to the front. With one it
    looks along its roadway, or against it where it is `reversed`; `heading_deg` is for where it is
    in none.
    """

    front: str
    rear: str = ""
    reversed: bool = False
    heading_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Fixed:
    """A machine that is set up at a place. `z_m` None: its height is not known."""

    x_m: float
    y_m: float
    heading_deg: float = 0.0
    z_m: float | None = None
    sigma_m: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """A machine, where it is, and the fence that people must keep out of.

    `ring_m`, (n, 2), is the fence in the machine's own frame, x ahead and y to the left; None:
    there is no fence. It stands while the value of `active` is beyond its limit, or with
    `active_unless` while it is not; always where that is None. Its place and that value are
    believed for `stale_s`; after it the fence stands where it was, `margin_m` wider. `crew` are the
    cards, and the teams, that may be within. `cutter_m` is where it cuts: ahead, to the left, above
    the floor; None where it cuts nothing.
    """

    id: str
    name: str
    pose: AlongRoadway | OnCards | Fixed
    ring_m: Floats | None = None
    height_m: float = 3.0
    active: ValueLimit | None = None
    active_unless: bool = False
    stale_s: float = 5.0
    margin_m: float = 5.0
    crew: frozenset[str] = frozenset()
    cutter_m: tuple[float, float, float] | None = None

    @property
    def cards(self) -> tuple[str, ...]:
        """The cards that are mounted on it."""
        if not isinstance(self.pose, OnCards):
            return ()
        return tuple(card for card in (self.pose.front, self.pose.rear) if card)


@dataclass(frozen=True, slots=True)
class NearRule:
    """How near is too near along roadways, metres; None: any distance is allowed.

    Who is within `ride_within_m` of a vehicle, and no faster or slower than it by `ride_speed_m_s`,
    for `ride_after_s` rides on it.
    """

    person_vehicle_m: float | None = None
    vehicle_vehicle_m: float | None = None
    ride_within_m: float = 5.0
    ride_after_s: float = 10.0
    ride_speed_m_s: float = 1.5


@dataclass(frozen=True, slots=True)
class FloodRule:
    """So many alarms of one family within so many seconds are a flood, and one group."""

    count: int
    window_s: float
