"""An edge node as Sparkplug B 3.0 has it: its births, data and deaths, with their payloads.

Written from the specification and the official `sparkplug_b.proto`, by hand: what reads it in the
gateway, and what checks that, are each of another make.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from equipment.mqtt_profile import MqttPoint, MqttProfile
from equipment.report import Value

#: Data types (6.4.16), and which field of a metric holds their value.
_INT32, _INT64, _DOUBLE, _BOOLEAN, _STRING = 3, 4, 10, 11, 12

#: Numbers of messages go from 0 to 255 (6.4.4).
_NUMBERS: Final = 256

Messages = list[tuple[str, bytes]]


def varint(number: int) -> bytes:
    """A number below 2^64 as protocol buffers write it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def _value(datatype: int, value: Value) -> bytes:
    if datatype == _INT32:
        return _number(10, int(value) & 0xFFFFFFFF)
    if datatype == _INT64:
        return _number(11, int(value) & 0xFFFFFFFFFFFFFFFF)
    if datatype == _DOUBLE:
        return varint(13 << 3 | 1) + struct.pack("<d", float(value))
    if datatype == _BOOLEAN:
        return _number(14, int(bool(value)))
    return _bytes(15, str(value).encode())


def metric(
    value: Value, datatype: int, *, name: str = "", alias: int | None = None, t_ms: int = 0
) -> bytes:
    """A metric with its name (and data type) as in a birth, or with its alias alone."""
    body = _bytes(1, name.encode()) if name else b""
    body += b"" if alias is None else _number(2, alias)
    body += _number(3, t_ms) if t_ms else b""
    body += _number(4, datatype) if name else b""
    return body + _value(datatype, value)


def payload(metrics: list[bytes], seq: int | None, t_ms: int) -> bytes:
    """A payload; a death has no `seq`."""
    body = _number(1, t_ms) if t_ms else b""
    body += b"".join(_bytes(2, one) for one in metrics)
    return body if seq is None else body + _number(3, seq)


@dataclass(slots=True)
class _Metric:
    """A point of a device: its alias in the whole node, and what was last said of it."""

    point: MqttPoint
    alias: int
    value: Value | None = None

    @property
    def datatype(self) -> int:
        if self.point.states:
            return _INT32
        return {"number": _DOUBLE, "bool": _BOOLEAN, "text": _STRING}[self.point.type]

    def raw(self, value: Value) -> Value:
        """Before scale and offset; a state as its number."""
        if self.point.states:
            return next(n for n, name in self.point.states.items() if name == value)
        if self.point.type == "number":
            return (float(value) - self.point.offset) / self.point.scale
        return value


class EdgeNode:
    """One node with devices. Its own points are those of the device at `group/node` itself."""

    def __init__(self, name: str, devices: Mapping[str, tuple[str, MqttProfile]]) -> None:
        """`name`: `group/node`. `devices`: id and profile by topic, as in `devices.toml`."""
        self.name = name
        self._group, self._node = name.split("/")
        self._devices: dict[str, tuple[str, list[_Metric]]] = {}
        self._values: Mapping[str, Mapping[str, Value]] = {}
        alias = 0
        for topic, (device, profile) in devices.items():
            metrics = []
            for point in profile.point:
                alias += 1
                metrics.append(_Metric(point, alias))
            self._devices[topic] = (device, metrics)
        self._seq = 0
        self._bd_seq = -1

    def _topic(self, kind: str, device: str = "") -> str:
        return f"spBv1.0/{self._group}/{kind}/{self._node}" + (f"/{device}" if device else "")

    def next_death(self) -> tuple[str, bytes]:
        """The will of the next connection: its number is that of the birth to come (6.4.11)."""
        self._bd_seq = (self._bd_seq + 1) % _NUMBERS
        return self.death()

    def death(self) -> tuple[str, bytes]:
        """NDEATH of this connection."""
        return self._topic("NDEATH"), payload([self._bd_metric()], None, 0)

    def _bd_metric(self) -> bytes:
        return metric(self._bd_seq, _INT64, name="bdSeq")

    def births(self, t_ms: int) -> Messages:
        """NBIRTH, and DBIRTH of each device, with the values that were last shown."""
        self._seq = 0
        own = self._birth_metrics(self.name, t_ms)
        messages = [(self._topic("NBIRTH"), payload([self._bd_metric(), *own], 0, t_ms))]
        for topic in self._devices:
            if topic != self.name:
                device = topic.rpartition("/")[2]
                body = payload(self._birth_metrics(topic, t_ms), self._next(), t_ms)
                messages.append((self._topic("DBIRTH", device), body))
        return messages

    def _next(self) -> int:
        self._seq = (self._seq + 1) % _NUMBERS
        return self._seq

    def _birth_metrics(self, topic: str, t_ms: int) -> list[bytes]:
        device, metrics = self._devices.get(topic, ("", []))
        found = []
        for one in metrics:
            one.value = self._values.get(device, {}).get(one.point.name)
            if one.value is not None:
                name = one.point.metric or ""
                found.append(
                    metric(one.raw(one.value), one.datatype, name=name, alias=one.alias, t_ms=t_ms)
                )
        return found

    def show(self, values: Mapping[str, Mapping[str, Value]]) -> None:
        """Takes the values of all machines, by device and point."""
        self._values = values

    def data(self, t_ms: int) -> Messages:
        """NDATA and DDATA: what has changed, by aliases."""
        messages = []
        for topic, (device, metrics) in self._devices.items():
            changed = []
            for one in metrics:
                value = self._values[device].get(one.point.name)
                if value is not None and value != one.value:
                    one.value = value
                    changed.append(metric(one.raw(value), one.datatype, alias=one.alias, t_ms=t_ms))
            if changed:
                own = topic == self.name
                where = self._topic("NDATA") if own else self._topic("DDATA", topic.split("/")[2])
                messages.append((where, payload(changed, self._next(), t_ms)))
        return messages
