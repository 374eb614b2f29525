"""`mine.toml`: which mine it is, its limits and shifts, where its services listen, its alarms.

Everything but `[mine]` has a default. Numbers are not guessed from text: `port = "50051"` is
refused.
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field

from gateway.config.alarms import AlarmSettings
from gateway.config.grpc import GrpcSettings
from gateway.config.risks import HazardSettings, RiskSettings
from gateway.config.section import Plain, Section
from gateway.config.times import DaySpan

MINE_FILE: Final = "mine.toml"

_CODE: Final = re.compile(r"[0-9]{12}")


def _code(text: str) -> str:
    if not _CODE.fullmatch(text):
        msg = "must be the 12 digits of the mine's code"
        raise ValueError(msg)
    return text


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, a folder of names, no name at all
        # Only what is nearly the same: a near name of another place would be another time.
        near = difflib.get_close_matches(name, available_timezones(), n=1, cutoff=0.8)
        hint = f"did you mean {near[0]!r}?" if near else "Beijing time is 'Asia/Shanghai'"
        msg = f"must be the IANA name of a time zone ({hint})"
        raise ValueError(msg) from None
    return name


#: A gateway serves 8,000 cards; a larger quota limits nothing.
QUOTA_MAX: Final = 100_000
#: Nobody stays underground for longer than three days; a larger number is in another unit.
BELOW_MAX_H: Final = 72.0
#: As many as a day has hours.
SHIFTS_MAX: Final = 24

#: More of a disk is not to be left free, than a year of events takes.
RESERVE_MB_MAX: Final = 1_000_000
#: Longer than any rule wants accidents to be looked into.
EVENTS_DAYS_MAX: Final = 36_500
EVENTS_GB_MAX: Final = 100_000.0

#: A shorter delay improves little; after a longer one a picture is no longer live.
LAG_LEAST_S: Final = 0.5
LAG_MOST_S: Final = 1.0


class MineIdentity(Section):
    """`[mine]`: which mine it is."""

    #: Twelve digits, as the authorities number mines; text, so that a leading 0 stays.
    code: Annotated[str, AfterValidator(_code)]
    #: Shown to operators; longer names do not fit a headline.
    name: Annotated[Plain, Field(max_length=64)]
    #: The mine's own name of this state of its configuration; shown wherever that is named.
    version: Annotated[Plain, Field(max_length=64)] | None = None
    #: Of the times of shifts and routes; this one is Beijing time.
    timezone: Annotated[str, AfterValidator(_timezone)] = "Asia/Shanghai"


class PeopleSettings(Section):
    """`[people]`: how many may be underground, and for how long."""

    #: None: any number.
    quota: int | None = Field(default=None, ge=0, le=QUOTA_MAX)
    #: A shift with the way in and out is shorter.
    below_max_h: float = Field(default=10.0, gt=0, le=BELOW_MAX_H)


class Shift(DaySpan):
    """A `[[shift]]`: who works when. No two of a mine overlap."""

    #: Shown to operators.
    name: Annotated[Plain, Field(max_length=64)]


class AttendanceSettings(Section):
    """`[attendance]`: for which shift someone comes, and for how long lists are kept."""

    #: Whoever comes down so long before a shift comes for it, minutes.
    early_min: float = Field(default=60.0, ge=0, le=240)
    #: Whoever comes down later than this after its start is late, minutes.
    late_min: float = Field(default=10.0, ge=0, le=240)
    #: Shifts of which visits and exposure are kept; 400 are four months of three a day.
    shifts_kept: int = Field(default=42, ge=2, le=400)


class JournalSettings(Section):
    """`[journal]`: where events and positions are kept, and for how long."""

    #: Relative to the mine's folder, or absolute.
    folder: Plain = "journal"
    #: So much of the disk is for events alone, MB: less is an alarm, and no positions are written.
    reserve_mb: int = Field(default=256, ge=0, le=RESERVE_MB_MAX)
    #: For how long events are kept, days.
    events_days: int = Field(default=365, ge=1, le=EVENTS_DAYS_MAX)
    #: Up to which size events are kept, GB; None: any.
    events_gb: float | None = Field(default=None, ge=0.01, le=EVENTS_GB_MAX)
    #: How long positions are kept, days; ten years are more than anybody asks for.
    tracks_days: float = Field(default=90.0, ge=1, le=3660)
    #: How much room they may take, GB; None: as much as there is.
    tracks_gb: float | None = Field(default=None, ge=0.1, le=100_000)


def _lag(lag_s: float) -> float:
    if lag_s and not LAG_LEAST_S <= lag_s <= LAG_MOST_S:
        msg = f"must be {LAG_LEAST_S:g} to {LAG_MOST_S:g}, or 0 for none"
        raise ValueError(msg)
    return lag_s


class SpeedSettings(Section):
    """`[positioning.speed_max_m_s]`: how fast what carries a card can move at most.

    A place that would need more is not believed. Nobody can live with less than a walk, and
    nothing underground is faster than 30 m/s.
    """

    #: People ride along at 25 km/h and some.
    person: float = Field(default=8.0, ge=1, le=30)
    #: Rubber-tyred and rail vehicles: 40 km/h and some.
    vehicle: float = Field(default=12.0, ge=1, le=30)
    #: Inspection robots on rails or wheels.
    robot: float = Field(default=5.0, ge=1, le=30)


class PositioningSettings(Section):
    """`[positioning]`: what positions are computed with."""

    #: How high a card is carried above the floor, metres; a helmet is below 3 m.
    card_height_m: float = Field(default=1.0, ge=0, le=3)
    #: A device's clock is believed when it is nearer than this to the gateway's, seconds. Beyond
    #: an hour a wrong clock would pass for a right one.
    clock_tolerance_s: float = Field(default=5.0, gt=0, le=3600)
    #: Delay of the smoothed positions, seconds; 0: there are none.
    lag_s: Annotated[float, AfterValidator(_lag)] = 0.0
    speed_max_m_s: SpeedSettings = SpeedSettings()


class PositionsSettings(Section):
    """`[positions]`: how positions are streamed."""

    #: The shortest time between two frames, milliseconds. Below 10 ms frames cost more than they
    #: tell; beyond 10 s a live map is none.
    frame_interval_ms: int = Field(default=100, ge=10, le=10_000)


class ReloadSettings(Section):
    """`[reload]`: when a running gateway reads its configuration again."""

    #: Whether it does when a file changes. Not unless the mine says so: what someone is about to
    #: write must not rule a mine before they say that it is done.
    on_change: bool = False


class NearnessSettings(Section):
    """`[nearness]`: how near to vehicles is too near, along roadways. Absent: any distance is fine.

    Farther than 500 m nobody is near; who rides is within some metres, and no ride is shorter than
    a second.
    """

    person_vehicle_m: float | None = Field(default=None, gt=0, le=500)
    vehicle_vehicle_m: float | None = Field(default=None, gt=0, le=500)
    #: Who is within this of a vehicle, and no faster or slower than it, for a while rides on it.
    ride_within_m: float = Field(default=5.0, gt=0, le=50)
    ride_after_s: float = Field(default=10.0, ge=1, le=300)


class FloodSettings(Section):
    """`[flood]`: so many alarms of one family within so long are one group.

    Two are no flood; within more than an hour nothing comes at once.
    """

    count: int = Field(default=10, ge=3, le=10_000)
    window_s: float = Field(default=60.0, ge=1, le=3600)


class MineSettings(Section):
    """All of `mine.toml`."""

    mine: MineIdentity
    people: PeopleSettings = PeopleSettings()
    #: In the order of the file, which may be another than that of the day.
    shift: Annotated[tuple[Shift, ...], Field(strict=False, max_length=SHIFTS_MAX)] = ()
    attendance: AttendanceSettings = AttendanceSettings()
    grpc: GrpcSettings = GrpcSettings()
    journal: JournalSettings = JournalSettings()
    positioning: PositioningSettings = PositioningSettings()
    positions: PositionsSettings = PositionsSettings()
    reload: ReloadSettings = ReloadSettings()
    nearness: NearnessSettings = NearnessSettings()
    flood: FloodSettings = FloodSettings()
    alarm: AlarmSettings = AlarmSettings()
    hazard: HazardSettings = HazardSettings()
    risk: RiskSettings = RiskSettings()
