"""Machines that publish to a broker, each as its profile says: JSON, or Sparkplug B.

Its own few packets of MQTT 3.1.1, written from the OASIS standard: the gateway, which reads with
another library, is tested against another make. The broker is not simulated: it has to be there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from equipment.json_pointer import split_pointer
from equipment.mqtt_profile import MqttPoint, MqttProfile
from equipment.report import Value
from hil_sim.faults.book import NONE, FaultBook, Faults
from hil_sim.faults.kinds import FaultKind
from hil_sim.folder import MqttDevice
from hil_sim.serve.delay import Delay
from hil_sim.serve.sparkplug import EdgeNode

#: The broker ends a connection that is silent for half as long again (3.1.2.10).
KEEP_ALIVE_S: Final = 10

#: How long a broker may take to answer, and the pause before it is asked again.
ANSWER_S: Final = 5.0
PAUSE_S: Final = 1.0

_CONNECT, _CONNACK, _PUBLISH, _PINGREQ, _DISCONNECT = 1, 2, 3, 12, 14
_CLEAN, _WILL, _WILL_QOS_1 = 0x02, 0x04, 0x08

Messages = list[tuple[str, bytes]]
AllValues = Mapping[str, Mapping[str, Value]]


class Station(Protocol):
    """What publishes over one connection."""

    @property
    def client_id(self) -> str:
        """By what the broker knows it."""

    def will(self) -> tuple[str, bytes] | None:
        """What the broker says for it when it is lost; asked for before each connection."""

    def greeting(self) -> Messages:
        """What it says first."""

    def show(self, values: AllValues) -> None:
        """Takes the values of all machines, by device and point."""

    def news(self) -> Messages:
        """What it says now: nothing before a period has passed."""

    def farewell(self) -> Messages:
        """What it says last."""


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A control packet: kind, length, body (2.2)."""
    length, rest = bytearray(), len(body)
    while True:
        rest, part = divmod(rest, 0x80)
        length.append(part | (0x80 if rest else 0))
        if not rest:
            return bytes([kind << 4 | flags]) + bytes(length) + body


def _string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">H", len(data)) + data


def connect_packet(client_id: str, will: tuple[str, bytes] | None) -> bytes:
    """CONNECT with a clean session, maybe with a will (3.1)."""
    flags = _CLEAN | (_WILL | _WILL_QOS_1 if will else 0)
    body = _string("MQTT") + bytes([4, flags]) + struct.pack(">H", KEEP_ALIVE_S)
    body += _string(client_id)
    if will:
        body += _string(will[0]) + _string(will[1])
    return packet(_CONNECT, body)


def publish_packet(topic: str, payload: bytes) -> bytes:
    """PUBLISH with QoS 0 (3.3)."""
    return packet(_PUBLISH, _string(topic) + payload)


class Link:
    """A station's connection; one that is lost is made anew, again and again, until `close`."""

    def __init__(self, host: str, port: int, station: Station, faults: Faults = NONE) -> None:
        """Does nothing yet; `start` does. `faults`: of the link, always those of now."""
        self._host, self._port = host, port
        self._station = station
        self._faults = faults
        self._delay: Delay | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connects. Raises OSError or TimeoutError where there is no broker."""
        reader = await self._connect()
        self._task = asyncio.create_task(self._keep(reader))

    def show(self, values: AllValues) -> None:
        """Takes the values of all machines; publishes what is due, unless the broker is gone."""
        self._station.show(values)
        if self._delay is not None and FaultKind.SILENT not in self._faults:
            slow = self._faults.get(FaultKind.SLOW)
            self._say(self._delay, self._station.news(), slow.fault.delay_s if slow else 0.0)

    async def follow(self) -> None:
        """Is lost without a word, or comes back, as the faults have it now."""
        lost = FaultKind.LINK_LOST in self._faults
        if lost and self._task is not None:
            await self._end_task()
            if self._writer is not None:
                self._writer.transport.abort()
                await self._drop()
        elif not lost and self._task is None:
            self._task = asyncio.create_task(self._keep(None))

    async def close(self) -> None:
        """Says goodbye and ends."""
        await self._end_task()
        if self._writer is not None and self._delay is not None:
            self._say(self._delay, self._station.farewell())
            self._writer.write(packet(_DISCONNECT, b""))
            await self._drop()

    async def _end_task(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _connect(self) -> asyncio.StreamReader:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(self._host, self._port)
            try:
                writer.write(connect_packet(self._station.client_id, self._station.will()))
                answer = await reader.readexactly(4)
            except BaseException:
                writer.close()
                raise
        if answer[0] >> 4 != _CONNACK or answer[3]:
            writer.close()
            msg = f"the broker refuses (code {answer[3]}): let clients without a user in"
            raise ConnectionError(msg)
        self._writer, self._delay = writer, Delay(writer.write)
        self._say(self._delay, self._station.greeting())
        return reader

    async def _keep(self, reader: asyncio.StreamReader | None) -> None:
        """`reader`: of the connection that there is; None: there is none."""
        while True:
            if reader is not None:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    await self._stay(reader)
                await self._drop()
                await asyncio.sleep(PAUSE_S)
                reader = None
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader = await self._connect()
                continue
            await asyncio.sleep(PAUSE_S)

    async def _stay(self, reader: asyncio.StreamReader) -> None:
        """Until the broker is gone: it only ever answers pings."""
        assert self._writer is not None
        while True:
            self._writer.write(packet(_PINGREQ, b""))
            async with asyncio.timeout(KEEP_ALIVE_S):
                await reader.readexactly(2)
            await asyncio.sleep(KEEP_ALIVE_S / 2)

    async def _drop(self) -> None:
        writer, self._writer = self._writer, None
        if self._delay is not None:
            self._delay.close()
            self._delay = None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    @staticmethod
    def _say(delay: Delay, messages: Messages, delay_s: float = 0.0) -> None:
        for topic, payload in messages:
            delay.put(publish_packet(topic, payload), delay_s)


class JsonMachine:
    """A machine whose messages are JSON documents: one for each topic, once a period."""

    def __init__(self, device: str, profile: MqttProfile, root: str) -> None:
        """`root`: where its topics begin."""
        self.client_id = f"simulated-{device}"
        self._device = device
        self._profile = profile
        self._root = root
        self._due_s = 0.0
        self._values: AllValues = {}

    def will(self) -> None:
        """See `Station`: it leaves without a word."""

    def greeting(self) -> Messages:
        """See `Station`: its next values are due at once."""
        self._due_s = 0.0
        return []

    def farewell(self) -> Messages:
        """See `Station`: none."""
        return []

    def show(self, values: AllValues) -> None:
        """See `Station`."""
        self._values = values

    def news(self) -> Messages:
        """See `Station`."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return []
        self._due_s = now_s + self._profile.scan.period_s
        return documents(self._profile, self._root, self._values[self._device], time.time_ns())


