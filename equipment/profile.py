"""The profile of a device: its points and what they mean, as data.

The gateway reads a device by its profile and the simulator serves one by the same profile. What
is the same for every protocol is here; how a point is addressed is in `ethernetip_profile`,
`modbus_profile`, `mqtt_profile`, `opcua_profile` and `text_profile`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from math import inf, isfinite
from sys import float_info
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, field_validator, model_validator

from equipment.limit import Bounds
from equipment.machine import ActivePoint, MachineDefaults
from equipment.report import Quality, Value
from equipment.strict import Name, Strict, Words
from equipment.toml_source import suggest

#: The longest faces have some 250 supports; no device has more parts of one form than this.
REPEAT_MOST: Final = 1_000

#: Stands for the number in the texts of a point that is repeated.
NUMBER: Final = "{n}"


class Kind(StrEnum):
    """What a device is to the mine."""

    MACHINE = "machine"
    UWB_READER = "uwb_reader"
    RFID_READER = "rfid_reader"
    #: Gives finished places of cards.
    POSITIONING_ENGINE = "positioning_engine"


class Scan(Strict):
    """How often a device is read, and after how long without a sign of life it is down."""

    period_s: float = Field(default=1.0, gt=0, le=3600)
    silence_s: float = Field(default=5.0, gt=0, le=3600)
    #: Periods of points that are read more often, or less: `{ slow = 10.0 }`.
    classes: dict[Name, Annotated[float, Field(gt=0, le=3600)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _silence_is_longer(self) -> Self:
        if self.silence_s <= self.period_s:
            msg = (
                f"silence_s ({self.silence_s:g}) must be longer than period_s ({self.period_s:g}), "
                "else the device is down between two reads"
            )
            raise ValueError(msg)
        return self


class Point(Strict):
    """One value of a device: `value = raw × scale + offset`, in `unit`."""

    name: Name
    meaning: Words
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    #: Plausible values (inclusive), after scaling; what lies outside is marked BAD, never used.
    range: tuple[float, float] | None = None
    #: Which of the profile's scan classes it is read by; None: with all others.
    scan: Name | None = None
    #: Clients are told of a change of more than so much, in `unit`, or of so many per cent of
    #: `range`; the gateway itself looks at every value.
    deadband: float | None = Field(default=None, gt=0)
    deadband_percent: float | None = Field(default=None, gt=0, le=100)
    #: Without a new value for so long, the last one is UNCERTAIN.
    stale_s: float | None = Field(default=None, gt=0, le=86_400)
    #: Names of the values of a state: `{ 0 = "stopped" }`. The value is then the name.
    states: dict[int, Name] = Field(default_factory=dict)
    #: What of its values is not good, unless the mine says something else.
    limit: tuple[Bounds, ...] = Field(default=(), max_length=4)

    @field_validator("scale")
    @classmethod
    def _scale_is_not_zero(cls, scale: float) -> float:
        if scale == 0:
            msg = "must not be 0"
            raise ValueError(msg)
        return scale

    @field_validator("range")
    @classmethod
    def _range_is_ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value and value[0] > value[1]:
            msg = "must be [lowest, highest]"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _deadband_is_of_numbers(self) -> Self:
        given = [name for name in ("deadband", "deadband_percent") if getattr(self, name)]
        if len(given) > 1:
            msg = "deadband and deadband_percent: give one of them"
            raise ValueError(msg)
        if given and not self.is_number:
            msg = f"{given[0]} goes with numbers, and its values are none"
            raise ValueError(msg)
        if self.deadband_percent and self.range is None:
            msg = "deadband_percent is of the range: give range, or deadband"
            raise ValueError(msg)
        return self

    @property
    def least_change(self) -> float:
        """By how much more than this a value must differ to be told to clients; 0: any change."""
        if self.deadband_percent and self.range:
            return self.deadband_percent / 100.0 * (self.range[1] - self.range[0])
        return self.deadband or 0.0

    @model_validator(mode="after")
    def _limits_are_of_its_values(self) -> Self:
        for limit in self.limit:
            if self.is_number and limit.equals is not None:
                msg = "limit: give above or below, its values are numbers"
                raise ValueError(msg)
            if not self.is_number and limit.equals is None:
                msg = "limit: give equals, its values are no numbers"
                raise ValueError(msg)
            if limit.equals is not None:
                self.check_value(limit.equals)
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which a number is GOOD to `judge`, after scaling; no NaN or infinity is."""
        lowest, highest = self.range or (-inf, inf)
        return max(lowest, -float_info.max), min(highest, float_info.max)

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers, not names of states, texts or bits."""
        return not self.states and getattr(self, "type", "") not in ("bool", "text")

    def check_value(self, value: bool | int | str) -> None:  # noqa: FBT001 - a bit is a value
        """Raises ValueError where a point without numbers can't have the value."""
        known = [*self.states.values()]
        if known and value not in known:
            msg = f"{value!r} is none of its states ({', '.join(known)})"
            raise ValueError(msg)
        is_bit = getattr(self, "type", "") == "bool"
        if isinstance(value, bool) != is_bit or not isinstance(value, bool | str):
            what = "true or false" if is_bit else "a text"
            msg = f"{value!r} is never its value, which is {what}"
            raise ValueError(msg)

    def instances(self) -> tuple[Self, ...]:
        """The points that it stands for: itself."""
        return (self,)

    def judge(self, raw: Value) -> tuple[Value | None, Quality, str]:
        """The value in `unit`, its quality, and why that is not good.

        `raw` is what the device gave, before scale and offset. A state without a name and a value
        outside `range` (or not finite) are BAD: (None, BAD, reason).
        """
        if isinstance(raw, (bool, str)):
            return raw, Quality.GOOD, ""
        if not isfinite(raw):
            return None, Quality.BAD, f"{raw:g} is not a number"
        if self.states:
            state = self.states.get(int(raw)) if raw == int(raw) else None
            if state is None:
                return None, Quality.BAD, f"{raw:g} is none of the states {self._known_states()}"
            return state, Quality.GOOD, ""
        value = raw * self.scale + self.offset
        lowest, highest = self.range or (-inf, inf)
        if not lowest <= value <= highest or not isfinite(value):
            given = f"{value:g} {self.unit}".rstrip()
            return None, Quality.BAD, f"{given} is outside {lowest:g} to {highest:g}"
        return value, Quality.GOOD, ""

    def _known_states(self) -> str:
        return ", ".join(f"{number} ({name})" for number, name in self.states.items())


