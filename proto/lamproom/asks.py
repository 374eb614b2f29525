"""What a client asks for, each as a generator of steps: written once, for threads and event loops.

A step is a call or a wait. Whoever drives the generator performs it, and sends back the bytes of
the answer (of a stream, all its answers) or throws in a `LamproomError`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message

from lamproom.columns import Directory, Positions, joined, read_frame
from lamproom.errors import UnavailableError
from lamproom.items import Alarm, Event, EventFilter, Gap
from lamproom.retry import Backoff
from lamproom.v1 import alarm_pb2, event_pb2, history_pb2, mine_pb2, muster_pb2, position_pb2
from lamproom.v1.alarm_pb2 import ActHeader, ActResult
from lamproom.v1.event_pb2 import Consumer
from lamproom.v1.history_pb2 import HistoryGap
from lamproom.v1.mine_pb2 import Person, Zone

#: For so long, in all, an act is sent again to a gateway that does not answer: it restarts in less.
ACT_PATIENCE_S: Final = 30.0

_PACKAGE: Final = "/lamproom.v1."


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a method by its path; `streams`: the answer is the list of all its answers."""

    method: str
    request: bytes
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause."""

    seconds: float


Answer = TypeVar("Answer", bound=Message)
Item = TypeVar("Item")
Result = TypeVar("Result")

Step: TypeAlias = Call | Wait
Ask: TypeAlias = Generator[Step, Any, Result]


@dataclass(frozen=True, slots=True)
class Track:
    """Positions of the past.

    Attributes:
        positions: In the order of time.
        gaps: Times of which nothing can be had, and why.
    """

    positions: Positions
    gaps: tuple[HistoryGap, ...] = ()


@dataclass(frozen=True, slots=True)
class MusterRoll:
    """A muster and those whom it concerns, by number."""

    muster: muster_pb2.Muster
    cards: Sequence[muster_pb2.MusterCard] = field(default_factory=tuple)


class _Paged(Protocol):
    page_token: str

    def SerializeToString(self) -> bytes: ...  # noqa: N802  the name in protobuf


class _Page(Protocol):
    @property
    def next_page_token(self) -> str: ...


Page = TypeVar("Page", bound=_Page)


def one(method: str, request: Message, read: Callable[[bytes], Result]) -> Ask[Result]:
    """One answer."""
    answer: bytes = yield Call(_PACKAGE + method, request.SerializeToString())
    return read(answer)


def pages(
    method: str,
    request: _Paged,
    read: Callable[[bytes], Page],
    items: Callable[[Page], Iterable[Item]],
) -> Ask[list[Item]]:
    """The items of all pages."""
    found: list[Item] = []
    while True:
        answer: bytes = yield Call(_PACKAGE + method, request.SerializeToString())
        page = read(answer)
        found.extend(items(page))
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def patiently(ask: Callable[[], Ask[Result]]) -> Ask[Result]:
    """What `ask` asks for, for as long as it takes until the gateway is there."""
    backoff = Backoff()
    while True:
        try:
            return (yield from ask())
        except UnavailableError:
            yield Wait(backoff.wait_s())


def alarms() -> Ask[list[Alarm]]:
    """The alarms that are open or not acknowledged."""
    answer = alarm_pb2.ListAlarmsResponse
    request = alarm_pb2.ListAlarmsRequest()
    return pages(
        "AlarmService/ListAlarms", request, answer.FromString, lambda page: list(page.alarms)
    )


def people() -> Ask[list[Person]]:
    """Everyone on the roster, and cards that were seen beside it."""
    answer = mine_pb2.ListPeopleResponse
    request = mine_pb2.ListPeopleRequest()
    return pages(
        "MineService/ListPeople", request, answer.FromString, lambda page: list(page.people)
    )


def zones() -> Ask[list[Zone]]:
    """The zones of the map."""
    answer = mine_pb2.ListZonesResponse
    request = mine_pb2.ListZonesRequest()
    return pages("MineService/ListZones", request, answer.FromString, lambda page: list(page.zones))


def places(cards: Sequence[str]) -> Ask[list[position_pb2.Position]]:
    """The last known place of each card."""
    answer = position_pb2.ListPositionsResponse
    request = position_pb2.ListPositionsRequest(cards=cards)
    return pages(
        "PositionService/ListPositions",
        request,
        answer.FromString,
        lambda page: list(page.positions),
    )


def consumers() -> Ask[list[Consumer]]:
    """The consumers whose places the gateway remembers."""
    answer = event_pb2.ListConsumersResponse
    request = event_pb2.ListConsumersRequest()
    return pages(
        "EventService/ListConsumers", request, answer.FromString, lambda page: list(page.consumers)
    )


def events_page(token: str, where: EventFilter | None) -> Ask[tuple[list[Event | Gap], str]]:
    """A page of stored events with the gaps between them, and the token of the next page."""
    request = event_pb2.ListEventsRequest(page_token=token, filter=where)
    answer = yield from one(
        "EventService/ListEvents", request, event_pb2.ListEventsResponse.FromString
    )
    return sorted([*answer.events, *answer.gaps], key=_first_sequence), answer.next_page_token


def _first_sequence(item: Event | Gap) -> int:
    return item.sequence if isinstance(item, Event) else item.first_sequence


def acknowledge(consumer: str, cursor: bytes) -> Ask[Consumer]:
    """Has the gateway remember how far a consumer is."""
    request = event_pb2.AcknowledgeCursorRequest(consumer=consumer, cursor=cursor)
    read = event_pb2.AcknowledgeCursorResponse.FromString
    return (yield from one("EventService/AcknowledgeCursor", request, read)).consumer


def forget(consumer: str) -> Ask[event_pb2.DeleteConsumerResponse]:
    """Has the gateway forget a consumer."""
    request = event_pb2.DeleteConsumerRequest(consumer=consumer)
    read = event_pb2.DeleteConsumerResponse.FromString
    return one("EventService/DeleteConsumer", request, read)


def headcount() -> Ask[mine_pb2.GetHeadcountResponse]:
    """How many are below."""
    read = mine_pb2.GetHeadcountResponse.FromString
    return one("MineService/GetHeadcount", mine_pb2.GetHeadcountRequest(), read)


def mine_map() -> Ask[mine_pb2.GetMapResponse]:
    """The map."""
    read = mine_pb2.GetMapResponse.FromString
    return one("MineService/GetMap", mine_pb2.GetMapRequest(), read)


def muster() -> Ask[MusterRoll]:
    """The muster that is open, or the last one."""
    request = muster_pb2.GetMusterRequest()
    read = muster_pb2.GetMusterResponse.FromString
    found = yield from pages("MusterService/GetMuster", request, read, lambda page: [page])
    cards = [card for page in found for card in page.cards]
    return MusterRoll(found[0].muster, cards)


def track(card: str, start: datetime, end: datetime, least_interval_s: float) -> Ask[Track]:
    """One card's fixes over a time."""
    request = history_pb2.QueryTrackRequest(card=card, least_interval_s=least_interval_s)
    request.start_time.FromDatetime(start)
    request.end_time.FromDatetime(end)
    read = history_pb2.QueryTrackResponse.FromString
    return _history("HistoryService/QueryTrack", request, read)