def documents(profile: MqttProfile, root: str, values: Mapping[str, Value], t_ns: int) -> Messages:
    """The messages that show `values`, with `t_ns` (since the Unix epoch) as their time."""
    messages = []
    for topic in profile.topics:
        parts: list[tuple[str, Any]] = [
            (point.pointer or "", _raw(point, values[point.name]))
            for point in profile.point
            if point.topic == topic and point.name in values
        ]
        if profile.time is not None:
            parts.append((profile.time.pointer, _time(t_ns, profile.time.unit)))
        document = json.dumps(_document(parts), ensure_ascii=False).encode()
        messages.append((f"{root}/{topic}" if topic else root, document))
    return messages


def _raw(point: MqttPoint, value: Value) -> Value:
    """A value as the machine gives it: before scale and offset, a state as its number."""
    if point.states:
        return next(number for number, name in point.states.items() if name == value)
    if point.type == "number":
        return (float(value) - point.offset) / point.scale
    return value


def _time(t_ns: int, unit: str) -> int | str:
    if unit == "rfc3339":
        return datetime.fromtimestamp(t_ns / 1e9, UTC).isoformat()
    return t_ns // {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]


def _document(parts: Sequence[tuple[str, Any]]) -> Any:
    """A document that has each value where its pointer leads."""
    tree: dict[str, Any] = {}
    for pointer, value in parts:
        steps = split_pointer(pointer)
        if not steps:
            return value
        at = tree
        for step in steps[:-1]:
            at = at.setdefault(step, {})
        at[steps[-1]] = value
    return _with_arrays(tree)


def _with_arrays(tree: Any) -> Any:
    """Where all names are numbers there is an array; what lies between them is null."""
    if not isinstance(tree, dict):
        return tree
    inner = {name: _with_arrays(part) for name, part in tree.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner.get(str(index)) for index in range(max(map(int, inner)) + 1)]
    return inner


class NodeStation:
    """An edge node with its Sparkplug devices, once a period what has changed."""

    def __init__(self, node: EdgeNode, period_s: float) -> None:
        self.client_id = f"simulated-{node.name}"
        self._node = node
        self._period_s = period_s
        self._due_s = 0.0

    def will(self) -> tuple[str, bytes]:
        """See `Station`: the death of the node."""
        return self._node.next_death()

    def greeting(self) -> Messages:
        """See `Station`: all births."""
        return self._node.births(_now_ms())

    def farewell(self) -> Messages:
        """See `Station`: a node that leaves by itself says that it dies."""
        return [self._node.death()]

    def show(self, values: AllValues) -> None:
        """See `Station`."""
        self._node.show(values)

    def news(self) -> Messages:
        """See `Station`."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return []
        self._due_s = now_s + self._period_s
        return self._node.data(_now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def links(devices: Sequence[MqttDevice], book: FaultBook) -> dict[Link, MqttDevice]:
    """A connection for each machine or edge node, with the first device that it is of.

    What befalls a connection befalls all of its devices: `book` is asked for the first.
    """
    found: dict[Link, MqttDevice] = {}
    nodes: dict[tuple[str, int, str], list[MqttDevice]] = {}
    for device in devices:
        if device.profile.format == "json":
            machine = JsonMachine(device.id, device.profile, device.topic)
            found[Link(device.host, device.port, machine, book.of(device.id))] = device
        else:
            name = "/".join(device.topic.split("/")[:2])
            nodes.setdefault((device.host, device.port, name), []).append(device)
    for (host, port, name), members in nodes.items():
        node = EdgeNode(name, {member.topic: (member.id, member.profile) for member in members})
        period_s = min(member.profile.scan.period_s for member in members)
        first = members[0]
        found[Link(host, port, NodeStation(node, period_s), book.of(first.id))] = first
    return found
