"""Which tags are asked for together, and what the answers say of each point. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from equipment.ethernetip_profile import EthernetIpPoint
from equipment.logix_tag import LogixTag, parse_tag
from equipment.report import Quality, Sample, Value
from equipment.strict import has_unprintable
from protocols.ethernetip import cip
from protocols.ethernetip.refusal import TOO_LONG, tag_refused

#: Bytes of a merged request, and of its answer, beside the parts: services, path, statuses, count,
#: and the sequence that goes before.
_AROUND_BYTES: Final = 16
#: Bytes of a part, beside itself: where it begins; and in an answer, service and status.
_AHEAD_BYTES: Final = 2
_STATUS_BYTES: Final = 4
#: Bytes of a value with its type: of the widest number, and of a STRING of the usual length.
_NUMBER_BYTES: Final = 10
_TEXT_BYTES: Final = 92

#: Elements of an array of BOOL that lie in one word.
_BOOLS: Final = 32

#: The Identity object's status (CIP Volume 1, chapter 5): bits 4 to 7 are what the controller
#: does, of which 7 is "idle"; bits 10 and 11 are major faults.
_IDLE: Final = 7
_FAULTS: Final = 0x0C00


@dataclass(frozen=True, slots=True)
class _Taker:
    """How a point's raw value is taken from an answer; `bit` of a whole number or of a word."""

    point: EthernetIpPoint
    bit: int | None
    take: Callable[[bytes], Value | None]
    what: str


@dataclass(slots=True)
class _Tag:
    """One request and the points that its answer is for."""

    request: bytes
    takers: list[_Taker] = field(default_factory=list)
    #: It was too long beside others, and is asked for by itself.
    alone: bool = False

    @property
    def answer_bytes(self) -> int:
        is_text = any(taker.point.type == "text" for taker in self.takers)
        return _TEXT_BYTES if is_text else _NUMBER_BYTES


@dataclass(frozen=True, slots=True)
class Group:
    """Tags that are asked for in one request, after the controller's own state."""

    tags: tuple[_Tag, ...]

    @property
    def requests(self) -> list[bytes]:
        """What is asked, in order."""
        return [cip.READ_STATUS, *(tag.request for tag in self.tags)]


class Taken(NamedTuple):
    """The samples of an answer, and whether the controller gave any of what was asked for."""

    samples: list[Sample]
    gave: bool


class TagReader:
    """How a device's points are read; what was refused is remembered."""

    def __init__(self, device: str, points: Iterable[EthernetIpPoint]) -> None:
        self._device = device
        tags: dict[bytes, _Tag] = {}
        for point in points:
            request, taker = _plan(point)
            tags.setdefault(request, _Tag(request)).takers.append(taker)
        self._tags = tuple(tags.values())
        self._told: set[str] = set()
        self._news: dict[str, str] = {}

    def groups(self, size: int) -> Iterator[Group]:
        """What is asked together, where requests and answers have at most `size` bytes."""
        group: list[_Tag] = []
        asked = answered = _AROUND_BYTES + len(cip.READ_STATUS)
        begun = asked
        for tag in self._tags:
            ask = _AHEAD_BYTES + len(tag.request)
            answer = _AHEAD_BYTES + _STATUS_BYTES + tag.answer_bytes
            full = asked + ask > size or answered + answer > size
            if group and (full or tag.alone or group[-1].alone):
                yield Group(tuple(group))
                group, asked, answered = [], begun, begun
            group.append(tag)
            asked, answered = asked + ask, answered + answer
        if group:
            yield Group(tuple(group))

    def take(self, group: Group, parts: list[cip.Part], t_ns: int) -> Taken:
        """What the answers say of a group's points. Raises NonsenseError where one can't be."""
        doubt = _doubt(parts[0])
        samples: list[Sample] = []
        gave = False
        for tag, part in zip(group.tags, parts[1:], strict=True):
            if part.service != cip.READ_TAG[0]:
                msg = "an answer to something else"
                raise cip.NonsenseError(msg)
            if part.status in TOO_LONG and len(group.tags) > 1:
                tag.alone = True
            for taker in tag.takers:
                raw = taker.take(part.data) if part.status == 0 else None
                gave = gave or raw is not None
                samples.append(self._sample(taker, raw, part, doubt, t_ns))
        return Taken(samples, gave)

    def news(self) -> Iterator[tuple[int, str]]:
        """Points that the controller does not give, each told once: how many, why."""
        names: dict[str, list[str]] = {}
        for name, reason in self._news.items():
            names.setdefault(reason, []).append(name)
        self._news.clear()
        for reason, those in names.items():
            yield len(those), f"{', '.join(those)}: {reason}"

    def _sample(
        self, taker: _Taker, raw: Value | None, part: cip.Part, doubt: str, t_ns: int
    ) -> Sample:
        name = taker.point.name
        if raw is None:
            reason = _why(taker, part)
            if name not in self._told:
                self._told.add(name)
                self._news[name] = reason
            return Sample(self._device, name, None, Quality.BAD, reason, None, t_ns)
        self._told.discard(name)
        value, quality, reason = taker.point.judge(raw)
        if doubt and quality is Quality.GOOD:
            quality, reason = Quality.UNCERTAIN, doubt
        return Sample(self._device, name, value, quality, reason, None, t_ns)


def _plan(point: EthernetIpPoint) -> tuple[bytes, _Taker]:
    """What is asked for a point, and how its value is taken from the answer."""
    tag = parse_tag(point.tag)
    if point.type == "number":
        return cip.read_tag(tag), _Taker(point, None, cip.number_of, "number")
    if point.type == "text":
        return cip.read_tag(tag), _Taker(point, None, _plain_text, "text")
    if tag.bit is not None:
        return cip.read_tag(tag), _bit_taker(point, tag.bit, cip.bit_of)
    name, indices = tag.parts[-1]
    if len(indices) == 1:
        # An array of BOOL lies in words, which is how the controller counts it.
        word, bit = divmod(indices[0], _BOOLS)
        of_words = LogixTag((*tag.parts[:-1], (name, (word,))))
        return cip.read_tag(of_words), _bit_taker(point, bit, _element_of)
    return cip.read_tag(tag), _Taker(point, None, cip.bool_of, "BOOL")


def _bit_taker(
    point: EthernetIpPoint, bit: int, take: Callable[[bytes, int], bool | None]
) -> _Taker:
    what = f"whole number with a bit {bit}" if take is cip.bit_of else "array of BOOL"
    return _Taker(point, bit, lambda data: take(data, bit), what)


def _element_of(data: bytes, bit: int) -> bool | None:
    return cip.bit_of(data, bit) if cip.type_of(data) == cip.DWORD else None


def _plain_text(data: bytes) -> str | None:
    text = cip.text_of(data)
    return None if text is None or has_unprintable(text) else text


def _why(taker: _Taker, part: cip.Part) -> str:
    if part.status:
        return tag_refused(part.status, part.extended)
    found = cip.type_name(cip.type_of(part.data))
    return f"the controller's tag is {found}, and no {taker.what}: compare type with its program"


def _doubt(status: cip.Part) -> str:
    """Why values may be old though they are given; empty where the controller works."""
    if status.status or len(status.data) != 2:
        return ""  # It does not say.
    word = int.from_bytes(status.data, "little")
    if word & _FAULTS:
        return "the controller has a major fault: its program does not run"
    if word >> 4 & 0xF == _IDLE:
        return "the controller is in program mode: its program does not run"
    return ""
