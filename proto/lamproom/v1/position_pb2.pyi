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

class FixClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FIX_CLASS_UNSPECIFIED: _ClassVar[FixClass]
    FIX_CLASS_PRECISE: _ClassVar[FixClass]
    FIX_CLASS_ROADWAY: _ClassVar[FixClass]
    FIX_CLASS_ZONE: _ClassVar[FixClass]
    FIX_CLASS_EXTRAPOLATED: _ClassVar[FixClass]
    FIX_CLASS_AMBIGUOUS: _ClassVar[FixClass]
    FIX_CLASS_LOST: _ClassVar[FixClass]

class Sampling(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SAMPLING_UNSPECIFIED: _ClassVar[Sampling]
    SAMPLING_LATEST: _ClassVar[Sampling]
    SAMPLING_EVERY_FIX: _ClassVar[Sampling]
FIX_CLASS_UNSPECIFIED: FixClass
FIX_CLASS_PRECISE: FixClass
FIX_CLASS_ROADWAY: FixClass
FIX_CLASS_ZONE: FixClass
FIX_CLASS_EXTRAPOLATED: FixClass
FIX_CLASS_AMBIGUOUS: FixClass
FIX_CLASS_LOST: FixClass
SAMPLING_UNSPECIFIED: Sampling
SAMPLING_LATEST: Sampling
SAMPLING_EVERY_FIX: Sampling

class WatchPositionsRequest(_message.Message):
    __slots__ = ("cursor", "sampling")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    sampling: Sampling
    def __init__(self, cursor: _Optional[bytes] = ..., sampling: _Optional[_Union[Sampling, str]] = ...) -> None: ...

class WatchPositionsResponse(_message.Message):
    __slots__ = ("directory", "frame", "sync", "heartbeat", "reset")
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    SYNC_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    directory: PositionDirectory
    frame: PositionFrame
    sync: _stream_pb2.Sync
    heartbeat: _stream_pb2.Heartbeat
    reset: _stream_pb2.Reset
    def __init__(self, directory: _Optional[_Union[PositionDirectory, _Mapping]] = ..., frame: _Optional[_Union[PositionFrame, _Mapping]] = ..., sync: _Optional[_Union[_stream_pb2.Sync, _Mapping]] = ..., heartbeat: _Optional[_Union[_stream_pb2.Heartbeat, _Mapping]] = ..., reset: _Optional[_Union[_stream_pb2.Reset, _Mapping]] = ...) -> None: ...

class PositionDirectory(_message.Message):
    __slots__ = ("entries",)
    class Entry(_message.Message):
        __slots__ = ("tag_handle", "card")
        TAG_HANDLE_FIELD_NUMBER: _ClassVar[int]
        CARD_FIELD_NUMBER: _ClassVar[int]
        tag_handle: int
        card: str
        def __init__(self, tag_handle: _Optional[int] = ..., card: _Optional[str] = ...) -> None: ...
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[PositionDirectory.Entry]
    def __init__(self, entries: _Optional[_Iterable[_Union[PositionDirectory.Entry, _Mapping]]] = ...) -> None: ...

class PositionFrame(_message.Message):
    __slots__ = ("cursor", "snapshot", "coalesced_count", "tag_handles", "t_ns", "x_mm", "y_mm", "z_mm", "vx_mm_s", "vy_mm_s", "var_x_m2", "cov_xy_m2", "var_y_m2", "fix_classes", "anchors_used")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    COALESCED_COUNT_FIELD_NUMBER: _ClassVar[int]
    TAG_HANDLES_FIELD_NUMBER: _ClassVar[int]
    T_NS_FIELD_NUMBER: _ClassVar[int]
    X_MM_FIELD_NUMBER: _ClassVar[int]
    Y_MM_FIELD_NUMBER: _ClassVar[int]
    Z_MM_FIELD_NUMBER: _ClassVar[int]
    VX_MM_S_FIELD_NUMBER: _ClassVar[int]
    VY_MM_S_FIELD_NUMBER: _ClassVar[int]
    VAR_X_M2_FIELD_NUMBER: _ClassVar[int]
    COV_XY_M2_FIELD_NUMBER: _ClassVar[int]
    VAR_Y_M2_FIELD_NUMBER: _ClassVar[int]
    FIX_CLASSES_FIELD_NUMBER: _ClassVar[int]
    ANCHORS_USED_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    snapshot: bool
    coalesced_count: int
    tag_handles: _containers.RepeatedScalarFieldContainer[int]
    t_ns: _containers.RepeatedScalarFieldContainer[int]
    x_mm: _containers.RepeatedScalarFieldContainer[int]
    y_mm: _containers.RepeatedScalarFieldContainer[int]
    z_mm: _containers.RepeatedScalarFieldContainer[int]
    vx_mm_s: _containers.RepeatedScalarFieldContainer[int]
    vy_mm_s: _containers.RepeatedScalarFieldContainer[int]
    var_x_m2: _containers.RepeatedScalarFieldContainer[float]
    cov_xy_m2: _containers.RepeatedScalarFieldContainer[float]
    var_y_m2: _containers.RepeatedScalarFieldContainer[float]
    fix_classes: _containers.RepeatedScalarFieldContainer[FixClass]
    anchors_used: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, cursor: _Optional[bytes] = ..., snapshot: _Optional[bool] = ..., coalesced_count: _Optional[int] = ..., tag_handles: _Optional[_Iterable[int]] = ..., t_ns: _Optional[_Iterable[int]] = ..., x_mm: _Optional[_Iterable[int]] = ..., y_mm: _Optional[_Iterable[int]] = ..., z_mm: _Optional[_Iterable[int]] = ..., vx_mm_s: _Optional[_Iterable[int]] = ..., vy_mm_s: _Optional[_Iterable[int]] = ..., var_x_m2: _Optional[_Iterable[float]] = ..., cov_xy_m2: _Optional[_Iterable[float]] = ..., var_y_m2: _Optional[_Iterable[float]] = ..., fix_classes: _Optional[_Iterable[_Union[FixClass, str]]] = ..., anchors_used: _Optional[_Iterable[int]] = ...) -> None: ...

class ListPositionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "cards")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CARDS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    cards: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., cards: _Optional[_Iterable[str]] = ...) -> None: ...

class ListPositionsResponse(_message.Message):
    __slots__ = ("positions", "next_page_token")
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    next_page_token: str
    def __init__(self, positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("card", "measure_time", "x_m", "y_m", "z_m", "vx_m_s", "vy_m_s", "var_x_m2", "cov_xy_m2", "var_y_m2", "fix_class", "anchors_used", "age_s", "zone_ids")
    CARD_FIELD_NUMBER: _ClassVar[int]
    MEASURE_TIME_FIELD_NUMBER: _ClassVar[int]
    X_M_FIELD_NUMBER: _ClassVar[int]
    Y_M_FIELD_NUMBER: _ClassVar[int]
    Z_M_FIELD_NUMBER: _ClassVar[int]
    VX_M_S_FIELD_NUMBER: _ClassVar[int]
    VY_M_S_FIELD_NUMBER: _ClassVar[int]
    VAR_X_M2_FIELD_NUMBER: _ClassVar[int]
    COV_XY_M2_FIELD_NUMBER: _ClassVar[int]
    VAR_Y_M2_FIELD_NUMBER: _ClassVar[int]
    FIX_CLASS_FIELD_NUMBER: _ClassVar[int]
    ANCHORS_USED_FIELD_NUMBER: _ClassVar[int]
    AGE_S_FIELD_NUMBER: _ClassVar[int]
    ZONE_IDS_FIELD_NUMBER: _ClassVar[int]
    card: str
    measure_time: _timestamp_pb2.Timestamp
    x_m: float
    y_m: float
    z_m: float
    vx_m_s: float
    vy_m_s: float
    var_x_m2: float
    cov_xy_m2: float
    var_y_m2: float
    fix_class: FixClass
    anchors_used: int
    age_s: float
    zone_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, card: _Optional[str] = ..., measure_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., x_m: _Optional[float] = ..., y_m: _Optional[float] = ..., z_m: _Optional[float] = ..., vx_m_s: _Optional[float] = ..., vy_m_s: _Optional[float] = ..., var_x_m2: _Optional[float] = ..., cov_xy_m2: _Optional[float] = ..., var_y_m2: _Optional[float] = ..., fix_class: _Optional[_Union[FixClass, str]] = ..., anchors_used: _Optional[int] = ..., age_s: _Optional[float] = ..., zone_ids: _Optional[_Iterable[str]] = ...) -> None: ...
