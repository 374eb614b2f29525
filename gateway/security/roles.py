"""The roles of callers, and the least role that each method asks for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class Role(IntEnum):
    """What a caller may do; each may do all that those before it may."""

    #: Sees the mine, with the names of people masked.
    VIEWER = 1
    #: Acts on alarms, musters, hazards and cards.
    OPERATOR = 2
    #: Has the configuration read again, and takes alarms out of service.
    ENGINEER = 3
    #: Sees who is connected, and forgets consumers.
    ADMIN = 4

    @property
    def word(self) -> str:
        """As it is written in certificates and files."""
        return self.name.lower()


#: The words for roles, the least first.
WORDS: Final = tuple(role.word for role in Role)


def role_of(word: str) -> Role:
    """The role of a word. Raises ValueError for one that is none."""
    if word not in WORDS:
        msg = f"{word!r} is no role: write {', '.join(WORDS[:-1])} or {WORDS[-1]}"
        raise ValueError(msg)
    return Role[word.upper()]


_VIEWED: Final = {
    "lamproom.v1.PositionService": ("WatchPositions", "FollowPositions", "ListPositions"),
    "lamproom.v1.EventService": ("WatchEvents", "ListEvents"),
    "lamproom.v1.AlarmService": ("ListAlarms",),
    "lamproom.v1.MusterService": ("GetMuster", "WatchMuster"),
    "lamproom.v1.HazardService": ("ListHazards", "GetHazard", "WatchHazards"),
    "lamproom.v1.RiskService": ("ListRisks", "WatchRisks", "ListRiskPoints"),
    "lamproom.v1.EquipmentService": ("ListEquipment", "WatchEquipment", "ListAnchors"),
    "lamproom.v1.ConfigurationService": ("GetConfiguration", "WatchConfiguration"),
    "lamproom.v1.MineService": ("GetMap", "ListZones", "ListPeople", "GetHeadcount"),
    "lamproom.v1.RosterService": ("ListCards",),
    "lamproom.v1.AttendanceService": ("ListShifts", "ListAttendance"),
    "lamproom.v1.ExposureService": ("ListExposure",),
    "lamproom.v1.HistoryService": ("QueryTrack", "GetPositionsAt", "Replay"),
    "grpc.health.v1.Health": ("Check", "List", "Watch"),
    "grpc.reflection.v1alpha.ServerReflection": ("ServerReflectionInfo",),
}
_OPERATED: Final = {
    "lamproom.v1.EventService": ("AcknowledgeCursor",),
    "lamproom.v1.AlarmService": (
        "AcknowledgeAlarm",
        "ResetAlarm",
        "ShelveAlarm",
        "UnshelveAlarm",
    ),
    "lamproom.v1.MusterService": ("OpenMuster", "CloseMuster"),
    "lamproom.v1.HazardService": (
        "ReportHazard",
        "AssignHazard",
        "MendHazard",
        "CheckHazard",
        "SuperviseHazard",
        "ClearHazard",
    ),
    "lamproom.v1.RosterService": ("IssueCard", "ReturnCard", "ReplaceCard"),
    # It tells where devices are reached in the mine's own network.
    "lamproom.v1.EquipmentService": ("ListDevices",),
}
_ENGINEERED: Final = {
    "lamproom.v1.AlarmService": ("SetAlarmService",),
    "lamproom.v1.ConfigurationService": ("Reload",),
    "lamproom.v1.AdminService": ("GetStatus",),
    "lamproom.v1.EventService": ("ListConsumers",),
}
_ADMINISTERED: Final = {
    "lamproom.v1.AdminService": ("ListSubscribers",),
    "lamproom.v1.EventService": ("DeleteConsumer",),
}


def _table() -> Mapping[str, Role]:
    parts: tuple[Mapping[str, tuple[str, ...]], ...] = (
        _VIEWED,
        _OPERATED,
        _ENGINEERED,
        _ADMINISTERED,
    )
    return {
        f"/{service}/{method}": role
        for role, services in zip(Role, parts, strict=True)
        for service, methods in services.items()
        for method in methods
    }


#: Of each method, as gRPC calls it, the least role. One that is not here is for nobody.
LEAST_ROLE: Final = _table()
