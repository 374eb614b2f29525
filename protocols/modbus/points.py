"""Reads a device's points, block by block, around those that it refuses. Pure.

What to read comes out of a generator and the answer goes in, so that the same steps run over a
socket and in a test.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Final, NamedTuple

from equipment.modbus_profile import ModbusPoint
from equipment.report import Quality, Sample, Value
from protocols.modbus.codec import BlockLayout, Registers
from protocols.modbus.plan import Block, Read, plan, split
from protocols.modbus.refusal import FOR_SIZE, Refused

#: After so long a refused point is asked for again: a device that gives it once more must be heard
#: within 15 s, but asking each time would cost a read for each such point.
REST_S: Final = 10.0

NOT_TEXT: Final = "what it gives is not text"


class Answer(NamedTuple):
    """What came for a read, and when (nanoseconds since the Unix epoch)."""

    data: Registers | Refused
    t_ns: int


Steps = Generator[Read, Answer, "Scan"]


class Scan(NamedTuple):
    """What one scan gave.

    `samples` has one of every point. `failure` is one of the refusals where all was refused.
    `news` are points that the device will not give, each told when that begins: how many, why.
    """

    samples: tuple[Sample, ...]
    news: tuple[tuple[int, str], ...]
    failure: Refused | None


class _Part:
    """A block with its layout; where it was refused for good, why, and how long it rests."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.layout = BlockLayout(block)
        self.refusal: Refused | None = None
        self.rests = 0
        #: How raw values become plain numbers, which most are; the scale is 0 where they don't.
        self._forms = [
            (
                point,
                point.name,
                point.scale if point.is_number else 0.0,
                point.offset,
                *point.bounds,
            )
            for point in block.points
        ]

    def samples(self, device: str, data: Registers, t_ns: int) -> list[Sample]:
        """What `data` says of each point."""
        raws: list[Any] = self.layout.values(data)
        new, good = tuple.__new__, Quality.GOOD
        # What is good to `judge`, without its detours: of each value that is read.
        return [
            new(Sample, (device, name, value, good, "", None, t_ns))
            if scale and lowest <= (value := raw * scale + offset) <= highest
            else _judged(device, point, raw, t_ns)
            for (point, name, scale, offset, lowest, highest), raw in zip(
                self._forms, raws, strict=True
            )
        ]


def _judged(device: str, point: ModbusPoint, raw: Value | None, t_ns: int) -> Sample:
    judged = (None, Quality.BAD, NOT_TEXT) if raw is None else point.judge(raw)
    return Sample(device, point.name, *judged, None, t_ns)


class PointReader:
    """How a device's points are read; what it has refused is remembered for the next scans."""

    def __init__(
        self, device: str, points: Iterable[ModbusPoint], gap: int, period_s: float = 1.0
    ) -> None:
        """`period_s`: how long it is from one scan to the next."""
        self._device = device
        self._resting_scans = max(1, int(REST_S / period_s))
        self._parts = [_Part(block) for block in plan(points, gap)]
        self._told: set[str] = set()
        #: What a scan has read that is under way, or broke off.
        self.gathered: list[Sample] = []

    @property
    def reads(self) -> tuple[Read, ...]:
        """The reads of a scan as it stands now."""
        return tuple(part.block.read for part in self._parts)

    def wake(self) -> None:
        """Asks again for all that was refused: the device may be another one now."""
        for part in self._parts:
            part.rests = 0

    def scan(self, t_ns: int) -> Steps:
        """Yields what to read, takes the answers, returns the samples. `t_ns` is the time now."""
        samples: list[Sample] = []
        self.gathered = samples
        failure: Refused | None = None
        anything = False
        waiting = deque(self._parts)
        done: list[_Part] = []
        while waiting:
            part = waiting.popleft()
            if part.rests:
                part.rests -= 1
            else:
                answer = yield part.block.read
                t_ns = answer.t_ns
                if not isinstance(answer.data, Refused):
                    if part.refusal is not None:
                        self._told.difference_update(point.name for point in part.block.points)
                    part.refusal, anything = None, True
                    samples += part.samples(self._device, answer.data, t_ns)
                    done.append(part)
                    continue
                smaller = split(part.block) if answer.data.code in FOR_SIZE else ()
                if smaller:
                    waiting.extendleft(_Part(block) for block in reversed(smaller))
                    continue
                part.refusal = answer.data
                part.rests = self._resting_scans if answer.data.lasting else 0
            failure = failure or part.refusal
            samples += self._refused(part, t_ns)
            done.append(part)
        # Else thousands of values would live on until the next scan.
        self._parts, self.gathered = done, []
        news = tuple(self._news(done)) if failure else ()
        return Scan(tuple(samples), news, None if anything else failure)

    def _refused(self, part: _Part, t_ns: int) -> list[Sample]:
        reason = str(part.refusal)
        return [
            Sample(self._device, point.name, None, Quality.BAD, reason, None, t_ns)
            for point in part.block.points
        ]

    def _news(self, parts: Iterable[_Part]) -> Iterator[tuple[int, str]]:
        for part in parts:
            if part.refusal is None or not part.refusal.lasting:
                continue
            names = [point.name for point in part.block.points if point.name not in self._told]
            if names:
                self._told.update(names)
                yield len(names), f"{', '.join(names)}: {part.refusal}; {part.refusal.remedy}"
