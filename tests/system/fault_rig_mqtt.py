"""Devices that publish, with faults: mosquitto, on the far side of networks that fail."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt

from tests.protocols.mqtt_peer import UWB, Broker
from tests.support.ports import free_port
from tests.system import fault_publisher as said
from tests.system.fault_plant import (
    Act,
    Case,
    Plant,
    ended,
    hanging,
    machine_profile,
    resetting,
    setting,
    stopping,
)
from tests.system.fault_proxy import Proxy, proxy
from tests.system.fault_publisher import POINTS, Device, Make, Publisher, publishing

SILENCE_S = 2.0
_POINT = """
[[point]]
name = "v{n}"
meaning = { en = "value {n}", zh = "值{n}" }
"""


def _profile(head: str, place: str) -> str:
    # Places of JSON can't be repeated: each point is written.
    points = [_POINT.replace("{n}", str(n)) + place.replace("{n}", str(n)) for n in range(POINTS)]
    scan = f"period_s = 0.2\nsilence_s = {SILENCE_S}"
    return machine_profile("plant", "mqtt", head + "".join(points), scan)


@dataclass(frozen=True)
class Kind:
    """How devices of one payload format publish."""

    profile: str
    topic: str
    usual: Make
    birth: Make | None
    #: What a device publishes that has a fault of its own.
    wrong: Mapping[str, Make]
    old: Callable[[Device, float], said.Message]
    death: Callable[[Device], said.Message] | None = None
    #: Whether a reader shows what becomes of a wrong clock, which no machine over Sparkplug is.
    has_readers: bool = False


JSON = Kind(
    _profile('time = { pointer = "/ts", unit = "ms" }\n', 'pointer = "/v/{n}"\n'),
    "mine/{name}",
    said.json_values,
    None,
    {
        "dead": said.nothing,
        "short": said.cut_short(said.json_values),
        "id": said.elsewhere(said.json_values),
        "one_refused": said.json_one_wrong,
        "all_refused": said.json_all_wrong,
        "garbage": said.wrong_bytes(b"\xa5" * 64)(said.json_values),
    },
    said.json_old,
    has_readers=True,
)
SPARKPLUG = Kind(
    _profile('format = "sparkplug"\n', 'metric = "v{n}"\n'),
    "mine/{name}",
    said.spb_values,
    said.spb_birth,
    {
        "dead": said.nothing,
        "short": said.cut_short(said.spb_values),
        "id": said.spb_gaps,
        "one_refused": said.spb_one_wrong,
        "all_refused": said.spb_all_wrong,
        "garbage": said.wrong_bytes(b"\xa5" * 64)(said.spb_values),
    },
    said.spb_old,
    said.spb_death,
)


def wrong_length(data: bytes) -> bytes:
    """MQTT 5.0, 2.1.4: the second byte begins the length of what follows."""
    return data[:1] + bytes([data[1] ^ 0x05]) + data[2:] if len(data) > 1 else data


_CHANGES: Mapping[str, tuple[str, object]] = {
    "slow": ("delay_s", 3.0),
    "length": ("change", wrong_length),
    "cut": ("cuts", True),
    "half_closed": ("half_closes", True),
}


class _Rig:
    """A plant that grows."""

    def __init__(self, kind: Kind, folder: Path, stack: AsyncExitStack) -> None:
        self.kind = kind
        self.plant = Plant(POINTS, {"plant.toml": kind.profile, "uwb_mqtt.toml": UWB})
        self._folder = folder
        self._stack = stack

    def broker(self, name: str, port: int = 0) -> Broker:
        """One of its own, ready."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        made = Broker(folder, port=port)
        self._stack.callback(made.end)
        self._stack.callback(made.popen.send_signal, signal.SIGCONT)
        return made

    async def wire(self, port: int) -> Proxy:
        """A network to a broker."""
        made: Proxy = await self._stack.enter_async_context(proxy(port))
        return made

    def device(self, name: str, port: int, *, fault: bool = True) -> Device:
        """A device; its broker is at `port`, as the gateway sees it."""
        add = self.plant.add if fault else self.plant.add_neighbour
        topic = self.kind.topic.format(name=name)
        number = add(name, "plant", host="127.0.0.1", port=port, topic=topic, timeout_s=2.0)
        return Device(name, number, self.kind.usual, self.kind.birth)

    def reader(self, name: str, port: int) -> Device:
        """A reader of JSON."""
        self.plant.add_reader(name, "uwb_mqtt", host="127.0.0.1", port=port, topic=f"mine/{name}")
        return Device(name, 0, said.json_ranges)

    async def publish(self, port: int, *devices: Device) -> Publisher:
        """Has devices publish."""
        made: Publisher = await self._stack.enter_async_context(publishing(port, devices))
        return made

    def case(self, fault: str, begin: Act, end: Act, **more: Any) -> None:
        """Adds a case."""
        self.plant.cases.append(Case(fault, fault, begin, end, **more))


