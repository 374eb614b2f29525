"""The client for event loops: as `client.py`, with `async` before it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from lamproom import asks
from lamproom.aio_stream import AsyncStream, failure_of
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
from lamproom.stream import EventPlace, Opening, PositionPlace, position_request
from lamproom.v1.alarm_pb2 import ActResult
from lamproom.v1.event_pb2 import Consumer
from lamproom.v1.mine_pb2 import GetHeadcountResponse, GetMapResponse, Person, Zone
from lamproom.v1.position_pb2 import SAMPLING_LATEST, Position

Item = TypeVar("Item")
Result = TypeVar("Result")


class AsyncClient:
    """A client of one gateway. It belongs to the event loop on which it is first used.

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
        self._connection = Connection(address, ca, cert, key, token, tls, server_name)
        # Made at once, so that what is wrong is told here; the channel needs a running loop.
        self._credentials = self._connection.credentials()
        self._metadata = self._connection.metadata()
        self._timeout_s = timeout_s
        self._streams: weakref.WeakSet[AsyncStream[Any]] = weakref.WeakSet()
        self._channel: grpc.aio.Channel | None = None
        self._closed = False

    @property
    def channel(self) -> grpc.aio.Channel:
        """For the stubs of services that have no method here.

        Raises:
            LamproomError: the client is closed.
        """
        if self._closed:
            msg = "this client is closed"
            raise LamproomError(msg)
        if self._channel is None:
            address, options = self._connection.address, self._connection.options()
            self._channel = (
                grpc.aio.secure_channel(address, self._credentials, options)
                if self._credentials
                else grpc.aio.insecure_channel(address, options)
            )
        return self._channel

    async def close(self) -> None:
        """Ends all streams and the connection."""
        self._closed = True
        for stream in list(self._streams):
            await stream.close()
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # Streams

    def events(
        self,
        *,
        cursor: bytes | CursorStore = b"",
        sequence: int | None = None,
        consumer: str = "",
        where: EventFilter | None = None,
    ) -> AsyncStream[EventItem]:
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
        return self._added(AsyncStream(self, place, Keeping(store, consumer)))

    def positions(
        self,
        *,
        cursor: bytes = b"",
        sampling: Sampling.ValueType = SAMPLING_LATEST,
        where: PositionFilter | None = None,
        columns: Sequence[str] = (),
    ) -> AsyncStream[PositionItem]:
        """Where everyone is: what is known now, then each change, as columns.

        Whoever reads slowly gets the newest fix of each card, never what is long past. `columns`
        are names of fields of `PositionFrame`, when not all are needed.
        """
        request = position_request(cursor, sampling, where, columns)
        return self._added(AsyncStream(self, PositionPlace(request)))

    async def follow_alarms(self) -> AsyncIterator[list[Alarm]]:
        """The alarms that are open or not acknowledged: as they are now, then at each change."""
        board = AlarmBoard()
        async with self.events() as events:
            async for item in events:
                if not board.take(item):
                    continue
                if board.outdated:
                    board.fill(await self.do(asks.patiently(asks.alarms)))
                yield board.alarms()

    # Questions

    async def stored_events(
        self, *, where: EventFilter | None = None
    ) -> AsyncIterator[Event | Gap]:
        """All events that the journal holds now, the oldest first, asked for page by page."""
        token = ""
        while True:
            items, token = await self.do(asks.events_page(token, where))
            for item in items:
                yield item
            if not token:
                return

    async def alarms(self) -> list[Alarm]:
        """The alarms that are open or not acknowledged, the most severe and then oldest first."""
        return await self.do(asks.alarms())

    async def headcount(self) -> GetHeadcountResponse:
        """How many are below, in the mine and in each zone."""
        return await self.do(asks.headcount())

    async def people(self) -> list[Person]:
        """Everyone on the roster, and cards that were seen beside it."""
        return await self.do(asks.people())

    async def zones(self) -> list[Zone]:
        """The zones of the map."""
        return await self.do(asks.zones())

    async def map(self) -> GetMapResponse:
        """What is needed to draw the mine."""
        return await self.do(asks.mine_map())

    async def places(self, cards: Sequence[str] = ()) -> list[Position]:
        """The last known place of each of the cards, or of all, one message each."""
        return await self.do(asks.places(cards))

    async def track(
        self, card: str, start: datetime, end: datetime, *, least_interval_s: float = 0.0
    ) -> Track:
        """One card's fixes from `start` until before `end`; one in so many seconds at most.

        A time without a zone is UTC.
        """
        return await self.do(asks.track(card, start, end, least_interval_s))

    async def positions_at(self, time: datetime, cards: Sequence[str] = ()) -> Track:
        """Where each of the cards, or everyone, was at an instant: the last fix until then."""
        return await self.do(asks.positions_at(time, cards))

    async def muster(self) -> MusterRoll:
        """The muster that is open, or else the last one."""
        return await self.do(asks.muster())

    async def consumers(self) -> list[Consumer]:
        """The consumers of events whose places the gateway remembers."""
        return await self.do(asks.consumers())

    # Acts: done once, however often a broken connection has them sent. `request_id` is needed only
    # to send one again that an `UnavailableError` has left in doubt.

    async def acknowledge(self, consumer: str, cursor: bytes) -> Consumer:
        """Has the gateway remember that a consumer has dealt with all events up to a cursor."""
        return await self.do(asks.acknowledge(consumer, cursor))

    async def delete_consumer(self, consumer: str) -> None:
        """Has the gateway forget a consumer that will not come back."""
        await self.do(asks.forget(consumer))

    async def acknowledge_alarm(
        self, alarm_id: str, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Says that an operator has seen an alarm."""
        return await self.do(asks.acknowledge_alarm(header(operator, note, request_id), alarm_id))

    async def reset_alarm(
        self, alarm_id: str, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Ends a latched alarm whose condition is over."""
        return await self.do(asks.reset_alarm(header(operator, note, request_id), alarm_id))

    async def shelve_alarm(
        self, alarm_id: str, until: datetime, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Puts an alarm aside until a time."""
        return await self.do(asks.shelve_alarm(header(operator, note, request_id), alarm_id, until))

    async def unshelve_alarm(
        self, alarm_id: str, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Brings a shelved alarm back."""
        return await self.do(asks.unshelve_alarm(header(operator, note, request_id), alarm_id))

    async def open_muster(
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
        return await self.do(asks.open_muster(act, zone_ids, drill=drill))

    async def close_muster(
        self, muster_id: str, *, operator: str, note: str = "", request_id: str = ""
    ) -> ActResult:
        """Closes the muster that is open, whoever is still missing."""
        return await self.do(asks.close_muster(header(operator, note, request_id), muster_id))

    # What carries the bytes

    def open_call(self, opening: Opening) -> Any:
        """Begins a call of a stream, to which bytes are written and from which bytes are read."""
        # One message and the end of all look the same to a method that takes one request.
        return self.channel.stream_stream(opening.method)(metadata=self._metadata)

    async def do(self, ask: Ask[Result]) -> Result:
        """Performs an ask step by step.

        Raises:
            UnavailableError: the gateway can't be reached, or did not answer in time.
            RefusedError: the gateway does not do that.
        """
        try:
            step = next(ask)
            while True:
                try:
                    answer = await self._perform(step)
                except LamproomError as error:
                    step = ask.throw(error)
                else:
                    step = ask.send(answer)
        except StopIteration as done:
            result: Result = done.value
            return result

    async def _perform(self, step: asks.Step) -> bytes | list[bytes] | None:
        if isinstance(step, asks.Wait):
            await asyncio.sleep(step.seconds)
            return None
        try:
            if step.streams:
                stream: Any = self.channel.unary_stream(step.method)
                answers = stream(step.request, timeout=HISTORY_TIMEOUT_S, metadata=self._metadata)
                return [answer async for answer in answers]
            method: Any = self.channel.unary_unary(step.method)
            answer: bytes = await method(
                step.request, timeout=self._timeout_s, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise failure_of(error) from error
        return answer

    def _added(self, stream: AsyncStream[Item]) -> AsyncStream[Item]:
        self._streams.add(stream)
        return stream
