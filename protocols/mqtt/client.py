"""aiomqtt's client, over a socket that is connected already, made so that it can only read.

The library's own way to connect blocks a thread of the pool that all devices share, can't be
cancelled, and tells TLS errors as "timed out"; so `connection` opens the socket. What is used of
it: the packets, the event loop's side of paho, and subscribing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiomqtt
import aiomqtt.types
import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from protocols.losses import Loss
from protocols.mqtt.message import PAYLOAD_BYTES_MAX, Message

#: A broker that says nothing for so long is asked, and given up after as long again: so a frozen
#: one is noticed, and the data are back, well within 15 s.
KEEP_ALIVE_S: Final = 5

#: Messages, and their bytes, that may wait for the gateway; what comes beyond is lost, and told.
WAITING_MOST: Final = 1000
WAITING_BYTES_MOST: Final = 32 << 20

#: Messages that the broker may send before the first of them is acknowledged (version 5).
IN_FLIGHT_MOST: Final = 100

#: A broker of version 5 sends no larger packet: what is somewhat too long still comes, so that it
#: can be told. One of version 3.1.1 can't be held back from sending 256 MB.
PACKET_BYTES_MOST: Final = 4 * PAYLOAD_BYTES_MAX

#: How long a broker of version 5 keeps a reader's records for a gateway that is away; one of
#: version 3.1.1 decides that itself.
KEPT_S: Final = 24 * 3600

#: All that ever leaves the gateway (MQTT 5.0, 2.1.2): nothing of it changes anything on a device.
ALLOWED: Final = frozenset(
    {mqtt.CONNECT, mqtt.SUBSCRIBE, mqtt.PUBACK, mqtt.PINGREQ, mqtt.DISCONNECT}
)

#: What was asked for is not answered in time.
NO_ANSWER: Final = "no answer in time"

#: The connection was closed before CONNECT was answered.
CLOSED_EARLY: Final = "closed before an answer"

#: The library's words are told in ours; its warnings come once for each message.
_LOGGER: Final = logging.getLogger("aiomqtt")


_T = TypeVar("_T")


class ReadOnlyError(Exception):
    """A packet was stopped that a reader has no use for."""


class NonsenseError(Exception):
    """The broker has sent what is no MQTT."""


@dataclass(frozen=True, slots=True)
class Login:
    """How a client makes itself known. `persistent`: the broker keeps what comes meanwhile."""

    client_id: str
    version: str
    user: str | None
    password: str | None
    persistent: bool
    timeout_s: float


class ReadOnlyClient(aiomqtt.Client):
    """One connection: connects, subscribes, and gives messages; `close` leaves nothing behind.

    A message of QoS 1 is acknowledged by `done`, once it was taken in: what a gateway that dies
    has not taken in, the broker sends again.
    """

    def __init__(self, connected: socket.socket, login: Login) -> None:
        """Takes the socket over; nothing is sent yet."""
        version_5 = login.version == "5"
        # What the library asks for is what the socket is connected to.
        super().__init__(
            "broker",
            identifier=login.client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if version_5 else aiomqtt.ProtocolVersion.V311,
            username=login.user,
            password=login.password,
            clean_session=None if version_5 else not login.persistent,
            clean_start=not login.persistent if version_5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY,
            properties=_connect_properties(login) if version_5 else None,
            keepalive=KEEP_ALIVE_S,
            timeout=login.timeout_s,
            logger=_LOGGER,
        )
        self._version_5 = version_5
        self._socket = connected
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._lost: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        #: What the library last complained of.
        self.complaint = ""
        paho = self._client
        self._queue_packet = paho._packet_queue  # noqa: SLF001 - all that is sent goes through it
        paho._packet_queue = self._only_allowed  # type: ignore[method-assign]  # noqa: SLF001 - all that is sent goes through it
        paho._create_socket = lambda: connected  # type: ignore[method-assign]  # noqa: SLF001 - the library's own blocks, see the module
        paho.manual_ack_set(True)  # noqa: FBT003 - the library's order
        paho.on_log = self._on_log

    async def connect(self) -> None:
        """Says CONNECT and waits for the answer.

        Raises:
            MqttError: it is refused, or there is none; `connection.explain` has the words.
        """
        # It does not block: the socket is connected.
        self._client_connect()
        # Whoever gives up waiting leaves the future as it is: the library looks at it later.
        await self._wait_for(asyncio.shield(self._connected), None)

    async def listen(self, topics: tuple[str, ...], qos: int) -> list[tuple[str, int]]:
        """Subscribes; returns the topics that the broker refuses, and its reason codes.

        Raises:
            MqttError: there is no answer; `connection.explain` has the words.
        """
        if self._version_5:
            wanted: Any = [(topic, SubscribeOptions(qos=qos)) for topic in topics]
        else:
            wanted = [(topic, qos) for topic in topics]
        answers = await self.subscribe(wanted)
        codes = [code.value if isinstance(code, ReasonCode) else code for code in answers]
        return [(topic, code) for topic, code in zip(topics, codes, strict=False) if code >= 0x80]

    async def arrived(self, within_s: float) -> list[Message]:
        """The messages that wait, at once or after at most `within_s`; maybe none.

        Raises:
            MqttError: the connection is over; `connection.explain` has the words.
        """
        if not self._waiting:
            self._arrived.clear()
            if not self._disconnected.done():
                try:
                    async with asyncio.timeout(within_s):
                        await self._arrived.wait()
                except TimeoutError:
                    pass
        if not self._waiting and self._disconnected.done():
            error = self._disconnected.exception() or aiomqtt.MqttError("closed")
            if isinstance(error, OSError | aiomqtt.MqttError | ReadOnlyError):
                raise error
            # Whatever the library stumbles over in what the broker has sent.
            raise NonsenseError(repr(error)) from error
        messages = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return messages

    def done(self, message: Message) -> None:
        """The message was taken in: the broker may forget it."""
        if message.qos:
            self._client.ack(message.mid, message.qos)

    def losses(self) -> tuple[list[Loss], list[Loss]]:
        """What was lost and what was refused before anyone saw it, since the last call."""
        lost = [Loss(count, reason) for reason, count in self._lost.items()]
        refused = [Loss(count, reason) for reason, count in self._refused.items()]
        self._lost.clear()
        self._refused.clear()
        return lost, refused

    async def close(self) -> None:
        """Says goodbye if it can be said at once, and ends everything; never raises."""
        # What the library has given to the loop to do, such as to watch the socket.
        await asyncio.sleep(0)
        paho, descriptor = self._client, self._socket.fileno()
        try:
            if self._connected.done() and not self._disconnected.done():
                paho.disconnect()
                paho.loop_write()
        except OSError as error:
            _LOGGER.debug("no goodbye: %s", error)
        paho._sock_close()  # noqa: SLF001 - there is no other way to drop a connection
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)
        self._socket.close()
        if self._misc_task is not None:
            self._misc_task.cancel()
            await asyncio.wait({self._misc_task})
        for state in (self._connected, self._disconnected):
            if state.done() and not state.cancelled():
                state.exception()  # it was told, or is of no interest any more

    async def _wait_for(self, fut: Awaitable[_T], timeout: float | None) -> _T:  # noqa: ASYNC109 - the library calls it so
        # The library's way, `asyncio.wait_for` of Python 3.11, loses a cancellation that comes
        # together with the answer: the session would go on for ever.
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError(NO_ANSWER) from None

    def _only_allowed(
        self, command: int, packet: bytes | bytearray, mid: int, qos: int, info: Any = None
    ) -> MQTTErrorCode:
        if command & 0xF0 not in ALLOWED:
            msg = f"a packet of kind {command >> 4} was not sent: this gateway only reads"
            raise ReadOnlyError(msg)
        return self._queue_packet(command, packet, mid, qos, info)

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        del client, userdata
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        payload = bytes(message.payload)
        taken = Message(topic, payload, message.qos, message.retain, message.mid)
        if len(payload) > PAYLOAD_BYTES_MAX:
            reason = f"messages of {topic} that are longer than {PAYLOAD_BYTES_MAX} bytes"
            self._refused[reason] = self._refused.get(reason, 0) + 1
            self.done(taken)
        elif (
            len(self._waiting) >= WAITING_MOST
            or self._waiting_bytes + len(payload) > WAITING_BYTES_MOST
        ):
            reason = "messages: more came than the gateway could take in"
            self._lost[reason] = self._lost.get(reason, 0) + 1
            self.done(taken)
        else:
            self._waiting.append(taken)
            self._waiting_bytes += len(payload)
            self._arrived.set()

    def _on_disconnect(self, client: mqtt.Client, userdata: Any, *rest: Any) -> None:
        if not self._connected.done():
            # The library would wait on for an answer that can't come any more.
            self._connected.set_exception(aiomqtt.MqttError(CLOSED_EARLY))
        super()._on_disconnect(client, userdata, *rest)
        self._arrived.set()

    def _on_socket_register_write(
        self, client: mqtt.Client, userdata: Any, sock: aiomqtt.types.PahoSocket
    ) -> None:
        # The library does it a moment later, when the socket may be closed, or be another's.
        del client, userdata
        self._loop.add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except OSError as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _on_log(self, client: mqtt.Client, userdata: Any, level: int, text: str) -> None:
        del client, userdata
        if level in (mqtt.MQTT_LOG_ERR, mqtt.MQTT_LOG_WARNING):
            self.complaint = text


def _connect_properties(login: Login) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # the library's
    properties.MaximumPacketSize = PACKET_BYTES_MOST
    properties.ReceiveMaximum = IN_FLIGHT_MOST
    if login.persistent:
        properties.SessionExpiryInterval = KEPT_S
    return properties
