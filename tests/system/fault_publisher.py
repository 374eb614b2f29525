"""Devices that publish to a broker: JSON and Sparkplug B, right and wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiomqtt

from tests.protocols.sparkplug_messages import payload
from tests.system.fault_plant import ended
from tests.system.fault_values import POISON, number_of

POINTS = 10
PERIOD_S = 0.2
HOUR_S = 3600.0


@dataclass(frozen=True)
class Message:
    """What is published; None: nothing is."""

    topic: str
    payload: bytes
    retain: bool = False


Make = Callable[["Device", float], Sequence[Message]]


class Device:
    """What a device publishes each period, and once its connection is made."""

    def __init__(self, name: str, number: int, make: Make, birth: Make | None = None) -> None:
        self.name = name
        self.number = number
        self.usual = self.make = make
        self.birth = birth
        self.sequence = 0
        #: How far its clock is ahead, and since when it goes a fifth too fast.
        self.ahead_s = 0.0
        self.fast_since_s: float | None = None

    def numbers(self, now_s: float) -> list[int]:
        """The values of all points."""
        return [number_of(self.number, point, now_s) for point in range(POINTS)]

    def clock_s(self, now_s: float) -> float:
        """What its own clock shows."""
        fast_s = 0.0 if self.fast_since_s is None else 0.2 * (now_s - self.fast_since_s)
        return now_s + self.ahead_s + fast_s

    def next_sequence(self) -> int:
        """The number of the next message of an edge node."""
        self.sequence = (self.sequence + 1) % 256
        return self.sequence


class Publisher:
    """One connection for all devices of a broker, made anew when it ends."""

    def __init__(self, port: int, devices: Sequence[Device]) -> None:
        self._port = port
        self._devices = devices
        self._now: aiomqtt.Client | None = None
        self.ending = False

    async def run(self) -> None:
        """Runs until cancelled."""
        # The library's goodbye may fail when this is cancelled, and then hides that it was.
        while not self.ending:
            with suppress(aiomqtt.MqttError, TimeoutError):
                async with aiomqtt.Client("127.0.0.1", self._port, timeout=5.0) as client:
                    await self._publish(client)
            await asyncio.sleep(PERIOD_S)

    async def _publish(self, client: aiomqtt.Client) -> None:
        self._now = client
        for device in self._devices:
            if device.birth is not None:
                await self._say(client, device.birth(device, time.time()))
        while True:
            for device in self._devices:
                await self._say(client, device.make(device, time.time()))
            await asyncio.sleep(PERIOD_S)

    async def publish(self, message: Message) -> None:
        """Publishes something beside what is published."""
        assert self._now is not None
        await self._say(self._now, [message])

    async def _say(self, client: aiomqtt.Client, messages: Sequence[Message]) -> None:
        for one in messages:
            await client.publish(one.topic, one.payload, qos=0, retain=one.retain)


@asynccontextmanager
async def publishing(port: int, devices: Sequence[Device]) -> AsyncIterator[Publisher]:
    """A publisher for the length of a `with`."""
    made = Publisher(port, devices)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        made.ending = True
        await ended(task)


def nothing(_device: Device, _now_s: float) -> list[Message]:
    """A device that is dead."""
    return []


def wrong_bytes(data: bytes) -> Callable[[Make], Make]:
    """The same messages with other bytes."""
    return lambda make: (
        lambda device, now_s: [Message(one.topic, data) for one in make(device, now_s)]
    )


def cut_short(make: Make) -> Make:
    """Messages of which the last third is missing."""
    return lambda device, now_s: [
        Message(one.topic, one.payload[: len(one.payload) * 2 // 3]) for one in make(device, now_s)
    ]


def elsewhere(make: Make) -> Make:
    """Messages of another device."""
    return lambda device, now_s: [
        Message(f"{one.topic}-other", one.payload) for one in make(device, now_s)
    ]


# JSON.


def _json(device: Device, values: Sequence[Any], now_s: float) -> list[Message]:
    document = {"ts": round(device.clock_s(now_s) * 1000), "v": values}
    return [Message(f"mine/{device.name}", json.dumps(document).encode())]


def json_values(device: Device, now_s: float) -> list[Message]:
    """All points."""
    return _json(device, device.numbers(now_s), now_s)


def json_one_wrong(device: Device, now_s: float) -> list[Message]:
    """One point has no number."""
    numbers: list[Any] = device.numbers(now_s)
    return _json(device, [*numbers[:3], "n/a", *numbers[4:]], now_s)


def json_all_wrong(device: Device, now_s: float) -> list[Message]:
    """No point has one."""
    return _json(device, ["n/a"] * POINTS, now_s)


def json_old(device: Device, now_s: float) -> Message:
    """Values of long ago that the broker is to keep; numbers that no device has."""
    poison = int.from_bytes(bytes([POISON]) * 4, "big")
    document = {"ts": round((now_s - HOUR_S) * 1000), "v": [poison] * POINTS}
    return Message(f"mine/{device.name}", json.dumps(document).encode(), retain=True)


def json_ranges(device: Device, now_s: float) -> list[Message]:
    """Records of a reader."""
    clock_s = device.clock_s(now_s)
    record = {"t": int(clock_s * 1e6), "card": "14010000000100001", "anchor": "A001", "mm": 5000}
    document = {"sent": round(clock_s * 1000), "records": [record]}
    return [Message(f"mine/{device.name}/ranges", json.dumps(document).encode())]


# Sparkplug B: each device is an edge node.


def _topic(kind: str, device: Device) -> str:
    return f"spBv1.0/mine/{kind}/{device.name}"


def _metrics(numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [{"name": f"v{n}", "double": float(number)} for n, number in enumerate(numbers)]


def _spb(
    device: Device, kind: str, metrics: Sequence[dict[str, Any]], now_s: float, skip: int = 0
) -> list[Message]:
    for _ in range(skip):
        device.next_sequence()
    data = payload(device.next_sequence(), *metrics, timestamp=round(device.clock_s(now_s) * 1000))
    return [Message(_topic(kind, device), data)]


def spb_birth(device: Device, now_s: float) -> list[Message]:
    """The node is there, with all its metrics."""
    device.sequence = 255
    return _spb(device, "NBIRTH", _metrics(device.numbers(now_s)), now_s)


def spb_death(device: Device) -> Message:
    """What the broker says of a node that is gone."""
    return Message(_topic("NDEATH", device), payload(None))


def spb_values(device: Device, now_s: float) -> list[Message]:
    """All metrics."""
    return _spb(device, "NDATA", _metrics(device.numbers(now_s)), now_s)


def spb_gaps(device: Device, now_s: float) -> list[Message]:
    """The same with numbers of which three are missing each time."""
    return _spb(device, "NDATA", _metrics(device.numbers(now_s)), now_s, skip=3)


def spb_one_wrong(device: Device, now_s: float) -> list[Message]:
    """One metric is not what the birth says."""
    metrics = _metrics(device.numbers(now_s))
    metrics[3] = {"name": "v3", "string": "n/a"}
    return _spb(device, "NDATA", metrics, now_s)


def spb_all_wrong(device: Device, now_s: float) -> list[Message]:
    """No metric is."""
    metrics = [{"name": f"v{n}", "string": "n/a"} for n in range(POINTS)]
    return _spb(device, "NDATA", metrics, now_s)


def spb_old(device: Device, now_s: float) -> Message:
    """A birth of long ago that the broker is to keep, with numbers that no device has."""
    poison = int.from_bytes(bytes([POISON]) * 4, "big")
    data = payload(0, *_metrics([poison] * POINTS), timestamp=round((now_s - HOUR_S) * 1000))
    return Message(_topic("NBIRTH", device), data, retain=True)
