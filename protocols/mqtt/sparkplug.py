"""Sparkplug B: births, aliases, deaths and sequence numbers of one device. Pure.

Written from the Sparkplug specification 3.0. The gateway only reads: it never asks for a birth,
and says what an operator has to do where one is missing.
"""

from __future__ import annotations

from typing import Final

from equipment.mqtt_profile import MqttPoint, MqttProfile
from equipment.report import Quality, Sample, Value
from protocols.losses import Loss
from protocols.mqtt.message import NOTHING, STRAY, Message, Taken, refusal
from protocols.mqtt.metrics import datatype_of, judged, name_of, t_ns_of
from protocols.mqtt.sequence import NUMBERS, Sequence
from protocols.mqtt.values import WrongError
from protocols.mqtt.wire import LONG, MalformedError, Metric, Payload, decode

#: The namespace of Sparkplug B topics.
NAMESPACE: Final = "spBv1.0"

#: The metric that pairs a node's death with its birth.
BD_SEQ: Final = "bdSeq"

_NODE_KINDS: Final = ("NBIRTH", "NDEATH", "NDATA")
_DEVICE_KINDS: Final = ("DBIRTH", "DDEATH", "DDATA")

#: What a number is good for once messages were lost.
DOUBTFUL: Final = (
    "messages of the edge node were lost: its aliases may be others by now; have it send its "
    "births again"
)


def split_root(topic: str) -> tuple[str, str, str | None]:
    """Group, edge node and device of `group/node/device` or `group/node`.

    Raises:
        ValueError: it is neither; the text begins with the key.
    """
    parts = topic.split("/")
    if len(parts) not in (2, 3) or parts[0] == NAMESPACE:
        msg = "topic: must be group/node/device, or group/node for the node itself, for Sparkplug"
        raise ValueError(msg)
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


