"""Consumers of events, whose places the gateway remembers. On the event loop only.

Acknowledgements are gathered and stored together, a few times a second at most: each is answered
when it is on disk, and no number of them keeps events from the disk.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from gateway.clock import Clock
from gateway.journal.consumers import Place
from gateway.journal.journal import Journal
from gateway.journal.sqlite import JournalError
from gateway.serve.cursor import CursorError, Kind, seal, unseal
from gateway.serve.failure import RequestError, invalid, stopping
from gateway.serve.paging import page_of, scope
from gateway.serve.reasons import Reason
from lamproom.v1 import event_pb2

#: Far more than systems above ground that one mine has; some 100 kB in memory.
CONSUMERS_MAX: Final = 1000
#: From one commit to the next: 20 a second, of all consumers, beside those of the events.
COMMIT_INTERVAL_S: Final = 0.05

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class _Group:
    """Changes that are stored in one transaction; `done` says what kept them from it, if so."""

    done: asyncio.Future[RequestError | None]
    changes: dict[str, Place | None] = field(default_factory=dict)


class ConsumerAnswers:
    """Remembers, lists and forgets consumers."""

    def __init__(self, journal: Journal, now_ns: Clock) -> None:
        self._journal = journal
        self._now_ns = now_ns
        # Of its own: whoever writes waits for the disk, and readers of events must not.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="consumers")
        self._gathering: _Group | None = None
        self._storing: _Group | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    async def acknowledge(
        self, request: event_pb2.AcknowledgeCursorRequest
    ) -> event_pb2.AcknowledgeCursorResponse:
        """Remembers a place.

        Raises:
            RequestError: a wrong name or cursor, too many consumers, it can't be stored, stopping.
        """
        name = _name_of(request.consumer)
        sequence = self._sequence_of(request.cursor)
        known = self._known(name)
        if known is None and self._count() >= CONSUMERS_MAX:
            raise RequestError(
                Reason.TOO_MANY_CONSUMERS,
                f"{CONSUMERS_MAX} consumers are remembered, which is the most",
                remedy="delete those that will not come back",
                metadata={"limit": str(CONSUMERS_MAX)},
            )
        if known and sequence < known.sequence:
            raise RequestError(
                Reason.BEHIND_PLACE,
                f"event {sequence} lies before {known.sequence}, which {name} has acknowledged",
                field="cursor",
                remedy="go on with the newest; delete the consumer first, to begin anew",
                resource=("consumer", name),
                metadata={"acknowledged": str(known.sequence)},
            )
        place = Place(sequence, self._now_ns())
        await self._store(name, place)
        return event_pb2.AcknowledgeCursorResponse(consumer=self._message(name, place))

    async def delete(
        self, request: event_pb2.DeleteConsumerRequest
    ) -> event_pb2.DeleteConsumerResponse:
        """Forgets a consumer. Raises RequestError: there is none, it can't be stored, stopping."""
        name = _name_of(request.consumer)
        if self._known(name) is None:
            raise RequestError(
                Reason.CONSUMER_NOT_FOUND,
                f"no place of a consumer {name!r} is remembered",
                field="consumer",
                remedy="ListConsumers tells which there are",
                resource=("consumer", name),
            )
        await self._store(name, None)
        return event_pb2.DeleteConsumerResponse()

    def list_consumers(
        self, request: event_pb2.ListConsumersRequest
    ) -> event_pb2.ListConsumersResponse:
        """One page of consumers, by name. Raises RequestError for a wrong page.

        A token is good as long as the same consumers are there: none is left out unnoticed.
        """
        places = self._journal.consumers.places
        names = sorted(places)
        there = scope(self._journal.epoch, *names)
        page, token = page_of(
            names, Kind.CONSUMER_PAGE, there, request.page_size, request.page_token
        )
        return event_pb2.ListConsumersResponse(
            consumers=[self._message(name, places[name]) for name in page], next_page_token=token
        )

    def close(self) -> None:
        """Ends all who wait; what is being stored now is stored."""
        self._closed = True
        if self._gathering:
            self._gathering.done.set_result(stopping())
            self._gathering = None
        if self._writer and not self._storing:
            self._writer.cancel()
        self._thread.shutdown(wait=False)

    def _sequence_of(self, cursor: bytes) -> int:
        try:
            epoch, sequence = unseal(Kind.EVENTS, cursor)
        except CursorError as error:
            raise invalid(str(error), "cursor", Reason.CURSOR_INVALID) from error
        if epoch != self._journal.epoch:
            msg = "the cursor belongs to another journal than this gateway has"
            raise RequestError(Reason.OTHER_JOURNAL, msg, field="cursor")
        newest = self._journal.last_sequence
        if sequence > newest:
            msg = f"the cursor stands at event {sequence}: the newest is {newest}"
            told = {"newest": str(newest)}
            raise RequestError(Reason.BEYOND_NEWEST, msg, field="cursor", metadata=told)
        return sequence

    def _known(self, name: str) -> Place | None:
        """The newest place, whether it is on disk yet or not."""
        for group in (self._gathering, self._storing):
            if group and name in group.changes:
                return group.changes[name]
        return self._journal.consumers.places.get(name)

    def _count(self) -> int:
        names = set(self._journal.consumers.places)
        for group in (self._storing, self._gathering):
            for name, place in group.changes.items() if group else ():
                (names.add if place else names.discard)(name)
        return len(names)

    async def _store(self, name: str, place: Place | None) -> None:
        """Returns when the place is on disk. Raises RequestError where it can't be."""
        if self._closed:
            raise stopping()
        if self._gathering is None:
            self._gathering = _Group(asyncio.get_running_loop().create_future())
        group = self._gathering
        group.changes[name] = place
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        # One client that goes must not end it for the others.
        failure = await asyncio.shield(group.done)
        if failure:
            raise RequestError(failure.reason, failure.text)

    async def _write(self) -> None:
        """Stores group after group, until none has gathered within an interval."""
        loop = asyncio.get_running_loop()
        while group := self._gathering:
            self._gathering, self._storing = None, group
            failure = None
            try:
                await loop.run_in_executor(self._thread, self._journal.store_places, group.changes)
            except JournalError as error:
                failure = RequestError(Reason.JOURNAL_UNAVAILABLE, str(error))
            self._storing = None
            group.done.set_result(failure)
            await asyncio.sleep(COMMIT_INTERVAL_S)
        self._writer = None

    def _message(self, name: str, place: Place) -> event_pb2.Consumer:
        message = event_pb2.Consumer(
            consumer=name,
            sequence=place.sequence,
            cursor=seal(Kind.EVENTS, self._journal.epoch, place.sequence),
            behind=max(0, self._journal.last_sequence - place.sequence),
        )
        message.acknowledge_time.FromNanoseconds(place.acknowledge_t_ns)
        return message


def next_event_of(journal: Journal, consumer: str) -> int:
    """The first event that a consumer has not dealt with; the oldest where it is not known.

    Raises:
        RequestError: that is no name of a consumer.
    """
    place = journal.consumers.places.get(_name_of(consumer))
    return place.sequence + 1 if place else journal.first_sequence


def _name_of(consumer: str) -> str:
    if not _NAME.fullmatch(consumer):
        msg = f"consumer {consumer[:100]!r} is no name"
        remedy = "send 1 to 64 letters, digits, '.', '_' and '-'"
        raise invalid(msg, "consumer", Reason.CONSUMER_INVALID, remedy=remedy)
    return consumer
