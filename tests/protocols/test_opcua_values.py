"""Data values, notifications, answers and errors of a server, one by one and without a server."""

from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from hypothesis import given
from hypothesis import strategies as st

from equipment import catalogue
from equipment.opcua_event import EventSource
from equipment.opcua_profile import OpcUaPoint, OpcUaProfile
from equipment.report import NoticeKind, Quality, Sample
from protocols.driver import DeviceError
from protocols.losses import Losses
from protocols.opcua.browse import NotFound, number_prefixes, read_namespaces, resolve
from protocols.opcua.connection import explain
from protocols.opcua.events import EventFeed
from protocols.opcua.options import OpcUaOptions
from protocols.opcua.records import EventDecoder
from protocols.opcua.security import Identity
from protocols.opcua.structures import Layouts
from protocols.opcua.subscription import Subscription
from protocols.opcua.values import same, sample_of, source_t_ns
from tests.support.sink import Told

OPTIONS = OpcUaOptions(url="opc.tcp://10.0.0.5", root="a")
IDENTITY = Identity(b"certificate", b"key", "urn:host:lamproom")
#: The server that is not asked here.
NOBODY: Any = None
PATH = (("", "A"),)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def point(name: str = "position") -> OpcUaPoint:
    profile = catalogue.load("shearer_opc40560")
    assert isinstance(profile, OpcUaProfile)
    return next(p for p in profile.point if p.name == name)


def data(value: object, code: int = StatusCodes.Good, **more: Any) -> ua.DataValue:
    variant = ua.Variant(value, ua.VariantType.Double)
    return ua.DataValue(variant, ua.StatusCode(ua.UInt32(code)), **more)


def sample(value: ua.DataValue, name: str = "position") -> Sample:
    return sample_of("m1", point(name), value, 7)


@given(st.floats())
def test_a_number_is_good_only_within_its_range(value: float) -> None:
    found = sample(data(value))
    assert (found.quality is Quality.GOOD) == (-50 <= value <= 500)
    assert (found.value is None) == (found.quality is Quality.BAD)
    assert (found.reason == "") == (found.quality is Quality.GOOD)


@given(st.integers(0, 0xFFFFFFFF))
def test_every_status_has_a_quality(code: int) -> None:
    found = sample(data(1.0, code))
    assert found.quality is {0: Quality.GOOD, 1: Quality.UNCERTAIN}.get(code >> 30, Quality.BAD)
    assert bool(found.reason) == (found.quality is not Quality.GOOD)


def test_a_state_that_is_no_number_is_bad() -> None:
    for value in (float("nan"), float("inf"), 0.5):
        assert sample(data(value), "driving_direction").quality is Quality.BAD
    assert sample(data(2.0), "driving_direction").value == "right"


def test_no_value_is_bad() -> None:
    found = sample(ua.DataValue(ua.Variant()))
    assert (found.value, found.quality) == (None, Quality.BAD)
    assert found.reason == "the server gave no value"


def test_an_uncertain_value_out_of_range_is_bad() -> None:
    found = sample(data(900.0, StatusCodes.UncertainLastUsableValue))
    assert (found.value, found.quality) == (None, Quality.BAD)
    assert "outside" in found.reason


def test_times_of_a_device_without_clock_are_none() -> None:
    assert source_t_ns(data(1.0)) is None
    assert source_t_ns(data(1.0, SourceTimestamp=datetime(1601, 1, 1))) is None  # noqa: DTZ001 - as some decoders give it
    known = datetime(2026, 1, 1, microsecond=1)  # noqa: DTZ001 - likewise
    assert source_t_ns(data(1.0, SourceTimestamp=known)) == 1_767_225_600_000_001_000


def test_two_values_are_the_same_whatever_their_times() -> None:
    nan = float("nan")
    assert same(data(1.0, SourceTimestamp=datetime(2026, 1, 1)), data(1.0))  # noqa: DTZ001 - likewise
    assert same(data(nan), data(nan))
    assert same(data(1.0, 0x0480), data(1.0))
    assert not same(data(1.0), data(2.0))
    assert not same(data(1.0), data(1.0, StatusCodes.UncertainLastUsableValue))
    assert not same(None, data(1.0))


class Answers:
    """A client whose server answers as told; its `uaclient` is itself."""

    def __init__(self, **answers: object) -> None:
        self.uaclient = self
        self._answers = answers
        self.callback: Any = None

    async def read_attributes(self, nodes: object, attribute: object) -> object:
        return self._answers["read"]

    async def translate_browsepaths_to_nodeids(self, paths: object) -> object:
        return self._answers["translate"]

    async def create_subscription(self, parameters: Any, callback: Any) -> object:
        self.callback = callback
        return ua.CreateSubscriptionResult(
            SubscriptionId=1,
            RevisedPublishingInterval=100.0,
            RevisedLifetimeCount=100,
            RevisedMaxKeepAliveCount=10,
        )

    async def create_monitored_items(self, parameters: Any) -> object:
        return [ua.MonitoredItemCreateResult(MonitoredItemId=5) for _ in parameters.ItemsToCreate]