def positions_at(time: datetime, cards: Sequence[str]) -> Ask[Track]:
    """Where every card was."""
    request = history_pb2.GetPositionsAtRequest(cards=cards)
    request.time.FromDatetime(time)
    read = history_pb2.GetPositionsAtResponse.FromString
    return _history("HistoryService/GetPositionsAt", request, read)


def _history(
    method: str,
    request: Message,
    read: Callable[[bytes], history_pb2.QueryTrackResponse | history_pb2.GetPositionsAtResponse],
) -> Ask[Track]:
    answers: list[bytes] = yield Call(_PACKAGE + method, request.SerializeToString(), streams=True)
    directory = Directory()
    frames: list[Positions] = []
    gaps: list[HistoryGap] = []
    for answer in map(read, answers):
        match answer.WhichOneof("message"):
            case "directory":
                directory.take(answer.directory)
            case "frame":
                frames.append(read_frame(answer.frame, directory))
            case "gap":
                gaps.append(answer.gap)
    return Track(joined(frames), tuple(gaps))


class _Done(Protocol):
    @property
    def result(self) -> ActResult: ...


class _Act(Protocol):
    @property
    def act(self) -> ActHeader: ...

    def SerializeToString(self) -> bytes: ...  # noqa: N802  the name in protobuf


