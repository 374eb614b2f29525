"""`[alarm.…]` of `mine.toml`: how each family of alarms is raised, and who is told."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from equipment.limit import Level
from gateway.config.section import Plain, Section

#: A name that people know who they are by: `dispatcher`, `ventilation`, a team.
Told = Annotated[tuple[Plain, ...], Field(max_length=16, strict=False)]
#: Longer than a day nothing is urgent any more.
DELAY_MOST_S: Final = 86_400.0


class AlarmFamily(Section):
    """`[alarm.…]`: what all families have."""

    level: Level
    #: How long the condition must last before the alarm is raised, seconds.
    after_s: float = Field(default=0.0, ge=0, le=DELAY_MOST_S)
    #: How long the condition must be over before the alarm is cleared, seconds.
    clear_after_s: float = Field(default=0.0, ge=0, le=DELAY_MOST_S)
    #: Whether it stays until an operator resets it, also when its condition is over.
    latch: bool = False
    #: Who is told.
    tell: Told = ("dispatcher",)
    #: Others are told when nobody has acknowledged it for so long, seconds; absent: never.
    escalate_after_s: float | None = Field(default=None, gt=0, le=DELAY_MOST_S)
    escalate_to: Told = ()
    #: It is recorded but not shown while an alarm of these families is open.
    suppressed_by: Told = ()

    @model_validator(mode="after")
    def _escalates_to_someone(self) -> Self:
        if (self.escalate_after_s is None) != (not self.escalate_to):
            msg = "escalate_after_s and escalate_to belong together: give both or neither"
            raise ValueError(msg)
        return self


class RestrictedEntry(AlarmFamily):
    """`[alarm.restricted_entry]`: someone is in a restricted zone."""

    level: Level = 1


class UnauthorisedEntry(AlarmFamily):
    """`[alarm.unauthorised_entry]`: someone is in a controlled zone who may not be."""

    level: Level = 2


class DangerProximity(AlarmFamily):
    """`[alarm.danger_proximity]`: a person is near a danger zone, a machine or a vehicle."""

    level: Level = 2


class OutOfBoundary(AlarmFamily):
    """`[alarm.out_of_boundary]`: a person is outside of all licence zones, where there are any."""

    level: Level = 1
    #: Where someone is outside must be sure: a border is a line on a survey.
    after_s: float = Field(default=10.0, ge=0, le=DELAY_MOST_S)


class Overcrowded(AlarmFamily):
    """`[alarm.overcrowded]`: more people than the quota of the mine or of a zone."""

    level: Level = 2


class Overtime(AlarmFamily):
    """`[alarm.overtime]`: a person is below, or in a zone, for longer than allowed."""

    level: Level = 3


class Distress(AlarmFamily):
    """`[alarm.distress]`: a card's button is pressed."""

    level: Level = 1


class LowBattery(AlarmFamily):
    """`[alarm.low_battery]`: a card's battery runs low."""

    level: Level = 4
    #: A battery at its limit says so again and again.
    clear_after_s: float = Field(default=60.0, ge=0, le=DELAY_MOST_S)


class LimitExceeded(AlarmFamily):
    """`[alarm.limit_exceeded]`: a value is beyond a limit, the mine's or a profile's."""

    level: Level = 1


class MachineFault(AlarmFamily):
    """`[alarm.machine_fault]`: a value says that a machine has a fault, by `limits.toml`."""

    level: Level = 3


class Overspeed(AlarmFamily):
    """`[alarm.overspeed]`: a vehicle is faster than its roadway allows."""

    level: Level = 3
    #: A single fix may be wrong.
    after_s: float = Field(default=3.0, ge=0, le=DELAY_MOST_S)


class SectionOccupied(AlarmFamily):
    """`[alarm.section_occupied]`: a second vehicle is in a section that one may be in."""

    level: Level = 2


class VehicleProximity(AlarmFamily):
    """`[alarm.vehicle_proximity]`: two vehicles are too near to one another."""

    level: Level = 2


class MachineUncertain(AlarmFamily):
    """`[alarm.machine_uncertain]`: where a machine is, or whether it runs, is not known."""

    level: Level = 3
    #: Devices take some seconds to be connected.
    after_s: float = Field(default=10.0, ge=0, le=DELAY_MOST_S)


class RouteDeviation(AlarmFamily):
    """`[alarm.route_deviation]`: a special worker was not where the planned route says."""

    level: Level = 3


