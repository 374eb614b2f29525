"""Reads a device over Modbus."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from equipment.modbus_profile import ModbusPoint, ModbusProfile
from equipment.profile import Profile
from equipment.report import NoticeKind, RecordBatch
from protocols.driver import DeviceError, Driver, Pool, Sharing, Sink
from protocols.losses import Losses
from protocols.modbus.bus import Bus
from protocols.modbus.codec import Registers
from protocols.modbus.line import Line, OwnLine
from protocols.modbus.options import ModbusOptions
from protocols.modbus.plan import Read
from protocols.modbus.points import Answer, PointReader, Scan
from protocols.modbus.refusal import Refused
from protocols.modbus.ring import Poll, RingReader
from protocols.schedule import Duty, duties_of, next_duty

#: Cycles in a row that may give nothing before the session ends: a device may be busy for a moment.
EMPTY_CYCLES_MOST: Final = 3

#: Polls of a ring in one cycle: about what the largest ring holds, then points have their turn.
POLLS_MOST: Final = 16

#: A reader's points tell of its own health: once in so many seconds is enough beside its records.
READER_POINTS_S: Final = 1.0

#: Of points of one scan class, or of the ring (None).
_Duty: TypeAlias = Duty[PointReader | None]


class ModbusDriver:
    """Reads a device's points and ring each period; only ever reads, one request at a time.

    Where a ring's reading stands, which losses are not yet told, and which reads the device has
    refused belong to the driver: they outlive a session. So does the bus of a device that shares
    its connection; `share` puts the driver on the same one as the others of its gateway.
    """

    Options = ModbusOptions

    def __init__(self, device: str, profile: Profile, options: ModbusOptions) -> None:
        assert isinstance(profile, ModbusProfile)
        self._device = device
        self._options = options
        self._ring = RingReader(profile.ring) if profile.ring else None
        self._period_s = profile.scan.period_s
        self._points = _readers(device, profile)
        self._losses = Losses()
        self._bus = Bus(options.endpoint) if options.shared else None

    def describe(self) -> str:
        """Such as `modbus tcp 10.0.0.5:502 unit 1`."""
        return self._options.describe()

    def share(self, pool: Pool) -> None:
        """See `Sharing`."""
        if self._bus is not None:
            endpoint = self._options.endpoint
            self._bus = pool.get(endpoint, lambda: Bus(endpoint))

    def _line(self) -> Line:
        options = self._options
        if self._bus is not None:
            return self._bus.line(self.describe(), options.unit, options.timeout_s)
        return OwnLine(self.describe(), options.endpoint, options.unit, options.timeout_s)

    async def session(self, sink: Sink) -> None:
        """See `Driver.session`."""
        line = self._line()
        try:
            await line.connect()
            for points in self._points.values():
                points.wake()
            await self._cycles(line, sink)
        finally:
            line.close()

    async def _cycles(self, line: Line, sink: Sink) -> None:
        loop = asyncio.get_running_loop()
        # The ring first: it overflows, points do not.
        ring: list[tuple[float, PointReader | None]] = [(self._period_s, None)]
        parts = [*(ring if self._ring else ()), *sorted(self._points.items())]
        duties: Sequence[_Duty] = duties_of(self._device, loop.time(), parts)
        while True:
            duty = next_duty(duties)
            await asyncio.sleep(max(0.0, duty.due_s - loop.time()))
            if duty.part is not None and self._ring and duties[0].failures:
                # A reader that does not give its records is not made heard by its points.
                failure = None
            elif duty.part is None:
                failure = await self._drain(line, sink)
                self._tell_losses(sink, loop.time())
            else:
                failure = await self._scan(duty, duties, line, sink)
            duty.failures = duty.failures + 1 if failure else 0
            if duty.failures >= EMPTY_CYCLES_MOST:
                raise DeviceError(f"{self.describe()}: {failure}")
            duty.next(loop.time())

    async def _scan(
        self, duty: _Duty, duties: Sequence[_Duty], line: Line, sink: Sink
    ) -> str | None:
        """Reads the points of a duty. Returns why the device gives nothing.

        A reader has its records; and what refuses all of one scan class may give others.
        """
        points = duty.part
        assert points is not None
        try:
            scan = await _run(points, line, sink)
        except DeviceError:
            # What other blocks gave before is as right as ever.
            if points.gathered:
                sink.samples(points.gathered)
            raise
        for count, text in scan.news:
            sink.notice(NoticeKind.DATA_REFUSED, count, text)
        if scan.failure is None:
            duty.gave_s = asyncio.get_running_loop().time()
        elif self._ring is None and duty.gave_last(duties):
            return f"{scan.failure}; {scan.failure.remedy}"
        sink.samples(scan.samples)
        return None

    async def _drain(self, line: Line, sink: Sink) -> str | None:
        """Reads what is new in the ring. Returns why that could not be done."""
        if self._ring is None:
            return None
        for _ in range(POLLS_MOST):
            poll = await self._poll(self._ring, line, sink)
            if isinstance(poll, Refused):
                return f"{poll}; {poll.remedy}"
            self._losses.add(poll.losses)
            if len(poll.rows):
                columns = self._ring.layout.columns(poll.rows)
                now_ns = time.time_ns()
                sink.records(RecordBatch(self._device, columns, now_ns, poll.device_t_ns))
            if poll.unreadable:
                return (
                    "none of its new records has a right checksum and number; compare the "
                    "profile's [ring] with the device's register map"
                )
            if poll.caught_up:
                break
        return None

    async def _poll(self, ring: RingReader, line: Line, sink: Sink) -> Poll | Refused:
        steps = ring.poll()
        read = next(steps)
        while True:
            answer = await _ask(line, read, sink)
            if isinstance(answer, Refused):
                return answer
            try:
                read = steps.send(answer)
            except StopIteration as stop:
                poll: Poll = stop.value
                return poll

    def _tell_losses(self, sink: Sink, now_s: float) -> None:
        for loss in self._losses.due(now_s):
            sink.notice(NoticeKind.DATA_LOST, loss.count, f"records lost: {loss.reason}")


def _readers(device: str, profile: ModbusProfile) -> dict[float, PointReader]:
    """The points by how often they are read: each period has its own reads."""
    least_s = READER_POINTS_S if profile.ring else 0.0
    by_period: defaultdict[float, list[ModbusPoint]] = defaultdict(list)
    for point in profile.point:
        by_period[max(least_s, profile.period_s(point))].append(point)
    return {s: PointReader(device, points, profile.gap, s) for s, points in by_period.items()}


async def _run(points: PointReader, line: Line, sink: Sink) -> Scan:
    steps = points.scan(time.time_ns())
    try:
        read = next(steps)
        while True:
            data = await _ask(line, read, sink)
            read = steps.send(Answer(data, time.time_ns()))
    except StopIteration as stop:
        scan: Scan = stop.value
        return scan


async def _ask(line: Line, read: Read, sink: Sink) -> Registers | Refused:
    asked_s = time.perf_counter()
    answer = await line.read(read)
    sink.answered(time.perf_counter() - asked_s)
    if not isinstance(answer, Refused):
        sink.heard()
    return answer


if TYPE_CHECKING:

    def _is_driver(driver: ModbusDriver) -> Driver:
        return driver

    def _is_sharing(driver: ModbusDriver) -> Sharing:
        return driver