def header(operator: str, note: str, request_id: str) -> ActHeader:
    """Who acts and why; without an id of the caller's own, a new one."""
    return ActHeader(operator=operator, note=note, request_id=request_id or str(uuid.uuid4()))


def act(method: str, request: _Act, read: Callable[[bytes], _Done]) -> Ask[ActResult]:
    """An act, sent again with the same request_id until it is answered: it is done once.

    Raises:
        UnavailableError: no answer for `ACT_PATIENCE_S`; the text has the request_id.
    """
    backoff = Backoff()
    waited_s = 0.0
    while True:
        try:
            answer: bytes = yield Call(_PACKAGE + method, request.SerializeToString())
            return read(answer).result
        except UnavailableError as error:
            wait_s = backoff.wait_s()
            waited_s += wait_s
            if waited_s > ACT_PATIENCE_S:
                msg = (
                    f"{error}; whether it was done is not known:"
                    f" send it again with request_id={request.act.request_id!r}"
                )
                raise UnavailableError(msg, error.code) from error
        yield Wait(wait_s)


def acknowledge_alarm(act_header: ActHeader, alarm_id: str) -> Ask[ActResult]:
    """Says that an operator has seen an alarm."""
    request = alarm_pb2.AcknowledgeAlarmRequest(act=act_header, alarm_id=alarm_id)
    read = alarm_pb2.AcknowledgeAlarmResponse.FromString
    return act("AlarmService/AcknowledgeAlarm", request, read)


def reset_alarm(act_header: ActHeader, alarm_id: str) -> Ask[ActResult]:
    """Ends a latched alarm whose condition is over."""
    request = alarm_pb2.ResetAlarmRequest(act=act_header, alarm_id=alarm_id)
    return act("AlarmService/ResetAlarm", request, alarm_pb2.ResetAlarmResponse.FromString)


def shelve_alarm(act_header: ActHeader, alarm_id: str, until: datetime) -> Ask[ActResult]:
    """Puts an alarm aside until a time."""
    request = alarm_pb2.ShelveAlarmRequest(act=act_header, alarm_id=alarm_id)
    request.until_time.FromDatetime(until)
    return act("AlarmService/ShelveAlarm", request, alarm_pb2.ShelveAlarmResponse.FromString)


def unshelve_alarm(act_header: ActHeader, alarm_id: str) -> Ask[ActResult]:
    """Brings a shelved alarm back."""
    request = alarm_pb2.UnshelveAlarmRequest(act=act_header, alarm_id=alarm_id)
    return act("AlarmService/UnshelveAlarm", request, alarm_pb2.UnshelveAlarmResponse.FromString)


def open_muster(act_header: ActHeader, zone_ids: Sequence[str], *, drill: bool) -> Ask[ActResult]:
    """Opens a muster."""
    request = muster_pb2.OpenMusterRequest(act=act_header, zone_ids=zone_ids, drill=drill)
    return act("MusterService/OpenMuster", request, muster_pb2.OpenMusterResponse.FromString)


def close_muster(act_header: ActHeader, muster_id: str) -> Ask[ActResult]:
    """Closes the muster that is open."""
    request = muster_pb2.CloseMusterRequest(act=act_header, muster_id=muster_id)
    return act("MusterService/CloseMuster", request, muster_pb2.CloseMusterResponse.FromString)
