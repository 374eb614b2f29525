"""Reads a device that publishes over MQTT."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from equipment.mqtt_profile import MqttProfile
from equipment.profile import Kind, Profile
from equipment.report import NoticeKind, RecordBatch
from protocols.driver import DeviceError, Driver, Sink
from protocols.losses import Losses
from protocols.mqtt import connection
from protocols.mqtt.client import ReadOnlyClient
from protocols.mqtt.json_format import JsonFormat
from protocols.mqtt.message import Format, Message, Taken
from protocols.mqtt.options import MqttOptions
from protocols.mqtt.sparkplug import SparkplugFormat

#: The longest wait before the connection is looked at, and losses are told.
TICK_S: Final = 1.0

#: Messages that are taken in before other devices have their turn.
AT_ONCE_MOST: Final = 32


class MqttDriver:
    """Subscribes to a device's topics; only connects, subscribes and acknowledges.

    A silent device keeps its session: what it says first must not fall between two of them. What
    was lost and is not yet told, and which records were taken, belong to the driver: they outlive
    a session.
    """

    Options = MqttOptions

    def __init__(self, device: str, profile: Profile, options: MqttOptions) -> None:
        """Raises ValueError where topic does not go with the profile's format."""
        assert isinstance(profile, MqttProfile)
        self._device = device
        self._options = options
        self._client_id = options.client_id or f"lamproom-{device}"
        # A reader's records must not be missed; a machine's old values are of no use.
        self._persistent = profile.kind is not Kind.MACHINE
        form = SparkplugFormat if profile.format == "sparkplug" else JsonFormat
        self._format: Format = form(device, profile, options.topic)
        self._tick_s = min(TICK_S, profile.scan.silence_s / 4)
        self._lost, self._refused = Losses(), Losses()

    def describe(self) -> str:
        """Such as `mqtt 10.0.0.5:1883 mine/pump_1`."""
        return f"mqtt {self._options.host}:{self._options.port} {self._options.topic}"

    async def session(self, sink: Sink) -> None:
        """See `Driver.session`."""
        options, client = self._options, None
        try:
            client = await connection.open_client(
                options, self._client_id, persistent=self._persistent
            )
            await client.connect()
            await self._subscribe(client)
            await self._read(client, sink)
        except DeviceError as error:
            msg = f"{self.describe()}: {error}"
            raise DeviceError(msg) from error
        except connection.FAILURES as error:
            complaint = client.complaint if client else ""
            words = connection.explain(error, options, self._client_id, complaint)
            msg = f"{self.describe()}: {words}"
            raise DeviceError(msg) from error
        finally:
            if client is not None:
                await client.close()

    async def _subscribe(self, client: ReadOnlyClient) -> None:
        refused = await client.listen(self._format.filters, self._options.qos)
        if refused:
            topics = ", ".join(topic for topic, _ in refused)
            who = self._options.user or "a client without a user"
            msg = (
                f"the broker refuses the subscription of {topics} (code 0x{refused[0][1]:02x}): "
                f"let {who} read there"
            )
            raise DeviceError(msg)

    async def _read(self, client: ReadOnlyClient, sink: Sink) -> None:
        """Never returns."""
        loop = asyncio.get_running_loop()
        self._put(self._format.begin(time.time_ns()), sink)
        while True:
            sink.alive(self._format.waiting)
            messages = await client.arrived(self._tick_s)
            for number, message in enumerate(messages, start=1):
                self._take(message, client, sink)
                if number % AT_ONCE_MOST == 0:
                    await asyncio.sleep(0)
            lost, refused = client.losses()
            self._lost.add(lost)
            self._refused.add(refused)
            self._tell(sink, loop.time())

    def _take(self, message: Message, client: ReadOnlyClient, sink: Sink) -> None:
        self._put(self._format.take(message, time.time_ns()), sink)
        # Only now: what is not taken in yet, the broker keeps.
        client.done(message)

    def _put(self, taken: Taken, sink: Sink) -> None:
        if taken.heard:
            sink.heard()
        if taken.samples:
            sink.samples(taken.samples, live=taken.heard)
            times_ns = [one.source_t_ns for one in taken.samples if one.source_t_ns is not None]
            if taken.heard and times_ns:
                sink.clock(max(times_ns))
        if taken.columns is not None:
            sink.records(
                RecordBatch(self._device, taken.columns, time.time_ns(), taken.device_t_ns)
            )
        if taken.gone:
            sink.gone(taken.gone)
        self._lost.add(taken.lost)
        self._refused.add(taken.refused)

    def _tell(self, sink: Sink, now_s: float) -> None:
        for loss in self._lost.due(now_s):
            sink.notice(NoticeKind.DATA_LOST, loss.count, f"lost: {loss.reason}")
        for loss in self._refused.due(now_s):
            sink.notice(NoticeKind.DATA_REFUSED, loss.count, f"refused: {loss.reason}")


if TYPE_CHECKING:

    def _is_driver(driver: MqttDriver) -> Driver:
        return driver
