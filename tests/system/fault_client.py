"""A gRPC client that keeps what a gateway tells, and judges every value."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import grpc

from lamproom.v1 import equipment_pb2, equipment_pb2_grpc, event_pb2, event_pb2_grpc
from tests.system.fault_values import Truth

#: How often `ListDevices` is asked.
ASK_S = 0.1

_NOTICES = {
    event_pb2.EVENT_KIND_DATA_LOST: "lost",
    event_pb2.EVENT_KIND_DATA_REFUSED: "refused",
}
_CHANGES = {
    event_pb2.EVENT_KIND_ALARM_RAISED: "raised",
    event_pb2.EVENT_KIND_ALARM_CLEARED: "cleared",
}


class Client:
    """What was told until now."""

    def __init__(self, channel: grpc.aio.Channel, numbers: Mapping[str, int]) -> None:
        """`numbers`: see `Truth`."""
        self._equipment = equipment_pb2_grpc.EquipmentServiceStub(channel)
        self._events = event_pb2_grpc.EventServiceStub(channel)
        self.truth = Truth(numbers)
        self.health: dict[str, equipment_pb2.DeviceHealth] = {}
        #: How often of each device: `lost`, `refused`, `device_down raised` and so on.
        self.told: defaultdict[str, Counter[str]] = defaultdict(Counter)
        #: When something good of a device last came, and the longest time without, seconds.
        self._good_s: dict[str, float] = {}
        self.gap_s: dict[str, float] = {}
        self.changed = asyncio.Event()

    async def watch_equipment(self) -> None:
        """Runs until cancelled."""
        async for answer in self._equipment.WatchEquipment(equipment_pb2.WatchEquipmentRequest()):
            device = answer.equipment
            judged = self.truth.judged
            for value in device.values:
                self.truth.judge(device.device_id, value)
            if self.truth.judged > judged:
                self._note_good(device.device_id)
            self.changed.set()

    def _note_good(self, device: str) -> None:
        now_s = time.monotonic()
        gap_s = now_s - self._good_s.get(device, now_s)
        self.gap_s[device] = max(gap_s, self.gap_s.get(device, 0.0))
        self._good_s[device] = now_s

    async def watch_events(self) -> None:
        """Runs until cancelled."""
        async for answer in self._events.WatchEvents(event_pb2.WatchEventsRequest(sequence=1)):
            event = answer.event
            if event.kind in _NOTICES:
                self.told[event.device_id][_NOTICES[event.kind]] += 1
            elif event.kind in _CHANGES:
                self.told[event.device_id][f"{event.alarm.rule} {_CHANGES[event.kind]}"] += 1
            self.changed.set()

    async def watch_devices(self) -> None:
        """Runs until cancelled."""
        while True:
            answer = await self._equipment.ListDevices(equipment_pb2.ListDevicesRequest())
            self.health = {device.device_id: device for device in answer.devices}
            self.changed.set()
            await asyncio.sleep(ASK_S)

    async def until(self, condition: Callable[[], object], within_s: float) -> bool:
        """Whether `condition()` has come true within so long; looks when something was told."""
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def client(port: int, numbers: Mapping[str, int]) -> AsyncIterator[Client]:
    """A client that watches; what goes wrong with that is raised at the end."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        made = Client(channel, numbers)
        watching = (made.watch_equipment(), made.watch_events(), made.watch_devices())
        tasks = [asyncio.create_task(one) for one in watching]
        try:
            yield made
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
