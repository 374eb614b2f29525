"""Reads a machine's Logix controller over EtherNet/IP."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from equipment.ethernetip_profile import EthernetIpPoint, EthernetIpProfile
from equipment.profile import Profile
from equipment.report import NoticeKind
from protocols.driver import DeviceError, Driver, Sink
from protocols.ethernetip import cip
from protocols.ethernetip.controller import Controller
from protocols.ethernetip.options import EthernetIpOptions
from protocols.ethernetip.tags import TagReader
from protocols.schedule import duties_of, next_duty

#: Cycles in a row that may give nothing before the session ends: a program may just be loaded.
EMPTY_CYCLES_MOST: Final = 3

#: A controller ends a connection on which nothing comes for 120 s, as it is set when delivered.
IDLE_MOST_S: Final = 30.0


class EthernetIpDriver:
    """Reads a controller's tags each period; only ever reads, one request at a time.

    Which tags the controller has refused belongs to the driver: it outlives a session.
    """

    Options = EthernetIpOptions

    def __init__(self, device: str, profile: Profile, options: EthernetIpOptions) -> None:
        assert isinstance(profile, EthernetIpProfile)
        self._device = device
        self._options = options
        by_period: defaultdict[float, list[EthernetIpPoint]] = defaultdict(list)
        for point in profile.point:
            by_period[profile.period_s(point)].append(point)
        self._readers = {s: TagReader(device, points) for s, points in sorted(by_period.items())}

    def describe(self) -> str:
        """Such as `ethernetip 10.0.0.5:44818 slot 0`."""
        return self._options.describe()

    async def session(self, sink: Sink) -> None:
        """See `Driver.session`."""
        controller = Controller(self._options)
        try:
            await controller.open()
            await self._cycles(controller, sink)
        except DeviceError as error:
            msg = f"{self.describe()}: {error}"
            raise DeviceError(msg) from error
        finally:
            await controller.close()

    async def _cycles(self, controller: Controller, sink: Sink) -> None:
        loop = asyncio.get_running_loop()
        duties = duties_of(self._device, loop.time(), self._readers.items())
        while True:
            duty = next_duty(duties)
            await self._rest(duty.due_s, controller, sink)
            failure = await self._scan(duty.part, controller, sink)
            for count, text in duty.part.news():
                sink.notice(NoticeKind.DATA_REFUSED, count, text)
            if not failure:
                duty.gave_s = loop.time()
            duty.failures = duty.failures + 1 if failure and duty.gave_last(duties) else 0
            if duty.failures >= EMPTY_CYCLES_MOST:
                msg = f"it gives nothing that is asked for; {failure}"
                raise DeviceError(msg)
            duty.next(loop.time())

    async def _rest(self, until_s: float, controller: Controller, sink: Sink) -> None:
        """Waits, and shows the controller now and then that its client is there."""
        loop = asyncio.get_running_loop()
        while (left_s := until_s - loop.time()) > IDLE_MOST_S:
            await asyncio.sleep(min(IDLE_MOST_S, left_s))
            await self._asked([cip.READ_STATUS], controller, sink)
        await asyncio.sleep(max(0.0, left_s))

    async def _scan(self, reader: TagReader, controller: Controller, sink: Sink) -> str:
        """Reads all points of `reader`. Returns why the controller gives none, empty if it does."""
        failure, gave = "", False
        for group in list(reader.groups(controller.size)):
            parts = await self._asked(group.requests, controller, sink)
            try:
                taken = reader.take(group, parts, time.time_ns())
            except cip.NonsenseError as error:
                msg = f"its answer makes no sense ({error}): check that it is a Logix controller"
                raise DeviceError(msg) from error
            sink.samples(taken.samples, live=taken.gave)
            gave = gave or taken.gave
            failure = failure or taken.samples[0].reason
        return "" if gave else failure

    async def _asked(
        self, requests: Sequence[bytes], controller: Controller, sink: Sink
    ) -> list[cip.Part]:
        asked_s = time.perf_counter()
        parts = await controller.ask(requests)
        sink.answered(time.perf_counter() - asked_s)
        return parts


if TYPE_CHECKING:

    def _is_driver(driver: EthernetIpDriver) -> Driver:
        return driver