class Repeat(Strict):
    """So many points of one form: `{n}` in the point's texts is `first` and the numbers after."""

    count: int = Field(ge=1, le=REPEAT_MOST)
    first: int = Field(default=1, ge=0, le=10_000)

    def numbers(self) -> range:
        """What `{n}` is, one after the other."""
        return range(self.first, self.first + self.count)


class RepeatedPoint(Point):
    """A point, or many of one form: `support_{n}_pressure` with `repeat`."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\{n\}[a-z0-9_]*)?$", max_length=64)]
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _texts_say_which(self) -> Self:
        texts = self.numbered_texts()
        if self.repeat is None:
            wrong = [key for key, text in texts.items() if NUMBER in text]
            if wrong:
                msg = f"{', '.join(wrong)}: {NUMBER} goes with repeat"
                raise ValueError(msg)
            return self
        wrong = [key for key, text in texts.items() if NUMBER not in text]
        if wrong:
            msg = f"repeat: {', '.join(wrong)} must hold {NUMBER}, the number of the point"
            raise ValueError(msg)
        longest = self.name.replace(NUMBER, str(self.repeat.numbers()[-1]))
        if len(longest) > 64:
            msg = f"repeat: {longest!r} has more than 64 characters"
            raise ValueError(msg)
        return self

    def numbered_texts(self) -> dict[str, str]:
        """The texts, by key, that must say which of the points it is."""
        return {"name": self.name, "meaning.en": self.meaning.en, "meaning.zh": self.meaning.zh}

    def instances(self) -> tuple[Self, ...]:
        """The points that it stands for, in order."""
        if self.repeat is None:
            return (self,)
        return tuple(
            self.model_copy(update=self._differences(position, str(number)))
            for position, number in enumerate(self.repeat.numbers())
        )

    def _differences(self, position: int, number: str) -> dict[str, Any]:
        """What is different in the point at `position` (from 0), whose `{n}` is `number`."""
        meaning = {language: text.replace(NUMBER, number) for language, text in self.meaning}
        return {
            "repeat": None,
            "name": self.name.replace(NUMBER, number),
            "meaning": Words(**meaning),
        }


class Profile(Strict):
    """What one type of device is; each protocol adds how its points are addressed."""

    #: Whether the gateway says how often points are read; else the device sends when it likes.
    is_asked: ClassVar[bool] = True

    id: Name
    title: Words
    kind: Kind
    protocol: str
    scan: Scan = Scan()
    #: What a machine of this type is to people near it.
    machine: MachineDefaults | None = None
    #: In the order of the file; one that is repeated is there as many times.
    point: tuple[Point, ...] = ()

    @field_validator("point", check_fields=False)
    @classmethod
    def _with_all_instances(cls, points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple(one for point in points for one in point.instances())

    @model_validator(mode="after")
    def _scan_classes_are_known(self) -> Self:
        if self.scan.classes and not self.is_asked:
            msg = f"scan: classes have no use over {self.protocol}, the device sends by itself"
            raise ValueError(msg)
        for point in self.point:
            if point.scan is not None and point.scan not in self.scan.classes:
                known = suggest(point.scan, self.scan.classes)
                msg = f"point {point.name!r}: there is no scan class {point.scan!r} ({known})"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _values_come_in_time(self) -> Self:
        for point in self.point:
            period_s = self.period_s(point)
            if point.stale_s is not None and point.stale_s <= period_s:
                msg = (
                    f"point {point.name!r}: stale_s ({point.stale_s:g}) must be longer than its "
                    f"period ({period_s:g}), else it is stale between two reads"
                )
                raise ValueError(msg)
        if self.point and self.kind is Kind.MACHINE:
            shortest_s = min(map(self.period_s, self.point))
            if shortest_s >= self.scan.silence_s:
                msg = (
                    f"silence_s ({self.scan.silence_s:g}) must be longer than {shortest_s:g} s, "
                    "the shortest period of its points, else it is down between two reads"
                )
                raise ValueError(msg)
        return self

    def period_s(self, point: Point) -> float:
        """How often a point is read: as its scan class says, or as the profile does."""
        return self.scan.period_s if point.scan is None else self.scan.classes[point.scan]

    def machine_problems(self) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """What of `machine` does not go with the points: (key, problem, remedy) of each."""
        if self.machine is None:
            return
        if self.kind is not Kind.MACHINE:
            yield ("machine",), f"a {self.kind.value} is no machine", "delete the table"
        along, active = self.machine.along, self.machine.active
        points = {point.name: point for point in self.point}
        named: list[tuple[tuple[str, ...], str]] = []
        named += [(("machine", "along"), along)] if along else []
        named += [(("machine", "active", "point"), active.point)] if active else []
        for key, name in named:
            if name not in points:
                yield key, f"there is no point {name!r}", suggest(name, points)
        if along in points and not (points[along].is_number and points[along].unit == "m"):
            yield ("machine", "along"), f"{along} is no number in m", "name one that is"
        if active and active.point in points:
            yield from _condition_problems(active, points[active.point])


def _condition_problems(
    active: ActivePoint, point: Point
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    value = active.equals if active.equals is not None else active.unlike
    if active.is_of_numbers != point.is_number:
        remedy = "use above or below" if point.is_number else "use equals or unlike"
        words = "a number" if point.is_number else "no number"
        yield ("machine", "active"), f"{point.name} is {words}", remedy
    elif value is not None:
        try:
            point.check_value(value)
        except ValueError as error:
            yield ("machine", "active"), f"{point.name}: {error}", ""


def refuse_numbers_keys(point: Point, kind: str) -> None:
    """Raises ValueError when a point whose values are of `kind`, no numbers, has keys for such."""
    if point.states or point.range or (point.scale, point.offset) != (1.0, 0.0):
        msg = f"states, scale, offset and range go with numbers, not with type {kind!r}"
        raise ValueError(msg)


def refuse_twice(what: str, names: Sequence[str]) -> None:
    """Raises ValueError when a name stands twice; `what` is of several, such as `points`."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"two {what} have the name {', '.join(twice)}"
        raise ValueError(msg)
