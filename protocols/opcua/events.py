"""The events of one device: found by name, subscribed, told as records."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from equipment.opcua_event import EventField, EventSource
from equipment.report import NoticeKind, RecordBatch
from protocols.driver import DeviceError, Sink
from protocols.opcua.browse import NotFound, Path, resolve
from protocols.opcua.definitions import (
    BASE_EVENT,
    attributes,
    declared_types,
    find_event_types,
    read_layouts,
    subtypes,
)
from protocols.opcua.records import EventDecoder
from protocols.opcua.structures import Layouts
from protocols.opcua.subscription import Subscription

#: What a server puts in the place of events that it had no room for (OPC 10000-4, 7.22.3).
_OVERFLOW: Final = ua.NodeId(ua.Int32(ObjectIds.EventQueueOverflowEventType))
_NO_EVENTS: Final = (
    "the server gives no events of this object ({}): is root in devices.toml the one that does?"
)
_EVENT_TYPE: Final = ((("", "EventType"),), BASE_EVENT)


class EventFeed:
    """Takes the events of one device's object while a session lasts."""

    def __init__(
        self, client: Client, device: str, root: Path, event: EventSource, sink: Sink
    ) -> None:
        """Does no I/O; `begin` does. `root` is the object's path from Objects."""
        self._client = client
        self._device = device
        self._root = root
        self._event = event
        self._sink = sink
        self._decoder = EventDecoder((), Layouts({}, {}, {}))
        self._node = ua.NodeId()
        self._types: frozenset[ua.NodeId] = frozenset()
        #: How far the server's clock is ahead of this computer's; None: it shows none.
        self._ahead_ns: int | None = None

    def note_clock(self, took_s: float, device_t_ns: int | None) -> None:
        """Takes what the server's clock has just shown, in an answer that took so long."""
        if device_t_ns is not None:
            # It was shown somewhere between the question and the answer.
            self._ahead_ns = device_t_ns + round(took_s * 5e8) - time.time_ns()

    async def begin(
        self, subscription: Subscription, indices: Mapping[str, int], namespaces: tuple[str, ...]
    ) -> None:
        """Finds what the profile names, and takes the events from then on.

        Raises:
            DeviceError: the server does not have it, or refuses, in words.
        """
        self._node = await self._find_root(indices, namespaces)
        await self._check_notifier()
        prefix, name = self._event.step
        wanted = ua.QualifiedName(name, indices[prefix])
        event_type, self._types = await find_event_types(
            self._client, wanted, self._event.type, namespaces
        )
        layouts = await self._layouts(event_type, indices, namespaces)
        self._decoder = EventDecoder(self._event.field, layouts)
        selected = [_EVENT_TYPE, *((one.steps, event_type) for one in self._event.field)]
        clauses = [
            ua.SimpleAttributeOperand(
                TypeDefinitionId=of_type,
                BrowsePath=[ua.QualifiedName(name, indices[prefix]) for prefix, name in steps],
                AttributeId=AttributeIds.Value,
            )
            for steps, of_type in selected
        ]
        # Without a condition on the type, which small servers do not take: looked at here.
        asked = ua.EventFilter(SelectClauses=clauses)
        self._judge(await subscription.add_events(self._node, asked, self._take))

    async def check(self, indices: Mapping[str, int], namespaces: tuple[str, ...]) -> None:
        """Raises DeviceError where the object is no more the one whose events are taken."""
        if await self._find_root(indices, namespaces) != self._node:
            msg = "the object whose events are taken was made anew; so is the session"
            raise DeviceError(msg)

    async def _find_root(
        self, indices: Mapping[str, int], namespaces: tuple[str, ...]
    ) -> ua.NodeId:
        node = (await resolve(self._client, [self._root], indices, namespaces))[self._root]
        if isinstance(node, NotFound):
            raise DeviceError(node.reason)
        return node

    async def _check_notifier(self) -> None:
        """Some servers take a subscription to an object that gives no events, and send none."""
        (value,) = await attributes(self._client, [self._node], AttributeIds.EventNotifier)
        if isinstance(value, int) and not value & ua.EventNotifierType.SubscribeToEvents:
            raise DeviceError(_NO_EVENTS.format("its EventNotifier says so"))

    async def _layouts(
        self, event_type: ua.NodeId, indices: Mapping[str, int], namespaces: tuple[str, ...]
    ) -> Layouts:
        """How the structures lie that fields with members need."""
        with_members = [one for one in self._event.field if one.members]
        paths = {one.steps for one in with_members}
        declared = await declared_types(self._client, event_type, paths, indices, namespaces)
        for one in with_members:
            if one.steps not in declared:
                msg = (
                    f"the event type {self._event.type} has no field {one.path}: check the profile"
                )
                raise DeviceError(msg)
        types = frozenset(declared.values())
        layouts = await read_layouts(self._client, types, namespaces)
        for one in with_members:
            data_type = declared[one.steps]
            kinds = [data_type, *await subtypes(self._client, [data_type], namespaces)]
            _check_members(one, kinds, layouts)
        return layouts

    def _judge(self, result: ua.MonitoredItemCreateResult) -> None:
        if result.StatusCode.is_bad():
            raise DeviceError(_NO_EVENTS.format(result.StatusCode.name))
        if isinstance(result.FilterResult, ua.EventFilterResult):
            statuses = list(result.FilterResult.SelectClauseResults or ())[1:]
            for one, status in zip(self._event.field, statuses, strict=False):
                if status.is_bad():
                    msg = f"the server does not give the events' field {one.path} ({status.name})"
                    raise DeviceError(msg)

    def _take(self, events: list[list[ua.Variant]]) -> None:
        """The events of one message."""
        receive_t_ns = time.time_ns()
        wanted = [event[1:] for event in events if event and event[0].Value in self._types]
        if any(event and event[0].Value == _OVERFLOW for event in events):
            text = "the server's queue of events was full: events are lost"
            self._sink.notice(NoticeKind.DATA_LOST, 1, text)
        whole = [event for event in wanted if len(event) == len(self._event.field)]
        if len(whole) < len(wanted):
            text = "events have other fields than were asked for"
            self._sink.notice(NoticeKind.DATA_REFUSED, len(wanted) - len(whole), text)
        taken = self._decoder.take(whole)
        for text, count in taken.refusals.items():
            self._sink.notice(NoticeKind.DATA_REFUSED, count, text)
        if taken.count:
            device_t_ns = None if self._ahead_ns is None else receive_t_ns + self._ahead_ns
            batch = RecordBatch(self._device, taken.arrays(), receive_t_ns, device_t_ns)
            self._sink.records(batch)


def _check_members(one: EventField, kinds: list[ua.NodeId], layouts: Layouts) -> None:
    """Raises DeviceError where no kind of a structure has a member that the profile names."""
    if not any(kind in layouts.by_type for kind in kinds):
        reasons = [layouts.unusable[kind] for kind in kinds if kind in layouts.unusable]
        msg = f"{one.path} can't be read: {reasons[0] if reasons else 'it is no structure'}"
        raise DeviceError(msg)
    for member in one.members:
        if not any(layouts.holds(kind, member) for kind in kinds):
            has = sorted({m.name for kind in kinds for m in layouts.members_of(kind)})
            path = "/".join(member)
            msg = f"{one.path} has no member {path} (it has {', '.join(has)}): check the profile"
            raise DeviceError(msg)
