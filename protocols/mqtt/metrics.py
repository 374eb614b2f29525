"""Values of Sparkplug metrics. Pure.

Integers lie in `int_value` or `long_value`, negative ones as their two's complement of 32, 64 or
the type's own bits: encoders differ. What fits none of these is refused.
"""

from __future__ import annotations

from typing import Final

from equipment.mqtt_profile import MqttPoint
from equipment.report import Quality, Value
from protocols.mqtt.values import T_NS_MOST, WrongError, number, text
from protocols.mqtt.wire import BOOLEAN, DOUBLE, FLOAT, INT, LONG, STRING, Metric

#: Data types by their index (Sparkplug 3.0, 6.4.16): bits, signed or not, of the integers.
_INTEGERS: Final = {
    1: (8, True),
    2: (16, True),
    3: (32, True),
    4: (64, True),
    5: (8, False),
    6: (16, False),
    7: (32, False),
    8: (64, False),
}
_FLOAT, _DOUBLE, _BOOLEAN = 9, 10, 11
#: String, Text, UUID.
_TEXTS: Final = frozenset({12, 14, 15})

#: Names for messages.
NAMES: Final = (
    "Unknown", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float",
    "Double", "Boolean", "String", "DateTime", "Text", "UUID", "DataSet", "Bytes", "File",
    "Template",
)  # fmt: skip

#: The data type of a value whose message does not name it, where there is only one.
_IMPLIED: Final = {FLOAT: _FLOAT, DOUBLE: _DOUBLE, BOOLEAN: _BOOLEAN, STRING: 12}

#: What the property `Quality` says (Sparkplug 3.0, 6.4.14).
_GOOD, _STALE, _BAD = 192, 500, 0


def datatype_of(metric: Metric, born: int | None) -> int | None:
    """The data type of a metric's value: its own, that of the birth, or the only one there is."""
    for found in (metric.datatype, born):
        if found:
            return found
    return _IMPLIED.get(metric.kind or 0)


def name_of(datatype: int | None) -> str:
    """A data type in words."""
    known = datatype is not None and datatype < len(NAMES)
    return NAMES[datatype or 0] if known else f"data type {datatype}"


def judged(
    point: MqttPoint, metric: Metric, datatype: int | None
) -> tuple[Value | None, Quality, str]:
    """A metric as a point's value, its quality, and why that is not good.

    Raises:
        WrongError: it has no such value as the profile and its data type say.
    """
    if metric.quality == _BAD:
        return None, Quality.BAD, "the edge node says that it is bad (Quality 0)"
    if metric.is_null:
        return None, Quality.BAD, "the device gives no value (null)"
    value, quality, reason = point.judge(_raw(point, metric, datatype))
    if quality is Quality.GOOD and metric.quality not in (None, _GOOD):
        stale = "stale" if metric.quality == _STALE else "not good"
        return value, Quality.UNCERTAIN, f"the edge node says {stale} (Quality {metric.quality})"
    return value, quality, reason


def _raw(point: MqttPoint, metric: Metric, datatype: int | None) -> Value:
    kind, value = metric.kind, metric.value
    if kind is None:
        msg = "the metric has no value"
        raise WrongError(msg)
    if datatype is None:
        msg = "is a whole number whose data type no birth and no message names"
        raise WrongError(msg)
    bits, signed = _INTEGERS.get(datatype, (0, False))
    if point.type == "number" and bits and (kind == LONG or (kind == INT and bits <= 32)):
        assert isinstance(value, int)
        return float(_integer(value, bits, signed=signed))
    if point.type == "number" and (datatype, kind) in ((_FLOAT, FLOAT), (_DOUBLE, DOUBLE)):
        assert isinstance(value, float)
        return number(value)
    if point.type == "bool" and (datatype, kind) == (_BOOLEAN, BOOLEAN):
        return bool(value)
    if point.type == "text" and datatype in _TEXTS and kind == STRING:
        assert isinstance(value, str)
        return text(value)
    msg = f"is {name_of(datatype)} in field {kind}, the profile says {point.type}"
    raise WrongError(msg)


def _integer(raw: int, bits: int, *, signed: bool) -> int:
    """The number that `raw` stands for.

    Raises:
        WrongError: it is none of its type.
    """
    if raw < 1 << bits:
        return raw - (1 << bits) if signed and raw >> (bits - 1) else raw
    for carrier_bits in (32, 64):
        below = (1 << carrier_bits) - raw
        if signed and 0 < below <= 1 << (bits - 1):
            return -below
    msg = f"is a number beyond its {bits} bits"
    raise WrongError(msg)


def t_ns_of(timestamp_ms: int | None) -> int | None:
    """Milliseconds since the Unix epoch as nanoseconds; None for none, and for what is no time."""
    if timestamp_ms is None or not 0 < timestamp_ms * 1_000_000 <= T_NS_MOST:
        return None
    return timestamp_ms * 1_000_000
