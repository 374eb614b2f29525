"""The points and events of one device as monitored items of one subscription."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from equipment.opcua_profile import OpcUaPoint
from equipment.report import NoticeKind, Sample
from protocols.driver import DeviceError, Sink
from protocols.losses import Loss, Losses
from protocols.opcua.browse import BATCH
from protocols.opcua.values import overflowed, sample_of, status_of

#: Values of one item that the server keeps between two messages: changes faster than the publish
#: interval arrive in their order, a burst does not fill the server.
QUEUE_SIZE: Final = 10

#: Events that the server is asked to keep between two messages: a shift's rush past a reader.
EVENT_QUEUE_SIZE: Final = 10_000

#: Takes the events of a message: of each the values that its filter selects.
TakeEvents = Callable[[list[list[ua.Variant]]], None]

#: So a value is half a publish interval old when it is sent, not a whole one.
SAMPLES_PER_MESSAGE: Final = 2

#: Bounds a message of the server; what is more comes in the next, at once.
NOTIFICATIONS_MAX: Final = 1000

#: The server says "nothing new" this often: the subscription's own sign of life.
KEEP_ALIVE_S: Final = 2.0

#: The server forgets the subscription of a gateway that died after so long.
LIFETIME_S: Final = 60.0

#: What a loaded server and network may add to an interval.
SLACK_S: Final = 5.0

#: Statuses of a node that has gone: its path has to be resolved again.
GONE: Final = frozenset({StatusCodes.BadNodeIdUnknown, StatusCodes.BadNodeIdInvalid})


#: The bit of a status that says so (OPC 10000-4, 7.39).
_BAD: Final = 0x8000_0000


@dataclass(slots=True, eq=False)
class Item:
    """A point that the server watches; times are those of the event loop."""

    point: OpcUaPoint
    node: ua.NodeId
    handle: int
    server_id: int = 0
    interval_s: float = 0.0
    last: ua.DataValue | None = None
    #: Whether the server calls the last value bad.
    is_bad: bool = False
    notified_s: float = 0.0


class Subscription:
    """One subscription with parameters of its own; what comes goes to the sink at once."""

    def __init__(
        self,
        client: Client,
        device: str,
        periods_s: Mapping[str, float],
        sink: Sink,
        refused: Losses,
    ) -> None:
        """Does nothing yet; `create` does. `client` is connected.

        `periods_s`: how often the server is to look at a value, by point; else as often as it
        sends. `refused` gets the values that the server begins to call bad.
        """
        self._refused = refused
        self._periods_s = periods_s
        self._client = client
        self._device = device
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._items: dict[int, Item] = {}
        self._takers: dict[int, TakeEvents] = {}
        self._last_message = 0
        self._next_handle = 1
        self._id = 0
        self._heard_s = self._loop.time()
        self._silence_max_s = 0.0
        self.interval_s = 0.0
        #: Why the subscription is over; it is then of no more use.
        self.failure: str | None = None
        #: Items whose nodes have gone.
        self.gone: list[Item] = []

    @property
    def items(self) -> tuple[Item, ...]:
        """What is watched now."""
        return tuple(self._items.values())

    async def create(self, publish_ms: int) -> None:
        """Makes the subscription on the server."""
        per_s = 1000 / publish_ms
        keep_alive = max(1, round(KEEP_ALIVE_S * per_s))
        result = await self._client.uaclient.create_subscription(
            ua.CreateSubscriptionParameters(
                RequestedPublishingInterval=publish_ms,
                # OPC 10000-4, 5.13.2: the lifetime is at least three keep-alives.
                RequestedLifetimeCount=max(round(LIFETIME_S * per_s), 3 * keep_alive),
                RequestedMaxKeepAliveCount=keep_alive,
                MaxNotificationsPerPublish=NOTIFICATIONS_MAX,
                PublishingEnabled=True,
                Priority=0,
            ),
            self._received,
        )
        self._id = result.SubscriptionId
        self.interval_s = result.RevisedPublishingInterval / 1000
        self._silence_max_s = self.interval_s * result.RevisedMaxKeepAliveCount + SLACK_S
        self._heard_s = self._loop.time()

    def check(self) -> None:
        """Raises DeviceError when the server has ended the subscription or lets it lie."""
        if self.failure is not None:
            raise DeviceError(self.failure)
        silent_s = self._loop.time() - self._heard_s
        if silent_s > self._silence_max_s:
            msg = (
                f"subscription is silent: the server answers, but has sent no change and no "
                f"keep-alive for {silent_s:.1f} s; the session is made anew"
            )
            raise DeviceError(msg)

    async def add(
        self, nodes: Sequence[tuple[OpcUaPoint, ua.NodeId]]
    ) -> list[tuple[OpcUaPoint, str]]:
        """Watches more nodes; returns the points that the server refuses, and its reasons."""
        refused = []
        for start in range(0, len(nodes), BATCH):
            items = [self._new_item(*node) for node in nodes[start : start + BATCH]]
            results = await self._client.uaclient.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self._id,
                    TimestampsToReturn=ua.TimestampsToReturn.Source,
                    ItemsToCreate=[self._request(item) for item in items],
                )
            )
            for item, result in zip(items, results, strict=True):
                if result.StatusCode.is_bad():
                    del self._items[item.handle]
                    refused.append((item.point, f"can't be subscribed: {result.StatusCode.name}"))
                    continue
                item.server_id = result.MonitoredItemId
                item.interval_s = max(self.interval_s, result.RevisedSamplingInterval / 1000)
        return refused

    async def add_events(
        self, node: ua.NodeId, wanted: ua.EventFilter, take: TakeEvents
    ) -> ua.MonitoredItemCreateResult:
        """Takes the events of an object from now on, unless the server refuses: see its answer."""
        handle = self._next_handle
        self._next_handle += 1
        self._takers[handle] = take
        item = ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.EventNotifier)
        (result,) = await self._client.uaclient.create_monitored_items(
            ua.CreateMonitoredItemsParameters(
                SubscriptionId=self._id,
                TimestampsToReturn=ua.TimestampsToReturn.Source,
                ItemsToCreate=[
                    ua.MonitoredItemCreateRequest(
                        ItemToMonitor=item,
                        MonitoringMode=ua.MonitoringMode.Reporting,
                        RequestedParameters=ua.MonitoringParameters(
                            ClientHandle=handle,
                            SamplingInterval=0,
                            Filter=wanted,
                            QueueSize=EVENT_QUEUE_SIZE,
                            DiscardOldest=True,
                        ),
                    )
                ],
            )
        )
        return result

    def _new_item(self, point: OpcUaPoint, node: ua.NodeId) -> Item:
        # Known before the server is asked: its first values may come with the answer.
        item = Item(point, node, self._next_handle)
        self._next_handle += 1
        self._items[item.handle] = item
        return item

    def _request(self, item: Item) -> ua.MonitoredItemCreateRequest:
        usual_s = self.interval_s / SAMPLES_PER_MESSAGE
        sampling_s = self._periods_s.get(item.point.name, usual_s)
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=item.node, AttributeId=AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=item.handle,
                SamplingInterval=sampling_s * 1000,
                QueueSize=QUEUE_SIZE,
                DiscardOldest=True,
            ),
        )

    async def drop(self, items: Sequence[Item]) -> None:
        """Watches these no more."""
        for item in items:
            self._items.pop(item.handle, None)
        await self._client.uaclient.delete_monitored_items(
            ua.DeleteMonitoredItemsParameters(
                SubscriptionId=self._id, MonitoredItemIds=[item.server_id for item in items]
            )
        )

    def _received(self, result: ua.PublishResult) -> None:
        """Called by the library for each message; it would swallow whatever is raised here."""
        try:
            self._heard_s = self._loop.time()
            self._sink.heard()
            self._count_messages(result.NotificationMessage)
            for notification in result.NotificationMessage.NotificationData or ():
                if isinstance(notification, ua.DataChangeNotification):
                    self._changed(notification.MonitoredItems or ())
                elif isinstance(notification, ua.EventNotificationList):
                    self._happened(notification.Events or ())
                elif isinstance(notification, ua.StatusChangeNotification):
                    name = notification.Status.name
                    self.failure = f"the server has ended the subscription ({name})"
        except Exception as error:  # noqa: BLE001 - ends the session, which raises it in words
            self.failure = f"a message of the server can't be used ({error!r})"

    def _count_messages(self, message: ua.NotificationMessage) -> None:
        """Tells of messages that are missing: the library drops what it can't read.

        Values are read again now and then; an event comes only once.
        """
        if not message.NotificationData:
            return  # a keep-alive has the number of the message that comes next
        missing = message.SequenceNumber - self._last_message - 1
        if self._takers and self._last_message and missing > 0:
            text = "messages of the server, with events in them, were lost or could not be read"
            self._sink.notice(NoticeKind.DATA_LOST, missing, text)
        self._last_message = message.SequenceNumber

    def _happened(self, events: Sequence[ua.EventFieldList]) -> None:
        by_handle: dict[int, list[list[ua.Variant]]] = {}
        for event in events:
            by_handle.setdefault(event.ClientHandle, []).append(list(event.EventFields or ()))
        for handle, found in by_handle.items():
            take = self._takers.get(handle)
            if take is not None:
                take(found)

    def _changed(self, notifications: Sequence[ua.MonitoredItemNotification]) -> None:
        receive_t_ns = time.time_ns()
        samples: list[Sample] = []
        lost = 0
        for notification in notifications:
            item = self._items.get(notification.ClientHandle)
            if item is None:
                continue
            item.last, item.notified_s = notification.Value, self._heard_s
            if status_of(item.last) in GONE:
                self.gone.append(item)
            lost += overflowed(item.last)
            sample = sample_of(self._device, item.point, item.last, receive_t_ns)
            samples.append(sample)
            self._note_bad(item, sample)
        if samples:
            self._sink.samples(samples)
        if lost:
            text = f"the server dropped values of {lost} points, which change faster than it sends"
            self._sink.notice(NoticeKind.DATA_LOST, lost, text)

    def _note_bad(self, item: Item, sample: Sample) -> None:
        was_bad = item.is_bad
        item.is_bad = bool(status_of(item.last) & _BAD) if item.last else False
        if item.is_bad and not was_bad:
            reason = f"{item.point.name}: the server calls its value bad ({sample.reason})"
            self._refused.add([Loss(1, reason)])