@asynccontextmanager
async def _plant(kind: Kind, folder: Path) -> AsyncIterator[Plant]:
    """One broker whose devices and networks have faults, and one for each fault of a broker."""
    async with AsyncExitStack() as stack:
        rig = _Rig(kind, folder, stack)
        main = rig.broker("main")
        devices = [rig.device("good", main.port, fault=False)]
        wires = {fault: await rig.wire(main.port) for fault in (*_CHANGES, "hung", "retained")}
        by_wire = {fault: rig.device(fault, wire.port) for fault, wire in wires.items()}
        for fault, (name, value) in _CHANGES.items():
            wire = wires[fault]
            rig.case(fault, setting(wire, name, value), resetting(wire))
        rig.plant.cases.append(hanging(wires["hung"]))
        by_fault = {fault: rig.device(fault, main.port) for fault in kind.wrong}
        clocked = rig.reader if kind.has_readers else rig.device
        clocks = [clocked(fault, main.port) for fault in ("jump", "drift")]
        taken = [rig.device(fault, main.port) for fault in ("taken_over", "twice")]
        devices += [*by_wire.values(), *by_fault.values(), *clocks, *taken]
        publisher = await rig.publish(main.port, *devices)
        for fault, device in by_fault.items():
            _add_wrong(rig, fault, device, publisher)
        for device in clocks:
            _add_clock(rig, device)
        _add_retained(rig, by_wire["retained"], wires["retained"], publisher)
        _add_intruders(rig, main.port)
        for fault in ("silent", "broker", "restarted"):
            await _add_broker(rig, fault)
        yield rig.plant


def _add_wrong(rig: _Rig, fault: str, device: Device, publisher: Publisher) -> None:
    async def begin() -> None:
        device.make = rig.kind.wrong[fault]
        if fault == "dead" and rig.kind.death is not None:
            await publisher.publish(rig.kind.death(device))

    async def end() -> None:
        device.make = device.usual
        if device.birth is not None:
            for one in device.birth(device, time.time()):
                await publisher.publish(one)

    missing = frozenset({"v3"} if fault == "one_refused" else ())
    rig.case(fault, begin, end, missing=missing)


def _add_clock(rig: _Rig, device: Device) -> None:
    async def begin() -> None:
        if device.name == "jump":
            device.ahead_s = said.HOUR_S
        else:
            # As far as it is believed; what came at twice the pace would be taken for a backlog.
            device.ahead_s, device.fast_since_s = 3.5, time.time()

    async def end() -> None:
        device.ahead_s, device.fast_since_s = 0.0, None

    rig.case(device.name, begin, end, reads_records=rig.kind.has_readers)


def _add_retained(rig: _Rig, device: Device, wire: Proxy, publisher: Publisher) -> None:
    """The device dies, and the gateway's next session gets what the broker has kept."""

    async def begin() -> None:
        device.make = said.nothing
        # Whoever is subscribed already would get it as a message of now.
        await wire.refuse()
        await publisher.publish(rig.kind.old(device, time.time()))
        await wire.listen()

    async def end() -> None:
        old = rig.kind.old(device, time.time())
        await publisher.publish(said.Message(old.topic, b"", retain=True))
        device.make = device.usual

    rig.case("retained", begin, end)


def _add_intruders(rig: _Rig, port: int) -> None:
    """Another client with the gateway's own id: once, and again and again."""

    async def take() -> None:
        async with aiomqtt.Client("127.0.0.1", port, identifier="lamproom-taken_over"):
            pass

    async def nothing() -> None:
        pass

    rig.case("taken_over", take, nothing, is_momentary=True)
    tasks: list[asyncio.Task[None]] = []
    over = asyncio.Event()

    async def fight() -> None:
        while not over.is_set():
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", port, identifier="lamproom-twice") as one:
                    await one.subscribe("nothing")
                    async for _ in one.messages:
                        pass
            await asyncio.sleep(0.2)

    async def begin() -> None:
        tasks.append(asyncio.create_task(fight()))

    async def end() -> None:
        over.set()
        await ended(tasks[0])

    rig.case("twice", begin, end)


async def _add_broker(rig: _Rig, fault: str) -> None:
    port = free_port()
    broker = rig.broker(fault, port)
    device = rig.device(fault, port)
    await rig.publish(port, device)
    if fault == "silent":
        rig.plant.cases.append(stopping(broker))
        return

    async def kill() -> None:
        broker.kill()
        if fault == "restarted":
            rig.broker(fault, port)

    async def again() -> None:
        if fault == "broker":
            rig.broker(fault, port)

    rig.case(fault, kill, again, is_momentary=fault == "restarted")


mqtt = partial(_plant, JSON)
sparkplug = partial(_plant, SPARKPLUG)
