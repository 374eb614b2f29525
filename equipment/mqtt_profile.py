"""Profiles of devices that publish over MQTT: JSON by pointers, or Sparkplug B by metric names."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from equipment.json_pointer import check_pointer
from equipment.profile import Kind, Point, Profile, refuse_numbers_keys, refuse_twice
from equipment.reader_fields import Means, check_reader_fields
from equipment.strict import Name, Strict

#: Topics of one device: one SUBSCRIBE names them all, and brokers bound it.
TOPICS_MOST: Final = 64

#: Letters of a topic's name that a profile adds to its device's, and of a metric's name.
TOPIC_LETTERS_MOST: Final = 256
METRIC_LETTERS_MOST: Final = 512

TimeUnit = Literal["s", "ms", "us", "ns", "rfc3339"]
TIME_UNITS: Final = ("s", "ms", "us", "ns", "rfc3339")


def check_topic(topic: str) -> str:
    """A topic's name without wildcards and empty levels. Raises ValueError for any other."""
    if set(topic) & set("+#\0"):
        msg = f"topic {topic!r} must be one topic: no '+', no '#'"
        raise ValueError(msg)
    if not all(topic.split("/")):
        msg = f"topic {topic!r} has an empty level: write it as in a/b/c, without '/' at its ends"
        raise ValueError(msg)
    return topic


def _relative(topic: str) -> str:
    return check_topic(topic) if topic else topic


Pointer = Annotated[str, AfterValidator(check_pointer)]
RelativeTopic = Annotated[str, Field(max_length=TOPIC_LETTERS_MOST), AfterValidator(_relative)]


class MqttPoint(Point):
    """A value in JSON messages, by `topic` and `pointer`, or a Sparkplug metric.

    `topic` goes on where the device's own topic ends; "" is the device's topic itself.
    """

    topic: RelativeTopic = ""
    pointer: Pointer | None = None
    metric: str | None = Field(default=None, min_length=1, max_length=METRIC_LETTERS_MOST)
    type: Literal["number", "text", "bool"] = "number"

    @model_validator(mode="after")
    def _meaning_goes_with_the_type(self) -> Self:
        if self.type != "number":
            refuse_numbers_keys(self, self.type)
        return self


class MessageTime(Strict):
    """Where a JSON message says when it was made, and how it counts."""

    pointer: Pointer
    unit: TimeUnit


class JsonField(Strict):
    """One column of a reader's records: `value = raw × scale + offset`.

    A `time` has its unit in `unit` and becomes microseconds since the Unix epoch.
    """

    name: Name
    pointer: Pointer
    type: Literal["number", "whole", "text", "time"]
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0

    @model_validator(mode="after")
    def _unit_and_scale_go_with_the_type(self) -> Self:
        if self.type == "time" and self.unit not in TIME_UNITS:
            msg = f"unit of a 'time' must be one of: {', '.join(TIME_UNITS)}"
            raise ValueError(msg)
        if self.scale == 0:
            msg = "scale must not be 0"
            raise ValueError(msg)
        if self.type != "number" and (self.scale, self.offset) != (1.0, 0.0):
            msg = f"scale and offset go with type 'number', not with {self.type!r}"
            raise ValueError(msg)
        return self


class Records(Strict):
    """A reader's records: an array of them in each message, or the message itself as one.

    `pointer` leads to the array, each field's pointer from one record to its value.
    """

    topic: RelativeTopic = ""
    pointer: Pointer = ""
    field: tuple[JsonField, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _fields_can_be_told_apart(self) -> Self:
        refuse_twice("fields", [field.name for field in self.field])
        return self


#: Which types can be what a column of records means.
_TYPES: Final = {
    Means.TIME: ("time",),
    Means.TEXT: ("text",),
    Means.NUMBER: ("number",),
    Means.WHOLE: ("whole",),
}


class MqttProfile(Profile):
    """The profile of a device that publishes over MQTT; a reader has `records`."""

    is_asked: ClassVar = False

    protocol: Literal["mqtt"]
    format: Literal["json", "sparkplug"] = "json"
    #: Of JSON messages; Sparkplug's metrics have their times.
    time: MessageTime | None = None
    point: tuple[MqttPoint, ...] = ()
    records: Records | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of JSON messages, relative to the device's, each once."""
        named = [point.topic for point in self.point]
        return tuple(dict.fromkeys([*named, *([self.records.topic] if self.records else [])]))

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Self:
        refuse_twice("points", [point.name for point in self.point])
        if (self.kind is not Kind.MACHINE) != (self.records is not None):
            msg = "a reader needs [records], a machine has none"
            raise ValueError(msg)
        if not self.point and self.records is None:
            msg = "there is no [[point]]"
            raise ValueError(msg)
        if len(self.topics) > TOPICS_MOST:
            msg = f"points have {len(self.topics)} topics; at most {TOPICS_MOST} can be subscribed"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _points_are_of_the_format(self) -> Self:
        sparkplug = self.format == "sparkplug"
        if sparkplug and (self.time is not None or self.records is not None):
            msg = "[time] and [records] are for format 'json': Sparkplug's metrics have their times"
            raise ValueError(msg)
        for point in self.point:
            if sparkplug and (point.metric is None or point.pointer is not None or point.topic):
                msg = (
                    f"point {point.name!r}: format 'sparkplug' needs metric, and no topic, pointer"
                )
                raise ValueError(msg)
            if not sparkplug and (point.pointer is None or point.metric is not None):
                msg = f"point {point.name!r}: format 'json' needs pointer, and no metric"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _records_have_what_a_reader_gives(self) -> Self:
        types = {field.name: field.type for field in self.records.field} if self.records else {}
        check_reader_fields(self.kind, types, _TYPES)
        return self
