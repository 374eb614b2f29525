"""JSON messages: several points of one message are decoded in one stroke. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from equipment.mqtt_profile import MqttPoint, MqttProfile
from equipment.report import Quality, Sample, Value
from protocols.losses import Loss
from protocols.mqtt.message import NOTHING, STRAY, Message, Taken, refusal
from protocols.mqtt.records import RecordReader, Repeats
from protocols.mqtt.values import MISSING, Pointer, WrongError, parse, raw_of, time_ns
from protocols.pace import Pace

#: Why a value that the broker had kept is not good, where it has no time of its own.
KEPT: Final = "kept by the broker: how old it is, is not known"


class JsonFormat:
    """Reads the messages of one device by its profile."""

    def __init__(self, device: str, profile: MqttProfile, root: str) -> None:
        """`root`: where the device's topics begin."""
        self._device = device
        self._root = root
        self._silence_ns = round(profile.scan.silence_s * 1e9)
        self._points: dict[str, list[tuple[MqttPoint, Pointer]]] = {}
        for point in profile.point:
            assert point.pointer is not None
            pair = (point, Pointer(point.pointer))
            self._points.setdefault(self._topic(point.topic), []).append(pair)
        self._time = None
        if profile.time is not None:
            self._time = Pointer(profile.time.pointer), profile.time.unit
        self._records = RecordReader(profile.records) if profile.records else None
        self._record_topic = self._topic(profile.records.topic) if profile.records else ""
        self._filters = tuple(self._topic(topic) for topic in profile.topics)
        self._waiting = (
            f"the broker answers, but nothing that can be used comes on {_listed(self._filters)}; "
            "check the device, topic, and that the broker lets this user read there"
        )
        self._repeats = Repeats()
        self._pace = Pace()
        #: Points that had a value in this session, or were told to have none.
        self._seen: set[str] = set()

    def _topic(self, relative: str) -> str:
        return f"{self._root}/{relative}" if relative else self._root

    @property
    def filters(self) -> tuple[str, ...]:
        """See `Format.filters`."""
        return self._filters

    @property
    def waiting(self) -> str:
        """See `Format.waiting`."""
        return self._waiting

    def begin(self, t_ns: int) -> Taken:
        """See `Format.begin`."""
        del t_ns
        self._seen.clear()
        self._pace = Pace()
        return NOTHING

    def take(self, message: Message, t_ns: int) -> Taken:
        """See `Format.take`."""
        topic = message.topic
        points = self._points.get(topic, ())
        records = self._records if topic == self._record_topic else None
        if not points and records is None:
            return refusal(f"messages {STRAY}")
        try:
            document = parse(message.payload)
        except WrongError as error:
            return refusal(f"messages of {topic} that are {error}")
        refused: list[Loss] = []
        source_t_ns, doubt = self._source_time(document, topic, refused)
        if message.retain:
            doubt = doubt or self._age_doubt(source_t_ns, t_ns)
        samples = []
        for point, pointer in points:
            judged = self._judge(point, pointer, document, refused, topic)
            if judged is None:
                continue
            value, quality, reason = judged
            if doubt and quality is Quality.GOOD:
                quality, reason = Quality.UNCERTAIN, doubt
            name = point.name
            samples.append(Sample(self._device, name, value, quality, reason, source_t_ns, t_ns))
        taken = Taken(heard=not message.retain)
        if records is not None:
            taken = self._records_of(records, message, document, source_t_ns, t_ns)
        heard = taken.heard or (bool(samples) and not message.retain)
        refused += taken.refused
        return replace(taken, samples=tuple(samples), heard=heard, refused=tuple(refused))

    def _source_time(
        self, document: Any, topic: str, refused: list[Loss]
    ) -> tuple[int | None, str]:
        """The message's own time, and why values are doubtful where it should have one."""
        if self._time is None:
            return None, ""
        pointer, unit = self._time
        value = pointer.find(document)
        try:
            if value is MISSING:
                msg = "is missing"
                raise WrongError(msg)
            return time_ns(value, unit), ""
        except WrongError as error:
            refused.append(Loss(1, f"times of messages of {topic}: {pointer} {error}"))
            return None, f"when it was measured is not known: {pointer} {error}"

    def _age_doubt(self, source_t_ns: int | None, t_ns: int) -> str:
        """Why a value that the broker had kept is not good."""
        if source_t_ns is None:
            return KEPT
        age_s = (t_ns - source_t_ns) / 1e9
        if abs(t_ns - source_t_ns) <= self._silence_ns:
            return ""
        return f"kept by the broker: it is {age_s:.0f} s old"

    def _judge(
        self, point: MqttPoint, pointer: Pointer, document: Any, refused: list[Loss], topic: str
    ) -> tuple[Value | None, Quality, str] | None:
        """A point's value, quality and reason; None where this message says nothing of it."""
        found = pointer.find(document)
        if found is MISSING:
            # Devices send what has changed; what was never there is a wrong pointer.
            if point.name in self._seen:
                return None
            self._seen.add(point.name)
            problem = f"messages of {topic} have nothing at {pointer}"
            remedy = "compare the profile with what the device publishes"
            refused.append(Loss(1, f"{point.name}: {problem}; {remedy}"))
            return None, Quality.BAD, f"{problem}; {remedy}"
        self._seen.add(point.name)
        if found is None:
            return None, Quality.BAD, "the device gives no value (null)"
        try:
            raw = raw_of(found, point.type)
        except WrongError as error:
            refused.append(Loss(1, f"{point.name}: {pointer} of {topic} {error}"))
            return None, Quality.BAD, str(error)
        return point.judge(raw)

    def _records_of(
        self,
        reader: RecordReader,
        message: Message,
        document: Any,
        source_t_ns: int | None,
        t_ns: int,
    ) -> Taken:
        topic = message.topic
        if message.retain:
            return refusal(f"messages of {topic} that the broker had kept: publish without retain")
        clock = source_t_ns is not None and self._pace.settled(source_t_ns, t_ns)
        if message.qos and self._repeats.known(topic, message.payload):
            return Taken(heard=True)
        columns, losses = reader.read(document)
        return Taken(
            columns=columns,
            device_t_ns=source_t_ns if clock else None,
            # A message that has only wrong records says nothing.
            heard=columns is not None or not losses,
            refused=tuple(Loss(loss.count, f"{topic}: {loss.reason}") for loss in losses),
        )


def _listed(topics: tuple[str, ...]) -> str:
    more = len(topics) - 3
    return ", ".join(topics[:3]) + (f" and {more} more" if more > 0 else "")