class SparkplugFormat:
    """Reads the messages of one device, or of an edge node itself, by its profile.

    All messages of the node are subscribed: its sequence numbers go through all of its devices.
    Those of neighbours give their number and no more.
    """

    def __init__(self, device: str, profile: MqttProfile, root: str) -> None:
        """Raises ValueError where `root` is no Sparkplug device; the text begins with the key."""
        self._device = device
        self._root = root
        self._group, self._node, self._own = split_root(root)
        self._points: dict[str, list[MqttPoint]] = {}
        for point in profile.point:
            assert point.metric is not None
            self._points.setdefault(point.metric, []).append(point)
        self._sequence = Sequence()
        self._forget()
        self._bd_seq: int | None = None
        self._gone = ""
        #: When the newest value of each metric was made, nanoseconds since the Unix epoch.
        self._newest: dict[str, int] = {}
        #: Values of the message that is being read that can't be used.
        self._refused: list[Loss] = []

    @property
    def filters(self) -> tuple[str, ...]:
        """See `Format.filters`."""
        of_node = [f"{NAMESPACE}/{self._group}/{kind}/{self._node}" for kind in _NODE_KINDS]
        of_devices = [f"{NAMESPACE}/{self._group}/{kind}/{self._node}/+" for kind in _DEVICE_KINDS]
        return (*of_node, *of_devices)

    @property
    def waiting(self) -> str:
        """See `Format.waiting`."""
        return self._gone or (
            f"the broker answers, but nothing that can be used comes of {self._root}; check the "
            "device, its edge node, topic, and that the broker lets this user read "
            f"{NAMESPACE}/{self._group}/#"
        )

    def begin(self, t_ns: int) -> Taken:
        """See `Format.begin`."""
        self._sequence.begin(None)
        self._forget()
        self._bd_seq = None
        self._gone = ""
        self._newest.clear()
        return Taken(samples=self._all_bad(self._no_birth("no birth was seen yet"), t_ns))

    def _forget(self) -> None:
        """Without a birth, aliases stand for nothing."""
        self._born = False
        self._doubt = False
        #: Metric's name by alias, where the profile names it; and data type by name.
        self._aliases: dict[int, str] = {}
        self._types: dict[str, int | None] = {}

    def _no_birth(self, why: str) -> str:
        return (
            f"{why}: have the edge node {self._group}/{self._node} send its births again (its "
            "metric Node Control/Rebirth, by another program, or a restart); the gateway only reads"
        )

    def take(self, message: Message, t_ns: int) -> Taken:
        """See `Format.take`."""
        kind, device = self._address(message.topic)
        if kind is None:
            return refusal(f"messages {STRAY}")
        if message.retain:
            return refusal(
                f"messages of {message.topic} that the broker had kept: Sparkplug forbids it, as "
                "nobody knows whether they still hold"
            )
        own = device == self._own
        try:
            payload = decode(message.payload, metrics=own or device is None)
        except MalformedError as error:
            self._sequence.begin(None)  # its number is not known: it goes on from the next one
            return self._malformed(kind, message.topic, str(error), t_ns) if own else NOTHING
        if kind == "NDEATH":
            return self._node_death(payload, t_ns)
        lost, late = self._count(kind, payload)
        self._refused = []
        taken = self._of_kind(kind, payload, t_ns, own=own, late=late)
        refused = tuple(self._refused)
        return Taken(taken.samples, heard=taken.heard, gone=taken.gone, lost=lost, refused=refused)

    def _malformed(self, kind: str, topic: str, error: str, t_ns: int) -> Taken:
        refused = (Loss(1, f"messages of {topic} that are no Sparkplug payload: {error}"),)
        if kind.endswith("DATA"):
            return Taken(refused=refused)
        self._forget()
        why = self._no_birth("a birth or death can't be read")
        return Taken(self._all_bad(why, t_ns), refused=refused)

    def _address(self, topic: str) -> tuple[str | None, str | None]:
        """The kind of a message and whose it is (None: the node's); no kind for a strange topic."""
        parts = topic.split("/")
        if len(parts) not in (4, 5) or (parts[0], parts[1]) != (NAMESPACE, self._group):
            return None, None
        device = parts[4] if len(parts) == 5 else None
        known = _NODE_KINDS if device is None else _DEVICE_KINDS
        return (parts[2], device) if parts[2] in known and parts[3] == self._node else (None, None)

    def _count(self, kind: str, payload: Payload) -> tuple[tuple[Loss, ...], bool]:
        """What was lost before a message, and whether it is late itself."""
        number = payload.seq
        if number is None or number >= NUMBERS:
            self._sequence.begin(None)
            return (), False
        if kind == "NBIRTH":
            self._sequence.begin(number)
            return (), False
        step = self._sequence.step(number)
        if not step.missing:
            return (), step.late
        self._doubt = True
        reason = f"messages of edge node {self._group}/{self._node} (a gap in its numbers)"
        return (Loss(step.missing, reason),), False

    def _of_kind(self, kind: str, payload: Payload, t_ns: int, *, own: bool, late: bool) -> Taken:
        if kind == "NBIRTH":
            self._bd_seq = _bd_seq(payload)
            if not own:
                # Its devices are born anew after it; until then their aliases are not known.
                self._forget()
                why = self._no_birth("the edge node was born anew, and the device not yet")
                return Taken(samples=self._all_bad(why, t_ns))
        if not own:
            return NOTHING
        if kind == "DDEATH":
            return NOTHING if late else self._die("the device is offline (DDEATH)", t_ns)
        if kind in ("NBIRTH", "DBIRTH"):
            return NOTHING if late else self._birth(payload, t_ns)
        return self._data(payload, t_ns, late=late)

    def _node_death(self, payload: Payload, t_ns: int) -> Taken:
        bd_seq = _bd_seq(payload)
        if self._bd_seq is not None and bd_seq is not None and bd_seq != self._bd_seq:
            return NOTHING  # the will of a connection that the node has long replaced
        self._sequence.begin(None)
        return self._die("the edge node is offline (NDEATH)", t_ns)

    def _die(self, what: str, t_ns: int) -> Taken:
        self._forget()
        self._gone = f"{what}, says the broker or the edge node {self._group}/{self._node}"
        return Taken(samples=self._all_bad(self._gone, t_ns), gone=self._gone)

    def _birth(self, payload: Payload, t_ns: int) -> Taken:
        self._forget()
        self._born, self._gone = True, ""
        used: dict[int, str] = {}
        twice: set[str] = set()
        for metric in payload.metrics:
            if metric.alias is None or metric.name is None:
                continue
            other = used.setdefault(metric.alias, metric.name)
            if other != metric.name:
                twice |= {other, metric.name}
        samples = []
        seen: set[str] = set()
        for metric in payload.metrics:
            if metric.name not in self._points:
                continue
            seen.add(metric.name)
            self._types[metric.name] = metric.datatype
            if metric.alias is not None and metric.name not in twice:
                self._aliases[metric.alias] = metric.name
            samples += self._samples(metric.name, metric, payload, t_ns)
        for name in self._points.keys() - seen:
            why = f"the birth has no metric {name!r}: compare the profile with the edge node"
            samples += self._bad(name, why, t_ns)
        for name in twice & self._points.keys():
            samples += self._bad(name, "the birth gives its alias to another metric too", t_ns)
        return Taken(tuple(samples), heard=True)

    def _data(self, payload: Payload, t_ns: int, *, late: bool) -> Taken:
        samples = []
        for metric in payload.metrics:
            by_alias = metric.name is None
            alias = -1 if metric.alias is None else metric.alias
            name = self._aliases.get(alias) if by_alias else metric.name
            if name not in self._points or metric.is_historical:
                continue
            source_t_ns = t_ns_of(metric.timestamp_ms or payload.timestamp_ms)
            if late and (source_t_ns is None or source_t_ns <= self._newest.get(name, 0)):
                continue
            doubt = DOUBTFUL if by_alias and self._doubt else ""
            samples += self._samples(name, metric, payload, t_ns, doubt)
        if self._gone and not samples:
            samples += self._all_bad(
                self._no_birth("data came after a death, without a birth"), t_ns
            )
        self._gone = ""
        return Taken(tuple(samples), heard=True)

    def _samples(
        self, name: str, metric: Metric, payload: Payload, t_ns: int, doubt: str = ""
    ) -> list[Sample]:
        source_t_ns = t_ns_of(metric.timestamp_ms or payload.timestamp_ms)
        if source_t_ns is not None:
            self._newest[name] = max(source_t_ns, self._newest.get(name, 0))
        born = self._types.get(name)
        if born and metric.datatype and metric.datatype != born:
            why = f"is {name_of(metric.datatype)}, its birth says {name_of(born)}"
            self._refused.append(Loss(1, f"values of metric {name!r}: {why}"))
            return self._bad(name, why, t_ns)
        datatype = datatype_of(metric, born)
        samples = []
        for point in self._points[name]:
            value: Value | None
            try:
                value, quality, reason = judged(point, metric, datatype)
            except WrongError as error:
                value, quality, reason = None, Quality.BAD, str(error)
                self._refused.append(Loss(1, f"values of metric {name!r}: {error}"))
            if doubt and quality is Quality.GOOD:
                quality, reason = Quality.UNCERTAIN, doubt
            samples.append(
                Sample(self._device, point.name, value, quality, reason, source_t_ns, t_ns)
            )
        return samples

    def _all_bad(self, reason: str, t_ns: int) -> tuple[Sample, ...]:
        return tuple(bad for name in self._points for bad in self._bad(name, reason, t_ns))

    def _bad(self, name: str, reason: str, t_ns: int) -> list[Sample]:
        return [
            Sample(self._device, point.name, None, Quality.BAD, reason, None, t_ns)
            for point in self._points[name]
        ]


def _bd_seq(payload: Payload) -> int | None:
    for metric in payload.metrics:
        if metric.name == BD_SEQ and metric.kind is not None and metric.kind <= LONG:
            return metric.value if isinstance(metric.value, int) else None
    return None