async def subscribed(told: Told, refused: Losses | None = None) -> tuple[Subscription, Any]:
    client, refused = Answers(), refused or Losses()
    subscription = Subscription(client, "m1", {}, told, refused)  # type: ignore[arg-type]  # stands in for it
    await subscription.create(100)
    assert await subscription.add([(point(), ua.NodeId())]) == []
    return subscription, client.callback


def message(*notifications: object) -> ua.PublishResult:
    result = ua.PublishResult()
    result.NotificationMessage.NotificationData = list(notifications)
    return result


def change(handle: int, value: ua.DataValue) -> ua.DataChangeNotification:
    item = ua.MonitoredItemNotification(ClientHandle=handle, Value=value)
    return ua.DataChangeNotification(MonitoredItems=[item])


async def test_dropped_values_are_said_aloud() -> None:
    told = Told()
    _, receive = await subscribed(told)
    receive(message(change(1, data(1.0, 0x0480))))
    assert [s.value for s in told.got] == [1.0]
    assert [(kind, count) for kind, count, _ in told.notices] == [(NoticeKind.DATA_LOST, 1)]


async def test_a_value_that_the_server_calls_bad_is_told_when_that_begins() -> None:
    told, refused = Told(), Losses()
    _, receive = await subscribed(told, refused)
    for status in (0, 0x808C0000, 0x808C0000, 0, 0x808C0000):
        receive(message(change(1, data(1.0, status))))
    (loss,) = refused.due(0.0)
    assert loss.count == 2
    assert "BadSensorFailure" in loss.reason


def numbered(number: int, *notifications: object) -> ua.PublishResult:
    result = message(*notifications)
    result.NotificationMessage.SequenceNumber = ua.UInt32(number)
    return result


async def test_messages_that_are_missing_are_said_aloud_where_events_are_taken() -> None:
    told = Told()
    subscription, receive = await subscribed(told)
    receive(numbered(1, change(1, data(1.0))))
    receive(numbered(3, change(1, data(2.0))))
    assert told.notices == [], "values are read again"
    events: list[list[ua.Variant]] = []
    await subscription.add_events(ua.NodeId(), ua.EventFilter(), events.extend)
    event = ua.EventFieldList(ClientHandle=2, EventFields=[ua.Variant(5)])
    other = ua.EventFieldList(ClientHandle=9, EventFields=[ua.Variant(6)])
    receive(numbered(4, ua.EventNotificationList(Events=[event, other])))
    receive(numbered(5))
    receive(numbered(5, change(1, data(2.0))))
    assert told.notices == [], "a keep-alive has the number of the next message"
    receive(numbered(8, ua.EventNotificationList(Events=[event])))
    ((kind, count, text),) = told.notices
    assert (kind, count) == (NoticeKind.DATA_LOST, 2)
    assert "were lost or could not be read" in text
    assert [[one.Value for one in fields] for fields in events] == [[5], [5]]
    assert subscription.failure is None


def feed(told: Told) -> EventFeed:
    fields = [{"name": "t_us", "path": "Time"}, {"name": "card", "path": "Card"}]
    event = EventSource.model_validate({"type": "SeenType", "field": fields})
    one = EventFeed(NOBODY, "r1", PATH, event, told)
    one._types = frozenset({ua.NodeId(ua.Int32(7))})
    one._decoder = EventDecoder(event.field, Layouts({}, {}, {}))
    return one


def happened(event_type: int, *fields: object) -> list[ua.Variant]:
    return [ua.Variant(ua.NodeId(ua.Int32(event_type))), *map(ua.Variant, fields)]


async def test_a_full_queue_of_events_is_said_aloud_and_the_events_are_taken() -> None:
    told = Told()
    overflow = happened(ObjectIds.EventQueueOverflowEventType, None, None)
    feed(told)._take([overflow, happened(7, NOW, "100"), happened(8, NOW, "other")])
    ((kind, count, text),) = told.notices
    assert (kind, count, text) == (
        NoticeKind.DATA_LOST,
        1,
        "the server's queue of events was full: events are lost",
    )
    (batch,) = told.batches
    assert batch.columns["card"].tolist() == ["100"]
    assert batch.device_t_ns is None, "the server has shown no clock"


