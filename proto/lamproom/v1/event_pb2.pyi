import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from lamproom.v1 import stream_pb2 as _stream_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_ZONE_ENTERED: _ClassVar[EventKind]
    EVENT_KIND_ZONE_LEFT: _ClassVar[EventKind]
    EVENT_KIND_ALARM_RAISED: _ClassVar[EventKind]
    EVENT_KIND_ALARM_CLEARED: _ClassVar[EventKind]
    EVENT_KIND_GATEWAY_STARTED: _ClassVar[EventKind]
    EVENT_KIND_DATA_LOST: _ClassVar[EventKind]
    EVENT_KIND_DATA_REFUSED: _ClassVar[EventKind]

class AlarmLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALARM_LEVEL_UNSPECIFIED: _ClassVar[AlarmLevel]
    ALARM_LEVEL_RED: _ClassVar[AlarmLevel]
    ALARM_LEVEL_ORANGE: _ClassVar[AlarmLevel]
    ALARM_LEVEL_YELLOW: _ClassVar[AlarmLevel]
    ALARM_LEVEL_BLUE: _ClassVar[AlarmLevel]
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_ZONE_ENTERED: EventKind
EVENT_KIND_ZONE_LEFT: EventKind
EVENT_KIND_ALARM_RAISED: EventKind
EVENT_KIND_ALARM_CLEARED: EventKind
EVENT_KIND_GATEWAY_STARTED: EventKind
EVENT_KIND_DATA_LOST: EventKind
EVENT_KIND_DATA_REFUSED: EventKind
ALARM_LEVEL_UNSPECIFIED: AlarmLevel
ALARM_LEVEL_RED: AlarmLevel
ALARM_LEVEL_ORANGE: AlarmLevel
ALARM_LEVEL_YELLOW: AlarmLevel
ALARM_LEVEL_BLUE: AlarmLevel

class Event(_message.Message):
    __slots__ = ("sequence", "kind", "event_time", "record_time", "card", "zone_id", "device_id", "alarm", "place", "text", "count", "cursor")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    ALARM_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    kind: EventKind
    event_time: _timestamp_pb2.Timestamp
    record_time: _timestamp_pb2.Timestamp
    card: str
    zone_id: str
    device_id: str
    alarm: Alarm
    place: Place
    text: str
    count: int
    cursor: bytes
    def __init__(self, sequence: _Optional[int] = ..., kind: _Optional[_Union[EventKind, str]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., card: _Optional[str] = ..., zone_id: _Optional[str] = ..., device_id: _Optional[str] = ..., alarm: _Optional[_Union[Alarm, _Mapping]] = ..., place: _Optional[_Union[Place, _Mapping]] = ..., text: _Optional[str] = ..., count: _Optional[int] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class Alarm(_message.Message):
    __slots__ = ("alarm_id", "rule", "level", "start_time", "end_time")
    ALARM_ID_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    alarm_id: str
    rule: str
    level: AlarmLevel
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, alarm_id: _Optional[str] = ..., rule: _Optional[str] = ..., level: _Optional[_Union[AlarmLevel, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Place(_message.Message):
    __slots__ = ("x_m", "y_m", "z_m", "measure_time")
    X_M_FIELD_NUMBER: _ClassVar[int]
    Y_M_FIELD_NUMBER: _ClassVar[int]
    Z_M_FIELD_NUMBER: _ClassVar[int]
    MEASURE_TIME_FIELD_NUMBER: _ClassVar[int]
    x_m: float
    y_m: float
    z_m: float
    measure_time: _timestamp_pb2.Timestamp
    def __init__(self, x_m: _Optional[float] = ..., y_m: _Optional[float] = ..., z_m: _Optional[float] = ..., measure_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ("cursor", "sequence")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    sequence: int
    def __init__(self, cursor: _Optional[bytes] = ..., sequence: _Optional[int] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ("event", "sync", "heartbeat", "gap", "reset")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    SYNC_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    event: Event
    sync: _stream_pb2.Sync
    heartbeat: _stream_pb2.Heartbeat
    gap: EventGap
    reset: _stream_pb2.Reset
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ..., sync: _Optional[_Union[_stream_pb2.Sync, _Mapping]] = ..., heartbeat: _Optional[_Union[_stream_pb2.Heartbeat, _Mapping]] = ..., gap: _Optional[_Union[EventGap, _Mapping]] = ..., reset: _Optional[_Union[_stream_pb2.Reset, _Mapping]] = ...) -> None: ...

class EventGap(_message.Message):
    __slots__ = ("first_sequence", "last_sequence", "reason", "cursor")
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    first_sequence: int
    last_sequence: int
    reason: str
    cursor: bytes
    def __init__(self, first_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ..., reason: _Optional[str] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "gaps")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    next_page_token: str
    gaps: _containers.RepeatedCompositeFieldContainer[EventGap]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., gaps: _Optional[_Iterable[_Union[EventGap, _Mapping]]] = ...) -> None: ...