class HazardOverdue(AlarmFamily):
    """`[alarm.hazard_overdue]`: a hazard is not mended in its time."""

    #: The hazard's own stands where it is more severe.
    level: Level = 4


class UnknownCard(AlarmFamily):
    """`[alarm.unknown_card]`: a card is heard that is not in people.csv."""

    level: Level = 3


class DualCard(AlarmFamily):
    """`[alarm.dual_card]`: two cards move as one. How near and how long is in `DualCard`."""

    level: Level = 3
    #: How near the two are on average while they walk, metres: the noise of two fixes. Beyond
    #: 10 m it would be a whole crew.
    near_m: float = Field(default=2.0, gt=0, le=10)
    #: Farther from one another, once, they are two people's, metres.
    apart_m: float = Field(default=6.0, gt=0, le=50)
    #: How far they must go on foot together, metres.
    way_m: float = Field(default=1000.0, ge=50, le=100_000)
    #: And for how long never be apart, minutes.
    together_min: float = Field(default=120.0, ge=5, le=1440)

    @model_validator(mode="after")
    def _apart_is_farther(self) -> Self:
        if self.apart_m <= self.near_m:
            msg = "apart_m must be more than near_m: else every pair is apart at once"
            raise ValueError(msg)
        return self


class DuplicateCard(AlarmFamily):
    """`[alarm.duplicate_card]`: one card's number is heard in two places."""

    level: Level = 2
    #: How often it must have leapt; one wrong measurement leaps twice.
    leaps: int = Field(default=6, ge=3, le=1000)
    #: Each leap within so many seconds of the one before; after as long without, it is over.
    within_s: float = Field(default=60.0, ge=5, le=3600)


class ClockSkew(AlarmFamily):
    """`[alarm.clock_skew]`: a device's clock is off by more than the tolerance."""

    level: Level = 4


class SignalLost(AlarmFamily):
    """`[alarm.signal_lost]`: a card is silent; its last place stands."""

    level: Level = 3
    #: Cards speak about once a second: below that, silence means nothing. An hour is the longest
    #: that a card may be silent unnoticed.
    after_s: float = Field(default=30.0, ge=1, le=3600)


class DeviceDown(AlarmFamily):
    """`[alarm.device_down]`: a device is not heard."""

    level: Level = 2
    #: 0: at once. An hour is the longest that a device may be down unnoticed.
    after_s: float = Field(default=5.0, ge=0, le=3600)


class JournalFailing(AlarmFamily):
    """`[alarm.journal_failing]`: the gateway's own journal can't be written, or soon can't."""

    level: Level = 1


class AlarmSettings(Section):
    """`[alarm.…]`: one table for each family."""

    restricted_entry: RestrictedEntry = RestrictedEntry()
    unauthorised_entry: UnauthorisedEntry = UnauthorisedEntry()
    danger_proximity: DangerProximity = DangerProximity()
    out_of_boundary: OutOfBoundary = OutOfBoundary()
    overcrowded: Overcrowded = Overcrowded()
    overtime: Overtime = Overtime()
    distress: Distress = Distress()
    low_battery: LowBattery = LowBattery()
    route_deviation: RouteDeviation = RouteDeviation()
    limit_exceeded: LimitExceeded = LimitExceeded()
    machine_fault: MachineFault = MachineFault()
    overspeed: Overspeed = Overspeed()
    section_occupied: SectionOccupied = SectionOccupied()
    hazard_overdue: HazardOverdue = HazardOverdue()
    vehicle_proximity: VehicleProximity = VehicleProximity()
    machine_uncertain: MachineUncertain = MachineUncertain()
    unknown_card: UnknownCard = UnknownCard()
    dual_card: DualCard = DualCard()
    duplicate_card: DuplicateCard = DuplicateCard()
    clock_skew: ClockSkew = ClockSkew()
    signal_lost: SignalLost = SignalLost()
    device_down: DeviceDown = DeviceDown()
    journal_failing: JournalFailing = JournalFailing()

    @model_validator(mode="after")
    def _suppressed_by_others(self) -> Self:
        families = type(self).model_fields
        for name, family in self:
            for other in family.suppressed_by:
                if other == name or other not in families:
                    msg = f"{name}: suppressed_by names {other!r}, which is not another family"
                    raise ValueError(msg)
        return self
