"""The plain client: streams are iterators, calls wait for their answer."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc

from lamproom import asks
from lamproom.asks import Ask, MusterRoll, Track, header
from lamproom.connection import HISTORY_TIMEOUT_S, TIMEOUT_S, Connection, Pem
from lamproom.errors import LamproomError
from lamproom.items import (
    Alarm,
    Event,
    EventFilter,
    EventItem,
    Gap,
    PositionFilter,
    PositionItem,
    Sampling,
)
from lamproom.keeping import CursorStore, Keeping
from lamproom.picture import AlarmBoard
from lamproom.plain_stream import Stream, failure_of
from lamproom.stream import EventPlace, Opening, PositionPlace, position_request
from lamproom.v1.alarm_pb2 import ActResult
from lamproom.v1.event_pb2 import Consumer
from lamproom.v1.mine_pb2 import GetHeadcountResponse, GetMapResponse, Person, Zone
from lamproom.v1.position_pb2 import SAMPLING_LATEST, Position

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How often it is looked for streams that have fallen silent.
_LOOK_S: Final = 1.0


class Client:
    """A client of one gateway. It may be used by many threads, each stream by one at a time.

    Args:
        address: `HOST:PORT`.
        ca: The certificate of who vouches for the gateway: PEM, or its file. Encrypts.
        cert, key: The client's own certificate and key, where the gateway asks for them.
        token: Sent with each call, where the gateway gives rights by tokens.
        tls: Encrypt also without `ca`: the system's own authorities vouch for the gateway.
        server_name: The name in the gateway's certificate, where it is not that of the address.
        timeout_s: How long a call may take. Streams take as long as they are read.

    Raises:
        ConnectionOptionError: a file can't be read, or `cert` comes without `key`.
    """

    def __init__(
        self,
        address: str,
        *,
        ca: Pem | None = None,
        cert: Pem | None = None,
        key: Pem | None = None,
        token: str = "",
        tls: bool = False,
        server_name: str = "",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        connection = Connection(address, ca, cert, key, token, tls, server_name)
        credentials, options = connection.credentials(), connection.options()
        self._metadata = connection.metadata()
        self._timeout_s = timeout_s
        #: For the stubs of services that have no method here.
        self.channel: grpc.Channel = (
            grpc.secure_channel(address, credentials, options)
            if credentials
            else grpc.insecure_channel(address, options)
        )
        self._closed = threading.Event()
        self._streams: weakref.WeakSet[Stream[Any]] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._looker: threading.Thread | None = None

    def close(self) -> None:
        """Ends all streams and the connection."""
        self._closed.set()
        with self._lock:
            streams, looker = list(self._streams), self._looker
        for stream in streams:
            stream.close()
        if looker is not None and looker is not threading.current_thread():
            looker.join()
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Streams

    def events(
        self,
        *,
        cursor: bytes | CursorStore = b"",
        sequence: int | None = None,
        consumer: str = "",
        where: EventFilter | None = None,
    ) -> Stream[EventItem]:
        """What happens, for ever: none is missed and none comes twice, whatever restarts.

        Begins after `cursor`, that of an item or of a store such as `CursorFile`, which then is
        given each new one. Without one yet, begins with event `sequence` (1: the oldest there
        ever was) or, with neither, now. With a `consumer` name, the gateway remembers the place.

        Raises:
            CursorFileError: the file holds no cursor.
        """
        store = None if isinstance(cursor, bytes) else cursor
        start = cursor if isinstance(cursor, bytes) else cursor.load()
        place = EventPlace(cursor=start, sequence=sequence, consumer=consumer, where=where)
        return self._added(Stream(self, place, Keeping(store, consumer)))

    def positions(
        self,
        *,
        cursor: bytes = b"",
        sampling: Sampling.ValueType = SAMPLING_LATEST,
        where: PositionFilter | None = None,
        columns: Sequence[str] = (),
    ) -> Stream[PositionItem]:
        """Where everyone is: what is known now, then each change, as columns.

        Whoever reads slowly gets the newest fix of each card, never what is long past. `columns`
        are names of fields of `PositionFrame`, when not all are needed.
        """
        request = position_request(cursor, sampling, where, columns)
        return self._added(Stream(self, PositionPlace(request)))

    def follow_alarms(self) -> Iterator[list[Alarm]]:
        """The alarms that are open or not acknowledged: as they are now, then at each change."""
        board = AlarmBoard()
        with self.events() as events:
            for item in events:
                if not board.take(item):
                    continue
                if board.outdated:
                    board.fill(self.do(asks.patiently(asks.alarms)))
                yield board.alarms()

    # Questions

    def stored_events(self, *, where: EventFilter | None = None) -> Iterator[Event | Gap]:
        """All events that the journal holds now, the oldest first, asked for page by page."""
        token = ""
        while True:
            items, token = self.do(asks.events_page(token, where))
            yield from items
            if not token:
                return

    def alarms(self) -> list[Alarm]:
        """The alarms that are open or not acknowledged, the most severe and then oldest first."""
        return self.do(asks.alarms())

    def headcount(self) -> GetHeadcountResponse:
        """How many are below, in the mine and in each zone."""
        return self.do(asks.headcount())

    def people(self) -> list[Person]:
        """Everyone on the roster, and cards that were seen beside it."""
        return self.do(asks.people())

    def zones(self) -> list[Zone]:
        """The zones of the map."""
        return self.do(asks.zones())

    def map(self) -> GetMapResponse:
        """What is needed to draw the mine."""
        return self.do(asks.mine_map())

    def places(self, cards: Sequence[str] = ()) -> list[Position]:
        """The last known place of each of the cards, or of all, one message each."""
        return self.do(asks.places(cards))

    def track(
        self, card: str, start: datetime, end: datetime, *, least_interval_s: float = 0.0
    ) -> Track:
        """One card's fixes from `start` until before `end`; one in so many seconds at most.

        A time without a zone is UTC.
        """
        return self.do(asks.track(card, start, end, least_interval_s))

    def positions_at(self, time: datetime, cards: Sequence[str] = ()) -> Track:
        """Where each of the cards, or everyone, was at an instant: the last fix until then."""
        return self.do(asks.positions_at(time, cards))

    def muster(self) -> MusterRoll:
        """The muster that is open, or else the last one."""
        return self.do(asks.muster())

    def consumers(self) -> list[Consumer]:
        """The consumers of events whose places the gateway remembers."""
        return self.do(asks.consumers())

    # Acts: done once, however often a broken connection has them sent. `request_id` is needed only
    # to send one again that an `UnavailableError` has left in doubt.

    def acknowledge(self, consumer: str, cursor: bytes) -> Consumer:
        """Has the gateway remember that a consumer has dealt with all events up to a cursor."""
        return self.do(asks.acknowledge(consumer, cursor))

    def delete_consumer(self, consumer: str) -> None:
        """Has the gateway forget a consumer that will not come back."""
        self.do(asks.forget(consumer))

    def acknowledge_alarm(
        self, alarm_id: str, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Says that an operator has seen an alarm."""
        return self.do(asks.acknowledge_alarm(header(operator, note, request_id), alarm_id))

    def reset_alarm(
        self, alarm_id: str, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Ends a latched alarm whose condition is over."""
        return self.do(asks.reset_alarm(header(operator, note, request_id), alarm_id))

    def shelve_alarm(
        self, alarm_id: str, until: datetime, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Puts an alarm aside until a time."""
        return self.do(asks.shelve_alarm(header(operator, note, request_id), alarm_id, until))

    def unshelve_alarm(
        self, alarm_id: str, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Brings a shelved alarm back."""
        return self.do(asks.unshelve_alarm(header(operator, note, request_id), alarm_id))

    def open_muster(
        self,
        zone_ids: Sequence[str] = (),
        *,
        operator: str,
        note: str,
        drill: bool = False,
        request_id: str = "",
    ) -> ActResult:
        """Opens a muster for zones that must be left, none for the whole mine; `note` says why."""
        act = header(operator, note, request_id)
        return self.do(asks.open_muster(act, zone_ids, drill=drill))

    def close_muster(
        self, muster_id: str, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Closes the muster that is open, whoever is still missing."""
        return self.do(asks.close_muster(header(operator, note, request_id), muster_id))

    # What carries the bytes

    def open_call(self, opening: Opening, requests: Iterator[bytes]) -> Any:
        """Begins a call of a stream: an iterator of its answers' bytes.

        Raises:
            LamproomError: the client is closed.
        """
        self._check_open()
        # One message and the end of all look the same to a method that takes one request.
        method: Any = self.channel.stream_stream(opening.method)
        return method(requests, metadata=self._metadata)

    def do(self, ask: Ask[Result]) -> Result:
        """Performs an ask step by step.

        Raises:
            UnavailableError: the gateway can't be reached, or did not answer in time.
            RefusedError: the gateway does not do that.
        """
        try:
            step = next(ask)
            while True:
                try:
                    answer = self._perform(step)
                except LamproomError as error:
                    step = ask.throw(error)
                else:
                    step = ask.send(answer)
        except StopIteration as done:
            result: Result = done.value
            return result

    def _perform(self, step: asks.Step) -> bytes | list[bytes] | None:
        if isinstance(step, asks.Wait):
            self._closed.wait(step.seconds)
            return None
        self._check_open()
        try:
            if step.streams:
                stream: Any = self.channel.unary_stream(step.method)
                return list(
                    stream(step.request, timeout=HISTORY_TIMEOUT_S, metadata=self._metadata)
                )
            method: Any = self.channel.unary_unary(step.method)
            answer: bytes = method(step.request, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise failure_of(error) from error
        return answer

    def _check_open(self) -> None:
        if self._closed.is_set():
            msg = "this client is closed"
            raise LamproomError(msg)

    def _added(self, stream: Stream[Item]) -> Stream[Item]:
        with self._lock:
            self._streams.add(stream)
            if self._looker is None:
                self._looker = threading.Thread(
                    target=_look, args=(self._streams, self._closed), name="lamproom", daemon=True
                )
                self._looker.start()
        return stream


def _look(streams: weakref.WeakSet[Stream[Any]], closed: threading.Event) -> None:
    """Breaks off calls of streams that hang on dead links, until the client is closed."""
    while not closed.wait(_LOOK_S):
        now_s = time.monotonic()
        for stream in list(streams):
            stream.end_if_silent(now_s)
