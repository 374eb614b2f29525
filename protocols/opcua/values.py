"""Data values as samples (pure)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from asyncua import ua

from equipment.opcua_profile import OpcUaPoint
from equipment.report import Quality, Sample, Value

#: A text longer than this is no name, model or state; it is refused rather than carried along.
TEXT_LENGTH_MAX: Final = 1024

#: The lower half of a status code tells how the value was made, not how good it is.
_MEANING: Final = 0xFFFF0000
#: OPC 10000-4, 7.39: values were lost between this one and the next (info type DataValue).
_OVERFLOW: Final = 0x0480

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_NUMBERS: Final = frozenset(
    {
        ua.VariantType.SByte,
        ua.VariantType.Byte,
        ua.VariantType.Int16,
        ua.VariantType.UInt16,
        ua.VariantType.Int32,
        ua.VariantType.UInt32,
        ua.VariantType.Int64,
        ua.VariantType.UInt64,
        ua.VariantType.Float,
        ua.VariantType.Double,
    }
)


_TEXTS: Final = frozenset({ua.VariantType.String, ua.VariantType.LocalizedText})


class _WrongTypeError(Exception):
    """A value is not of the type that the profile names; the text says what it is."""


def status_of(data: ua.DataValue) -> int:
    """The status code without what tells only how the value was made; 0 where none was sent."""
    return (data.StatusCode.value if data.StatusCode else 0) & _MEANING


def overflowed(data: ua.DataValue) -> bool:
    """Whether the server dropped values of this item because it couldn't send them in time."""
    code = data.StatusCode.value if data.StatusCode else 0
    return code & _OVERFLOW == _OVERFLOW


def same(one: ua.DataValue | None, other: ua.DataValue) -> bool:
    """Whether both have one value and one status, whatever their times."""
    if one is None or status_of(one) != status_of(other):
        return False
    first, second = _variant_of(one).Value, _variant_of(other).Value
    both_nan = first != first and second != second  # noqa: PLR0124 - only NaN differs from itself
    return both_nan or bool(first == second)


def _variant_of(data: ua.DataValue) -> ua.Variant:
    return data.Value if data.Value is not None else ua.Variant()


def source_t_ns(data: ua.DataValue) -> int | None:
    """The device's time in nanoseconds since the Unix epoch; None where it gave none.

    A time before 1970 is how servers without a clock say that they have none.
    """
    return instant_ns(data.SourceTimestamp)


def time_value_ns(data: ua.DataValue) -> int | None:
    """A value that is a time, in nanoseconds since the Unix epoch; None where it is none."""
    value = _variant_of(data).Value
    return instant_ns(value) if isinstance(value, datetime) else None


def instant_ns(stamp: datetime | None) -> int | None:
    """A time in nanoseconds since the Unix epoch; None where there is none, or one before 1970."""
    if stamp is None:
        return None
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    t_ns = (stamp - _EPOCH) // _MICROSECOND * 1000
    return t_ns if t_ns > 0 else None


def sample_of(device: str, point: OpcUaPoint, data: ua.DataValue, receive_t_ns: int) -> Sample:
    """A data value as the sample of a point; its status becomes the quality and the reason."""
    code = status_of(data)
    status = ua.StatusCode(ua.UInt32(code))
    if status.is_bad():
        return bad_sample(device, point, status.name, receive_t_ns, source_t_ns(data))
    value: Value | None
    try:
        raw = _raw_of(point, _variant_of(data))
    except _WrongTypeError as error:
        value, quality, reason = None, Quality.BAD, str(error)
    else:
        value, quality, reason = point.judge(raw)
    if quality is Quality.GOOD and status.is_uncertain():
        quality, reason = Quality.UNCERTAIN, status.name
    return Sample(device, point.name, value, quality, reason, source_t_ns(data), receive_t_ns)


def bad_sample(
    device: str, point: OpcUaPoint, reason: str, receive_t_ns: int, source_ns: int | None = None
) -> Sample:
    """A point without a value, and why."""
    return Sample(device, point.name, None, Quality.BAD, reason, source_ns, receive_t_ns)


def point_type(data: ua.DataValue | None) -> str:
    """What a profile calls a value's type: number, text or bool; empty where it can be none."""
    variant = _variant_of(data) if data is not None else ua.Variant()
    if variant.is_array or isinstance(variant.Value, list):
        return ""
    if variant.VariantType in _NUMBERS:
        return "number"
    return {**dict.fromkeys(_TEXTS, "text"), ua.VariantType.Boolean: "bool"}.get(
        variant.VariantType, ""
    )


def _raw_of(point: OpcUaPoint, variant: ua.Variant) -> Value:
    raw, kind = variant.Value, variant.VariantType
    if raw is None:
        msg = "the server gave no value"
        raise _WrongTypeError(msg)
    if isinstance(raw, list):
        msg = f"is an array of {kind.name}, the profile says one {point.type}"
        raise _WrongTypeError(msg)
    if point.type == "bool" and kind is ua.VariantType.Boolean:
        return bool(raw)
    if point.type == "number" and kind in _NUMBERS:
        if point.states and raw != raw // 1:
            msg = f"{raw} is not the number of a state"
            raise _WrongTypeError(msg)
        return float(raw)
    if point.type == "text" and kind in _TEXTS:
        text = raw if isinstance(raw, str) else raw.Text or ""
        if len(text) > TEXT_LENGTH_MAX:
            msg = f"is a text of {len(text)} letters, more than {TEXT_LENGTH_MAX}"
            raise _WrongTypeError(msg)
        return str(text)
    msg = f"is {kind.name}, the profile says {point.type}"
    raise _WrongTypeError(msg)
