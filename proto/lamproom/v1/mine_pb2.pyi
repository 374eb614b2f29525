import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ZoneKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ZONE_KIND_UNSPECIFIED: _ClassVar[ZoneKind]
    ZONE_KIND_KEY: _ClassVar[ZoneKind]
    ZONE_KIND_RESTRICTED: _ClassVar[ZoneKind]
    ZONE_KIND_CONTROLLED: _ClassVar[ZoneKind]
    ZONE_KIND_DANGER: _ClassVar[ZoneKind]
    ZONE_KIND_REFUGE: _ClassVar[ZoneKind]
    ZONE_KIND_FACE: _ClassVar[ZoneKind]
    ZONE_KIND_WELLHEAD: _ClassVar[ZoneKind]
    ZONE_KIND_LICENCE: _ClassVar[ZoneKind]
ZONE_KIND_UNSPECIFIED: ZoneKind
ZONE_KIND_KEY: ZoneKind
ZONE_KIND_RESTRICTED: ZoneKind
ZONE_KIND_CONTROLLED: ZoneKind
ZONE_KIND_DANGER: ZoneKind
ZONE_KIND_REFUGE: ZoneKind
ZONE_KIND_FACE: ZoneKind
ZONE_KIND_WELLHEAD: ZoneKind
ZONE_KIND_LICENCE: ZoneKind

class Point(_message.Message):
    __slots__ = ("x_m", "y_m", "z_m")
    X_M_FIELD_NUMBER: _ClassVar[int]
    Y_M_FIELD_NUMBER: _ClassVar[int]
    Z_M_FIELD_NUMBER: _ClassVar[int]
    x_m: float
    y_m: float
    z_m: float
    def __init__(self, x_m: _Optional[float] = ..., y_m: _Optional[float] = ..., z_m: _Optional[float] = ...) -> None: ...

class Roadway(_message.Message):
    __slots__ = ("roadway_id", "name", "width_m", "centreline")
    ROADWAY_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    WIDTH_M_FIELD_NUMBER: _ClassVar[int]
    CENTRELINE_FIELD_NUMBER: _ClassVar[int]
    roadway_id: str
    name: str
    width_m: float
    centreline: _containers.RepeatedCompositeFieldContainer[Point]
    def __init__(self, roadway_id: _Optional[str] = ..., name: _Optional[str] = ..., width_m: _Optional[float] = ..., centreline: _Optional[_Iterable[_Union[Point, _Mapping]]] = ...) -> None: ...

class Anchor(_message.Message):
    __slots__ = ("anchor_id", "position")
    ANCHOR_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    anchor_id: str
    position: Point
    def __init__(self, anchor_id: _Optional[str] = ..., position: _Optional[_Union[Point, _Mapping]] = ...) -> None: ...

class Reader(_message.Message):
    __slots__ = ("reader_id", "position", "radius_m")
    READER_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RADIUS_M_FIELD_NUMBER: _ClassVar[int]
    reader_id: str
    position: Point
    radius_m: float
    def __init__(self, reader_id: _Optional[str] = ..., position: _Optional[_Union[Point, _Mapping]] = ..., radius_m: _Optional[float] = ...) -> None: ...

class Zone(_message.Message):
    __slots__ = ("zone_id", "name", "kind", "rings")
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RINGS_FIELD_NUMBER: _ClassVar[int]
    zone_id: str
    name: str
    kind: ZoneKind
    rings: _containers.RepeatedCompositeFieldContainer[Ring]
    def __init__(self, zone_id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[_Union[ZoneKind, str]] = ..., rings: _Optional[_Iterable[_Union[Ring, _Mapping]]] = ...) -> None: ...

class Ring(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[Point]
    def __init__(self, points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ...) -> None: ...

class GetMapRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetMapResponse(_message.Message):
    __slots__ = ("mine_code", "mine_name", "roadways", "anchors", "readers", "zones")
    MINE_CODE_FIELD_NUMBER: _ClassVar[int]
    MINE_NAME_FIELD_NUMBER: _ClassVar[int]
    ROADWAYS_FIELD_NUMBER: _ClassVar[int]
    ANCHORS_FIELD_NUMBER: _ClassVar[int]
    READERS_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    mine_code: str
    mine_name: str
    roadways: _containers.RepeatedCompositeFieldContainer[Roadway]
    anchors: _containers.RepeatedCompositeFieldContainer[Anchor]
    readers: _containers.RepeatedCompositeFieldContainer[Reader]
    zones: _containers.RepeatedCompositeFieldContainer[Zone]
    def __init__(self, mine_code: _Optional[str] = ..., mine_name: _Optional[str] = ..., roadways: _Optional[_Iterable[_Union[Roadway, _Mapping]]] = ..., anchors: _Optional[_Iterable[_Union[Anchor, _Mapping]]] = ..., readers: _Optional[_Iterable[_Union[Reader, _Mapping]]] = ..., zones: _Optional[_Iterable[_Union[Zone, _Mapping]]] = ...) -> None: ...

class ListZonesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListZonesResponse(_message.Message):
    __slots__ = ("zones", "next_page_token")
    ZONES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    zones: _containers.RepeatedCompositeFieldContainer[Zone]
    next_page_token: str
    def __init__(self, zones: _Optional[_Iterable[_Union[Zone, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Person(_message.Message):
    __slots__ = ("card", "name", "job", "team", "on_roster")
    CARD_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    ON_ROSTER_FIELD_NUMBER: _ClassVar[int]
    card: str
    name: str
    job: str
    team: str
    on_roster: bool
    def __init__(self, card: _Optional[str] = ..., name: _Optional[str] = ..., job: _Optional[str] = ..., team: _Optional[str] = ..., on_roster: _Optional[bool] = ...) -> None: ...

class ListPeopleRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPeopleResponse(_message.Message):
    __slots__ = ("people", "next_page_token")
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    people: _containers.RepeatedCompositeFieldContainer[Person]
    next_page_token: str
    def __init__(self, people: _Optional[_Iterable[_Union[Person, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetHeadcountRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHeadcountResponse(_message.Message):
    __slots__ = ("count_time", "underground", "silent", "zones")
    COUNT_TIME_FIELD_NUMBER: _ClassVar[int]
    UNDERGROUND_FIELD_NUMBER: _ClassVar[int]
    SILENT_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    count_time: _timestamp_pb2.Timestamp
    underground: int
    silent: int
    zones: _containers.RepeatedCompositeFieldContainer[ZoneHeadcount]
    def __init__(self, count_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., underground: _Optional[int] = ..., silent: _Optional[int] = ..., zones: _Optional[_Iterable[_Union[ZoneHeadcount, _Mapping]]] = ...) -> None: ...

class ZoneHeadcount(_message.Message):
    __slots__ = ("zone_id", "count")
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    zone_id: str
    count: int
    def __init__(self, zone_id: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...
