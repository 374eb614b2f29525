"""Reads a device over Modbus TCP."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import Field

from equipment.modbus_profile import ModbusProfile
from equipment.profile import Profile
from equipment.report import NoticeKind, RecordBatch
from protocols.driver import DeviceError, Driver, DriverOptions, Sink
from protocols.losses import Losses
from protocols.modbus.line import Line
from protocols.modbus.points import Answer, PointReader, Scan
from protocols.modbus.refusal import Refused
from protocols.modbus.ring import Poll, RingReader

#: Cycles in a row that may give nothing before the session ends: a device may be busy for a moment.
EMPTY_CYCLES_MOST: Final = 3

#: Polls of a ring in one cycle: about what the largest ring holds, then points have their turn.
POLLS_MOST: Final = 16

#: A reader's points tell of its own health: once in so many seconds is enough beside its records.
READER_POINTS_S: Final = 1.0


class ModbusOptions(DriverOptions):
    """The keys of a `[[device]]` that speaks Modbus TCP."""

    address_keys: ClassVar = ("host", "port", "unit")

    host: str = Field(min_length=1)
    port: int = Field(default=502, ge=1, le=65535)
    unit: int = Field(default=1, ge=0, le=255)
    #: How long the connection and each answer may take.
    timeout_s: float = Field(default=1.0, gt=0, le=60)


class ModbusDriver:
    """Reads a device's points and ring each period; only ever reads, one request at a time.

    Where a ring's reading stands, which losses are not yet told, and which reads the device has
    refused belong to the driver: they outlive a session.
    """

    Options = ModbusOptions

    def __init__(self, device: str, profile: Profile, options: ModbusOptions) -> None:
        assert isinstance(profile, ModbusProfile)
        self._device = device
        self._options = options
        self._period_s = profile.scan.period_s
        self._points = PointReader(device, profile.point, profile.gap) if profile.point else None
        self._ring = RingReader(profile.ring) if profile.ring else None
        self._points_s = READER_POINTS_S if profile.ring else 0.0
        self._losses = Losses()

    def describe(self) -> str:
        """Such as `modbus tcp 10.0.0.5:502 unit 1`."""
        return f"modbus tcp {self._options.host}:{self._options.port} unit {self._options.unit}"

    async def session(self, sink: Sink) -> None:
        """See `Driver.session`."""
        options = self._options
        line = Line(self.describe(), options.host, options.port, options.unit, options.timeout_s)
        try:
            await line.connect()
            if self._points:
                self._points.wake()
            await self._cycles(line, sink)
        finally:
            line.close()

    async def _cycles(self, line: Line, sink: Sink) -> None:
        loop = asyncio.get_running_loop()
        due_s = points_due_s = loop.time()
        empty = 0
        while True:
            failure = await self._drain(line, sink)
            self._tell_losses(sink, loop.time())
            if failure is None and self._points and loop.time() >= points_due_s:
                failure = await self._scan(self._points, line, sink)
                points_due_s = due_s + self._points_s
            empty = empty + 1 if failure else 0
            if failure and empty >= EMPTY_CYCLES_MOST:
                raise DeviceError(f"{self.describe()}: {failure}")
            # The schedule has no drift; cycles that were missed are left out, not caught up.
            late_s = loop.time() - due_s
            due_s += self._period_s * max(1, late_s // self._period_s)
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def _scan(self, points: PointReader, line: Line, sink: Sink) -> str | None:
        """Reads all points once. Returns why the device gives nothing; a reader has its records."""
        scan = await _run(points, line, sink)
        for count, text in scan.news:
            sink.notice(NoticeKind.DATA_REFUSED, count, text)
        if scan.failure and self._ring is None:
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
            answer = await line.read(read)
            if isinstance(answer, Refused):
                return answer
            sink.heard()
            try:
                read = steps.send(answer)
            except StopIteration as stop:
                poll: Poll = stop.value
                return poll

    def _tell_losses(self, sink: Sink, now_s: float) -> None:
        for loss in self._losses.due(now_s):
            sink.notice(NoticeKind.DATA_LOST, loss.count, f"records lost: {loss.reason}")


async def _run(points: PointReader, line: Line, sink: Sink) -> Scan:
    steps = points.scan(time.time_ns())
    try:
        read = next(steps)
        while True:
            data = await line.read(read)
            if not isinstance(data, Refused):
                sink.heard()
            read = steps.send(Answer(data, time.time_ns()))
    except StopIteration as stop:
        scan: Scan = stop.value
        return scan


if TYPE_CHECKING:

    def _is_driver(driver: ModbusDriver) -> Driver:
        return driver