async def test_events_with_other_fields_than_asked_for_are_refused() -> None:
    told = Told()
    feed(told)._take([happened(7, NOW), [], happened(7, NOW, "100")])
    assert told.notices == [
        (NoticeKind.DATA_REFUSED, 1, "events have other fields than were asked for")
    ]
    assert [batch.columns["card"].tolist() for batch in told.batches] == [["100"]]


async def test_a_value_of_an_item_that_is_gone_is_ignored() -> None:
    told = Told()
    _, receive = await subscribed(told)
    receive(message(change(99, data(1.0))))
    assert told.got == []
    assert told.heard_count == 1


async def test_a_keep_alive_is_a_sign_of_life() -> None:
    told = Told()
    subscription, receive = await subscribed(told)
    receive(message())
    assert told.heard_count == 1
    subscription.check()


async def test_a_subscription_that_the_server_ends_is_over() -> None:
    subscription, receive = await subscribed(Told())
    ended = ua.StatusChangeNotification(Status=ua.StatusCode(ua.UInt32(StatusCodes.BadTimeout)))
    receive(message(ended))
    with pytest.raises(DeviceError, match=r"ended the subscription \(BadTimeout\)"):
        subscription.check()


async def test_a_message_that_can_not_be_used_ends_the_session() -> None:
    subscription, receive = await subscribed(Told())
    receive(message(change(1, None)))  # type: ignore[arg-type]  # what no server should send
    with pytest.raises(DeviceError, match="can't be used"):
        subscription.check()


async def test_a_server_without_namespaces_is_told() -> None:
    client: Any = Answers(read=[ua.DataValue(ua.Variant())])
    with pytest.raises(DeviceError, match="may still be starting"):
        await read_namespaces(client)


def test_a_missing_namespace_and_those_offered_are_named() -> None:
    offered = ("http://opcfoundation.org/UA/", "urn:b")
    assert number_prefixes({"b": "urn:b"}, ["b", ""], offered) == {"": 0, "b": 1}
    with pytest.raises(DeviceError, match=r"namespace urn:c; it offers http://.*, urn:b"):
        number_prefixes({"b": "urn:b", "c": "urn:c"}, ["b", "c"], offered)


def target(node: ua.NodeId, rest: int = 0xFFFFFFFF) -> ua.BrowsePathTarget:
    return ua.BrowsePathTarget(TargetId=node, RemainingPathIndex=rest)


@pytest.mark.parametrize(
    ("targets", "code", "expected"),
    [
        ([target(ua.NodeId(5, 1))], 0, ua.NodeId(5, 1)),  # type: ignore[arg-type]  # plain integers do
        ([target(ua.ExpandedNodeId(5, 0, None, "urn:b", 0))], 0, ua.NodeId(5, 1)),  # type: ignore[arg-type]  # likewise
        ([target(ua.ExpandedNodeId(5, 1, None, None, 3))], 0, "path step A in Objects"),  # type: ignore[arg-type]  # likewise
        ([target(ua.NodeId(5, 1), rest=1)], 0, "path step A in Objects"),  # type: ignore[arg-type]  # likewise
        ([], StatusCodes.BadNoMatch, "path step A in Objects"),
        ([], StatusCodes.BadNotSupported, "path step A in Objects (BadNotSupported)"),
    ],
)
async def test_what_a_server_may_find_at_a_path(
    targets: list[ua.BrowsePathTarget], code: int, expected: object
) -> None:
    result = ua.BrowsePathResult(StatusCode=ua.StatusCode(ua.UInt32(code)), Targets=targets)
    client: Any = Answers(translate=[result])
    found = await resolve(client, [PATH], {"": 0}, ("http://opcfoundation.org/UA/", "urn:b"))
    if isinstance(expected, str):
        expected = NotFound(f"node not found: {expected}")
    assert found == {PATH: expected}


def status_error(code: int) -> Exception:
    error: Exception = UaStatusCodeError(code)  # type: ignore[no-untyped-call]  # the library's
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (status_error(StatusCodes.BadUserAccessDenied), "refuses a session without a user"),
        (status_error(StatusCodes.BadCertificateUntrusted), "trust it there"),
        (status_error(StatusCodes.BadTooManySessions), "close other clients"),
        (status_error(StatusCodes.BadShutdown), "the server says BadShutdown"),
        (TimeoutError(), "no answer within 5 s"),
        (ConnectionRefusedError(111, "x"), "check that the server runs"),
        (OSError(113, "No route to host"), "No route to host"),
        (UaError("odd"), "makes no sense (UaError: odd)"),
    ],
)
def test_errors_have_words(error: Exception, words: str) -> None:
    assert words in explain(error, OPTIONS, IDENTITY)
